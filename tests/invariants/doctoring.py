"""Histories that are not as they were: what invariants must see."""

import json
from collections.abc import Callable, Iterable
from typing import Any

import attrs

from arbeit.core.model import Event
from arbeit.core.record import change
from arbeit.testing.history import Answered, Committed, Entry, Followed, Happened, History, Looked, Sent, Stored
from arbeit.testing.invariants import Checker, Terms, check
from tests.invariants.recording import TERMS


def complaints(history: History | Iterable[Entry], checker: type[Checker], terms: Terms = TERMS) -> str:
    """What one invariant says of a history; nothing where all is well."""
    whole = history if isinstance(history, History) else History(list(history))
    violations = check(whole, [checker], terms=terms)
    assert {violation.checker for violation in violations} <= {checker.name}
    return "\n".join(map(str, violations))


def find(history: History, wanted: Callable[[Any], bool]) -> int:
    """The index of the first entry that is wanted."""
    return next(at for at, entry in enumerate(history.entries) if wanted(entry))


def commit_with(history: History, tag: str, nth: int = 0) -> int:
    """The index of the nth commit with an event of a type."""
    found = [
        at
        for at, entry in enumerate(history.entries)
        if isinstance(entry, Committed) and any(event.type == tag for event in entry.changes.events)
    ]
    return found[nth]


def replaced(history: History, at: int, *entries: Entry) -> History:
    """The history with one entry replaced by others, or by none."""
    return History([*history.entries[:at], *entries, *history.entries[at + 1 :]])


def recommitted(entry: Any, **changes: object) -> Committed:  # noqa: ANN401 - an entry that was found to be a commit
    """A commit with other changes."""
    assert isinstance(entry, Committed)
    return attrs.evolve(entry, changes=change(entry.changes, **changes))


def with_event(entry: Any, tag: str, alter: Callable[[Event], Event | None]) -> Committed:  # noqa: ANN401 - as above
    """A commit whose first event of a type is another one, or is not there."""
    assert isinstance(entry, Committed)
    at = next(at for at, event in enumerate(entry.changes.events) if event.type == tag)
    altered = alter(entry.changes.events[at])
    events = (*entry.changes.events[:at], *([altered] if altered is not None else []), *entry.changes.events[at + 1 :])
    return recommitted(entry, events=events)


def saying(**data: object) -> Callable[[Event], Event]:
    """An event that says something else; its hash does not know."""
    return lambda event: change(event, data=json.dumps({**json.loads(event.data), **data}))


def retold(history: History, tag: str, nth: int = 0, /, **data: object) -> History:
    """The history with the nth event of a type saying something else."""
    at = commit_with(history, tag, nth)
    return replaced(history, at, with_event(history.entries[at], tag, saying(**data)))


def with_row(entry: Any, kind: str, **fields: object) -> Committed:  # noqa: ANN401 - as above
    """A commit whose first row of a kind is another one."""
    assert isinstance(entry, Committed)
    part = "changed" if entry.changes.changed.get(kind) else "new"
    tables = dict(getattr(entry.changes, part))
    first, *rest = tables[kind]
    return recommitted(entry, **{part: {**tables, kind: [change(first, **fields), *rest]}})


def moved(history: History, at: int, to: int) -> History:
    """The history with an entry at another place."""
    entries = list(history.entries)
    entries.insert(to, entries.pop(at))
    return History(entries)


def answer_to(history: History, wanted: Callable[[Sent], bool], nth: int = 0) -> tuple[int, Sent]:
    """The index of the answer to the nth command that is wanted, and that command."""
    sent = [entry for entry in history.entries if isinstance(entry, Sent) and wanted(entry)][nth]
    return find(history, lambda one: isinstance(one, Answered) and one.number == sent.number), sent


__all__ = [
    "Answered",
    "Committed",
    "Followed",
    "Happened",
    "History",
    "Looked",
    "Sent",
    "Stored",
    "answer_to",
    "commit_with",
    "complaints",
    "find",
    "moved",
    "recommitted",
    "replaced",
    "retold",
    "saying",
    "with_event",
    "with_row",
]
