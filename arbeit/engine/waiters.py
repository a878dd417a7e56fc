"""Claimers that wait for work: who is woken, by what."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable

from anyio import Event

from arbeit.core.declare import define, field
from arbeit.core.fairness import lacking
from arbeit.core.model import REVIEW, Agent, Changes
from arbeit.ports import Wake
from arbeit.wakes import places

Shape = tuple[frozenset[str], frozenset[str] | None, frozenset[str] | None, str | None]


@define(eq=False)
class Cause:
    """A task that became ready, for which somebody was woken: its queue and requirement set, and who looked in vain."""

    queue: str
    group: str
    tried: set[Shape] = field(factory=set)


@define(eq=False)
class Waiter:
    """A claimer that waits for something it may take. `own` says that its capabilities are those it registered.

    `queues` are those it asks for, `visible` those it may see, both None for any.
    """

    agent: str
    capabilities: frozenset[str]
    queues: frozenset[str] | None
    own: bool = False
    visible: frozenset[str] | None = None
    woken: Event = field(factory=Event)
    cause: Cause | None = None
    """What it was woken for, where that is known."""

    @property
    def shape(self) -> Shape:
        """What makes two claimers alike; of two reviewers, one may have done what is to be reviewed."""
        return (self.capabilities, self.queues, self.visible, self.agent if REVIEW in self.capabilities else None)

    def begin(self) -> Cause | None:
        """Take the wake-up as heard: from now on, another one means another look. What it was for, if that is known."""
        self.woken = Event()
        cause, self.cause = self.cause, None
        return cause

    def takes(self, queue: str, group: str) -> bool:
        """Whether a ready task of this requirement set is for this claimer."""
        return (self.queues is None or queue in self.queues) and not lacking(group, self.agent, self.capabilities)


class Waiters:
    """The claimers that wait for work in one project, first come, first served.

    A wake-up goes to one claimer for each task that became ready. One that has no use for its wake-up (it leaves,
    or it found work by itself) passes it on; one that was woken in vain keeps its place, and passes it on to one
    that is not like it: those who are would find nothing either.
    """

    def __init__(self) -> None:
        self._waiting: dict[Waiter, None] = {}

    def __bool__(self) -> bool:
        return bool(self._waiting)

    def join(self, waiter: Waiter) -> None:
        """Line up."""
        self._waiting[waiter] = None

    def leave(self, waiter: Waiter) -> None:
        """Step out of the line; a wake-up that was not used goes to somebody like the one who leaves."""
        self._waiting.pop(waiter, None)
        if waiter.woken.is_set():
            alike = self._wake(lambda other: other.shape == waiter.shape, waiter.cause)
            if not alike:
                self.wake_each_kind()

    def in_vain(self, waiter: Waiter, cause: Cause) -> None:
        """Pass on the wake-up of one that looked and found nothing."""
        cause.tried.add(waiter.shape)
        self._wake_for(cause)

    def _wake(self, suits: Callable[[Waiter], bool], cause: Cause | None = None) -> bool:
        for waiter in self._waiting:
            if not waiter.woken.is_set() and suits(waiter):
                waiter.cause = cause
                waiter.woken.set()
                return True
        return False

    def wake_each_kind(self, n: int = 1, queue: str | None = None) -> None:
        """Wake up to n claimers of each shape: something changed, and whom it suits is not known."""
        woken: Counter[Shape] = Counter()
        for waiter in self._waiting:
            if queue is not None and not waiter.takes(queue, ""):
                continue
            if woken[waiter.shape] < n and not waiter.woken.is_set():
                woken[waiter.shape] += 1
                waiter.woken.set()

    def wake_all(self) -> None:
        """Wake everybody: there is nothing left to wait for."""
        for waiter in self._waiting:
            waiter.woken.set()

    def wake_after(self, changes: Changes) -> None:
        """Wake one claimer for each task that became ready, and more where places or abilities changed."""
        if not self._waiting:
            return
        for kind in (changes.new, changes.changed):
            for agent in kind.get("agent", ()):
                self.learn(agent)
            for task in kind.get("task", ()):
                if task.claim_status == "ready":
                    self._wake_for(Cause(task.queue, task.group))
        opened = any(event.type == "queue_set" for event in changes.events)
        for queue in changes.changed.get("queue", ()):
            if count := places(queue, opened=opened):
                self.wake_each_kind(count, queue.name)

    def hear(self, wake: Wake) -> None:
        """Wake those for whom another process has something: one for each task, as if it were ours."""
        for queue, group, count in wake.ready:
            for _ in range(count):
                if not self._wake_for(Cause(queue, group)):
                    break
        for queue, count in wake.places:
            self.wake_each_kind(count, queue)
        if wake.anything:
            self.wake_each_kind()

    def _wake_for(self, cause: Cause) -> bool:
        return self._wake(
            lambda waiter: waiter.takes(cause.queue, cause.group) and waiter.shape not in cause.tried, cause
        )

    def agents(self) -> list[str]:
        """Who waits, by id."""
        return list(dict.fromkeys(waiter.agent for waiter in self._waiting))

    def learn(self, agent: Agent) -> None:
        """Note what an agent can do now, and wake it if something was handed over to it."""
        capabilities = frozenset(agent.capabilities)
        if agent.handed:
            # It has something to take up, which waits for nobody else.
            self._wake(lambda waiter: waiter.agent == agent.id)
        for waiter in self._waiting:
            if waiter.own and waiter.agent == agent.id and waiter.capabilities != capabilities:
                waiter.capabilities = capabilities
                waiter.woken.set()
