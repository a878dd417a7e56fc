"""A whole project out of one snapshot, a few rows at a time."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Mapping
from itertools import islice
from typing import Any

from arbeit.columns import CODECS
from arbeit.core.model import Head

CHUNK = 500
_ORDER: Mapping[str, str] = {
    "queue": "name",
    "agent": "id",
    "secret": "name",
    "task": "seq",
    "relationship": "seq",
    "entry": "seq",
    "item": "seq",
    "session": "seq",
    "file": "seq",
    "artifact": "seq",
    "run": "seq",
    "lease": "id",
    "event": "position",
}


def dump(connection: sqlite3.Connection, project: str, head: Head) -> Iterator[tuple[str, list[Any]]]:
    """The rows of a project by kind, and its events, inside the transaction that the connection has begun."""
    yield "head", [head]
    columns = ", ".join(CODECS["project"].columns)
    yield from _chunks(connection, "project", f"SELECT {columns} FROM projects WHERE key = ?", project)  # noqa: S608 - names of ours
    for kind, order in _ORDER.items():
        codec = CODECS[kind]
        sql = f"SELECT {', '.join(codec.columns)} FROM {codec.table} WHERE project = ? ORDER BY {order}"  # noqa: S608 - as above
        yield from _chunks(connection, kind, sql, project)


def _chunks(connection: sqlite3.Connection, kind: str, sql: str, project: str) -> Iterator[tuple[str, list[Any]]]:
    read = CODECS[kind].read
    rows = map(read, connection.execute(sql, (project,)))
    while chunk := list(islice(rows, CHUNK)):
        yield kind, chunk
