"""Time that moves only when a test says so, and randomness that is the same each time."""

from __future__ import annotations

import heapq
import itertools
import random
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from anyio import Event

START = 1_768_829_904_130_000
"""2026-01-19T13:38:24.130Z: where a virtual clock stands at first."""


class VirtualClock:
    """A Clock whose time is moved by `tick` (at once) or `advance` (letting sleepers run in their order)."""

    def __init__(self, seed: int = 0, start: int = START) -> None:
        self._now = start
        self._random = random.Random(seed)
        self._sleepers: list[tuple[int, int, Event]] = []
        self._numbers = itertools.count()

    def now(self) -> int:
        """Microseconds since 1970, as far as this clock was moved."""
        return self._now

    def entropy(self, count: int) -> bytes:
        """Bytes that depend on the seed and on what was drawn before."""
        return self._random.randbytes(count)

    def tick(self, seconds: float) -> None:
        """Move time without letting anybody run; sleepers wake when they next get the chance."""
        self._now += round(seconds * 1_000_000)
        self._wake()

    async def advance(self, seconds: float) -> None:
        """Move time step by step to each sleeper's moment, letting everything settle in between."""
        from anyio import wait_all_tasks_blocked  # noqa: PLC0415 - synchronous tests load no event loop

        until = self._now + round(seconds * 1_000_000)
        await wait_all_tasks_blocked()
        while self._sleepers and self._sleepers[0][0] <= until:
            self._now = max(self._now, self._sleepers[0][0])
            self._wake()
            await wait_all_tasks_blocked()
        self._now = until
        await wait_all_tasks_blocked()

    async def sleep(self, seconds: float) -> None:
        """Wait until the clock was moved so far."""
        from anyio import Event  # noqa: PLC0415 - synchronous tests load no event loop

        woken = Event()
        at = self._now + max(0, round(seconds * 1_000_000))
        heapq.heappush(self._sleepers, (at, next(self._numbers), woken))
        await woken.wait()

    def _wake(self) -> None:
        while self._sleepers and self._sleepers[0][0] <= self._now:
            heapq.heappop(self._sleepers)[2].set()
