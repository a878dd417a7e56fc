"""What the child processes of these tests do. A fork server that has imported this makes each in milliseconds."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from multiprocessing.connection import Connection
from multiprocessing.synchronize import Barrier
from pathlib import Path
from random import Random
from typing import Any

import anyio

import arbeit
import arbeit.sync
from arbeit.backends.sqlite import store as sqlite
from arbeit.core import commands as c
from arbeit.core.errors import ArbeitError
from arbeit.core.leases import token_for
from arbeit.core.model import Grant, Reply

KEY = b"a key for tests, not for secrets"
PROOF = ("pytest",)


def drain(url: str, name: str, barrier: Barrier, results: Connection) -> None:
    """Claim and finish tasks until there are none."""
    with arbeit.sync.open(url) as hub:
        project = hub.project("demo")
        project.find(limit=1)
        barrier.wait()
        done = 0
        work = project.claim(name, capabilities=[])
        while work is not None:
            done += 1
            work = work.complete(f"by {name}", evidence=PROOF, then_claim=True)
        results.send((name, done))


def open_and_create(url: str, barrier: Barrier, results: Connection) -> None:
    """Open a file that is not there yet, and make a project in it."""
    barrier.wait()
    try:
        with arbeit.sync.open(url) as hub:
            project = hub.project("demo", create=True)
            project.create_task("T")
            results.send(len(project.history()))
    except ArbeitError as error:
        results.send(str(error))


def claim_once(url: str, agent: str, results: Connection) -> None:
    """Wait for a task, and hold it for a while."""
    with arbeit.sync.open(url) as hub:
        work = hub.project("demo").claim(agent, wait=30, ttl=3600)
        results.send(work.task.id if work is not None else None)


# -- writers that are killed ------------------------------------------------------------------------------------------


class Life:
    """What one writer does: makes tasks and finishes them, and says after each reply what it was told."""

    def __init__(self, project: str, life: int, acknowledge: Callable[[object], None]) -> None:
        self.project = project
        self.life = life
        self.count = 0
        self.acknowledge = acknowledge

    def named(self, kind: str) -> str:
        """A correlation id that nobody else uses, and that says how many events it stands for."""
        self.count += 1
        return f"{kind}/{self.life}/{self.count}"

    def create(self) -> c.Command:
        """A new task: one event."""
        return c.CreateTask(title="T", metadata={"life": self.life}, correlation_id=self.named("create"))

    def claim(self, agent: str) -> c.Command:
        """A claim of a new agent: two events."""
        return c.ClaimTasks(
            actor=agent, agent=agent, capabilities=(), correlation_id=self.named("claim"), ttl=3_600_000_000
        )

    def note(self, grant: Grant) -> c.Command:
        """A note of the holder: one event, and a heartbeat."""
        return c.AddContext(**self._held(grant), content="x" * 500, correlation_id=self.named("note"))

    def finish(self, grant: Grant) -> c.Command:
        """An ending that claims the next one: two events."""
        return c.CompleteTask(
            **self._held(grant),
            outcome="done",
            evidence=PROOF,
            then_claim=c.ClaimTasks(agent=grant.lease.agent_id, capabilities=(), ttl=3_600_000_000),
            correlation_id=self.named("finish"),
            idempotency_key=f"{self.life}/{self.count}",
        )

    def _held(self, grant: Grant) -> dict[str, Any]:
        token = token_for(KEY, self.project, grant.lease)
        return {"actor": grant.lease.agent_id, "task_id": grant.task.id, "token": token}


def write(path: str, project: str, life: int, results: Connection) -> None:
    """Write synchronously until killed."""
    if life % 2:
        sqlite._CHECKPOINT_ROWS = 25
    acts = Life(project, life, results.send)
    with arbeit.sync.open(f"sqlite:///{path}", key=KEY) as hub:
        demo = hub.project(project, create=True)

        def do(command: c.Command) -> Reply:
            reply = demo.execute(command)
            acts.acknowledge(command.correlation_id)
            return reply

        for _ in range(2):
            do(acts.create())
        (grant,) = do(acts.claim(f"agent-{life}")).grants
        while True:
            do(acts.create())
            do(acts.note(grant))
            (grant,) = do(acts.finish(grant)).grants


def write_together(path: str, project: str, life: int, results: Connection) -> None:
    """Write asynchronously from several tasks until killed."""
    acts = Life(project, life, results.send)

    async def main() -> None:
        async with arbeit.open(f"sqlite:///{path}", key=KEY) as hub, anyio.create_task_group() as group:
            demo = await hub.project(project, create=True)

            async def do(command: c.Command) -> Reply:
                reply = await demo.execute(command)
                acts.acknowledge(command.correlation_id)
                return reply

            async def agent(number: int) -> None:
                for _ in range(2):
                    await do(acts.create())
                (grant,) = (await do(acts.claim(f"agent-{life}-{number}"))).grants
                while True:
                    await do(acts.create())
                    await do(acts.note(grant))
                    (grant,) = (await do(acts.finish(grant))).grants

            for number in range(6):
                group.start_soon(agent, number)

    anyio.run(main)


def pause(random: Random) -> float:
    """How many seconds a writer lives after its first acknowledgement: mostly short, sometimes long."""
    return random.choice((0.0, 0.01, 0.03, 0.1, 0.2)) * random.random()


def hold_with_heartbeats(path: str, ttl: float, results: Connection) -> None:
    """Claim a task, and hold it until killed."""
    with arbeit.sync.open(f"sqlite:///{path}", key=KEY) as hub:
        work = hub.project("demo").claim("holder", ttl=ttl)
        assert work is not None
        with work:
            results.send("held")
            while True:
                time.sleep(60)


def open_as_nobody(path: str, results: Connection) -> None:
    """Open a file as somebody who may not: root may do anything, so it stops being root."""
    url = f"sqlite:///{path}"
    if os.geteuid() == 0:
        package = Path(arbeit.__file__).parent
        if any(not folder.stat().st_mode & 0o001 for folder in package.parents):
            results.send(("skip", "nobody but root can read the library"))
            return
        os.setgroups([])
        os.setgid(65534)
        os.setuid(65534)
    try:
        with arbeit.sync.open(url) as hub:
            hub.project("demo", create=True)
            hub.project("demo").create_task("T")
        results.send(("opened", ""))
    except ArbeitError as error:
        results.send((str(error.code), str(error)))
    except BaseException as error:
        results.send((type(error).__name__, repr(error)))
        raise
