"""The real engine, with its thread replaced by a link in virtual time, and an observer at its doors."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable, Sequence
from contextlib import aclosing
from contextvars import ContextVar
from typing import Any, TypeVar

from anyio import CancelScope, CapacityLimiter
from attrs import evolve

from arbeit.compose import Wiring
from arbeit.core import commands as c
from arbeit.core.errors import ArbeitError
from arbeit.core.model import Event, Reply
from arbeit.core.policy import Scope
from arbeit.engine import Engine
from arbeit.engine.lane import Pending
from arbeit.kernel import closed
from arbeit.testing.history import Answered, Followed, Happened, History, Looked, Sent
from arbeit.testing.invariants.log import following
from arbeit.testing.invariants.waking import waiting
from arbeit.testing.simulation.link import Link
from arbeit.testing.simulation.stores import Now, unavailable

T = TypeVar("T")
Heard = Callable[[Reply | ArbeitError], None]
CALLER: ContextVar[str] = ContextVar("caller", default="engine")
"""Which agent the present task belongs to."""


class Book:
    """Numbers what is sent and who follows, and records what they hear."""

    def __init__(self, history: History, now: Now) -> None:
        self.history = history
        self.now = now
        self.sent = 0
        self.asked = 0
        """Commands that agents sent; those beyond are the engines' own renewals."""
        self.followers = 0
        self.waiters = 0

    def send(self, process: str, project: str, command: c.Command, caller: str | None = None) -> tuple[int, c.Command]:
        """Record a command under a number, which is its correlation id too where it has none."""
        self.sent += 1
        self.asked += caller is None
        if command.correlation_id is None:
            command = evolve(command, correlation_id=f"c{self.sent}")
        self.history.add(Sent(self.now(), self.sent, process, caller or CALLER.get(), project, command))
        return self.sent, command

    def answer(self, number: int, result: Reply | ArbeitError) -> None:
        """Record what a caller hears."""
        self.history.add(Answered(self.now(), number, result))

    def note(self, what: str, process: str, detail: str) -> None:
        """Record something that is neither sent nor answered."""
        self.history.add(Happened(self.now(), "note", what, process, detail))

    def look(self, process: str, project: str, what: str, shown: object) -> None:
        """Record what a reader is shown."""
        self.history.add(Looked(self.now(), process, CALLER.get(), project, what, shown))


class SimEngine(Engine):
    """The engine of one life of one simulated process."""

    def __init__(self, wiring: Wiring, link: Link, book: Book, process: str) -> None:
        super().__init__(wiring)
        self._link = link
        self._book = book
        self._process = process
        self._near: tuple[Callable[..., object], ...] = (self._store.close, self.kernel.notify)
        """What does not go through the link."""
        self.dead = False
        """Whether the process was killed: nobody hears what is left of it."""

    async def _off_loop(self, function: Callable[..., T], limiter: CapacityLimiter, *args: Any) -> T:  # noqa: ANN401 - the function's own
        # A thread cannot be cancelled, and neither can this.
        if function == self._store.pulse:
            return self._link.pulse(function)  # type: ignore[return-value]  # T is int here
        if function in self._near:
            return function(*args)
        carry = self._link.commit if function == self._store.transact else self._link.read
        with CancelScope(shield=True):
            async with limiter:
                return await carry(function, *args)
        raise AssertionError  # pragma: no cover - neither swallows anything

    async def _beside(self, function: Callable[..., T], *args: Any) -> T:  # noqa: ANN401 - the function's own
        if self._closing:
            raise closed()
        return function(*args)

    def _enqueue(self, project: str, pending: Pending) -> None:
        # What the engine renews by itself is a command like any other, and somebody hears its answer.
        if isinstance(pending.command, c.RenewLease | c.RenewLeases) and pending.then is not None and not self.dead:
            number, pending.command = self._book.send(self._process, project, pending.command, "engine")
            pending.then = self._answering(number, pending.then)
        super()._enqueue(project, pending)

    def _answering(self, number: int, then: Heard) -> Heard:
        def heard(result: Reply | ArbeitError) -> None:
            self._answer(number, result)
            then(result)

        return heard

    async def execute(self, project: str, command: c.Command) -> Reply:
        """Run a command under the observer's eyes."""
        if self.dead:
            raise unavailable("this process is dead")
        number, command = self._book.send(self._process, project, command)
        try:
            reply = await super().execute(project, command)
        except ArbeitError as error:
            self._answer(number, error)
            raise
        self._answer(number, reply)
        return reply

    async def claim(self, project: str, command: c.ClaimTasks, wait: float) -> Reply:
        """Claim, patiently, under the observer's eyes."""
        if wait <= 0:
            return await super().claim(project, command, wait)
        self._book.waiters += 1
        detail = waiting(self._book.waiters, project, command.agent, command.queues)
        self._book.note("waits", self._process, detail)
        try:
            return await super().claim(project, command, wait)
        finally:
            if not self.dead:
                self._book.note("waits no longer", self._process, detail)

    async def execute_many(self, project: str, commands: Sequence[c.Command]) -> list[Reply | ArbeitError]:
        """Run commands under the observer's eyes."""
        if self.dead:
            raise unavailable("this process is dead")
        numbered = [self._book.send(self._process, project, command) for command in commands]
        results = await super().execute_many(project, [command for _, command in numbered])
        for (number, _), result in zip(numbered, results, strict=True):
            self._answer(number, result)
        return results

    def _answer(self, number: int, result: Reply | ArbeitError) -> None:
        if not self.dead:
            self._book.answer(number, result)

    async def watch(self, project: str, after: int, actor: str) -> AsyncGenerator[Event, None]:
        """Follow a log under the observer's eyes."""
        self._book.followers += 1
        follower = f"{CALLER.get()}/{self._book.followers}"
        self._book.note("follows", self._process, following(follower, project, after))
        try:
            async with aclosing(super().watch(project, after, actor)) as events:
                async for event in events:
                    if not self.dead:
                        self._book.history.add(Followed(self._book.now(), follower, project, after, event))
                    yield event
        finally:
            if not self.dead:
                self._book.note("unfollowed", self._process, follower)

    async def _read(self, function: Callable[..., T], *args: Any) -> T:  # noqa: ANN401 - the function's own
        shown = await super()._read(function, *args)
        if args and isinstance(args[0], str) and not self.dead:
            self._book.look(self._process, args[0], function.__name__, shown)
        return shown

    async def _with_everything(self, project: str, actor: str, ask: Callable[[], T]) -> T:
        shown = await super()._with_everything(project, actor, ask)
        if not self.dead:
            self._book.look(self._process, project, "read", shown)
        return shown

    async def _within(self, project: str, actor: str, ask: Callable[[Scope], T]) -> T:
        shown = await super()._within(project, actor, ask)
        if not self.dead:
            self._book.look(self._process, project, "read", shown)
        return shown
