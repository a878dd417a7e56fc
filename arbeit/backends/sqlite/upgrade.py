"""What a new column holds for rows that are older than it: what the log says, folded anew."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Mapping

from arbeit.backends.sqlite.reading import Reader
from arbeit.columns import CODECS, row_of
from arbeit.core.errors import ArbeitError
from arbeit.core.model import Event
from arbeit.core.record import builder, change
from arbeit.core.view import View
from arbeit.folding import fold

DERIVED: Mapping[str, tuple[str, ...]] = {
    "task": ("review", "submitted_by", "max_runtime", "artifacts", "unread", "escalated_at", "deleted_at", "trace"),
    "lease": ("ends_by", "accepted"),
    "run": ("waited",),
    "agent": ("handed",),
}
"""The fields that version 2 of the schema added."""


def fill_in(connection: sqlite3.Connection, sql: Mapping[str, str]) -> None:
    """Set the fields that version 2 added, in every project; a log that cannot be folded is left to `verify`."""
    reader = Reader(connection, sql)
    for project in reader.entities("project", "projects"):
        try:
            view = fold(project.key, _events(reader, project.key))
        except (ArbeitError, AttributeError, KeyError, TypeError, ValueError):
            # Somebody has edited the log: `verify` names the place, and opening the file must not fail for it.
            continue
        _store(connection, sql, reader, view)


def _events(reader: Reader, project: str) -> Iterator[Event]:
    after, chunk = 0, reader.raw("history", project, 0, 1_000)
    while chunk:
        for row in chunk:
            event = builder(Event)(*row)
            after = event.position
            yield event
        chunk = reader.raw("history", project, after, 1_000)


def _store(connection: sqlite3.Connection, sql: Mapping[str, str], reader: Reader, view: View) -> None:
    folded: Mapping[str, Mapping[str, object]] = {
        "task": view.tasks,
        "lease": view.leases,
        "run": view.runs,
        "agent": view.agents,
    }
    for kind, names in DERIVED.items():
        for entity in reader.entities(kind, f"all_{CODECS[kind].table}", view.key):
            known = folded[kind].get(entity.id)
            wanted = {name: getattr(known, name) for name in names} if known is not None else {}
            changed = change(entity, **wanted)
            if changed != entity:
                connection.execute(sql[f"update_{kind}"], row_of(view.key, kind, changed, 0))
