"""Where no process runs, whoever looks next reclaims what is overdue."""

from __future__ import annotations

from pathlib import Path

import pytest

import arbeit.sync
from arbeit.backends.memory import MemoryStore
from arbeit.compose import Wiring
from arbeit.core import commands as c
from arbeit.core.model import Reply
from arbeit.core.policy import EVERYTHING
from arbeit.session import BlockingSession
from arbeit.testing.clock import VirtualClock
from arbeit.testing.contract import KEY


@pytest.mark.parametrize("kind", ["memory", "sqlite"])
def test_a_process_that_only_reads_can_make_what_it_reads_true_by_the_clock(kind: str, tmp_path: Path) -> None:
    clock = VirtualClock()
    url = "memory://" if kind == "memory" else f"sqlite:///{tmp_path}/team.db"
    with arbeit.sync.open(url, clock=clock) as hub:
        projects = [hub.project(key, create=True) for key in ("one", "two")]
        for project in projects:
            project.create_task("a")
            assert project.claim("impl-1") is not None
        assert hub.tend() == 0, "nothing is overdue"
        clock.tick(120)
        assert [project.overview().leases != () for project in projects] == [True, True]
        assert hub.tend() == 2
        assert [project.overview().leases for project in projects] == [(), ()]
        assert [project.find().tasks[0].claim_status for project in projects] == ["delayed", "delayed"]
        clock.tick(400)
        assert hub.tend() == 2
        assert [project.find().tasks[0].claim_status for project in projects] == ["ready", "ready"]
        assert hub.tend() == 0


@pytest.mark.anyio
async def test_so_can_one_with_an_event_loop_whose_background_is_off() -> None:
    clock = VirtualClock()
    async with arbeit.open("memory://", clock=clock, background=False) as hub:
        project = await hub.project("demo", create=True)
        await project.create_task("a")
        assert await project.claim("impl-1") is not None
        assert await hub.tend() == 0
        clock.tick(120)
        assert await hub.tend() == 1
        assert (await project.overview()).leases == ()


def test_archived_projects_with_overdue_leases_keep_no_live_one_from_being_seen_to() -> None:
    clock = VirtualClock()
    store = MemoryStore(clock)
    session = BlockingSession(Wiring(store, clock, KEY, {}))
    keys = [*(f"a{number:03}" for number in range(120)), "live"]
    for key in keys:
        if key == "live":
            clock.tick(10)  # more than leases differ in length
        made = session.run(
            key,
            [
                c.CreateProject(actor="ada", key=key),
                c.CreateTask(actor="ada", title="T"),
                c.ClaimTasks(actor="ada", agent="ada"),
                *([c.UpdateProject(actor="ada", archived=True)] if key != "live" else []),
            ],
        )
        assert all(isinstance(result, Reply) for result in made)
    clock.tick(120)
    due = {one.project for one in store.due(clock.now(), 100)}
    assert len(due) == 100
    assert "live" not in due, "it fell due last"
    session.tend()
    session.tend()
    assert store.due(clock.now(), 1000) == []
    assert {store.recent(key, 1, EVERYTHING)[0].type for key in keys} == {"task_reclaimed"}
