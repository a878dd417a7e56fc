"""Invariants of the log: its order, its versions, its hashes, and what followers hear of it."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping
from typing import Any

from attrs import define

from arbeit.core.events import Fact, RecordErased
from arbeit.core.model import SECOND, Event
from arbeit.testing.history import Committed, Followed, Happened, Stored
from arbeit.testing.invariants.base import Bookkeeper, Checker, Terms, facts_in, readable, rows_of
from arbeit.testing.invariants.books import Book

NOTHING = "0" * 64
"""The hash before the first event."""
_HEADER = (
    *("project", "position", "type", "version", "at", "actor", "task_id", "task_version", "run_id"),
    *("correlation_id", "causation_id", "idempotency_key", "traceparent", "data_hash"),
)


# Made once: json.dumps would make one for each call.
_ENCODER = json.JSONEncoder(ensure_ascii=False, sort_keys=True, separators=(",", ":"), allow_nan=False)


def canonical(value: object) -> str:
    """The one text of a JSON value: keys sorted, no spaces, UTF-8 as it is."""
    return _ENCODER.encode(value)


def digest(text: str) -> str:
    """SHA-256 of a text in UTF-8, in hexadecimal."""
    return hashlib.sha256(text.encode()).hexdigest()


def chained(event: Event, prev_hash: str) -> str:
    """The hash that an event must have after this one."""
    return digest(canonical([prev_hash, *(getattr(event, name) for name in _HEADER)]))


class Positions(Checker):
    """Order of the log."""

    name = "positions"
    promise = (
        "Positions of a project's events have no gap and no repetition, commits append in their order, "
        "times never go back, every event can be read, and the head says where the log ends."
    )

    def __init__(self, terms: Terms | None = None) -> None:
        super().__init__(terms)
        self._ends: dict[str, tuple[int, int]] = {}

    def committed(self, entry: Committed) -> None:
        """Go on from where the log ended."""
        position, at = self._ends.get(entry.project, (0, 0))
        if len(facts_in(entry)) < len(entry.changes.events):
            read = {event.id for event, _ in facts_in(entry)}
            lost = ", ".join(f"{one.id} ({one.type})" for one in entry.changes.events if one.id not in read)
            self.say(f"events that cannot be read were committed: {lost}")
        for event in entry.changes.events:
            self.judged += 1
            self._judge(entry, event, position, at)
            position, at = event.position, event.at
        self._ends[entry.project] = (position, at)
        head = entry.changes.head
        if head.position != position:
            self.say(f"the head of {entry.project} says position {head.position}, but its log ends at {position}")
        if entry.now < at:
            self.say(f"event {position} of {entry.project} is of {at}, after the store's clock, {entry.now}")

    def _judge(self, entry: Committed, event: Event, position: int, at: int) -> None:
        if event.project != entry.project:
            self.say(f"event {event.id} was committed to project {entry.project}")
        if event.position != position + 1:
            self.say(f"event {event.id} ({event.type}) follows position {position} of {entry.project}")
        if event.at < at:
            self.say(f"event {event.id} is of {event.at}, before the event before it, of {at}")


class Versions(Checker):
    """Versions of tasks."""

    name = "versions"
    promise = "Every event of a task raises its version by exactly one from 1 on, and its row says the last of them."

    def __init__(self, terms: Terms | None = None) -> None:
        super().__init__(terms)
        self._versions: dict[tuple[str, str], int] = {}

    def committed(self, entry: Committed) -> None:
        """Count on from each task's last event."""
        known = self._versions
        for event in entry.changes.events:
            if event.task_id is None:
                continue
            self.judged += 1
            key = (entry.project, event.task_id)
            if event.task_version != known.get(key, 0) + 1:
                before = known.get(key, 0)
                self.say(f"event {event.id} gives {event.task_id} version {event.task_version} after {before}")
            known[key] = event.task_version or 0
        for row in rows_of(entry, "task"):
            last = known.get((entry.project, row.id), 0)
            if row.version != last:
                self.say(f"the row of {row.id} is at version {row.version}, its events at {last}")


class HashChain(Checker):
    """Hashes of the log."""

    name = "hash_chain"
    promise = (
        "Each event's hash covers the one before it, its header and its data, recomputed independently; "
        "data that an erasure took out matches the digest that the erasure left."
    )

    def __init__(self, terms: Terms | None = None) -> None:
        super().__init__(terms)
        self._hashes: dict[str, str] = {}
        self._linked: dict[str, list[Event]] = {}
        """By project: the events that were found to be linked, which need not be hashed again."""

    def committed(self, entry: Committed) -> None:
        """Go on from the last hash."""
        last = self._link(entry.changes.events, self._hashes.get(entry.project, NOTHING), {})
        self._hashes[entry.project] = last
        self._linked.setdefault(entry.project, []).extend(entry.changes.events)
        if entry.changes.head.hash != last:
            self.say(f"the head of {entry.project} says another hash than event {entry.changes.head.position}")

    def stored(self, entry: Stored) -> None:
        """Link the whole log anew, as it lies there."""
        said = (readable(event) for event in entry.events if event.type == RecordErased.tag)
        erased = {position: left for fact in said if isinstance(fact, RecordErased) for position, left in fact.events}
        linked = self._linked.get(entry.project, ())
        pairs = zip(entry.events, linked, strict=False)
        same = next(
            (at for at, (event, known) in enumerate(pairs) if event != known), min(len(entry.events), len(linked))
        )
        self.judged += same
        last = self._link(entry.events[same:], linked[same - 1].hash if same else NOTHING, erased)
        if last != self._hashes.get(entry.project, NOTHING):
            self.say(f"the stored log of {entry.project} ends with another hash than was committed")

    def _link(self, events: Iterable[Event], last: str, erased: Mapping[int, str]) -> str:
        for event in events:
            self.judged += 1
            found = digest(event.data)
            if found not in {event.data_hash, erased.get(event.position)}:
                self.say(f"the data of event {event.id} does not match its hash")
            elif event.prev_hash != last:
                self.say(f"event {event.id} does not continue from the event before it")
            elif chained(event, last) != event.hash:
                self.say(f"the header of event {event.id} does not match its hash")
            elif found == event.data_hash and canonical(json.loads(event.data)) != event.data:
                self.say(f"the data of event {event.id} is not canonical JSON")
            last = event.hash
        return last


@define
class _Follower:
    project: str
    position: int
    calm: bool = False
    process: str = ""
    since: int = 0


def following(follower: str, project: str, after: int) -> str:
    """The detail of the note by which a history says that somebody begins to follow a log."""
    return json.dumps({"follower": follower, "project": project, "after": after})


SOON = SECOND
"""Microseconds within which whoever follows hears of a commit, in the calm."""


class Followers(Checker):
    """What followers hear.

    A history may say who follows before anything is heard, by a note "follows" (see `following`). A follower that
    stopped need not hear the rest: it is told of by `Happened(kind="note", what="unfollowed", detail=follower)`, or by
    another of its name that begins in its place ("reader/2" after "reader/1").
    """

    name = "followers"
    promise = (
        "A follower of a log is given every event beyond where it began exactly once, in order, without gaps and as "
        "it was committed, and whoever still follows in the calm phase hears all of it by the end."
    )

    def __init__(self, terms: Terms | None = None) -> None:
        super().__init__(terms)
        self._logs: dict[str, list[Event]] = {}
        self._followers: dict[str, _Follower] = {}
        self._names: dict[tuple[str, str], str] = {}
        self._due: dict[str, int] = {}
        """By project: up to where followers must have heard, once the end was told."""
        self._erased: dict[tuple[str, int], str] = {}
        self._commits: dict[str, list[tuple[int, int]]] = {}
        """By project: when there was something to hear, and up to which position."""

    def committed(self, entry: Committed) -> None:
        """Remember what there is to hear."""
        log = self._logs.setdefault(entry.project, [])
        log.extend(entry.changes.events)
        self._commits.setdefault(entry.project, []).append((entry.at, len(log)))
        self._erased.update({(entry.project, position): data for position, data in entry.changes.erased})

    def followed(self, entry: Followed) -> None:
        """Compare with what comes next."""
        self.judged += 1
        event, project = entry.event, entry.project
        self._succeed(project, entry.follower)
        known = self._followers.setdefault(entry.follower, _Follower(project, entry.after))
        if event.position != known.position + 1:
            self.say(f"follower {entry.follower} heard event {event.id} after position {known.position}")
        known.position = max(known.position, event.position)
        known.calm = self.phase in {"calm", "end"}
        log = self._logs.get(project, [])
        if event.project != project or not 0 < event.position <= len(log):
            self.say(f"follower {entry.follower} of {project} heard event {event.id}, which is not in that log")
        elif not self._same(event, log[event.position - 1]):
            self.say(f"follower {entry.follower} heard event {event.id} otherwise than it was committed")

    def _succeed(self, project: str, follower: str) -> None:
        name = (project, follower.rpartition("/")[0])
        before = self._names.get(name, follower)
        if before != follower and name[1]:
            self._followers.pop(before, None)
        self._names[name] = follower

    def _same(self, heard: Event, committed: Event) -> bool:
        left = self._erased.get((committed.project, committed.position))
        return heard == committed or (left is not None and heard.hash == committed.hash and heard.data == left)

    def happened(self, entry: Happened) -> None:
        """Forget who follows no more; what is committed after the end began need not be heard."""
        if entry.kind == "phase" and entry.what == "end":
            self._due = {project: len(log) for project, log in self._logs.items()}
            self._judge_patience(entry.at)
        elif entry.kind == "note" and entry.what == "follows":
            self._begin(entry)
        elif entry.kind == "note" and entry.what == "unfollowed":
            self._followers.pop(entry.detail, None)
        elif entry.what == "is killed":
            self._followers = {name: one for name, one in self._followers.items() if one.process != entry.process}

    def _begin(self, entry: Happened) -> None:
        said = json.loads(entry.detail)
        self._succeed(said["project"], said["follower"])
        self._followers[said["follower"]] = _Follower(
            said["project"], said["after"], process=entry.process, since=entry.at
        )

    def _judge_patience(self, now: int) -> None:
        """See whether those who follow by a note have heard what was committed a while ago, even if it was nothing."""
        for name, follower in self._followers.items():
            at, position = self._heard_of(follower.project, now - SOON)
            if follower.process and follower.since < now - SOON and follower.position < position:
                self.judged += 1
                self.say(f"follower {name} of {follower.project} has not heard event {position}, committed at {at}")

    def _heard_of(self, project: str, before: int) -> tuple[int, int]:
        """The last commit before a moment: when it was, and up to which position."""
        earlier = [(at, position) for at, position in self._commits.get(project, ()) if at < before]
        return earlier[-1] if earlier else (0, 0)

    def ended(self) -> None:
        """Whoever still follows has heard everything."""
        for name, follower in self._followers.items():
            there = self._due.get(follower.project, len(self._logs.get(follower.project, [])))
            if follower.calm and follower.position < there:
                self.say(f"follower {name} of {follower.project} heard up to {follower.position} of {there} events")


_OWN_TIMES = ("acquired_at", "escalated_at", "deleted_at")
# Not heartbeat_at: it may be of an earlier renewal, by a clock that was ahead, and no event has told that on.
_TIMES = (*_OWN_TIMES, "started_at", "ended_at")


class Times(Bookkeeper):
    """Times in rows."""

    name = "times"
    promise = (
        "A time that a row records is that of an event or of an import's source, none but a source's lies after the "
        "commit that wrote it, a lease is granted for its whole length, and none is renewed beyond the moment by which "
        "its run must end."
    )

    def __init__(self, terms: Terms | None = None) -> None:
        super().__init__(terms)
        self._sources: set[tuple[str, str]] = set()
        """By project: the tasks and runs whose times are a source's."""

    def left(self, book: Book, entry: Committed) -> None:
        """Compare the rows of a transaction with its events and its clock."""
        touched = {event.task_id: event.at for event in entry.changes.events if event.task_id is not None}
        rows = [row for part in (entry.changes.new, entry.changes.changed) for of in part.values() for row in of]
        imported = self._imported(entry)
        self._sources |= {(entry.project, name) for name in imported if name is not None}
        for row in rows:
            taken = (entry.project, getattr(row, "id", "")) in self._sources
            self._judge(row, entry.now, _OWN_TIMES if taken else _TIMES)
        for row in rows_of(entry, "task"):
            if row.id in touched and row.updated_at != touched[row.id] and row.id not in imported:
                self.say(f"the row of {row.id} was updated at {row.updated_at}, its last event is of {touched[row.id]}")
        for beat in entry.changes.beats:
            self._judge_beat(book, beat.lease_id, beat.expires_at, beat.heartbeat_at, entry.now)

    @staticmethod
    def _imported(entry: Committed) -> set[str | None]:
        """The tasks and runs whose times, or those of a part of theirs, were taken over in a transaction."""
        taken = [event for event in entry.changes.events if event.type.endswith("_imported")]
        return {event.task_id for event in taken} | {event.run_id for event in taken}

    def _judge(self, row: Any, now: int, names: Iterable[str]) -> None:  # noqa: ANN401 - a row of any kind
        self.judged += 1
        for name in names:
            at = getattr(row, name, None)
            if at is not None and at > now:
                self.say(f"{name} of {row.id} is {at}, after the commit that wrote it, at {now}")

    def _judge_beat(self, book: Book, lease: str, until: int, at: int | None, now: int) -> None:
        self.judged += 1
        tenure = book.tenures.get(lease)
        if tenure is not None and tenure.ends_by is not None and until > tenure.ends_by:
            self.say(f"lease {lease} was renewed until {until}, though its run must end by {tenure.ends_by}")
        if at is not None and at > now:
            self.say(f"lease {lease} was renewed at {at}, after the commit that says so, at {now}")

    def fact(self, book: Book, event: Event, fact: Fact) -> None:
        """Compare a deadline with the end that its run was given."""
        until, last = getattr(fact, "expires_at", None), getattr(fact, "ends_by", None)
        if until is not None and until < event.at:
            self.say(f"event {event.id} grants a lease of {book.project} that ended at {until}, before it began")
        length = getattr(fact, "ttl", None)
        if until is not None and length is not None and until < event.at + length and until != last:
            self.say(f"event {event.id} grants a lease of {length} us at {event.at} until {until} only")
        if until is not None and last is not None and until > last:
            self.say(f"event {event.id} grants a lease until {until}, though its run must end by {last}")
