"""Giving way: asked for, heard of, and enforced at the end of the grace."""

from collections.abc import Sequence
from typing import Any

import pytest

from arbeit.core import commands as c
from arbeit.core.errors import Code
from arbeit.core.events import PreemptRequested, TaskReclaimed, TaskReleased
from arbeit.core.model import Reply, Task
from arbeit.core.policy import Holding
from arbeit.policies import CriticalWaits, QueueAccess
from tests.core import harness
from tests.core.harness import Held, Team, make, seconds

WAITS: dict[str, Any] = {"preemption": {"name": "critical_waits", "patience": 60, "grace": 30}}


def codes(reply: Reply) -> list[str]:
    return [notice.code for notice in reply.warnings]


def preempt(team: Team, task: Task, **fields: object) -> Reply:
    team.do(c.RegisterAgent(agent_id="boss", persona="supervisor"))
    return team.do(make(c.PreemptTask, actor="boss", task_id=task.id, **fields))


def renew(team: Team, held: Held) -> Reply:
    return team.do(make(c.RenewLease, **held.proof(), ttl=seconds(600)))


def test_a_holder_hears_that_it_is_to_give_way_beside_its_next_renewal_or_write(team: Team) -> None:
    held = team.start(team.create())
    assert codes(renew(team, held)) == []
    preempt(team, held.task, reason="the release")
    assert codes(renew(team, held)) == ["PREEMPT_REQUESTED"]
    assert codes(team.do(make(c.AddContext, **held.proof()))) == ["PREEMPT_REQUESTED"]
    assert [fact.reason for fact in team.facts(PreemptRequested)] == ["the release"]


def test_a_holder_that_keeps_renewing_is_reclaimed_at_the_end_of_the_grace_and_counts_no_attempt(team: Team) -> None:
    task = team.create()
    held = team.start(task)
    assert preempt(team, task).expires_at == team.now + seconds(30)
    for _ in range(2):
        team.tick(14.9)
        assert renew(team, held).expires_at == held.lease.acquired_at + seconds(30)
        team.sweep()
        assert team.task(task).lease_id == held.lease.id
    team.tick(0.2)
    team.sweep()
    after = team.task(task)
    assert (after.status, after.claim_status, after.attempt) == ("open", "ready", 0)
    assert [fact.reason for fact in team.facts(TaskReclaimed)] == ["preempted"]
    team.refused(make(c.RenewLease, **held.proof()), Code.LEASE_LOST)
    assert team.sound()


def test_a_long_lease_is_cut_to_the_grace(team: Team) -> None:
    task = team.create()
    team.start(task, ttl=seconds(3600))
    preempt(team, task)
    team.tick(30)
    team.sweep()
    assert team.task(task).lease_id is None


def test_giving_way_in_time_says_so_and_counts_no_attempt(team: Team) -> None:
    task = team.create()
    held = team.start(task)
    preempt(team, task)
    team.release(held, note="half done")
    assert [fact.reason for fact in team.facts(TaskReleased)] == ["preempted"]
    assert (team.task(task).attempt, team.task(task).claim_status) == (0, "ready")


def test_finishing_within_the_grace_stands(team: Team) -> None:
    task = team.create()
    held = team.start(task)
    preempt(team, task)
    assert harness.task_of(team.complete(held)).status == "completed"


def test_asking_twice_changes_nothing(team: Team) -> None:
    task = team.create()
    team.start(task)
    first = preempt(team, task)
    team.tick(10)
    before = team.head()
    assert preempt(team, task).expires_at == first.expires_at
    assert team.head() == before


def test_only_supervisors_ask_and_only_for_what_is_held(team: Team) -> None:
    task = team.create()
    team.refused(make(c.PreemptTask, actor="eve", task_id=task.id), Code.FORBIDDEN)
    team.do(c.RegisterAgent(agent_id="boss", persona="supervisor"))
    team.refused(make(c.PreemptTask, actor="boss", task_id=task.id), Code.INVALID_TRANSITION)
    team.complete(team.start(task))
    team.refused(make(c.PreemptTask, actor="boss", task_id=task.id), Code.INVALID_TRANSITION)


def test_the_grace_is_the_projects_own() -> None:
    with harness.team(settings={"preemption": {"name": "on_request", "grace": 5}}) as team:
        held = team.start(team.create())
        assert preempt(team, held.task).expires_at == team.now + seconds(5)


# --- by policy ----------------------------------------------------------------------------------------------


def asked_of(team: Team) -> list[str]:
    """The tasks whose holders were asked, in order."""
    return [fact.task_id for fact in team.facts(PreemptRequested)]


def sweep_after(team: Team, wait: float, *held: Held) -> None:
    team.tick(wait)
    for each in held:
        renew(team, each)
    team.sweep()


def holders(team: Team, *tasks: tuple[str, str, str], wait: float = 1) -> list[Held]:
    """Tasks by (agent, title, priority), each started a moment after the one before."""
    found = []
    for agent, title, priority in tasks:
        found.append(team.start(team.create(title, priority=priority, task_id=title), agent, ttl=seconds(600)))
        team.tick(wait)
    return found


@pytest.mark.parametrize("wait", [59.9, 60])
def test_critical_work_that_has_waited_long_enough_asks_one_holder(wait: float) -> None:
    with harness.team(settings=WAITS) as team:
        held = holders(team, ("ada", "low-1", "low"), ("bob", "low-2", "low"), ("eve", "normal-1", "normal"))
        team.create("urgent", priority="critical")
        sweep_after(team, wait, *held)
        # The least important, and of those the one that began last.
        assert asked_of(team) == (["low-2"] if wait == 60 else [])
        sweep_after(team, 5, *held)
        assert len(asked_of(team)) == 1
        assert team.sound()


def test_each_waiting_task_asks_one_holder() -> None:
    with harness.team(settings=WAITS) as team:
        held = holders(team, ("ada", "normal-1", "normal"), ("bob", "low-1", "low"), ("eve", "high-1", "high"))
        for _ in range(2):
            team.create("urgent", priority="critical")
        sweep_after(team, 60, *held)
        assert asked_of(team) == ["low-1", "normal-1"]
        sweep_after(team, 1, *held)
        assert len(asked_of(team)) == 2


def test_nobody_is_asked_where_somebody_suitable_has_critical_work() -> None:
    with harness.team(settings=WAITS) as team:
        held = holders(team, ("ada", "low-1", "low"), ("bob", "critical-1", "critical"))
        team.create("urgent", priority="critical")
        sweep_after(team, 60, *held)
        assert asked_of(team) == []


def test_only_those_are_asked_who_could_do_the_waiting_work() -> None:
    with harness.team(settings=WAITS) as team:
        team.do(c.RegisterAgent(agent_id="eve", capabilities=("gpu",)))
        held = holders(team, ("ada", "low-1", "low"), ("eve", "high-1", "high"))
        team.create("urgent", priority="critical", requires=("gpu",))
        sweep_after(team, 60, *held)
        assert asked_of(team) == ["high-1"]


def test_a_review_that_waits_asks_a_reviewer_who_did_not_do_the_work() -> None:
    with harness.team(settings=WAITS) as team:
        for agent in ("ada", "bob"):
            team.do(c.RegisterAgent(agent_id=agent, capabilities=("review",)))
        task = team.create("urgent", priority="critical", review=True)
        team.complete(team.start(task, "ada"))
        held = holders(team, ("bob", "high-1", "high"), ("ada", "low-1", "low"), ("eve", "low-2", "low"))
        sweep_after(team, 60, *held)
        assert asked_of(team) == ["high-1"]


def test_nobody_is_asked_for_work_that_nobody_could_be_given() -> None:
    with harness.team(settings=WAITS) as team:
        team.do(c.SetQueue(queue="shut", paused=True))
        team.do(c.SetQueue(queue="full", max_in_progress=1))
        full = team.start(team.create("full", queue="full", task_id="full-1"), "eve", ttl=seconds(600))
        held = holders(team, ("ada", "low-1", "low"))
        team.create("urgent", priority="critical", queue="shut")
        sweep_after(team, 60, *held, full)
        assert asked_of(team) == []
        team.create("urgent", priority="critical", queue="full")
        sweep_after(team, 60, *held, full)
        assert asked_of(team) == ["full-1"]


def test_a_holder_that_gives_way_already_makes_room_and_another_waiting_task_asks_another() -> None:
    with harness.team(settings=WAITS) as team:
        held = holders(team, ("ada", "low-1", "low"), ("bob", "high-1", "high"))
        for _ in range(2):
            team.create("urgent", priority="critical")
        team.tick(59)
        preempt(team, held[1].task)
        sweep_after(team, 1, *held)
        # One waiting task takes bob's place, whom the policy would not have asked; the other asks ada.
        assert asked_of(team) == ["high-1", "low-1"]


def test_critical_work_that_is_taken_in_the_same_batch_asks_nobody_and_what_waits_behind_it_does() -> None:
    with harness.team(settings=WAITS) as team:
        team.do(c.RegisterAgent(agent_id="ada", capabilities=("sql",)))
        holders(team, ("ada", "low-1", "low"))
        mine = team.start(team.create(), "zoe", ttl=seconds(600))
        team.create(task_id="urgent-1", priority="critical")
        team.create(task_id="urgent-2", priority="critical", requires=("sql",))
        team.tick(60)
        reply = team.complete(mine, then_claim=c.ClaimTasks(actor="zoe", agent="zoe"))
        assert [grant.task.id for grant in reply.grants] == ["urgent-1"]
        assert [(fact.task_id, fact.reason) for fact in team.facts(PreemptRequested)] == [
            ("low-1", "critical task urgent-2 waits")
        ]


def test_what_was_handed_over_and_not_taken_up_is_not_asked_for() -> None:
    with harness.team(settings=WAITS) as team:
        held = holders(team, ("ada", "high-1", "high"), ("bob", "low-1", "low"))
        team.do(c.RegisterAgent(agent_id="eve"))
        team.do(make(c.HandoffTask, **held[1].proof(), to_agent="eve", ttl=seconds(600)))
        team.create("urgent", priority="critical")
        sweep_after(team, 60, held[0])
        assert asked_of(team) == ["high-1"]


def test_only_those_are_asked_who_see_the_waiting_work() -> None:
    access = QueueAccess(queues={"bob": frozenset({"default"})})
    with harness.team(settings=WAITS, policies={"access": access}) as team:
        held = holders(team, ("ada", "high-1", "high"), ("bob", "low-1", "low"))
        team.create("urgent", priority="critical", queue="secret")
        sweep_after(team, 60, *held)
        assert asked_of(team) == ["high-1"]
        team.create("urgent", priority="critical")
        sweep_after(team, 60, *held)
        assert asked_of(team) == ["high-1", "low-1"]


class Curious(CriticalWaits):
    """Asks the holder whose name the waiting task has as its title."""

    def victim(self, waiting: Task, holders: Sequence[Holding]) -> Holding | None:
        named = [held for held in holders if held.agent.id == waiting.title]
        return named[0] if named else None


def test_a_policy_is_told_the_waiting_task_and_of_each_holding_its_task_lease_and_agent() -> None:
    with harness.team(policies={"preemption": Curious()}) as team:
        held = holders(team, ("ada", "low-1", "low"), ("bob", "high-1", "high"), ("eve", "low-2", "low"))
        for agent in ("bob", "zoe"):
            team.create(agent, priority="critical")
        sweep_after(team, 60, *held)
        assert asked_of(team) == ["high-1"]


def test_holders_beyond_what_is_looked_at_are_not_asked_though_the_batch_has_loaded_their_leases(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("arbeit.backends.memory.tables.LIVE_LEASES", 2)
    with harness.team(settings=WAITS) as team:
        held = holders(team, *((f"agent-{number}", f"low-{number}", "low") for number in range(8)))
        team.create("urgent", priority="critical")
        team.tick(60)
        team.forget_view()
        team.do_all(*(make(c.RenewLease, **each.proof()) for each in held[2:]))
        assert asked_of(team) == ["low-1"]


def test_no_policy_asks_unless_a_project_says_so(team: Team) -> None:
    held = holders(team, ("ada", "low-1", "low"))
    team.create("urgent", priority="critical")
    sweep_after(team, 3600, *held)
    assert asked_of(team) == []


def test_a_sweep_in_the_same_batch_leaves_a_late_holder_its_grace(team: Team) -> None:
    task = team.create()
    held = team.start(task, ttl=seconds(10))
    team.do(c.RegisterAgent(agent_id="boss", persona="supervisor"))
    team.tick(20)
    asked, _ = team.do_all(make(c.PreemptTask, actor="boss", task_id=task.id), c.Sweep(actor="arbeit"))
    assert isinstance(asked, Reply)
    assert asked.expires_at == team.now + seconds(30)
    assert team.task(task).lease_id == held.lease.id
    assert team.sound()


def test_a_renewal_that_moves_nothing_keeps_no_sweep_of_its_batch_from_reclaiming(team: Team) -> None:
    task = team.create()
    held = team.start(task)
    preempt(team, task)
    team.tick(31)
    team.do_all(make(c.RenewLease, **held.proof()), c.Sweep(actor="arbeit"))
    assert team.task(task).lease_id is None
    assert team.sound()
