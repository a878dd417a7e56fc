"""Stores for tests of what drives them: in memory, with faults, and with a gate that holds a transaction up."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from threading import Event
from typing import Any, Literal

from anyio import to_thread

from arbeit.backends.memory import MemoryStore
from arbeit.compose import Wiring
from arbeit.core.loads import Reads, Rows
from arbeit.core.model import Changes
from arbeit.core.model import Event as Recorded
from arbeit.core.policy import EVERYTHING
from arbeit.ports import Capabilities, Clock, Job, LocalStore
from arbeit.testing.clock import VirtualClock
from arbeit.testing.contract import KEY
from arbeit.testing.faults import FaultyStore

Point = Literal["before", "after"]


class LosingStore(FaultyStore):
    """Fails, and loses commits, as late as can be: all was decided, none of it is kept."""

    def transact(self, jobs: Sequence[Job]) -> list[Changes | Exception]:
        if self.planned and self.planned[0] in {"fail", "lose_commit"}:
            self._store.transact([Job(job.project, job.reads, _undone(job)) for job in jobs])
        return super().transact(jobs)


def _undone(job: Job) -> Callable[[Rows], Changes | Reads]:
    def decide(rows: Rows) -> Changes | Reads:
        decided = job.decide(rows)
        if isinstance(decided, Changes):
            raise LookupError("never mind")  # noqa: TRY004 - the type is as it should be
        return decided

    return decide


class GateStore(FaultyStore):
    """Runs in a thread, as a disk would, and holds the next transaction up before or after its commit."""

    def __init__(self, store: LocalStore) -> None:
        super().__init__(store)
        self.capabilities = Capabilities(durable=False, shared=False, blocking=True)
        self._held: Point | None = None
        self._there = Event()
        self._open = Event()

    def hold(self, point: Point) -> None:
        """Hold the next transaction up at this point."""
        self._held = point
        self._there.clear()
        self._open.clear()

    async def reached(self) -> None:
        """Come back once a transaction is held up."""
        await to_thread.run_sync(self._there.wait)

    def let_go(self) -> None:
        """Let it go on."""
        self._open.set()

    def transact(self, jobs: Sequence[Job]) -> list[Changes | Exception]:
        held, self._held = self._held, None
        if held == "before":
            self._wait()
        results = super().transact(jobs)
        if held == "after":
            self._wait()
        return results

    def _wait(self) -> None:
        self._there.set()
        assert self._open.wait(30)


class CountingStore(FaultyStore):
    """Remembers the jobs of each transaction."""

    def __init__(self, store: LocalStore) -> None:
        super().__init__(store)
        self.batches: list[list[str]] = []

    def transact(self, jobs: Sequence[Job]) -> list[Changes | Exception]:
        self.batches.append([job.project for job in jobs])
        return super().transact(jobs)


def in_memory(clock: Clock | None = None, policies: Mapping[str, Any] | None = None) -> tuple[FaultyStore, Wiring]:
    """A new store in memory that can be given faults, wired."""
    clock = clock or VirtualClock()
    store = LosingStore(MemoryStore(clock))
    return store, Wiring(store, clock, KEY, policies or {})


def gated(clock: Clock | None = None) -> tuple[GateStore, Wiring]:
    """A new store in memory behind a gate, wired."""
    clock = clock or VirtualClock()
    store = GateStore(MemoryStore(clock))
    return store, Wiring(store, clock, KEY, {})


def log(store: LocalStore, project: str = "demo") -> list[Recorded]:
    """A project's events."""
    return store.history(project, 0, 100_000, EVERYTHING)


def types(store: LocalStore, project: str = "demo") -> list[str]:
    """The types of a project's events."""
    return [event.type for event in log(store, project)]
