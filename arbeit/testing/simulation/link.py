"""Between a process and its store: calls take time, fail, and lose their answers."""

from __future__ import annotations

from collections.abc import Callable
from random import Random
from typing import Any, TypeVar

import anyio

from arbeit.ports import OutcomeUnknown
from arbeit.testing.history import Happened, History
from arbeit.testing.simulation.config import Fault
from arbeit.testing.simulation.stores import Now, unavailable

T = TypeVar("T")

CHANCES: dict[Fault, float] = {
    "fail": 0.01,
    "lose_reply": 0.01,
    "lose_commit": 0.01,
    "fail_read": 0.01,
    "stall": 0.003,
    "lose_hint": 0.1,
    "false_hint": 0.05,
}
"""How often each befalls a call, in rough weather."""
_LATENCIES = (0.0002, 0.0005, 0.001, 0.001, 0.002, 0.005, 0.03)
_STALLS = (2, 6, 16, 36)
"""How many parts a stall lasts; it ends with the faults."""
_PART = 0.25


class Link:
    """Carries the calls of one process to its store and back, in virtual time."""

    def __init__(self, random: Random, chances: dict[Fault, float], history: History, process: str, now: Now) -> None:
        self._random = random
        self._chances = chances
        self._history = history
        self._process = process
        self._now = now
        self._pulse = 0
        self.cut = ""
        """Why the store cannot be reached; empty where it can."""
        self.calm = False
        """Whether the faults are over."""

    async def commit(self, transact: Callable[..., T], *args: Any) -> T:  # noqa: ANN401 - the call's own
        """Carry a transaction there, and its answer back."""
        fault = self._strike("fail", "lose_commit", "lose_reply")
        await self._travel()
        self._reach()
        if fault == "fail":
            raise unavailable("a fault: nothing was committed")
        if fault == "lose_commit":
            raise OutcomeUnknown("a fault: nothing was committed, and nobody knows")
        result = transact(*args)
        await self._travel()
        if fault == "lose_reply" or self.cut:
            raise OutcomeUnknown("a fault: all was committed, and nobody knows")
        return result

    async def read(self, ask: Callable[..., T], *args: Any) -> T:  # noqa: ANN401 - the call's own
        """Carry a question there, and its answer back."""
        fault = self._strike("fail_read")
        await self._travel()
        self._reach()
        if fault is not None:
            raise unavailable("a fault: the read failed")
        result = ask(*args)
        await self._travel()
        return result

    def pulse(self, ask: Callable[[], int]) -> int:
        """Feel for what others committed: a hint, which may be lost or false."""
        self._reach()
        fault = self._strike("lose_hint", "false_hint", quietly=True)
        if fault == "lose_hint":
            return self._pulse
        if fault == "false_hint":
            return -1
        self._pulse = ask()
        return self._pulse

    def _reach(self) -> None:
        if self.cut:
            raise unavailable(f"a fault: {self.cut}")

    async def _travel(self) -> None:
        await anyio.sleep(self._random.choice(_LATENCIES))
        if self._strike("stall"):
            for _ in range(self._random.choice(_STALLS)):
                if not self.calm:
                    await anyio.sleep(_PART)

    def _strike(self, *faults: Fault, quietly: bool = False) -> Fault | None:
        """Which of some faults befalls this call, if any; each takes its own chance."""
        struck: Fault | None = None
        for fault in faults:
            # Drawn whether it counts or not, so that leaving a fault out changes nothing else.
            if self._random.random() < CHANCES[fault] * self._chances.get(fault, 0) and not self.calm:
                struck = struck or fault
        if struck is not None and not quietly:
            self._history.add(Happened(self._now(), "fault", struck, self._process))
        return struck
