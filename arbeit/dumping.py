"""A whole project as it is at one moment, in chunks: what an export is made of."""

from __future__ import annotations

from collections.abc import Generator, Iterator
from typing import Any

from arbeit.core.errors import ArbeitError, Code
from arbeit.core.events import RecordErased
from arbeit.core.model import Head
from arbeit.core.policy import EVERYTHING
from arbeit.ports import LocalStore

CHUNK = 500
"""Rows and events that are brought at a time."""
DUMPED = (
    *("head", "project", "queue", "agent", "secret", "task", "relationship", "entry", "item", "session", "file"),
    *("artifact", "run", "lease", "event"),
)
"""What a dump brings, in this order: what rows speak of comes before them. Groups are counts, made from tasks."""
BY_KEY = {"queue": "name", "agent": "id", "secret": "name", "lease": "id"}
"""Kinds in the order of a key; all others come in the order of arrival."""
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
    for _ in range(_TRIES):
        rows = store.rows(project)
        head: Head = rows["head"][project]
        events = [event for chunk in _log(store, project, head.position) for event in chunk]
        later = (event for chunk in _log(store, project, None, head.position) for event in chunk)
        if not any(event.type == RecordErased.tag for event in later):
            break
    else:
        raise ArbeitError(
            Code.STORE_UNAVAILABLE,
            f"records of project {project} are being erased, faster than it can be read",
            suggestions=("Try again when that has ended.",),
            retryable=True,
        )
    if not rows["project"]:
        return
    for kind in DUMPED:
        table = events if kind == "event" else list(rows[kind].values())
        if kind in BY_KEY:
            table.sort(key=lambda one, key=BY_KEY[kind]: getattr(one, key))  # type: ignore[misc]  # a default binds it
        for at in range(0, len(table), CHUNK):
            yield kind, table[at : at + CHUNK]


def _log(store: LocalStore, project: str, upto: int | None, after: int = 0) -> Iterator[list[Any]]:
    """The events beyond a position, up to another."""
    while upto is None or after < upto:
        limit = CHUNK if upto is None else min(CHUNK, upto - after)
        chunk = store.history(project, after, limit, EVERYTHING)
        if not chunk:
            return
        yield chunk
        after = chunk[-1].position
