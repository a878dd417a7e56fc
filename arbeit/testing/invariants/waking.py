"""The invariant of wake-ups: who waits is told when there is something to claim."""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Any

from attrs import frozen

from arbeit.core import events as e
from arbeit.core.model import SECOND, Event
from arbeit.testing.history import Committed, Entry, Happened
from arbeit.testing.invariants.base import Bookkeeper, Terms
from arbeit.testing.invariants.books import Book

PATIENCE = 2 * SECOND
"""Microseconds after which a ready task and a waiting claimer should have found each other."""
_LOOK = SECOND // 4


@frozen
class _Waiter:
    """Somebody who waits for work, as a note says it."""

    process: str
    project: str
    agent: str
    queues: frozenset[str] | None
    since: int


class WakeUps(Bookkeeper):
    """Waiting claimers. A history says of them by notes: "waits" and "waits no longer" (see `waiting`)."""

    name = "wake_up"
    promise = (
        "In the calm phase no task lies ready for two seconds while a claimer waits, all that time, that may take it."
    )

    def __init__(self, terms: Terms | None = None) -> None:
        super().__init__(terms)
        self._waiters: dict[int, _Waiter] = {}
        self._ready: dict[str, dict[str, int]] = {}
        """By project, by task that is in line: since when."""
        self._changed: dict[str, int] = {}
        """By project: when a queue or an agent was changed last, which may open what was closed."""
        self._calm_at = 0
        self._looked = 0

    def see(self, entry: Entry) -> Iterable[str]:
        """Look around now and then, before what an entry says."""
        if self.phase == "calm" and entry.at - self._looked >= _LOOK:
            self._looked = entry.at
            for waiter in self._waiters.values():
                self._look(waiter, entry.at)
        return super().see(entry)

    def _look(self, waiter: _Waiter, now: int) -> None:
        book = self.book(waiter.project)
        since = max(waiter.since, self._calm_at, self._changed.get(waiter.project, 0))
        if now - since < PATIENCE or not _may_hold_more(book, waiter.agent):
            return
        self.judged += 1
        for queue in book.queues:
            if (waiter.queues is None or queue in waiter.queues) and book.open_to_claims(queue):
                for _, _, task in book.heads(queue, waiter.agent):
                    if now - self._ready[waiter.project].get(task, now) >= PATIENCE:
                        self.say(f"{task} of {queue} lies ready while {waiter.agent} waits, at {now}")

    def happened(self, entry: Happened) -> None:
        """Learn who waits; the dead do not."""
        if entry.kind == "phase" and entry.what == "calm":
            self._calm_at = entry.at
        elif entry.what == "is killed":
            self._waiters = {key: one for key, one in self._waiters.items() if one.process != entry.process}
        elif entry.kind == "note" and entry.what == "waits":
            said = json.loads(entry.detail)
            queues = frozenset(said["queues"]) if said["queues"] is not None else None
            self._waiters[said["number"]] = _Waiter(entry.process, said["project"], said["agent"], queues, entry.at)
        elif entry.kind == "note" and entry.what == "waits no longer":
            self._waiters.pop(json.loads(entry.detail)["number"], None)

    def left(self, book: Book, entry: Committed) -> None:
        """Learn what stands in line now, and since when."""
        lines = (keys for groups in book.lines.values() for keys in groups.values())
        before = self._ready.get(book.project, {})
        self._ready[book.project] = {task: before.get(task, entry.at) for keys in lines for _, _, task in keys}

    def after(self, book: Book, event: Event, fact: e.Fact) -> None:
        """What frees others is an event of another task; queues and agents may open what was closed."""
        if isinstance(fact, e.QueueSet | e.AgentRegistered | e.ProjectUpdated):
            self._changed[book.project] = max(event.at, self._changed.get(book.project, 0))


def _may_hold_more(book: Book, agent: str) -> bool:
    worker = book.agents.get(agent)
    limit: Any = worker.max_leases if worker is not None else None
    return limit is None or book.holding(agent) < limit


def waiting(number: int, project: str, agent: str, queues: tuple[str, ...] | None) -> str:
    """The detail of the notes by which a history says that somebody waits, under a number of one's own."""
    return json.dumps({"number": number, "project": project, "agent": agent, "queues": queues})
