"""Events per second that are exported and restored, and how much memory an export takes."""

from __future__ import annotations

import time
import tracemalloc
from contextlib import ExitStack
from functools import partial
from pathlib import Path

import arbeit.sync
from arbeit.exchange import export, restore
from benchmarks.measure import Series, Settings, Table, rates
from benchmarks.verify import grow
from benchmarks.workload import BACKENDS, PROJECT, url_of


class Nowhere:
    """Takes bytes, and counts them."""

    def __init__(self) -> None:
        self.bytes = 0

    def write(self, data: bytes, /) -> None:
        self.bytes += len(data)


def _export(project: arbeit.sync.Project) -> float:
    begun = time.perf_counter()
    done = arbeit.sync.run(export(project.inner, Nowhere()))
    return done.position / (time.perf_counter() - begun)


def _restore(backend: str, file: Path, folder: Path) -> float:
    with arbeit.sync.open(url_of(backend, folder), actor="planner") as hub:
        begun = time.perf_counter()
        done = arbeit.sync.run(restore(hub.handle(PROJECT).inner, file))
        took = time.perf_counter() - begun
        assert hub.project(PROJECT).overview().head.position == done.position
        return done.position / took


def _memory(project: arbeit.sync.Project) -> float:
    """The most that Python objects took during an export, in megabytes."""
    tracemalloc.start()
    try:
        arbeit.sync.run(export(project.inner, Nowhere()))
        return tracemalloc.get_traced_memory()[1] / 1e6
    finally:
        tracemalloc.stop()


def run(settings: Settings) -> list[Table]:
    """Export a log of 100,000 events, and restore it."""
    tasks = settings.size(25_000, 250)
    file = settings.folder / "project.jsonl"
    with ExitStack() as stack:
        projects = {}
        for backend in BACKENDS:
            hub = stack.enter_context(arbeit.sync.open(url_of(backend, settings.folder), actor="planner"))
            projects[backend] = hub.project(PROJECT, create=True)
            grow(projects[backend], tasks)
        memory = {backend: _memory(project) for backend, project in projects.items()}
        done = arbeit.sync.run(export(projects["sqlite"].inner, file))
        out = rates({name: partial(_export, project) for name, project in projects.items()}, settings.rounds)
    back = rates({name: partial(_restore, name, file, settings.folder) for name in BACKENDS}, settings.rounds)
    rows = [
        *((f"export of {name}", speed, _seconds(speed, done.position)) for name, speed in out.items()),
        *((f"restore into {name}", speed, _seconds(speed, done.position)) for name, speed in back.items()),
    ]
    size = file.stat().st_size / 1e6
    file.unlink()
    return [
        Table(f"{done.position:,} events, {size:.0f} MB", ("way", "events a second", "seconds in all"), rows),
        Table("Memory of an export", ("store", "megabytes at most"), list(memory.items())),
    ]


def _seconds(speed: Series, events: int) -> Series:
    return Series(events / value for value in speed.values)
