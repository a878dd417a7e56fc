"""The tables that lists are found in, as SQLAlchemy knows them; a test compares them with the migrated schema."""

from __future__ import annotations

from functools import cache

from sqlalchemy import BigInteger, Boolean, Column, MetaData, Table, Text
from sqlalchemy.dialects.postgresql import JSON, TSVECTOR
from sqlalchemy.types import TypeEngine

from arbeit.backends.postgres.statements import SEQUENCED
from arbeit.columns import BESIDE, CODECS, ColumnType


def _type(name: ColumnType) -> TypeEngine[object]:
    made: TypeEngine[object] = {"text": Text, "integer": BigInteger, "boolean": Boolean, "json": JSON}[name]()
    return made


@cache
def tables(schema: str) -> MetaData:
    """Every table that belongs to a project."""
    found = MetaData(schema=schema)
    for kind, codec in CODECS.items():
        columns: list[Column[object]] = []
        if kind not in {"project", "event"}:
            columns.append(Column("project", Text))
        columns += [Column(name, _type(one)) for name, one in zip(codec.columns, codec.types, strict=True)]
        if kind in SEQUENCED:
            columns.append(Column("seq", BigInteger))
        if kind in BESIDE:
            columns.append(Column(BESIDE[kind], Text() if kind == "task" else BigInteger()))
        Table(codec.table, found, *columns)
    Table(
        "texts",
        found,
        Column("project", Text),
        Column("kind", Text),
        Column("seq", BigInteger),
        Column("words", TSVECTOR),
    )
    return found
