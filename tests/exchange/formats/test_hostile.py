"""What a source may not do: reach out of its folder, fill the memory or the disk, or name a time that none can say."""

import json
import os
import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

import arbeit.sync
from arbeit import ArbeitError, Code
from arbeit.exchange import Report, import_file, legacy
from arbeit.exchange.gather import PIECE_BYTES

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


# --- times ----------------------------------------------------------------------------------------------------

LATE = "9999-12-31T23:59:59-12:00"
EARLY = "1970-01-01T00:00:00+12:00"


@pytest.mark.parametrize("time", [LATE, EARLY, -5])
def test_a_time_beyond_the_calendar_stays_in_the_metadata_with_a_note(
    project: arbeit.sync.Project, bring: Bring, tmp_path: Path, time: object
) -> None:
    path = tmp_path / "records.json"
    path.write_text(
        json.dumps(
            {
                "tasks": [{"id": "a", "title": "T", "created_at": time}],
                "context": [{"id": "c", "task_id": "a", "content": "x", "created_at": time}],
            }
        )
    )
    report = bring(path)
    assert report.complete
    found = project.get("a", include=("context",))
    (entry,) = found.context or ()
    assert (found.task.metadata["records"]["created_at"], entry.metadata["records"]["created_at"]) == (time, time)
    assert [note for note in report.notes if "created_at that is no time from 1970 to 9999" in note] != []


def test_the_last_moment_of_the_calendar_is_kept(project: arbeit.sync.Project, lines: Lines, bring: Bring) -> None:
    last = "9999-12-31T23:59:59.999999Z"
    issue = {"id": "bd-1", "title": "T", "status": "open", "issue_type": "task", "priority": 1, "created_at": last}
    memory = {"_type": "memory", "key": "k", "value": "v", "created_at": LATE}
    assert bring(lines(issue, memory)).complete
    assert arbeit.rfc3339(project.get("bd-1").task.created_at) == last
    kept = project.get("beads-memories", include=("context",)).context or ()
    assert [entry.metadata["beads"]["created_at"] for entry in kept] == [LATE]


# --- secrets --------------------------------------------------------------------------------------------------

TOKEN = "ghp_" + "6b86b273ff34fce19d6b804eff5a3f5747ad"
BODY = [f"{number:02}" + "Qm9keSBvZiBhIHByaXZhdGUga2V5" * 2 for number in range(26)]
PEM = "\n".join(["-----BEGIN RSA PRIVATE KEY-----", *BODY, "-----END RSA PRIVATE KEY-----", ""])
ACROSS = "x" * 63 + "\n"
MARKS = (TOKEN[:12], TOKEN[20:], BODY[0], BODY[3], BODY[20])
CUT: dict[str, dict[str, Any]] = {
    "a key in an entry": {
        "context": [{"id": "c", "content": ACROSS * (PIECE_BYTES // 64 - 12) + PEM + "tail\n" * 3000}]
    },
    "a token in an entry": {
        "context": [{"id": "c", "content": "a," * ((PIECE_BYTES - 16) // 2) + TOKEN + "," + "b," * 9000}]
    },
    "a token in a description": {"description": "a " * 32_757 + TOKEN + " " + "z " * 1000},
    "a key in what goes beside": {"more": ACROSS * (PIECE_BYTES // 64 - 12) + PEM + "tail\n" * 3000},
    "a token in a title": {"title": "w " * 240 + TOKEN + " " + "q " * 100},
    "a token in a line": {"progress": [{"id": "p", "content": "w " * 1985 + TOKEN + " " + "q " * 100}]},
    "a token in what is accepted": {"acceptance": "w," * 2036 + TOKEN + "," + "q," * 1000},
    "a token in a status": {"status": "w " * 85 + TOKEN},
    "a token in a name": {"metadata": {TOKEN: "x" * 20_000}},
}


def cut(tmp_path: Path, what: str) -> Path:
    """A file in which a secret stands where a text has to be cut."""
    task = {"id": "a", "title": "T", "created_at": 1_700_000_000, **CUT[what]}
    beside = {name: task.pop(name) for name in ("context", "progress") if name in task}
    lists = {name: [{"task_id": "a", "type": "note", **one} for one in found] for name, found in beside.items()}
    path = tmp_path / "records.json"
    path.write_text(json.dumps({"tasks": [task], "context": [], **lists}))
    return path


@pytest.mark.parametrize("what", CUT)
def test_no_part_of_a_secret_is_stored_where_a_text_is_cut(tmp_path: Path, what: str) -> None:
    path = cut(tmp_path, what)
    with arbeit.sync.open(f"sqlite:///{tmp_path}/team.db", actor="a") as hub:
        project = hub.project("demo", create=True)
        report = arbeit.sync.run(import_file(project.inner, path))
        assert report.complete
        stored = everything(project)
    stored += "".join(file.read_bytes().decode(errors="replace") for file in tmp_path.glob("team.db*"))
    assert "[redacted" in stored
    assert [mark for mark in MARKS if mark in stored or mark in json.dumps(report.as_json())] == []


def test_a_project_that_redacts_nothing_keeps_a_cut_text_whole(tmp_path: Path) -> None:
    path = cut(tmp_path, "a key in an entry")
    with arbeit.sync.open("memory://", actor="a") as hub:
        project = hub.project("demo", create=True, settings={"redaction": "none"})
        assert arbeit.sync.run(import_file(project.inner, path)).complete
        entries = project.get("a", include=("context",)).context or ()
        assert len(entries) == 2
        assert "".join(entry.content for entry in entries) == CUT["a key in an entry"]["context"][0]["content"]


class _Masked:
    def redact(self, text: str) -> str:
        return text.replace("hush-hush", "*********")


def test_the_policy_of_the_project_says_what_is_taken_out_before_a_cut(tmp_path: Path) -> None:
    path = tmp_path / "records.json"
    text = "a," * (PIECE_BYTES // 2 - 2) + "hush-hush" + ",b" * 9000
    path.write_text(json.dumps({"tasks": [{"id": "a", "title": "T", "created_at": 1, "intent": text}], "context": []}))
    with arbeit.sync.open("memory://", actor="a", policies={"redaction": _Masked()}) as hub:
        project = hub.project("demo", create=True)
        assert arbeit.sync.run(import_file(project.inner, path)).complete
        stored = everything(project)
    assert "****" in stored
    assert ("hush" in stored, "ush-hush" in stored) == (False, False)


@pytest.mark.parametrize(
    "record",
    [
        {"tasks": [{"id": "b", "title": "U", "status": TOKEN}]},
        {"tasks": [{"id": "b", "title": "U", "status": "s" * 250 + " " + TOKEN}]},
        {"context": [{"task_id": "a", "content": "x", "type": TOKEN}]},
        {"context": [{"task_id": "a", "content": None, "id": TOKEN}]},
        {"relationships": [{"from_task_id": "a", "to_task_id": "a2", "type": TOKEN}]},
        {"files": [{"task_id": "a", "path": "x", "operation": TOKEN}]},
        {"progress": [{"task_id": "a", "content": "x", "completed": "w" * 240 + " " + TOKEN}]},
    ],
)
def test_a_report_repeats_no_secret(bring: Bring, tmp_path: Path, record: dict[str, Any]) -> None:
    path = tmp_path / "records.json"
    tasks = [{"id": id, "title": "T", "created_at": 1_700_000_000} for id in ("a", "a2")]
    path.write_text(json.dumps({"context": [], **record, "tasks": [*tasks, *record.get("tasks", ())]}))
    report = bring(path)
    assert report.notes or report.problems
    assert TOKEN[:10] not in json.dumps(report.as_json()) + report.as_text()


def test_a_broken_line_is_shown_without_its_secrets(bring: Bring, lines: Lines) -> None:
    issue = {"id": "bd-1", "title": "T", "status": "open", "issue_type": "task", "priority": 1}
    (only,) = bring(lines(issue, '{"id": "bd-2", "title": "' + "t " * 125 + TOKEN + '"')).problems
    assert only.kind == "task"
    assert TOKEN[:10] not in only.record


def test_what_was_redacted_is_there_already(bring: Bring, tmp_path: Path) -> None:
    path = tmp_path / "records.json"
    told = {"created_at": 1_700_000_000}
    task = {"id": "a", "title": f"T {TOKEN}", "description": f"D {TOKEN}"}
    for tasks in ([{**task, **told}], [task]):
        file = {"task_id": "a", "path": f"/x/{TOKEN}", "operation": "write"}
        path.write_text(json.dumps({"tasks": tasks, "files": [file], "context": []}))
        bring(path)
        for dry_run in (True, False):
            again = bring(path, dry_run=dry_run)
            assert (again.changed, again.problems, again.notes) == (False, (), ())
