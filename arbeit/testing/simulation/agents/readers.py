"""Those who only look: at tasks, lists, texts, numbers, and at the log as it grows."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import aclosing
from typing import cast

import anyio

from arbeit.core.errors import ArbeitError
from arbeit.testing.simulation.agents.base import QUEUES, Agent
from arbeit.testing.simulation.engine import CALLER


class Reader(Agent):
    """Follows the log from wherever it was, and asks everything that can be asked."""

    async def live(self) -> None:
        """Follow beside the rounds."""
        async with anyio.create_task_group() as group:
            group.start_soon(self.follow)
            await super().live()

    async def follow(self) -> None:
        """Follow the log; begin anew where it broke off, or at the beginning."""
        # Beside the rounds, so under a name of its own: whoever speaks under one name does one thing at a time.
        CALLER.set(f"{self.name}/log")
        await anyio.sleep(2)
        position = 0
        while True:
            try:
                async with aclosing(self.session.watch(self.key, position, self.name)) as events:
                    async for event in cast("AsyncIterator[object]", events):
                        position = event.position  # type: ignore[attr-defined]  # an Event
            except ArbeitError:
                await anyio.sleep(0.5)
            if self.chance(0.3):
                position = 0

    async def act(self) -> None:
        """Ask one thing."""
        match self.random.randrange(8):
            case 0 | 1:
                await self.project.get(self.task(), include="all")
            case 2:
                await self.project.find(queue=self.one(QUEUES), sort="updated", limit=10)
            case 3:
                await self.project.search("work")
            case 4:
                await self.project.brief(self.task())
            case 5:
                await self.project.explain(self.name)
            case 6:
                await self.project.query("recent_activity", limit=10)
            case _:
                await self.project.runs(limit=10)
