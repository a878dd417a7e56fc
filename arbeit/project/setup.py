"""The verbs for the project itself, its queues and its agents."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from arbeit.core import commands as c
from arbeit.core.limits import UNSET, Unset
from arbeit.core.model import (
    Agent,
    Queue,
)
from arbeit.core.model import (
    Project as ProjectEntity,
)
from arbeit.project.base import Base, one


class Setup(Base):
    """Settings, queues and agents."""

    async def update(
        self,
        *,
        name: str | Unset = UNSET,
        weight: int | Unset = UNSET,
        settings: Mapping[str, Any] | Unset = UNSET,
        archived: bool | Unset = UNSET,
        idempotency_key: str | None = None,
    ) -> ProjectEntity:
        """Change the project's name, weight or settings (policies by name), or archive it.

        With another `ranking`, the tasks that are ready now are ranked anew, 500 in a transaction.
        """
        command = c.UpdateProject(
            actor=self.actor,
            name=name,
            weight=weight,
            settings=settings,
            archived=archived,
            idempotency_key=idempotency_key,
        )
        reply = await self.execute(command)
        if reply.count:
            await self.rerank()
        return one(reply.project)  # type: ignore[no-any-return]  # see one

    async def rerank(self) -> int:
        """Give every ready task the rank that today's policy gives it, in slices; how many were looked at."""
        after, looked = "", 0
        while True:
            reply = await self.execute(c.RerankTasks(actor=self.actor, after=after))
            looked += reply.count
            if reply.cursor is None:
                return looked
            after = reply.cursor

    async def set_queue(
        self,
        name: str,
        *,
        weight: int | Unset = UNSET,
        paused: bool | Unset = UNSET,
        max_ready: int | Unset | None = UNSET,
        max_in_progress: int | Unset | None = UNSET,
        idempotency_key: str | None = None,
    ) -> Queue:
        """Make a queue or change it: weight 1 to 1000 (default 100), pause, and limits (None: no limit)."""
        command = c.SetQueue(
            actor=self.actor,
            queue=name,
            weight=weight,
            paused=paused,
            max_ready=max_ready,
            max_in_progress=max_in_progress,
            idempotency_key=idempotency_key,
        )
        return one((await self.execute(command)).queue)  # type: ignore[no-any-return]  # see one

    async def register_agent(
        self,
        agent_id: str,
        *,
        name: str | Unset = UNSET,
        persona: str | Unset = UNSET,
        capabilities: Iterable[str] | Unset = UNSET,
        max_leases: int | Unset | None = UNSET,
        metadata: Mapping[str, Any] | Unset = UNSET,
        idempotency_key: str | None = None,
    ) -> Agent:
        """Make an agent known or change what is known of it. Claiming registers an agent too."""
        command = c.RegisterAgent(
            actor=self.actor,
            agent_id=agent_id,
            name=name,
            persona=persona,
            capabilities=capabilities,
            max_leases=max_leases,
            metadata=metadata,
            idempotency_key=idempotency_key,
        )
        return one((await self.execute(command)).agent)  # type: ignore[no-any-return]  # see one
