"""`arbeit work` runs a command for a claimed task, and ends the task by what came of it."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

import arbeit
from arbeit.sync import Project

if TYPE_CHECKING:
    from adapters.cli.tests.larger.conftest import Folder


def status(project: Project, task_id: str) -> tuple[str, int]:
    task = project.get(task_id).task
    return task.status, task.attempt


def entries(project: Project, task_id: str, kind: str) -> list[arbeit.ContextEntry]:
    found = project.get(task_id, include=("context",)).context or ()
    return [entry for entry in found if entry.type == kind]


def alive(process_id: int) -> bool:
    """Whether a process is there and no zombie."""
    try:
        said = Path(f"/proc/{process_id}/stat").read_text()
    except FileNotFoundError:
        return False
    return said.rpartition(")")[2].split()[0] != "Z"


def supervisor(project: Project) -> Project:
    project.register_agent("boss", persona="supervisor")
    return project.as_("boss")


def test_exit_code_0_completes_the_task_with_the_command_as_evidence_and_its_output_as_outcome(folder: Folder) -> None:
    project = folder.begin()
    task = project.create_task("Say hello")
    done = folder.run("work", "--", "sh", "-c", "echo 41 passed; echo noise >&2")
    assert (done.returncode, done.stdout) == (0, "41 passed\n")
    assert "noise\n" in done.stderr
    assert status(project, task.id) == ("completed", 1)
    [outcome] = entries(project, task.id, "outcome")
    assert outcome.content == "41 passed"
    assert outcome.evidence == ("sh -c 'echo 41 passed; echo noise >&2' -> exit 0",)


def test_the_command_finds_the_task_in_its_environment_and_on_its_input_but_no_token(folder: Folder) -> None:
    project = folder.begin()
    task = project.create_task("Read me", intent="Because it is there")
    script = (
        "cat > brief; env > environment; cat .arbeit/held/*/*/*.json > held; "
        "tr '\\0' ' ' < /proc/$PPID/cmdline > parent"
    )
    assert folder.run("work", "--", "sh", "-c", script).returncode == 0
    environment = dict(line.partition("=")[::2] for line in (folder.path / "environment").read_text().splitlines())
    run = project.runs(task_id=task.id).items[0]
    wanted = {
        "ARBEIT_TASK_ID": task.id,
        "ARBEIT_TASK_TITLE": "Read me",
        "ARBEIT_TASK_ATTEMPT": "1",
        "ARBEIT_RUN_ID": run.id,
        "ARBEIT_PROJECT": "demo",
        "ARBEIT_DB": folder.url,
        "ARBEIT_AGENT": "impl-1",
    }
    assert {name: environment.get(name) for name in wanted} == wanted
    brief = (folder.path / "brief").read_text()
    assert brief.startswith("# Read me\n")
    assert "Because it is there" in brief
    token = json.loads((folder.path / "held").read_text())["token"]
    assert len(token) > 20
    assert token not in (folder.path / "environment").read_text() + (folder.path / "parent").read_text() + brief
    assert list((folder.path / ".arbeit" / "held").rglob("*.json")) == []


def test_a_note_from_inside_needs_no_id_though_its_author_holds_another_task(folder: Folder) -> None:
    project = folder.begin()
    kept = project.create_task("Held before")
    assert folder.run("claim").returncode == 0
    task = project.create_task("Worked on")
    assert folder.run("work", "--", sys.executable, "-m", "arbeit_cli", "note", "From inside").returncode == 0
    assert [one.content for one in entries(project, task.id, "note")] == ["From inside"]
    assert entries(project, kept.id, "note") == []
    assert folder.run("note", "From outside").returncode == 0, "one is held again"
    assert [one.content for one in entries(project, kept.id, "note")] == ["From outside"]


def test_any_other_exit_code_fails_the_attempt_with_the_end_of_its_errors(folder: Folder) -> None:
    project = folder.begin()
    task = project.create_task("Break")
    done = folder.run("work", "--json", "--", "sh", "-c", "echo fine; echo boom >&2; exit 3")
    assert done.returncode == 1
    said = json.loads(done.stdout)
    assert said["data"]["tasks"] == [{"task_id": task.id, "ended": "failed", "exit_code": 3, "why": "exit 3"}]
    assert "fine\nboom\n" in done.stderr
    assert status(project, task.id) == ("open", 1)
    run = project.runs(task_id=task.id).items[0]
    assert run.result == "failed"
    assert [one.content for one in entries(project, task.id, "attempt")] == [
        "sh -c 'echo fine; echo boom >&2; exit 3' -> exit 3\n\nboom"
    ]


def test_a_megabyte_of_output_on_both_streams_arrives_whole_and_its_end_is_kept(folder: Folder) -> None:
    project = folder.begin()
    task = project.create_task("Talk", description="x" * 60_000)
    script = (
        "yes 0123456789abcde | head -n 65536; yes fedcba987654321 | head -n 65536 >&2; "
        "printf '\\033[31mlast\\033[0m\\n'"
    )
    done = folder.run("work", "--", "sh", "-c", script)
    assert done.returncode == 0
    assert done.stdout.count("0123456789abcde\n") == 65536
    assert done.stderr.count("fedcba987654321\n") == 65536
    [outcome] = entries(project, task.id, "outcome")
    assert len(outcome.content) <= 2_010
    assert outcome.content.endswith("0123456789abcde\nlast")


def test_a_loop_goes_on_with_the_retry_of_what_failed(folder: Folder) -> None:
    project = folder.begin()  # a first retry backs off for a second at most
    flaky = project.create_task("Flaky")
    script = "test -e tried || { touch tried; exit 1; }"
    done = folder.run("work", "--loop", "--json", "--", "sh", "-c", script)
    assert [one["ended"] for one in json.loads(done.stdout)["data"]["tasks"]] == ["failed", "completed"]
    assert status(project, flaky.id) == ("completed", 2)


def test_a_loop_takes_what_is_ready_in_a_moment_and_announces_what_is_ready_later(folder: Folder) -> None:
    project = folder.begin()
    now = time.time()
    # The first comes while the loop waits for it: a process has started within these seconds.
    soon, late = (project.create_task(f"In {more} s", ready_at=round((now + more) * 1_000_000)) for more in (2.5, 1000))
    done = folder.run("work", "--loop", "--json", "--", "true")
    data = json.loads(done.stdout)["data"]
    assert [one["task_id"] for one in data["tasks"]] == [soon.id]
    assert data["next_ready_at"] == arbeit.rfc3339(late.ready_at)
    assert folder.run("work", "--wait", "0", "--", "true").returncode == 5


def test_nothing_ready_is_exit_code_5_and_waiting_takes_what_comes(folder: Folder) -> None:
    project = folder.begin()
    assert folder.run("work", "--", "true").returncode == 5
    ready = folder.fifo("ready")
    waiting = folder.start("work", "--wait", "30", "--", "sh", "-c", "echo $ARBEIT_TASK_TITLE > ready")
    project.create_task("Late")
    assert ready.read_text() == "Late\n"
    assert waiting.wait(30) == 0
    waiting.communicate()


def test_a_program_that_is_not_there_claims_nothing(folder: Folder) -> None:
    project = folder.begin()
    task = project.create_task("Stay")
    done = folder.run("work", "--", "no-such-program")
    assert (done.returncode, "Nothing was claimed" in done.stderr) == (2, True)
    assert status(project, task.id) == ("open", 0)


def test_a_program_that_cannot_be_started_gives_the_task_back(folder: Folder) -> None:
    project = folder.begin()
    task = project.create_task("Stay")
    program = folder.path / "broken"
    program.write_text("#!/no/such/interpreter\n")
    program.chmod(0o755)
    done = folder.run("work", "--loop", "--", str(program))
    assert (done.returncode, "could not be started" in done.stderr) == (1, True)
    assert status(project, task.id) == ("open", 0)


def test_two_workers_in_a_loop_do_every_task_once(folder: Folder) -> None:
    project = folder.begin()
    wanted = sorted(project.create_task(f"Task {number}").id for number in range(5))
    workers = [
        folder.start(
            "work", "--loop", "--", "sh", "-c", "echo $ARBEIT_TASK_ID >> done", environment={"ARBEIT_AGENT": name}
        )
        for name in ("a", "b")
    ]
    ends = [(worker.communicate(timeout=60), worker.returncode)[1] for worker in workers]
    assert set(ends) <= {0, 5}
    assert 0 in ends
    assert sorted((folder.path / "done").read_text().split()) == wanted
    assert {status(project, task_id) for task_id in wanted} == {("completed", 1)}
    assert project.verify().ok


def test_a_killed_worker_takes_its_command_along_and_its_task_comes_back_after_the_lease(folder: Folder) -> None:
    project = folder.begin()
    task = project.create_task("Survive")
    ready = folder.fifo("ready")
    worker = folder.start("work", "--ttl", "2", "--", "sh", "-c", "echo $$ > ready; exec sleep 60")
    command = int(ready.read_text())
    worker.send_signal(signal.SIGKILL)
    worker.communicate(timeout=20)
    work = project.claim("heir", wait=20)
    assert work is not None
    with work:
        assert (work.task.id, work.task.attempt) == (task.id, 2)
        assert not alive(command)
        work.release()
    assert [run.result for run in project.runs(task_id=task.id).items] == ["released", "expired"]


def test_a_lease_that_was_taken_away_stops_the_command(folder: Folder) -> None:
    project = folder.begin()
    task = project.create_task("Let go")
    ready = folder.fifo("ready")
    script = "trap 'echo stopped > told; exit 0' TERM; echo > ready; while :; do sleep 0.05; done"
    worker = folder.start("work", "--", "sh", "-c", script)  # for half an hour
    ready.read_text()
    supervisor(project).release_task(task.id, "I need it")
    out, err = worker.communicate(timeout=30)
    assert (worker.returncode, out) == (4, "")
    assert "somebody else's" in err
    assert (folder.path / "told").read_text() == "stopped\n"
    assert status(project, task.id) == ("open", 0)


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_an_interrupted_worker_passes_the_signal_on_and_releases_without_counting_an_attempt(
    folder: Folder, number: signal.Signals, code: int
) -> None:
    project = folder.begin()
    task = project.create_task("Stop")
    ready = folder.fifo("ready")
    name = number.name.removeprefix("SIG")
    script = f"trap 'echo {name} > told; exit 0' {name}; echo > ready; while :; do sleep 0.05; done"
    worker = folder.start("work", "--loop", "--", "sh", "-c", script)
    ready.read_text()
    worker.send_signal(number)
    worker.communicate(timeout=30)
    assert worker.returncode == code
    assert (folder.path / "told").read_text() == f"{name}\n"
    assert status(project, task.id) == ("open", 0)
    assert [run.result for run in project.runs(task_id=task.id).items] == ["released"]


def test_a_command_that_will_not_stop_is_killed_with_all_it_started(folder: Folder) -> None:
    project = folder.begin()
    project.create_task("Resist")
    ready = folder.fifo("ready")
    forever = "while :; do sleep 0.05; done"
    script = f"trap '' TERM; sh -c 'trap \"\" TERM; echo $$ > ready; {forever}' & {forever}"
    worker = folder.start("work", "--grace", "0.3", "--", "sh", "-c", script)
    grandchild = int(ready.read_text())
    worker.terminate()
    worker.communicate(timeout=30)
    assert worker.returncode == 143
    assert not alive(grandchild)


def test_a_worker_that_is_asked_for_its_task_stops_the_command_and_gives_the_task_back(folder: Folder) -> None:
    project = folder.begin()
    task = project.create_task("Yield")
    ready = folder.fifo("ready")
    script = "trap 'echo stopped > told; exit 0' TERM; echo > ready; while :; do sleep 0.05; done"
    worker = folder.start("work", "--ttl", "1.5", "--", "sh", "-c", script)
    ready.read_text()
    supervisor(project).preempt_task(task.id, "urgent")
    _, err = worker.communicate(timeout=30)
    assert worker.returncode == 1
    assert "more important work waited" in err
    assert (folder.path / "told").exists()
    assert status(project, task.id) == ("open", 0)


def test_a_completion_that_is_refused_is_shown_the_task_is_released_and_the_loop_ends(folder: Folder) -> None:
    project = folder.begin(completion="checklist")
    task = project.create_task("Tick")
    project.add_progress(task.id, ["not done yet"])
    done = folder.run("work", "--loop", "--", "true", timeout=30)
    assert done.returncode == 1
    assert "(EVIDENCE_REQUIRED)" in done.stderr
    assert status(project, task.id) == ("open", 0)
    assert len(project.runs(task_id=task.id).items) == 1


@pytest.mark.parametrize(("script", "code", "then"), [("true", 0, "completed"), ("echo line 40; false", 1, "open")])
def test_a_review_is_approved_by_exit_code_0_and_sent_back_by_any_other(
    folder: Folder, script: str, code: int, then: str
) -> None:
    project = folder.begin(review="required")
    task = project.create_task("Look twice")
    work = project.claim("author")
    assert work is not None
    with work:
        work.complete("Done", evidence=["seen"])
    done = folder.run("work", "--json", "-c", "review", "--", "sh", "-c", script)
    assert done.returncode == code, done.stderr
    ended = {"completed": "approved", "open": "changes_requested"}[then]
    assert [one["ended"] for one in json.loads(done.stdout)["data"]["tasks"]] == [ended]
    assert status(project, task.id)[0] == then
    found = project.get(task.id, include=("recent_events",)).recent_events or ()
    assert any("line 40" in event.data for event in found) == (then == "open")


def test_two_workers_of_one_name_hold_two_tasks_and_their_commands_write_for_their_own(folder: Folder) -> None:
    project = folder.begin()
    wanted = {project.create_task(f"Task {number}").id for number in range(2)}
    ready, go = ({one: folder.fifo(f"{name}-{one}") for one in wanted} for name in ("ready", "go"))
    note = f'"{sys.executable}" -m arbeit_cli note "$ARBEIT_TASK_ID" "mine is $ARBEIT_TASK_ID"'
    script = f"echo > ready-$ARBEIT_TASK_ID; read x < go-$ARBEIT_TASK_ID; {note}"
    workers = [folder.start("work", "--", "sh", "-c", script) for _ in range(2)]
    for one in wanted:
        ready[one].read_text()
    for one in wanted:
        go[one].write_text("go\n")
    assert [(worker.communicate(timeout=60), worker.returncode)[1] for worker in workers] == [0, 0]
    for task_id in wanted:
        assert [note.content for note in entries(project, task_id, "note")] == [f"mine is {task_id}"]


def test_what_the_command_did_to_its_task_through_the_command_line_stands(folder: Folder) -> None:
    project = folder.begin()
    task = project.create_task("Finish myself")
    arbeit_itself = f'"{sys.executable}" -m arbeit_cli'
    script = f'{arbeit_itself} note -m "on it" && {arbeit_itself} done -m "my own words" -e "my own proof"; exit 7'
    done = folder.run("work", "--json", "--", "sh", "-c", script)
    assert done.returncode == 0, done.stderr
    assert [one["ended"] for one in json.loads(done.stdout)["data"]["tasks"]] == ["stands"]
    [outcome] = entries(project, task.id, "outcome")
    assert (outcome.content, outcome.evidence) == ("my own words", ("my own proof",))
    assert [note.content for note in entries(project, task.id, "note")] == ["on it"]


def test_a_reader_that_goes_away_does_not_stop_the_command(folder: Folder) -> None:
    project = folder.begin()
    task = project.create_task("Go on")
    worker = folder.start("work", "--", "sh", "-c", "yes | head -n 200000; echo end")
    assert worker.stdout is not None
    worker.stdout.close()
    assert worker.wait(60) in {0, 141}
    assert worker.stderr is not None
    worker.stderr.close()
    assert status(project, task.id) == ("completed", 1)


def test_a_signal_while_it_waits_for_work_ends_it_at_once(folder: Folder) -> None:
    folder.begin()
    worker = folder.start("work", "--wait", "60", "--", "true")
    held = folder.path / ".arbeit" / "arbeit.db.lock"
    while not held.exists():  # made as it opens the database
        assert worker.poll() is None
    worker.send_signal(signal.SIGTERM)
    try:
        worker.communicate(timeout=20)
    except subprocess.TimeoutExpired:
        worker.kill()
        raise
    assert worker.returncode in {143, -signal.SIGTERM}
