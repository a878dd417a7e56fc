"""max_runtime bounds a run, however often its lease is renewed."""

from typing import Any

import pytest

from arbeit.core import commands as c
from arbeit.core.events import TaskReclaimed
from arbeit.core.model import Reply
from tests.core import harness
from tests.core.harness import Held, Team, make, seconds

BOUND: dict[str, Any] = {"lease_length": {"name": "jittered", "max_runtime": 100}}


def renew(team: Team, held: Held, ttl: float | None = None) -> Reply:
    return team.do(make(c.RenewLease, **held.proof(), ttl=seconds(ttl) if ttl is not None else None))


@pytest.mark.parametrize("ttl", [None, 5, 90, 86_400])
def test_no_renewal_reaches_beyond_it(team: Team, ttl: float | None) -> None:
    held = team.start(team.create(max_runtime=seconds(100)))
    last = team.now + seconds(100)
    deadlines = []
    for _ in range(25):
        deadlines.append(renew(team, held, ttl).expires_at or 0)
        team.do(make(c.AddContext, **held.proof()))
        team.tick(3.9)
    assert max(deadlines) <= last
    team.tick(2.5)
    team.sweep()
    after = team.task(held.task)
    assert (after.lease_id, after.attempt) == (None, 1)
    assert [(fact.reason, fact.deadline) for fact in team.facts(TaskReclaimed)] == [("timed_out", last)]
    assert team.sound()


def test_a_run_that_takes_too_long_uses_an_attempt_up_and_the_next_waits_for_its_backoff(team: Team) -> None:
    task = team.create(max_runtime=seconds(10), max_attempts=2)
    team.start(task)
    team.tick(11)
    team.sweep()
    assert (team.task(task).claim_status, team.task(task).ready_at > team.now) == ("delayed", True)
    team.tick(600)
    team.start(task)
    team.tick(11)
    team.sweep()
    assert (team.task(task).status, team.task(task).block_reason) == ("blocked", "retries_exhausted")


def test_a_grant_never_lasts_longer_than_its_run_may(team: Team) -> None:
    held = team.start(team.create(max_runtime=seconds(10)), ttl=seconds(3600))
    assert held.lease.expires_at == held.lease.ends_by == team.now + seconds(10)


@pytest.mark.parametrize(("own", "expected"), [(None, 100), (7, 7), (500, 500)])
def test_a_tasks_own_limit_stands_before_its_projects(own: float | None, expected: float) -> None:
    with harness.team(settings=BOUND) as team:
        held = team.start(team.create(max_runtime=None if own is None else seconds(own)))
        assert held.lease.ends_by == team.now + seconds(expected)


def test_each_run_has_all_of_it(team: Team) -> None:
    task = team.create(max_runtime=seconds(50))
    first = team.start(task)
    team.tick(40)
    team.do(c.RegisterAgent(agent_id="bob"))
    team.do(make(c.HandoffTask, **first.proof(), to_agent="bob"))
    second = team.claim("bob")
    assert second is not None
    assert second.lease.ends_by == team.now + seconds(50)


def test_silence_before_the_limit_is_silence(team: Team) -> None:
    team.start(team.create(max_runtime=seconds(1000)), ttl=seconds(60))
    team.tick(60)
    team.sweep()
    assert [fact.reason for fact in team.facts(TaskReclaimed)] == ["expired"]


def test_a_holder_is_told_when_renewing_no_longer_helps(team: Team) -> None:
    held = team.start(team.create(max_runtime=seconds(100)), ttl=seconds(30))
    assert renew(team, held).warnings == ()
    team.tick(25)
    assert renew(team, held, 60).warnings == ()
    team.tick(50)
    (notice,) = renew(team, held).warnings
    assert notice.code == "LEASE_EXPIRING"
    assert "25 s" in notice.message


def test_a_holder_is_told_of_what_others_added_until_it_writes(team: Team) -> None:
    held = team.start(team.create())
    for _ in range(2):
        team.do(c.AddContext(actor="bob", task_id=held.task.id, content="look here"))
    (notice,) = renew(team, held).warnings
    assert (notice.code, "2" in notice.message) == ("STALE_CONTEXT", True)
    reply = team.do(make(c.AddContext, **held.proof(), content="seen"))
    assert [notice.code for notice in reply.warnings] == ["STALE_CONTEXT"]
    assert renew(team, held).warnings == ()
    team.do(c.AddContext(actor="bob", task_id=held.task.id, content="one more"))
    assert [notice.code for notice in team.complete(held).warnings] == ["STALE_CONTEXT"]
