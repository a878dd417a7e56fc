"""What supervisors may do to work that others hold, and that the log says so."""

from typing import Any

import pytest

from arbeit.core import commands as c
from arbeit.core.errors import Code
from arbeit.core.model import Agent, Task
from arbeit.policies import NamedAccess, OpenAccess, QueueAccess
from arbeit.wire import fact_of
from tests.core import harness
from tests.core.harness import Held, Team, make

# Without those that written constructors made for themselves.
DECLARED = (kind for kind in c.TenureCommand.__subclasses__() if "__declared__" in vars(kind))
FORCIBLE = sorted(DECLARED, key=lambda kind: kind.__name__)
EXTRA: dict[type[c.Command], dict[str, Any]] = {c.CompleteTask: {"evidence": ("seen",)}}
each_kind = pytest.mark.parametrize("kind", FORCIBLE, ids=lambda kind: kind.__name__)


def forced(kind: type[c.Command], task: Task | str, actor: str = "boss", **fields: object) -> c.Command:
    given = {"actor": actor, "task_id": harness.id_of(task), "token": None, "force": True}
    return make(kind, **EXTRA.get(kind, {}), **given, **fields)


def held_for(team: Team, kind: type[c.Command]) -> Held:
    """A task that bob holds, so that this command is what could come next."""
    team.do(c.RegisterAgent(agent_id="boss", persona="supervisor"))
    team.do(c.RegisterAgent(agent_id="bob", capabilities=("review",)))
    team.do(c.RegisterAgent(agent_id="eve"))
    reviewed = kind.operation in {"task.approve", "task.request_changes"}
    task = team.create(review=reviewed)
    if reviewed:
        team.complete(team.start(task, "doer"))
    return team.start(task, "bob")


@each_kind
def test_a_supervisor_ends_anybodys_tenure_and_the_event_says_forced(team: Team, kind: type[c.Command]) -> None:
    held = held_for(team, kind)
    before = team.last()
    extra = {"to_agent": "eve"} if kind is c.HandoffTask else {}
    team.do(forced(kind, held.task, **extra))
    event = next(event for event in team.events() if event.position == before + 1)
    assert (fact_of(event).forced, event.actor) == (True, "boss")  # type: ignore[attr-defined]  # of every tenure's end
    assert team.task(held.task).lease_id != held.lease.id
    team.refused(make(c.RenewLease, **held.proof()), Code.LEASE_LOST)
    assert team.sound()


@each_kind
def test_a_holder_whose_tenure_is_ended_after_a_restart_holds_one_task_less(team: Team, kind: type[c.Command]) -> None:
    held = held_for(team, kind)
    team.start(team.create("other"), "bob")
    team.forget_view()
    extra = {"to_agent": "eve"} if kind is c.HandoffTask else {}
    team.do(forced(kind, held.task, **extra))
    assert team.rows()["agent"]["bob"].active_leases == 1
    assert team.sound()


def test_a_policy_may_make_supervisors_by_their_names() -> None:
    class Named(OpenAccess):
        """The chief supervises, whoever it is registered as."""

        def supervises(self, actor: str, agent: Agent | None) -> bool:
            return actor == "chief" and agent is None

    with harness.team(policies={"access": Named()}) as team:
        held = held_for(team, c.ReleaseTask)
        team.refused(forced(c.ReleaseTask, held.task), Code.FORBIDDEN)
        assert harness.task_of(team.do(forced(c.ReleaseTask, held.task, "chief"))).status == "open"


@each_kind
def test_force_is_forbidden_to_everybody_else(team: Team, kind: type[c.Command]) -> None:
    held = held_for(team, kind)
    for actor in ("eve", "bob", "nobody"):
        error = team.refused(forced(kind, held.task, actor), Code.FORBIDDEN)
        assert "force" not in " ".join(error.suggestions)
    team.do(c.RegisterAgent(agent_id="boss", persona="reviewer"))
    team.refused(forced(kind, held.task), Code.FORBIDDEN)


@each_kind
def test_a_holder_that_shows_its_token_needs_no_force(team: Team, kind: type[c.Command]) -> None:
    held = held_for(team, kind)
    before = team.last()
    extra = {"to_agent": "eve"} if kind is c.HandoffTask else {}
    team.do(make(kind, **EXTRA.get(kind, {}), **extra, **held.proof(), force=True))
    event = next(event for event in team.events() if event.position == before + 1)
    assert fact_of(event).forced is False  # type: ignore[attr-defined]  # as above


@each_kind
def test_a_wrong_token_is_not_made_good_by_force(team: Team, kind: type[c.Command]) -> None:
    held = held_for(team, kind)
    command = make(kind, actor="boss", task_id=held.task.id, force=True, token="f" * 32)
    team.refused(command, Code.LEASE_LOST)


@pytest.mark.parametrize("kind", [c.CancelTask, c.BlockTask])
def test_what_nobody_holds_takes_no_force(team: Team, kind: type[c.Command]) -> None:
    task = team.create()
    team.do(c.RegisterAgent(agent_id="boss", persona="supervisor"))
    before = team.last()
    team.do(forced(kind, task))
    event = next(event for event in team.events() if event.position == before + 1)
    assert fact_of(event).forced is False  # type: ignore[attr-defined]  # as above


def test_force_asks_the_completion_policy_as_ever(team: Team) -> None:
    held = held_for(team, c.CompleteTask)
    unproven = make(c.CompleteTask, actor="boss", task_id=held.task.id, token=None, force=True)
    team.refused(unproven, Code.EVIDENCE_REQUIRED)


def test_a_forced_handover_reaches_its_new_holder(team: Team) -> None:
    held = held_for(team, c.HandoffTask)
    team.do(forced(c.HandoffTask, held.task, to_agent="eve"))
    new = team.claim("eve")
    assert new is not None
    assert new.task.id == held.task.id
    assert team.rows()["agent"]["bob"].active_leases == 0


def test_a_task_that_waits_to_be_taken_up_can_be_forced_away(team: Team) -> None:
    held = held_for(team, c.HandoffTask)
    team.do(forced(c.HandoffTask, held.task, to_agent="eve"))
    team.do(forced(c.ReleaseTask, held.task))
    agent = team.rows()["agent"]["eve"]
    assert (agent.handed, agent.active_leases) == ((), 0)
    assert team.sound()


def test_a_supervisor_reaches_no_task_that_it_may_not_see() -> None:
    with harness.team(policies={"access": QueueAccess({"boss": frozenset({"docs"})})}) as team:
        held = held_for(team, c.ReleaseTask)
        for kind in (*FORCIBLE, c.PreemptTask, c.DeleteTask):
            given = {"force": True, "token": None} if kind in FORCIBLE else {}
            team.refused(make(kind, actor="boss", task_id=held.task.id, **given), Code.TASK_NOT_FOUND)
        team.refused(c.EraseRecord(actor="boss", kind="task", record_id=held.task.id), Code.TASK_NOT_FOUND)


@pytest.mark.parametrize("kind", harness.sendable(), ids=lambda kind: kind.__name__)
def test_nobody_does_nothing_where_everybody_has_a_name(kind: type[c.Command]) -> None:
    with harness.team(settings={"access": "named"}) as team:
        if kind is c.RenewLeases:
            # Whoever carries renewals asks for nothing itself; what it carries does.
            (renewal,) = team.do(make(kind)).renewals
            assert renewal.refused is not None
            assert renewal.refused.code is Code.UNAUTHENTICATED
        elif kind is not c.CreateProject:
            team.refused(make(kind), Code.UNAUTHENTICATED)
        team.do(c.CreateTask(title="mine", actor="ada"))


def test_named_access_tells_the_anonymous_who_to_be() -> None:
    access = NamedAccess()
    assert (access.scope("anonymous").known, access.scope("ada").known) == (False, True)
