"""Writers killed at random moments: what was acknowledged is there, what was not is whole or absent."""

from __future__ import annotations

import time
from collections import defaultdict
from multiprocessing.connection import Connection
from pathlib import Path
from random import Random

import pytest

from arbeit import sync
from arbeit.core.errors import ArbeitError
from arbeit.testing.contract import KEY
from tests.processes import children
from tests.processes.conftest import Start

KILLS = 200
PER_PROJECT = 10
"""Lives that write to one project, so that checking it stays quick while the file grows."""
EVENTS = {"create": ["task_created"], "note": ["context_added"], "finish": ["task_completed", "task_claimed"]}
CLAIM = (["agent_registered", "task_claimed"], ["task_claimed"])
CALLERS = 6


def acknowledged(pipe: Connection) -> list[str]:
    """Whatever the child managed to say."""
    said: list[str] = []
    try:
        while True:
            said.append(pipe.recv())
    except (EOFError, OSError):
        return said


def written(path: Path, project: str) -> dict[str, list[str]]:
    """The types of the events of each command, from a hub that opens the file anew; verified."""
    found: dict[str, list[str]] = defaultdict(list)
    with sync.open(f"sqlite:///{path}", key=KEY) as hub:
        demo = hub.project(project)
        verification = demo.verify()
        assert verification.ok, verification.problem
        after = 0
        while page := demo.history(after=after, limit=1000):
            after = page[-1].position
            for event in page:
                if event.correlation_id is not None:
                    found[event.correlation_id].append(event.type)
    return found


def half_done(commands: dict[str, list[str]]) -> list[tuple[str, list[str]]]:
    """Commands of which only a part is there, or more than all."""
    torn = []
    for name, types in commands.items():
        kind = name.partition("/")[0]
        whole = types in CLAIM if kind == "claim" else types == EVENTS[kind]
        if not whole:
            torn.append((name, types))
    return torn


def test_two_hundred_kills_lose_and_tear_nothing(tmp_path: Path, start: Start) -> None:
    random, path = Random(20_260_119), tmp_path / "team.db"
    said: dict[str, set[str]] = defaultdict(set)
    total = silent = 0
    for life in range(KILLS):
        project = f"p{life // PER_PROJECT}"
        together = life % 4 == 3
        process, pipe = start(children.write_together if together else children.write, str(path), project, life)
        # A pipe that a child is too busy to fill tells nothing, so its first words are waited for.
        assert pipe.poll(60)
        time.sleep(children.pause(random))
        process.kill()
        process.join()
        heard = acknowledged(pipe)
        pipe.close()
        assert len(heard) == len(set(heard))
        said[project].update(heard)
        log = written(path, project)
        assert said[project] - set(log) == set(), f"lost in life {life}"
        assert half_done(log) == [], f"torn in life {life}"
        mine = [name for name in log if name.split("/")[1] == str(life)]
        unheard = set(mine) - set(heard)
        assert len(unheard) <= (CALLERS if together else 1)
        silent += len(unheard)
        total += len(mine)
    print(f"{KILLS} kills, {total} commands, {silent} of them committed but not yet acknowledged")  # noqa: T201 - a record
    assert total > 5 * KILLS
    with sync.open(f"sqlite:///{path}", key=KEY) as hub:
        assert len(hub.projects()) == KILLS // PER_PROJECT
        for known in hub.projects():
            project_log = written(path, known.key)
            assert said[known.key] - set(project_log) == set()


@pytest.mark.parametrize("together", [False, True])
def test_a_kill_frees_the_file_at_once(tmp_path: Path, start: Start, together: bool) -> None:
    path = tmp_path / "team.db"
    process, pipe = start(children.write_together if together else children.write, str(path), "demo", 0)
    assert pipe.poll(60)
    with sync.open(f"sqlite:///{path}", key=KEY) as hub:
        project = hub.project("demo")
        process.kill()
        process.join()
        began = time.monotonic()
        project.create_task("T")
        assert time.monotonic() - began < 5
        pipe.close()


def test_the_leases_of_a_killed_holder_come_back(tmp_path: Path, start: Start) -> None:
    path = tmp_path / "team.db"
    with sync.open(f"sqlite:///{path}", key=KEY) as hub:
        project = hub.project("demo", create=True, settings={"retry": "at_once"})
        project.create_task("T")
        process, pipe = start(children.hold_with_heartbeats, str(path), 1.5)
        assert pipe.recv() == "held"
        with pytest.raises(ArbeitError):
            # Its heartbeats keep the lease alive for as long as it lives.
            project.start_task(project.find().tasks[0].id, "other")
        assert project.claim("other", wait=1.8) is None
        process.kill()
        process.join()
        work = project.claim("other", wait=20)
        assert work is not None
        assert work.run.attempt == 2
