"""Tasks per second that workers claim and complete, with lease, run and events.

Every variant ends with all tasks completed, and fails if one is not.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Coroutine
from functools import partial
from typing import Any

import anyio

import arbeit
import arbeit.sync
from benchmarks.measure import Settings, Table, rates
from benchmarks.workload import BACKENDS, PROJECT, creations, fill, url_of

WORKERS = 10
TEN = 10
PROOF = ("pytest -q: 41 passed",)
Worker = Callable[[arbeit.Project, str], Coroutine[Any, Any, None]]


async def one_at_a_time(project: arbeit.Project, agent: str) -> None:
    """Claim, complete, and so on."""
    while (work := await project.claim(agent)) is not None:
        await work.complete("done", evidence=PROOF)


async def renewing(project: arbeit.Project, agent: str) -> None:
    """The same, entering the work as an agent that takes its time would."""
    while (work := await project.claim(agent)) is not None:
        async with work:
            await work.complete("done", evidence=PROOF)


async def then_claim(project: arbeit.Project, agent: str) -> None:
    """Let each completion claim the next."""
    work = await project.claim(agent)
    while work is not None:
        work = await work.complete("done", evidence=PROOF, then_claim=True)


async def ten_at_a_time(project: arbeit.Project, agent: str) -> None:
    """Claim ten, complete them side by side."""
    while works := await project.claim_many(agent, n=TEN):
        async with anyio.create_task_group() as group:
            for work in works:
                group.start_soon(partial(work.complete, "done", evidence=PROOF))


async def _drain(url: str, worker: Worker, workers: int, tasks: int) -> float:
    async with arbeit.open(url, actor="planner") as hub:
        project = await hub.project(PROJECT, create=True)
        await project.execute_many(creations(tasks))
        begun = time.perf_counter()
        async with anyio.create_task_group() as group:
            for number in range(workers):
                group.start_soon(worker, project, f"worker-{number}")
        took = time.perf_counter() - begun
        assert (await project.overview()).statuses == {"completed": tasks}
    return tasks / took


def _by_loop(backend: str, settings: Settings, worker: Worker, workers: int, tasks: int) -> float:
    return anyio.run(_drain, url_of(backend, settings.folder), worker, workers, tasks)


def _in_thread(backend: str, settings: Settings, tasks: int, *, chained: bool) -> float:
    """One synchronous worker in a loop."""
    with arbeit.sync.open(url_of(backend, settings.folder), actor="planner") as hub:
        project = hub.project(PROJECT, create=True)
        fill(project, creations(tasks))
        begun = time.perf_counter()
        work = project.claim("worker")
        while work is not None:
            following = work.complete("done", evidence=PROOF, then_claim=chained)
            work = following if chained else project.claim("worker")
        took = time.perf_counter() - begun
        assert project.overview().statuses == {"completed": tasks}
    return tasks / took


def run(settings: Settings) -> list[Table]:
    """Drain with ten workers and with one, in each way."""
    ten_workers: dict[str, Worker] = {
        "one at a time": one_at_a_time,
        "one at a time, renewing": renewing,
        "then_claim": then_claim,
        "ten at a time": ten_at_a_time,
    }
    runs: dict[str, Callable[[], float]] = {}
    for backend in BACKENDS:
        tasks = settings.size(4_000 if backend == "memory" else 3_000, 150)
        alone = settings.size(3_000 if backend == "memory" else 500, 50)
        for name, worker in ten_workers.items():
            runs[f"{backend}, {WORKERS} workers, {name}"] = partial(_by_loop, backend, settings, worker, WORKERS, tasks)
        runs[f"{backend}, 1 worker, then_claim"] = partial(_by_loop, backend, settings, then_claim, 1, alone)
        runs[f"{backend}, 1 worker, sync, one at a time"] = partial(_in_thread, backend, settings, alone, chained=False)
        runs[f"{backend}, 1 worker, sync, then_claim"] = partial(_in_thread, backend, settings, alone, chained=True)
    found = rates(runs, settings.rounds)
    rows = [(name, speed, speed.scaled(1e-3).median ** -1) for name, speed in found.items()]
    return [Table("Claim and complete", ("drained", "tasks a second", "ms a task"), rows)]
