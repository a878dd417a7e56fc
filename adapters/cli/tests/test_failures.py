"""When the machine, the file or the other end of a pipe fails: a clear error, never a traceback, and nothing lost."""

from __future__ import annotations

import json
import os
import resource
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

import pytest

import arbeit.sync
from adapters.cli.tests.conftest import CLEAN, Add, Answer, Say, process
from arbeit_cli.__main__ import main
from arbeit_cli.failing import exit_code


def tasks(place: Path) -> list[str]:
    done = process("list", "--all", "-s", "any", "--sort", "created", "--json", cwd=place)
    assert done.returncode == 0, done.stderr
    return [one["title"] for one in json.loads(done.stdout)["data"]["tasks"]]


def refused(done: subprocess.CompletedProcess[bytes], *codes: str) -> str:
    """That a process was refused with one of some codes, in JSON alone on standard error; its message."""
    assert b"Traceback" not in done.stderr
    error = json.loads(done.stderr)["error"]
    assert error["code"] in codes, error
    assert done.returncode == exit_code(error["code"])
    assert error["suggestions"]
    return str(error["message"])


@pytest.fixture
def place(tmp_path: Path) -> Path:
    assert process("init", "web", "--completion", "none", cwd=tmp_path).returncode == 0
    with arbeit.sync.open(f"sqlite:///{tmp_path}/.arbeit/arbeit.db") as hub:
        project = hub.project("web")
        for number in range(20):
            project.create_task(f"task {number}")
    return tmp_path


@pytest.mark.parametrize(
    ("code", "expected"),
    [
        ("INVALID_INPUT", 2), ("INVALID_STATUS", 2), ("INVALID_TYPE", 2),
        ("TASK_NOT_FOUND", 3), ("PROJECT_NOT_FOUND", 3), ("ARTIFACT_NOT_FOUND", 3), ("NOT_INITIALIZED", 3),
        ("LEASE_LOST", 4), ("ALREADY_CLAIMED", 4), ("VERSION_CONFLICT", 4), ("NOT_READY", 4),
        ("FORBIDDEN", 1), ("INTERNAL", 1), ("EVIDENCE_REQUIRED", 1), ("STORE_UNAVAILABLE", 1), ("OVERLOADED", 1),
        ("ALREADY_INITIALIZED", 1), ("INVALID_TRANSITION", 1), ("IDEMPOTENCY_MISMATCH", 1),
    ],
)  # fmt: skip
def test_an_exit_code_follows_from_the_code_of_the_error(code: str, expected: int) -> None:
    assert exit_code(code) == expected


# -- files -------------------------------------------------------------------------------------------------------


def garble(file: Path) -> None:
    body = bytearray(file.read_bytes())
    body[0:100] = b"not a database, but something else entirely" + b"\0" * 57
    file.write_bytes(body)


def truncate(file: Path) -> None:
    os.truncate(file, file.stat().st_size // 2)


def empty(file: Path) -> None:
    os.truncate(file, 0)


def scramble(file: Path) -> None:
    body = bytearray(file.read_bytes())
    for at in range(4096, len(body), 97):
        body[at] ^= 0xA5
    file.write_bytes(body)


@pytest.mark.parametrize(
    ("damage", "code"),
    [
        (garble, "INVALID_INPUT"),
        (truncate, "STORE_UNAVAILABLE"),
        (scramble, "STORE_UNAVAILABLE"),
        (empty, "PROJECT_NOT_FOUND"),
    ],
    ids=lambda one: getattr(one, "__name__", ""),
)
@pytest.mark.parametrize("words", [["list"], ["add", "more"], ["claim"], ["verify"]], ids=lambda words: words[0])
def test_a_damaged_database_is_an_error_and_is_left_as_it_is(
    damage: Callable[[Path], None], code: str, words: list[str], place: Path
) -> None:
    file = place / ".arbeit" / "arbeit.db"
    for journal in (place / ".arbeit").glob("arbeit.db-*"):
        journal.unlink()
    damage(file)
    before = file.read_bytes()
    message = refused(process(*words, "--json", cwd=place), code)
    assert message
    assert file.read_bytes() == before or damage is empty


def test_a_folder_in_the_place_of_the_database_is_named(place: Path) -> None:
    file = place / ".arbeit" / "arbeit.db"
    file.unlink()
    file.mkdir()
    assert refused(process("list", "--json", cwd=place), "NOT_INITIALIZED")
    assert refused(process("list", "--db", file, "--json", cwd=place), "NOT_INITIALIZED", "STORE_UNAVAILABLE")
    assert file.is_dir(), "nothing is put in its place"


def test_a_text_file_is_no_database(tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("milk, eggs\n" * 100)
    refused(process("--db", "notes.txt", "list", "--json", cwd=tmp_path), "INVALID_INPUT")
    refused(process("--db", "notes.txt", "init", "--json", cwd=tmp_path), "INVALID_INPUT")
    assert (tmp_path / "notes.txt").read_text() == "milk, eggs\n" * 100


def as_nobody(say: Say, place: Path, *words: str) -> Answer:
    """Run a command line as a user who may read a folder, and write nothing in it."""
    # Everything is loaded first: another user may not be able to read this interpreter's modules.
    say(*words, "--db", "memory://", "--json")
    read, write = os.pipe()
    child = os.fork()
    if not child:
        os.close(read)
        os.setgroups([])
        os.setgid(65534)
        os.setuid(65534)
        os.chdir(place)
        for stream in (1, 2):
            os.dup2(write, stream)
        sys.stdout, sys.stderr = os.fdopen(1, "w"), os.fdopen(2, "w")
        code = main([*words, "--json"])
        sys.stdout.flush()
        os._exit(code)
    os.close(write)
    with os.fdopen(read) as answer:
        err = answer.read()
    return Answer(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), "", err)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can be somebody else")
@pytest.mark.parametrize(
    "words", [["add", "more"], ["claim"], ["list"], ["init", "--here"]], ids=lambda words: words[0]
)
def test_what_may_not_be_written_is_refused_and_stays_as_it_is(words: list[str], say: Say, folder: Path) -> None:
    assert folder.is_dir()
    place = Path(tempfile.mkdtemp(prefix="arbeit-cli-"))
    try:
        assert process("init", "web", "--completion", "none", cwd=place).returncode == 0
        assert process("add", "Sweep", cwd=place).returncode == 0
        closed = place / "closed"
        closed.mkdir()
        for one in (place, closed, place / ".arbeit"):
            one.chmod(0o755)
        before = tasks(place)
        answer = as_nobody(say, closed if words[0] == "init" else place, *words)
        assert (answer.code, answer.error["code"]) == (1, "STORE_UNAVAILABLE")
        assert tasks(place) == before
        assert list(closed.iterdir()) == []
    finally:
        shutil.rmtree(place)


def test_a_claim_that_could_not_be_kept_is_not_made(place: Path) -> None:
    shutil.rmtree(place / ".arbeit" / "held", ignore_errors=True)
    (place / ".arbeit" / "held").write_text("in the way")
    refused(process("claim", "--json", cwd=place), "STORE_UNAVAILABLE")
    done = process("list", "-s", "in_progress", "--json", cwd=place)
    assert json.loads(done.stdout)["data"]["tasks"] == []
    events = json.loads(process("events", "--all", "--type", "task_claimed", "--json", cwd=place).stdout)
    assert events["data"]["events"] == [], "nothing was granted, not even to be given back"
    (place / ".arbeit" / "held").unlink()
    assert process("claim", cwd=place).returncode == 0


def limited(size: int) -> Callable[[], None]:
    """In a child: no file may grow beyond so many bytes, as on a disk that is full."""

    def limit() -> None:
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (size, size))

    return limit


def test_a_full_disk_is_an_error_and_nothing_that_was_said_is_lost(place: Path) -> None:
    before = tasks(place)
    # Room enough to open the file, and too little for its journal to take the text.
    done = process("add", "big", "-d", "-", "--json", cwd=place, stdin=b"word " * 12_000, preexec_fn=limited(40_960))
    refused(done, "STORE_UNAVAILABLE")
    assert tasks(place) == before
    assert json.loads(process("verify", "--json", cwd=place).stdout)["data"]["ok"] is True
    assert process("add", "small", cwd=place).returncode == 0
    assert tasks(place) == [*before, "small"]


def test_a_disk_without_room_for_a_token_grants_nothing(place: Path) -> None:
    done = process("claim", "--json", cwd=place, preexec_fn=limited(0))
    refused(done, "STORE_UNAVAILABLE")
    found = json.loads(process("list", "-s", "in_progress", "--json", cwd=place).stdout)
    assert found["data"]["tasks"] == []


# -- pipes, signals, defects -------------------------------------------------------------------------------------


def test_a_pipe_that_closes_early_is_no_error_to_anybody(place: Path) -> None:
    line = f'"{sys.executable}" -m arbeit_cli list --all | head -1; echo "${{PIPESTATUS[0]}}"'
    done = subprocess.run(["/bin/bash", "-c", line], cwd=place, env=CLEAN, capture_output=True, check=True, timeout=60)
    assert done.stderr == b""
    assert done.stdout.split(b"\n")[0].startswith(b"ID\t")
    child = subprocess.Popen(
        [sys.executable, "-m", "arbeit_cli", "list", "--json"], cwd=place, env=CLEAN, stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )  # fmt: skip
    assert child.stdout is not None
    assert child.stderr is not None
    child.stdout.close()
    assert child.stderr.read() == b""
    assert child.wait(timeout=60) == 141
    child.stderr.close()


def test_an_answer_that_cannot_be_written_is_not_taken_for_given(place: Path) -> None:
    if not Path("/dev/full").exists():
        pytest.skip("there is no /dev/full here")
    with Path("/dev/full").open("wb") as full:
        done = subprocess.run(
            [sys.executable, "-m", "arbeit_cli", "list"], cwd=place, env=CLEAN, stdout=full, stderr=subprocess.PIPE,
            check=False, timeout=60,
        )  # fmt: skip
    assert done.returncode == 1
    assert b"could not be written" in done.stderr
    assert b"Traceback" not in done.stderr


def test_a_defect_is_a_line_and_shows_where_it_is_when_asked(
    shop: Path, say: Say, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    assert shop.is_dir()

    def broken(*_: object) -> int:
        raise ZeroDivisionError("one over none")

    monkeypatch.setattr("arbeit_cli.commands.listing._list", broken)
    answer = say("list", "--json")
    assert (answer.code, answer.error["code"]) == (1, "INTERNAL")
    assert "one over none" in answer.error["message"]
    assert "ARBEIT_DEBUG=1" in answer.error["suggestions"][0]
    monkeypatch.setenv("ARBEIT_DEBUG", "1")
    with pytest.raises(AssertionError, match="Traceback"):
        say("list")
    capfd.readouterr()


@pytest.mark.parametrize(
    "words",
    [
        ["lst"],
        ["list", "--jsno"],
        ["list", "--limit", "x"],
        ["dep"],
        ["show", "a", "b"],
        ["add"],
        ["--bogus"],
        ["claim", "--db"],
    ],
)
def test_usage_errors_are_json_where_json_is_asked_for(words: list[str], say: Say) -> None:
    answer = say("--json", *words)
    assert (answer.code, answer.error["code"]) == (2, "INVALID_INPUT")
    plain = say(*words)
    assert plain.code == 2
    assert "usage: arbeit" in plain.err
    assert plain.out == ""


def test_a_word_that_looks_like_an_option_is_none_behind_two_hyphens(add: Add, say: Say) -> None:
    add("Sweep")
    answer = say("note", "nope", "--", "--json")
    assert answer.code == 3
    assert answer.err.startswith("error: ")


def test_help_and_version_need_no_project(folder: Path, say: Say) -> None:
    assert say("--help").out.startswith("usage: arbeit")
    assert say().out == say("--help").out
    assert say("--version").out.startswith("arbeit 0.")
    assert say("claim", "--help").out == say("help", "claim").out
    assert say("claim", "-h").code == 0
    assert list(folder.iterdir()) == []


def test_a_zombie_stays_fenced_when_its_task_was_taken_over(add: Add, say: Say) -> None:
    task = add("Sweep")
    assert say("claim", task, "--ttl", "1ms").code == 0
    # The lease has run out: the next claim takes it back and grants it anew.
    assert say("settings", "retry=at_once").code == 0
    heir = say("--as", "heir", "claim", "--wait", "30", "--json")
    assert heir.data["task"]["id"] == task
    for words in (
        ["done", task, "-m", "mine"], ["fail", task], ["release", task], ["renew", task], ["note", task, "mine"],
        ["check", task, "--add", "mine"], ["block", task, "-m", "mine"], ["cancel", task],
        ["usage", task, "--cost", "1"], ["handoff", task, "heir", "-m", "yours"], ["done", "-m", "mine"],
    ):  # fmt: skip
        lost = say(*words, "--json")
        assert (lost.code, lost.error["code"]) == (4, "LEASE_LOST"), words
    shown = say("show", task, "--json").data
    assert (shown["task"]["assignee"], shown["progress"]) == ("heir", [])
    assert "mine" not in [one["content"] for one in shown["context"]]
    assert say("--as", "heir", "done", "-m", "really").code == 0


def test_a_program_that_names_no_command_gets_an_error_in_json_and_people_get_the_overview(say: Say) -> None:
    asked = say("--json")
    assert (asked.code, asked.error["code"]) == (2, "INVALID_INPUT")
    assert "arbeit --help" in asked.error["suggestions"][0]
    for words in ([], ["--help"], ["--json", "--help"]):
        shown = say(*words)
        assert (shown.code, shown.out.startswith("usage: arbeit")) == (0, True)


def test_who_may_not_act_by_force_learns_how_one_becomes_a_supervisor(add: Add, say: Say) -> None:
    task = add("Sweep")
    assert say("--as", "bob", "claim", task).code == 0
    for words in (["release", task, "--force"], ["preempt", task, "-m", "urgent"]):
        refused = say(*words, "--json")
        assert (refused.code, refused.error["code"]) == (1, "FORBIDDEN"), words
        assert "arbeit agents set NAME --persona supervisor" in refused.error["suggestions"][0]


def test_a_task_that_another_session_of_the_same_name_holds_is_explained_in_commands(add: Add, say: Say) -> None:
    task = add("Sweep")
    assert say("claim", task).code == 0
    again = say("claim", task, "--json")
    assert (again.code, again.error["code"]) == (1, "ALREADY_WORKING")
    assert "arbeit held" in again.error["suggestions"][0]
    assert "lease token that your claim returned" not in again.err


def test_folders_and_devices_are_not_attached(add: Add, say: Say, shop: Path) -> None:
    add("Sweep")
    assert say("claim").code == 0
    (shop / "report").mkdir()
    folder = say("attach", "report", "--json")
    assert (folder.code, folder.error["message"]) == (2, "report is a folder")
    assert folder.error["suggestions"] == ["Attach an archive of it: tar -c report | arbeit attach - --name report.tar"]
    device = say("attach", "/dev/zero", "--json")
    assert (device.code, device.error["code"]) == (2, "INVALID_INPUT")
    assert "device" in device.error["message"]
