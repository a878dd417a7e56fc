"""Between a process and its store: calls take time, fail, and lose their answers."""

from __future__ import annotations

from asyncio import sleep
from collections import Counter
from collections.abc import Callable, Sequence
from random import Random
from typing import Any, TypeVar

from arbeit.core.loads import Reads, Rows
from arbeit.core.model import Changes
from arbeit.ports import Job, OutcomeUnknown
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


class Sky:
    """What is the same for the whole fleet: whether it is calm, whether the store is away; and what has struck."""

    def __init__(self, history: History, now: Now) -> None:
        self._history = history
        self._now = now
        self.calm = False
        """Whether the faults are over, and everybody sees to finishing what is left."""
        self.outage = ""
        """Why nobody reaches the store; empty where they do."""
        self.struck: Counter[str] = Counter()
        """How often each kind of fault has struck."""

    def strike(self, fault: Fault, process: str = "", detail: str = "", *, quietly: bool = False) -> None:
        """Count a fault, and record it unless there are too many of its kind to read."""
        self.struck[fault] += 1
        if not quietly:
            self._history.add(Happened(self._now(), "fault", fault, process, detail))


class Link:
    """Carries the calls of one life of one process to its store and back, in virtual time."""

    def __init__(self, random: Random, chances: dict[Fault, float], sky: Sky, process: str) -> None:
        self._random = random
        self._chances = chances
        self._sky = sky
        self._process = process
        self._pulse = 0
        self.partitioned = False
        """Whether this process alone is cut off."""
        self.dead = False
        """Whether the process was killed: nothing befalls it any more."""

    @property
    def cut(self) -> str:
        """Why the store cannot be reached; empty where it can."""
        return "a partition" if self.partitioned else self._sky.outage

    async def commit(self, transact: Callable[..., T], jobs: Sequence[Job]) -> T:
        """Carry a transaction there, and its answer back."""
        fault = self._strike("fail", "lose_commit", "lose_reply")
        await self._travel()
        self._reach()
        if fault in {"fail", "lose_commit"}:
            if self._random.random() < 0.5:
                transact(_doomed(jobs))
            if fault == "fail":
                raise unavailable("a fault: nothing was committed")
            raise OutcomeUnknown("a fault: nothing was committed, and nobody knows")
        result = transact(jobs)
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
        self._reach()
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
        await sleep(self._random.choice(_LATENCIES))
        if self._strike("stall"):
            for _ in range(self._random.choice(_STALLS)):
                if not self._sky.calm:
                    await sleep(_PART)

    def _strike(self, *faults: Fault, quietly: bool = False) -> Fault | None:
        """Which of some faults befalls this call, if any; each takes its own chance."""
        struck: Fault | None = None
        for fault in faults:
            # Drawn whether it counts or not, so that leaving a fault out changes nothing else.
            if self._random.random() < CHANCES[fault] * self._chances.get(fault, 0) and not self._sky.calm:
                struck = struck or fault
        if struck is not None and not self.dead:
            self._sky.strike(struck, self._process, quietly=quietly)
        return struck


def _doomed(jobs: Sequence[Job]) -> list[Job]:
    """The same jobs, which are decided and then come to nothing."""

    def doom(job: Job) -> Job:
        def decide(rows: Rows) -> Changes | Reads:
            decided = job.decide(rows)
            if isinstance(decided, Reads):
                return decided
            raise _Undone

        return Job(job.project, job.reads, decide)

    return [doom(job) for job in jobs]


class _Undone(Exception):  # noqa: N818 - it says what happened
    """A transaction came to nothing after it was decided."""
