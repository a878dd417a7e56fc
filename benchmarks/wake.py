"""How soon a waiting claimer has a task that somebody creates, on an otherwise idle queue.

Counted from the moment the creator has its reply, and from the moment it asked. One monotonic clock serves all
processes of a machine.
"""

from __future__ import annotations

import random
import sys
import time
from collections.abc import Callable
from functools import partial

import anyio

import arbeit
import arbeit.sync
from benchmarks.measure import Cell, Series, Settings, Table, alternate
from benchmarks.workload import PROJECT, new_file, sqlite_url, start, url_of

GOAL = 10
Moments = list[tuple[int, int, int]]
"""Asked for, created, claimed: nanoseconds of the monotonic clock."""
_CHILD = "import sys; from benchmarks.wake import claimer; claimer(*sys.argv[1:])"


async def _claim_all(project: arbeit.Project, count: int, told: Callable[[int], None]) -> None:
    """Wait for each task, say when it was had, and finish it."""
    for _ in range(count):
        work = await project.claim("worker", wait=60)
        told(time.monotonic_ns())
        assert work is not None
        await work.complete("done", evidence=["seen"])


async def _create_all(project: arbeit.Project, count: int) -> list[tuple[int, int]]:
    """Create tasks one by one, each when the claimer has long been waiting again."""
    moments = []
    chance = random.Random(7)
    for number in range(count):
        await anyio.sleep(chance.uniform(0.03, 0.09))
        asked = time.monotonic_ns()
        await project.create_task(f"Task {number}")
        moments.append((asked, time.monotonic_ns()))
    return moments


async def _within(url: str, count: int) -> Moments:
    claimed: list[int] = []
    created: list[tuple[int, int]] = []
    async with arbeit.open(url, actor="planner") as hub:
        project = await hub.project(PROJECT, create=True)
        async with anyio.create_task_group() as group:
            group.start_soon(_claim_all, project, count, claimed.append)
            created += await _create_all(project, count)
    return [(*moments, at) for moments, at in zip(created, claimed, strict=True)]


def claimer(url: str, count: str, kind: str) -> None:
    """The other process: claims and prints when it had each task."""
    print("ready", flush=True)
    if kind == "sync":
        with arbeit.sync.open(url) as hub:
            project = hub.project(PROJECT)
            for _ in range(int(count)):
                work = project.claim("worker", wait=60)
                print(time.monotonic_ns(), flush=True)
                assert work is not None
                work.complete("done", evidence=["seen"])
        return

    async def main() -> None:
        async with arbeit.open(url) as hub:
            await _claim_all(await hub.project(PROJECT), int(count), lambda at: print(at, flush=True))

    anyio.run(main)


async def _creator(url: str, count: int, ready: Callable[[], str]) -> list[tuple[int, int]]:
    async with arbeit.open(url, actor="planner") as hub:
        project = await hub.project(PROJECT, create=True)
        await anyio.to_thread.run_sync(ready)
        await anyio.sleep(0.3)
        return await _create_all(project, count)


def _across(kind: str, settings: Settings, count: int) -> Moments:
    url = sqlite_url(new_file(settings.folder))
    with arbeit.sync.open(url) as hub:
        hub.project(PROJECT, create=True)
    with start(_CHILD, url, count, kind) as child:
        assert child.stdout is not None
        created = anyio.run(_creator, url, count, child.stdout.readline)
        claimed = [int(line) for line in child.stdout]
    if child.returncode:
        sys.exit("the claiming process failed")
    return [(*moments, at) for moments, at in zip(created, claimed, strict=True)]


def run(settings: Settings) -> list[Table]:
    """Wait in the same process, and in another."""
    count = settings.size(40, 6)
    runs: dict[str, Callable[[], Moments]] = {
        f"{backend}, same process": partial(_same, backend, settings, count) for backend in ("memory", "sqlite")
    }
    runs["sqlite, another process"] = partial(_across, "async", settings, count)
    runs["sqlite, another process, sync"] = partial(_across, "sync", settings, count)
    rows: list[tuple[Cell, ...]] = []
    for name, all_of in alternate(runs, settings.rounds).items():
        moments = [one for found in all_of for one in found]
        after_reply = Series((claimed - created) / 1e6 for _, created, claimed in moments)
        after_call = Series((claimed - asked) / 1e6 for asked, _, claimed in moments)
        rows.append((name, *_percentiles(after_reply), *_percentiles(after_call)))
    columns = ("ms until claimed", "p50", "p95", "most", "p50 from the call", "p95", "most")
    return [Table("Pick-up by a waiting claimer", columns, rows, (f"goal: p95 under {GOAL} ms",))]


def _same(backend: str, settings: Settings, count: int) -> Moments:
    return anyio.run(_within, url_of(backend, settings.folder), count)


def _percentiles(series: Series) -> tuple[float, float, float]:
    return series.median, series.percentile(95), max(series.values)
