"""Claimers that wait for work: who is woken, by what."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable

from anyio import Event

from arbeit.core.declare import define, field
from arbeit.core.fairness import lacking, pickable
from arbeit.core.model import REVIEW, Agent, Changes, Queue

Shape = tuple[frozenset[str], frozenset[str] | None, str | None]


@define(eq=False)
class Waiter:
    """A claimer that waits for something it may take. `own` says that its capabilities are those it registered."""

    agent: str
    capabilities: frozenset[str]
    queues: frozenset[str] | None
    own: bool = False
    woken: Event = field(factory=Event)

    @property
    def shape(self) -> Shape:
        """What makes two claimers alike; of two reviewers, one may have done what is to be reviewed."""
        return (self.capabilities, self.queues, self.agent if REVIEW in self.capabilities else None)

    def takes(self, queue: str, group: str) -> bool:
        """Whether a ready task of this requirement set is for this claimer."""
        return (self.queues is None or queue in self.queues) and not lacking(group, self.agent, self.capabilities)


class Waiters:
    """The claimers that wait for work in one project, first come, first served.

    A wake-up goes to one claimer for each task that became ready. One that has no use for its wake-up (it leaves,
    or it found work by itself) passes it on; one that was woken in vain keeps its place.
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
            alike = self._wake(lambda other: other.shape == waiter.shape)
            if not alike:
                self.wake_each_kind()

    def _wake(self, suits: Callable[[Waiter], bool]) -> bool:
        for waiter in self._waiting:
            if not waiter.woken.is_set() and suits(waiter):
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
                    self._wake_for(task.queue, task.group)
        opened = any(event.type == "queue_set" for event in changes.events)
        for queue in changes.changed.get("queue", ()):
            self._wake_for_places(queue, opened=opened)

    def _wake_for(self, queue: str, group: str) -> None:
        self._wake(lambda waiter: waiter.takes(queue, group))

    def _wake_for_places(self, queue: Queue, *, opened: bool) -> None:
        limit = queue.max_in_progress
        if queue.ready and pickable(queue) and (opened or limit is not None):
            places = queue.ready if limit is None else min(queue.ready, limit - queue.in_progress)
            self.wake_each_kind(places, queue.name)

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
