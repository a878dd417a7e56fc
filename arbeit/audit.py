"""Proof from the log: fold it anew, check every hash, and compare with what is stored."""

from __future__ import annotations

from collections.abc import Generator, Iterable, Iterator, Mapping
from operator import attrgetter
from typing import Any

from arbeit.core.declare import frozen
from arbeit.core.errors import ArbeitError, Code, project_not_found
from arbeit.core.events import RecordErased
from arbeit.core.model import ZERO_HASH, Event, Head, Lease, Project, Task
from arbeit.core.policy import EVERYTHING
from arbeit.core.record import change
from arbeit.core.view import View
from arbeit.folding import apply, fold
from arbeit.ports import LocalStore
from arbeit.wire import check_hashes, fact_of

__all__ = ["Verification", "apply", "cut", "fold", "log", "settled", "tables", "verify"]

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
        if chunk[-1].position <= after:
            # Whoever reads a log that was tampered with must still come to an end.
            return
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


@frozen
class Snapshot:
    """A project as it was right after one of its events: every row by kind and key, as the log gives it.

    Texts that were erased since are erased here too. `heartbeat_at` and `expires_at` of leases are those of their
    grants: renewals have no history.
    """

    project: Project | None
    head: Head
    rows: Mapping[str, Mapping[Any, Any]]

    @property
    def position(self) -> int:
        """The position of the last event in it; 0 before the first."""
        return self.head.position

    @property
    def tasks(self) -> tuple[Task, ...]:
        """The tasks that were there, in the order of creation."""
        return tuple(task for task in self.rows["task"].values() if task.deleted_at is None)

    def task(self, task_id: str) -> Task | None:
        """A task as it was, if it was there."""
        found: Task | None = self.rows["task"].get(task_id)
        return found if found is not None and found.deleted_at is None else None


def replay(store: LocalStore, project: str, *, position: int | None = None, at: int | None = None) -> Snapshot:
    """Fold the log up to a position, or up to a moment (microseconds since 1970; what happened then is in it).

    Raises:
        ArbeitError: INVALID_INPUT for a position beyond the log, or for both or neither of the two.
    """
    wanted = _wanted(_head(store, project), position, at)
    view = View(project, whole=True)
    for event in log(store, project, wanted):
        if at is not None and event.at > at:
            break
        apply(view, event)
    return Snapshot(view.project, view.head, {kind: dict(table) for kind, table in tables(view).items()})


def _head(store: LocalStore, project: str) -> Head:
    found = store.standing(project)
    if found is None:
        raise project_not_found(project)
    return found[1]


def _wanted(head: Head, position: int | None, at: int | None) -> int:
    if (position is None) == (at is None):
        raise ArbeitError(
            Code.INVALID_INPUT,
            "replay takes a position or a moment",
            suggestions=(f"For the last event: position={head.position}.",),
            data={"field": "position"},
        )
    if position is None:
        return head.position
    if not isinstance(position, int) or isinstance(position, bool) or not 0 <= position <= head.position:
        raise ArbeitError(
            Code.INVALID_INPUT,
            f"position must be 0 to {head.position}, where the log ends",
            suggestions=("Read the log with project.history() to find positions.",),
            data={"field": "position", "limit": head.position},
        )
    return position


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


# -- dumps -------------------------------------------------------------------------------------------------------

DUMPED = (
    *("head", "project", "queue", "agent", "secret", "task", "relationship", "entry", "item", "session", "file"),
    *("artifact", "run", "lease", "event"),
)
"""What a dump brings, in this order: what rows speak of comes before them. Groups are counts, made from tasks."""
BY_KEY: Mapping[str, str] = {"queue": "name", "agent": "id", "secret": "name", "lease": "id"}
"""Kinds in the order of a key; all others come in the order of arrival."""
_ROWS = 500
_TRIES = 5

Chunk = tuple[str, list[Any]]
"""A kind, and some entities of it."""


def cut(store: LocalStore, project: str) -> Generator[Chunk, None, None]:
    """A project as one consistent cut: the head, the project, rows by kind, and every event up to the head.

    A store that can read it all in one snapshot streams it (`ports.Dumping`). Any other gives its rows in one
    snapshot, and the log as it was then: events do not change, but for an erasure, after which rows are read anew.
    Nothing is brought where there is no such project.

    Raises:
        ArbeitError: STORE_UNAVAILABLE where erasures come faster than the project can be read.
    """
    dump = getattr(store, "dump", None)
    if dump is not None:
        yield from dump(project)
        return
    rows, events = _unerased(store, project)
    if not rows["project"]:
        return
    for kind in DUMPED:
        table = events if kind == "event" else list(rows[kind].values())
        if kind in BY_KEY:
            table.sort(key=attrgetter(BY_KEY[kind]))
        for at in range(0, len(table), _ROWS):
            yield kind, table[at : at + _ROWS]


def _unerased(store: LocalStore, project: str) -> tuple[Mapping[str, Mapping[Any, Any]], list[Any]]:
    """Rows and log as of the rows' head, read while nothing was erased."""
    for _ in range(_TRIES):
        rows = store.rows(project)
        position = rows["head"][project].position
        events = list(log(store, project, position))
        now = store.standing(project)
        later = store.history(project, position, now[1].position - position, EVERYTHING) if now is not None else ()
        if not any(event.type == RecordErased.tag for event in later):
            return rows, events
    raise ArbeitError(
        Code.STORE_UNAVAILABLE,
        f"records of project {project} are being erased, faster than it can be read",
        suggestions=("Try again when that has ended.",),
        retryable=True,
    )
