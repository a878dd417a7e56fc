"""Invariants of the graph of tasks: what must end before what."""

from __future__ import annotations

from arbeit.core import events as e
from arbeit.core.model import Event
from arbeit.testing.invariants.base import Bookkeeper
from arbeit.testing.invariants.books import Book

DEPTH = 16
"""Levels that a hierarchy may have."""


class Blockers(Bookkeeper):
    """Blockers and children."""

    name = "blockers"
    promise = (
        "No work on a task begins, and no task is called ready, before everything that blocks it and all its children "
        "have ended, or before the moment until which it was put off, unless it is resumed; and none is finished "
        "before its children unless the project only warns."
    )

    def fact(self, book: Book, event: Event, fact: e.Fact) -> None:
        """Judge what begins, is readied, and is finished."""
        if isinstance(fact, e.TaskReadied) or (isinstance(fact, e.TaskClaimed) and not self._reviews(book, fact)):
            job = book.jobs[fact.task_id]
            self.judged += 1
            if job.status != "in_review" and (waits := book.waits_for(job.id)):
                self.say(f"event {event.id} ({event.type}): {job.id} still waits for {', '.join(waits)}")
            if job.ready_at > event.at and getattr(fact, "how", "") != "resume":
                self.say(f"event {event.id} ({event.type}): {job.id} was put off until {job.ready_at}")
        elif isinstance(fact, e.TaskCompleted | e.TaskSubmitted | e.ReviewApproved):
            self.judged += 1
            children = book.unfinished_children(fact.task_id)
            if children and book.settings.get("incomplete_children") != "warn":
                self.say(f"event {event.id} finishes {fact.task_id} before its children {', '.join(children)}")

    @staticmethod
    def _reviews(book: Book, fact: e.TaskClaimed) -> bool:
        return book.jobs[fact.task_id].status == "in_review"


class NoCycle(Bookkeeper):
    """Cycles."""

    name = "no_cycle"
    promise = (
        "Blockers and parents together never form a cycle, no task has two parents, "
        "and no hierarchy is deeper than 16 levels."
    )

    def fact(self, book: Book, event: Event, fact: e.Fact) -> None:
        """A second parent is seen before the edge is entered."""
        if isinstance(fact, e.RelationshipAdded) and fact.type == "parent_of":
            parent = book.jobs[fact.to_task_id].parent
            if parent is not None:
                self.say(f"event {event.id} gives {fact.to_task_id} a second parent beside {parent}")

    def after(self, book: Book, event: Event, fact: e.Fact) -> None:
        """A cycle is seen once the edge is entered."""
        if isinstance(fact, e.RelationshipAdded) and fact.type in {"blocks", "parent_of"}:
            starts = {fact.task_id, fact.to_task_id}
        elif isinstance(fact, e.TaskCreated) and (fact.edges or fact.parent_id is not None):
            starts = {fact.task_id}
        else:
            return
        self.judged += 1
        for start in sorted(starts):
            if _returns(book, start):
                self.say(f"event {event.id} makes {start} wait for itself")
                return
        depth = _depth(book, fact.to_task_id if isinstance(fact, e.RelationshipAdded) else fact.task_id)
        if depth > DEPTH:
            self.say(f"event {event.id} nests {fact.task_id} {depth} levels deep")


def _returns(book: Book, start: str) -> bool:
    """Whether something that waits for a task is the task itself; nothing waits for a deleted one."""
    seen: set[str] = set()
    frontier = [start]
    while frontier:
        for then in book.later.get(frontier.pop(), {}).values():
            if then == start:
                return True
            if then not in seen and not book.jobs[then].deleted:
                seen.add(then)
                frontier.append(then)
    return False


def _depth(book: Book, task_id: str) -> int:
    """On which level a task stands, the first being 1."""
    level, parent = 1, book.jobs[task_id].parent
    while parent is not None and level <= DEPTH:
        level, parent = level + 1, book.jobs[parent].parent
    return level
