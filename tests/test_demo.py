"""The demo as its reader runs it: a process that is asked for a plan, killed, interrupted and misused."""

from __future__ import annotations

import io
import json
import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import anyio
import pytest

import arbeit
from arbeit import Lease
from arbeit.exchange.plan import read_plan
from examples.demo.ledger import Ledger
from examples.demo.plan import load, pace, roster, take_over
from examples.demo.show import Log, Paper, Screen, View

ROOT = Path(__file__).resolve().parents[1]
COMMAND = [sys.executable, "-m", "examples.demo", "--plain"]
SAMPLE = ROOT / "examples" / "plans" / "webshop.json"
CHAIN: list[dict[str, Any]] = [{"id": "a", "title": "First"}, {"id": "b", "title": "Second", "blocked_by": ["a"]}]

posix = pytest.mark.skipif(sys.platform == "win32", reason="the demo kills and stops processes by signals")


def demo(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
    command = [*COMMAND, *map(str, arguments)]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=120, check=False)


@contextmanager
def running(*arguments: str | Path) -> Iterator[subprocess.Popen[str]]:
    command = [*COMMAND, *map(str, arguments)]
    process = subprocess.Popen(
        command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True
    )
    with process:
        try:
            yield process
        finally:
            process.kill()


def line_with(process: subprocess.Popen[str], text: str) -> str:
    assert process.stdout is not None
    return next(line for line in process.stdout if text in line)


def plan_of(path: Path, tasks: list[dict[str, Any]]) -> Path:
    path.write_text(json.dumps({"arbeit": 1, "kind": "plan", "name": "Small", "tasks": tasks}))
    return path


def is_gone(pid: int) -> bool:
    stat = Path(f"/proc/{pid}/stat")
    try:
        # An orphan that nobody has reaped yet has ended too.
        return stat.read_text().rpartition(") ")[2].startswith("Z")
    except OSError:
        return True


# --- whole runs ---------------------------------------------------------------------------------------------


@posix
@pytest.mark.timeout(150)
def test_a_killed_agent_loses_nothing() -> None:
    ran = demo("--plan", SAMPLE)
    log = ran.stdout
    assert ran.returncode == 0, log + ran.stderr
    assert ran.stderr == ""
    assert "\x1b" not in log
    assert "14 tasks and 25 relationships came in" in log
    killed = re.search(r"conductor +kills (\S+) in the middle of (\S+) \(SIGKILL, process \d+\)", log)
    assert killed is not None
    agent, task = killed.groups()
    reclaimed = log.find(f"reclaims {task} from {agent}")
    again = log.find(f"claims {task}: attempt 2, after {agent}")
    assert killed.start() < reclaimed < again < log.find(f"completes {task}", again)
    assert f"{task}, attempt 1: {agent} was killed" in log
    assert re.search(r"^Log: \d+ events, verified$", log, re.MULTILINE)
    assert re.search(r"^Head: [0-9a-f]{64}$", log, re.MULTILINE)
    assert "All 14 tasks completed in" in log


@posix
@pytest.mark.timeout(150)
def test_an_agent_that_comes_back_too_late_is_refused() -> None:
    log = demo("--plan", SAMPLE, "--agents", "2", "--seed", "5").stdout
    frozen = re.search(r"conductor +freezes (\S+) in the middle of (\S+) \(SIGSTOP", log)
    assert frozen is not None, log
    agent, task = frozen.groups()
    assert re.search(rf"{agent} +is refused \(LEASE_LOST\): {task} is no longer its own", log), log


@posix
@pytest.mark.timeout(150)
def test_a_finished_plan_is_done_again_in_a_file_that_stays(tmp_path: Path) -> None:
    tasks = [{"id": number, "title": f"Task {number}", "status": "done"} for number in (1, 2)]
    plan, db = tmp_path / "tasks.json", tmp_path / "kept here.db"
    plan.write_text(json.dumps({"master": {"tasks": tasks}}))
    ran = demo("--plan", plan, "--db", db, "--agents", "2")
    assert ran.returncode == 0, ran.stdout + ran.stderr
    assert "All tasks of this plan were finished already: they are taken as open" in ran.stdout
    assert db.stat().st_size > 0


@posix
@pytest.mark.timeout(150)
def test_the_same_demo_runs_on_postgres_and_redis(tmp_path: Path) -> None:
    with running("--backend", "postgres", "--plan", plan_of(tmp_path / "plan.json", CHAIN)) as process:
        ports = re.findall(r"port (\d+)", line_with(process, "Database: "))
        out, err = process.communicate(timeout=120)
    assert process.returncode == 0, out + err
    assert "All 2 tasks completed" in out
    assert "events, verified" in out
    assert err == ""
    assert len(ports) == 2
    for port in ports:
        with pytest.raises(ConnectionRefusedError):
            socket.create_connection(("127.0.0.1", int(port)), timeout=5)


@posix
def test_an_interrupt_leaves_nothing_behind(tmp_path: Path) -> None:
    with running("--plan", plan_of(tmp_path / "plan.json", CHAIN)) as process:
        folder = Path(re.split(r": | \(", line_with(process, "Database: "))[1]).parent
        assert folder.is_dir()
        frozen = int(re.findall(r"process (\d+)", line_with(process, "(SIGKILL"))[0])
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=30)
    assert process.returncode == 130, out + err
    assert err == "demo: stopped; none of its processes is left\n"
    assert not folder.exists()
    assert is_gone(frozen)


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="looks into /proc")
def test_agents_end_with_their_conductor_even_if_stopped(tmp_path: Path) -> None:
    with running("--db", tmp_path / "demo.db", "--agents", "2") as process:
        started = int(re.findall(r"process (\d+)", line_with(process, "anew"))[0])
        frozen = int(re.findall(r"process (\d+)", line_with(process, "SIGSTOP"))[0])
        assert not is_gone(started)
        process.send_signal(signal.SIGKILL)
    until = time.monotonic() + 15
    while not (is_gone(started) and is_gone(frozen)):
        assert time.monotonic() < until
        time.sleep(0.05)


# --- bad input ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--plan", "nowhere.json"], "cannot read nowhere.json: No such file or directory"),
        (["--plan", "{empty}"], "it has no tasks"),
        (["--plan", "{cancelled}"], "all of its tasks (1) are cancelled"),
        (["--plan", "{faulty}"], "none could be taken, the first because tasks[0] title is missing"),
        (["--plan", "{text}"], "is not JSON"),
        (["--agents", "0"], "a team has 1 to 16 agents, not 0"),
        (["--agents", "two"], "a team has 1 to 16 agents, not two"),
        (["--db", "{text}"], "is not a SQLite database"),
        (["--unknown"], "unrecognized arguments: --unknown"),
    ],
)
def test_bad_input_is_one_line_and_exit_code_2(tmp_path: Path, arguments: list[str], said: str) -> None:
    files = {
        "empty": plan_of(tmp_path / "empty.json", []),
        "cancelled": plan_of(tmp_path / "cancelled.json", [{"id": "a", "title": "A", "status": "cancelled"}]),
        "faulty": plan_of(tmp_path / "faulty.json", [{"id": "a"}]),
        "text": tmp_path / "text",
    }
    files["text"].write_text("neither a plan nor a database\n" * 100)
    ran = demo(*(argument.format(**files) for argument in arguments))
    assert ran.returncode == 2
    assert ran.stdout == ""
    assert said in ran.stderr
    assert ran.stderr.startswith("demo: ")
    assert ran.stderr.count("\n") == 1


# --- the parts ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("count", range(1, 17))
def test_a_team_has_every_capability_twice_where_it_can(count: int) -> None:
    needs = [task.requires for task in read_plan(SAMPLE).tasks]
    team = roster(count, needs)
    assert len({member.name for member in team}) == count
    for need in needs:
        able = [member for member in team if set(need) <= set(member.capabilities)]
        assert len(able) >= min(2, count)


@pytest.mark.parametrize(("tasks", "agents"), [(1, 4), (14, 1), (43, 4), (400, 16)])
def test_the_pace_fits_the_time(tmp_path: Path, tasks: int, agents: int) -> None:
    plan, _ = load(plan_of(tmp_path / "plan.json", [{"id": f"t{n}", "title": "T"} for n in range(tasks)]))
    assert pace(plan, agents) * tasks / agents < 30


async def _at_work(*views: View) -> tuple[Ledger, Lease]:
    async with arbeit.open("memory://", actor="conductor") as hub:
        project = await hub.project("demo", create=True)
        plan, _ = load(SAMPLE)
        await take_over(project, plan)
        await project.register_agent("planner", persona="planner", capabilities={"plan", "python"})
        first, second = await project.claim_many("planner", n=2, ttl=2)
        metadata = {"act": "frozen", "agent": "planner", "run_id": second.run.id}
        await project.add_context(second.task.id, "freezes planner", metadata=metadata)
        await first.decide("Draw it once\nand for all\x1b[31m" + " and on" * 30)
        await first.complete("Drawn", evidence=["seen"])
        ledger = Ledger()
        for event in await project.history(limit=1000):
            ledger.apply(event)
            for view in views:
                view.event(event, ledger)
        return ledger, second.lease


@pytest.mark.parametrize(("width", "height"), [(80, 24), (120, 40)])
def test_a_screen_keeps_to_its_size(width: int, height: int) -> None:
    console = Paper(file=io.StringIO(), color_system=None, width=width, height=height)
    screen = Screen(console, "A plan with a name that is longer than any screen is wide" * 3)
    ledger, lease = anyio.run(_at_work, screen)
    with console.capture() as captured:
        console.print(screen.frame(ledger, (lease,)))
    frame = captured.get().splitlines()
    assert len(frame) < height
    assert max(map(len, frame)) == width
    assert any(line.startswith("planner  FROZEN over payment-provider") for line in frame)
    assert "10 waiting   2 ready   1 held   1 of 14 done" in map(str.rstrip, frame)


def test_a_log_has_one_line_per_event_and_no_escapes() -> None:
    written = io.StringIO()
    anyio.run(_at_work, Log(Paper(file=written, color_system=None, width=80)))
    lines = [line.split("s  ", 1)[1] for line in written.getvalue().splitlines()]
    assert lines[:2] == [
        "planner        joins the team, able to do plan, python",
        "planner        claims plan-flow: Draw the way from cart to receipt",
    ]
    assert lines[3] == "conductor      freezes planner"
    assert lines[4].startswith("planner        decision on plan-flow: Draw it once and for all [31m and on")
    assert lines[5].startswith("planner        completes plan-flow after 0.")
    assert len(lines) == 6
