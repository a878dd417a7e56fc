"""Those who lie, and those who say everything twice."""

from __future__ import annotations

import anyio

from arbeit.core import commands as c
from arbeit.core.errors import ArbeitError
from arbeit.core.model import Reply
from arbeit.testing.simulation.agents.base import SKILLS, Agent
from arbeit.testing.simulation.agents.doers import PROOF


class Liar(Agent):
    """Writes with tokens that are not its own, under names that are not its own, about what is not its own."""

    async def arrive(self) -> None:
        """Register, as an honest agent would."""
        await super().arrive()
        await self.project.register_agent(self.name, capabilities=SKILLS)

    async def act(self) -> None:
        """One lie."""
        key, task, agent, token = self.one(self.world.leaks) if self.world.leaks else (self.key, "tkt-x", "x", "f" * 32)
        match self.random.randrange(6):
            case 0:
                # Stolen: the right token in the wrong mouth.
                agent = self.name
            case 1:
                token = "".join(self.one("0123456789abcdef") for _ in token)
            case 2:
                task = self.task()
            case 3:
                key = self.one(list(self.world.config.projects))
            case 4:
                await self.project.cancel_task(await self.held(), "I am no supervisor", force=True)
            case _:
                pass  # true once, and perhaps still
        await self.session.execute(key, self.write(task, agent, token))

    async def held(self) -> str:
        """A task that somebody holds, if there is one."""
        held = (await self.project.find(claim_status="held", limit=20)).tasks
        return self.one(held).id if held else self.task()

    def write(self, task: str, agent: str, token: str) -> c.Command:
        """What a holder might write."""
        match self.random.randrange(5):
            case 0:
                return c.CompleteTask(actor=agent, task_id=task, token=token, outcome="done, honestly", evidence=PROOF)
            case 1:
                return c.AddContext(actor=agent, task_id=task, token=token, content="trust me")
            case 2:
                return c.RenewLease(actor=agent, task_id=task, token=token)
            case 3:
                return c.HandoffTask(actor=agent, task_id=task, token=token, to_agent=self.name, note="to myself")
            case _:
                return c.FailTask(actor=agent, task_id=task, token=token, error="nobody should have it")


class Repeater(Agent):
    """Says everything under an idempotency key, again and again until it hears an answer, and then once more."""

    async def act(self) -> None:
        """Make a task, take it, finish it; each of them more than once."""
        made = (await self.insist(c.CreateTask(actor=self.name, title="once", idempotency_key=self.key_for()))).task
        if made is None:
            return
        self.tell(made.id)
        claim = c.ClaimTasks(actor=self.name, agent=self.name, idempotency_key=self.key_for())
        for grant in (await self.insist(claim)).grants:
            token = self.session.token(self.key, grant.lease)
            end = c.CompleteTask(
                actor=self.name,
                task_id=grant.task.id,
                token=token,
                outcome="once",
                evidence=PROOF,
                idempotency_key=self.key_for(),
            )
            await self.insist(end)

    def key_for(self) -> str:
        """A key of one's own, or now and then one that was used for something else."""
        if self.chance(0.05):
            return f"{self.name}-again"
        return f"{self.name}-{self.random.randrange(10**9)}"

    async def insist(self, command: c.Command) -> Reply:
        """Send until there is an answer; then, perhaps, once more."""
        while True:
            try:
                reply = await self.session.execute(self.key, command)
            except ArbeitError as error:
                if not error.retryable:
                    raise
                await anyio.sleep(0.5)
                continue
            if self.chance(0.5):
                await self.session.execute(self.key, command)
            return reply
