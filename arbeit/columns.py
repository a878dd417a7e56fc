"""Entities as rows of a table and back, by position: no converter runs that a column does not need."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from operator import attrgetter
from typing import Any, Literal

from arbeit.core import model
from arbeit.core.compact import compact
from arbeit.core.declare import frozen
from arbeit.core.model import EMPTY, freeze
from arbeit.core.record import builder, change, names_of

# Columns that are not plain text or integers.
_LISTS = frozenset({"labels", "blocked_by", "acceptance", "evidence", "capabilities", "handed"})
_OBJECTS = frozenset({"metadata", "inputs", "outputs", "settings", "usage"})
_FLAGS = frozenset({"paused", "completed", "preempt_requested", "accepted"})
_MAYBE = frozenset({"review"})
_SETS = frozenset({"requires"})
"""Of a task; of a group, the column is its name."""


def _write_json(value: Any) -> str | None:  # noqa: ANN401 - a list or an object
    return compact(value) if value else None


def _read_list(text: str | None) -> tuple[Any, ...]:
    return tuple(json.loads(text)) if text else ()


def _read_object(text: str | None) -> Mapping[str, Any]:
    return freeze(json.loads(text)) if text else EMPTY


def _read_maybe(flag: int | None) -> bool | None:
    return None if flag is None else bool(flag)


def _read_set(text: str) -> tuple[str, ...]:
    return tuple(text.split(",")) if text else ()


_WRITERS: Mapping[str, Callable[[Any], Any]] = {
    **dict.fromkeys(_LISTS | _OBJECTS, _write_json),
    **dict.fromkeys(_SETS, ",".join),
}
_READERS: Mapping[str, Callable[[Any], Any]] = {
    **dict.fromkeys(_LISTS, _read_list),
    **dict.fromkeys(_OBJECTS, _read_object),
    **dict.fromkeys(_FLAGS, bool),
    **dict.fromkeys(_MAYBE, _read_maybe),
    **dict.fromkeys(_SETS, _read_set),
}


ColumnType = Literal["text", "integer", "boolean", "json"]


@frozen
class Codec:
    """How one kind of entity stands in its table."""

    table: str
    columns: tuple[str, ...]
    types: tuple[ColumnType, ...]
    write: Callable[[Any], Sequence[Any]]
    read: Callable[[Sequence[Any]], Any]


def _codec(cls: type, table: str) -> Codec:
    names = names_of(cls)
    getter: Callable[[Any], tuple[Any, ...]] = attrgetter(*names)
    plain = _SETS if cls is not model.Task else frozenset()
    writers = [(at, _WRITERS[name]) for at, name in enumerate(names) if name in _WRITERS.keys() - plain]
    readers = [(at, _READERS[name]) for at, name in enumerate(names) if name in _READERS.keys() - plain]

    def write(entity: Any) -> Sequence[Any]:  # noqa: ANN401 - an instance of cls
        if not writers:
            return getter(entity)
        row = list(getter(entity))
        for at, convert in writers:
            row[at] = convert(row[at])
        return row

    def read(row: Sequence[Any]) -> Any:  # noqa: ANN401 - an instance of cls
        if not readers:
            return builder(cls)(*row)
        values = list(row)
        for at, convert in readers:
            values[at] = convert(values[at])
        return builder(cls)(*values)

    return Codec(table, names, tuple(_type_of(cls, name) for name in names), write, read)


def _type_of(cls: type, name: str) -> ColumnType:
    if name in _LISTS or name in _OBJECTS:
        return "json"
    said = str(cls.__annotations__[name]).partition(" |")[0]
    return {"int": "integer", "bool": "boolean"}.get(said, "text")  # type: ignore[return-value]  # of these


CODECS: Mapping[str, Codec] = {
    "project": _codec(model.Project, "projects"),
    "queue": _codec(model.Queue, "queues"),
    "group": _codec(model.Group, "groups"),
    "agent": _codec(model.Agent, "agents"),
    "task": _codec(model.Task, "tasks"),
    "lease": _codec(model.Lease, "leases"),
    "run": _codec(model.Run, "runs"),
    "relationship": _codec(model.Relationship, "relationships"),
    "entry": _codec(model.ContextEntry, "entries"),
    "item": _codec(model.ProgressItem, "items"),
    "session": _codec(model.SessionLink, "sessions"),
    "file": _codec(model.FileLink, "files"),
    "artifact": _codec(model.Artifact, "artifacts"),
    "secret": _codec(model.SecretRef, "secrets"),
    "event": _codec(model.Event, "events"),
    "receipt": _codec(model.Receipt, "receipts"),
}
KEYS: Mapping[str, tuple[str, ...]] = {
    "queue": ("name",),
    "group": ("queue", "requires"),
    "project": ("key",),
    "secret": ("name",),
}
BESIDE: Mapping[str, str] = {"queue": "touched", "group": "touched", "task": "claim_group"}
"""Columns beside an entity's own: where it was last touched; and `Task.group`, by which claims find it."""


def row_of(project: str, kind: str, entity: Any, position: int) -> Sequence[Any]:  # noqa: ANN401 - one of any kind
    """An entity as a row: its project, its fields, and what stands beside them."""
    row = CODECS[kind].write(entity)
    if kind == "project":
        return row
    if kind == "task":
        return (project, *row, entity.group)
    return (project, *row, position) if kind in BESIDE else (project, *row)


LIVENESS = frozenset({"expires_at", "heartbeat_at"})
"""Columns of a lease that renewals alone move."""


def changed_row(project: str, kind: str, entity: Any, position: int) -> Sequence[Any]:  # noqa: ANN401 - one of any kind
    """An entity's new state as a row, with nothing where the table knows better: in the liveness of a lease."""
    if kind == "lease":
        entity = change(entity, **dict.fromkeys(LIVENESS))
    return row_of(project, kind, entity, position)


WORDS = frozenset({"title", "intent", "description"})
"""What of a task is searched, and changes seldom."""
