from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Mapping
from pathlib import Path
from types import NoneType, UnionType
from typing import Any, Union, get_args, get_origin, get_type_hints

import attrs
import pytest

from arbeit import audit
from arbeit.backends.sqlite import SQLiteStore, finding, statements, upgrade
from arbeit.backends.sqlite.opening import APPLICATION_ID
from arbeit.backends.sqlite.reading import Reader
from arbeit.backends.sqlite.scrubbing import Scrubber
from arbeit.columns import CODECS, KEYS, row_of
from arbeit.compose import Wiring
from arbeit.core import commands as c
from arbeit.core import model
from arbeit.core.errors import ArbeitError, Code
from arbeit.core.loads import Reads
from arbeit.core.model import ContextEntry, Event, Head
from arbeit.ports import Clock, LocalStore
from arbeit.queries import SORTS, DecisionQuery, Query, RunQuery, Search
from arbeit.session import BlockingSession
from arbeit.testing.clock import VirtualClock
from arbeit.testing.contract import KEY, FaceContract, StoreContract
from arbeit.testing.contract.population import crowd
from arbeit.testing.contract.writing import DEMO, Scribe, do, furnish, look, start, task, transact
from tests.contract.tampering import Tampering


class _SQLite:
    def open(self, tmp_path: Path, clock: Clock) -> Wiring:
        # Waiting for the disk tests the disk; what survives the end of a process is the same.
        store = SQLiteStore(tmp_path / "team.db", clock, synchronous="NORMAL")
        return Wiring(store, clock, KEY, {})


class TestSQLite(_SQLite, StoreContract):
    pass


class TestSQLiteThroughTheFaces(_SQLite, FaceContract):
    pass


class TestTamperedSQLite(_SQLite, Tampering):
    @pytest.fixture(autouse=True)
    def file(self, tmp_path: Path) -> None:
        self.path = tmp_path / "team.db"

    def change(self, sql: str, *parameters: object) -> None:
        connection = sqlite3.connect(self.path)
        with connection:
            connection.execute(sql, parameters)
        connection.close()

    def edit_event(self, _store: LocalStore, position: int, field: str, value: object) -> None:
        self.change(f"UPDATE events SET {field} = ? WHERE project = ? AND position = ?", value, DEMO, position)  # noqa: S608 - names of ours

    def remove_event(self, _store: LocalStore, position: int) -> None:
        self.change("DELETE FROM events WHERE project = ? AND position = ?", DEMO, position)

    def add_event(self, _store: LocalStore, event: Event) -> None:
        self.change(statements.load()["save_event"], *CODECS["event"].write(event))

    @staticmethod
    def where(kind: str, key: Any) -> tuple[str, tuple[Any, ...]]:  # noqa: ANN401
        keys = key if isinstance(key, tuple) else (key,)
        columns = KEYS.get(kind, ("id",))
        if kind == "project":
            return "key = ?", keys
        return " AND ".join(f"{column} = ?" for column in ("project", *columns)), (DEMO, *keys)

    def edit_row(self, store: LocalStore, kind: str, key: Any, field: str, value: object) -> None:  # noqa: ANN401
        codec, (where, keys) = CODECS[kind], self.where(kind, key)
        entity = attrs.evolve(store.rows(DEMO)[kind][key], **{field: value})
        column = codec.write(entity)[codec.columns.index(field)]
        self.change(f"UPDATE {codec.table} SET {field} = ? WHERE {where}", column, *keys)  # noqa: S608 - names of ours

    def remove_row(self, _store: LocalStore, kind: str, key: Any) -> None:  # noqa: ANN401
        where, keys = self.where(kind, key)
        self.change(f"DELETE FROM {CODECS[kind].table} WHERE {where}", *keys)  # noqa: S608 - names of ours

    def add_row(self, _store: LocalStore, kind: str, entity: Any) -> None:  # noqa: ANN401
        self.change(statements.load()[f"insert_{kind}"], *row_of(DEMO, kind, entity, 0))

    def edit_head(self, _store: LocalStore, field: str, value: object) -> None:
        self.change(f"UPDATE heads SET {field} = ? WHERE project = ?", value, DEMO)  # noqa: S608 - names of ours


# -- the schema ---------------------------------------------------------------------------------------------------

ENTITIES = {
    "project": model.Project,
    "queue": model.Queue,
    "group": model.Group,
    "agent": model.Agent,
    "task": model.Task,
    "lease": model.Lease,
    "run": model.Run,
    "relationship": model.Relationship,
    "entry": model.ContextEntry,
    "item": model.ProgressItem,
    "session": model.SessionLink,
    "file": model.FileLink,
    "artifact": model.Artifact,
    "secret": model.SecretRef,
    "event": model.Event,
    "receipt": model.Receipt,
}
OUR_TABLES = {"meta", "heads", "leaders", "offsets", "vectors", "vector_indexes"}
OUR_OWN = {"project", "seq", "touched", "claim_group"}
"""Columns that no entity has: whose it is, the order of arrival, when a queue or group last changed, `Task.group`."""


@pytest.fixture
def schema(tmp_path: Path) -> Iterator[sqlite3.Connection]:
    SQLiteStore(tmp_path / "new.db", VirtualClock()).close()
    connection = sqlite3.connect(tmp_path / "new.db")
    yield connection
    connection.close()


def _columns(schema: sqlite3.Connection, table: str) -> dict[str, tuple[str, bool]]:
    found = schema.execute(f"PRAGMA table_info({table})").fetchall()
    return {name: (kind, bool(required or key)) for _, name, kind, required, _, key in found}


def _stored_as(field_type: Any) -> tuple[str, bool]:  # noqa: ANN401 - a type
    """The column's type, and whether it must be filled; empty lists and objects are stored as NULL."""
    may_be = get_args(field_type) if get_origin(field_type) in {Union, UnionType} else (field_type,)
    if any(get_origin(one) in {tuple, Mapping} for one in may_be):
        return "TEXT", False
    numeric = any(isinstance(one, type) and issubclass(one, int) for one in may_be)
    return "INTEGER" if numeric else "TEXT", NoneType not in may_be


@pytest.mark.parametrize("kind", ENTITIES)
def test_the_schema_has_a_column_for_each_field(schema: sqlite3.Connection, kind: str) -> None:
    entity = ENTITIES[kind]
    hints = get_type_hints(entity)
    wanted = {field.name: _stored_as(hints[field.name]) for field in attrs.fields(entity)}
    if kind == "task":
        wanted["requires"] = ("TEXT", True)  # the name of its group, so never NULL
    found = _columns(schema, CODECS[kind].table)
    own = {field.name for field in attrs.fields(entity)}
    assert {name: column for name, column in found.items() if name not in OUR_OWN - own} == wanted
    assert set(found) - own <= OUR_OWN


def test_the_schema_has_nothing_else(schema: sqlite3.Connection) -> None:
    tables = {row[0] for row in schema.execute("SELECT name FROM sqlite_schema WHERE type = 'table'")}
    index = {name for name in tables if name.startswith(("tasks_text", "entries_text"))}
    assert tables - index == {codec.table for codec in CODECS.values()} | OUR_TABLES
    assert {name.rpartition("_")[0] for name in index} == {"tasks", "entries", "tasks_text", "entries_text"}
    assert set(_columns(schema, "heads")) == {"project", *(field.name for field in attrs.fields(Head))}


# -- upgrades, and what is erased ---------------------------------------------------------------------------------


def _as_version_1(new: Path, old: Path) -> None:
    """The same project in a file as version 1 made it."""
    connection = sqlite3.connect(old)
    connection.executescript(statements.migrations()[0])
    connection.execute("ATTACH ? AS new", (str(new),))
    tables = [row[0] for row in connection.execute("SELECT name FROM main.sqlite_schema WHERE type = 'table'")]
    for table in tables:
        columns = ", ".join(row[1] for row in connection.execute(f"PRAGMA main.table_info({table})"))
        connection.execute(f"INSERT INTO main.{table} ({columns}) SELECT {columns} FROM new.{table}")  # noqa: S608 - ours
    connection.execute(f"PRAGMA application_id = {APPLICATION_ID}")
    connection.execute("PRAGMA user_version = 1")
    connection.commit()
    connection.close()


def test_a_file_of_version_1_is_upgraded_and_verifies(tmp_path: Path) -> None:
    clock = VirtualClock()
    store = SQLiteStore(tmp_path / "new.db", clock, synchronous="NORMAL")
    session = BlockingSession(Wiring(store, clock, KEY, {}))
    furnish(session, clock.now(), links=False)
    clock.tick(3)
    trace = "00-" + "c" * 32 + "-" + "d" * 16 + "-01"
    do(session, c.CreateTask(actor="lead", task_id="traced", title="Traced", max_attempts=1, traceparent=trace))
    do(session, c.AddContext(actor="lead", task_id="t10", content="unread by its holder"))
    clock.tick(3)
    _, token = start(session, "traced", "ada")
    do(session, c.FailTask(actor="ada", task_id="traced", token=token, error="no way"))
    rows = store.rows(DEMO)
    derived = {
        (name, value)
        for one in rows["task"].values()
        for name in upgrade.DERIVED["task"]
        if (value := getattr(one, name))
    }
    assert {name for name, _ in derived} == {"unread", "escalated_at", "trace"}
    assert any(run.waited for run in rows["run"].values())
    store.close()
    _as_version_1(tmp_path / "new.db", tmp_path / "old.db")
    upgraded = SQLiteStore(tmp_path / "old.db", clock, synchronous="NORMAL")
    assert upgraded.rows(DEMO) == rows
    assert audit.verify(upgraded, DEMO).ok
    ready = {("default", "python"): 100, ("docs", ""): 100}
    counted = {key: len(found) for key, found in look(upgraded, Reads(windows=ready))[0].windows.items()}
    assert counted == {key: rows["group"][key].ready for key in ready}
    upgraded.close()


def test_an_edited_log_does_not_keep_a_file_of_version_1_from_opening(tmp_path: Path) -> None:
    clock = VirtualClock()
    store = SQLiteStore(tmp_path / "new.db", clock, synchronous="NORMAL")
    furnish(BlockingSession(Wiring(store, clock, KEY, {})), clock.now(), links=False)
    store.close()
    _as_version_1(tmp_path / "new.db", tmp_path / "old.db")
    connection = sqlite3.connect(tmp_path / "old.db")
    with connection:
        connection.execute("UPDATE events SET data = '{}' WHERE position = 10")
    connection.close()
    upgraded = SQLiteStore(tmp_path / "old.db", clock, synchronous="NORMAL")
    found = audit.verify(upgraded, DEMO)
    assert (found.ok, found.position) == (False, 10)
    upgraded.close()


WORDS = "what nobody may ever read again"


def _lies_somewhere(tmp_path: Path) -> list[str]:
    return [path.name for path in tmp_path.iterdir() if WORDS.encode() in path.read_bytes()]


def _with_secret_words(tmp_path: Path) -> SQLiteStore:
    store = SQLiteStore(tmp_path / "team.db", VirtualClock(), synchronous="NORMAL")
    # Some builds overwrite what they free, most do not.
    store._writer.execute("PRAGMA secure_delete = OFF")
    entry = ContextEntry("ctx-1", "t1", "note", WORDS, "ada", 0)
    receipt = model.Receipt("ada", "op", "k", "f", WORDS, 0, 1)
    rows: dict[str, list[Any]] = {"task": [task("t1", title=WORDS, description=WORDS * 500)], "entry": [entry]}
    transact(store, Scribe(new=rows, said=[{"data": f'"{WORDS}"'}], receipts=(receipt,)))
    # Once in the file itself, once still in the log.
    store._writer.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    transact(store, Scribe(changed={"task": [task("t1", title=WORDS, intent=WORDS)]}))
    assert _lies_somewhere(tmp_path)
    return store


def _erase(store: SQLiteStore) -> None:
    entry = ContextEntry("ctx-1", "t1", "note", "[erased]", "ada", 0)
    receipt = model.Receipt("ada", "op", "k", "f", "{}", 0, 1)
    rows: dict[str, list[Any]] = {"task": [task("t1", title="[erased]")], "entry": [entry]}
    (result,) = transact(store, Scribe(changed=rows, erased=((1, "{}"),), reissued=(receipt,)))
    assert not isinstance(result, Exception)


def test_erased_text_is_nowhere_in_the_files(tmp_path: Path) -> None:
    store = _with_secret_words(tmp_path)
    _erase(store)
    assert _lies_somewhere(tmp_path) == []
    assert store.rows(DEMO)["task"]["t1"].title == "[erased]"
    store.close()
    assert _lies_somewhere(tmp_path) == []


def test_a_reader_delays_the_scrubbing_and_no_longer(tmp_path: Path) -> None:
    store = _with_secret_words(tmp_path)
    reader = sqlite3.connect(tmp_path / "team.db", isolation_level=None)
    reader.execute("BEGIN")
    reader.execute("SELECT count(*) FROM tasks").fetchone()
    _erase(store)
    assert _lies_somewhere(tmp_path)
    reader.execute("ROLLBACK")
    transact(store, Scribe())
    assert _lies_somewhere(tmp_path) == []
    reader.close()
    store.close()


def test_while_a_reader_holds_the_log_back_the_file_is_rewritten_once(tmp_path: Path) -> None:
    store = _with_secret_words(tmp_path)
    reader = sqlite3.connect(tmp_path / "team.db", isolation_level=None)
    reader.execute("BEGIN")
    reader.execute("SELECT count(*) FROM tasks").fetchone()
    said: list[str] = []
    store._writer.set_trace_callback(said.append)
    _erase(store)
    for _ in range(3):
        transact(store, Scribe())
    assert said.count("VACUUM") == 1
    assert said.count("PRAGMA busy_timeout = 500") == 1
    reader.execute("ROLLBACK")
    transact(store, Scribe())
    assert _lies_somewhere(tmp_path) == []
    transact(store, Scribe())
    assert said.count("PRAGMA wal_checkpoint(TRUNCATE)") == 5
    reader.close()
    store.close()


def test_closing_scrubs_what_another_process_left_to_do(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    store = _with_secret_words(tmp_path)
    other = SQLiteStore(tmp_path / "team.db", VirtualClock(), synchronous="NORMAL")
    with monkeypatch.context() as patch:
        patch.setattr(Scrubber, "run", lambda _self, _patience=0: None)
        _erase(store)
        store.close()
    assert _lies_somewhere(tmp_path)
    other.close()
    assert _lies_somewhere(tmp_path) == []


def test_closing_scrubs_what_a_reader_held_back(tmp_path: Path) -> None:
    store = _with_secret_words(tmp_path)
    reader = sqlite3.connect(tmp_path / "team.db", isolation_level=None)
    reader.execute("BEGIN")
    reader.execute("SELECT count(*) FROM tasks").fetchone()
    _erase(store)
    reader.execute("ROLLBACK")
    store.close()
    assert _lies_somewhere(tmp_path) == []
    reader.close()


def test_opening_scrubs_what_a_process_that_died_had_erased(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    store = _with_secret_words(tmp_path)
    with monkeypatch.context() as patch:
        patch.setattr(Scrubber, "run", lambda _self, _patience=0: None)
        _erase(store)
        store.close()
    assert _lies_somewhere(tmp_path)
    SQLiteStore(tmp_path / "team.db", VirtualClock()).close()
    assert _lies_somewhere(tmp_path) == []


def _vocabulary(path: Path, table: str) -> set[str]:
    connection = sqlite3.connect(path)
    connection.execute(f"CREATE VIRTUAL TABLE temp.words USING fts5vocab(main, {table}, row)")
    found = {row[0] for row in connection.execute("SELECT term FROM words")}
    connection.close()
    return found


def test_erased_words_are_not_in_the_index(tmp_path: Path) -> None:
    store = _with_secret_words(tmp_path)
    assert "nobody" in _vocabulary(tmp_path / "team.db", "tasks_text")
    assert "nobody" in _vocabulary(tmp_path / "team.db", "entries_text")
    _erase(store)
    assert "nobody" not in _vocabulary(tmp_path / "team.db", "tasks_text")
    assert _vocabulary(tmp_path / "team.db", "entries_text") == {"demo", "erased"}
    store.close()
    connection = sqlite3.connect(tmp_path / "team.db")
    # Deleted words may outlive their rows inside a segment until it is merged: one segment has merged them all.
    assert connection.execute("SELECT count(DISTINCT segid) FROM tasks_text_idx").fetchone()[0] == 1
    connection.execute("INSERT INTO tasks_text (tasks_text) VALUES ('integrity-check')")
    connection.execute("INSERT INTO entries_text (entries_text) VALUES ('integrity-check')")
    connection.close()


# -- the full-text index ------------------------------------------------------------------------------------------


def test_without_fts5_everything_but_searching_works(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as patch:
        patch.setattr(SQLiteStore, "_has_fts5", lambda _self: False)
        store = SQLiteStore(tmp_path / "team.db", VirtualClock())
        transact(store, Scribe(new={"task": [task("t1", title="words")]}))
        transact(store, Scribe(changed={"task": [task("t1", title="other words")]}))
        with pytest.raises(ArbeitError, match="FTS5") as caught:
            store.search(Search(DEMO, "words"))
        assert caught.value.code is Code.STORE_UNAVAILABLE
        store.close()
    store = SQLiteStore(tmp_path / "team.db", VirtualClock())
    assert [hit.task_id for hit in store.search(Search(DEMO, "other words"))] == ["t1"]
    store.close()
    monkeypatch.setattr(SQLiteStore, "_has_fts5", lambda _self: False)
    with pytest.raises(ArbeitError, match="full-text index") as caught:
        SQLiteStore(tmp_path / "team.db", VirtualClock())
    assert caught.value.code is Code.STORE_UNAVAILABLE


def test_a_change_of_status_leaves_the_index_alone(tmp_path: Path) -> None:
    store = SQLiteStore(tmp_path / "team.db", VirtualClock(), synchronous="NORMAL")
    transact(store, Scribe(new={"task": [task("t1", title="words")]}))
    looked = sqlite3.connect(tmp_path / "team.db")
    before = looked.execute("SELECT * FROM tasks_text_data").fetchall()
    transact(store, Scribe(changed={"task": [task("t1", title="words", status="completed")]}))
    assert looked.execute("SELECT * FROM tasks_text_data").fetchall() == before
    transact(store, Scribe(changed={"task": [task("t1", title="others", status="completed")]}))
    assert looked.execute("SELECT * FROM tasks_text_data").fetchall() != before
    looked.close()
    store.close()


@pytest.mark.parametrize(
    "sql",
    [
        "CREATE TRIGGER strange AFTER INSERT ON tasks BEGIN DELETE FROM events; END",
        "CREATE VIEW strange AS SELECT 1",
        "DROP TRIGGER tasks_text_new; CREATE TRIGGER tasks_text_new AFTER INSERT ON tasks BEGIN SELECT 1; END",
    ],
)
def test_a_file_with_code_that_is_not_ours_is_refused(tmp_path: Path, sql: str) -> None:
    SQLiteStore(tmp_path / "team.db", VirtualClock()).close()
    connection = sqlite3.connect(tmp_path / "team.db")
    connection.executescript(sql)
    connection.close()
    with pytest.raises(ArbeitError, match="trigger or view") as caught:
        SQLiteStore(tmp_path / "team.db", VirtualClock())
    assert caught.value.code is Code.INVALID_INPUT


# -- plans --------------------------------------------------------------------------------------------------------

HOT = (
    "head",
    "queues_since",
    "groups_since",
    "tasks",
    "leases",
    "runs",
    "agents",
    "entries",
    "items_of",
    "receipts",
    "relationships_from",
    "relationships_to",
    "relationships_of",
    "sessions_of",
    "files_of",
    "artifacts",
    "secrets",
    "urgent",
    "first_leases",
    "ready_after",
    "events_of",
    "about",
    "window",
    "overdue",
    "delayed",
    "due",
    "history",
    "history_of_task",
    "entries_of",
    "runs_of",
    "artifacts_of",
    "last_events_of",
    "recent",
    "open_groups",
    "save_beat",
    "forget_receipts",
)


class _Explaining(Reader):
    """Notes how each statement that was made for the occasion would be run."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        super().__init__(connection, statements.load())
        self.steps: list[str] = []

    def select(self, sql: str, values: Mapping[str, object]) -> Iterator[tuple[Any, ...]]:
        self.steps += [str(row[3]) for row in super().select(f"EXPLAIN QUERY PLAN {sql}", values)]
        return super().select(sql, values)


@pytest.mark.parametrize("sort", SORTS)
@pytest.mark.parametrize(
    "wanted",
    [
        {},
        {"status": ("open",)},
        {"status": ("open", "blocked")},
        {"assignee": "ada", "status": ("open", "blocked")},
        {"parent_id": "t000"},
        {"priority": "critical", "claim_status": "ready"},
        {"queue": "docs", "blocking": True, "root": True},
    ],
    ids=str,
)
def test_no_list_is_sorted_or_searched_from_end_to_end(tmp_path: Path, sort: Any, wanted: dict[str, Any]) -> None:  # noqa: ANN401
    store = SQLiteStore(tmp_path / "team.db", VirtualClock(), synchronous="NORMAL")
    transact(store, crowd(1))
    reader = _Explaining(store._writer)
    finding.find(reader, Query(DEMO, sort=sort, **wanted))
    finding.runs(reader, RunQuery(DEMO, task_id="t000"))
    finding.decisions(reader, DecisionQuery(DEMO))
    finding.search(reader, Search(DEMO, "build"))
    store.close()
    # Of an assignee's tasks, or a parent's, there are few: those may be sorted.
    few = not {"assignee", "parent_id"}.isdisjoint(wanted)
    assert [step for step in reader.steps if "TEMP B-TREE" in step and not few] == []
    walks = [
        step for step in reader.steps if step.startswith("SCAN") and "VIRTUAL" not in step and "json_each" not in step
    ]
    assert walks == []


@pytest.mark.parametrize(
    ("wanted", "index"),
    [
        ({}, "tasks_seq"),
        ({"sort": "-created"}, "tasks_seq"),
        ({"sort": "priority"}, "tasks_priority"),
        ({"sort": "due"}, "tasks_due"),
        ({"sort": "due", "priority": "low"}, "tasks_due"),
        ({"sort": "ready"}, "tasks_ready"),
        ({"status": ("open",)}, "tasks_status"),
        ({"status": ("open", "blocked"), "priority": "low"}, "tasks_status_priority"),
        ({"status": ("open",), "sort": "priority"}, "tasks_status_priority"),
        ({"status": ("open",), "sort": "priority", "queue": "docs", "root": True}, "tasks_status_priority"),
        ({"status": ("open",), "assignee": "ada", "priority": "low"}, "tasks_assignee"),
        ({"status": ("open",), "parent_id": "t000"}, "tasks_parent"),
        ({"priority": "low", "queue": "docs", "claim_status": "ready"}, "tasks_priority"),
        ({"escalated": True}, "tasks_escalated"),
        ({"file": "src/a.py", "sort": "priority"}, "tasks_id"),
    ],
    ids=str,
)
def test_a_list_walks_the_index_that_suits_it(tmp_path: Path, wanted: dict[str, Any], index: str) -> None:
    store = SQLiteStore(tmp_path / "team.db", VirtualClock(), synchronous="NORMAL")
    transact(store, crowd(1))
    reader = _Explaining(store._writer)
    finding.find(reader, Query(DEMO, **wanted))
    store.close()
    # The last walk of a list by due date is of the tasks that have none.
    first = next(step for step in reader.steps if " t " in f"{step} ")
    assert f"INDEX {index} " in first


@pytest.mark.parametrize("name", HOT)
def test_no_hot_statement_walks_a_whole_table(schema: sqlite3.Connection, name: str) -> None:
    sql = statements.load()[name]
    numbered = sql.count("?") if "?1" not in sql else max(int(digit) for digit in "123456789" if f"?{digit}" in sql)
    plan = [str(row[3]) for row in schema.execute(f"EXPLAIN QUERY PLAN {sql}", (None,) * numbered)]
    tables = {codec.table for codec in CODECS.values()} | {"edge", "heads"}
    walks = [step for step in plan if step.startswith("SCAN") and step.split()[1] in tables and "USING" not in step]
    assert walks == []
