"""Proof from the log: fold it anew, check every hash, and compare with what is stored."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from attrs import frozen

from arbeit.core.events import RecordErased
from arbeit.core.model import ZERO_HASH, Event, Head, Lease
from arbeit.core.policy import EVERYTHING
from arbeit.core.record import change
from arbeit.core.view import View
from arbeit.folding import apply, fold
from arbeit.ports import LocalStore
from arbeit.wire import check_hashes, fact_of

__all__ = ["Verification", "apply", "fold", "log", "settled", "tables", "verify"]

_CHUNK = 5_000


@frozen
class Verification:
    """What a check of a project's log found.

    `position` is the first wrong position, `row` the first stored row that the log does not give; both None
    where all is well.
    """

    ok: bool
    events: int
    rows: int
    head_hash: str
    position: int | None = None
    row: str | None = None
    problem: str | None = None


def log(store: LocalStore, project: str, upto: int) -> Iterator[Event]:
    """A project's events up to a position, in chunks."""
    after = 0
    while after < upto:
        chunk = store.history(project, after, min(_CHUNK, upto - after), EVERYTHING)
        if not chunk:
            return
        yield from chunk
        after = chunk[-1].position


def verify(store: LocalStore, project: str) -> Verification:
    """Check hash chain and positions, then that folding the events gives the stored rows, liveness excepted."""
    stored = store.rows(project)
    head: Head = stored.pop("head")[project]
    view = View(project, whole=True)
    position, prev_hash = 0, ZERO_HASH
    left: Mapping[int, str] | None = None
    for event in log(store, project, head.position):
        position += 1
        wrong = f"is numbered {event.position}" if event.position != position else check_hashes(event, prev_hash, left)
        if wrong is not None and left is None:
            # It may have been erased since, which a later event says: most logs have none, and need no second look.
            left = erasures(log(store, project, head.position))
            wrong = wrong if event.position != position else check_hashes(event, prev_hash, left)
        wrong = wrong or _apply(view, event)
        if wrong is not None:
            return Verification(
                ok=False,
                events=position,
                rows=0,
                head_hash=prev_hash,
                position=position,
                problem=f"event {position} {wrong}",
            )
        prev_hash = event.hash
    if (position, prev_hash) != (head.position, head.hash):
        mismatch = f"the head says position {head.position}, the log ends at {position}"
        return Verification(
            ok=False, events=position, rows=0, head_hash=prev_hash, position=position + 1, problem=mismatch
        )
    beyond = store.history(project, position, 1, EVERYTHING)
    # What was committed since the rows were read has moved the head too.
    if beyond and store.rows(project)["head"][project].position <= position:
        mismatch = f"there is an event {beyond[0].position} beyond the head"
        return Verification(
            ok=False, events=position, rows=0, head_hash=prev_hash, position=beyond[0].position, problem=mismatch
        )
    count = sum(len(table) for table in stored.values())
    row = _first_difference(view, stored) or _differing_head(view, head)
    problem = f"{row} is not what the log gives" if row is not None else None
    return Verification(ok=row is None, events=position, rows=count, head_hash=prev_hash, row=row, problem=problem)


def erasures(events: Iterable[Event]) -> dict[int, str]:
    """By position, the digest of what erasures left of an event's data."""
    left: dict[int, str] = {}
    for event in events:
        if event.type == RecordErased.tag:
            left.update(dict(fact_of(event).events))  # type: ignore[attr-defined]  # its tag says that it is one
    return left


def _apply(view: View, event: Event) -> str | None:
    """Apply an event, or say why it cannot be."""
    try:
        apply(view, event)
    except Exception as error:  # noqa: BLE001 - whatever a forged record does to a fold is a finding, not a crash
        return f"cannot be applied ({type(error).__name__}: {error})"
    return None


def _differing_head(view: View, head: Head) -> str | None:
    return None if view.head == head else "head"


def tables(view: View) -> Mapping[str, Mapping[Any, Any]]:
    """A whole view's entities by kind and key, in the shape of a store's `rows`."""
    items = {item.id: item for table in view.items.values() for item in table.values()}
    present: dict[str, Mapping[Any, Any]] = {
        "project": {view.key: view.project} if view.project is not None else {},
        "queue": view.schedule.queues,
        "group": view.schedule.groups,
        "agent": view.agents,
        "task": view.tasks,
        "lease": view.leases,
        "run": view.runs,
        "relationship": view.relationships,
        "entry": view.entries,
        "item": items,
        "session": view.sessions,
        "file": view.files,
        "artifact": view.artifacts,
        "secret": view.secrets,
    }
    return {
        kind: {key: entity for key, entity in table.items() if entity is not None} for kind, table in present.items()
    }


def _first_difference(view: View, stored: Mapping[str, Mapping[Any, Any]]) -> str | None:
    for kind, folded in tables(view).items():
        have = stored[kind]
        for key in sorted(folded.keys() | have.keys(), key=str):
            if settled(folded.get(key)) != settled(have.get(key)):
                name = "/".join(key) if isinstance(key, tuple) else key
                return f"{kind} {name}"
    return None


def settled(entity: Any) -> Any:  # noqa: ANN401 - one entity of any kind
    """An entity without its liveness, which has no history."""
    if isinstance(entity, Lease):
        return change(entity, expires_at=0, heartbeat_at=0)
    return entity
