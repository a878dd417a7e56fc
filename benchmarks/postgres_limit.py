"""The limit of Postgres: asyncpg alone, writing the rows that Arbeit's steps write, and waiting for each commit.

The changes are recorded in memory, and replayed by one statement a commit, without a lock, a look or a check before it:
one step by values, or as many as a batch has by unnest.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from urllib.parse import parse_qs

import asyncpg
from attrs import frozen

import arbeit
import arbeit.sync
from arbeit import commands as c
from arbeit.backends.memory import MemoryStore
from arbeit.backends.postgres.saving import Saving
from arbeit.clock import SystemClock
from arbeit.compose import Wiring
from arbeit.core.model import Changes
from arbeit.ports import Job
from arbeit.session import BlockingSession
from benchmarks.postgres_server import Cost, Meter, Servers
from benchmarks.workload import PROJECT, creations

Body = dict[str, object]


class _Recorder(MemoryStore):
    """Keeps what was written."""

    def __init__(self) -> None:
        super().__init__(SystemClock())
        self.seen: list[Changes] = []

    def transact(self, jobs: Sequence[Job]) -> list[Changes | Exception]:
        found = super().transact(jobs)
        self.seen += [one for one in found if isinstance(one, Changes) and not one.empty]
        return found


@frozen
class Recorded:
    """What sets a project up, and the batches of steps that follow."""

    before: tuple[Changes, ...]
    batches: tuple[Changes, ...]
    steps: int


def record(tasks: int, steps: int, per_commit: int) -> Recorded:
    """The changes of so many steps of Arbeit."""
    store = _Recorder()
    session = BlockingSession(Wiring(store, SystemClock(), bytes(32), {}))
    session.run(PROJECT, [c.CreateProject(actor="bench", key=PROJECT)])
    made = session.run(PROJECT, creations(tasks))
    ids = [one.task.id for one in made if isinstance(one, arbeit.Reply) and one.task is not None]
    session.run(PROJECT, [c.UpdateTask(actor="bench", task_id=task_id, metadata={"warm": True}) for task_id in ids])
    before = tuple(store.seen)
    store.seen.clear()
    for start in range(0, steps, per_commit):
        session.run(
            PROJECT,
            [
                c.UpdateTask(
                    actor="bench", task_id=ids[step % tasks], metadata=body(step), idempotency_key=f"step-{step}"
                )
                for step in range(start, min(steps, start + per_commit))
            ],
        )
    batches = tuple(store.seen)
    session.close()
    assert len(batches) == -(-steps // per_commit)
    return Recorded(before, batches, steps)


def body(step: int) -> Body:
    """What a step writes into a task's metadata."""
    return {"step": step, "stage": "review", "note": "looked at the second half"}


async def replay(servers: Servers, url: str, recorded: Recorded) -> tuple[Cost, list[float]]:
    """Write recorded changes through asyncpg alone; how long each commit took, in seconds."""
    with arbeit.sync.open(url, actor="bench") as hub:
        hub.projects()  # the schema is there
    address, _, query = url.partition("?")
    saving = Saving(parse_qs(query)["schema"][0])
    each: list[float] = []
    meter = Meter(servers)
    connection = await asyncpg.connect(address)
    try:
        await connection.execute("SET enable_seqscan = off")
        for number, changes in enumerate(recorded.before):
            sql, values = saving.statement(PROJECT, changes, first=number == 0)
            await connection.execute(sql, *values)
        statements = [saving.statement(PROJECT, changes, first=False) for changes in recorded.batches]
        meter.start()
        for sql, values in statements:
            begun = time.perf_counter()
            await connection.execute(sql, *values)
            each.append(time.perf_counter() - begun)
        cost = meter.stop(recorded.steps)
        position = await connection.fetchval(f"SELECT position FROM {parse_qs(query)['schema'][0]}.heads")  # noqa: S608 - ours
        assert position == recorded.batches[-1].head.position
    finally:
        await connection.close()
    return cost, each
