"""`arbeit doctor` finds what is wrong, says what to do, and changes nothing."""

from __future__ import annotations

import hashlib
import json
import os
import sqlite3
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from arbeit_cli.checking import storage

if TYPE_CHECKING:
    from adapters.cli.tests.larger.conftest import Folder


def checks(folder: Folder, *words: str, code: int = 0) -> dict[str, tuple[str, str]]:
    """Level and message of each check, the worst of a name first."""
    done = folder.run("doctor", "--json", *words)
    assert done.returncode == code, done.stdout + done.stderr
    assert "Traceback" not in done.stderr
    said: list[dict[str, Any]] = json.loads(done.stdout)["data"]["checks"]
    order = {"ok": 0, "warn": 1, "fail": 2}
    worst: dict[str, tuple[str, str]] = {}
    for one in sorted(said, key=lambda one: order[one["level"]]):
        worst[one["check"]] = (one["level"], one["message"])
        assert one["level"] == "ok" or one["advice"]
    return worst


def everything(path: Path) -> dict[str, tuple[str, int]]:
    """What lies in a folder, with digests and modes; SQLite's shared memory beside the file is nobody's content."""
    found = (one for one in path.rglob("*") if one.is_file() and not one.name.endswith(("-shm", "-wal")))
    return {str(one): (hashlib.sha256(one.read_bytes()).hexdigest(), one.stat().st_mode) for one in found}


def test_a_sound_project_is_in_order_and_nothing_was_changed(folder: Folder) -> None:
    project = folder.begin()
    project.create_task("Task")
    folder.close()
    (folder.path / ".arbeit").chmod(0o700)
    before = everything(folder.path)
    done = folder.run("doctor", "--deep")
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.endswith("Everything is in order.\n")
    assert everything(folder.path) == before
    said = checks(folder, "--deep")
    assert {level for level, _ in said.values()} == {"ok"}
    assert "2 events and" in said["log"][1]
    assert {"database", "schema", "file system", "permissions", "clock", "leases", "held tokens", "agent"} <= set(said)


def test_without_a_project_it_fails_and_says_how_to_begin(folder: Folder) -> None:
    said = checks(folder, code=1)
    assert said["database"][0] == "fail"
    assert "arbeit init" in folder.run("doctor").stdout


def test_a_damaged_page_is_found(folder: Folder) -> None:
    project = folder.begin()
    for number in range(200):
        project.create_task(f"Task {number}", description="x" * 500)
    folder.close()
    path = folder.path / ".arbeit" / "arbeit.db"
    content = bytearray(path.read_bytes())
    content[8192:40960] = os.urandom(32768)
    path.write_bytes(content)
    assert checks(folder, code=1)["database"][0] == "fail"


@pytest.mark.parametrize("content", [b"", b"not a database" * 100, b"SQLite format 3\0" + b"\0" * 4])
def test_what_is_no_database_of_ours_is_named(folder: Folder, content: bytes) -> None:
    (folder.path / ".arbeit").mkdir()
    path = folder.path / ".arbeit" / "arbeit.db"
    path.write_bytes(content)
    assert checks(folder, code=1)["database"][0] == "fail"
    assert path.read_bytes() == content


def test_an_edit_of_the_log_is_found_by_a_deep_look(folder: Folder) -> None:
    project = folder.begin()
    project.create_task("Task")
    folder.close()
    path = folder.path / ".arbeit" / "arbeit.db"
    with closing(sqlite3.connect(path)) as connection:
        [table] = [row[0] for row in connection.execute("SELECT name FROM sqlite_schema WHERE name = 'events'")]
        connection.execute(f"UPDATE {table} SET data = replace(data, 'Task', 'Tusk') WHERE position = 2")  # noqa: S608
        connection.commit()
    assert checks(folder)["log"][0] == "ok"
    assert checks(folder, "--deep", code=1)["log"][0] == "fail"


@pytest.mark.parametrize(("version", "level", "code"), [(99, "fail", 1), (1, "warn", 0)])
def test_another_schema_is_named_and_left_as_it_is(folder: Folder, version: int, level: str, code: int) -> None:
    folder.begin()
    folder.close()
    path = folder.path / ".arbeit" / "arbeit.db"
    with closing(sqlite3.connect(path)) as connection:
        connection.execute(f"PRAGMA user_version = {version}")
        connection.commit()
    assert checks(folder, code=code)["schema"][0] == level
    with closing(sqlite3.connect(path)) as connection:
        assert connection.execute("PRAGMA user_version").fetchone()[0] == version


def test_files_that_others_can_read_are_named(folder: Folder) -> None:
    project = folder.begin()
    project.create_task("Task")
    assert folder.run("claim").returncode == 0
    (folder.path / ".arbeit" / "arbeit.db").chmod(0o644)
    [token] = [*(folder.path / ".arbeit" / "held").rglob("*.json")]
    token.chmod(0o644)
    said = checks(folder, code=1)
    assert said["permissions"][0] == "warn"
    assert said["held tokens"][0] == "fail"


def test_tokens_of_leases_that_ended_are_counted(folder: Folder) -> None:
    project = folder.begin()
    task = project.create_task("Task")
    assert folder.run("claim").returncode == 0
    assert checks(folder)["held tokens"] == ("ok", "1 of live leases")
    project.register_agent("boss", persona="supervisor")
    project.as_("boss").release_task(task.id)
    assert checks(folder)["held tokens"] == ("warn", "1 of 1 are of leases that have ended")


def test_work_in_a_paused_queue_is_noticed_and_so_is_a_name_that_nobody_chose(folder: Folder) -> None:
    project = folder.begin()
    project.create_task("Task", queue="slow")
    project.set_queue("slow", paused=True)
    done = folder.run("doctor", "--json", environment={"ARBEIT_AGENT": ""})
    said = {one["check"]: one for one in json.loads(done.stdout)["data"]["checks"]}
    assert said["queues"]["advice"] == "arbeit queues resume slow"
    assert said["agent"]["level"] == "warn"


def test_what_was_set_up_for_agents_is_looked_at(folder: Folder) -> None:
    folder.begin()
    bare = {"PATH": "/usr/bin:/bin"}
    assert folder.run("setup", "claude-code", "--mcp", "--yes").returncode == 0
    done = folder.run("doctor", "--json", environment=bare)
    said = {one["check"]: one for one in json.loads(done.stdout)["data"]["checks"]}
    assert said["Claude Code"]["level"] == "warn"
    assert "arbeit-mcp" in said["Claude Code"]["message"]
    (folder.path / ".mcp.json").write_text("{ not json")
    assert checks(folder, code=1)["Claude Code"][0] == "fail"


@pytest.mark.parametrize(
    ("version", "affected"),
    [
        ((3, 6, 23), False),
        ((3, 7, 0), True),
        ((3, 40, 1), True),
        ((3, 44, 6), False),
        ((3, 50, 6), True),
        ((3, 50, 7), False),
        ((3, 51, 2), True),
        ((3, 51, 3), False),
    ],
)
def test_versions_of_sqlite_that_can_lose_a_commit_are_named(version: tuple[int, int, int], affected: bool) -> None:
    assert ("WAL-reset" in storage.library(version).said) == affected


def test_the_innermost_mount_counts_and_names_with_spaces_are_read(tmp_path: Path) -> None:
    mounts = tmp_path / "mounts"
    inner = tmp_path / "a b"
    escaped = str(inner).replace(" ", "\\040")
    mounts.write_text(f"/dev/x / ext4 rw 0 0\nserver:/y {escaped} nfs4 rw 0 0\ntmp {tmp_path}/a tmpfs rw 0 0\n")
    assert storage.file_system(inner / "arbeit.db", mounts) == (str(inner), "nfs4")
    assert storage.file_system(tmp_path / "other", mounts) == ("/", "ext4")
    assert storage.file_system(inner, tmp_path / "none") is None
