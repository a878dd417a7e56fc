"""Those who make tasks, and change their minds about them."""

from __future__ import annotations

from typing import Any, get_args

from arbeit.core import commands as c
from arbeit.core.model import RELATION_TYPES, SECOND, Priority, Reply
from arbeit.testing.simulation.agents.base import QUEUES, SKILLS, Agent

PRIORITIES: tuple[Priority, ...] = get_args(Priority)
BACKLOG = 40
"""Open tasks beyond which planners make no more, so that the end stays in sight."""


class Planner(Agent):
    """Makes tasks with priorities, parents, blockers and delays; edits, relates, cancels and deletes them."""

    async def act(self) -> None:
        """Mostly make tasks."""
        if self.chance(0.6):
            await self.plan()
        else:
            await self.one((self.edit, self.relate, self.annotate, self.drop))()

    async def plan(self) -> None:
        """Make one task, or a handful in one go, unless there is enough to do."""
        overview = await self.project.overview()
        if (
            sum(count for status, count in overview.statuses.items() if status not in {"completed", "cancelled"})
            > BACKLOG
        ):
            return
        if self.chance(0.2):
            results = await self.project.execute_many([self.create() for _ in range(self.random.randint(2, 6))])
            self.tell(*(result.task.id for result in results if isinstance(result, Reply) and result.task))
        else:
            reply = await self.project.execute(self.create())
            if reply.task is not None:
                self.tell(reply.task.id)

    def create(self) -> c.Command:
        """A command that makes a task."""
        if self.chance(0.05):
            return self.import_one()
        now = self.session.now()
        return c.CreateTask(
            actor=self.name,
            title=f"work {self.random.randrange(1000)}",
            description=self.words(),
            priority=self.one(PRIORITIES),
            queue=self.one(QUEUES),
            requires=self.some(SKILLS, 1) if self.chance(0.3) else (),
            parent_id=self.task() if self.chance(0.15) else None,
            blocked_by=self.some([self.task() for _ in range(3)]) if self.chance(0.25) else (),
            ready_at=now + self.random.randint(0, 8) * SECOND if self.chance(0.15) else None,
            due_at=now + self.random.randint(0, 60) * SECOND if self.chance(0.3) else None,
            max_attempts=self.random.randint(1, 4),
            max_runtime=self.random.randint(1, 10) * SECOND if self.chance(0.1) else None,
            review=self.one((None, True, False)),
            labels=self.some(("red", "blue")),
            metadata=self.data(),
            idempotency_key=f"{self.name}-{self.random.randrange(10**9)}" if self.chance(0.3) else None,
        )

    def import_one(self) -> c.Command:
        """A task that comes from elsewhere, with its own id and its own past."""
        return c.ImportTask(
            actor=self.name,
            task_id=f"old-{self.random.randrange(10**9)}",
            title="from elsewhere",
            status=self.one(("open", "blocked", "completed", "cancelled")),
            created_at=self.random.randrange(10**15),
        )

    async def edit(self) -> None:
        """Change what a task says."""
        fields: dict[str, Any] = {
            "title": "renamed",
            "priority": self.one(PRIORITIES),
            "queue": self.one(QUEUES),
            "requires": self.some(SKILLS, 1),
            "metadata": self.data(),
            "max_attempts": self.random.randint(1, 5),
            "review": self.one((None, True, False)),
            "ready_at": self.session.now() + self.random.randint(-5, 8) * SECOND,
        }
        chosen = {name: fields[name] for name in self.some(sorted(fields)) or ("title",)}
        version = self.random.randint(1, 6) if self.chance(0.3) else None
        await self.project.execute(
            c.UpdateTask(actor=self.name, task_id=self.task(), expected_version=version, **chosen)
        )

    async def relate(self) -> None:
        """Add an edge between two tasks, or take one away; cycles are tried too."""
        kind = self.one(("blocks", "blocks", "parent_of", *RELATION_TYPES))
        start, end = self.neighbours()
        if self.chance(0.7):
            await self.project.add_relationship(start, end, kind)
        else:
            await self.project.remove_relationship(start, end, kind)

    def neighbours(self) -> tuple[str, str]:
        """Two tasks, mostly of the latest few: among those, circles close."""
        late = self.world.rumours[self.key][-4:]
        return (self.one(late), self.one(late)) if late and self.chance(0.7) else (self.task(), self.task())

    async def annotate(self) -> None:
        """Leave something on a task that others may hold."""
        task = self.task()
        if self.chance(0.5):
            await self.project.add_context(task, f"have a look: {self.words()}")
        else:
            await self.project.add_progress(task, "also this")

    async def drop(self) -> None:
        """Have a task not done after all, or set it aside."""
        task = self.task()
        match self.random.randrange(5):
            case 0 | 1:
                await self.project.cancel_task(task, "no longer needed")
            case 2:
                await self.project.delete_task(task, "a mistake")
            case 3:
                await self.project.block_task(task, "wait", blocked_by=self.some([self.task()]))
            case _:
                await self.project.unblock_task(task)
