"""How soon a claimer that waits in another process has a task, with what carries wake-ups: Postgres, Redis, nothing.

On an otherwise idle queue: each task is created when the one before was claimed and finished, and the claimer has been
waiting for a while. Counted from the moment the creator has its reply, and from the moment it asked.
"""

from __future__ import annotations

import random
import subprocess
import time
from functools import partial

import anyio

import arbeit
import arbeit.sync
from benchmarks import wake
from benchmarks.measure import Cell, Series, Settings, Table, alternate
from benchmarks.postgres_server import ABOUT, BESIDE, Servers
from benchmarks.workload import PROJECT, start

WARM = 3
"""Tasks that are not counted: statements are prepared by then."""
_SETTLED = 1.5
"""Seconds until both processes surely listen."""
_CHILD = "import sys; from benchmarks.wake import claimer; claimer(*sys.argv[1:])"


async def _create(url: str, count: int, child: subprocess.Popen[str]) -> wake.Moments:
    assert child.stdout is not None
    moments = []
    chance = random.Random(7)
    async with arbeit.open(url, actor="planner") as hub:
        project = await hub.project(PROJECT)
        await anyio.to_thread.run_sync(child.stdout.readline)
        await anyio.sleep(_SETTLED)
        for number in range(WARM + count):
            await anyio.sleep(chance.uniform(0.1, 0.3))
            asked = time.monotonic_ns()
            await project.create_task(f"Task {number}")
            created = time.monotonic_ns()
            moments.append((asked, created, int(await anyio.to_thread.run_sync(child.stdout.readline))))
    return moments[WARM:]


def _across(servers: Servers, beside: str, kind: str, count: int) -> wake.Moments:
    with servers.fresh(beside) as url:
        with arbeit.sync.open(url, actor="planner") as hub:
            hub.project(PROJECT, create=True)
        with start(_CHILD, url, WARM + count, kind) as child:
            found = anyio.run(_create, url, count, child)
        assert child.returncode == 0
    return found


def run(settings: Settings) -> list[Table]:
    """Wait with each carrier, from an event loop and from a thread."""
    count = settings.size(30, 6)
    rows: list[tuple[Cell, ...]] = []
    with Servers() as servers:
        runs = {
            f"{name}, {kind}": partial(_across, servers, beside, kind, count)
            for name, beside in BESIDE.items()
            for kind in ("async", "sync")
        }
        for name, all_of in alternate(runs, settings.rounds).items():
            moments = [one for found in all_of for one in found]
            after_reply = Series((claimed - created) / 1e6 for _, created, claimed in moments)
            after_call = Series((claimed - asked) / 1e6 for asked, _, claimed in moments)
            rows.append((name, *_percentiles(after_reply), *_percentiles(after_call)))
    columns = ("ms until claimed, another process", "p50", "p95", "most", "p50 from the call", "p95", "most")
    notes = (f"goal: p95 under {wake.GOAL} ms with a carrier; without one, claimers look by themselves", ABOUT)
    return [Table("Pick-up by a waiting claimer on Postgres", columns, rows, notes)]


def _percentiles(series: Series) -> tuple[float, float, float]:
    return series.median, series.percentile(95), max(series.values)
