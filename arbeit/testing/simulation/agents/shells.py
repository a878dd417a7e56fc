"""Those who come for one command and go: a fresh process each time, on the synchronous face."""

from __future__ import annotations

from contextlib import closing

from arbeit.compose import Wiring
from arbeit.core import commands as c
from arbeit.core.errors import ArbeitError
from arbeit.core.model import Grant, Reply
from arbeit.project import Project
from arbeit.session import BlockingSession
from arbeit.testing.faults import FaultyStore
from arbeit.testing.simulation.agents.base import Agent
from arbeit.testing.simulation.agents.doers import PROOF
from arbeit.testing.simulation.engine import Book
from arbeit.testing.simulation.stores import LEASE_KEY, WitnessedStore
from arbeit.work import Work


class SimSession(BlockingSession):
    """The session of a synchronous process, under the observer's eyes."""

    def __init__(self, wiring: Wiring, book: Book, process: str) -> None:
        super().__init__(wiring)
        self._book = book
        self._process = process

    async def execute(self, project: str, command: c.Command) -> Reply:
        """Run a command under the observer's eyes."""
        number, command = self._book.send(self._process, project, command)
        try:
            reply = await super().execute(project, command)
        except ArbeitError as error:
            self._book.answer(number, error)
            raise
        self._book.answer(number, reply)
        return reply


class Shell(Agent):
    """Claims in one process, and finishes in another: nobody renews in between."""

    pace = (0.5, 2.0)

    async def act(self) -> None:
        """Add or claim something, and end it two processes later."""
        if self.chance(0.3):
            with closing(self.process()) as session:
                made = await Project(session, self.key, self.name).create_task("from a shell")
            self.tell(made.id)
            return
        with closing(self.process()) as session:
            work = await Project(session, self.key, self.name).claim(ttl=self.one((None, 20.0)))
        if work is not None:
            await self.idle(0.5, 3.0)
            with closing(self.process()) as session:
                await self.again(session, work).note("still here")
            await self.idle(0.5, 3.0)
            with closing(self.process()) as session:
                await self.again(session, work).complete("by hand", evidence=PROOF)

    def again(self, session: SimSession, work: Work) -> Work:
        """The same tenure, in the hands of another process, which remembers the token alone."""
        return Work(session, self.key, Grant(work.task, work.lease, work.run), work.token, None)

    async def finish(self) -> None:
        """In the calm, leave it to the others."""
        await self.idle(2.0)

    def process(self) -> SimSession:
        """A process that was started for one command; its store may fail it once."""
        world, process = self.world, self.world.acting
        name = f"{process.name}/{self.name}"
        raw = world.backend.open()
        store = FaultyStore(WitnessedStore(raw, name, world.witness, process.clock))
        if process.link.cut:
            store.plan("fail")
        elif not world.sky.calm and self.chance(0.1 * world.chances.get("lose_reply", 0)):
            store.plan("lose_reply")
        wiring = Wiring(store, process.clock, LEASE_KEY, world.policies, chance=self.random.random)
        return SimSession(wiring, world.book, name)
