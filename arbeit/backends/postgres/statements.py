"""The named statements of the `.sql` files beside this module, and those that are made from entities' columns."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import cache
from importlib.resources import files
from typing import Any

from arbeit.backends.postgres.literals import MAKERS
from arbeit.columns import BESIDE, CODECS, KEYS, LIVENESS
from arbeit.core.declare import frozen

SEQUENCED = frozenset({"task", "relationship", "entry", "item", "session", "file", "artifact", "run"})
"""Kinds whose rows are numbered in the order of their arrival."""
_TYPES: Mapping[str, str] = {"text": "text", "integer": "bigint", "boolean": "boolean", "json": "json"}
_TELLING = frozenset({"project", "event"})
"""Kinds whose own fields say whose project they are of."""
_JSON_TEXTS = frozenset({"data", "reply"})
"""Columns of text that is full of quotes, each of which a literal would have to escape: they go as arrays."""
SEQ_BITS = 20
"""A row's number is that of the position before its batch, shifted by so many bits, plus its place in the batch."""


def table(kind: str) -> str:
    """The table that a kind of entity lies in."""
    return CODECS[kind].table


@cache
def _sections(file: str, word: str = "name") -> Mapping[str, str]:
    text = files(__package__).joinpath(file).read_text(encoding="utf-8")
    parts = f"\n{text}".split(f"\n-- {word}: ")[1:]
    return {name: sql.strip() for name, _, sql in (part.partition("\n") for part in parts)}


def migrations() -> list[str]:
    """The migrations, in order; number n brings the schema from version n - 1 to n."""
    found = _sections("migrations.sql", "migration")
    return [found[str(number)] for number in range(1, len(found) + 1)]


def in_schema(sql: str, schema: str) -> str:
    """A statement with its schema filled in."""
    return sql.replace("{schema}", schema)


def admin(name: str, schema: str = "") -> str:
    """A statement about the schema itself."""
    return in_schema(_sections("admin.sql")[name], schema)


def columns(kind: str, letter: str = "") -> str:
    """A kind's columns, in the order of its fields."""
    before = f"{letter}." if letter else ""
    return ", ".join(before + name for name in CODECS[kind].columns)


def load(file: str, schema: str) -> Mapping[str, str]:
    """The named statements of a file, with schema and columns filled in."""
    found = {}
    for name, text in _sections(file).items():
        sql = in_schema(text, schema)
        for kind in CODECS:
            sql = sql.replace("{" + kind + "}", columns(kind))
        found[name] = sql
    return found


def _parameters(types: Sequence[str], first: int) -> list[str]:
    return [f"${number}::{one}" for number, one in enumerate(types, start=first)]


def _columns(told: Written, first: int) -> str:
    casts = ("text[]" if make is None else f"text::{one}[]" for one, make in zip(told.types, told.makers, strict=True))
    return ", ".join(f"${number}::{cast}" for number, cast in enumerate(casts, start=first))


@frozen
class Written:
    """How rows of a kind are written: their columns and types, and which values of `columns.row_of` go there.

    `makers` make of a column's values the literal of an array; None where they go as an array of the driver's.
    """

    columns: tuple[str, ...]
    types: tuple[str, ...]
    places: tuple[int, ...]
    makers: tuple[Callable[[Sequence[Any]], str] | None, ...]


@cache
def written(kind: str, leave_out: frozenset[str] = frozenset()) -> Written:
    """The columns of a kind, but for those left out, and for the project unless that is a field of its own."""
    codec = CODECS[kind]
    beside = (BESIDE[kind],) if kind in BESIDE else ()
    types = [*codec.types, *("text" if kind == "task" else "integer" for _ in beside)]
    before = 0 if kind in _TELLING else 1
    kept = [
        (name, _TYPES[one], at)
        for at, (name, one) in enumerate(zip((*codec.columns, *beside), types, strict=True), start=before)
        if name not in leave_out
    ]
    names, casts, places = zip(*kept, strict=True)
    makers = tuple(None if name in _JSON_TEXTS else MAKERS[cast] for name, cast in zip(names, casts, strict=True))
    return Written(names, casts, places, makers)


@cache
def insert_of(kind: str, schema: str, first: int, *, one: bool) -> str:
    """What adds rows of a kind: a parameter per column from number `first` on, of all rows unless there is `one`.

    $1 is the project, $2 what the rows are numbered from.
    """
    told = written(kind)
    listed = ", ".join(told.columns)
    project, value = ("", "") if kind in _TELLING else ("project, ", "$1, ")
    start = f"INSERT INTO {schema}.{table(kind)} ({project}{listed}{', seq' if kind in SEQUENCED else ''})"
    if one:
        number = ", $2::bigint + 1" if kind in SEQUENCED else ""
        return f"{start} VALUES ({value}{', '.join(_parameters(told.types, first))}{number})"
    fields = ", ".join(f"u.{name}" for name in told.columns)
    number = ", $2::bigint + u.n" if kind in SEQUENCED else ""
    source = f"unnest({_columns(told, first)}) WITH ORDINALITY AS u ({listed}, n)"
    return f"{start} SELECT {value}{fields}{number} FROM {source}"  # noqa: S608 - as above


@cache
def update_of(kind: str, schema: str, first: int, *, one: bool, leave_out: frozenset[str] = frozenset()) -> str:
    """What stores rows' new state, parameters as `insert_of` has them; some columns may stay as they are.

    A lease's liveness stays as it is where it is given as NULL.
    """
    told, keys = written(kind, leave_out), KEYS.get(kind, ("id",))
    values = _parameters(told.types, first) if one else [f"u.{name}" for name in told.columns]
    pairs = list(zip(told.columns, values, strict=True))
    told_values = ((name, f"coalesce({value}, t.{name})" if name in LIVENESS else value) for name, value in pairs)
    sets = ", ".join(f"{name} = {value}" for name, value in told_values if name not in keys)
    same = [f"t.{name} = {value}" for name, value in pairs if name in keys]
    if kind != "project":
        same.insert(0, "t.project = $1")
    source = "" if one else f" FROM unnest({_columns(told, first)}) AS u ({', '.join(told.columns)})"
    return f"UPDATE {schema}.{table(kind)} AS t SET {sets}{source} WHERE {' AND '.join(same)}"  # noqa: S608 - names of ours
