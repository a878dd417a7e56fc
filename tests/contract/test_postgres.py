from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import NoneType, UnionType
from typing import Any, Union, get_args, get_origin, get_type_hints

import asyncpg
import attrs
import pytest

from arbeit.backends.postgres import PostgresStore
from arbeit.backends.postgres.settings import parse
from arbeit.backends.postgres.statements import SEQUENCED
from arbeit.backends.postgres.tables import tables
from arbeit.columns import BESIDE, CODECS, KEYS, row_of
from arbeit.compose import Wiring, wire_up
from arbeit.core import model
from arbeit.core.model import Event, Head
from arbeit.ports import Clock, LocalStore
from arbeit.testing.clock import VirtualClock
from arbeit.testing.contract import KEY, FaceContract, StoreContract
from arbeit.testing.contract.writing import DEMO
from tests.contract.tampering import Tampering
from tests.contract.test_sqlite import ENTITIES
from tests.servers.fixtures import with_options

Row = asyncpg.Record


def ask(url: str, *statements: tuple[str, Sequence[object]]) -> list[Row]:
    """Run statements as the owner of the schema, whom no row level security binds; the rows of the last."""
    settings = parse(url)

    async def asked() -> list[Row]:
        connection = await asyncpg.connect(settings.dsn, server_settings={"search_path": settings.schema})
        try:
            rows: list[Row] = []
            for sql, parameters in statements:
                rows = await connection.fetch(sql, *parameters)
            return rows
        finally:
            await connection.close()

    return asyncio.run(asked())


class _Postgres:
    @pytest.fixture(autouse=True)
    def schema_url(self, empty_postgres_url: str) -> None:
        self.url = empty_postgres_url

    def open(self, _tmp_path: Path, clock: Clock) -> Wiring:
        # Nobody hears these stores, and what would tell others of them is closed with a session alone.
        return wire_up(with_options(self.url, listen="off"), clock=clock, key=KEY)


class TestPostgres(_Postgres, StoreContract):
    pass


class TestPostgresThroughTheFaces(_Postgres, FaceContract):
    pass


class TestTamperedPostgres(_Postgres, Tampering):
    def change(self, sql: str, *parameters: object) -> None:
        ask(self.url, (sql, parameters))

    def edit_event(self, _store: LocalStore, position: int, field: str, value: object) -> None:
        self.change(f"UPDATE events SET {field} = $1 WHERE project = $2 AND position = $3", value, DEMO, position)  # noqa: S608 - names of ours

    def remove_event(self, _store: LocalStore, position: int) -> None:
        self.change("DELETE FROM events WHERE project = $1 AND position = $2", DEMO, position)

    def add_event(self, _store: LocalStore, event: Event) -> None:
        codec = CODECS["event"]
        places = ", ".join(f"${at}" for at in range(1, len(codec.columns) + 1))
        self.change(f"INSERT INTO events ({', '.join(codec.columns)}) VALUES ({places})", *codec.write(event))  # noqa: S608 - names of ours

    def insert(self, kind: str, row: Sequence[object]) -> None:
        """Add a row as `columns.row_of` has it: its project first."""
        codec, number = CODECS[kind], {"seq": 1} if kind in SEQUENCED else {}
        names = [*(("project",) if kind != "project" else ()), *codec.columns]
        names += [BESIDE[kind]] if kind in BESIDE else []
        given = {**dict(zip(names, row, strict=True)), **number}
        places = ", ".join(f"${at}" for at in range(1, len(given) + 1))
        self.change(f"INSERT INTO {codec.table} ({', '.join(given)}) VALUES ({places})", *given.values())  # noqa: S608 - names of ours

    @staticmethod
    def where(kind: str, key: Any, first: int = 1) -> tuple[str, tuple[Any, ...]]:  # noqa: ANN401
        keys = key if isinstance(key, tuple) else (key,)
        columns = ("key",) if kind == "project" else ("project", *KEYS.get(kind, ("id",)))
        values = keys if kind == "project" else (DEMO, *keys)
        return " AND ".join(f"{name} = ${number}" for number, name in enumerate(columns, first)), values

    def edit_row(self, store: LocalStore, kind: str, key: Any, field: str, value: object) -> None:  # noqa: ANN401
        codec, (where, keys) = CODECS[kind], self.where(kind, key, 2)
        entity = attrs.evolve(store.rows(DEMO)[kind][key], **{field: value})
        at = codec.columns.index(field)
        column = codec.write(entity)[at]
        if codec.types[at] in {"integer", "boolean"} and column is not None:
            column = int(column) if codec.types[at] == "integer" else bool(column)  # the other value of None is a text
        self.change(f"UPDATE {codec.table} SET {field} = $1 WHERE {where}", column, *keys)  # noqa: S608 - names of ours

    def remove_row(self, _store: LocalStore, kind: str, key: Any) -> None:  # noqa: ANN401
        where, keys = self.where(kind, key)
        self.change(f"DELETE FROM {CODECS[kind].table} WHERE {where}", *keys)  # noqa: S608 - names of ours

    def add_row(self, _store: LocalStore, kind: str, entity: Any) -> None:  # noqa: ANN401
        self.insert(kind, row_of(DEMO, kind, entity, 0))

    def edit_head(self, _store: LocalStore, field: str, value: object) -> None:
        self.change(f"UPDATE heads SET {field} = $1 WHERE project = $2", value, DEMO)  # noqa: S608 - names of ours


# -- the schema ---------------------------------------------------------------------------------------------------

_TYPES = {"text": "text", "integer": "bigint", "boolean": "boolean", "json": "json"}


@pytest.fixture
def columns(postgres_url: str) -> Mapping[str, Mapping[str, tuple[str, bool]]]:
    """By table, each column's type and whether it must be filled."""
    PostgresStore(parse(postgres_url), VirtualClock()).close()
    sql = """
        SELECT table_name, column_name, data_type, is_nullable FROM information_schema.columns
        WHERE table_schema = $1 ORDER BY ordinal_position
    """
    found: dict[str, dict[str, tuple[str, bool]]] = {}
    for table, column, kind, nullable in ask(postgres_url, (sql, [parse(postgres_url).schema])):
        found.setdefault(table, {})[column] = (kind, nullable == "NO")
    return found


def _optional(field_type: Any) -> bool:  # noqa: ANN401 - a type
    """Whether a field may be stored as NULL: None, or an empty list or object."""
    may_be = get_args(field_type) if get_origin(field_type) in {Union, UnionType} else (field_type,)
    return NoneType in may_be or any(get_origin(one) in {tuple, Mapping} for one in may_be)


@pytest.mark.parametrize("kind", ENTITIES)
def test_the_schema_has_a_column_for_each_field(
    columns: Mapping[str, Mapping[str, tuple[str, bool]]], kind: str
) -> None:
    codec, found = CODECS[kind], columns[CODECS[kind].table]
    hints = get_type_hints(ENTITIES[kind])
    for field, name, wanted in zip(attrs.fields(ENTITIES[kind]), codec.columns, codec.types, strict=True):
        required = not _optional(hints[field.name])
        assert name == field.name
        if (kind, name) == ("task", "requires"):
            required = True  # the name of its group, so never NULL
        assert found[name] == (_TYPES[wanted], required), name
    assert set(found) - set(codec.columns) <= {"project", "seq", "touched", "claim_group"}


def test_the_schema_has_nothing_else(columns: Mapping[str, Mapping[str, tuple[str, bool]]]) -> None:
    ours = {codec.table for codec in CODECS.values()}
    assert set(columns) - ours == {"meta", "heads", "dues", "leaders", "offsets", "texts", "vectors", "vector_indexes"}
    assert set(columns["heads"]) == {"project", *(field.name for field in attrs.fields(Head))}


def test_lists_are_built_from_the_tables_that_there_are(
    postgres_url: str, columns: Mapping[str, Mapping[str, tuple[str, bool]]]
) -> None:
    schema = parse(postgres_url).schema
    for name, table in tables(schema).tables.items():
        found = columns[name.removeprefix(f"{schema}.")]
        told = {column.name: str(column.type).lower() for column in table.columns}
        assert told == {column: kind for column, (kind, _) in found.items()}, name
    assert model.Task is ENTITIES["task"]
