"""A reply holds what it is about as it stands afterwards; a fact of a tenure names the run in whose course it was."""

from collections.abc import Callable

import pytest

from arbeit.core import commands as c
from arbeit.core.events import Fact, HandoffAccepted, TaskClaimed, TaskFact, TaskHandedOver
from arbeit.core.model import Event, Grant, Reply
from arbeit.wire import fact_of
from tests.core import harness
from tests.core.chaos import Chaos
from tests.core.harness import Team, make, seconds

SEEDS = range(4)
STEPS = 250
WITHOUT_A_TASK = (
    *(c.CreateProject, c.UpdateProject, c.SetQueue, c.RegisterAgent, c.RerankTasks, c.SetSecret),
    *(c.ClaimTasks, c.StartTask, c.RenewLease, c.Sweep, c.AddRelationship, c.RemoveRelationship),
)
"""Commands whose replies are of other things, or of grants."""
OF_TENURES = {
    *("handoff_accepted", "preempt_requested", "task_released", "task_failed", "task_reclaimed", "task_completed"),
    *("task_handed_over", "task_submitted", "review_approved", "changes_requested"),
    *("artifact_attached", "usage_reported", "secret_used"),
}
"""Facts that nobody but a holder, or somebody in its place, brings about."""
ENDS = {
    *("task_released", "task_failed", "task_reclaimed", "task_completed", "task_submitted"),
    *("review_approved", "changes_requested", "task_cancelled", "task_blocked"),
}

Look = Callable[[Team, c.Command, Reply], None]


def busy(seed: int, look: Look) -> Team:
    """Let a team do all sorts of things, and look at every reply to a command that changed something."""
    with harness.team(seed=seed) as team:
        chaos = Chaos(seed)
        for _ in range(STEPS):
            command, before = chaos.command(team.now), team.last()
            (result,) = team.do_all(command)
            chaos.learn(team, result)
            # A stored reply is of an earlier moment: nothing of its own is recorded, though a sweep's facts may be.
            fresh = [event for event in team.events()[before:] if event.actor == command.actor]
            if isinstance(result, Reply) and fresh:
                look(team, command, result)
            if chaos.chance(0.2):
                team.tick(chaos.random.choice((0.001, 0.7, 3, 20, 70)))
        return team


def standing(team: Team, grant: Grant) -> bool:
    """Whether a grant is as it is stored, but for what renewals move."""
    rows = team.rows()
    lease = rows["lease"][grant.lease.id]
    fields = ("task_id", "agent_id", "run_id", "fence", "ttl", "acquired_at", "ends_by", "accepted", "ended_at")
    same = [getattr(lease, name) == getattr(grant.lease, name) for name in fields]
    return all(same) and rows["run"][grant.run.id] == grant.run and grant.run.id == grant.lease.run_id


@pytest.mark.parametrize("seed", SEEDS)
def test_a_reply_holds_the_task_as_it_is_stored(seed: int) -> None:
    wrong: list[c.Command] = []
    seen: set[type[c.Command]] = set()

    def look(team: Team, command: c.Command, reply: Reply) -> None:
        seen.add(type(command))
        if isinstance(command, WITHOUT_A_TASK):
            return
        if reply.task is None or team.task_row(reply.task.id) != reply.task:
            wrong.append(command)

    busy(seed, look)
    assert wrong == []
    assert len(seen) > 20


@pytest.mark.parametrize("seed", SEEDS)
def test_a_grant_is_what_is_stored(seed: int) -> None:
    found: list[bool] = []

    def look(team: Team, _command: c.Command, reply: Reply) -> None:
        found.extend(standing(team, grant) for grant in reply.grants)

    busy(seed, look)
    assert found.count(False) == 0
    assert len(found) > 10


def of_the_run(fact: Fact, tag: str, runs: dict[str, str | None]) -> bool:
    """Whether a fact names the run that its task is in, as far as it is of one; keeps track of the runs."""
    if not isinstance(fact, TaskFact):
        return True
    run = runs.get(fact.task_id)
    right = fact.run_id == run if tag in OF_TENURES or (tag in ENDS and run is not None) else True
    if isinstance(fact, TaskClaimed):
        runs[fact.task_id] = fact.run_id
    elif isinstance(fact, TaskHandedOver):
        runs[fact.task_id] = fact.new_run_id
    elif tag in ENDS:
        runs[fact.task_id] = None
    return right


@pytest.mark.parametrize("seed", SEEDS)
def test_a_fact_of_a_tenure_names_its_run(seed: int) -> None:
    runs: dict[str, str | None] = {}
    events: list[Event] = []

    def look(team: Team, _command: c.Command, _reply: Reply) -> None:
        events[:] = team.events()

    busy(seed, look)
    assert [event for event in events if not of_the_run(fact_of(event), event.type, runs)] == []
    assert len({event.type for event in events} & OF_TENURES) > 5


def test_asking_a_holder_to_give_way_names_its_task_and_run(team: Team) -> None:
    held = team.start(team.create(), ttl=seconds(300))
    team.do(c.RegisterAgent(agent_id="boss", persona="supervisor"))
    reply = team.do(make(c.PreemptTask, actor="boss", task_id=held.task.id))
    assert reply.task == team.task_row(held.task.id)
    assert [event.run_id for event in team.events() if event.type == "preempt_requested"] == [held.run.id]


def test_taking_up_a_handover_names_the_new_run_and_lease(team: Team) -> None:
    team.do(c.RegisterAgent(agent_id="bob"))
    held = team.start(team.create())
    reply = team.do(make(c.HandoffTask, **held.proof(), to_agent="bob"))
    assert reply.task == team.task_row(held.task.id)
    taken = team.claim("bob", session_id="s-9")
    assert taken is not None
    (fact,) = team.facts(HandoffAccepted)
    assert (fact.run_id, fact.lease_id, fact.session_id) == (taken.run.id, taken.lease.id, "s-9")
    assert taken.run.session_id == "s-9"
    assert taken.run.id != held.run.id


def test_being_asked_to_give_way_never_lengthens_a_run(team: Team) -> None:
    held = team.start(team.create(max_runtime=seconds(10)), ttl=seconds(300))
    team.do(c.RegisterAgent(agent_id="boss", persona="supervisor"))
    reply = team.do(make(c.PreemptTask, actor="boss", task_id=held.task.id))
    assert reply.expires_at == held.lease.acquired_at + seconds(10)
