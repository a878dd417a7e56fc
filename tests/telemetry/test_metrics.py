"""Metrics count what was committed, by the project's own clock, and name no task, run or lease."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import pytest
from attrs import frozen

import arbeit
from arbeit import commands as c
from arbeit import sync
from arbeit.telemetry import metrics
from arbeit.testing.clock import VirtualClock
from arbeit.testing.contract import WiredHub, WiredSyncHub
from tests.engine.stores import in_memory
from tests.telemetry.conftest import Recorded

DEMO = {"arbeit.project": "demo"}
NORMAL = DEMO | {"arbeit.queue": "default", "arbeit.priority": "normal"}


@frozen
class Team:
    """A hub on a virtual clock, a project, and what they recorded."""

    clock: VirtualClock
    project: sync.Project
    recorded: Recorded

    def points(self, name: str) -> list[tuple[Mapping[str, Any], Any]]:
        return self.recorded.metrics().get(name, [])

    def point(self, name: str) -> Any:  # noqa: ANN401 - a sum, or a histogram's count and sum
        ((attributes, value),) = self.points(name)
        assert attributes.items() >= DEMO.items()
        return value

    def claim(self, agent: str = "ada", ttl: float | None = None) -> sync.Work:
        work = self.project.claim(agent, ttl=ttl)
        assert work is not None
        return work


@pytest.fixture
def team(recorded: Recorded) -> Iterator[Team]:
    clock = VirtualClock()
    with WiredSyncHub(in_memory(clock)[1]) as hub:
        settings = {"retry": "at_once", "completion": "none"}
        yield Team(clock, hub.project("demo", create=True, settings=settings), recorded)


def test_a_finished_task_is_measured_from_its_first_claim(team: Team) -> None:
    team.project.create_task("T")
    team.clock.tick(5)
    work = team.claim()
    team.clock.tick(20)
    work.complete("done")
    assert team.points("arbeit.task.created") == [(NORMAL, 1)]
    assert team.points("arbeit.claim.wait") == [(NORMAL, (1, 5.0))]
    assert team.points("arbeit.task.completed") == [(NORMAL, 1)]
    assert team.points("arbeit.task.duration") == [(NORMAL | {"arbeit.outcome": "completed"}, (1, 20.0))]
    assert team.points("arbeit.run.duration") == [(NORMAL | {"arbeit.outcome": "completed"}, (1, 20.0))]
    assert team.points("arbeit.agent.busy") == [(DEMO | {"arbeit.agent": "ada"}, 20.0)]


def test_tasks_are_told_apart_by_queue_and_priority(team: Team) -> None:
    team.project.create_task("T", priority="high", queue="slow")
    team.project.create_task("T")
    found = {(at["arbeit.queue"], at["arbeit.priority"]) for at, _ in team.points("arbeit.task.created")}
    assert found == {("slow", "high"), ("default", "normal")}


def test_attempts_retries_and_escalations_are_counted(team: Team) -> None:
    team.project.create_task("T", max_attempts=2)
    team.claim().fail("no")
    assert (team.point("arbeit.task.failed"), team.point("arbeit.task.retried")) == (1, 1)
    assert team.points("arbeit.task.escalated") == []
    team.claim().fail("no")
    assert (team.point("arbeit.task.failed"), team.point("arbeit.task.retried")) == (2, 1)
    assert team.points("arbeit.task.escalated") == [(NORMAL, 1)]


def test_an_expired_lease_is_a_retry_and_no_failure_of_the_task(team: Team) -> None:
    team.project.create_task("T")
    team.claim("ada", ttl=10)
    team.clock.tick(15)
    team.claim("bob")
    assert team.points("arbeit.lease.expired") == [(NORMAL, 1)]
    assert (team.point("arbeit.task.retried"), team.points("arbeit.task.failed")) == (1, [])
    assert team.point("arbeit.agent.busy") == 15.0
    # From ready to claimed at once, and once more.
    assert team.point("arbeit.claim.wait") == (2, 0)


def test_what_was_never_claimed_has_no_duration(team: Team) -> None:
    task = team.project.create_task("T")
    team.project.cancel_task(task.id)
    assert team.point("arbeit.task.cancelled") == 1
    assert team.points("arbeit.task.duration") == []


def test_what_is_resumed_by_name_did_not_wait(team: Team) -> None:
    task = team.project.create_task("T")
    team.project.block_task(task.id, "a question")
    team.clock.tick(3600)
    team.project.resume_task(task.id, "ada")
    assert team.points("arbeit.claim.wait") == []


def test_commands_are_counted_by_operation_and_outcome(team: Team) -> None:
    team.project.create_task("T")
    team.project.create_task("T")
    with pytest.raises(arbeit.ArbeitError):
        team.project.start_task("nowhere", "ada")
    found = {(at["arbeit.operation"], at["arbeit.outcome"]): count for at, count in team.points("arbeit.commands")}
    assert found == {
        ("project.create", "OK"): 1,
        ("task.create", "OK"): 2,
        ("task.start", "TASK_NOT_FOUND"): 1,
    }
    count, seconds = {at["arbeit.operation"]: value for at, value in team.points("arbeit.command.duration")}[
        "task.create"
    ]
    assert count == 2
    assert 0 < seconds < 10


def test_transactions_have_a_size_and_a_duration(team: Team) -> None:
    team.project.execute_many([c.CreateTask(title=title) for title in "abc"])
    assert team.point("arbeit.transaction.size") == (2, 4 + 1)  # the project's with its sweep, and three
    count, seconds = team.point("arbeit.transaction.duration")
    assert count == 2
    assert 0 < seconds < 10


def test_a_failed_transaction_counts_nothing_of_its_commands(recorded: Recorded) -> None:
    store, wiring = in_memory(VirtualClock())
    with WiredSyncHub(wiring) as hub:
        project = hub.project("demo", create=True)
        store.plan("fail")
        with pytest.raises(arbeit.ArbeitError):
            project.create_task("T")
    assert "arbeit.task.created" not in recorded.metrics()
    assert recorded.metrics()["arbeit.transaction.duration"][0][1][0] == 2


def test_a_commit_whose_reply_was_lost_is_counted_once(recorded: Recorded) -> None:
    store, wiring = in_memory(VirtualClock())
    with WiredSyncHub(wiring) as hub:
        project = hub.project("demo", create=True)
        store.plan("lose_reply")
        project.create_task("T")
    assert recorded.metrics()["arbeit.task.created"] == [(NORMAL, 1)]


@pytest.mark.anyio
async def test_the_asynchronous_face_counts_the_same(recorded: Recorded) -> None:
    store, wiring = in_memory(VirtualClock())
    async with WiredHub(wiring, background=False) as hub:
        project = await hub.project("demo", create=True)
        store.plan("lose_reply")
        await project.create_task("T")
        work = await project.claim("ada")
        assert work is not None
        await work.release()
    found = recorded.metrics()
    assert found["arbeit.task.created"] == [(NORMAL, 1)]
    assert found["arbeit.run.duration"] == [(NORMAL | {"arbeit.outcome": "released"}, (1, 0))]


def test_queues_are_observed_as_last_seen_until_the_hub_closes(recorded: Recorded) -> None:
    with WiredSyncHub(in_memory(VirtualClock())[1]) as hub:
        project = hub.project("demo", create=True)
        project.execute_many([c.CreateTask(title=title) for title in "abc"])
        project.claim("ada")
        default = DEMO | {"arbeit.queue": "default"}
        assert recorded.metrics()["arbeit.queue.ready"] == [(default, 2)]
        assert recorded.metrics()["arbeit.queue.in_progress"] == [(default, 1)]
    assert recorded.metrics().get("arbeit.queue.ready", []) == []


def test_a_reviewed_task_is_completed_by_its_approval(recorded: Recorded) -> None:
    clock = VirtualClock()
    with WiredSyncHub(in_memory(clock)[1]) as hub:
        project = hub.project("demo", create=True)
        project.create_task("T", review=True)
        work = project.claim("ada")
        assert work is not None
        clock.tick(60)
        work.complete("done", evidence=["e"])
        assert "arbeit.task.completed" not in recorded.metrics()
        clock.tick(30)
        review = project.claim("rev", capabilities=["review"])
        assert review is not None
        clock.tick(10)
        project.execute(c.ApproveTask(actor="rev", task_id=review.task.id, token=review.token))
    assert recorded.metrics()["arbeit.task.completed"] == [(NORMAL, 1)]
    assert recorded.metrics()["arbeit.task.duration"] == [(NORMAL | {"arbeit.outcome": "completed"}, (1, 100.0))]
    assert recorded.metrics()["arbeit.claim.wait"] == [(NORMAL, (2, 30.0))]


def test_bytes_of_artifacts_are_counted(team: Team) -> None:
    team.project.create_task("T")
    work = team.claim()
    command = c.AttachArtifact(
        actor="ada", task_id=work.task.id, token=work.token, name="report.txt", size=41, sha256="a" * 64
    )
    team.project.execute(command)
    assert team.points("arbeit.artifact.size") == [(DEMO, 41)]


def test_tokens_and_cost_are_counted_as_reported(team: Team) -> None:
    team.project.create_task("T")
    work = team.claim()
    usage = {"model": "m-1", "tokens_in": 1000, "tokens_out": 50, "cost": 2_500_000, "searches": 3}
    for _ in range(2):
        team.project.execute(c.ReportUsage(actor="ada", task_id=work.task.id, token=work.token, usage=usage))
    said = DEMO | {"arbeit.model": "m-1"}
    assert {str(at["arbeit.token.type"]): value for at, value in team.points("arbeit.usage.tokens")} == {
        "input": 2000,
        "output": 100,
    }
    assert team.points("arbeit.usage.cost") == [(said, 5.0)]
    assert team.points("arbeit.usage.count") == [(said | {"arbeit.counter": "searches"}, 6)]


def test_agents_beyond_a_number_are_not_told_apart(team: Team, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(metrics, "MOST_NAMES", 2)
    for agent in ("a1", "a2", "a3", "a4", "a1"):
        team.project.create_task("T")
        work = team.claim(agent)
        team.clock.tick(1)
        work.complete("done")
    busy = {at["arbeit.agent"]: value for at, value in team.points("arbeit.agent.busy")}
    assert busy == {"a1": 2.0, "a2": 1.0, "other": 2.0}


def test_every_metric_is_recorded_with_the_attributes_it_declares(team: Team) -> None:
    team.project.create_task("T")
    team.claim().complete("done")
    declared = {spec.name: set(spec.attributes) for spec in metrics.SPECS}
    found = team.recorded.metrics()
    assert len(found) > 8
    for name, points in found.items():
        for attributes, _ in points:
            assert set(attributes) == declared[name], name


def test_two_hubs_in_one_process_are_counted_together(recorded: Recorded) -> None:
    for _ in range(2):
        with WiredSyncHub(in_memory(VirtualClock())[1]) as hub:
            hub.project("demo", create=True).create_task("T")
    assert recorded.metrics()["arbeit.task.created"] == [(NORMAL, 2)]
