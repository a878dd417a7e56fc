"""Whatever is asked of whatever crowd, memory, SQLite and Postgres answer alike."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from attrs import evolve
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from arbeit.backends.memory import MemoryStore
from arbeit.backends.postgres import PostgresStore
from arbeit.backends.postgres.settings import parse
from arbeit.backends.sqlite import SQLiteStore
from arbeit.core.errors import ArbeitError
from arbeit.ports import LocalStore
from arbeit.queries import HIT_KINDS, SORTS, Query, Search
from arbeit.testing.clock import VirtualClock
from arbeit.testing.contract.finding import FILTERS, all_pages
from arbeit.testing.contract.population import WORDS, crowd
from arbeit.testing.contract.writing import DEMO, transact
from tests.servers.fixtures import SchemaKeeper, fresh_schema, with_options

CROWDS = 4
Crowd = tuple[LocalStore, LocalStore, LocalStore]


@pytest.fixture(scope="module")
def crowds(
    tmp_path_factory: pytest.TempPathFactory, postgres_address: str, schema_keeper: SchemaKeeper
) -> Iterator[list[Crowd]]:
    made: list[Crowd] = []
    schemas = [fresh_schema() for _ in range(CROWDS)]
    for seed, schema in enumerate(schemas):
        path: Path = tmp_path_factory.mktemp("crowd") / "team.db"
        sqlite = SQLiteStore(path, VirtualClock(), synchronous="NORMAL")
        postgres = PostgresStore(parse(with_options(postgres_address, schema=schema)), VirtualClock())
        stores: Crowd = (MemoryStore(VirtualClock()), sqlite, postgres)
        for store in stores:
            (result,) = transact(store, crowd(seed, 90))
            assert not isinstance(result, Exception), result
        made.append(stores)
    yield made
    for stores in made:
        for store in stores[1:]:
            store.close()
    for schema in schemas:
        schema_keeper.drop(schema)


queries = st.fixed_dictionaries(
    {"sort": st.sampled_from(SORTS), "limit": st.integers(1, 20)},
    optional={name: st.sampled_from(values) for name, values in FILTERS.items()},
)
quick = settings(deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


@quick
@given(seed=st.integers(0, CROWDS - 1), asked=queries)
def test_lists_are_the_same(crowds: list[Crowd], seed: int, asked: dict[str, Any]) -> None:
    memory, *others = crowds[seed]
    query = Query(DEMO, **asked)
    found = all_pages(memory, query)
    whole = memory.find(evolve(query, limit=1000)).tasks
    assert list(whole) == found
    for store in others:
        assert all_pages(store, query) == found
        assert store.find(evolve(query, limit=1000)).tasks == whole


pieces = st.one_of(st.sampled_from([*WORDS, "or", "OR", "-", '"', "*", "retr*", "bu*"]), st.text(max_size=4))
sentences = st.lists(st.tuples(pieces, st.sampled_from(["", " ", " "])), max_size=8)


@quick
@given(seed=st.integers(0, CROWDS - 1), said=sentences, kinds=st.sets(st.sampled_from(HIT_KINDS), min_size=1))
def test_searches_are_the_same(crowds: list[Crowd], seed: int, said: list[tuple[str, str]], kinds: set[str]) -> None:
    query = Search(DEMO, "".join(piece + gap for piece, gap in said), tuple(sorted(kinds)), limit=1000)
    answers: list[Any] = []
    for store in crowds[seed]:
        try:
            answers.append(store.search(query))
        except ArbeitError as error:
            answers.append((error.code, error.message))
    assert answers[1:] == [answers[0]] * 2
    if isinstance(answers[0], list):
        assert all(first.score >= second.score for first, second in pairwise(answers[0]))


def test_a_crowd_is_made_by_its_seed() -> None:
    assert crowd(3).changes(None) == crowd(3).changes(None)
    assert crowd(3).changes(None) != crowd(4).changes(None)
