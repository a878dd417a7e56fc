"""Claims and other commands on Postgres by the number of tasks and queues: flat is the goal.

All sizes stand side by side in one server and take turns. What is claimed is given back at once, outside of the
measurement of a claim.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import ExitStack
from functools import partial
from random import Random

import anyio

import arbeit
import arbeit.sync
from benchmarks.claim import CALLERS, Size, make
from benchmarks.measure import Cell, Series, Settings, Table, alternate
from benchmarks.postgres_server import ABOUT, Servers
from benchmarks.workload import PROJECT, creations, fill, queue_name

GOAL = 5
WARM = 3
"""Claims of each caller that are not counted: views are loaded and statements prepared by then."""
OPERATIONS: dict[str, Callable[[arbeit.sync.Project, Random, Size], object]] = {
    "update": lambda project, random, _size: project.update_task(
        _some(project, random), metadata={"n": random.random()}
    ),
    "create": lambda project, random, size: project.create_task(
        "One more", queue=queue_name(random.randrange(size[1]))
    ),
    "claim and release": lambda project, _random, _size: _claim(project),
    "get, all parts": lambda project, random, _size: project.get(_some(project, random), include="all"),
    "find ready, 50": lambda project, _random, _size: project.find(claim_status="ready", limit=50),
    "search, common word": lambda project, _random, _size: project.search("importer malformed", limit=20),
    "search, rare words": lambda project, random, size: project.search(
        f"service {random.randrange(size[0])}", limit=20
    ),
}
_IDS: dict[int, list[str]] = {}
"""The ids of the tasks of each open project."""


def _some(project: arbeit.sync.Project, random: Random) -> str:
    return random.choice(_IDS[id(project)])


def _claim(project: arbeit.sync.Project) -> None:
    work = project.claim("worker")
    assert work is not None
    work.release()


def _times(project: arbeit.sync.Project, name: str, size: Size, count: int) -> list[float]:
    """How long each took, in milliseconds; the first prepares statements."""
    random, operation, found = Random(7), OPERATIONS[name], []
    for _ in range(count + 1):
        begun = time.perf_counter()
        operation(project, random, size)
        found.append((time.perf_counter() - begun) * 1e3)
    return found[1:]


async def _from_callers(url: str, count: int) -> list[float]:
    """How long each claim of ten callers took, in milliseconds."""
    found: list[float] = []

    async def caller(project: arbeit.Project, agent: str) -> None:
        for number in range(WARM + count // CALLERS):
            begun = time.perf_counter()
            work = await project.claim(agent)
            took = (time.perf_counter() - begun) * 1e3
            if number >= WARM:
                found.append(took)
            if work is not None:  # ten tasks may all be held by the others for a moment
                await work.release()

    async with arbeit.open(url) as hub:
        project = await hub.project(PROJECT)
        async with anyio.create_task_group() as group:
            for number in range(CALLERS):
                group.start_soon(caller, project, f"worker-{number}")
    return found


def run(settings: Settings) -> list[Table]:
    """Fill every size, then let the sizes take turns."""
    sizes = [(50, 5), (500, 50)] if settings.quick else [(1_000, 10), (10_000, 100), (100_000, 1_000)]
    count = settings.size(30, 3)
    filled: list[tuple[Cell, ...]] = []
    with Servers() as servers, ExitStack() as stack:
        urls: dict[Size, str] = {}
        projects: dict[Size, arbeit.sync.Project] = {}
        for size in sizes:
            urls[size] = stack.enter_context(servers.fresh())
            hub = stack.enter_context(arbeit.sync.open(urls[size], actor="planner"))
            project = projects[size] = hub.project(PROJECT, create=True)
            filled.append((_name(size), make(project, size)))
            _IDS[id(project)] = fill(project, creations(50))
        servers.postgres.sql("VACUUM ANALYZE")
        claims = {
            _name(size): partial(anyio.run, _from_callers, urls[size], CALLERS * settings.size(30, 3)) for size in sizes
        }
        by_callers = alternate(claims, settings.rounds)
        rows: list[tuple[Cell, ...]] = []
        for name in OPERATIONS:
            runs = {_name(size): partial(_times, projects[size], name, size, count) for size in sizes}
            found = alternate(runs, settings.rounds)
            medians = [Series(Series(one).median for one in found[_name(size)]) for size in sizes]
            rows.append((name, *medians, medians[-1].over(medians[0])))
    columns = ("ms, median of rounds", *map(_name, sizes), "largest over smallest")
    return [
        Table("Filling Postgres, 1 caller, execute_many", ("made", "tasks a second"), filled),
        _claims(by_callers),
        Table(
            "Commands and reads on Postgres by the size of the project", columns, rows, ("flat is 1.5 or less", ABOUT)
        ),
    ]


def _name(size: Size) -> str:
    return f"{size[0]:,} ready, {size[1]:,} queues"


def _claims(found: dict[str, list[list[float]]]) -> Table:
    rows: list[tuple[Cell, ...]] = []
    for name, all_of in found.items():
        every = Series(value for one in all_of for value in one)
        rows.append((name, Series(Series(one).median for one in all_of), every.percentile(95)))
    notes = (f"goal: p95 under {GOAL} ms at 100,000 ready tasks in 1,000 queues", ABOUT)
    return Table(f"Claim latency on Postgres, {CALLERS} callers", ("ms", "median", "p95"), rows, notes)
