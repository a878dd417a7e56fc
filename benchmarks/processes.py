"""Eight processes on one SQLite file claim and complete tasks until none is left.

The share of a process is what it completed, against an eighth of all. Waits are for the lock file.
"""

from __future__ import annotations

import json
import sys
import time
from typing import Any, ClassVar

import arbeit.sync
from arbeit.backends.sqlite import store as sqlite_store
from arbeit.backends.sqlite.lock import FileLock
from benchmarks.measure import Cell, Series, Settings, Table
from benchmarks.workload import PROJECT, sqlite_url, start, template

PROCESSES = 8
GOAL = 0.5
_CHILD = "import sys; from benchmarks.processes import worker; worker(*sys.argv[1:])"


class TimedLock(FileLock):
    """Knows how long each taking took, in seconds."""

    waits: ClassVar[list[float]] = []

    def __enter__(self) -> None:
        begun = time.perf_counter()
        super().__enter__()
        self.waits.append(time.perf_counter() - begun)


def worker(url: str, name: str, then_claim: str) -> None:
    """One of the processes; prints what it did as JSON."""
    vars(sqlite_store)["FileLock"] = TimedLock  # stands in for the class it is made of
    calls: list[float] = []
    done = 0
    with arbeit.sync.open(url, actor=name) as hub:
        project = hub.project(PROJECT)
        print("ready", flush=True)
        sys.stdin.readline()
        TimedLock.waits.clear()
        begun = last = time.monotonic()

        def timed(result: arbeit.sync.Work | None) -> arbeit.sync.Work | None:
            nonlocal last
            now = time.monotonic()
            calls.append(now - last)
            last = now
            return result

        work = timed(project.claim())
        while work is not None:
            following = timed(work.complete("done", evidence=["seen"], then_claim=bool(then_claim)))
            done += 1
            work = following if then_claim else timed(project.claim())
        ended = time.monotonic()
    found = {"done": done, "begun": begun, "ended": ended, "calls": calls, "waits": TimedLock.waits}
    print(json.dumps(found), flush=True)


def race(url: str, tasks: int, then_claim: str) -> list[dict[str, Any]]:
    """Start them, let them go at once, and collect what each did."""
    children = [start(_CHILD, url, f"worker-{number}", then_claim) for number in range(PROCESSES)]
    for child in children:
        assert child.stdout is not None
        child.stdout.readline()
    for child in children:
        assert child.stdin is not None
        child.stdin.write("go\n")
        child.stdin.flush()
    found = [json.loads(child.communicate()[0]) for child in children]
    with arbeit.sync.open(url) as hub:
        assert hub.project(PROJECT).overview().statuses == {"completed": tasks}
        assert hub.project(PROJECT).verify().ok
    assert sum(one["done"] for one in found) == tasks
    return found


def run(settings: Settings) -> list[Table]:
    """Race a few times."""
    tasks = settings.size(2_000, 120)
    rows: list[tuple[Cell, ...]] = []
    for name, then_claim in (("claim, complete", ""), ("complete with then_claim", "yes")):
        races = []
        for _ in range(settings.size(min(3, settings.rounds), 1)):
            with template(settings.folder, tasks) as (file, _ids):
                races.append(race(sqlite_url(file), tasks, then_claim))
        speed = Series(
            tasks / (max(one["ended"] for one in found) - min(one["begun"] for one in found)) for found in races
        )
        share = Series(min(one["done"] for one in found) * PROCESSES / tasks for found in races)
        calls = Series(value * 1e3 for found in races for one in found for value in one["calls"])
        waits = Series(value * 1e3 for found in races for one in found for value in one["waits"])
        latency = (calls.median, calls.percentile(95), max(calls.values))
        rows.append((name, speed, share, *latency, waits.median, waits.percentile(95), max(waits.values)))
    columns = (
        f"{PROCESSES} processes, {tasks:,} tasks", "tasks a second", "slowest's share",
        "call p50 ms", "p95", "most", "wait p50 ms", "p95", "most",
    )  # fmt: skip
    note = f"goal: the slowest gets at least {GOAL} of its fair share; no double claim, verified after each race"
    return [Table("Processes racing on one SQLite file", columns, rows, (note,))]
