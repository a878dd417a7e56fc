"""Statistics are exact: every number follows from what happened on a virtual clock."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

import arbeit
import arbeit.sync
from arbeit.core.model import SECOND
from arbeit.stats import AgentStats, QueueDepth, Spread, TaskUsage
from arbeit.testing.clock import VirtualClock

HOUR = 3600 * SECOND


@pytest.fixture(params=["memory", "sqlite"])
def team(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[tuple[arbeit.sync.Project, VirtualClock]]:
    clock = VirtualClock()
    url = "memory://" if request.param == "memory" else f"sqlite:///{tmp_path}/team.db?synchronous=NORMAL"
    with arbeit.sync.open(url, clock=clock) as hub:
        yield hub.project("demo", create=True, settings={"retry": "at_once"}), clock


def claimed(project: arbeit.sync.Project, agent: str, ttl: float = 600) -> arbeit.sync.Work:
    work = project.claim(agent, ttl=ttl)
    assert work is not None
    return work


def test_what_ran_is_counted_timed_and_summed(team: tuple[arbeit.sync.Project, VirtualClock]) -> None:
    project, clock = team
    first, second, third = (project.create_task(name).id for name in ("one", "two", "three"))
    begun = clock.now()
    clock.tick(10)
    work = claimed(project, "ada")  # the first, which waited 10 s
    clock.tick(30)
    work.report_usage(model="small", tokens_in=100, cost=7)
    work.report_usage(model="large", tokens_in=50, tokens_out=5, cost=3, files=2)
    work.complete("done", evidence=["seen"])  # took 30 s
    work = claimed(project, "ada")  # the second, after 40 s
    work.report_usage(cost=1)
    clock.tick(5)
    work.fail("no")  # and again at once
    work = claimed(project, "bob")  # the third, after 45 s
    clock.tick(700)  # its lease runs out
    again = claimed(project, "ada")  # the second once more, a retry, 700 s after it failed
    clock.tick(15)
    end = clock.now()
    found = project.stats(since=begun, until=end)

    assert again.task.id == second
    assert work.task.id == third
    assert (found.since, found.until, found.runs) == (begun, end, 4)
    assert found.results == {"completed": 1, "expired": 1, "failed": 1}
    assert (found.finished, found.expiries, found.retries) == (1, 1, 1)
    assert found.throughput == HOUR / (end - begun)
    assert found.success == 1 / 3
    assert found.duration == Spread(1, 30 * SECOND, 30 * SECOND, 30 * SECOND)
    assert found.claim_wait == Spread(4, 40 * SECOND, 700 * SECOND, 700 * SECOND)
    assert found.usage == {"cost": 11, "files": 2, "tokens_in": 150, "tokens_out": 5}
    busy = (30 + 5 + 15) * SECOND
    used = {"cost": 11, "files": 2, "tokens_in": 150, "tokens_out": 5}
    assert found.agents == (
        AgentStats("ada", 3, 1, 1, busy, busy / (end - begun), used),
        AgentStats("bob", 1, 0, 1, 700 * SECOND, 700 * SECOND / (end - begun), {}),
    )
    assert found.top == (
        TaskUsage(first, 1, {"cost": 10, "files": 2, "tokens_in": 150, "tokens_out": 5}),
        TaskUsage(second, 2, {"cost": 1}),
    )
    assert found.queues == (QueueDepth("default", 1, 1),)
    assert found.statuses == {"completed": 1, "in_progress": 1, "open": 1}


def test_a_window_counts_only_what_lies_in_it(team: tuple[arbeit.sync.Project, VirtualClock]) -> None:
    project, clock = team
    project.create_task("one")
    work = claimed(project, "ada")
    clock.tick(100)
    middle = clock.now()
    clock.tick(50)
    work.complete(evidence=["seen"])
    clock.tick(100)
    early, late = project.stats(since=middle - 60 * SECOND, until=middle), project.stats(since=middle)
    assert (early.runs, early.results, early.claim_wait.count) == (1, {}, 0)
    assert early.agents[0].busy == 60 * SECOND
    assert early.agents[0].utilisation == 1.0
    assert (late.results, late.agents[0].busy) == ({"completed": 1}, 50 * SECOND)
    assert project.stats(since=clock.now() - SECOND).runs == 0


def test_by_default_it_is_the_last_day(team: tuple[arbeit.sync.Project, VirtualClock]) -> None:
    project, clock = team
    project.create_task("one")
    claimed(project, "ada").complete(evidence=["seen"])
    assert project.stats().finished == 1
    clock.tick(24 * 3600 + 1)
    found = project.stats()
    assert (found.runs, found.success, found.duration) == (0, None, Spread())
    assert found.until - found.since == 24 * HOUR


def test_more_runs_than_a_page_are_all_counted(
    team: tuple[arbeit.sync.Project, VirtualClock], monkeypatch: pytest.MonkeyPatch
) -> None:
    project, _ = team
    monkeypatch.setattr("arbeit.stats._PAGE", 3)
    for number in range(10):
        project.create_task(f"task {number}")
        claimed(project, "ada").complete(evidence=["seen"])
    assert project.stats().finished == 10


def test_a_window_that_ends_before_it_begins_is_refused(team: tuple[arbeit.sync.Project, VirtualClock]) -> None:
    project, clock = team
    with pytest.raises(arbeit.ArbeitError) as caught:
        project.stats(since=clock.now(), until=clock.now())
    assert caught.value.code == "INVALID_INPUT"
    assert caught.value.suggestions
