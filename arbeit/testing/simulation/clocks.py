"""The clocks of a simulated world: each process has its own, which may be wrong."""

from __future__ import annotations

from asyncio import sleep
from collections.abc import Callable
from random import Random

from arbeit.core.model import SECOND
from arbeit.ports import Clock
from arbeit.testing.clock import START


class SimClock:
    """The clock of one process: the world's time, off by so much, and drifting."""

    def __init__(self, elapsed: Callable[[], int], random: Random) -> None:
        self._elapsed = elapsed
        self._random = random
        self.offset = 0
        """Microseconds that it is ahead of the world."""
        self.drift = 0.0
        """Microseconds that it gains each second."""
        self._since = 0

    def now(self) -> int:
        """Microseconds since 1970, as this process believes."""
        elapsed = self._elapsed()
        return START + elapsed + self.offset + int((elapsed - self._since) * self.drift / SECOND)

    def set(self, offset: int, drift: float = 0.0) -> None:
        """Set it right, or wrong, from now on."""
        self.offset, self.drift, self._since = offset, drift, self._elapsed()

    def entropy(self, count: int) -> bytes:
        """Bytes that depend on the seed, and on what this process drew before."""
        return self._random.randbytes(count)

    async def sleep(self, seconds: float) -> None:
        """Come back after so many seconds of the world: a wrong clock does not make time pass faster."""
        # A simulated loop is one of asyncio's; asking anyio which it is takes longer than to fall asleep.
        await sleep(seconds)


class ActingClock:
    """The clock of whichever process is acting: for what all of them share."""

    def __init__(self, acting: Callable[[], Clock]) -> None:
        self._acting = acting

    def now(self) -> int:
        """As the acting process has it."""
        return self._acting().now()

    def entropy(self, count: int) -> bytes:
        """As the acting process draws it."""
        return self._acting().entropy(count)

    async def sleep(self, seconds: float) -> None:
        """As the acting process sleeps."""
        await self._acting().sleep(seconds)
