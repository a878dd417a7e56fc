"""What waits in an engine: claimers for work, and watchers for events; how they hear of what others commit.

Hints of other processes (`Signals`) wake one suitable claimer here for each task, in every process that hears them: the
first that looks gets it, the others find nothing and wait on. A lost hint costs the time to the next look at the store.
"""

from __future__ import annotations

import logging
from abc import abstractmethod
from collections import Counter
from collections.abc import AsyncGenerator, Callable, Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any, TypeVar

import anyio
from anyio import CancelScope, CapacityLimiter, Event

from arbeit.asking import Asking
from arbeit.core import commands as c
from arbeit.core.errors import ArbeitError
from arbeit.core.model import SECOND, Changes, Reply
from arbeit.core.model import Event as Recorded
from arbeit.core.policy import EVERYTHING
from arbeit.engine.pausing import sleep_or
from arbeit.engine.renewals import Renewals
from arbeit.engine.waiters import Waiter, Waiters
from arbeit.heartbeats import changed_by_others, unlike
from arbeit.kernel import POLL, UNLIMITED, too_many
from arbeit.ports import Clock, Limits, Signals, Wake
from arbeit.wakes import wake_of

T = TypeVar("T")
log = logging.getLogger("arbeit")

_ASKED: ContextVar[bool] = ContextVar("asked", default=False)
"""Whether the present task goes on with what was counted before."""
RELAXED_POLL = 1.0
"""Seconds between two looks for what others committed, while hints come through; jittered by half."""
HELD_POLL = SECOND
"""Microseconds at least between two looks at the leases that are kept alive here."""


class Waiting(Asking):
    """Lets callers wait, and wakes them by what is committed here or elsewhere."""

    _clock: Clock
    _closing: bool
    _readers: CapacityLimiter
    _waiters: dict[str, Waiters]
    _watchers: int
    _committed: Event
    _signals: Signals | None
    _renewals: Renewals
    _listening: CancelScope

    def __init__(self) -> None:
        self._missed = Event()
        """Set once hints may have been missed."""
        self._named: dict[str, set[str]] = {}
        """Agents, by project, of which others say that they were handed something or can do something else now."""
        self._names_came = Event()
        self._doubtful: set[str] = set()
        """Projects in which somebody may have changed leases that are kept alive here."""
        self._looked_at_held = 0
        self._looks_at_held = True

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
            visible=self._visible(project, command),
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
                cause = waiter.begin()
                try:
                    reply = await self._look_again(project, command)
                except BaseException:
                    # The wake-up was of no use here: leaving passes it on.
                    waiter.cause = cause
                    waiter.woken.set()
                    raise
                if not reply.grants and cause is not None:
                    waiters.in_vain(waiter, cause)
        finally:
            waiters.leave(waiter)
        return reply

    async def _look_again(self, project: str, command: c.ClaimTasks) -> Reply:
        # Whoever waits asked once: looks that follow from wake-ups are not counted as its commands.
        asked = _ASKED.set(True)
        try:
            return await self.execute(project, command)
        finally:
            _ASKED.reset(asked)

    @staticmethod
    async def _admit(limits: Limits, project: str, command: c.Command) -> None:
        """Count a command of an actor.

        Raises:
            ArbeitError: OVERLOADED where it is one more than its limit allows, with the seconds to wait.
        """
        if command.operation in UNLIMITED or _ASKED.get():
            return
        wait = await limits.take(project, command.actor)
        if wait > 0:
            raise too_many(command.actor, wait)

    async def _admit_all(self, limits: Limits, project: str, commands: Sequence[c.Command]) -> None:
        """Count commands that come together, and wait until all of them are allowed: a bulk call has the patience."""
        counts = Counter(command.actor for command in commands if command.operation not in UNLIMITED)
        for actor, count in counts.items():
            while (wait := await limits.take(project, actor, count)) > 0:
                await self._clock.sleep(wait)

    async def _known_capabilities(self, project: str, command: c.ClaimTasks) -> frozenset[str]:
        if command.capabilities is not None:
            return frozenset(command.capabilities)
        found = await self.lookup(project, "agent", [command.agent], command.actor)
        return frozenset(found[0].capabilities if found else ())

    def _visible(self, project: str, command: c.ClaimTasks) -> frozenset[str] | None:
        """The queues that a claimer may see, by what is known here: it makes two claimers alike or not, and no more."""
        try:
            scope = self.kernel.scope(project, command.agent)
        except ArbeitError:
            return None
        return scope.queues

    # -- what is committed here ------------------------------------------------------------------------

    def _announce(self, project: str, changes: Changes) -> None:
        """Wake whom a commit of ours concerns elsewhere: before its caller goes on, who may be busy then."""
        if self._signals is not None and changes.events:
            self._signals.wake(wake_of(project, changes))

    def _wake_after(self, project: str, changes: Changes) -> None:
        """Wake whom a commit of ours concerns here."""
        if project in self._waiters:
            self._waiters[project].wake_after(changes)
        self._renewals.hear(project, changed_by_others(changes))
        self._signal_commit()

    def _signal_commit(self) -> None:
        committed, self._committed = self._committed, Event()
        committed.set()

    # -- what others commit ----------------------------------------------------------------------------

    async def _listen(self, signals: Signals) -> None:
        """Hear what other processes announce."""
        with self._listening:
            async with anyio.create_task_group() as group:
                group.start_soon(self._learn_of_named)
                await signals.run(self._hear)

    def _hear(self, wake: Wake | None) -> None:
        if wake is None:
            self._missed.set()
            return
        self._signal_commit()
        self._renewals.hear(wake.project, wake.leases)
        if wake.anything:
            self._doubtful.add(wake.project)
        waiters = self._waiters.get(wake.project)
        if waiters:
            waiters.hear(wake)
            here = set(wake.agents).intersection(waiters.agents()) if wake.agents else None
            if here:
                self._named.setdefault(wake.project, set()).update(here)
                self._names_came.set()

    async def _learn_of_named(self) -> None:
        """Look at the agents that wakes have named."""
        while True:
            await self._names_came.wait()
            self._names_came = Event()
            named, self._named = self._named, {}
            try:
                for project, names in named.items():
                    await self._learn_of_agents(project, sorted(names))
            except ArbeitError as error:
                # The look that everybody makes from time to time will do it.
                log.warning("a look at agents failed: %s", error.message)

    async def _feel_pulse(self) -> None:
        """Notice what other processes commit, while somebody here waits for it."""
        pulse = 0
        while True:
            missed = await self._next_look()
            told = not missed and self._signals is not None and self._signals.healthy
            in_doubt = self._looks_at_held and self._renewals.beats and (self._doubtful or not told)
            if not self._watchers and not any(self._waiters.values()) and not in_doubt:
                continue
            try:
                now = await self._in_thread(self._store.pulse, self._readers)
                if now != pulse or missed:
                    for project, waiters in list(self._waiters.items()):
                        await self._learn_of_agents(project, waiters.agents())
                if in_doubt:
                    if not told:
                        beats = self._renewals.beats
                        # What was done to a lease before it was kept alive moved the pulse before.
                        self._doubtful |= beats.believed().keys() if now != pulse or missed else beats.fresh
                    self._renewals.beats.fresh.clear()
                    await self._look_at_held()
            except ArbeitError as error:
                log.warning("a look for what others committed failed: %s", error.message)
                continue
            if now != pulse or missed:
                pulse = now
                self._signal_commit()
                for waiters in self._waiters.values():
                    waiters.wake_each_kind()

    async def _look_at_held(self) -> None:
        """Compare leases that are kept alive here with what is stored, so that their holders hear of changes soon."""
        now = self._clock.now()
        if not self._doubtful or self._looked_at_held <= now < self._looked_at_held + HELD_POLL:
            return
        self._looked_at_held = now
        believed = self._renewals.beats.believed()
        doubtful, self._doubtful = self._doubtful, set()
        try:
            for project in sorted(doubtful & believed.keys()):
                names = [*believed[project]]
                found = await self._in_thread(self._store.lookup, self._readers, project, "lease", names, EVERYTHING)
                self._renewals.hear(project, unlike(believed[project], found))
        except ArbeitError:
            self._doubtful |= doubtful
            raise
        except Exception:
            # Renewals go on, and tell their holders later.
            log.exception("a look at held leases failed, and is not tried again")
            self._looks_at_held = False

    async def _next_look(self) -> bool:
        """Wait until it is time to look again; whether hints may have been missed."""
        # However often hints are missed, there are no more looks than without any.
        await self._clock.sleep(self.kernel.jitter(POLL))
        if self._signals is not None and self._signals.healthy and not self._missed.is_set():
            await sleep_or(self._clock, self._missed, self.kernel.jitter(RELAXED_POLL))
        missed, self._missed = self._missed.is_set(), Event()
        return missed

    async def _learn_of_agents(self, project: str, names: Sequence[str]) -> None:
        """See what other processes have handed over to agents that wait here, and what these can do now."""
        if names:
            found = await self._in_thread(self._store.lookup, self._readers, project, "agent", names, EVERYTHING)
            for agent in found:
                self._waiters[project].learn(agent)

    @contextmanager
    def hearing(self) -> Iterator[Callable[[], Event]]:
        """What gives an event that is set by the next commit here or, as soon as it is noticed, elsewhere."""
        self._watchers += 1
        try:
            yield lambda: self._committed
        finally:
            self._watchers -= 1

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
