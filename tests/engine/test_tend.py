"""Where no process runs, whoever looks next reclaims what is overdue."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from pathlib import Path

import anyio
import pytest

import arbeit.sync
from arbeit.backends.memory import MemoryStore
from arbeit.compose import Wiring
from arbeit.core import commands as c
from arbeit.core.errors import ArbeitError, Code
from arbeit.core.model import Agent, Changes, Reply
from arbeit.core.policy import EVERYTHING, Scope
from arbeit.ports import Job
from arbeit.session import BlockingSession
from arbeit.testing.clock import VirtualClock
from arbeit.testing.contract import KEY, WiredHub, WiredSyncHub
from arbeit.testing.faults import PassingStore


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


class Stubborn(PassingStore):
    """Refuses every transaction of one project, while it is told to."""

    refused = ""

    def transact(self, jobs: Sequence[Job]) -> list[Changes | Exception]:
        if any(job.project == self.refused for job in jobs):
            raise ArbeitError(Code.STORE_UNAVAILABLE, "not this one", retryable=True)
        return super().transact(jobs)


@pytest.mark.parametrize("face", ["sync", "async"])
def test_a_project_whose_sweep_is_refused_keeps_no_other_from_being_tended(
    face: str, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.WARNING, "arbeit")
    clock = VirtualClock()
    store = Stubborn(MemoryStore(clock))
    wiring = Wiring(store, clock, KEY, {})
    session = BlockingSession(wiring)
    for key in ("a", "b", "c"):
        session.run(key, [c.CreateProject(actor="ada", key=key), c.CreateTask(actor="ada", title="T")])
        session.run(key, [c.ClaimTasks(actor="ada", agent="ada")])
    clock.tick(120)
    store.refused = "a"

    async def tend() -> int:
        async with WiredHub(wiring, background=False) as hub:
            return await hub.tend()

    if face == "sync":
        with WiredSyncHub(wiring) as hub:
            assert hub.tend() == 2
    else:
        assert anyio.run(tend) == 2
    assert [one.project for one in store.due(clock.now(), 10)] == ["a"]
    (record,) = [one for one in caplog.records if getattr(one, "project", None) == "a"]
    assert record.levelno == logging.WARNING


class Named:
    """Knows ada, and nobody else."""

    def scope(self, actor: str) -> Scope:
        return EVERYTHING if actor == "ada" else Scope(known=False)

    def supervises(self, _actor: str, _agent: Agent | None) -> bool:
        return False


def test_a_policy_of_access_that_knows_nothing_of_the_clock_keeps_no_lease_from_running_out() -> None:
    clock = VirtualClock()
    store = MemoryStore(clock)
    session = BlockingSession(Wiring(store, clock, KEY, {"access": Named()}))
    session.run("demo", [c.CreateProject(actor="ada", key="demo"), c.CreateTask(actor="ada", title="T")])
    session.run("demo", [c.ClaimTasks(actor="ada", agent="ada")])
    clock.tick(120)
    (refused,) = session.run("demo", [c.Sweep(actor="mallory")])
    assert isinstance(refused, ArbeitError)
    assert refused.code is Code.UNAUTHENTICATED
    session.tend()
    assert store.due(clock.now(), 10) == []
    assert store.recent("demo", 1, EVERYTHING)[0].type == "task_reclaimed"
