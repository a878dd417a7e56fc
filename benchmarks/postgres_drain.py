"""Tasks per second that workers claim and complete on Postgres, and how quickly they are made, beside peers.

Every drain runs in processes of its own, and fails unless all tasks end completed. Peers run if ARBEIT_BENCH_PEERS
names an interpreter that has them (pip install pgqueuer asyncpg procrastinate 'saq[postgres]').
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import anyio
from attrs import frozen

import arbeit
import arbeit.sync
from benchmarks.drain import PROOF, Worker, one_at_a_time, ten_at_a_time, then_claim
from benchmarks.measure import Cell, Series, Settings, Table, alternate
from benchmarks.postgres_server import ABOUT, BESIDE, COST_COLUMNS, Cost, Meter, Servers, Wire, cost_cells
from benchmarks.workload import PROJECT, creations, fill, start

WAYS: dict[str, Worker] = {
    "one at a time": one_at_a_time,
    "then_claim": then_claim,
    "ten at a time": ten_at_a_time,
}
SYNC = "sync"
Team = tuple[int, int]
"""Workers, and processes that they are in."""
PEERS = os.environ.get("ARBEIT_BENCH_PEERS")
GOALS = {"pgqueuer, 10 workers": 1.2, "pgqueuer, 1 worker": 1.0, "pgqueuer, 100 workers in 2": 1.5}
BULK_GOAL = 0.5
_CHILD = "import sys; from benchmarks.postgres_drain import worker; worker(*sys.argv[1:])"
_PEER = Path(__file__).with_name("postgres_peers.py")


# -- what a process does -------------------------------------------------------------------------------------------


def _wait() -> None:
    print("ready", flush=True)
    sys.stdin.readline()


def worker(url: str, name: str, workers: str, way: str) -> None:
    """One of the processes; prints what it did as JSON."""
    if way.startswith(SYNC):
        _blocking(url, name, chained=way.endswith("then_claim"))
    else:
        anyio.run(_workers, url, name, int(workers), WAYS[way])


async def _workers(url: str, name: str, workers: int, way: Worker) -> None:
    async with arbeit.open(url) as hub:
        project = await hub.project(PROJECT)
        await anyio.to_thread.run_sync(_wait)
        begun, cpu = time.monotonic(), time.process_time()
        async with anyio.create_task_group() as group:
            for number in range(workers):
                group.start_soon(way, project, f"{name}-{number}")
        _tell(begun, cpu)
        await anyio.to_thread.run_sync(sys.stdin.readline)


def _blocking(url: str, name: str, *, chained: bool) -> None:
    with arbeit.sync.open(url, actor=name) as hub:
        project = hub.project(PROJECT)
        _wait()
        begun, cpu = time.monotonic(), time.process_time()
        work = project.claim()
        while work is not None:
            following = work.complete("done", evidence=PROOF, then_claim=chained)
            work = following if chained else project.claim()
        _tell(begun, cpu)
        sys.stdin.readline()


def _tell(begun: float, cpu: float) -> None:
    told = {"begun": begun, "ended": time.monotonic(), "cpu": time.process_time() - cpu}
    print(json.dumps(told), flush=True)


# -- races ---------------------------------------------------------------------------------------------------------


def _race(servers: Servers, children: Sequence[subprocess.Popen[str]], tasks: int) -> tuple[Cost, list[dict[str, Any]]]:
    """Let them go at once; what it cost, and what each told."""
    for child in children:
        assert child.stdout is not None
        line = child.stdout.readline()
        assert line == "ready\n", line
    meter = Meter(servers)
    meter.start()
    for child in children:
        _say(child)
    found = []
    for child in children:
        assert child.stdout is not None
        found.append(json.loads(child.stdout.readline()))
    seconds = max(one["ended"] for one in found) - min(one["begun"] for one in found)
    cost = meter.stop(tasks, client=sum(one["cpu"] for one in found), seconds=seconds)
    for child in children:
        _say(child)
        child.communicate()
    return cost, found


def _say(child: subprocess.Popen[str]) -> None:
    assert child.stdin is not None
    try:
        child.stdin.write("go\n")
        child.stdin.flush()
    except BrokenPipeError:  # a peer that ended, having told everything
        return


def _drain(servers: Servers, beside: str, way: str, team: Team, tasks: int) -> Cost:
    workers, processes = team
    with servers.fresh(beside) as url:
        with arbeit.sync.open(url, actor="planner") as hub:
            fill(hub.project(PROJECT, create=True), creations(tasks))
        each = workers // processes
        children = [start(_CHILD, url, f"worker-{number}", each, way) for number in range(processes)]
        cost, _ = _race(servers, children, tasks)
        with arbeit.sync.open(url) as hub:
            assert hub.project(PROJECT).overview().statuses == {"completed": tasks}
        return cost


def _counted(servers: Servers, way: str, workers: int, tasks: int) -> tuple[float, float]:
    """Round trips a batch, and commands a batch; through a relay, in one process."""
    with Wire(servers.postgres.port) as wire, servers.fresh("off", wire.port) as url:
        with arbeit.sync.open(url, actor="planner") as hub:
            fill(hub.project(PROJECT, create=True), creations(tasks))
        child = start(_CHILD, url, "worker", workers, way)
        assert child.stdout is not None
        child.stdout.readline()
        wire.reset()
        _say(child)
        child.stdout.readline()
        trips, batches = wire.trips, wire.commits + wire.rollbacks
        _say(child)
        child.communicate()
    # Each task is claimed and completed.
    return trips / batches, 2 * tasks / batches


# -- peers ---------------------------------------------------------------------------------------------------------


def _peer(name: str, url: str, *arguments: object) -> list[str]:
    assert PEERS is not None
    return [PEERS, str(_PEER), name, url, *map(str, arguments)]


def _ask(command: Sequence[str]) -> Any:  # noqa: ANN401 - JSON
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        sys.exit(f"a peer failed: {done.stderr[-2000:]}")
    return json.loads(done.stdout)


def _prepared(servers: Servers, name: str) -> str:
    """A database that only this peer is in."""
    database = f"peer_{name}"
    servers.postgres.sql(f"DROP DATABASE IF EXISTS {database}")
    servers.postgres.sql(f"CREATE DATABASE {database}")
    url = servers.postgres.admin_url.rpartition("/")[0] + f"/{database}"
    _ask(_peer(name, url, "prepare"))
    return url


def _peer_drain(servers: Servers, name: str, team: Team, tasks: int) -> Cost:
    workers, processes = team
    url = _prepared(servers, name)
    _ask(_peer(name, url, "fill", tasks))
    commands = [_peer(name, url, "drain", workers // processes) for _ in range(processes)]
    children = [subprocess.Popen(one, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) for one in commands]
    cost, found = _race(servers, children, tasks)
    assert sum(one["done"] for one in found) == tasks, (name, workers, found)
    return cost


def _bulk(servers: Servers, tasks: int) -> float:
    with servers.fresh() as url, arbeit.sync.open(url, actor="planner") as hub:
        project = hub.project(PROJECT, create=True)
        fill(project, creations(10))
        commands = creations(tasks)
        begun = time.perf_counter()
        fill(project, commands)
        return tasks / (time.perf_counter() - begun)


def _peer_bulk(servers: Servers, name: str, tasks: int) -> float:
    rate: float = _ask(_peer(name, _prepared(servers, name), "fill", tasks))["rate"]
    return rate


# -- tables --------------------------------------------------------------------------------------------------------


@frozen
class Variant:
    """A row: how many workers in how many processes, and how to run it once."""

    group: str
    run: Callable[[], Cost]


def run(settings: Settings) -> list[Table]:
    """Alternate everything; each group of workers has its peers."""
    with Servers() as servers:
        variants = _variants(settings, servers)
        found = alternate({name: one.run for name, one in variants.items()}, settings.rounds)
        bulk = settings.size(20_000, 1_000)
        making: dict[str, Callable[[], float]] = {"postgres": partial(_bulk, servers, bulk)}
        for name in ("pgqueuer", "procrastinate") if PEERS else ():
            making[name] = partial(_peer_bulk, servers, name, bulk)
        made = alternate(making, settings.rounds)
        trips = {
            f"{workers} workers, {way}": _counted(servers, way, workers, settings.size(500, 100))
            for workers, way in ((10, "one at a time"), (10, "then_claim"), (10, "ten at a time"), (1, "then_claim"))
        }
    speeds = {name: Series(one.rate for one in all_of) for name, all_of in found.items()}
    return [
        _speed(speeds, variants),
        Table(
            "What a task costs, claimed and completed",
            ("median of rounds", *COST_COLUMNS),
            [(name, *cost_cells(all_of)) for name, all_of in found.items()],
            ("CPU in microseconds and WAL by task",),
        ),
        Table(
            "Batches of a drain",
            ("one process", "round trips a batch", "commands a batch"),
            [(name, *numbers) for name, numbers in trips.items()],
            ("counted on the wire, in a run of its own",),
        ),
        _created({name: Series(rates) for name, rates in made.items()}, bulk),
    ]


def _variants(settings: Settings, servers: Servers) -> dict[str, Variant]:
    many, few = settings.size(3_000, 200), settings.size(500, 30)
    found: dict[str, Variant] = {}

    def ours(beside: str, way: str, team: Team, tasks: int) -> None:
        run = partial(_drain, servers, BESIDE[beside], way, team, tasks)
        found[f"{beside}, {_group(team)}, {way}"] = Variant(_group(team), run)

    for way in WAYS:
        ours("postgres", way, (10, 1), many)
    ours("postgres + redis", "then_claim", (10, 1), many)
    ours("postgres", "then_claim", (1, 1), few)
    ours("postgres", f"{SYNC}, one at a time", (1, 1), few)
    ours("postgres", f"{SYNC}, then_claim", (1, 1), few)
    ours("postgres + redis", "then_claim", (1, 1), few)
    for way in WAYS:
        ours("postgres", way, (100, 2), many)
    ours("postgres + redis", "then_claim", (100, 2), many)
    if PEERS:
        for peer, at_ten in (("pgqueuer", many), ("procrastinate", few), ("saq", few)):
            for team, tasks in (((10, 1), at_ten), ((1, 1), few), ((100, 2), at_ten)):
                run = partial(_peer_drain, servers, peer, team, tasks)
                found[f"{peer}, {_group(team)}"] = Variant(_group(team), run)
    return found


def _group(team: Team) -> str:
    workers, processes = team
    if processes > 1:
        return f"{workers} workers in {processes}"
    return "1 worker" if workers == 1 else f"{workers} workers"


def _speed(speeds: dict[str, Series], variants: dict[str, Variant]) -> Table:
    rows: list[tuple[Cell, ...]] = []
    for name, speed in speeds.items():
        peer = f"pgqueuer, {variants[name].group}"
        against = speeds.get(peer) if name.startswith("postgres") else None
        ratio = speed.over(against) if against is not None else None
        rows.append((name, speed, ratio, f"{GOALS[peer]} of pgqueuer" if against is not None else None))
    notes = [ABOUT, "pgqueuer claims as many jobs at once as there are workers, with neither lease nor events"]
    if not PEERS:
        notes.append("no peers: ARBEIT_BENCH_PEERS names no interpreter that has them")
    return Table("Claim and complete", ("drained", "tasks a second", "ratio", "goal"), rows, tuple(notes))


def _created(made: dict[str, Series], tasks: int) -> Table:
    peer = made.get("pgqueuer")
    rows: list[tuple[Cell, ...]] = []
    for name, speed in made.items():
        compared = peer is not None and name == "postgres"
        ratio = speed.over(peer) if peer is not None and compared else None
        rows.append((name, speed, ratio, f"{BULK_GOAL} of pgqueuer" if compared else None))
    columns = ("made", "tasks a second", "ratio", "goal")
    return Table(f"Bulk creation of {tasks:,} tasks", columns, rows, ("ours with events",))
