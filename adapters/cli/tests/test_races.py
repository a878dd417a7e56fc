"""Many shells on one file."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path

import pytest

from adapters.cli.tests.conftest import Start, process

SHELLS = 8


@pytest.fixture
def place(tmp_path: Path) -> Path:
    assert process("init", "web", "--completion", "none", cwd=tmp_path).returncode == 0
    return tmp_path


def fill(place: Path, tasks: int) -> None:
    import arbeit.sync

    with arbeit.sync.open(f"sqlite:///{place}/.arbeit/arbeit.db") as hub:
        project = hub.project("web")
        for number in range(tasks):
            project.create_task(f"task {number}")


def race(start: Start, place: Path, lines: list[tuple[str, list[str]]]) -> list[tuple[int, dict[str, object]]]:
    """Start all at once; the exit code and the envelope of each."""
    children = [start(*words, "--json", cwd=place, agent=agent) for agent, words in lines]
    found = []
    for child in children:
        out, err = child.communicate(timeout=120)
        assert b"Traceback" not in err
        assert bool(out) != bool(err), "one envelope, on one of the two"
        found.append((child.returncode, json.loads(out or err)))
    return found


def test_shells_that_race_for_tasks_get_each_one_once(place: Path, start: Start) -> None:
    fill(place, 12)
    held: list[str] = []
    codes: Counter[int] = Counter()
    for turn in range(2):
        for code, envelope in race(start, place, [(f"w{turn}-{number}", ["claim"]) for number in range(SHELLS)]):
            codes[code] += 1
            data = envelope["data"]
            assert isinstance(data, dict)
            if code == 0:
                held.append(data["task"]["id"])
            else:
                assert (code, data["task"]) == (5, None)
    assert codes == {0: 12, 5: 4}
    assert len(set(held)) == 12


def test_shells_that_race_for_one_task_have_one_winner(place: Path, start: Start) -> None:
    task = process("add", "-q", "the one", cwd=place).stdout.decode().strip()
    found = race(start, place, [(f"w{number}", ["claim", task]) for number in range(SHELLS)])
    assert Counter(code for code, _ in found) == {0: 1, 4: SHELLS - 1}
    codes = {envelope["error"]["code"] for code, envelope in found if code == 4}  # type: ignore[index]  # an envelope
    assert codes == {"ALREADY_CLAIMED"}


def test_shells_of_one_agent_that_race_to_finish_a_task_finish_it_once(place: Path, start: Start) -> None:
    task = process("add", "-q", "the one", cwd=place).stdout.decode().strip()
    assert process("claim", task, cwd=place).returncode == 0
    found = race(start, place, [("ann", ["done", task, "-m", f"by {number}"]) for number in range(SHELLS)])
    codes = Counter(code for code, _ in found)
    assert codes[0] == 1
    # Whoever still has the token hears that the lease is gone; whoever comes later, that nothing is held.
    assert set(codes) <= {0, 1, 4}
    events = json.loads(process("history", task, "--json", cwd=place).stdout)["data"]["events"]
    assert [one["type"] for one in events].count("task_completed") == 1


def test_workers_in_loops_finish_every_task_once_and_the_log_is_sound(place: Path, start: Start) -> None:
    tasks = 16
    fill(place, tasks)
    finished: list[str] = []
    agents = [f"w{number}" for number in range(SHELLS)]
    for code, _ in race(start, place, [(agent, ["claim"]) for agent in agents]):
        assert code == 0
    for _ in range(tasks // SHELLS):
        for code, envelope in race(start, place, [(agent, ["done", "-m", "x", "--next"]) for agent in agents]):
            assert code == 0
            finished.append(envelope["data"]["task"]["id"])  # type: ignore[index]  # an envelope
    assert len(finished) == tasks
    assert len(set(finished)) == tasks
    assert not list((place / ".arbeit" / "held").rglob("*.json")), "no token is left behind"
    assert json.loads(process("verify", "--json", cwd=place).stdout)["data"]["ok"] is True


def test_two_shells_of_one_agent_keep_both_their_tokens(place: Path, start: Start) -> None:
    fill(place, SHELLS)
    for code, _ in race(start, place, [("ann", ["claim"])] * SHELLS):
        assert code == 0
    held = json.loads(process("held", "--json", cwd=place).stdout)["data"]["tasks"]
    assert [one["held"] for one in held] == [True] * SHELLS
    for code, _ in race(start, place, [("ann", ["done", one["id"], "-m", "x"]) for one in held]):
        assert code == 0


def test_projects_that_are_made_at_once_are_one(tmp_path: Path, start: Start) -> None:
    found = race(start, tmp_path, [(f"w{number}", ["init", "web"]) for number in range(SHELLS)])
    assert Counter(code for code, _ in found).keys() <= {0, 1}
    assert {envelope["error"]["code"] for code, envelope in found if code} <= {"ALREADY_INITIALIZED"}  # type: ignore[index]
    assert any(code == 0 for code, _ in found)
    projects = json.loads(process("projects", "--json", cwd=tmp_path).stdout)["data"]["projects"]
    assert [one["key"] for one in projects] == ["web"]
    assert process("add", "x", cwd=tmp_path).returncode == 0
