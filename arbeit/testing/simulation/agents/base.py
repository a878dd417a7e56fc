"""What all agents share: a project, chance, what they have heard of, and a life in rounds."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from random import Random
from typing import TYPE_CHECKING, Any, TypeVar

import anyio

from arbeit.core import commands as c
from arbeit.core.errors import ArbeitError, Code
from arbeit.project import Project
from arbeit.session import Session
from arbeit.testing.simulation.config import Member

if TYPE_CHECKING:
    from arbeit.testing.simulation.world import World
    from arbeit.work import Work

T = TypeVar("T")
SKILLS = ("gpu", "python")
QUEUES = ("build", "default", "docs")
NOWHERE = "tkt-nowhere"


class Mishap(Exception):  # noqa: N818 - it says what happened
    """An agent's own work went wrong; nothing of Arbeit did."""


class Agent(ABC):
    """One member of the fleet, in one life of its process. It acts in rounds, through the public face alone."""

    pace: Sequence[float] = (0.02, 0.1, 0.3, 1.0)
    """Seconds of rest between two rounds, one of these."""

    def __init__(self, world: World, member: Member, session: Session, random: Random) -> None:
        self.world = world
        self.name = member.name
        self.key = member.project
        self.session = session
        self.random = random
        self.project = Project(session, member.project, member.name)

    async def live(self) -> None:
        """Arrive, and act for as long as the process lives."""
        await anyio.sleep(self.random.random())
        await self._until_done(self.arrive)
        while True:
            with suppress(ArbeitError, Mishap):  # the observer has recorded it; life goes on
                await (self.finish() if self.world.sky.calm else self.act())
            await anyio.sleep(self.one(self.pace))

    async def _until_done(self, do: Callable[[], Awaitable[None]]) -> None:
        while True:
            try:
                return await do()
            except ArbeitError as error:
                if not error.retryable:
                    raise
                await anyio.sleep(0.5)

    async def arrive(self) -> None:
        """See that the project is there, and say who one is."""
        settings = self.world.config.projects[self.key]
        try:
            await self.project.execute(c.CreateProject(actor=self.name, key=self.key, settings=settings))
        except ArbeitError as error:
            if error.code is not Code.ALREADY_INITIALIZED:
                raise

    @abstractmethod
    async def act(self) -> None:
        """One round, in rough weather."""

    async def finish(self) -> None:
        """One round in the calm: help to bring everything to its end; most have nothing to add."""
        await anyio.sleep(2)

    # -- chance ----------------------------------------------------------------------------------------

    def one(self, choices: Sequence[T]) -> T:
        """One of these."""
        return self.random.choice(choices)

    def some(self, choices: Sequence[T], most: int = 3) -> tuple[T, ...]:
        """Some of these, perhaps none."""
        return tuple(self.random.sample(list(choices), min(len(choices), self.random.randint(0, most))))

    def chance(self, share: float) -> bool:
        """Whether something of this probability happens."""
        return self.random.random() < share

    async def idle(self, *seconds: float) -> None:
        """Spend one of these times."""
        await anyio.sleep(self.one(seconds))

    # -- what is known ---------------------------------------------------------------------------------

    def task(self) -> str:
        """A task of the project that somebody has talked of, more often a late one."""
        heard = self.world.rumours[self.key]
        return heard[-1 - int(len(heard) * self.random.random() ** 2)] if heard else NOWHERE

    def tell(self, *task_ids: str) -> None:
        """Let everybody know of tasks."""
        self.world.rumours[self.key].extend(task_ids)

    def leak(self, work: Work) -> None:
        """Let everybody know of a lease, token and all."""
        self.world.leaks.append((self.key, work.task.id, work.agent, work.token))

    def words(self) -> str:
        """Something to say."""
        return self.one(("", "it works", "déjà vu", "→ 😀", "line\nbreak", 'quo"te\\'))

    def data(self) -> dict[str, Any]:
        """Something to attach."""
        return self.one(({}, {"n": self.random.randrange(100)}, {"ü": [1, {"deep": None}]}))
