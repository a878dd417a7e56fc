"""Claimers that wait for work: who is woken, by what."""

from __future__ import annotations

from anyio import Event
from attrs import define, field

from arbeit.core.fairness import pickable
from arbeit.core.model import Changes


@define(eq=False)
class Waiter:
    """A claimer that waits for something it may take."""

    capabilities: frozenset[str]
    queues: frozenset[str] | None
    woken: Event = field(factory=Event)

    def takes(self, queue: str, requires: tuple[str, ...]) -> bool:
        """Whether a ready task of this kind is for this claimer."""
        return (self.queues is None or queue in self.queues) and self.capabilities.issuperset(requires)


class Waiters:
    """The claimers that wait for work in one project, first come, first served.

    A wake-up goes to one claimer for each task that became ready. One that leaves without having claimed after
    it was woken passes the wake-up on.
    """

    def __init__(self) -> None:
        self._waiting: dict[Waiter, None] = {}

    def __bool__(self) -> bool:
        return bool(self._waiting)

    def join(self, waiter: Waiter) -> None:
        """Line up."""
        self._waiting[waiter] = None

    def leave(self, waiter: Waiter) -> None:
        """Step out of the line."""
        self._waiting.pop(waiter, None)

    def wake_for(self, queue: str, requires: tuple[str, ...]) -> None:
        """Wake the first who can take such a task and was not woken yet."""
        for waiter in self._waiting:
            if not waiter.woken.is_set() and waiter.takes(queue, requires):
                waiter.woken.set()
                return

    def wake_each_kind(self) -> None:
        """Wake one claimer of each shape: something changed that this process did not see."""
        shapes: set[tuple[frozenset[str], frozenset[str] | None]] = set()
        for waiter in self._waiting:
            shape = (waiter.capabilities, waiter.queues)
            if shape not in shapes and not waiter.woken.is_set():
                shapes.add(shape)
                waiter.woken.set()

    def wake_after(self, changes: Changes) -> None:
        """Wake one claimer for each task that became ready, and each kind where a place became free."""
        if not self._waiting:
            return
        for kind in (changes.new, changes.changed):
            for task in kind.get("task", ()):
                if task.claim_status == "ready":
                    self.wake_for(task.queue, task.requires)
        freed = any(
            queue.ready and pickable(queue) and queue.max_in_progress is not None
            for queue in changes.changed.get("queue", ())
        )
        if freed or any(event.type == "queue_set" for event in changes.events):
            self.wake_each_kind()
