"""Vectors in the file: exact search by looking at every one that passes the filters."""

from __future__ import annotations

import json
import sqlite3
from abc import abstractmethod
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from typing import cast

from arbeit.backends.sqlite.lock import FileLock
from arbeit.backends.sqlite.opening import mapped
from arbeit.backends.sqlite.reading import Reader
from arbeit.core.model import Changes
from arbeit.core.policy import Scope
from arbeit.ports import Embedded
from arbeit.queries import HitKind, Index, Near, Nearest

Key = tuple[str, str]
_PART = 500
"""Keys that one statement takes."""
_CHECKPOINT_VECTORS = 2_000
"""Vectors written between two checkpoints: some megabytes."""


class Vectoring:
    """The port `Vectors` of a SQLite store."""

    _path: str
    _lock: FileLock
    _sql: Mapping[str, str]
    _writer: sqlite3.Connection

    def __init__(self) -> None:
        super().__init__()
        self._unmerged = 0
        """Vectors written since the log was last merged into the file."""

    @abstractmethod
    def _refuse_closed(self) -> None: ...

    @abstractmethod
    def _writing(self) -> AbstractContextManager[sqlite3.Connection]: ...

    @abstractmethod
    def _reading(self) -> AbstractContextManager[Reader]: ...

    def indexes(self, project: str) -> list[Index]:
        """How far each model has come."""
        with self._reading() as reader:
            return [Index(*row) for row in reader.raw("vector_indexes", project)]

    def digests(self, project: str, model: str, keys: Sequence[Key]) -> dict[Key, str]:
        """The digests of those that have a vector."""
        found: dict[Key, str] = {}
        with self._reading() as reader:
            for start in range(0, len(keys), _PART):
                part = json.dumps(keys[start : start + _PART])
                rows = reader.raw("vector_digests", project, model, part)
                found |= {(kind, name): digest for kind, name, digest in rows}
        return found

    def put_vectors(self, project: str, index: Index, vectors: Sequence[Embedded], gone: Sequence[Key]) -> bool:
        """Store and forget in a transaction of its own, unless somebody else has written meanwhile."""
        sql, model = self._sql, index.model
        with self._writing() as connection:
            found = connection.execute(sql["vector_revision"], (project, model)).fetchone()
            if (found[0] if found else 0) != index.revision:
                return False
            forget(connection, sql, project, [model], gone)
            rows = [(project, model, one.kind, one.id, one.task_id, one.digest, one.vector) for one in vectors]
            connection.executemany(sql["save_vector"], rows)
            moved = (project, model, index.dimensions, index.position, index.revision + 1)
            connection.execute(sql["save_vector_index"], moved)
        self._merge(len(rows))
        return True

    def _merge(self, written: int) -> None:
        """Checkpoint now and then, as a large index may be built where no command comes along to do it."""
        self._unmerged += written
        if self._unmerged >= _CHECKPOINT_VECTORS:
            with mapped(self._path), self._lock:
                self._refuse_closed()
                self._unmerged = 0
                self._writer.execute("PRAGMA wal_checkpoint(PASSIVE)")

    def nearest(self, query: Nearest) -> list[Near]:
        """The most similar, by looking at all that pass the filters."""
        from arbeit.vectors import closest  # noqa: PLC0415 - most processes never search

        with self._reading() as reader:
            found = closest(query.vector, _rows(reader, query), query.within.limit, query.floor, lambda row: row[:2])
        return [Near(*row, similarity) for similarity, row in found]

    def drop_index(self, project: str, model: str) -> bool:
        """Forget a model."""
        with self._writing() as connection:
            connection.execute(self._sql["drop_vectors"], (project, model))
            return bool(connection.execute(self._sql["drop_vector_index"], (project, model)).rowcount)


def forget(
    connection: sqlite3.Connection, sql: Mapping[str, str], project: str, models: Collection[str], gone: Sequence[Key]
) -> None:
    """Delete vectors by key, and with `meaning.ALL` all that belong to a task."""
    from arbeit.meaning import ALL  # noqa: PLC0415 - as above

    for model in models:
        for kind, name in gone:
            if kind == ALL:
                connection.execute(sql["forget_vectors_of"], (project, model, name))
            else:
                connection.execute(sql["forget_vector"], (project, model, kind, name))


def forget_erased(connection: sqlite3.Connection, sql: Mapping[str, str], project: str, changes: Changes) -> None:
    """Delete the vectors of what these changes erase, of every model."""
    from arbeit.meaning import forgotten  # noqa: PLC0415 - as above

    gone = forgotten(changes)
    if gone:
        models = [row[0] for row in connection.execute(sql["vector_models"], (project,))]
        forget(connection, sql, project, models, gone)


# -- what passes the filters -----------------------------------------------------------------------------------------

_SOURCES: Mapping[str, str] = {
    "task": "",
    "entry": "CROSS JOIN entries AS e ON e.project = v.project AND e.id = v.id",
    "run": "CROSS JOIN runs AS r ON r.project = v.project AND r.id = v.id",
}


def _rows(reader: Reader, query: Nearest) -> Iterator[tuple[tuple[HitKind, str, str], bytes]]:
    for kind in cast("tuple[HitKind, ...]", query.within.kinds):
        where, values = _where(query, kind)
        sql = f"""SELECT v.id, v.task_id, v.vector FROM vectors AS v {_SOURCES[kind]}
            CROSS JOIN tasks AS t ON t.project = v.project AND t.id = v.task_id
            WHERE v.project = :project AND v.model = :model AND v.kind = :kind AND {where}"""  # noqa: S608 - fragments of ours
        for name, task_id, vector in reader.select(sql, values):
            yield (kind, name, task_id), vector


def _where(query: Nearest, kind: str) -> tuple[str, dict[str, object]]:
    """The conditions that full text has, too, but for the words; every value is a bound parameter."""
    within = query.within
    values: dict[str, object] = {"project": within.project, "model": query.model, "kind": kind}
    found = ["t.deleted_at IS NULL"]
    for name, value, condition in (
        ("scope", _names(within.scope), "t.queue IN (SELECT value FROM json_each(:scope))"),
        ("statuses", within.status, "t.status IN (SELECT value FROM json_each(:statuses))"),
        ("types", within.types if kind == "entry" else None, "e.type IN (SELECT value FROM json_each(:types))"),
    ):
        if value is not None:
            values[name] = json.dumps(list(value))
            found.append(condition)
    if within.task_id is not None:
        values["task_id"] = within.task_id
        found.append("v.task_id = :task_id")
    if query.apart_from is not None:
        values["apart_from"] = query.apart_from
        found.append("v.task_id <> :apart_from")
    if kind == "entry" and not within.superseded:
        found.append("e.superseded_by IS NULL")
    return " AND ".join(found), values


def _names(scope: Scope) -> Collection[str] | None:
    return None if scope.queues is None else sorted(scope.queues)
