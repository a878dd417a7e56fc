"""Invariants of outcomes: what callers were told is so, and a key has one effect."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import attrs
from attrs import define, field

from arbeit.core import commands as c
from arbeit.core.errors import ArbeitError, Code
from arbeit.core.model import SECOND, Event, Receipt, Reply
from arbeit.testing.history import Answered, Committed, Sent, Stored
from arbeit.testing.invariants.base import Checker, Terms
from arbeit.wire import read_reply

_WRITES: Mapping[type[c.Command], frozenset[str]] = {
    c.CreateProject: frozenset({"project_created"}),
    c.CreateTask: frozenset({"task_created"}),
    c.DeleteTask: frozenset({"task_deleted"}),
    c.UnblockTask: frozenset({"task_unblocked"}),
    c.BlockTask: frozenset({"task_blocked"}),
    c.CancelTask: frozenset({"task_cancelled"}),
    c.ReleaseTask: frozenset({"task_released"}),
    c.FailTask: frozenset({"task_failed"}),
    c.CompleteTask: frozenset({"task_completed", "task_submitted"}),
    c.ApproveTask: frozenset({"review_approved"}),
    c.RequestChanges: frozenset({"changes_requested"}),
    c.HandoffTask: frozenset({"task_handed_over"}),
    c.AddContext: frozenset({"context_added"}),
    c.SupersedeContext: frozenset({"context_superseded"}),
    c.AddProgress: frozenset({"progress_added"}),
    c.ReportUsage: frozenset({"usage_reported"}),
    c.AttachArtifact: frozenset({"artifact_attached"}),
    c.UseSecret: frozenset({"secret_used"}),
    c.RemoveRelationship: frozenset({"relationship_removed"}),
}
"""Commands that never succeed without an event, and of which one of these is the first but for a new queue's."""
_GRANTS = frozenset({"task_claimed", "handoff_accepted"})


@define(eq=False)
class _Effect:
    """The events of one command."""

    commit: int
    root: str
    last: int
    events: list[Event] = field(factory=list)

    def has(self, tags: frozenset[str]) -> bool:
        return any(event.type in tags for event in self.events)


class Acknowledged(Checker):
    """Acknowledgements.

    A command's events are found by its correlation id, so only ids that one command alone was sent with are judged.
    """

    name = "acknowledged"
    promise = (
        "What a caller was told is done is in the log exactly once and stays there, what was refused left no event, "
        "a command of unknown outcome is in the log whole or not at all, never twice, and nobody is told INTERNAL."
    )

    def __init__(self, terms: Terms | None = None) -> None:
        super().__init__(terms)
        self._sent: dict[int, Sent] = {}
        self._users: dict[tuple[str, str], int] = {}
        """By project and correlation id: how many commands were sent with it."""
        self._effects: dict[tuple[str, str], _Effect] = {}
        self._keyed: dict[tuple[str, str, str], set[str]] = {}
        self._refused: dict[tuple[str, str], int] = {}
        self._logs: dict[str, list[Event]] = {}
        self._tasks: dict[str, str] = {}
        """By lease: its task."""
        self._deadlines: dict[tuple[str, str], dict[int, int]] = {}
        """By project and task: every deadline that a renewal stored, and by which entry."""
        self._since: dict[int, int] = {}
        """By number of a renewal: the entry that sent it."""

    def sent(self, entry: Sent) -> None:
        """Remember who waits."""
        self._sent[entry.number] = entry
        if isinstance(entry.command, c.RenewLease | c.RenewLeases):
            self._since[entry.number] = self.index
        if entry.command.correlation_id is not None:
            key = (entry.project, entry.command.correlation_id)
            self._users[key] = self._users.get(key, 0) + 1

    def committed(self, entry: Committed) -> None:
        """Gather the events of each command, and the deadlines of leases."""
        for lease in (*entry.changes.new.get("lease", ()), *entry.changes.changed.get("lease", ())):
            self._tasks[lease.id] = lease.task_id
            self._deadlines.setdefault((entry.project, lease.task_id), {})[lease.expires_at] = self.index
        for beat in entry.changes.beats:
            place = (entry.project, self._tasks.get(beat.lease_id, ""))
            self._deadlines.setdefault(place, {})[beat.expires_at] = self.index
        self._logs.setdefault(entry.project, []).extend(entry.changes.events)
        for event in entry.changes.events:
            if event.idempotency_key is not None:
                keyed = self._keyed.setdefault((entry.project, event.actor, event.idempotency_key), set())
                keyed.add(event.type)
            if event.correlation_id is not None:
                self._gather((entry.project, event.correlation_id), event)

    def _gather(self, key: tuple[str, str], event: Event) -> None:
        effect = self._effects.get(key)
        alone = self._users.get(key) == 1
        if effect is None:
            self._effects[key] = _Effect(self.index, event.id, event.position, [event])
            if alone and key in self._refused:
                self.say(f"event {event.id} is of command {self._refused[key]}, which had been refused")
            return
        if alone and (effect.commit != self.index or event.causation_id != effect.root):
            self.say(f"event {event.id} does what {effect.root} did already for the same command ({key[1]})")
        elif alone and event.position != effect.last + 1:
            self.say(f"event {event.id} stands apart from event {effect.root} of the same command")
        effect.events.append(event)
        effect.last = event.position

    def answered(self, entry: Answered) -> None:
        """Compare an outcome with the log."""
        sent = self._sent.pop(entry.number, None)
        if sent is None or sent.command.correlation_id is None:
            return
        key = (sent.project, sent.command.correlation_id)
        if self._users[key] > 1:
            return
        self.judged += 1
        effect = self._effects.get(key)
        if isinstance(entry.result, Reply) and isinstance(sent.command, c.RenewLease | c.RenewLeases):
            for command, result in entry.parts(sent):
                if isinstance(command, c.RenewLease) and isinstance(result, Reply):
                    self._judge_renewal(sent, command.task_id, result)
        elif isinstance(entry.result, Reply):
            self._judge_reply(sent, entry.result, effect)
        elif entry.result.code is not Code.STORE_UNAVAILABLE:
            if entry.result.code is Code.INTERNAL:
                self.say(f"{_name(sent)} met a defect: {entry.result.message} ({entry.result.__cause__!r})")
            self._refused[key] = entry.number
            if effect is not None:
                self.say(f"{_name(sent)} was refused ({entry.result.code}), but left event {effect.root}")

    def _judge_renewal(self, sent: Sent, task_id: str, reply: Reply) -> None:
        """A renewal leaves no event, but a deadline: its own, or that of a later one in the same transaction."""
        stored = self._deadlines.get((sent.project, task_id), {})
        if reply.expires_at not in stored and max(stored.values(), default=0) < self._since[sent.number]:
            self.say(f"{_name(sent)} was told a deadline of {reply.expires_at}, and none was stored")

    def _judge_reply(self, sent: Sent, reply: Reply, effect: _Effect | None) -> None:
        tags = _WRITES.get(type(sent.command), frozenset())
        tags = _GRANTS if not tags and reply.grants else tags
        if tags and not (effect is not None and effect.has(tags)):
            if not self._repeats(sent, tags):
                self.say(
                    f"{_name(sent)} was acknowledged, but there is no {' or '.join(sorted(tags))} of it in the log"
                )
            return
        if effect is None or reply.task is None:
            return
        versions = [event.task_version for event in effect.events if event.task_id == reply.task.id]
        if versions and versions[-1] != reply.task.version:
            self.say(
                f"{_name(sent)} was told version {reply.task.version} of {reply.task.id}, the log has {versions[-1]}"
            )
        granted = {lease for event in effect.events if (lease := _lease_in(event)) is not None}
        for grant in reply.grants:
            if not any(grant.lease.id in text for text in granted):
                self.say(f"{_name(sent)} was granted {grant.lease.id}, which the log does not have")

    def _repeats(self, sent: Sent, tags: frozenset[str]) -> bool:
        """Whether an earlier command with the same key did it."""
        key = sent.command.idempotency_key
        return key is not None and not tags.isdisjoint(self._keyed.get((sent.project, sent.command.actor, key), ()))

    def stored(self, entry: Stored) -> None:
        """See that nothing that was committed is gone or another's."""
        self.judged += 1
        log = self._logs.get(entry.project, [])
        if len(entry.events) != len(log):
            self.say(f"the stored log of {entry.project} has {len(entry.events)} events; {len(log)} were committed")
        for event, committed in zip(entry.events, log, strict=False):
            if event.hash != committed.hash:
                self.say(f"event {committed.id} was committed, and is another one in the stored log")
                return


def _lease_in(event: Event) -> str | None:
    return event.data if event.type in _GRANTS else None


def _name(sent: Sent) -> str:
    return f"{sent.command.operation} {sent.number} of {sent.command.actor} in {sent.project}"


_DAY = 24 * 3600 * SECOND
"""For how long keys are remembered at least."""
_PASSING = frozenset({Code.STORE_UNAVAILABLE, Code.OVERLOADED, Code.NOT_INITIALIZED})
"""Errors that say nothing of what a command was or did."""
KeyOf = tuple[str, str, str, str]
"""Project, actor, operation, key."""


@define(eq=False)
class _Kept:
    """A receipt: what was asked, what is answered, and since which entry."""

    receipt: Receipt
    body: tuple[Any, ...] | None
    index: int
    replies: list[Reply]


class OneEffectPerKey(Checker):
    """Idempotency."""

    name = "one_effect_per_key"
    promise = (
        "A command that is repeated under its idempotency key has one effect and gets the same reply each time; "
        "the same key for another request is refused as IDEMPOTENCY_MISMATCH, and no key is forgotten within a day."
    )

    def __init__(self, terms: Terms | None = None) -> None:
        super().__init__(terms)
        self._asked: dict[int, tuple[KeyOf, Sent, int]] = {}
        self._bodies: dict[tuple[KeyOf, str], tuple[Any, ...]] = {}
        """By key and correlation id: what was asked."""
        self._kept: dict[KeyOf, _Kept] = {}
        self._ever: set[KeyOf] = set()
        self._keys: dict[tuple[str, str], KeyOf | None] = {}
        """By project and correlation id: the key that a command was sent under."""
        self._effects: dict[KeyOf, tuple[str, int]] = {}
        """By key: the correlation id of the command that left events, and when."""

    def sent(self, entry: Sent) -> None:
        """Remember what was asked under a key."""
        command = entry.command
        if command.idempotency_key is not None:
            key = (entry.project, command.actor, command.operation, command.idempotency_key)
            self._asked[entry.number] = (key, entry, self.index)
            self._bodies.setdefault((key, command.correlation_id or ""), body(command))
            if command.correlation_id is not None:
                # An id that was sent with several keys tells nothing of any.
                known = self._keys.setdefault((entry.project, command.correlation_id), key)
                self._keys[entry.project, command.correlation_id] = key if known == key else None

    def committed(self, entry: Committed) -> None:
        """Keep the receipts, one for each key, and see who had an effect."""
        before = entry.changes.forget_receipts_before
        for event in entry.changes.events:
            self._judge_effect(event)
        for receipt in entry.changes.receipts:
            key = (entry.project, receipt.actor, receipt.operation, receipt.key)
            self.judged += 1
            if key in self._kept:
                self.say(f"{receipt.operation} of {receipt.actor} under key {receipt.key} had a second effect")
            self._keep(key, receipt, entry)
        for receipt in entry.changes.reissued:
            kept = self._kept.get((entry.project, receipt.actor, receipt.operation, receipt.key))
            if kept is not None:
                kept.replies.append(read_reply(receipt.reply))
        if before is not None:
            if before > entry.now - _DAY:
                self.say(f"the commit at {entry.now} forgets keys of {entry.project} that were used up to {before}")
            self._kept = {
                key: kept for key, kept in self._kept.items() if key[0] != entry.project or kept.receipt.at >= before
            }

    def _judge_effect(self, event: Event) -> None:
        key = self._keys.get((event.project, event.correlation_id or ""))
        # A claim that finds nothing may have made its agent known; its key stays free.
        if key is None or event.type == "agent_registered":
            return
        by, at = self._effects.get(key, (event.correlation_id, event.at))
        if by != event.correlation_id and event.at - at < _DAY:
            self.say(f"event {event.id} is a second effect of {key[1]}'s {key[2]} under key {key[3]}")
        self._effects[key] = (event.correlation_id or "", event.at)

    def _keep(self, key: KeyOf, receipt: Receipt, entry: Committed) -> None:
        by = {event.correlation_id or "" for event in entry.changes.events if event.idempotency_key == receipt.key}
        asked = [self._bodies[key, one] for one in by if (key, one) in self._bodies]
        asking = asked[0] if len(asked) == 1 else None
        self._kept[key] = _Kept(receipt, asking, self.index, [read_reply(receipt.reply)])
        self._ever.add(key)

    def answered(self, entry: Answered) -> None:
        """Compare an answer with the receipt of its key."""
        asked = self._asked.pop(entry.number, None)
        if asked is None:
            return
        key, sent, index = asked
        kept = self._kept.get(key)
        same = kept is not None and kept.body is not None and kept.body == body(sent.command)
        mismatch = isinstance(entry.result, ArbeitError) and entry.result.code is Code.IDEMPOTENCY_MISMATCH
        if mismatch and (same or key not in self._ever):
            self.say(f"{_name(sent)} was told that its key was used for another request, which it was not")
        elif kept is not None and kept.body is not None and index > kept.index:
            self.judged += 1
            self._judge(sent, entry.result, kept, same=same)
        elif kept is not None and same and isinstance(entry.result, Reply) and self._worth(sent, entry.result):
            self.judged += 1
            if entry.result not in kept.replies:
                self.say(f"{_name(sent)} got a reply that is not the one that is stored for those who repeat it")

    @staticmethod
    def _worth(sent: Sent, reply: Reply) -> bool:
        """Whether a reply is one to keep: "nothing ready" is not."""
        return bool(reply.grants) or not isinstance(sent.command, c.ClaimTasks)

    def _judge(self, sent: Sent, result: Reply | ArbeitError, kept: _Kept, *, same: bool) -> None:
        if isinstance(result, ArbeitError):
            if same and result.code not in _PASSING:
                self.say(f"{_name(sent)} repeats a request that had succeeded, and was refused with {result.code}")
            elif not same and result.code not in {*_PASSING, Code.IDEMPOTENCY_MISMATCH}:
                self.say(f"{_name(sent)} uses a key for another request, and was refused with {result.code}")
        elif not same:
            self.say(f"{_name(sent)} uses a key for another request, and was not refused")
        elif result not in kept.replies:
            self.say(f"{_name(sent)} repeats a request, and got another reply than at first")


def body(command: c.Command) -> tuple[Any, ...]:
    """What a command asks for, without who asks and how."""
    cls: type[Any] = type(command)
    names = (one.name for one in attrs.fields(cls) if one.name not in c.HEADER_FIELDS)
    values = ((name, getattr(command, name)) for name in names)
    return (command.operation, *((name, body(one) if isinstance(one, c.Command) else one) for name, one in values))
