"""Claim latency by number of ready tasks and of queues: flat is the goal.

All sizes are open side by side and take turns. What is claimed is given back at once, outside the measurement.
"""

from __future__ import annotations

import shutil
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from functools import partial
from pathlib import Path

import anyio

import arbeit
import arbeit.sync
from arbeit import commands as c
from benchmarks.measure import Cell, Series, Settings, Table, alternate
from benchmarks.workload import BACKENDS, PROJECT, creations, fill, new_file, queue_name, sqlite_url

CALLERS = 10
Size = tuple[int, int]
"""Ready tasks, queues."""


def make(project: arbeit.sync.Project, size: Size) -> float:
    """Fill a project; tasks made per second."""
    tasks, queues = size
    fill(project, [c.SetQueue(actor="planner", queue=queue_name(number)) for number in range(1, queues)])
    commands = creations(tasks, queues)
    begun = time.perf_counter()
    fill(project, commands)
    return tasks / (time.perf_counter() - begun)


def _claims(project: arbeit.sync.Project, count: int) -> list[float]:
    """How long each claim of one caller took, in milliseconds."""
    found = []
    for _ in range(count):
        begun = time.perf_counter()
        work = project.claim("worker")
        found.append((time.perf_counter() - begun) * 1e3)
        assert work is not None
        work.release()
    return found


async def _from_callers(file: Path, count: int) -> list[float]:
    found: list[float] = []

    async def caller(project: arbeit.Project, agent: str) -> None:
        for _ in range(count // CALLERS):
            begun = time.perf_counter()
            work = await project.claim(agent)
            found.append((time.perf_counter() - begun) * 1e3)
            if work is not None:  # ten tasks may all be held by the others for a moment
                await work.release()

    async with arbeit.open(sqlite_url(file)) as hub:
        project = await hub.project(PROJECT)
        async with anyio.create_task_group() as group:
            for number in range(CALLERS):
                group.start_soon(caller, project, f"worker-{number}")
    return found[CALLERS:]  # the first ones load what the rest find cached


def _cold(file: Path, count: int) -> list[float]:
    """Open, claim and close, with nothing cached in this process."""
    found = []
    for _ in range(count):
        begun = time.perf_counter()
        with arbeit.sync.open(sqlite_url(file), actor="worker") as hub:
            work = hub.project(PROJECT).claim()
            assert work is not None
            found.append((time.perf_counter() - begun) * 1e3)
            work.release()
    return found


def run(settings: Settings) -> list[Table]:
    """Set everything up, then let the sizes take turns."""
    counts = (10, 200, 2_000) if settings.quick else (10, 1_000, 100_000)
    queues = (1, 10, 50) if settings.quick else (1, 10, 1_000)
    sizes = [(tasks, number) for number in queues for tasks in counts]
    files = {size: new_file(settings.folder) for size in sizes}
    made: dict[str, list[float]] = {backend: [] for backend in BACKENDS}
    runs: dict[str, dict[Size, Callable[[], list[float]]]] = {}
    claims = settings.size(100, 10)
    with ExitStack() as stack:
        for backend in BACKENDS:
            runs[f"{backend}, 1 caller"] = {}
            for size in sizes:
                url = sqlite_url(files[size]) if backend == "sqlite" else "memory://"
                hub = stack.enter_context(arbeit.sync.open(url, actor="planner"))
                project = hub.project(PROJECT, create=True)
                rate = make(project, size)
                if size[0] == counts[-1]:
                    made[backend].append(rate)
                _claims(project, 5)
                runs[f"{backend}, 1 caller"][size] = partial(_claims, project, claims)
        tables = [_created(made, counts[-1])]
        tables += [_table(name, of, settings.rounds) for name, of in runs.items()]
    several = {size: partial(anyio.run, _from_callers, files[size], 10 * claims) for size in sizes}
    tables.append(_table(f"sqlite, {CALLERS} callers", several, settings.rounds))
    cold = {size: partial(_cold, files[size], settings.size(10, 3)) for size in sizes}
    tables.append(_table("sqlite, cold: open, claim, close", cold, settings.rounds))
    for file in files.values():
        shutil.rmtree(file.parent)
    return tables


def _created(made: dict[str, list[float]], tasks: int) -> Table:
    rows = [(backend, Series(rates)) for backend, rates in made.items()]
    return Table(f"Bulk creation of {tasks:,} tasks by execute_many", ("made", "tasks a second"), rows)


def _table(name: str, runs: Mapping[Size, Callable[[], list[float]]], rounds: int) -> Table:
    by_name = {f"{tasks:,} ready, {queues:,} queues": run for (tasks, queues), run in runs.items()}
    found = alternate(by_name, rounds)
    rows: list[tuple[Cell, ...]] = []
    medians: list[float] = []
    for size, all_of in found.items():
        every = Series(value for one in all_of for value in one)
        by_round = Series(_median(one) for one in all_of)
        medians.append(by_round.median)
        rows.append((size, by_round, every.percentile(95)))
    note = f"worst of these medians over the best: {max(medians) / min(medians):.1f}; flat is 1.5 or less"
    return Table(f"Claim latency, {name}", ("ms", "median", "p95"), rows, (note,))


def _median(values: Sequence[float]) -> float:
    return Series(values).median
