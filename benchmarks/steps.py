"""Steps per second by number of callers, beside sqlite3 alone writing the same rows.

A step is one durable command with its event, hashes and idempotency record: an update of a task's metadata.
The limit replays the rows of such steps through sqlite3 with the same schema, journal and durability.
"""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import anyio
from attrs import frozen

import arbeit
import arbeit.sync
from arbeit import commands as c
from arbeit.backends.sqlite import SQLiteStore, statements
from arbeit.clock import SystemClock
from arbeit.columns import CODECS, row_of
from arbeit.compose import Wiring
from arbeit.core.model import Changes
from arbeit.ports import Job
from arbeit.session import BlockingSession
from benchmarks.measure import Cell, Series, Settings, Table, alternate
from benchmarks.workload import PROJECT, copy_of, creations, fill, sqlite_url, template

TASKS = 300
CALLERS = (1, 10, 100)
GROUP = 100
GOALS = {"limit, 1 a commit": 0.4, "limit, 100 a commit": 0.25}


@frozen
class Took:
    """One timed run: steps a second, and how long each took (seconds)."""

    rate: float
    each: tuple[float, ...] = ()


def _body(step: int) -> dict[str, Any]:
    return {"step": step, "stage": "review", "note": "looked at the second half"}


def _warm(ids: Sequence[str]) -> list[c.Command]:
    return [c.UpdateTask(actor="bench", task_id=task_id, metadata={"warm": True}) for task_id in ids]


# -- Arbeit ----------------------------------------------------------------------------------------------


async def _from_callers(url: str, ids: Sequence[str], callers: int, steps: int) -> Took:
    each: list[float] = []
    async with arbeit.open(url, actor="bench") as hub:
        project = await hub.project(PROJECT, create=True)
        if not ids:
            made = await project.execute_many(creations(TASKS))
            ids = [one.task.id for one in made if isinstance(one, arbeit.Reply) and one.task is not None]
        await project.execute_many(_warm(ids))

        async def caller(number: int) -> None:
            for step in range(number, steps, callers):
                begun = time.perf_counter()
                await project.update_task(ids[step % TASKS], metadata=_body(step), idempotency_key=f"step-{step}")
                each.append(time.perf_counter() - begun)

        begun = time.perf_counter()
        async with anyio.create_task_group() as group:
            for number in range(callers):
                group.start_soon(caller, number)
        return Took(steps / (time.perf_counter() - begun), tuple(each))


def _async(file: Callable[[], Path] | None, ids: Sequence[str], callers: int, steps: int) -> Took:
    url, ids = ("memory://", ()) if file is None else (sqlite_url(file()), ids)
    return anyio.run(_from_callers, url, ids, callers, steps)


def _sync(file: Callable[[], Path] | None, ids: Sequence[str], steps: int) -> Took:
    each: list[float] = []
    with arbeit.sync.open("memory://" if file is None else sqlite_url(file()), actor="bench") as hub:
        project = hub.project(PROJECT, create=True)
        ids = fill(project, creations(TASKS)) if file is None else ids
        fill(project, _warm(ids))
        started = time.perf_counter()
        for step in range(steps):
            begun = time.perf_counter()
            project.update_task(ids[step % TASKS], metadata=_body(step), idempotency_key=f"step-{step}")
            each.append(time.perf_counter() - begun)
        return Took(steps / (time.perf_counter() - started), tuple(each))


# -- the limit -------------------------------------------------------------------------------------------

Rows = tuple[Any, Any, Any, Any]
"""What one step writes: a task, an event, a receipt, a head."""


class _Recorder(SQLiteStore):
    """Keeps what was written."""

    def transact(self, jobs: Sequence[Job]) -> list[Changes | Exception]:
        self.seen = super().transact(jobs)
        return self.seen


def record(file: Path, ids: Sequence[str], steps: int) -> list[Rows]:
    """The rows that so many steps of Arbeit write."""
    store = _Recorder(file, SystemClock(), synchronous="NORMAL")
    session = BlockingSession(Wiring(store, SystemClock(), store.lease_key(), {}))
    found: list[Rows] = []
    for step in range(steps):
        command = c.UpdateTask(
            actor="bench", task_id=ids[step % TASKS], metadata=_body(step), idempotency_key=f"step-{step}"
        )
        session.run(PROJECT, [command])
        changes = store.seen[0]
        assert isinstance(changes, Changes)
        (task,), (event,), (receipt,), head = (
            changes.changed["task"], changes.events, changes.receipts, changes.head,
        )  # fmt: skip
        found.append(
            (
                row_of(PROJECT, "task", task, event.position),
                tuple(CODECS["event"].write(event)),
                (PROJECT, *CODECS["receipt"].write(receipt)),
                (PROJECT, head.position, head.hash, head.virtual_time, head.at),
            )
        )
    session.close()
    return found


def replay(file: Path, rows: Sequence[Rows], per_commit: int) -> Took:
    """Write recorded rows through sqlite3 alone."""
    sql = statements.load()
    connection = sqlite3.connect(file, isolation_level=None, cached_statements=256)
    for pragma in ("journal_mode = WAL", "synchronous = FULL", "cache_size = -32768"):
        connection.execute(f"PRAGMA {pragma}")
    each: list[float] = []
    started = time.perf_counter()
    for at in range(0, len(rows), per_commit):
        begun = time.perf_counter()
        tasks, events, receipts, heads = zip(*rows[at : at + per_commit], strict=True)
        connection.execute("BEGIN IMMEDIATE")
        connection.executemany(sql["update_task_state"], tasks)
        connection.executemany(sql["save_event"], events)
        connection.executemany(sql["save_receipt"], receipts)
        connection.execute(sql["save_head"], heads[-1])
        connection.execute("COMMIT")
        each.append(time.perf_counter() - begun)
    took = time.perf_counter() - started
    (found,) = connection.execute("SELECT position FROM heads").fetchone()
    assert found == rows[-1][3][1]
    connection.close()
    return Took(len(rows) / took, tuple(each))


# -- the table -------------------------------------------------------------------------------------------


def run(settings: Settings) -> list[Table]:
    """Alternate Arbeit and the limit."""
    few, many = settings.size(1_000, 60), settings.size(6_000, 400)
    with template(settings.folder, TASKS) as (made, ids):
        fresh = partial(copy_of, made, settings.folder)
        rows = record(fresh(), ids, many)
        runs: dict[str, Callable[[], Took]] = {
            "limit, 1 a commit": lambda: replay(fresh(), rows[:few], 1),
            "limit, 100 a commit": lambda: replay(fresh(), rows, GROUP),
            "sqlite, sync, 1 caller": lambda: _sync(fresh, ids, few),
        }
        for callers in CALLERS:
            steps = {1: few, 10: 2 * few, 100: many}[callers]
            runs[f"sqlite, async, {callers} callers"] = partial(_async, fresh, ids, callers, steps)
        runs["memory, sync, 1 caller"] = lambda: _sync(None, ids, many)
        for callers in CALLERS:
            runs[f"memory, async, {callers} callers"] = partial(_async, None, ids, callers, many)
        found = alternate(runs, settings.rounds)
    return [_table(found)]


def _table(found: dict[str, list[Took]]) -> Table:
    speed = {name: Series(took.rate for took in all_of) for name, all_of in found.items()}
    rows: list[tuple[Cell, ...]] = []
    for name, all_of in found.items():
        each = Series(value * 1e3 for took in all_of for value in took.each)
        limit = None
        if name.startswith("sqlite"):
            limit = "limit, 100 a commit" if " 100 " in name else None if " 10 " in name else "limit, 1 a commit"
        ratio = speed[name].over(speed[limit]) if limit is not None else None
        verdict = f"{GOALS[limit]} of {limit}" if limit is not None else None
        rows.append((name, speed[name], ratio, verdict, each.median, each.percentile(95)))
    columns = ("steps a second", "rate", "ratio", "goal", "p50 ms", "p95 ms")
    notes = ("goals for p95: 2 ms at 1 caller, 20 ms at 100; p50 and p95 of a limit are those of a commit",)
    return Table("One durable update of a task, with event, hashes and receipt", columns, rows, notes)
