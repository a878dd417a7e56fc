"""What a writer's callers do, over and over, until they are killed; and which events each of it leaves."""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable
from random import Random
from typing import Any

import anyio

from arbeit.core import commands as c
from arbeit.core.errors import ArbeitError, Code
from arbeit.core.model import Grant, Reply, Task
from arbeit.project import Project
from arbeit.testing.crash.orders import Order
from arbeit.testing.linearizability import Recorder
from arbeit.work import Work

DEFECTS = frozenset({Code.INTERNAL, Code.STORE_UNAVAILABLE, Code.IDEMPOTENCY_MISMATCH, Code.INVALID_INPUT})
"""Answers that nothing of what callers do here explains."""
UNKEYED = frozenset({"renew", "attach"})
"""Kinds that carry no key, or whose reply is not kept whole by those who heard it."""
ERASABLE = "unmentionable"
"""How a text begins that is erased later, so that it can be searched for."""
_PROOF = ("the tests pass",)
_BREATH = 0.05
"""Seconds that a caller waits after it was told that the store is not available."""
_SHORT = 300_000
"""Microseconds that a lease lasts which is renewed in the background: short enough for a life to see it happen."""


class Caller:
    """One caller of a writer: sends commands one after the other, each under a name that nobody else uses.

    The name is the command's correlation id (and often its idempotency key), and begins with the command's kind.
    """

    def __init__(self, order: Order, number: int, project: Project, recorder: Recorder) -> None:
        self._process = order.process
        self._caller = f"c{number}"
        self._project = project
        self._recorder = recorder
        self._random = Random(f"{order.seed}/{number}")
        self._count = 0
        self.over = False
        """Whether to end after what is being done."""
        self._alone = order.callers is None
        self._fatal = DEFECTS - {Code.STORE_UNAVAILABLE} if order.target.outages else DEFECTS
        self._agent = f"{order.process}-{number}"
        self._heir, self._boss = f"{self._agent}-heir", f"{self._agent}-boss"

    async def work(self) -> None:
        """Do one thing after the other, until it is over."""
        await self._send("register", c.RegisterAgent, actor=self._heir, agent_id=self._heir)
        await self._send("register", c.RegisterAgent, actor=self._boss, agent_id=self._boss, persona="supervisor")
        episodes: list[Callable[[], Awaitable[object]]] = [
            *(self._deliver, self._deliver, self._give_back, self._hand_on, self._review, self._set_aside),
            *(self._create_many, self._hold, self._erase, self._look),
        ]
        while not self.over:
            try:
                await self._random.choice(episodes)()
            except ArbeitError as error:
                # Others take what this caller wanted, and leases run out: that is life.
                if error.code in self._fatal:
                    raise
                if error.code is Code.STORE_UNAVAILABLE:
                    await self._breathe()

    async def _breathe(self) -> None:
        """Wait a little: in the caller's thread where there is no event loop."""
        if self._alone:
            time.sleep(_BREATH)  # noqa: ASYNC251 - nobody else is there to be held up
        else:
            await anyio.sleep(_BREATH)

    # -- sending -------------------------------------------------------------------------------------------------------

    def _command(self, kind: str, command: type[c.Command], given: dict[str, Any]) -> c.Command:
        self._count += 1
        name = f"{kind}/{self._process}/{self._caller}/{self._count}"
        keyed = kind not in UNKEYED and self._random.random() < 0.7
        return command(correlation_id=name, idempotency_key=name if keyed else None, **given)

    async def _send(self, kind: str, command: type[c.Command], /, **given: Any) -> Reply:  # noqa: ANN401 - a command's own fields
        """Send one command, and write down that it was sent and what was heard."""
        made = self._command(kind, command, {"actor": self._agent, **given})
        number = self._recorder.sent(self._caller, self._project.key, made)
        try:
            reply = await self._project.execute(made)
        except ArbeitError as error:
            self._recorder.answered(number, error)
            raise
        self._recorder.answered(number, reply)
        return reply

    async def _create(self, **given: Any) -> Task:  # noqa: ANN401 - as above
        reply = await self._send("create", c.CreateTask, title="T", **given)
        assert reply.task is not None
        return reply.task

    async def _start(self, task: Task, agent: str, *capabilities: str) -> Grant:
        given = {"actor": agent, "agent": agent, "capabilities": capabilities, "task_id": task.id}
        return (await self._send("start", c.StartTask, **given)).grants[0]

    def _handle(self, grant: Grant) -> Work:
        return self._project.work(grant, c.StartTask(task_id=grant.task.id, agent=grant.lease.agent_id))

    def _held(self, grant: Grant) -> dict[str, Any]:
        """What a write of a holder carries."""
        return {"actor": grant.lease.agent_id, "task_id": grant.task.id, "token": self._handle(grant).token}

    async def _finish(self, grant: Grant, *, then: bool = False) -> Reply:
        following = c.ClaimTasks(agent=grant.lease.agent_id, capabilities=()) if then else None
        done = {"outcome": "done", "evidence": _PROOF, "then_claim": following}
        return await self._send("finish", c.CompleteTask, **self._held(grant), **done)

    # -- episodes ------------------------------------------------------------------------------------------------------

    async def _deliver(self) -> None:
        """Claim whatever is next, write all that a holder writes, finish, and go on with the next one."""
        await self._create(metadata={"filler": "x" * self._random.randrange(3000)})
        grants = (await self._send("claim", c.ClaimTasks, agent=self._agent, capabilities=())).grants
        for _ in range(2):
            if not grants:
                return
            await self._write(grants[0])
            grants = (await self._finish(grants[0], then=True)).grants
        for grant in grants:
            await self._send("release", c.ReleaseTask, **self._held(grant), note="enough")

    async def _write(self, grant: Grant) -> None:
        held = self._held(grant)
        note = (await self._send("note", c.AddContext, **held, content="y" * 200)).entries[0]
        renewed = {"actor": self._agent, "token": held["token"], "entry_id": note.id}
        await self._send("replace", c.SupersedeContext, **renewed, content="z" * 100)
        items = (await self._send("list", c.AddProgress, **held, items=("one", "two"))).items
        await self._send("tick", c.CompleteProgress, **held, item_ids=(items[0].id,))
        await self._send("use", c.ReportUsage, **held, usage={"tokens_in": 5})
        await self._attach(grant)

    async def _attach(self, grant: Grant) -> None:
        data = self._random.randbytes(2000)
        held, size = self._held(grant), len(data)
        given = {"name": "result.bin", "size": size, "sha256": "0" * 64}
        made = self._command("attach", c.AttachArtifact, {**held, **given})
        number = self._recorder.sent(self._caller, self._project.key, made)
        try:
            artifact = await self._handle(grant).attach("result.bin", data, idempotency_key=made.correlation_id)
        except ArbeitError as error:
            self._recorder.answered(number, error)
            raise
        self._recorder.answered(number, Reply(artifact=artifact))

    async def _give_back(self) -> None:
        task = await self._create(max_attempts=2)
        for ending in self._random.sample(("release", "fail", "fail", "cancel"), 3):
            held = self._held(await self._start(task, self._agent))
            if ending == "release":
                await self._send(ending, c.ReleaseTask, **held)
            elif ending == "fail":
                await self._send(ending, c.FailTask, **held, error="it broke")
            else:
                await self._send(ending, c.CancelTask, **held, reason="no longer wanted")

    async def _hand_on(self) -> None:
        grant = await self._start(await self._create(), self._agent)
        await self._send("hand", c.HandoffTask, **self._held(grant), to_agent=self._heir, note="yours")
        await self._finish(await self._start(grant.task, self._heir))

    async def _review(self) -> None:
        task = await self._create(review=True)
        await self._finish(await self._start(task, self._agent))
        held = self._held(await self._start(task, self._heir, "review"))
        if self._random.random() < 0.5:
            await self._send("approve", c.ApproveTask, **held, note="well done")
        else:
            await self._send("reject", c.RequestChanges, **held, reasons="not yet")

    async def _set_aside(self) -> None:
        task = await self._create()
        await self._send("block", c.BlockTask, task_id=task.id, reason="later")
        await self._send("unblock", c.UnblockTask, task_id=task.id)
        await self._start(task, self._agent)
        await self._send("block", c.BlockTask, task_id=task.id, reason="now", force=True, actor=self._boss)

    async def _create_many(self) -> None:
        """Several commands at once, which are one transaction."""
        commands = [self._command("create", c.CreateTask, {"actor": self._agent, "title": "T"}) for _ in range(5)]
        numbers = [self._recorder.sent(self._caller, self._project.key, one) for one in commands]
        for number, result in zip(numbers, await self._project.execute_many(commands), strict=True):
            self._recorder.answered(number, result)

    async def _hold(self) -> None:
        """Hold a task under a short lease, which is renewed in the background while this caller goes on."""
        task = await self._create()
        given = {"agent": self._agent, "capabilities": (), "task_id": task.id, "ttl": _SHORT}
        grant = (await self._send("start", c.StartTask, **given)).grants[0]
        self._handle(grant).hold()
        await self._send("renew", c.RenewLease, **self._held(grant))

    async def _erase(self) -> None:
        task = await self._create()
        secret = f"{ERASABLE}-{self._process}-{self._caller}-{self._count}."
        note = await self._send("note", c.AddContext, task_id=task.id, content=secret)
        given = {"actor": self._boss, "kind": "entry", "record_id": note.entries[0].id}
        await self._send("erase", c.EraseRecord, **given)

    async def _look(self) -> None:
        found = (await self._project.find(limit=20)).tasks
        shown = [{"id": one.id, "status": one.status, "fence": one.fence, "version": one.version} for one in found]
        self._recorder.looked(self._caller, self._project.key, "find", shown)
