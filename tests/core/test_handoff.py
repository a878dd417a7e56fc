"""Handing over: one step, one holder, and nothing lost when nobody takes the work up."""

import pytest

from arbeit.core import commands as c
from arbeit.core.errors import ArbeitError, Code
from arbeit.core.events import HandoffAccepted, TaskHandedOver, TaskReclaimed
from arbeit.core.model import Lease, Task
from arbeit.policies import QueueAccess
from tests.core import harness
from tests.core.harness import Held, Team, make, seconds


def hand_over(team: Team, held: Held, to: str = "bob", **fields: object) -> Task:
    """Hand a task over to an agent that is made known first."""
    team.do(c.RegisterAgent(agent_id=to))
    return harness.task_of(team.do(make(c.HandoffTask, **held.proof(), to_agent=to, **fields)))


def live(team: Team) -> list[Lease]:
    return [lease for lease in team.rows()["lease"].values() if lease.ended_at is None]


def test_a_handover_keeps_exactly_one_holder_and_raises_the_fence(team: Team) -> None:
    held = team.start(team.create())
    before = team.last()
    task = hand_over(team, held)
    assert team.tags(before) == ["agent_registered", "task_handed_over"]
    assert (task.status, task.claim_status, task.assignee) == ("in_progress", "held", "bob")
    assert [(lease.agent_id, lease.fence) for lease in live(team)] == [("bob", task.fence)]
    assert task.fence == held.lease.fence + 1
    rows = team.rows()
    assert (rows["agent"]["ada"].active_leases, rows["agent"]["bob"].active_leases) == (0, 1)
    assert rows["queue"]["default"].in_progress == 1
    assert rows["run"][held.run.id].result == "handed_over"
    assert team.sound()


def test_the_old_token_is_lost_at_once_and_the_new_one_works_for_the_new_holder_alone(team: Team) -> None:
    held = team.start(team.create())
    hand_over(team, held)
    team.refused(make(c.RenewLease, **held.proof()), Code.LEASE_LOST)
    team.refused(make(c.CompleteTask, **held.proof(), evidence=("x",)), Code.LEASE_LOST)
    new = team.claim("bob")
    assert new is not None
    assert new.token != held.token
    team.refused(make(c.RenewLease, **{**new.proof(), "actor": "ada"}), Code.LEASE_LOST)
    team.do(make(c.RenewLease, **new.proof()))
    team.complete(new)


def test_the_note_of_a_handover_is_there_for_the_new_holder(team: Team) -> None:
    held = team.start(team.create())
    task = hand_over(team, held, note="the seed is pinned; CI is still red")
    entries = team.project.get(task.id, include=("context",)).context
    assert entries is not None
    assert [(entry.content, entry.run_id) for entry in entries] == [
        ("the seed is pinned; CI is still red", held.run.id)
    ]
    with pytest.raises(ArbeitError):
        make(c.HandoffTask, **held.proof(), note=" ")


def test_what_was_handed_over_is_taken_up_before_any_pick(team: Team) -> None:
    held = team.start(team.create("handed", priority="low"))
    hand_over(team, held)
    team.create("urgent", priority="critical")
    grants = team.claim_many("bob", 2)
    assert [grant.task.title for grant in grants] == ["handed", "urgent"]
    assert grants[0].lease.accepted
    assert len(team.facts(HandoffAccepted)) == 1


@pytest.mark.parametrize("by_name", [False, True])
def test_it_is_taken_up_by_an_agent_that_may_hold_no_more(team: Team, by_name: bool) -> None:
    task = team.create()
    held = team.start(task)
    team.do(c.RegisterAgent(agent_id="bob", max_leases=1))
    hand_over(team, held)
    new = team.start(task, "bob", session_id="s-2") if by_name else team.claim("bob", session_id="s-2")
    assert new is not None
    assert (new.task.id, new.run.session_id) == (task.id, "s-2")
    team.create("more")
    team.refused(make(c.ClaimTasks, actor="bob", agent="bob"), Code.LIMIT_EXCEEDED)
    team.refused(make(c.StartTask, actor="bob", agent="bob", task_id=task.id), Code.ALREADY_WORKING)


def test_nobody_else_takes_it_up_and_a_claim_of_other_queues_leaves_it(team: Team) -> None:
    task = team.create()
    hand_over(team, team.start(task))
    team.refused(make(c.StartTask, actor="eve", agent="eve", task_id=task.id), Code.ALREADY_CLAIMED)
    assert team.claim("eve") is None
    assert team.claim("bob", queues=("docs",)) is None
    assert team.claim("bob") is not None


def test_handovers_are_taken_up_oldest_first(team: Team) -> None:
    for title in ("first", "second", "third"):
        hand_over(team, team.start(team.create(title)))
    team.forget_view()
    assert [held.task.title for held in team.claim_many("bob", 2)] == ["first", "second"]
    last = team.claim("bob")
    assert last is not None
    assert last.task.title == "third"
    assert team.rows()["agent"]["bob"].handed == ()


def test_what_is_never_taken_up_is_open_again_at_its_old_place_and_counts_no_attempt(team: Team) -> None:
    first = team.create("first")
    second = team.create("second")
    before = team.task(first)
    held = team.start(first)
    team.tick(10)
    hand_over(team, held, ttl=seconds(20))
    team.tick(20)
    team.sweep()
    after = team.task(first)
    assert (after.status, after.claim_status, after.attempt, after.assignee) == ("open", "ready", 0, None)
    assert (after.rank, after.rank_position, after.ready_at) == (before.rank, before.rank_position, before.ready_at)
    assert [fact.reason for fact in team.facts(TaskReclaimed)] == ["undelivered"]
    assert team.rows()["agent"]["bob"].handed == ()
    assert [held.task.id for held in team.claim_many("eve", 2)] == [first.id, second.id]
    assert team.sound()


def test_a_new_holder_that_falls_silent_counts_one_attempt_for_both(team: Team) -> None:
    task = team.create()
    hand_over(team, team.start(task))
    team.claim("bob")
    team.tick(70)
    team.sweep()
    assert team.task(task).attempt == 1
    assert [fact.reason for fact in team.facts(TaskReclaimed)] == ["expired"]


def test_a_handover_passes_from_hand_to_hand(team: Team) -> None:
    task = team.create()
    held = team.start(task)
    for agent in ("bob", "eve", "zoe"):
        hand_over(team, held, agent)
        taken = team.claim(agent)
        assert taken is not None
        held = taken
    assert [fact.to_agent for fact in team.facts(TaskHandedOver)] == ["bob", "eve", "zoe"]
    assert team.task(task).attempt == 1
    team.complete(held)
    assert team.sound()


def test_a_handover_is_refused_to_whoever_could_not_have_claimed(team: Team) -> None:
    held = team.start(team.create(requires=("gpu",)), capabilities=("gpu",))
    ask = make(c.HandoffTask, **held.proof(), to_agent="bob")
    team.refused(ask, Code.AGENT_NOT_FOUND)
    team.do(c.RegisterAgent(agent_id="bob"))
    team.refused(ask, Code.FORBIDDEN)
    team.do(c.RegisterAgent(agent_id="bob", capabilities=("gpu",), max_leases=0))
    team.refused(ask, Code.LIMIT_EXCEEDED)
    team.refused(make(c.HandoffTask, **held.proof(), to_agent="ada"), Code.ALREADY_WORKING)
    team.do(c.RegisterAgent(agent_id="bob", max_leases=None))
    team.do(ask)
    assert team.task(held.task).assignee == "bob"


def test_nothing_is_handed_over_to_an_agent_that_may_not_see_the_task() -> None:
    with harness.team(policies={"access": QueueAccess({"bob": frozenset({"docs"})})}) as team:
        held = team.start(team.create())
        team.do(c.RegisterAgent(agent_id="bob"))
        team.refused(make(c.HandoffTask, **held.proof(), to_agent="bob"), Code.AGENT_NOT_FOUND)


def test_work_is_handed_over_to_an_agent_that_may_see_its_queue_alone() -> None:
    with harness.team(policies={"access": QueueAccess({"bob": frozenset({"docs"})})}) as team:
        assert hand_over(team, team.start(team.create(queue="docs"))).assignee == "bob"


def test_a_handover_lasts_no_longer_than_the_run_that_it_begins(team: Team) -> None:
    held = team.start(team.create(max_runtime=seconds(10)), ttl=seconds(5))
    hand_over(team, held, ttl=seconds(60))
    (fact,) = team.facts(TaskHandedOver)
    assert (fact.ttl, fact.expires_at, fact.ends_by) == (seconds(60), team.now + seconds(10), team.now + seconds(10))


def test_an_agent_has_a_hundred_handovers_to_take_up_at_most(team: Team) -> None:
    for _ in range(101):
        team.create()
    held = [*team.claim_many("ada", 100), *team.claim_many("ada", 1)]
    team.do(c.RegisterAgent(agent_id="bob"))
    for each in held[:100]:
        team.do(make(c.HandoffTask, **each.proof(), to_agent="bob"))
    team.refused(make(c.HandoffTask, **held[100].proof(), to_agent="bob"), Code.LIMIT_EXCEEDED)


def test_as_many_as_an_agent_may_be_handed_are_taken_up_by_a_process_that_knows_none_of_them(team: Team) -> None:
    for _ in range(100):
        team.create()
    team.do(c.RegisterAgent(agent_id="bob"))
    for each in team.claim_many("ada", 100):
        team.do(make(c.HandoffTask, **each.proof(), to_agent="bob"))
    team.forget_view()
    assert team.claim("bob") is not None
    team.forget_view()
    assert len(team.claim_many("bob", 100)) == 99
    assert team.sound()
