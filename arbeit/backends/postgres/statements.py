"""The named statements of the `.sql` files beside this module, and those that are made from entities' columns."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cache
from importlib.resources import files

from arbeit.columns import BESIDE, CODECS, KEYS

SEQUENCED = frozenset({"task", "relationship", "entry", "item", "session", "file", "artifact", "run"})
"""Kinds whose rows are numbered in the order of their arrival."""
_TYPES: Mapping[str, str] = {"text": "text", "integer": "bigint", "boolean": "boolean", "json": "json"}
_TELLING = frozenset({"project", "event"})
"""Kinds whose own fields say whose project they are of."""
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


def written(kind: str) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """The columns and the Postgres types that `columns.row_of` gives values for, but for the project."""
    codec = CODECS[kind]
    types = tuple(_TYPES[one] for one in codec.types)
    if kind not in BESIDE:
        return codec.columns, types
    return (*codec.columns, BESIDE[kind]), (*types, "text" if kind == "task" else "bigint")


def _arrays(types: Sequence[str], first: int) -> str:
    return ", ".join(f"${number}::{one}[]" for number, one in enumerate(types, start=first))


def insert_of(kind: str, schema: str, first: int) -> tuple[str, int]:
    """What adds rows of a kind, a parameter per column from number `first`; and the number after the last.

    $1 is the project, $2 what the rows are numbered from.
    """
    names, types = written(kind)
    listed, fields = ", ".join(names), ", ".join(f"u.{name}" for name in names)
    project, value = ("", "") if kind in _TELLING else ("project, ", "$1, ")
    seq, number = (", seq", ", $2::bigint + u.n") if kind in SEQUENCED else ("", "")
    sql = (
        f"INSERT INTO {schema}.{table(kind)} ({project}{listed}{seq}) SELECT {value}{fields}{number} "  # noqa: S608 - names of ours
        f"FROM unnest({_arrays(types, first)}) WITH ORDINALITY AS u ({listed}, n)"
    )
    return sql, first + len(names)


def update_of(kind: str, schema: str, first: int) -> tuple[str, int]:
    """What stores rows' new state, parameters as `insert_of` has them."""
    names, types = written(kind)
    keys = KEYS.get(kind, ("id",))
    sets = ", ".join(f"{name} = u.{name}" for name in names if name not in keys)
    same = [f"t.{name} = u.{name}" for name in keys]
    if kind != "project":
        same.insert(0, "t.project = $1")
    sql = (
        f"UPDATE {schema}.{table(kind)} AS t SET {sets} FROM unnest({_arrays(types, first)}) AS u ({', '.join(names)}) "  # noqa: S608 - as above
        f"WHERE {' AND '.join(same)}"
    )
    return sql, first + len(names)
