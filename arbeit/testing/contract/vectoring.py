"""What a store with vectors finds near, what it forgets, and who may write: the same on every such store."""

from __future__ import annotations

import random
from collections.abc import Sequence
from typing import Any

import pytest

from arbeit.core import commands as c
from arbeit.core.model import ContextEntry
from arbeit.meaning import ALL, vectors_of
from arbeit.ports import Embedded, LocalStore, Vectors
from arbeit.queries import Index, Near, Nearest, Search
from arbeit.session import BlockingSession
from arbeit.testing.clock import START
from arbeit.testing.contract.filtering import FILTERS, passes
from arbeit.testing.contract.opening import Opening
from arbeit.testing.contract.population import crowd
from arbeit.testing.contract.writing import DEMO, Scribe, do, task, transact
from arbeit.vectors import pack, similarity, unpack

SIZE = 8
MODEL = "toy"
KINDS = ("task", "entry", "run")


def vector(*numbers: float) -> bytes:
    """A packed vector that begins with these numbers."""
    packed = pack([*numbers, *[0.0] * (SIZE - len(numbers))])
    assert packed is not None
    return packed


def embedded(kind: Any, name: str, task_id: str, packed: bytes, digest: str = "d") -> Embedded:  # noqa: ANN401 - a kind
    """A vector to be stored."""
    return Embedded(kind, name, task_id, digest, packed)


def brute(store: LocalStore, kept: Sequence[Embedded], query: Nearest) -> list[Near]:
    """What is nearest, by looking at every row and every vector."""
    rows = store.rows(query.within.project)
    within = query.within
    among = [
        one
        for one in kept
        if one.task_id != query.apart_from
        and passes(within, one.kind, rows[one.kind].get(one.id), rows["task"].get(one.task_id))
    ]
    said = [(similarity(unpack(query.vector), unpack(one.vector)), one) for one in among]
    near = [Near(one.kind, one.id, one.task_id, score) for score, one in said if score >= query.floor]
    return sorted(near, key=lambda one: (-one.similarity, one.kind, one.id))[: within.limit]


class Vectoring(Opening):
    """The port `Vectors`."""

    @pytest.fixture
    def vectors(self, store: LocalStore) -> Vectors:
        """The store, as far as it keeps vectors."""
        found = vectors_of(store)
        if found is None:
            pytest.skip("this store keeps no vectors")
        return found

    @pytest.fixture
    def kept(self, store: LocalStore, vectors: Vectors) -> list[Embedded]:
        """A crowd of tasks and entries with a vector each."""
        for result in transact(store, crowd(11)):
            assert not isinstance(result, Exception), result
        chance = random.Random(5)
        rows = store.rows(DEMO)
        made = [
            embedded(kind, name, name if kind == "task" else row.task_id, vector(*_few(chance)))
            for kind in KINDS
            for name, row in sorted(rows[kind].items())
        ]
        assert len({one.kind for one in made}) > 1
        assert vectors.put_vectors(DEMO, Index(MODEL, SIZE, 1), made, ())
        return made

    @pytest.mark.parametrize("wanted", [{}, *FILTERS, {"limit": 5}], ids=str)
    @pytest.mark.parametrize("apart", [None, "t001"])
    def test_the_nearest_that_pass_the_filters_are_found(
        self, store: LocalStore, vectors: Vectors, kept: list[Embedded], wanted: dict[str, Any], apart: str | None
    ) -> None:
        asked: dict[str, Any] = {"kinds": KINDS, "limit": 1000} | wanted
        within = Search(DEMO, "", **asked)
        chance = random.Random(6)
        for _ in range(5):
            query = Nearest(within, MODEL, vector(*_few(chance)), floor=100_000, apart_from=apart)
            assert vectors.nearest(query) == brute(store, kept, query)

    def test_a_tie_is_broken_by_kind_and_id(self, store: LocalStore, vectors: Vectors) -> None:
        tasks = [task(name) for name in ("b", "c", "a")]
        entry = ContextEntry("z", "a", "note", "words", "ada", START)
        transact(store, Scribe(new={"task": tasks, "entry": [entry]}))
        same = vector(1, 2, 3)
        put = [*(embedded("task", one.id, one.id, same) for one in tasks), embedded("entry", "z", "a", same)]
        assert vectors.put_vectors(DEMO, Index(MODEL, SIZE, 1), put, ())
        found = vectors.nearest(Nearest(Search(DEMO, "", KINDS, limit=3), MODEL, same))
        assert [(one.kind, one.id, one.similarity) for one in found] == [
            ("entry", "z", 1_000_000),
            ("task", "a", 1_000_000),
            ("task", "b", 1_000_000),
        ]

    def test_projects_and_models_are_apart(self, store: LocalStore, vectors: Vectors) -> None:
        for key in (DEMO, "twin"):
            transact(store, Scribe(key, new={"task": [task("t")]}))
            assert vectors.put_vectors(key, Index(MODEL, SIZE, 1), [embedded("task", "t", "t", vector(1))], ())
        assert vectors.put_vectors(DEMO, Index("other", SIZE, 4), [embedded("task", "t", "t", vector(0, 1))], ())

        def found(project: str, model: str) -> list[int]:
            near = vectors.nearest(Nearest(Search(project, "", KINDS), model, vector(1)))
            return [one.similarity for one in near]

        assert (found(DEMO, MODEL), found("twin", MODEL), found(DEMO, "other")) == ([1_000_000], [1_000_000], [0])
        assert (found("twin", "other"), found("nowhere", MODEL)) == ([], [])
        assert [(one.model, one.position, one.vectors) for one in vectors.indexes(DEMO)] == [
            ("other", 4, 1),
            (MODEL, 1, 1),
        ]
        assert vectors.drop_index(DEMO, MODEL)
        assert not vectors.drop_index(DEMO, MODEL)
        assert (found(DEMO, MODEL), found("twin", MODEL), found(DEMO, "other")) == ([], [1_000_000], [0])

    def test_vectors_of_another_size_are_passed_over(self, store: LocalStore, vectors: Vectors) -> None:
        transact(store, Scribe(new={"task": [task("t")]}))
        assert vectors.put_vectors(DEMO, Index(MODEL, SIZE, 1), [embedded("task", "t", "t", vector(1))], ())
        longer = pack([1.0] * (SIZE + 1))
        assert longer is not None
        assert vectors.nearest(Nearest(Search(DEMO, "", KINDS), MODEL, longer)) == []

    def test_who_comes_late_writes_nothing(self, store: LocalStore, vectors: Vectors) -> None:
        transact(store, Scribe(new={"task": [task("t")]}))
        old, new = embedded("task", "t", "t", vector(1), "old"), embedded("task", "t", "t", vector(0, 1), "new")
        assert not vectors.put_vectors(DEMO, Index(MODEL, SIZE, 5, revision=1), [old], ())
        assert vectors.put_vectors(DEMO, Index(MODEL, SIZE, 5), [new], ())
        assert not vectors.put_vectors(DEMO, Index(MODEL, SIZE, 9), [old], ())
        assert not vectors.put_vectors(DEMO, Index(MODEL, SIZE, 9, revision=2), [], [("task", "t")])
        assert vectors.digests(DEMO, MODEL, [("task", "t"), ("entry", "t"), ("task", "u")]) == {("task", "t"): "new"}
        (index,) = vectors.indexes(DEMO)
        assert (index.position, index.revision, index.vectors, index.dimensions) == (5, 1, 1, SIZE)
        assert vectors.put_vectors(DEMO, Index(MODEL, SIZE, 9, revision=1), [old], ())
        assert vectors.digests(DEMO, MODEL, [("task", "t")]) == {("task", "t"): "old"}
        assert [one.position for one in vectors.indexes(DEMO)] == [9]

    def test_what_is_gone_is_forgotten_before_what_is_new_is_stored(self, store: LocalStore, vectors: Vectors) -> None:
        entries = [ContextEntry(name, "t", "note", "words", "ada", START) for name in ("c1", "c2")]
        transact(store, Scribe(new={"task": [task("t"), task("u")], "entry": entries}))
        put = [
            embedded("task", "t", "t", vector(1)),
            embedded("task", "u", "u", vector(1)),
            embedded("entry", "c1", "t", vector(1)),
            embedded("entry", "c2", "t", vector(1)),
        ]
        keys = [(one.kind, one.id) for one in put]
        assert vectors.put_vectors(DEMO, Index(MODEL, SIZE, 1), put, ())
        assert vectors.put_vectors(DEMO, Index(MODEL, SIZE, 2, revision=1), (), [("entry", "c1"), ("task", "none")])
        assert set(vectors.digests(DEMO, MODEL, keys)) == {("task", "t"), ("task", "u"), ("entry", "c2")}
        again = embedded("task", "t", "t", vector(0, 1), "again")
        assert vectors.put_vectors(DEMO, Index(MODEL, SIZE, 3, revision=2), [again], [(ALL, "t")])
        assert vectors.digests(DEMO, MODEL, keys) == {("task", "t"): "again", ("task", "u"): "d"}

    def test_an_erasure_takes_the_vectors_of_every_model_along(
        self, session: BlockingSession, vectors: Vectors
    ) -> None:
        do(session, c.CreateProject(actor="boss", key=DEMO))
        do(session, c.RegisterAgent(actor="boss", agent_id="boss", persona="supervisor"))
        for name in ("t1", "t2"):
            do(session, c.CreateTask(actor="boss", task_id=name, title=f"Secret {name}"))
        said = [c.AddContext(actor="boss", task_id=name, type="note", content=f"words {name}") for name in ("t1", "t2")]
        entries = {reply.entries[0].task_id: reply.entries[0].id for reply in do(session, *said)}
        put = [
            embedded("task", "t1", "t1", vector(1)),
            embedded("task", "t2", "t2", vector(1)),
            embedded("entry", entries["t1"], "t1", vector(1)),
            embedded("entry", entries["t2"], "t2", vector(1)),
        ]
        keys = [(one.kind, one.id) for one in put]
        for model in (MODEL, "other"):
            assert vectors.put_vectors(DEMO, Index(model, SIZE, 1), put, ())
        do(session, c.EraseRecord(actor="boss", kind="entry", record_id=entries["t2"]))
        for model in (MODEL, "other"):
            assert set(vectors.digests(DEMO, model, keys)) == {*keys[:3]}
        # A title is a part of what its entries' vectors were made of.
        do(session, c.EraseRecord(actor="boss", kind="task", record_id="t1"))
        for model in (MODEL, "other"):
            assert set(vectors.digests(DEMO, model, keys)) == {("task", "t2")}


def _few(chance: random.Random) -> list[float]:
    return [chance.uniform(-1, 1) for _ in range(SIZE)]
