"""What the child processes of these tests do. A fork server that has imported this makes each in milliseconds."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable
from multiprocessing.connection import Connection
from multiprocessing.synchronize import Barrier
from pathlib import Path
from random import Random
from typing import Any

import anyio
from attrs import frozen

import arbeit
import arbeit.sync
from arbeit.core import commands as c
from arbeit.core.errors import ArbeitError
from arbeit.core.leases import token_for
from arbeit.core.model import Grant, Reply
from arbeit.testing.crash import Target
from arbeit.testing.linearizability import Recorder

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


def create_for_ever(url: str, results: Connection) -> None:
    """Create one task after the other until killed, and say so after the first."""
    with arbeit.sync.open(url, key=KEY) as hub:
        project = hub.project("demo", create=True)
        project.create_task("T")
        results.send("begun")
        while True:
            project.create_task("T")


def create_together_for_ever(url: str, results: Connection) -> None:
    """The same, from several tasks of an event loop."""

    async def main() -> None:
        async with arbeit.open(url, key=KEY) as hub, anyio.create_task_group() as group:
            project = await hub.project("demo", create=True)

            async def create() -> None:
                while True:
                    await project.create_task("T")

            await project.create_task("T")
            results.send("begun")
            for _ in range(6):
                group.start_soon(create)

    anyio.run(main)


class Contender:
    """One of several processes that want the same few tasks, and writes down what it sends and hears."""

    def __init__(self, project: arbeit.sync.Project, number: int, journal: Path) -> None:
        self.project = project
        self.random = Random(number)
        self.agent = f"agent-{number}"
        self.recorder = Recorder(journal, f"p{number}", number)
        self.count = 0
        self.grants: dict[str, Grant] = {}

    def do(self, command: type[c.Command], **given: Any) -> Reply | None:  # noqa: ANN401 - a command's own fields
        """Send a command under a name of its own; None if it was refused."""
        self.count += 1
        name = f"{self.agent}/{self.count}"
        made = command(**{"actor": self.agent, "correlation_id": name, "idempotency_key": name, **given})
        number = self.recorder.sent(self.agent, self.project.key, made)
        try:
            reply = self.project.execute(made)
        except ArbeitError as error:
            self.recorder.answered(number, error)
            return None
        self.recorder.answered(number, reply)
        for grant in reply.grants:
            self.grants[grant.task.id] = grant
        return reply

    def create(self, task_ids: list[str]) -> None:
        for task_id in task_ids:
            self.do(c.CreateTask, task_id=task_id, title="T")

    def step(self, task_id: str) -> None:
        """Something that others may want to do to the same task at the same moment."""
        grant = self.grants.get(task_id)
        acts = [self.start, self.pull, self.edit, self.look, self.open_again]
        acts += [self.write, self.release, self.complete, self.hand_over, self.write] if grant is not None else []
        self.random.choice(acts)(task_id)

    def start(self, task_id: str) -> None:
        given = {"agent": self.agent, "capabilities": ("review",), "ttl": 3_600_000_000}
        self.do(self.random.choice((c.StartTask, c.StartTask, c.ResumeTask)), task_id=task_id, **given)

    def pull(self, _task_id: str) -> None:
        self.do(c.ClaimTasks, agent=self.agent, capabilities=(), ttl=3_600_000_000)

    def edit(self, task_id: str) -> None:
        (task,) = self.project.find(limit=1).tasks
        version = task.version if task.id == task_id else self.random.randint(1, 9)
        self.do(c.UpdateTask, task_id=task_id, expected_version=version, title=f"T{self.count}")

    def look(self, _task_id: str) -> None:
        fields = ("id", "status", "fence", "version", "assignee", "attempt")
        shown = [{name: getattr(task, name) for name in fields} for task in self.project.find(limit=50).tasks]
        self.recorder.looked(self.agent, self.project.key, "find", shown)

    def open_again(self, task_id: str) -> None:
        """What the dead and the slow hold is taken from them by a supervisor."""
        if self.random.random() < 0.3:
            self.do(c.ReleaseTask, actor="boss", task_id=task_id, force=True)
        else:
            self.do(c.UnblockTask, task_id=task_id)

    def held(self, task_id: str) -> dict[str, str]:
        token = token_for(KEY, self.project.key, self.grants[task_id].lease)
        return {"actor": self.agent, "task_id": task_id, "token": token}

    def write(self, task_id: str) -> None:
        self.do(c.AddContext, **self.held(task_id), content="n")

    def release(self, task_id: str) -> None:
        then = c.ClaimTasks(agent=self.agent, capabilities=(), ttl=3_600_000_000)
        self.do(c.ReleaseTask, **self.held(task_id), then_claim=self.random.choice((None, then)))

    def complete(self, task_id: str) -> None:
        held = self.held(task_id)
        if self.random.random() < 0.3:
            self.do(c.CompleteTask, **held, evidence=PROOF)
        else:
            self.do(c.BlockTask, **held, reason="later")

    def hand_over(self, task_id: str) -> None:
        self.do(c.HandoffTask, **self.held(task_id), to_agent=f"agent-{self.random.randrange(6)}", note="yours")


@frozen
class Contest:
    """What a contender is told; `doom` is the point of a transaction at which it dies, and after how many passes."""

    url: str
    number: int
    tasks: list[str]
    journal: Path
    target: Target
    doom: tuple[str, int] | None


def contend(contest: Contest, barrier: Barrier, _: Connection) -> None:
    """Contend for tasks a hundred times, or until killed."""
    opened: Callable[[], None] | None = None
    if contest.doom is not None:
        opened = contest.target.doom(*contest.doom, contest.number, lambda: os.kill(os.getpid(), signal.SIGKILL))
    with arbeit.sync.open(contest.url, key=KEY) as hub:
        contender = Contender(hub.project("demo"), contest.number, contest.journal)
        contender.do(c.RegisterAgent, agent_id=contender.agent)
        barrier.wait()
        if opened is not None:
            opened()
        for _step in range(100):
            contender.step(contender.random.choice(contest.tasks))


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
