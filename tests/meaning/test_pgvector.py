"""Postgres with pgvector let in: the same answers, by an index."""

from __future__ import annotations

import asyncio
import math
from collections.abc import Iterator
from pathlib import Path
from uuid import uuid4

import pytest

import arbeit.sync
from arbeit.backends.postgres import PostgresStore, schema, vectors
from arbeit.backends.postgres.settings import parse
from arbeit.compose import Wiring, wire_up
from arbeit.core.policy import Scope
from arbeit.ports import Clock, Embedded
from arbeit.queries import Index, Nearest, Search
from arbeit.testing.clock import VirtualClock
from arbeit.testing.contract import KEY
from arbeit.testing.contract.vectoring import Vectoring
from arbeit.testing.contract.writing import DEMO, Scribe, task, transact
from arbeit.testing.servers import PostgresServer
from arbeit.vectors import pack
from tests.meaning.toy import Toy

MODEL = "it's a model"
"""With what a name may have that SQL would stumble over."""


def fresh(server: PostgresServer, database: str) -> str:
    return f"{server.url.rpartition('/')[0]}/{database}?schema=t_{uuid4().hex[:12]}"


@pytest.fixture(scope="module")
def database(postgres_server: PostgresServer) -> Iterator[str]:
    """A database of this module's own, as an extension is a whole database's."""
    name = f"d_{uuid4().hex[:12]}"
    postgres_server.sql(f"CREATE DATABASE {name} OWNER arbeit", "postgres")
    postgres_server.sql("CREATE EXTENSION vector", name)
    yield name
    postgres_server.sql(f"DROP DATABASE {name} WITH (FORCE)", "postgres")


@pytest.fixture
def vector_url(postgres_server: PostgresServer, database: str) -> str:
    return fresh(postgres_server, database)


class TestWithPgvector(Vectoring):
    @pytest.fixture(autouse=True)
    def where(self, vector_url: str) -> None:
        self.url = vector_url

    def open(self, _tmp_path: Path, clock: Clock) -> Wiring:
        return wire_up(self.url, clock=clock, key=KEY)


def opened(url: str) -> PostgresStore:
    store = wire_up(url, clock=VirtualClock(), key=KEY).store
    assert isinstance(store, PostgresStore)
    return store


def around(number: int, of: int) -> bytes:
    packed = pack([math.cos(number / of), math.sin(number / of), 0.1])
    assert packed is not None
    return packed


def put(store: PostgresStore, count: int) -> None:
    """Vectors that point ever farther from (1, 0): t00000 is the nearest to it; the last five have their own queue."""
    tasks = [task(f"t{n:05}", queue="far" if n >= count - 5 else "near") for n in range(count)]
    transact(store, Scribe(new={"task": tasks}))
    for start in range(0, count, 500):
        chunk = range(start, min(count, start + 500))
        rows = [Embedded("task", f"t{n:05}", f"t{n:05}", "d", around(n, count)) for n in chunk]
        assert store.put_vectors(DEMO, Index(MODEL, 3, 1, revision=start // 500, vectors=start), rows, ())


def plan(store: PostgresStore, query: Nearest) -> str:
    """What the server says it would do."""

    async def asked() -> str:
        async with store.reading(DEMO) as reader:
            sql, values = vectors._sought(store.settings.schema, query)
            values.append(vectors._text(query.vector))
            sql += vectors._nearest_first(query, '"public"', 3, len(values))
            rows = await reader.connection.fetch(f"EXPLAIN {sql}", *values)
            return "\n".join(row[0] for row in rows)

    return store._call(asked())


def test_the_index_is_used_and_filters_do_not_starve_it(vector_url: str, postgres_server: PostgresServer) -> None:
    store = opened(vector_url)
    try:
        put(store, 4_000)
        postgres_server.sql("ANALYZE", vector_url.rpartition("/")[2].partition("?")[0])
        near = Nearest(Search(DEMO, "", ("task",), limit=10), MODEL, around(0, 1))
        assert "using vectors_" in plan(store, near), "the nearest come from the index"
        assert [one.id for one in store.nearest(near)] == [f"t{n:05}" for n in range(10)]
        # Not one of the hundreds that the index brings first passes: it has to be scanned on.
        far = Nearest(Search(DEMO, "", ("task",), status=("open",), task_id="t03999", limit=10), MODEL, around(0, 1))
        assert [one.id for one in store.nearest(far)] == ["t03999"]
        scoped = Search(DEMO, "", ("task",), limit=10, scope=Scope(frozenset({"far"})))
        found = store.nearest(Nearest(scoped, MODEL, around(0, 1)))
        assert [one.id for one in found] == [f"t{n:05}" for n in range(3_995, 4_000)]
    finally:
        store.close()


def crowd(store: PostgresStore, project: str, first: int, count: int) -> None:
    """A project whose vectors are those of a circle, from one of its degrees to another."""
    transact(store, Scribe(project, new={"task": [task(f"t{n:05}") for n in range(count)]}))
    rows = [Embedded("task", f"t{n:05}", f"t{n:05}", "d", around(first + n, 9_000)) for n in range(count)]
    for start in range(0, count, 500):
        index = Index(MODEL, 3, 1, revision=start // 500, vectors=start)
        assert store.put_vectors(project, index, rows[start : start + 500], ())


@pytest.mark.parametrize("few", [0, 5_000])
def test_a_large_project_does_not_starve_a_small_one(
    few: int, vector_url: str, postgres_server: PostgresServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(vectors, "_FEW", few)
    store = opened(vector_url)
    try:
        crowd(store, "large", 0, 3_000)
        crowd(store, "small", 4_000, 300)
        postgres_server.sql("ANALYZE", vector_url.rpartition("/")[2].partition("?")[0])
        # As little patience as the index has among millions, and no other way for the planner.
        impatient = ", set_config('hnsw.max_scan_tuples', '100', true), set_config('enable_sort', 'off', true)"
        monkeypatch.setattr(vectors, "_SCAN", vectors._SCAN + impatient)
        for project in ("small", "large"):
            query = Nearest(Search(project, "", ("task",), limit=10), MODEL, around(0, 9_000))
            assert [one.id for one in store.nearest(query)] == [f"t{n:05}" for n in range(10)], project
    finally:
        store.close()


def test_an_extension_that_comes_later_takes_the_vectors_along(postgres_server: PostgresServer) -> None:
    name = f"d_{uuid4().hex[:12]}"
    postgres_server.sql(f"CREATE DATABASE {name} OWNER arbeit", "postgres")
    url = fresh(postgres_server, name)
    settings = parse(url)
    try:
        with arbeit.sync.open(url, embedder=Toy()) as hub:
            project = hub.project("demo", create=True)
            for number in range(50):
                project.create_task(f"alpha {number}")
            project.index()
            before = project.search("alpha 7", mode="meaning", limit=100)
            assert len(before) == 50
            assert not asyncio.run(schema.migrate(settings)).pending
            postgres_server.sql("CREATE EXTENSION vector", name)
            assert project.search("alpha 7", mode="meaning", limit=100) == before
            asyncio.run(schema.migrate(settings))
            assert _without(postgres_server, settings.schema, name) == 0
            assert project.search("alpha 7", mode="meaning", limit=100) == before
            project.create_task("omega")
            project.index()
            assert [hit.title for hit in project.search("omega", mode="meaning")] == ["omega"]
            assert _without(postgres_server, settings.schema, name) == 0
    finally:
        postgres_server.sql(f"DROP DATABASE {name} WITH (FORCE)", "postgres")


def _without(server: PostgresServer, name: str, database: str) -> int:
    """How many vectors pgvector does not know of."""
    return int(server.sql(f"SELECT count(*) FROM {name}.vectors WHERE embedding IS NULL", database))  # noqa: S608 - ours
