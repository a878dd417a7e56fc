"""What a source may not do: reach out of its folder, fill the memory or the disk, or name a time that none can say."""

import json
import os
import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest

import arbeit.sync
from arbeit import ArbeitError, Code
from arbeit.exchange import Report, legacy

Bring = Callable[..., Report]
Lines = Callable[..., Path]

PAGE = "---\nid: task-1\ntitle: One\nstatus: To Do\n---\nhello\n"
DIARY = "a private diary"


@pytest.fixture
def diary(tmp_path: Path) -> Path:
    """A file that lies beside what is imported."""
    path = tmp_path / "diary.md"
    path.write_text(f"---\nid: task-9\ntitle: {DIARY}\n---\n{DIARY}\n")
    return path


@pytest.fixture
def backlog(tmp_path: Path) -> Path:
    """A project whose folder of Backlog.md has one task."""
    root = tmp_path / "repo" / "backlog"
    for name in ("tasks", "docs"):
        (root / name).mkdir(parents=True)
    (root / "tasks" / "task-1.md").write_text(PAGE)
    return root


@pytest.fixture
def claude(tmp_path: Path) -> Path:
    """A list of Claude Code with one task."""
    root = tmp_path / "list"
    root.mkdir()
    (root / "1.json").write_text(json.dumps({"id": "1", "subject": "One", "status": "pending"}))
    return root


def everything(project: arbeit.sync.Project) -> str:
    return "".join(str(event.data) for event in project.history(limit=1000))


# --- folders --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("place", ["docs/notes.md", "tasks/task-9.md", "decisions/notes.md", "config.yml"])
def test_a_link_out_of_a_folder_is_a_problem_with_its_place(
    project: arbeit.sync.Project, bring: Bring, backlog: Path, diary: Path, place: str
) -> None:
    (backlog / place).parent.mkdir(exist_ok=True)
    (backlog / place).symlink_to(diary)
    report = bring(backlog.parent)
    assert [(one.where, one.kind) for one in report.problems] == [(place, "other")]
    assert "leads out of the folder" in report.problems[0].reason
    assert [task.id for task in project.find().tasks] == ["task-1"]
    assert DIARY not in everything(project)


def test_a_linked_folder_out_of_a_folder_is_a_problem(
    project: arbeit.sync.Project, bring: Bring, backlog: Path, diary: Path
) -> None:
    (backlog / "docs").rmdir()
    (backlog / "docs").symlink_to(diary.parent)
    (backlog / "tasks" / "all").symlink_to(diary.parent)
    report = bring(backlog.parent)
    assert {one.where for one in report.problems} >= {"docs/diary.md", "tasks/all"}
    assert DIARY not in everything(project)


def test_a_link_inside_of_a_folder_is_followed(project: arbeit.sync.Project, bring: Bring, backlog: Path) -> None:
    (backlog / "docs" / "plan.txt").write_text("the plan")
    (backlog / "docs" / "plan.md").symlink_to("plan.txt")
    assert bring(backlog.parent).complete
    assert "the plan" in everything(project)


def test_what_is_named_itself_may_be_a_link(
    project: arbeit.sync.Project, bring: Bring, backlog: Path, tmp_path: Path
) -> None:
    (tmp_path / "linked").mkdir()
    (tmp_path / "linked" / "one.md").symlink_to(backlog / "tasks" / "task-1.md")
    (tmp_path / "repo-link").symlink_to(backlog.parent)
    assert bring(tmp_path / "linked" / "one.md").complete
    assert not bring(tmp_path / "repo-link").changed
    assert [task.id for task in project.find().tasks] == ["task-1"]


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="there are no pipes in folders here")
def test_a_pipe_in_a_folder_is_a_problem_and_nobody_waits_for_it(bring: Bring, backlog: Path, claude: Path) -> None:
    os.mkfifo(backlog / "tasks" / "pipe.md")
    os.mkfifo(backlog / "docs" / "pipe.md")
    os.mkfifo(claude / "2.json")
    found = bring(backlog.parent)
    assert [one.where for one in found.problems] == ["tasks/pipe.md", "docs/pipe.md"]
    assert "no regular file" in found.problems[0].reason
    (only,) = bring(claude).problems
    assert (only.where, only.reason) == ("2.json", "cannot be read: is no regular file")


def test_a_linked_task_file_out_of_a_list_is_a_problem(
    project: arbeit.sync.Project, bring: Bring, claude: Path, tmp_path: Path
) -> None:
    other = tmp_path / "other.json"
    other.write_text(json.dumps({"id": "2", "subject": DIARY, "status": "pending"}))
    (claude / "2.json").symlink_to(other)
    (only,) = bring(claude).problems
    assert (only.where, only.kind) == ("2.json", "other")
    assert DIARY not in everything(project)


@pytest.mark.parametrize("home", [".beads/issues.jsonl", "backlog"])
def test_a_folder_whose_records_lie_elsewhere_is_refused_with_the_way_to_import_them(
    bring: Bring, backlog: Path, lines: Lines, tmp_path: Path, home: str
) -> None:
    issues = lines({"id": "bd-1", "title": "T", "status": "open", "issue_type": "task", "priority": 1})
    place = tmp_path / "clone" / home
    place.parent.mkdir(parents=True)
    place.symlink_to(issues if home.endswith("jsonl") else backlog)
    with pytest.raises(ArbeitError, match="leads out of") as caught:
        bring(tmp_path / "clone")
    assert caught.value.code is Code.INVALID_INPUT
    assert "Name what it leads to" in caught.value.suggestions[0]


# --- databases ------------------------------------------------------------------------------------------------


def database(path: Path, script: str) -> Path:
    with closing(sqlite3.connect(path)) as db:
        db.executescript(script)
    return path


def test_columns_that_a_database_computes_are_left(project: arbeit.sync.Project, bring: Bring, tmp_path: Path) -> None:
    path = database(
        tmp_path / "arbeit.db",
        "CREATE TABLE tasks (id TEXT, title TEXT, big GENERATED ALWAYS AS (hex(zeroblob(100000000))) VIRTUAL);"
        "INSERT INTO tasks VALUES ('a', 'A')",
    )
    report = bring(path)
    assert [task.title for task in project.find().tasks] == ["A"]
    assert any("the column big was left" in note for note in report.notes)


def test_a_row_that_is_too_large_is_refused(bring: Bring, tmp_path: Path) -> None:
    path = database(
        tmp_path / "arbeit.db",
        "CREATE TABLE tasks (id TEXT, title TEXT, big BLOB); INSERT INTO tasks VALUES ('a', 'A', zeroblob(5000000))",
    )
    with pytest.raises(ArbeitError, match="the most that one may") as caught:
        bring(path)
    assert caught.value.code is Code.LIMIT_EXCEEDED
    assert caught.value.data["limit"] == legacy.ROW_BYTES


def test_rows_that_are_too_large_together_are_refused(
    bring: Bring, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # A default stands once in the file, and in every row that is read.
    path = database(
        tmp_path / "arbeit.db",
        "CREATE TABLE tasks (id TEXT, title TEXT);"
        "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n LIMIT 100)"
        "INSERT INTO tasks SELECT i, 'T' FROM n;"
        "ALTER TABLE tasks ADD COLUMN more TEXT DEFAULT '" + "x" * 100_000 + "'",
    )
    monkeypatch.setattr(legacy, "FILE_BYTES", 9_000_000)
    with pytest.raises(ArbeitError, match="together") as caught:
        bring(path)
    assert caught.value.code is Code.LIMIT_EXCEEDED
    monkeypatch.setattr(legacy, "FILE_BYTES", 11_000_000)
    assert bring(path).counts["task"].taken == 100


@pytest.mark.parametrize("ending", ["-journal", "-wal", "-shm"])
def test_what_lies_beside_a_database_and_is_no_file_is_not_copied(bring: Bring, tmp_path: Path, ending: str) -> None:
    path = database(tmp_path / "arbeit.db", "CREATE TABLE tasks (id TEXT, title TEXT)")
    (tmp_path / f"arbeit.db{ending}").symlink_to("/dev/zero")
    with pytest.raises(ArbeitError, match="is no regular file") as caught:
        bring(path)
    assert caught.value.code is Code.INVALID_INPUT


def test_no_more_than_a_known_amount_is_copied(bring: Bring, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = database(tmp_path / "arbeit.db", "CREATE TABLE tasks (id TEXT, title TEXT)")
    (tmp_path / "arbeit.db-journal").write_bytes(bytes(100_000))
    monkeypatch.setattr(legacy, "COPY_BYTES", 50_000)
    with pytest.raises(ArbeitError, match="the most to be copied") as caught:
        bring(path)
    assert caught.value.code is Code.LIMIT_EXCEEDED


def test_a_link_to_a_database_finds_what_lies_beside_it(
    project: arbeit.sync.Project, bring: Bring, tmp_path: Path
) -> None:
    path = database(
        tmp_path / "arbeit.db",
        "PRAGMA journal_mode = WAL; CREATE TABLE tasks (id TEXT, title TEXT); INSERT INTO tasks VALUES ('a', 'Old')",
    )
    (tmp_path / "elsewhere").mkdir()
    link = tmp_path / "elsewhere" / "arbeit.db"
    link.symlink_to(path)
    with closing(sqlite3.connect(path, isolation_level=None)) as db:
        db.execute("UPDATE tasks SET title = 'In the log'")
        bring(link)
    assert project.get("a").task.title == "In the log"
