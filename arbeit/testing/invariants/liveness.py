"""Invariants of progress: silent holders lose their leases in time, and in the end everything is done."""

from __future__ import annotations

from heapq import heappop, heappush

from arbeit.core.events import Fact, PreemptRequested, TaskClaimed, TaskHandedOver
from arbeit.core.model import Event
from arbeit.testing.history import Committed, Entry, Happened
from arbeit.testing.invariants.base import Bookkeeper, Terms
from arbeit.testing.invariants.books import ENDS, Book, Job


class ReclaimPromise(Bookkeeper):
    """Reclaims."""

    name = "reclaim_promise"
    promise = (
        "In the calm phase a lease whose holder has gone silent is ended at most the grace (10 s) after its deadline, "
        "or after the calm began if that was later; but in an archived project nothing changes."
    )

    def __init__(self, terms: Terms | None = None) -> None:
        super().__init__(terms)
        self._calm_at = 0
        self._deadlines: list[tuple[int, str, str]] = []

    def see(self, entry: Entry) -> list[str]:
        """Look at the deadlines before anything else that an entry says."""
        if self.phase in {"calm", "end"}:
            # Whichever clock is behind gives the benefit of the doubt: a jump may have left the store's ahead.
            self._look(min(entry.at, entry.now) if isinstance(entry, Committed) else entry.at)
        return [*self.heard(), *super().see(entry)]

    def _look(self, now: int) -> None:
        while self._deadlines and max(self._deadlines[0][0], self._calm_at) + self.terms.grace < now:
            deadline, project, lease = heappop(self._deadlines)
            tenure = self.book(project).tenures[lease]
            if tenure.ended_at is None and tenure.expires_at == deadline and not self.book(project).archived:
                self.say(f"lease {lease} on {tenure.task} ran out at {deadline}, and is still live at {now}")

    def happened(self, entry: Happened) -> None:
        """The calm begins."""
        if entry.kind == "phase" and entry.what == "calm":
            self._calm_at = entry.at

    def fact(self, book: Book, _event: Event, fact: Fact) -> None:
        """Count the leases that were ended in time, by their holders or for them."""
        if self.phase in {"calm", "end"} and isinstance(fact, ENDS) and book.jobs[fact.task_id].lease is not None:
            self.judged += 1

    def after(self, book: Book, _event: Event, fact: Fact) -> None:
        """Learn deadlines of grants."""
        if isinstance(fact, TaskClaimed | TaskHandedOver | PreemptRequested):
            heappush(self._deadlines, (book.tenures[fact.lease_id].expires_at, book.project, fact.lease_id))

    def left(self, book: Book, entry: Committed) -> None:
        """Learn deadlines of renewals."""
        for beat in entry.changes.beats:
            if beat.lease_id in book.tenures:
                heappush(self._deadlines, (beat.expires_at, entry.project, beat.lease_id))


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
