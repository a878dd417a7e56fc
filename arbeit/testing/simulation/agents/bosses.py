"""Those who may do what others may not, and who see to it that everything comes to its end."""

from __future__ import annotations

from arbeit.core.errors import ArbeitError
from arbeit.core.model import Task
from arbeit.testing.simulation.agents.base import QUEUES, Agent
from arbeit.testing.simulation.agents.doers import PROOF


class Supervisor(Agent):
    """Preempts, forces, pauses and weighs queues, deals with what is escalated, changes policies, erases."""

    pace = (0.3, 1.0, 3.0)

    async def arrive(self) -> None:
        """Register as a supervisor."""
        await super().arrive()
        await self.project.register_agent(self.name, persona="supervisor")

    async def act(self) -> None:
        """One thing that only supervisors may do, or should."""
        await self.one((self.steer, self.force, self.force, self.settle, self.settle, self.preempt, self.rule))()

    async def steer(self) -> None:
        """Weigh, limit or pause a queue."""
        queue = self.one(QUEUES)
        match self.random.randrange(4):
            case 0 | 1:
                await self.project.set_queue(queue, weight=self.one((1, 10, 100, 300)))
            case 2:
                await self.project.set_queue(queue, paused=self.chance(0.3))
            case _:
                limit = self.one((None, None, 3))
                await self.project.set_queue(queue, max_in_progress=limit, max_ready=self.one((None, 30)))

    async def preempt(self) -> None:
        """Ask a holder to give way."""
        await self.project.preempt_task(await self.held(), "something more urgent")

    async def held(self) -> str:
        """A task that somebody holds, if there is one."""
        held = (await self.project.find(claim_status="held", limit=20)).tasks
        return self.one(held).id if held else self.task()

    async def force(self) -> None:
        """Act in the place of a holder."""
        task = await self.held()
        match self.random.randrange(7):
            case 0 | 1:
                await self.project.release_task(task, "enough")
            case 2:
                await self.project.fail_task(task, "this leads nowhere")
            case 3:
                await self.project.complete_task(task, "good enough", evidence=PROOF)
            case 4:
                names = [member.name for member in self.world.config.members if member.project == self.key]
                await self.project.handoff_task(task, self.one(names), "yours", ttl=2.0)
            case 5:
                await self.project.approve_task(task)
            case _:
                await self.project.cancel_task(task, "stop", force=True)

    async def settle(self) -> None:
        """Look after what was set aside or escalated."""
        for task in (await self.project.find(status="blocked", limit=20)).tasks:
            if self.chance(0.5):
                await self.resolve(task)

    async def resolve(self, task: Task) -> None:
        """Open a task again, or end it."""
        if self.chance(0.8):
            await self.project.unblock_task(task.id, "go on")
        else:
            await self.project.cancel_task(task.id, "not worth it")

    async def rule(self) -> None:
        """Change the project's policies, rank anew, or erase a text."""
        match self.random.randrange(4):
            case 0:
                ranking = self.one(("first_ready", "aged_priority"))
                await self.project.update(settings={**self.world.config.projects[self.key], "ranking": ranking})
            case 1:
                await self.project.rerank()
            case 2:
                await self.project.update(weight=self.random.randint(1, 1000))
            case _:
                await self.project.erase("task", self.task(), reason="asked for")

    async def finish(self) -> None:
        """In the calm: take every hindrance out of the way."""
        for queue in (await self.project.overview()).queues:
            if queue.paused or queue.max_in_progress is not None:
                await self.project.set_queue(queue.name, paused=False, max_in_progress=None)
        for task in (await self.project.find(status="blocked")).tasks:
            try:
                await self.project.unblock_task(task.id, "go on")
            except ArbeitError:
                await self.project.cancel_task(task.id, "it cannot go on")
