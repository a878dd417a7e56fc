"""Rows that are added many to a statement: in their order, each in the full-text index."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import closing
from pathlib import Path

import pytest

import arbeit.sync
from arbeit.backends.sqlite import statements
from arbeit.backends.sqlite.inserting import SIZES, Inserter
from arbeit.columns import CODECS, row_of
from arbeit.core.commands import ImportEntry, ImportTask
from arbeit.core.model import Reply, Task
from arbeit.sync import Project

COUNTS = [1, SIZES[1] - 1, SIZES[1], SIZES[0], SIZES[0] + SIZES[1] + 1, 3 * SIZES[0] - 1]


@pytest.fixture
def project(tmp_path: Path) -> Iterator[Project]:
    with arbeit.sync.open(f"sqlite:///{tmp_path}/team.db", actor="planner") as hub:
        yield hub.project("demo", create=True)


@pytest.fixture
def schema() -> Iterator[sqlite3.Connection]:
    with closing(sqlite3.connect(":memory:", isolation_level=None)) as connection:
        for migration in statements.migrations():
            connection.executescript(migration)
        yield connection


def commands(count: int) -> list[ImportTask]:
    return [ImportTask(task_id=f"t{at}", title=f"Mend part{at} of it") for at in range(count)]


def rows(count: int) -> list[Sequence[object]]:
    made = (Task(id=f"t{at}", title=f"Mend {at}", created_at=at, updated_at=at) for at in range(count))
    return [row_of("demo", "task", task, 0) for task in made]


@pytest.mark.parametrize("count", COUNTS)
def test_a_batch_of_any_size_is_listed_in_its_order_and_found_by_its_words(project: Project, count: int) -> None:
    replies = project.execute_many(commands(count))
    assert [reply.count for reply in replies if isinstance(reply, Reply)] == [1] * count
    listed = project.find(limit=500, sort="created").tasks
    assert [task.id for task in listed] == [f"t{at}" for at in range(count)]
    for at in {0, count // 2, count - 1}:
        assert [hit.task_id for hit in project.search(f"part{at}")] == [f"t{at}"]
    assert project.verify().ok


def test_entries_of_a_batch_keep_their_order_and_are_found_by_their_words(project: Project) -> None:
    project.execute_many(commands(1))
    count = SIZES[0] + 2 * SIZES[1] + 3
    project.execute_many([ImportEntry(task_id="t0", entry_id=f"e{at}", content=f"word{at}") for at in range(count)])
    found = project.get("t0", include={"context_all"}).context_all
    assert [entry.id for entry in found or ()] == [f"e{at}" for at in range(count)]
    assert [hit.task_id for hit in project.search(f"word{count - 1}")] == ["t0"]


@pytest.mark.parametrize("variables", [250_000, 999, 100])
def test_no_statement_has_more_variables_than_the_library_takes(schema: sqlite3.Connection, variables: int) -> None:
    schema.setlimit(sqlite3.SQLITE_LIMIT_VARIABLE_NUMBER, variables)
    said: list[str] = []
    schema.set_trace_callback(said.append)
    count = 2 * SIZES[0] + 3
    Inserter(schema, statements.load()).insert("task", rows(count))
    found = [row[0] for row in schema.execute("SELECT id FROM tasks ORDER BY seq")]
    assert found == [f"t{at}" for at in range(count)]
    width = len(CODECS["task"].columns) + 2
    fit = next((size for size in SIZES if size * width <= schema.getlimit(sqlite3.SQLITE_LIMIT_VARIABLE_NUMBER)), 1)
    inserts = [line for line in said if line.startswith("INSERT INTO tasks")]
    assert len(inserts) == 2 * SIZES[0] // fit + 3


def test_a_statement_with_a_row_that_is_there_adds_none_of_its_rows(schema: sqlite3.Connection) -> None:
    inserter = Inserter(schema, statements.load())
    inserter.insert("task", rows(1))
    with pytest.raises(sqlite3.IntegrityError):
        inserter.insert("task", rows(SIZES[0])[::-1])
    assert schema.execute("SELECT count(*) FROM tasks").fetchone() == (1,)
