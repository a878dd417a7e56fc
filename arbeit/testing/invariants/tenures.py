"""Invariants of tenures: who holds a task, until when, and how often it is tried."""

from __future__ import annotations

from arbeit.core import events as e
from arbeit.core.model import Event
from arbeit.testing.history import Committed
from arbeit.testing.invariants.base import Bookkeeper, Terms, rows_of
from arbeit.testing.invariants.books import ENDS, UNCOUNTED, Book, Job


class OneHolder(Bookkeeper):
    """Holders and fences."""

    name = "one_holder"
    promise = (
        "A task has at most one live lease at any moment, in the log and in the rows, "
        "and its fence rises with every grant and with every end of a lease."
    )

    def __init__(self, terms: Terms | None = None) -> None:
        super().__init__(terms)
        self._rows: dict[tuple[str, str], set[str]] = {}

    def fact(self, book: Book, event: Event, fact: e.Fact) -> None:
        """Judge grants and ends of leases."""
        if isinstance(fact, e.TaskClaimed):
            job = book.jobs[fact.task_id]
            if job.lease is not None:
                self.say(f"event {event.id} grants {job.id} to {fact.agent_id} while {job.lease} is live")
            self._judge(book, event, job, fact.fence, fact.lease_id)
        elif isinstance(fact, e.TaskHandedOver):
            self._judge(book, event, book.jobs[fact.task_id], fact.fence, fact.lease_id)
        elif isinstance(fact, ENDS):
            self._judge(book, event, book.jobs[fact.task_id], fact.fence, None)

    def _judge(self, book: Book, event: Event, job: Job, fence: int, granted: str | None) -> None:
        self.judged += 1
        if granted is not None and granted in book.tenures:
            self.say(f"event {event.id} grants {granted}, which was granted before")
        moves = granted is not None or job.lease is not None
        if fence < job.fence + moves:
            self.say(f"event {event.id} leaves {job.id} at fence {fence}, where it was {job.fence} before")

    def left(self, book: Book, entry: Committed) -> None:
        """Compare the rows of a transaction with the book."""
        leases = rows_of(entry, "lease")
        for lease in leases:
            live = self._rows.setdefault((entry.project, lease.task_id), set())
            (live.discard if lease.ended_at is not None else live.add)(lease.id)
            tenure = book.tenures.get(lease.id)
            if tenure is None or (tenure.task, tenure.agent, tenure.fence) != (
                lease.task_id,
                lease.agent_id,
                lease.fence,
            ):
                self.say(f"the row of {lease.id} ({lease.agent_id} on {lease.task_id}) is not as it was granted")
            elif (tenure.ended_at is None) != (lease.ended_at is None):
                state = "ended" if lease.ended_at is not None else "live"
                self.say(f"the row of {lease.id} on {lease.task_id} is {state}, which the log does not say")
        for task_id in sorted({lease.task_id for lease in leases}):
            live = self._rows[entry.project, task_id]
            if len(live) > 1:
                self.say(f"{task_id} has {len(live)} live leases in the rows: {', '.join(sorted(live))}")
        for task in rows_of(entry, "task"):
            job = book.jobs[task.id]
            holder = book.live[job.lease].agent if job.lease is not None else None
            if (task.lease_id, task.assignee, task.fence) != (job.lease, holder, job.fence):
                found = f"{task.lease_id}, {task.assignee}, {task.fence}"
                self.say(f"the row of {task.id} says {found}; the log says {job.lease}, {holder}, {job.fence}")


class Handoff(Bookkeeper):
    """Handoffs."""

    name = "handoff"
    promise = (
        "A handoff ends one lease and begins another in one step: the task has exactly one owner before, in between "
        "and after, and nothing is written any more under the run that it ended."
    )

    def __init__(self, terms: Terms | None = None) -> None:
        super().__init__(terms)
        self._passed: dict[tuple[str, str], str] = {}
        """By project and run: the event that handed its task over."""

    def fact(self, book: Book, event: Event, fact: e.Fact) -> None:
        """Judge handoffs, what follows them, and who takes up."""
        run = event.run_id
        if run is not None and (book.project, run) in self._passed:
            self.say(f"event {event.id} is written under {run}, whose task {self._passed[book.project, run]} passed on")
        if isinstance(fact, e.TaskHandedOver):
            self.judged += 1
            self._judge(book, event, fact)
        elif isinstance(fact, e.HandoffAccepted):
            self.judged += 1
            held = book.live.get(book.jobs[fact.task_id].lease or "")
            if held is None or (held.id, held.run) != (fact.lease_id, fact.run_id):
                self.say(f"event {event.id} takes up {fact.lease_id}, which does not hold {fact.task_id}")
            elif held.accepted:
                self.say(f"event {event.id} takes up {fact.lease_id}, which was taken up before")

    def _judge(self, book: Book, event: Event, fact: e.TaskHandedOver) -> None:
        old = book.live.get(book.jobs[fact.task_id].lease or "")
        if old is None or old.run != fact.run_id:
            self.say(f"event {event.id} hands over {fact.task_id} out of {fact.run_id}, which does not hold it")
        elif old.agent == fact.to_agent:
            self.say(f"event {event.id} hands over {fact.task_id} to {old.agent}, who holds it already")
        if fact.new_run_id == fact.run_id:
            self.say(f"event {event.id} hands over {fact.task_id} without a run of its own for {fact.to_agent}")
        if fact.run_id is not None:
            self._passed[book.project, fact.run_id] = event.id

    def left(self, _book: Book, entry: Committed) -> None:
        """See in the rows that the old lease ended with the new one's beginning."""
        handed = [event for event in entry.changes.events if event.type == e.TaskHandedOver.tag]
        if not handed:
            return
        rows = {row.run_id: row for row in rows_of(entry, "lease")}
        for event in handed:
            old = rows.get(event.run_id)
            if old is None or old.ended_at is None:
                self.say(f"event {event.id} handed {event.task_id} over, but the row of the old lease has not ended")


class Attempts(Bookkeeper):
    """Attempts and escalations."""

    name = "attempts"
    promise = (
        "Only failures and expired leases count as attempts; once max_attempts are used up, the task is blocked with "
        "exactly one escalation, and at no other time is there one."
    )

    def __init__(self, terms: Terms | None = None) -> None:
        super().__init__(terms)
        self._exhausted: dict[str, str | None] = {}
        """By project: the task that the last event gave up, whose escalation is due."""

    def fact(self, book: Book, event: Event, fact: e.Fact) -> None:
        """Count attempts, and expect an escalation right after the last."""
        due = self._exhausted.pop(book.project, None)
        if isinstance(fact, e.TaskEscalated):
            self.judged += 1
            self._judge_escalation(book, event, fact, due)
        elif due is not None:
            self.say(f"{due} used its attempts up, but event {event.id} is no escalation of it")
        if isinstance(fact, e.TaskClaimed):
            self.judged += 1
            before = book.jobs[fact.task_id].attempt
            if fact.attempt != before + 1:
                self.say(f"event {event.id} is attempt {fact.attempt} at {fact.task_id}, after {before} that counted")
        elif isinstance(fact, e.TenureEnded):
            self._judge_end(book, event, fact)

    def _judge_end(self, book: Book, event: Event, fact: e.TenureEnded) -> None:
        job, reason = book.jobs[fact.task_id], getattr(fact, "reason", "")
        counted = isinstance(fact, e.TaskFailed) or (isinstance(fact, e.TaskReclaimed) and reason not in UNCOUNTED)
        used_up = counted and job.attempt >= job.max_attempts
        self.judged += 1
        if fact.exhausted != used_up:
            way = "gives up" if fact.exhausted else "goes on with"
            self.say(f"event {event.id} {way} {job.id} after attempt {job.attempt} of {job.max_attempts} ({reason})")
        if fact.exhausted:
            self._exhausted[book.project] = job.id

    def _judge_escalation(self, book: Book, event: Event, fact: e.TaskEscalated, due: str | None) -> None:
        job = book.jobs[fact.task_id]
        if due != fact.task_id:
            self.say(f"event {event.id} escalates {fact.task_id}, whose attempts were not just used up")
        elif job.status != "blocked" or fact.attempts != job.attempt:
            self.say(f"event {event.id} escalates {job.id} ({job.status}) after {fact.attempts}, not {job.attempt}")

    def left(self, book: Book, entry: Committed) -> None:
        """See that nothing is due any more, and compare the rows."""
        due = self._exhausted.pop(entry.project, None)
        if due is not None:
            self.say(f"{due} used its attempts up, and the commit at {entry.now} ends without an escalation")
        for task in rows_of(entry, "task"):
            if task.attempt != book.jobs[task.id].attempt:
                self.say(
                    f"the row of {task.id} is at attempt {task.attempt}, its events at {book.jobs[task.id].attempt}"
                )


class SuitableHolder(Bookkeeper):
    """Capabilities."""

    name = "suitable_holder"
    promise = (
        "A task is held only by agents that have every capability it requires, "
        "and a review only by a reviewer other than the one who finished the work."
    )

    def fact(self, book: Book, event: Event, fact: e.Fact) -> None:
        """Compare what a task asks for with what its new holder has."""
        if isinstance(fact, e.TaskClaimed):
            agent, group = fact.agent_id, book.jobs[fact.task_id].group
            if fact.how == "resume":
                group = ",".join(book.jobs[fact.task_id].requires)
        elif isinstance(fact, e.TaskHandedOver):
            agent, group = fact.to_agent, ",".join(book.jobs[fact.task_id].requires)
        else:
            return
        self.judged += 1
        if not book.suits(agent, group):
            has = ", ".join(book.agents[agent].capabilities) if agent in book.agents else ""
            self.say(
                f"event {event.id} gives {event.task_id}, which needs {group}, to {agent}, who has {has or 'none'}"
            )
