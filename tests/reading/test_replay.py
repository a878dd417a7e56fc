"""The log gives the state at any position and moment of the past, exactly as it was recorded there."""

from __future__ import annotations

from pathlib import Path
from random import Random
from typing import Any

import pytest

import arbeit
import arbeit.sync
from arbeit import audit
from arbeit.compose import wire_up
from arbeit.core.errors import ArbeitError
from arbeit.session import BlockingSession
from arbeit.testing.clock import VirtualClock
from arbeit.testing.contract import KEY
from tests.contract.script import Author

POSITIONS = 100


def settled(rows: dict[str, dict[Any, Any]]) -> dict[str, dict[Any, Any]]:
    return {
        kind: {key: audit.settled(row) for key, row in table.items()} for kind, table in rows.items() if kind != "head"
    }


@pytest.mark.parametrize("backend", ["memory", "sqlite"])
def test_replay_at_a_hundred_random_positions_is_the_state_recorded_there(backend: str, tmp_path: Path) -> None:
    url = "memory://" if backend == "memory" else f"sqlite:///{tmp_path}/team.db?synchronous=NORMAL"
    random, clock = Random(4), VirtualClock(4)
    wiring = wire_up(url, clock=clock, key=KEY)
    session, author = BlockingSession(wiring), Author("demo", random)
    recorded: dict[int, tuple[int, dict[str, dict[Any, Any]]]] = {}
    while len(recorded) < POSITIONS:
        for _ in range(random.randrange(1, 12)):
            clock.tick(random.choice((0.0, 0.1, 3.0, 70.0)))
            # An erasure reaches into the past, which is why it is left to a test of its own.
            command = next(one for one in iter(author.next, None) if one.operation != "record.erase")
            try:
                author.learn(command, session.run("demo", [command])[0])
            except ArbeitError as error:
                author.learn(command, error)
        rows = wiring.store.rows("demo")
        head = rows["head"]["demo"]
        recorded[head.position] = (head.at, settled(rows))
    for position, (at, rows) in recorded.items():
        found = audit.replay(wiring.store, "demo", position=position)
        assert found.position == position
        assert settled({kind: dict(table) for kind, table in found.rows.items()}) == rows
        clock_says = audit.replay(wiring.store, "demo", at=at)
        # Several positions may share a moment: what happened in it is in it.
        assert clock_says.position >= position
        assert clock_says.head.at == at
    session.close()


def test_a_snapshot_shows_what_was_there_then() -> None:
    clock = VirtualClock()
    with arbeit.sync.open("memory://", clock=clock) as hub:
        project = hub.project("demo", create=True)
        task = project.create_task("Draft")
        before = clock.now()
        clock.tick(60)
        project.update_task(task.id, title="Final")
        project.delete_task(task.id)
        then, now = project.replay(at=before), project.replay(at=clock.now())
        assert [one.title for one in then.tasks] == ["Draft"]
        assert then.task(task.id) == task
        assert (now.tasks, now.task(task.id)) == ((), None)
        assert now.project is not None
        assert project.replay(position=0).project is None


@pytest.mark.parametrize(
    "arguments", [{}, {"position": 1, "at": 1}, {"position": 99}, {"position": -1}, {"position": True}]
)
def test_replay_refuses_what_names_no_moment(arguments: dict[str, Any]) -> None:
    with arbeit.sync.open("memory://") as hub:
        project = hub.project("demo", create=True)
        with pytest.raises(ArbeitError) as caught:
            project.replay(**arguments)
        assert caught.value.code == "INVALID_INPUT"
        assert caught.value.suggestions


@pytest.mark.anyio
async def test_the_asynchronous_face_replays_too() -> None:
    async with arbeit.open("memory://") as hub:
        project = await hub.project("demo", create=True)
        await project.create_task("One")
        assert len((await project.replay(position=2)).tasks) == 1
        assert (await project.stats()).runs == 0
