"""Invariants of progress: silent holders lose their leases in time, and in the end everything is done."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from heapq import heappop, heappush
from typing import Any

from arbeit.core.events import Fact, PreemptRequested, TaskClaimed, TaskHandedOver, TaskReclaimed
from arbeit.core.model import SECOND, Event
from arbeit.testing.history import Committed, Entry, Happened
from arbeit.testing.invariants.base import Bookkeeper, Terms
from arbeit.testing.invariants.books import ENDS, Book, Job

_GRACE = 30
"""Seconds that a holder is given where a project does not say."""


class ReclaimPromise(Bookkeeper):
    """Reclaims."""

    name = "reclaim_promise"
    promise = (
        "In the calm phase a lease whose holder has gone silent is ended at most the grace (10 s) after its deadline, "
        "or after the calm began if that was later, in an archived project as elsewhere. At no time is one "
        "taken back before its deadline, or its holder asked to give way given less than the project's grace."
    )

    def __init__(self, terms: Terms | None = None) -> None:
        super().__init__(terms)
        self._calm_at = 0
        self._deadlines: list[tuple[int, str, str]] = []
        self._taken: set[str] = set()
        """The leases that the present transaction takes back because they ran out."""

    def see(self, entry: Entry) -> Iterable[str]:
        """Look at the deadlines before anything else that an entry says."""
        if self.phase in {"calm", "end"}:
            # Whichever clock is behind gives the benefit of the doubt: a jump may have left the store's ahead.
            self._look(min(entry.at, entry.now) if isinstance(entry, Committed) else entry.at)
        return super().see(entry)

    def _look(self, now: int) -> None:
        while self._deadlines and max(self._deadlines[0][0], self._calm_at) + self.terms.grace < now:
            deadline, project, lease = heappop(self._deadlines)
            tenure = self.book(project).tenures[lease]
            if tenure.ended_at is None and tenure.expires_at == deadline:
                self.say(f"lease {lease} on {tenure.task} ran out at {deadline}, and is still live at {now}")

    def happened(self, entry: Happened) -> None:
        """The calm begins."""
        if entry.kind == "phase" and entry.what == "calm":
            self._calm_at = entry.at

    def fact(self, book: Book, event: Event, fact: Fact) -> None:
        """Count the leases that were ended in time, by their holders or for them; look at what was taken too early."""
        if isinstance(fact, PreemptRequested):
            self._judge_grace(book, event, fact)
        elif isinstance(fact, TaskReclaimed) and (held := book.live.get(book.jobs[fact.task_id].lease or "")):
            self._taken.add(held.id)
            if held.expires_at > event.at:
                self.say(
                    f"event {event.id} takes {held.id} on {held.task} back before it ran out, at {held.expires_at}"
                )
        if self.phase in {"calm", "end"} and isinstance(fact, ENDS) and book.jobs[fact.task_id].lease is not None:
            self.judged += 1

    def _judge_grace(self, book: Book, event: Event, fact: PreemptRequested) -> None:
        grace = _grace(book.settings.get("preemption"))
        last = book.tenures[fact.lease_id].ends_by
        if grace is not None and fact.ends_by < min(event.at + grace, last if last is not None else fact.ends_by + 1):
            self.say(f"event {event.id} asks for {fact.lease_id} by {fact.ends_by}, which leaves less than {grace} us")

    def after(self, book: Book, _event: Event, fact: Fact) -> None:
        """Learn deadlines of grants."""
        if isinstance(fact, TaskClaimed | TaskHandedOver | PreemptRequested):
            heappush(self._deadlines, (book.tenures[fact.lease_id].expires_at, book.project, fact.lease_id))

    def left(self, book: Book, entry: Committed) -> None:
        """Learn deadlines of renewals."""
        for beat in entry.changes.beats:
            if beat.lease_id in self._taken and beat.expires_at > entry.now:
                self.say(f"lease {beat.lease_id} was renewed until {beat.expires_at}, and taken back at {entry.now}")
            if beat.lease_id in book.tenures:
                heappush(self._deadlines, (beat.expires_at, entry.project, beat.lease_id))
        self._taken.clear()


def _grace(preemption: object) -> int | None:
    """Microseconds that a holder is given by a project's setting; None where a policy of its own says."""
    said: Mapping[str, Any] = preemption if isinstance(preemption, Mapping) else {"name": preemption}
    if said.get("name") not in {None, "on_request", "critical_waits"}:
        return None
    seconds: float = said.get("grace", _GRACE)
    return round(seconds * SECOND)


class Drained(Bookkeeper):
    """The end of work."""

    name = "liveness_drained"
    promise = (
        "Once the end is reached, every task is completed or cancelled, or blocked for a stated reason that may stay, "
        "or waits for such a one; and nobody holds a lease."
    )

    def happened(self, entry: Happened) -> None:
        """Look at everything when the end begins."""
        if entry.kind == "phase" and entry.what == "end":
            for book in self.books.values():
                self._judge(book)

    def _judge(self, book: Book) -> None:
        for tenure in book.live.values():
            self.say(f"lease {tenure.id} of {tenure.agent} on {tenure.task} in {book.project} is live at the end")
        excused = self._excused(book)
        for job in book.jobs.values():
            self.judged += 1
            if not job.finished and job.id not in excused:
                why = f" ({job.reason})" if job.reason else ""
                self.say(f"{job.id} in {book.project} is still {job.status}{why} at the end")

    def _excused(self, book: Book) -> set[str]:
        """The tasks that may stay blocked, and those that wait for them, directly or not."""
        frontier = [job.id for job in book.jobs.values() if self._may_stay(job)]
        found = set(frontier)
        while frontier:
            for then in book.later.get(frontier.pop(), {}).values():
                if then not in found and book.jobs[then].status == "open":
                    found.add(then)
                    frontier.append(then)
        return found

    def _may_stay(self, job: Job) -> bool:
        allowed = self.terms.may_stay
        return (
            job.status == "blocked"
            and not job.deleted
            and (job.reason in allowed if allowed is not None else bool(job.reason))
        )
