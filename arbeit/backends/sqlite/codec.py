"""Rows to entities and back, by position: no converter runs that a column does not need."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from operator import attrgetter
from typing import Any

from attrs import frozen

from arbeit.core import model
from arbeit.core.model import EMPTY, freeze
from arbeit.core.record import builder, names_of

_dump = json.JSONEncoder(ensure_ascii=False, separators=(",", ":"), check_circular=False).encode

# Columns that are not plain text or integers.
_LISTS = frozenset({"labels", "blocked_by", "acceptance", "evidence", "capabilities"})
_OBJECTS = frozenset({"metadata", "inputs", "outputs", "settings", "usage"})
_FLAGS = frozenset({"paused", "completed", "preempt_requested"})
_SETS = frozenset({"requires"})


def _write_json(value: Any) -> str | None:  # noqa: ANN401 - a list or an object
    return _dump(value) if value else None


def _read_list(text: str | None) -> tuple[Any, ...]:
    return tuple(json.loads(text)) if text else ()


def _read_object(text: str | None) -> Mapping[str, Any]:
    return freeze(json.loads(text)) if text else EMPTY


def _read_set(text: str) -> tuple[str, ...]:
    return tuple(text.split(",")) if text else ()


@frozen
class Codec:
    """How one kind of entity stands in its table."""

    table: str
    columns: tuple[str, ...]
    write: Callable[[Any], Sequence[Any]]
    read: Callable[[Sequence[Any]], Any]


def _codec(cls: type, table: str) -> Codec:
    names = names_of(cls)
    getter: Callable[[Any], tuple[Any, ...]] = attrgetter(*names)
    build: Callable[..., Any] = builder(cls)
    writers = [
        (at, _write_json if name in _LISTS | _OBJECTS else ",".join)
        for at, name in enumerate(names)
        if name in _LISTS | _OBJECTS or (name in _SETS and cls is model.Task)
    ]
    readers: list[tuple[int, Callable[[Any], Any]]] = []
    for at, name in enumerate(names):
        if name in _LISTS:
            readers.append((at, _read_list))
        elif name in _OBJECTS:
            readers.append((at, _read_object))
        elif name in _FLAGS:
            readers.append((at, bool))
        elif name in _SETS and cls is model.Task:
            readers.append((at, _read_set))

    def write(entity: Any) -> Sequence[Any]:  # noqa: ANN401 - an instance of cls
        if not writers:
            return getter(entity)
        row = list(getter(entity))
        for at, convert in writers:
            row[at] = convert(row[at])
        return row

    def read(row: Sequence[Any]) -> Any:  # noqa: ANN401 - an instance of cls
        if not readers:
            return build(*row)
        values = list(row)
        for at, convert in readers:
            values[at] = convert(values[at])
        return build(*values)

    return Codec(table, names, write, read)


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
    "event": _codec(model.Event, "events"),
    "receipt": _codec(model.Receipt, "receipts"),
}
KEYS: Mapping[str, tuple[str, ...]] = {
    "queue": ("name",),
    "group": ("queue", "requires"),
    "project": ("key",),
}


def insert_of(kind: str) -> str:
    """The statement that adds an entity: project, its fields, and for queues and groups where they were touched."""
    codec = CODECS[kind]
    extra = ("touched",) if kind in {"queue", "group"} else ()
    columns = (() if kind == "project" else ("project",)) + codec.columns + extra
    return f"INSERT INTO {codec.table} ({', '.join(columns)}) VALUES ({', '.join('?' * len(columns))})"  # noqa: S608 - names of ours


def update_of(kind: str) -> str:
    """The statement that stores an entity's new state, parameters in the same order as `insert_of`."""
    codec = CODECS[kind]
    keys = KEYS.get(kind, ("id",))
    extra = ("touched",) if kind in {"queue", "group"} else ()
    first = 1 if kind == "project" else 2
    numbered = {name: number for number, name in enumerate((*codec.columns, *extra), start=first)}
    sets = ", ".join(f"{name} = ?{at}" for name, at in numbered.items() if name not in keys)
    where = [f"{name} = ?{numbered[name]}" for name in keys]
    if kind != "project":
        where.insert(0, "project = ?1")
    return f"UPDATE {codec.table} SET {sets} WHERE {' AND '.join(where)}"  # noqa: S608 - names of ours
