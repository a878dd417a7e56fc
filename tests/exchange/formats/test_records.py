"""What is taken from a JSON object of lists, and from the first generation's file, which is never altered."""

import hashlib
import json
import shutil
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

import arbeit.sync
from arbeit import ArbeitError
from arbeit.exchange import Report, legacy
from arbeit.exchange.tables import Row

Bring = Callable[..., Report]

DOCUMENT: dict[str, Any] = {
    "tasks": [
        {
            "id": "tkt-b",
            "title": "Second",
            "status": "completed",
            "intent": "Why b",
            "created_at": "2026-01-19T13:38:25.130Z",
            "updated_at": "2026-01-20T00:00:00Z",
        },
        {
            "id": "tkt-a",
            "title": "First",
            "status": "in_progress",
            "intent": "Why a",
            "created_at": "2026-01-19T13:38:24.130Z",
            "updated_at": "2026-01-19T13:38:24.130Z",
        },
    ],
    "context": [
        {
            "id": "ctx-2",
            "task_id": "tkt-a",
            "type": "decision",
            "content": "New",
            "metadata": {"by": "me"},
            "superseded_by": None,
            "created_at": "2026-01-19T14:00:02Z",
        },
        {
            "id": "ctx-1",
            "task_id": "tkt-a",
            "type": "decision",
            "content": "Old",
            "metadata": None,
            "superseded_by": "ctx-2",
            "created_at": "2026-01-19T14:00:01Z",
        },
    ],
    "progress": [
        {
            "id": "prg-1",
            "task_id": "tkt-a",
            "content": "Step",
            "completed": True,
            "created_at": "2026-01-19T14:00:00Z",
            "completed_at": "2026-01-19T15:00:00Z",
        },
        {
            "id": "prg-2",
            "task_id": "tkt-a",
            "content": "Next",
            "completed": False,
            "created_at": "2026-01-19T14:00:01Z",
        },
    ],
    "relationships": [
        {
            "id": "rel-1",
            "from_task_id": "tkt-a",
            "to_task_id": "tkt-b",
            "type": "blocked_by",
            "metadata": {"why": "order"},
            "created_at": "2026-01-19T14:00:00Z",
        }
    ],
    "sessions": [{"id": "ses-1", "task_id": "tkt-a", "session_id": "s-1", "created_at": "2026-01-19T14:00:00Z"}],
    "files": [
        {
            "id": "fil-1",
            "task_id": "tkt-a",
            "file_path": "src/a.py",
            "operation": "read",
            "session_id": "s-1",
            "created_at": "2026-01-19T14:00:00Z",
        }
    ],
}


def put(folder: Path, document: object) -> Path:
    path = folder / "records.json"
    path.write_text(json.dumps(document), encoding="utf-8")
    return path


def judge_whole(project: arbeit.sync.Project) -> None:
    """Everything of the document is there, with its ids and times, in the order of creation."""
    assert [task.id for task in project.find().tasks] == ["tkt-a", "tkt-b"]
    parts = project.get("tkt-a", include="all")
    context = {entry.id: entry for entry in project.get("tkt-a", include=("context_all",)).context_all or ()}
    assert (parts.task.intent, parts.task.status) == ("Why a", "open")
    assert parts.task.metadata["source_status"] == "in_progress"
    assert arbeit.rfc3339(parts.task.created_at) == "2026-01-19T13:38:24.130Z"
    assert project.get("tkt-b").task.status == "completed"
    assert list(context) == ["ctx-1", "ctx-2"]
    assert (context["ctx-1"].superseded_by, context["ctx-2"].metadata) == ("ctx-2", {"by": "me"})
    assert arbeit.rfc3339(context["ctx-2"].created_at) == "2026-01-19T14:00:02.000Z"
    assert [(item.id, item.completed) for item in parts.progress or ()] == [("prg-1", True), ("prg-2", False)]
    assert [arbeit.rfc3339(item.completed_at or 0) for item in (parts.progress or ())[:1]] == [
        "2026-01-19T15:00:00.000Z"
    ]
    assert parts.relationships is not None
    (link,) = parts.relationships
    assert (link.id, link.from_task_id, link.type, link.to_task_id) == ("rel-1", "tkt-b", "blocks", "tkt-a")
    assert link.metadata == {"why": "order"}
    assert [(one.id, one.session_id) for one in parts.sessions or ()] == [("ses-1", "s-1")]
    assert [(one.id, one.path, one.operation) for one in parts.files or ()] == [("fil-1", "src/a.py", "read")]


def test_a_json_object_of_lists_is_taken_as_it_is(project: arbeit.sync.Project, bring: Bring, tmp_path: Path) -> None:
    path = put(tmp_path, DOCUMENT)
    report = bring(path)
    assert (report.source_format, report.complete) == ("records", True)
    judge_whole(project)
    assert not bring(path).changed


def test_tasks_alone_are_recognised_by_their_fields(project: arbeit.sync.Project, bring: Bring, tmp_path: Path) -> None:
    task = {"id": "x", "title": "X", "parent_id": "p", "blocked_by": ["q"], "priority": "high", "requires": ["sql"]}
    more = {"labels": ["a"], "queue": "build", "max_attempts": 5, "acceptance": ["Done"], "mine": 1, "assignee": "ann"}
    whole = [{**task, **more, "metadata": {"k": 1}}, {"id": "p", "title": "P"}, {"id": "q", "title": "Q"}]
    report = bring(put(tmp_path, {"tasks": whole, "about": "an export"}))
    found = project.get("x", include=("parent", "blocked_by"))
    assert report.source_format == "records"
    assert (found.task.priority, found.task.requires, found.task.labels) == ("high", ("sql",), ("a",))
    assert (found.task.queue, found.task.max_attempts, found.task.acceptance) == ("build", 5, ("Done",))
    assert found.task.metadata["records"] == {"mine": 1, "assignee": "ann"}
    assert found.task.metadata["k"] == 1
    assert found.task.metadata["about_file"] == {"about": "an export"}
    assert found.task.parent_id == "p"
    assert [one.id for one in found.blocked_by or ()] == ["q"]


def test_a_parent_that_is_told_twice_is_one_relationship(bring: Bring, tmp_path: Path) -> None:
    tasks = [{"id": "p", "title": "P"}, {"id": "c", "title": "C", "parent_id": "p"}]
    told = [{"from_task_id": "p", "to_task_id": "c", "type": "parent_of"}]
    report = bring(put(tmp_path, {"tasks": tasks, "relationships": told}))
    assert (report.complete, report.counts["relationship"].read) == (True, 1)


def test_a_record_of_a_task_that_is_not_there_is_listed(bring: Bring, tmp_path: Path) -> None:
    context = [{"id": "c", "task_id": "gone", "content": "Lost"}, {"id": "d", "content": "Of none"}]
    report = bring(put(tmp_path, {"tasks": [{"id": "a", "title": "A"}], "context": context}))
    assert [(one.where, one.reason, one.kind) for one in report.problems] == [
        ("context[1]", "names no task", "context"),
        ("context[0]", "the task gone does not exist in this plan", "context"),
    ]


def test_metadata_of_a_task_s_own_win_and_nothing_of_the_source_is_lost(
    project: arbeit.sync.Project, bring: Bring, tmp_path: Path
) -> None:
    own = {"records": "mine", "source_status": "older"}
    task = {"id": "a", "title": "A", "status": "todo", "created_at": "2026-01-01", "metadata": own, "extra": 1}
    bring(put(tmp_path, {"tasks": [task]}))
    assert project.get("a").task.metadata == {**own, "records_import": {"extra": 1}}


WRONG = [None, 5, -1, True, [], {}, ["x"], [None], {"a": 1}, "", "x", 10**30, 1.5, "\ud800", "a\0"]


@pytest.mark.parametrize(
    ("kind", "name"),
    [(kind, name) for kind, rows in DOCUMENT.items() for name in (*rows[0], "labels", "parent_id", "due_at")],
)
def test_a_field_of_any_type_gives_a_report(bring: Bring, tmp_path: Path, kind: str, name: str) -> None:
    first, *rest = DOCUMENT[kind]
    broken = [{**first, "id": f"{kind}-{at}", name: wrong} for at, wrong in enumerate(WRONG)]
    report = bring(put(tmp_path, {**DOCUMENT, kind: [first, *rest, *broken, *WRONG]}))
    taken = sum(counts.taken for counts in report.counts.values())
    assert taken >= sum(map(len, DOCUMENT.values()))
    assert len(report.problems) >= len(WRONG) - 2, "what is no object is no record"


# --- the first generation's file ------------------------------------------------------------------------------

SCHEMA = """
CREATE TABLE tasks (id TEXT PRIMARY KEY, title TEXT NOT NULL, status TEXT, intent TEXT, created_at TEXT,
    updated_at TEXT);
CREATE TABLE task_relationships (id TEXT PRIMARY KEY, from_task_id TEXT, to_task_id TEXT, type TEXT, metadata TEXT,
    created_at TEXT);
CREATE TABLE context_entries (id TEXT PRIMARY KEY, task_id TEXT, type TEXT, content TEXT, metadata TEXT,
    superseded_by TEXT, created_at TEXT);
CREATE TABLE progress_items (id TEXT PRIMARY KEY, task_id TEXT, content TEXT, completed INTEGER, created_at TEXT,
    completed_at TEXT);
CREATE TABLE session_links (id TEXT PRIMARY KEY, task_id TEXT, session_id TEXT, created_at TEXT);
CREATE TABLE file_associations (id TEXT PRIMARY KEY, task_id TEXT, file_path TEXT, operation TEXT, session_id TEXT,
    created_at TEXT);
CREATE TABLE events (id TEXT PRIMARY KEY, timestamp TEXT, event_type TEXT, entity_type TEXT, entity_id TEXT,
    payload TEXT, session_id TEXT);
CREATE TABLE active_work (task_id TEXT, session_id TEXT, started_at TEXT);
CREATE TABLE schema_version (version INTEGER);
"""
TABLES = {
    "tasks": "tasks",
    "context": "context_entries",
    "progress": "progress_items",
    "relationships": "task_relationships",
    "sessions": "session_links",
    "files": "file_associations",
}
EVENTS = [
    ("e-1", "2026-01-19T13:38:24.130Z", "task_created", "task", "tkt-a", '{"title": "First"}', "s-1"),
    ("e-2", "2026-01-19T14:00:01.000Z", "context_added", "context_entry", "ctx-1", None, None),
    ("e-3", "2026-01-19T14:00:02.000Z", "task_deleted", "task", "tkt-gone", "{}", None),
]


def make(path: Path, *, journal: str = "DELETE") -> Path:
    """A file of the first generation with all that the document has, and events."""
    with closing(sqlite3.connect(path)) as db:
        db.execute(f"PRAGMA journal_mode = {journal}")
        db.executescript(SCHEMA)
        for kind, table in TABLES.items():
            for row in DOCUMENT[kind]:
                values = [json.dumps(one) if isinstance(one, dict) else one for one in row.values()]
                marks = ", ".join("?" * len(row))
                db.execute(f"INSERT INTO {table} ({', '.join(row)}) VALUES ({marks})", values)  # noqa: S608 - names above
        db.executemany("INSERT INTO events VALUES (?, ?, ?, ?, ?, ?, ?)", EVENTS)
        db.execute("INSERT INTO active_work VALUES ('tkt-a', 's-1', '2026-01-19T14:00:00Z')")
        db.execute("INSERT INTO schema_version VALUES (3)")
        db.commit()
    return path


def state(folder: Path) -> dict[str, str]:
    return {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in folder.iterdir()}


@pytest.mark.parametrize("journal", ["DELETE", "WAL"])
def test_the_first_generation_s_file_is_taken_whole_and_left_as_it_is(
    project: arbeit.sync.Project, bring: Bring, tmp_path: Path, journal: str
) -> None:
    path = make(tmp_path / "arbeit.db", journal=journal)
    before = state(tmp_path)
    report = bring(path)
    assert report.source_format == "arbeit-1"
    assert state(tmp_path) == before
    context = project.get("tkt-a", include=("context",)).context or ()
    history = [entry for entry in context if entry.metadata.get("field") == "history"]
    assert [json.loads(line)["id"] for entry in history for line in entry.content.split("\n")] == ["e-1", "e-2"]
    orphans = project.get("history-without-task", include=("context",)).context or ()
    assert ["tkt-gone" in entry.content for entry in orphans] == [True]
    assert project.get("tkt-a").task.metadata["arbeit-1"]["active_work"][0]["session_id"] == "s-1"
    assert [(one.where, one.kind) for one in report.problems] == [("schema_version row 1", "other")]
    assert (report.counts["event"].read, report.counts["event"].kept) == (3, 3)
    assert not bring(path).changed


def test_what_the_file_says_is_what_the_json_object_says(
    project: arbeit.sync.Project, bring: Bring, tmp_path: Path
) -> None:
    path = make(tmp_path / "arbeit.db")
    with closing(sqlite3.connect(path)) as db:
        db.executescript("DROP TABLE events; DROP TABLE active_work; DROP TABLE schema_version")
    assert bring(path).complete
    judge_whole(project)


def test_a_file_that_somebody_writes_to_is_read_as_of_their_last_commit(
    project: arbeit.sync.Project, bring: Bring, tmp_path: Path
) -> None:
    path = make(tmp_path / "arbeit.db", journal="WAL")
    with closing(sqlite3.connect(path, isolation_level=None)) as db:
        db.execute("UPDATE tasks SET title = 'Committed' WHERE id = 'tkt-a'")
        db.execute("BEGIN IMMEDIATE")
        db.execute("UPDATE tasks SET title = 'Not committed' WHERE id = 'tkt-a'")
        before = path.read_bytes()
        bring(path)
        assert path.read_bytes() == before
        db.execute("COMMIT")
    assert project.get("tkt-a").task.title == "Committed"


def test_what_is_committed_while_a_file_is_read_is_not_half_seen(
    project: arbeit.sync.Project, bring: Bring, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = make(tmp_path / "arbeit.db", journal="WAL")
    with closing(sqlite3.connect(path, isolation_level=None)) as db:
        db.execute("SELECT * FROM tasks").fetchall()  # opens its log, as any program that uses the file does
        plain = legacy._Reader.rows

        def late(reader: legacy._Reader, table: str) -> Iterator[Row]:
            found = list(plain(reader, table))
            db.execute("UPDATE context_entries SET content = 'Later'")
            return iter(found)

        monkeypatch.setattr(legacy._Reader, "rows", late)
        bring(path)
    entries = project.get("tkt-a", include=("context_all",)).context_all or ()
    assert [entry.content for entry in entries if entry.type == "decision"] == ["Old", "New"]


def test_what_a_killed_writer_left_is_read_from_a_copy(
    project: arbeit.sync.Project, bring: Bring, tmp_path: Path
) -> None:
    path = make(tmp_path / "live.db", journal="WAL")
    left = tmp_path / "left"
    left.mkdir()
    with closing(sqlite3.connect(path, isolation_level=None)) as db:
        db.execute("UPDATE tasks SET title = 'In the log' WHERE id = 'tkt-a'")
        for ending in ("", "-wal"):
            shutil.copy(tmp_path / f"live.db{ending}", left / f"arbeit.db{ending}")
    before = state(left)
    bring(left / "arbeit.db")
    assert project.get("tkt-a").task.title == "In the log"
    assert state(left) == before


def test_an_older_file_lacks_columns_and_tables(project: arbeit.sync.Project, bring: Bring, tmp_path: Path) -> None:
    path = tmp_path / "arbeit.db"
    with closing(sqlite3.connect(path)) as db:
        db.execute("CREATE TABLE tasks (id TEXT, title TEXT, created_at INTEGER)")
        db.execute("INSERT INTO tasks VALUES ('a', 'A', 1768829904130), ('b', x'ff41', 'never'), (NULL, 'C', NULL)")
        db.commit()
    report = bring(path)
    first, second = project.find().tasks
    assert (first.id, arbeit.rfc3339(first.created_at)) == ("a", "2026-01-19T13:38:24.130Z")
    assert (second.id, second.title) == ("b", "0xff41")
    assert second.metadata["arbeit-1"] == {"created_at": "never"}
    assert [one.reason for one in report.problems] == ["id is missing"]


@pytest.mark.parametrize("script", ["CREATE TABLE notes (id)", "CREATE TABLE tasks (name)", ""])
def test_another_database_is_refused(bring: Bring, tmp_path: Path, script: str) -> None:
    path = tmp_path / "other.db"
    with closing(sqlite3.connect(path)) as db:
        db.executescript(f"{script}; PRAGMA user_version = 1")
    with pytest.raises(ArbeitError, match="not of the first generation"):
        bring(path)


def test_a_database_of_this_arbeit_is_refused_with_the_way_to_copy_it(bring: Bring, tmp_path: Path) -> None:
    with arbeit.sync.open(f"sqlite:///{tmp_path}/team.db") as hub:
        hub.project("demo", create=True)
    with pytest.raises(ArbeitError, match="a database of this Arbeit") as caught:
        bring(tmp_path / "team.db")
    assert "export" in caught.value.suggestions[0]


def test_a_damaged_database_is_refused(bring: Bring, tmp_path: Path) -> None:
    path = make(tmp_path / "arbeit.db")
    path.write_bytes(path.read_bytes()[:5_000])
    with pytest.raises(ArbeitError, match="cannot read"):
        bring(path)
