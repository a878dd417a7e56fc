"""Sinks of tests, and what is told of what arrived."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from itertools import pairwise

import anyio

import arbeit
from arbeit.core.model import Event


class ListSink:
    """Keeps what it is given, fails when it is told to, and says so to whoever waits."""

    def __init__(self, batch: int = 256) -> None:
        self.batch = batch
        self.events: list[Event] = []
        self.calls = 0
        self.closed = 0
        self.fault: Callable[[str, Sequence[Event]], Exception | None] = lambda _project, _events: None
        self._moved = anyio.Event()

    async def publish(self, project: str, events: Sequence[Event]) -> None:
        self.calls += 1
        await anyio.lowlevel.checkpoint()
        error = self.fault(project, events)
        self._moved.set()
        if error is not None:
            raise error
        assert {event.project for event in events} == {project}
        assert 0 < len(events) <= self.batch
        self.events += events

    async def close(self) -> None:
        self.closed += 1

    async def until(self, reached: Callable[[], bool], seconds: float = 20) -> None:
        """Wait until something is so, looking whenever the sink was called."""
        with anyio.fail_after(seconds):
            while not reached():
                self._moved = anyio.Event()
                with anyio.move_on_after(0.05):
                    await self._moved.wait()

    def positions(self, project: str) -> list[int]:
        return [event.position for event in self.events if event.project == project]


def in_order(ids: Iterable[str]) -> dict[str, int]:
    """How many events of each project have arrived; each in order from the first, repetitions left out."""
    seen: dict[str, list[int]] = defaultdict(list)
    for one in ids:
        project, _, position = one.rpartition(".")
        if not seen[project] or int(position) > seen[project][-1]:
            seen[project].append(int(position))
    for project, positions in seen.items():
        assert positions[0] == 1, project
        assert all(after == before + 1 for before, after in pairwise(positions)), (project, positions)
    return {project: len(positions) for project, positions in seen.items()}


async def fill(hub: arbeit.Hub, project: str, tasks: int) -> int:
    """Make tasks in a project; where its log stands then."""
    there = await hub.project(project, create=True, actor="ada")
    for number in range(tasks):
        await there.create_task(f"task {number} of {project}")
    found = await there.history(limit=10_000)
    return found[-1].position
