"""The invariant of limits: what queues and agents may take."""

from __future__ import annotations

from arbeit.core import events as e
from arbeit.core.model import Event
from arbeit.testing.history import Committed
from arbeit.testing.invariants.base import Bookkeeper, rows_of
from arbeit.testing.invariants.books import Book

_SIZES = {"title": 500, "labels": 32, "requires": 32, "intent": 65536, "description": 65536, "content": 65536}
"""The most characters, items or bytes that a fact may carry in a field."""
RELATIONSHIPS = 1_000


class Limits(Bookkeeper):
    """Limits."""

    name = "limits"
    promise = (
        "A paused queue grants nothing, no queue has more in progress than max_in_progress when it grants, no agent is "
        "given more than max_leases, a queue at max_ready takes no new work, and no text is larger than allowed."
    )

    def fact(self, book: Book, event: Event, fact: e.Fact) -> None:
        """Judge grants, new work, and sizes."""
        if isinstance(fact, e.TaskClaimed):
            self._judge_queue(book, event, fact)
            self._judge_agent(book, event, fact.agent_id)
        elif isinstance(fact, e.TaskHandedOver):
            self._judge_agent(book, event, fact.to_agent)
        elif isinstance(fact, e.TaskCreated):
            self._judge_room(book, event, fact.queue)
        elif isinstance(fact, e.TaskUpdated) and "queue" in fact.changes:
            self._judge_room(book, event, fact.changes["queue"])
        self._judge_sizes(event, fact)

    def _judge_queue(self, book: Book, event: Event, fact: e.TaskClaimed) -> None:
        self.judged += 1
        name = book.jobs[fact.task_id].queue
        share = book.queues[name]
        if share.paused:
            self.say(f"event {event.id} grants {fact.task_id} out of queue {name}, which is paused")
        if share.max_in_progress is not None and (running := book.in_progress(name)) >= share.max_in_progress:
            self.say(f"event {event.id} grants {fact.task_id} out of queue {name}, where {running} are in progress")

    def _judge_agent(self, book: Book, event: Event, agent: str) -> None:
        self.judged += 1
        most = book.agents[agent].max_leases if agent in book.agents else None
        if most is not None and (has := book.holding(agent)) >= most:
            self.say(f"event {event.id} gives {event.task_id} to {agent}, who holds {has} of {most} already")

    def _judge_room(self, book: Book, event: Event, queue: str) -> None:
        self.judged += 1
        share = book.queues.get(queue)
        if share is not None and share.max_ready is not None and (ready := book.ready(queue)) >= share.max_ready:
            self.say(f"event {event.id} adds {event.task_id} to queue {queue}, where {ready} are ready")

    def _judge_sizes(self, event: Event, fact: e.Fact) -> None:
        said = fact.changes if isinstance(fact, e.TaskUpdated) else None
        for name, most in _SIZES.items():
            value = said.get(name, "") if said is not None else getattr(fact, name, "")
            if len(value) > most:
                self.say(f"event {event.id} carries {len(value)} in {name}, where {most} is the most")

    def left(self, _book: Book, entry: Committed) -> None:
        """Look at how many relationships a task has."""
        for task in rows_of(entry, "task"):
            if task.relationships > RELATIONSHIPS:
                self.say(f"{task.id} has {task.relationships} relationships, where {RELATIONSHIPS} is the most")
