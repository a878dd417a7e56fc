"""The invariant of tokens: who may still write to a held task."""

from __future__ import annotations

import hmac

from attrs import define

from arbeit.core import commands as c
from arbeit.core import events as e
from arbeit.core.model import Event, Reply
from arbeit.testing.history import Answered, Committed, Sent
from arbeit.testing.invariants.base import Bookkeeper, Terms
from arbeit.testing.invariants.books import ENDS, Book, Tenure


def derived(key: bytes, project: str, tenure: Tenure, agent: str) -> str:
    """The token of a lease: HMAC-SHA-256 over project, lease, fence and principal, its first 128 bits."""
    message = "\0".join((project, tenure.id, str(tenure.fence), agent))
    return hmac.new(key, message.encode(), "sha256").hexdigest()[:32]


@define(eq=False)
class _Use:
    """A command of a holder, or one that would move a held task without a token."""

    sent: Sent
    index: int
    token: str | None
    judged: bool = False


class StaleToken(Bookkeeper):
    """Holders' writes."""

    name = "stale_token"
    promise = (
        "A write with a lease token is accepted only while that very lease is live, from the agent it was granted to "
        "and for the task it was granted for; without a token, nobody but a supervisor by force moves a held task."
    )

    def __init__(self, terms: Terms | None = None) -> None:
        super().__init__(terms)
        self._uses: dict[tuple[str, str], _Use] = {}
        self._numbers: dict[int, _Use] = {}
        self._leases: dict[tuple[str, str], str] = {}
        """By project and token: the lease that it proves, derived or learned from its first accepted use."""
        self._ended: dict[str, int] = {}
        """By lease: at which entry it ended."""
        self._keys: set[tuple[str, str, str, str]] = set()
        self._carried: dict[int, tuple[int, Sent]] = {}
        """By number: the entry that sent renewals, and what it sent."""

    def sent(self, entry: Sent) -> None:
        """Remember what a command showed."""
        command = entry.command
        if isinstance(command, c.RenewLeases):
            self._carried[entry.number] = (self.index, entry)
            return
        token: str | None = getattr(command, "token", None)
        if token is None and not isinstance(command, c.TenureCommand | c.AddProgress | c.CompleteProgress):
            return
        use = _Use(entry, self.index, token)
        key = (entry.project, command.actor, command.operation, command.idempotency_key or "")
        use.judged = command.idempotency_key is not None and key in self._keys
        if command.idempotency_key is not None:
            self._keys.add(key)
        if token is not None:
            self._numbers[entry.number] = use
        if command.correlation_id is not None:
            self._uses[entry.project, command.correlation_id] = use

    def before(self, book: Book, entry: Committed) -> None:
        """No renewal may reach a lease that ended before."""
        for beat in entry.changes.beats:
            tenure = book.tenures.get(beat.lease_id)
            if tenure is not None and tenure.ended_at is not None:
                self.say(
                    f"lease {tenure.id} on {tenure.task} was renewed at {entry.now}, but ended at {tenure.ended_at}"
                )

    def fact(self, book: Book, event: Event, fact: e.Fact) -> None:
        """Judge the first event of each command: that is its own write."""
        if isinstance(fact, ENDS) and (ending := book.jobs[fact.task_id].lease) is not None:
            self._ended[ending] = self.index
        worker = book.agents.get(event.actor)
        if getattr(fact, "forced", False) and (worker is None or worker.persona != "supervisor"):
            self.say(f"event {event.id} was forced by {event.actor}, who is no supervisor")
        use = self._uses.get((book.project, event.correlation_id or ""))
        if use is not None and event.causation_id == use.sent.command.causation_id and isinstance(fact, e.TaskFact):
            use.judged = True
            self.judged += 1
            held = book.live.get(book.jobs[fact.task_id].lease or "")
            if use.token is None:
                self._judge_stranger(event, fact, use, held)
            else:
                self._judge(book, event, use, use.token, held)

    def _judge_stranger(self, event: Event, fact: e.TaskFact, use: _Use, held: Tenure | None) -> None:
        forced = getattr(use.sent.command, "force", False) and getattr(fact, "forced", False)
        if held is not None and not forced:
            self.say(
                f"event {event.id} moves {held.task}, held by {held.agent}, for {event.actor} without token or force"
            )

    def _judge(self, book: Book, event: Event, use: _Use, token: str, held: Tenure | None) -> None:
        said = f"event {event.id} ({event.type}) was accepted from {event.actor}"
        if held is None:
            self.say(f"{said} with a token, but nobody holds {event.task_id}")
            return
        lease = self._lease(book, token, held)
        if lease != held.id:
            self.say(f"{said} with a token of {lease or 'no lease'}, but {event.task_id} is held under {held.id}")
        elif event.run_id != held.run:
            self.say(f"{said} under {event.run_id}, but {event.task_id} is held under {held.run}")
        elif held.agent != use.sent.command.actor:
            self.say(f"{said}, but {event.task_id} is held by {held.agent}")
        elif getattr(use.sent.command, "task_id", event.task_id) != event.task_id:
            self.say(f"{said} for another task, {event.task_id}")

    def _lease(self, book: Book, token: str, held: Tenure) -> str | None:
        """The lease that a token proves; the first accepted use tells where there is no key to derive it."""
        if self.terms.lease_key is None:
            return self._leases.setdefault((book.project, token), held.id)
        return self._leases.get((book.project, token))

    def after(self, book: Book, _event: Event, fact: e.Fact) -> None:
        """Learn the tokens of grants, and when leases ended."""
        granted = getattr(fact, "lease_id", None) if isinstance(fact, e.TaskClaimed | e.TaskHandedOver) else None
        if granted is not None and self.terms.lease_key is not None:
            tenure = book.tenures[granted]
            self._leases[book.project, derived(self.terms.lease_key, book.project, tenure, tenure.agent)] = granted

    def answered(self, entry: Answered) -> None:
        """Judge what was accepted without leaving an event: renewals, above all."""
        sent = self._carried.pop(entry.number, None)
        if sent is not None:
            sent_at, bulk = sent
            for command, result in entry.parts(bulk):
                if isinstance(result, Reply):
                    self._judge_accepted(bulk, command, sent_at)
        use = self._numbers.pop(entry.number, None)
        if use is not None and not use.judged and isinstance(entry.result, Reply):
            self._judge_accepted(use.sent, use.sent.command, use.index)

    def _judge_accepted(self, sent: Sent, command: c.Command, index: int) -> None:
        self.judged += 1
        token: str = getattr(command, "token", None) or ""
        lease = self._leases.get((sent.project, token))
        said = f"{command.operation} {sent.number} of {command.actor} was accepted"
        if lease is None:
            if self.terms.lease_key is not None:
                self.say(f"{said} with a token that no lease has")
            return
        tenure = self.book(sent.project).tenures[lease]
        if tenure.agent != command.actor:
            self.say(f"{said} with the token of {lease}, which is {tenure.agent}'s")
        elif self._ended.get(lease, self.index) < index:
            self.say(f"{said} with the token of {lease}, which had ended before it was sent")
