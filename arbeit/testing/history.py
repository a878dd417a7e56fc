"""What happened in a run, as an outside observer saw it: the evidence that invariants are checked against.

A history is a list of entries in the order in which they happened. `at` is the observer's own time in microseconds
since 1970, which no clock of the run can change; times inside commands, events and rows are the store's.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Literal

from attrs import define, field, frozen

from arbeit.core import commands as c
from arbeit.core.errors import ArbeitError
from arbeit.core.model import Changes, Event, Reply
from arbeit.heartbeats import heard


@frozen(eq=False)
class Sent:
    """A caller sent a command. Without a later `Answered` of the same number its outcome stayed unknown to it."""

    at: int
    number: int
    process: str
    """Which process, and which of its lives: "p2" at first, "p2.1" after its first death."""
    caller: str
    project: str
    command: c.Command

    def parts(self) -> list[c.Command]:
        """What was asked for: each of the renewals that one command carries, or the command itself."""
        return list(self.command.items) if isinstance(self.command, c.RenewLeases) else [self.command]


@frozen(eq=False)
class Answered:
    """A caller heard the outcome of the command with this number: a reply, or the error that was raised."""

    at: int
    number: int
    result: Reply | ArbeitError

    def parts(self, sent: Sent) -> list[tuple[c.Command, Reply | ArbeitError]]:
        """What each part of a command was answered."""
        if isinstance(sent.command, c.RenewLeases):
            return list(zip(sent.command.items, heard(sent.command, self.result), strict=True))
        return [(sent.command, self.result)]


@frozen(eq=False)
class Committed:
    """The store made a transaction of one project durable, seen below every fault. Callers may not know of it yet."""

    at: int
    project: str
    process: str
    changes: Changes
    now: int
    """The store's clock under the lock: no lower than its last event's time."""


@frozen(eq=False)
class Followed:
    """A follower of a project's log was given its next event. It began beyond position `after`."""

    at: int
    follower: str
    """Unique for each time that somebody began to follow."""
    project: str
    after: int
    event: Event


@frozen(eq=False)
class Looked:
    """A reader was shown something of a project: whatever it was, as plain data with ids and project keys in it."""

    at: int
    process: str
    caller: str
    project: str
    what: str
    shown: Any


@frozen(eq=False)
class Stored:
    """A project as it lies in the store: every row by kind and key (as `Inspection.rows`), and its whole log."""

    at: int
    project: str
    rows: Mapping[str, Mapping[Any, Any]]
    events: tuple[Event, ...]


Kind = Literal["fault", "process", "clock", "phase", "note"]


@frozen(eq=False)
class Happened:
    """The world did something: a fault struck, a process died or came back, a clock jumped, a phase began.

    Phases are `what` of kind "phase": "faults", then "calm" (no faults any more, the clocks agree again, every
    process runs), then "end".
    """

    at: int
    kind: Kind
    what: str
    process: str = ""
    detail: str = ""


Entry = Sent | Answered | Committed | Followed | Looked | Stored | Happened


@define(eq=False)
class History:
    """The entries of one run. Whoever subscribes sees each as it is added."""

    entries: list[Entry] = field(factory=list)
    subscribers: list[Callable[[Entry], None]] = field(factory=list)

    def add(self, entry: Entry) -> None:
        """Append an entry, and tell the subscribers of it."""
        self.entries.append(entry)
        for subscriber in self.subscribers:
            subscriber(entry)
