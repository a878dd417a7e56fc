"""Peers on Postgres, run by an interpreter that has them: no part of Arbeit is imported here.

    python benchmarks/postgres_peers.py pgqueuer URL prepare
    python benchmarks/postgres_peers.py pgqueuer URL fill 3000
    python benchmarks/postgres_peers.py pgqueuer URL drain 10     # says "ready", and waits for a line

Each job is an empty coroutine. What a peer is told is how many may run at a time; it claims as many at once as it can.
A drain lasts until its last job ran. Answers are one line of JSON.
"""

from __future__ import annotations

import asyncio
import json
import logging
import sys
import time
from collections.abc import Awaitable, Callable
from importlib import import_module
from typing import Any

CHUNK = 5_000
_PATIENCE = 5.0
"""Seconds without a job after which a worker of SAQ ends; they are not counted."""


class Seen:
    """What a process of a drain did."""

    def __init__(self) -> None:
        self.done = 0
        self.begun = self.last = 0.0

    async def go(self) -> None:
        """Say that everything is ready, and wait for the word."""
        print("ready", flush=True)
        await asyncio.to_thread(sys.stdin.readline)
        self.cpu = time.process_time()
        self.begun = self.last = time.monotonic()

    def one(self) -> None:
        """Count a job."""
        self.done += 1
        self.last = time.monotonic()

    def told(self) -> dict[str, float]:
        """For the answer."""
        return {"done": self.done, "begun": self.begun, "ended": self.last, "cpu": time.process_time() - self.cpu}


async def _timed(count: int, enqueue: Callable[[int], Awaitable[object]]) -> dict[str, float]:
    begun = time.perf_counter()
    for start in range(0, count, CHUNK):
        await enqueue(min(CHUNK, count - start))
    return {"rate": count / (time.perf_counter() - begun)}


async def pgqueuer(url: str, what: str, number: int) -> Any:  # noqa: ANN401 - JSON
    """Batches of as many jobs as there are workers; durable tables are its default."""
    drivers, queries, managers = (import_module(f"pgqueuer.{name}") for name in ("db", "queries", "qm"))
    types = import_module("pgqueuer.types")
    connection = await import_module("asyncpg").connect(url)
    driver = drivers.AsyncpgDriver(connection)
    if what == "prepare":
        await connection.execute("SET client_min_messages = warning; DROP SCHEMA public CASCADE; CREATE SCHEMA public")
        return await queries.Queries(driver).install()
    if what == "fill":
        jobs = queries.Queries(driver)
        return await _timed(number, lambda some: jobs.enqueue(["job"] * some, [b"{}"] * some, [0] * some))
    manager, seen = managers.QueueManager(queries.Queries(driver)), Seen()

    async def job(_job: object) -> None:
        seen.one()

    manager.entrypoint("job")(job)
    await seen.go()
    cap = 2 if number == 1 else None  # the least that it takes: twice the batch
    await manager.run(batch_size=number, mode=types.QueueExecutionMode.drain, max_concurrent_tasks=cap)
    return seen.told()


async def procrastinate(url: str, what: str, number: int) -> Any:  # noqa: ANN401 - JSON
    """One job a claim, as many side by side as there are workers."""
    package = import_module("procrastinate")
    most = max(number, 4) if what == "drain" else 4
    app = package.App(connector=package.PsycopgConnector(conninfo=url, max_size=most))
    seen = Seen()

    async def one() -> None:
        seen.one()

    job = app.task(name="job")(one)
    async with app.open_async():
        if what == "prepare":
            return await app.schema_manager.apply_schema_async()
        if what == "fill":
            return await _timed(number, lambda some: job.batch_defer_async(*({} for _ in range(some))))
        await seen.go()
        await app.run_worker_async(
            wait=False, concurrency=number, install_signal_handlers=False, delete_jobs="never", listen_notify=False
        )
    return seen.told()


async def saq(url: str, what: str, number: int) -> Any:  # noqa: ANN401 - JSON
    """Its queue on Postgres; it has no bulk enqueue, so that ten callers fill it."""
    queue = import_module("saq.queue.postgres").PostgresQueue(url=url, max_size=max(20, number))
    seen = Seen()

    async def job(_context: object) -> None:
        seen.one()

    await queue.connect()
    if what == "prepare":
        return await queue.disconnect()
    if what == "fill":

        async def some(count: int) -> None:
            async def caller() -> None:
                for _ in range(count // 10):
                    await queue.enqueue("job")

            await asyncio.gather(*(caller() for _ in range(10)))

        told = await _timed(number, some)
        await queue.disconnect()
        return told
    made = import_module("saq").Worker
    worker = made(queue, functions=[("job", job)], concurrency=number, burst=True, dequeue_timeout=_PATIENCE)
    await seen.go()
    await worker.start()
    return seen.told()


PEERS = {"pgqueuer": pgqueuer, "procrastinate": procrastinate, "saq": saq}


def main(name: str, url: str, what: str, number: str = "0") -> None:
    """Run one and print what it says."""
    logging.disable(logging.WARNING)
    print(json.dumps(asyncio.run(PEERS[name](url, what, int(number)))), flush=True)


if __name__ == "__main__":
    main(*sys.argv[1:])
