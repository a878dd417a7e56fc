"""Steps per second on Postgres by number of callers, beside asyncpg alone; what a step costs, what caches save.

A step is one durable command with its event, hashes and idempotency record: an update of a task's metadata.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, nullcontext
from functools import partial
from typing import Any

import anyio
from attrs import frozen

import arbeit
import arbeit.sync
from arbeit import commands as c
from arbeit.backends.postgres import PostgresStore
from arbeit.kernel import Kernel
from benchmarks import postgres_limit as limit
from benchmarks.measure import Cell, Series, Settings, Table, alternate
from benchmarks.postgres_server import ABOUT, BESIDE, COST_COLUMNS, Cost, Meter, Servers, Wire, cost_cells
from benchmarks.workload import PROJECT, creations, fill

TASKS = 300
GROUP = 100
ONE, MANY = "limit, 1 a commit", "limit, 100 a commit"
GOALS = {ONE: 0.35, MANY: 0.25}


@frozen
class Took:
    """One run: what it cost, how long each step took (seconds), round trips and commits, where they were counted."""

    cost: Cost
    each: tuple[float, ...]
    trips: int = 0
    commits: int = 0


async def _from_callers(servers: Servers, url: str, callers: int, steps: int, wire: Wire | None = None) -> Took:
    each: list[float] = []
    meter = Meter(servers)
    async with arbeit.open(url, actor="bench") as hub:
        project = await hub.project(PROJECT, create=True)
        made = await project.execute_many(creations(TASKS))
        ids = [one.task.id for one in made if isinstance(one, arbeit.Reply) and one.task is not None]
        await project.execute_many([c.UpdateTask(actor="bench", task_id=one, metadata={"warm": True}) for one in ids])

        async def caller(number: int, of: int, name: str) -> None:
            for step in range(number, of, callers):
                begun = time.perf_counter()
                key = f"{name}-{step}"
                await project.update_task(
                    ids[step % TASKS], metadata={**limit.body(step), "of": name}, idempotency_key=key
                )
                each.append(time.perf_counter() - begun)

        async def all_of(count: int, name: str) -> None:
            async with anyio.create_task_group() as group:
                for number in range(callers):
                    group.start_soon(caller, number, count, name)

        await all_of(callers * 3, "warm")  # statements are prepared by then
        each.clear()
        before = await _position(project)
        meter.start()
        if wire is not None:
            wire.reset()
        await all_of(steps, "step")
        trips, commits = (wire.trips, wire.commits) if wire is not None else (0, 0)
        took = Took(meter.stop(steps), tuple(each), trips, commits)
        assert await _position(project) - before == steps  # none of them changed nothing
        return took


async def _position(project: arbeit.Project) -> int:
    return (await project.overview()).head.position


def _async(servers: Servers, beside: str, callers: int, steps: int) -> Took:
    with servers.fresh(beside) as url:
        return anyio.run(_from_callers, servers, url, callers, steps)


def _counted(servers: Servers, callers: int, steps: int) -> Took:
    """The same through a relay that counts: not for its speed."""
    with Wire(servers.postgres.port) as wire, servers.fresh("off", wire.port) as url:
        return anyio.run(_from_callers, servers, url, callers, steps, wire)


def _sync(servers: Servers, steps: int) -> Took:
    each: list[float] = []
    meter = Meter(servers)
    with servers.fresh() as url, arbeit.sync.open(url, actor="bench") as hub:
        project = hub.project(PROJECT, create=True)
        ids = fill(project, creations(TASKS))
        fill(project, [c.UpdateTask(actor="bench", task_id=one, metadata={"warm": True}) for one in ids])
        project.update_task(ids[0], metadata=limit.body(-1), idempotency_key="warm")
        meter.start()
        for step in range(steps):
            begun = time.perf_counter()
            project.update_task(ids[step % TASKS], metadata=limit.body(step), idempotency_key=f"step-{step}")
            each.append(time.perf_counter() - begun)
        return Took(meter.stop(steps), tuple(each))


def _limit(servers: Servers, recorded: limit.Recorded) -> Took:
    with servers.fresh() as url:
        cost, each = anyio.run(limit.replay, servers, url, recorded)
    return Took(cost, tuple(each))


# -- what is remembered --------------------------------------------------------------------------------------------


@contextmanager
def _replaced(owner: type, name: str, value: object) -> Iterator[None]:
    kept = vars(owner)[name]
    setattr(owner, name, value)
    try:
        yield
    finally:
        setattr(owner, name, kept)


@contextmanager
def without(*, guess: bool, views: bool) -> Iterator[None]:
    """Forget before each batch where this process left the log (`guess`), or what it read of the project (`views`)."""
    batch = vars(Kernel)["batch"]

    def forgetful(self: Kernel, project: str, commands: Any) -> Any:  # noqa: ANN401 - as the method has them
        self.drop_view(project)
        return batch(self, project, commands)

    with (
        _replaced(PostgresStore, "_remember", lambda *_: None) if guess else nullcontext(),
        _replaced(Kernel, "batch", forgetful) if views else nullcontext(),
    ):
        yield


VARIANTS: Mapping[str, tuple[bool, bool]] = {
    "both": (False, False),
    "head not guessed": (True, False),
    "views not kept": (False, True),
    "neither": (True, True),
}


def _variant(name: str, run: Callable[[], Took]) -> Took:
    guess, views = VARIANTS[name]
    with without(guess=guess, views=views):
        return run()


# -- tables --------------------------------------------------------------------------------------------------------


def run(settings: Settings) -> list[Table]:
    """Alternate Arbeit and the limit, then Arbeit with and without what it remembers."""
    few, many = settings.size(1_000, 30), settings.size(6_000, 200)
    with Servers() as servers:
        one, group = limit.record(TASKS, few, 1), limit.record(TASKS, many, GROUP)
        runs: dict[str, Callable[[], Took]] = {
            ONE: partial(_limit, servers, one),
            MANY: partial(_limit, servers, group),
            "postgres, sync, 1 caller": partial(_sync, servers, few),
        }
        for name, beside in BESIDE.items():
            for callers in (1, 10, 100) if beside == "postgres" else (1, 100):
                steps = {1: few, 10: 2 * few, 100: many}[callers]
                runs[f"{name}, {callers} callers"] = partial(_async, servers, beside, callers, steps)
        found = alternate(runs, settings.rounds)
        remembered = {
            f"{callers} callers, {name}": partial(
                _variant, name, partial(_async, servers, "off", callers, few if callers == 1 else many)
            )
            for callers in (1, 100)
            for name in VARIANTS
        }
        kept = alternate(remembered, settings.rounds)
        trips = {
            f"{callers} callers, {name}": _variant(name, partial(_counted, servers, callers, settings.size(300, 60)))
            for callers in (1, 100)
            for name in VARIANTS
        }
    return [_speed(found), _costs(found), _remembered(kept, trips)]


def _speed(found: dict[str, list[Took]]) -> Table:
    speed = {name: Series(took.cost.rate for took in all_of) for name, all_of in found.items()}
    rows: list[tuple[Cell, ...]] = []
    for name, all_of in found.items():
        each = Series(value * 1e3 for took in all_of for value in took.each)
        against = None
        if name not in GOALS and " 10 " not in name:
            against = MANY if " 100 " in name else ONE
        ratio = speed[name].over(speed[against]) if against is not None else None
        verdict = f"{GOALS[against]} of {against}" if against is not None else None
        rows.append((name, speed[name], ratio, verdict, each.median, each.percentile(95)))
    columns = ("steps a second", "rate", "ratio", "goal", "p50 ms", "p95 ms")
    notes = ("goals for p95: 2 ms at 1 caller, 20 ms at 100; p50 and p95 of a limit are those of a commit", ABOUT)
    return Table("One durable update of a task, with event, hashes and receipt", columns, rows, notes)


def _costs(found: dict[str, list[Took]]) -> Table:
    rows = [(name, *cost_cells([took.cost for took in all_of])) for name, all_of in found.items()]
    notes = ("CPU in microseconds and WAL by step; a second connection or third listens and tells",)
    return Table("What a step costs", ("median of rounds", *COST_COLUMNS), rows, notes)


def _remembered(kept: dict[str, list[Took]], trips: Mapping[str, Took]) -> Table:
    rows: list[tuple[Cell, ...]] = []
    speed = {name: Series(took.cost.rate for took in all_of) for name, all_of in kept.items()}
    for name, all_of in kept.items():
        best = f"{name.partition(',')[0]}, both"
        counted = trips[name]
        rows.append(
            (
                name,
                speed[name],
                speed[name].over(speed[best]),
                counted.trips / counted.commits,
                counted.cost.commands / counted.commits,
                *cost_cells([took.cost for took in all_of])[:2],
            )
        )
    columns = ("remembered", "steps a second", "ratio", "round trips a batch", "steps a batch", *COST_COLUMNS[:2])
    notes = ("round trips are counted on the wire, in a run of its own",)
    return Table("What is saved by guessing the head, and by keeping what was read", columns, rows, notes)
