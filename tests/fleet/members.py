"""What the processes of these tests do. Each is told where to write, and answers through a pipe."""

from __future__ import annotations

import signal
import threading
from multiprocessing.connection import Connection
from multiprocessing.synchronize import Barrier

import anyio
from attrs import frozen

import arbeit
import arbeit.sync
from arbeit.core.errors import ArbeitError
from arbeit.testing.crash import PostgresTarget

KEY = b"a key for tests, not for secrets"
PROOF = ("pytest",)
FAILING = 33
"""The first attempt at every task whose number divides by this fails."""


@frozen
class Crew:
    """One process of a fleet: its name, and how many agents share it."""

    url: str
    name: str
    agents: int


def drain(crew: Crew, barrier: Barrier, results: Connection) -> None:
    """Several agents on one event loop claim, and finish or fail, until nothing is left; send how often they did."""
    anyio.run(_drain, crew, barrier, results)


async def _drain(crew: Crew, barrier: Barrier, results: Connection) -> None:
    done = failed = 0
    async with arbeit.open(crew.url, key=KEY) as hub:
        project = await hub.project("demo")
        await project.find(limit=1)
        await anyio.to_thread.run_sync(barrier.wait)

        async def agent(name: str) -> None:
            nonlocal done, failed
            work = await project.claim(name, capabilities=[])
            while work is not None:
                if work.run.attempt == 1 and int(work.task.title) % FAILING == 0:
                    work = await work.fail("it broke", then_claim=True)
                    failed += 1
                else:
                    work = await work.complete(f"by {name}", evidence=PROOF, then_claim=True)
                    done += 1

        async with anyio.create_task_group() as group:
            for number in range(crew.agents):
                group.start_soon(agent, f"{crew.name}-{number}")
    results.send((crew.name, done, failed))


def follow(url: str, tasks: int, results: Connection) -> None:
    """Watch the log while it grows, until so many tasks are completed; send the position and hash of each event."""
    anyio.run(_follow, url, tasks, results)


async def _follow(url: str, tasks: int, results: Connection) -> None:
    seen: list[tuple[int, str]] = []
    async with arbeit.open(url, key=KEY, background=False) as hub:
        project = await hub.project("demo")
        results.send("following")
        async for event in project.watch():
            seen.append((event.position, event.hash))
            tasks -= event.type == "task_completed"
            if tasks == 0:
                break
    results.send(seen)


def freeze_inside(url: str, results: Connection) -> None:
    """Create tasks, and freeze in the middle of a transaction; thawed, say what became of each."""

    def stop() -> None:
        results.send("frozen")
        # To this thread: sent to the process, it may be taken by another while this one goes on to commit.
        signal.pthread_kill(threading.get_ident(), signal.SIGSTOP)

    opened = PostgresTarget(url).doom("decided", 2, 0, stop)
    with arbeit.sync.open(url, key=KEY) as hub:
        project = hub.project("demo")
        project.find(limit=1)
        opened()
        for number in range(3):
            try:
                results.send(project.create_task(f"frozen {number}").id)
            except ArbeitError as error:
                results.send(error.code)
