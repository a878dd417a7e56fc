"""What waits in an engine: claimers for work, and watchers for events."""

from __future__ import annotations

import logging
from abc import abstractmethod
from collections.abc import AsyncGenerator, Callable
from typing import Any, TypeVar

import anyio
from anyio import CancelScope, CapacityLimiter, Event

from arbeit.asking import Asking
from arbeit.core import commands as c
from arbeit.core.errors import ArbeitError
from arbeit.core.model import Event as Recorded
from arbeit.core.model import Reply
from arbeit.core.policy import EVERYTHING
from arbeit.engine.waiters import Waiter, Waiters
from arbeit.kernel import POLL
from arbeit.ports import Clock

T = TypeVar("T")
log = logging.getLogger("arbeit")


class Waiting(Asking):
    """Lets callers wait, and wakes them by what is committed here or elsewhere."""

    _clock: Clock
    _closing: bool
    _readers: CapacityLimiter
    _waiters: dict[str, Waiters]
    _watchers: int
    _committed: Event

    @abstractmethod
    async def execute(self, project: str, command: c.Command) -> Reply:
        """Run a command; its refusal is raised as an ArbeitError."""

    @abstractmethod
    async def _in_thread(self, function: Callable[..., T], limiter: CapacityLimiter, *args: Any) -> T: ...  # noqa: ANN401 - the function's own

    async def claim(self, project: str, command: c.ClaimTasks, wait: float) -> Reply:
        """Claim, waiting up to so many seconds for something to become ready."""
        if wait <= 0:
            return await self.execute(project, command)
        waiters = self._waiters.setdefault(project, Waiters())
        waiter = Waiter(
            command.agent,
            await self._known_capabilities(project, command),
            _names(command.queues),
            own=command.capabilities is None,
        )
        until = anyio.current_time() + wait
        # In line before looking, so that nothing that becomes ready meanwhile is missed.
        waiters.join(waiter)
        try:
            reply = await self.execute(project, command)
            while not reply.grants:
                # Only the waiting is timed: a look that was begun is brought to its end.
                with CancelScope(deadline=until) as patience:
                    await waiter.woken.wait()
                if patience.cancelled_caught:
                    break
                waiter.woken = Event()
                try:
                    reply = await self.execute(project, command)
                except BaseException:
                    # The wake-up was of no use here: leaving passes it on.
                    waiter.woken.set()
                    raise
        finally:
            waiters.leave(waiter)
        return reply

    async def _known_capabilities(self, project: str, command: c.ClaimTasks) -> frozenset[str]:
        if command.capabilities is not None:
            return frozenset(command.capabilities)
        found = await self.lookup(project, "agent", [command.agent], command.actor)
        return frozenset(found[0].capabilities if found else ())

    def _signal_commit(self) -> None:
        committed, self._committed = self._committed, Event()
        committed.set()

    async def _feel_pulse(self) -> None:
        """Notice what other processes commit, while somebody here waits for it."""
        pulse = 0
        while True:
            await self._clock.sleep(self.kernel.jitter(POLL))
            if not self._watchers and not any(self._waiters.values()):
                continue
            try:
                now = await self._in_thread(self._store.pulse, self._readers)
                if now != pulse:
                    await self._learn_of_agents()
            except ArbeitError as error:
                log.warning("a look for what others committed failed: %s", error.message)
                continue
            if now != pulse:
                pulse = now
                self._signal_commit()
                for waiters in self._waiters.values():
                    waiters.wake_each_kind()

    async def _learn_of_agents(self) -> None:
        """See what other processes have handed over to agents that wait here, and what these can do now."""
        for project, waiters in list(self._waiters.items()):
            names = waiters.agents()
            if names:
                found = await self._in_thread(self._store.lookup, self._readers, project, "agent", names, EVERYTHING)
                for agent in found:
                    waiters.learn(agent)

    async def watch(self, project: str, after: int, actor: str) -> AsyncGenerator[Recorded, None]:
        """Events beyond a position, and then each as it is committed; ends when the engine closes."""
        self._watchers += 1
        try:
            while not self._closing:
                committed = self._committed
                try:
                    events = await self.history(project, after, 500, actor, None)
                except ArbeitError:
                    if self._closing:
                        return
                    raise
                for event in events:
                    after = event.position
                    yield event
                if not events:
                    await committed.wait()
        finally:
            self._watchers -= 1


def _names(queues: tuple[str, ...] | None) -> frozenset[str] | None:
    return frozenset(queues) if queues is not None else None
