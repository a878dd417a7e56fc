"""`arbeit import` and `arbeit export`: reports that account for every record, and a project that comes back whole."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

import arbeit.sync

if TYPE_CHECKING:
    from adapters.cli.tests.larger.conftest import Folder

TABLES = {
    "tasks": [
        {"id": "old-1", "title": "First", "status": "completed", "created_at": "2025-01-01T00:00:00Z"},
        {"id": "old-2", "title": "Second", "status": "open", "created_at": "2025-01-02T00:00:00Z"},
    ],
    "relationships": [{"id": "r1", "from_task_id": "old-1", "to_task_id": "old-2", "type": "blocks"}],
    "context": [{"id": "c1", "task_id": "old-1", "type": "note", "content": "Kept"}],
}


def written(folder: Folder, said: object, name: str = "old.json") -> Path:
    path = folder.path / name
    path.write_text(json.dumps(said))
    return path


def test_an_import_says_what_became_of_every_record_and_a_second_changes_nothing(folder: Folder) -> None:
    project = folder.begin()
    path = written(folder, TABLES)
    dry = json.loads(folder.run("import", str(path), "--dry-run", "--json").stdout)["data"]
    assert (dry["dry_run"], dry["changed"], project.overview().statuses) == (True, True, {})
    first = json.loads(folder.run("import", str(path), "--json").stdout)["data"]
    assert first["counts"] == dry["counts"]
    assert (first["counts"]["task"]["taken"], first["complete"], first["changed"]) == (2, True, True)
    assert project.get("old-1").task.status == "completed"
    position = project.overview().head.position
    again = folder.run("import", str(path))
    assert (again.returncode, "Nothing to import" in again.stdout) == (0, True)
    assert project.overview().head.position == position


def test_records_that_are_refused_are_listed_and_the_exit_code_says_so(folder: Folder) -> None:
    project = folder.begin()
    broken = {"tasks": [*TABLES["tasks"], {"id": "old-3", "title": 7, "status": "nonsense"}, "no task"]}
    done = folder.run("import", str(written(folder, broken)), "--json")
    assert done.returncode == 1
    said = json.loads(done.stdout)["data"]
    assert said["complete"] is False
    assert len(said["problems"]) >= 1
    assert all(problem["reason"] for problem in said["problems"])
    assert project.get("old-2").task.title == "Second"
    assert "Refused" in folder.run("import", str(written(folder, broken))).stdout


def test_what_cannot_be_read_is_an_error_and_changes_nothing(folder: Folder) -> None:
    project = folder.begin()
    before = project.overview().head.position
    for source in (
        "nothing-here.json",
        str(written(folder, {"what": "is this"}, "odd.json")),
        str(folder.path / "home"),
    ):
        done = folder.run("import", source)
        assert (done.returncode, "INVALID_INPUT" in done.stderr, done.stdout) == (2, True, "")
    unknown = folder.run("import", str(written(folder, TABLES)), "--format", "nonsense")
    assert (unknown.returncode, "There are:" in unknown.stderr) == (2, True)
    assert project.overview().head.position == before


def test_an_export_comes_back_whole_in_another_folder(folder: Folder) -> None:
    project = folder.begin()
    project.create_task("Mow the lawn")
    work = project.claim("impl-1")
    assert work is not None
    with work:
        work.attach("proof.txt", b"mown")
        work.complete("Mown", evidence=["seen"])
    done = folder.run("export", "backup.jsonl", "--artifacts", "bytes", "--json")
    assert done.returncode == 0, done.stderr
    said = json.loads(done.stdout)["data"]
    assert (said["records"]["task"], said["missing"]) == (1, [])
    piped = folder.run("export")
    assert piped.stdout == (folder.path / "backup.jsonl").read_text()
    elsewhere = folder.path / "elsewhere"
    elsewhere.mkdir()
    words = ["--db", str(elsewhere), "import", "backup.jsonl", "--artifacts", "bytes"]
    # --db names a folder without a project yet.
    restored = folder.run(*words, "--json")
    assert restored.returncode == 0, restored.stderr
    assert json.loads(restored.stdout)["data"]["hash"] == said["hash"]
    with arbeit.sync.open(f"sqlite:///{elsewhere}/.arbeit/arbeit.db") as hub:
        copy = hub.project("demo")
        assert copy.overview().head == project.overview().head
        assert copy.verify().ok
    again = folder.run(*words)
    assert (again.returncode, "Traceback" in again.stderr) in {(0, False), (1, False)}
    assert folder.run("verify", cwd=elsewhere).returncode == 0


def test_an_export_whose_reader_goes_away_is_quiet_and_json_needs_a_file(folder: Folder) -> None:
    folder.begin()
    assert folder.run("export", "--json").returncode == 2
    worker = folder.start("export")
    assert worker.stdout is not None
    assert worker.stderr is not None
    worker.stdout.close()
    worker.wait(30)
    assert "Traceback" not in worker.stderr.read()
    worker.stderr.close()


def test_a_restore_that_is_refused_leaves_nothing_behind_and_the_whole_file_is_restored_after_it(
    folder: Folder,
) -> None:
    folder.begin().create_task("Mow the lawn")
    assert folder.run("export", "backup.jsonl").returncode == 0
    whole = (folder.path / "backup.jsonl").read_bytes()
    empty = folder.path / "empty"
    empty.mkdir()
    at = ["--db", str(empty)]
    (empty / "cut.jsonl").write_bytes(whole[:-100])
    (empty / "forged.jsonl").write_bytes(whole.replace(b"Mow the lawn", b"Mow the roof"))
    for damaged in ("cut.jsonl", "forged.jsonl"):
        refused = folder.run(*at, "import", str(empty / damaged), "--json")
        assert (refused.returncode, json.loads(refused.stderr)["error"]["code"]) == (2, "INVALID_INPUT")
        assert sorted(path.name for path in empty.iterdir()) == ["cut.jsonl", "forged.jsonl"]
        asked = folder.run(*at, "list", "--json")
        assert json.loads(asked.stderr)["error"]["code"] == "NOT_INITIALIZED"
    assert folder.run(*at, "import", "backup.jsonl").returncode == 0
    assert json.loads((empty / ".arbeit" / "config.json").read_text()) == {"project": "demo"}
    assert "Mow the lawn" in folder.run(*at, "list").stdout


def test_a_restore_beside_other_projects_changes_nothing_of_what_a_folder_means(folder: Folder) -> None:
    folder.begin().create_task("Mow the lawn")
    assert folder.run("export", "backup.jsonl").returncode == 0
    shared = folder.path / "shared" / ".arbeit"
    shared.mkdir(parents=True)
    with arbeit.sync.open(f"sqlite:///{shared}/arbeit.db", actor="tester") as hub:
        for key in ("one", "two"):
            hub.project(key, create=True)
    assert folder.run("--db", "shared", "import", "backup.jsonl").returncode == 0
    assert not (shared / "config.json").exists()


@pytest.mark.parametrize("source", ["/dev/zero", "/dev/null", "pipe"])
@pytest.mark.parametrize("chosen", [[], ["--format", "export"], ["--format", "beads"]], ids=["any", "export", "beads"])
def test_what_has_no_end_is_no_source_of_an_import(folder: Folder, source: str, chosen: list[str]) -> None:
    folder.begin()
    folder.fifo("pipe")
    done = folder.run("import", source, *chosen, timeout=20)
    assert (done.returncode, done.stdout) == (2, "")
    assert f"{source} is neither a file nor a folder" in done.stderr
    assert "Write it to a file first" in done.stderr
