"""Many leases renewed by one command come to what their renewals come to one by one."""

from collections.abc import Callable, Sequence

import attrs
import pytest
from hypothesis import given
from hypothesis import strategies as st

from arbeit.core import commands as c
from arbeit.core.batch import MAX_ROWS, SWEEP_ACTOR, fill
from arbeit.core.errors import ArbeitError, Code
from arbeit.core.limits import RENEWALS
from arbeit.core.model import Grant, Reply
from arbeit.core.policy import Scope
from arbeit.core.reads import reads
from arbeit.heartbeats import heard, together
from arbeit.policies import OpenAccess
from arbeit.wire import WIRE, read_reply
from tests.core import harness
from tests.core.harness import Held, Team, examples, make, seconds

ENDS: dict[str, Callable[[Team, Held], object]] = {
    "goes on": lambda _team, _held: None,
    "completed": lambda team, held: team.complete(held),
    "failed": lambda team, held: team.fail(held),
    "cancelled": lambda team, held: team.do(c.CancelTask(actor="boss", task_id=held.task.id, force=True)),
    "deleted": lambda team, held: (
        team.release(held),
        team.do(c.DeleteTask(actor="ada", task_id=held.task.id)),
    ),
    "granted again": lambda team, held: (team.release(held), team.start(held.task, "eve")),
    "handed over": lambda team, held: team.do(make(c.HandoffTask, **held.proof(), to_agent="eve", note="yours")),
    "asked to give way": lambda team, held: team.do(c.PreemptTask(actor="boss", task_id=held.task.id)),
    "commented on": lambda team, held: team.do(c.AddContext(actor="eve", task_id=held.task.id, content="look")),
    "moved out of sight": lambda team, held: team.do(c.UpdateTask(actor="boss", task_id=held.task.id, queue="hidden")),
}
"""What becomes of a task after it was claimed."""
SHOWN: dict[str, Callable[[c.RenewLease], c.RenewLease]] = {
    "as it is": lambda one: one,
    "forged": lambda one: attrs.evolve(one, token="f" * 32),
    "by somebody else": lambda one: attrs.evolve(one, actor="eve"),
    "by nobody": lambda one: attrs.evolve(one, actor="ghost"),
    "for another task": lambda one: attrs.evolve(one, task_id="tkt-0"),
    "for what is not there": lambda one: attrs.evolve(one, task_id="nowhere"),
}
"""How a renewal is sent."""
ASKED = st.tuples(
    st.integers(0, 5),
    st.sampled_from([*["as it is"] * 6, *SHOWN]),
    st.sampled_from((None, None, 1, seconds(5), seconds(3600))),
)


class Seen(OpenAccess):
    """A ghost is nobody, and what is hidden is seen by the supervisor alone."""

    def scope(self, actor: str) -> Scope:
        return Scope(None if actor == "boss" else frozenset({"default"}), known=actor != "ghost")


def situated(team: Team, fates: Sequence[str]) -> list[Held]:
    """Tasks claimed by two agents, of which each met its fate."""
    team.do(c.RegisterAgent(actor="boss", agent_id="boss", persona="supervisor"))
    team.do(c.RegisterAgent(actor="eve", agent_id="eve"))
    names = [f"tkt-{number}" for number in range(len(fates))]
    for number, name in enumerate(names):
        team.create(task_id=name, max_runtime=seconds(100) if number % 3 == 0 else None)
    held = [team.start(name, "ada" if number % 2 else "bob") for number, name in enumerate(names)]
    team.tick(7)
    for fate, one in zip(fates, held, strict=True):
        ENDS[fate](team, one)
    return held


def renewal(held: Held, ttl: int | None = None) -> c.RenewLease:
    return c.RenewLease(actor=held.agent, task_id=held.task.id, token=held.token, ttl=ttl)


def renewals(held: Sequence[Held], asked: Sequence[tuple[int, str, int | None]]) -> list[c.RenewLease]:
    found = []
    for at, how, ttl in asked:
        found.append(SHOWN[how](renewal(held[at % len(held)], ttl)))
    return found


def told(result: Reply | ArbeitError) -> object:
    if isinstance(result, Reply):
        return result
    return (result.code, result.message, result.suggestions, result.retryable, result.data)


@examples(80)
@given(
    fates=st.lists(st.sampled_from([*["goes on"] * 4, *ENDS]), min_size=1, max_size=6),
    asked=st.lists(ASKED, min_size=1, max_size=9),
    wait=st.sampled_from((0.0, 3.0, 29.0, 95.0)),
    warm=st.booleans(),
)
def test_renewed_together_or_one_by_one_comes_to_the_same(
    fates: list[str], asked: list[tuple[int, str, int | None]], wait: float, warm: bool
) -> None:
    found = []
    for at_once in (True, False):
        with harness.team(policies={"access": Seen()}) as team:
            commands = renewals(situated(team, fates), asked)
            team.tick(wait)
            if not warm:
                team.forget_view()
            before = team.last()
            if at_once:
                # Whoever carries them asks for nothing itself.
                bulk = c.RenewLeases(actor="ghost", items=commands)
                results = heard(bulk, team.do(bulk))
            else:
                results = team.do_all(*commands)
            # A sweep of the same transaction may take back what nobody renewed; renewals themselves leave no event.
            assert {event.actor for event in team.events()[before:]} <= {SWEEP_ACTOR}
            found.append(
                ([told(result) for result in results], team.rows(), team.events(), team.project.as_("boss").verify().ok)
            )
    together_, apart = found
    assert together_ == apart
    assert together_[-1]


def test_one_that_is_lost_costs_the_others_nothing(team: Team) -> None:
    held = [team.start(team.create(), agent) for agent in ("ada", "bob", "cyd")]
    team.do(c.RegisterAgent(actor="boss", agent_id="boss", persona="supervisor"))
    team.complete(held[1])
    team.do(c.PreemptTask(actor="boss", task_id=held[2].task.id))
    team.tick(20)
    bulk = c.RenewLeases(items=[renewal(one, seconds(60)) for one in held])
    first, second, third = team.do(bulk).renewals
    assert (first.expires_at, first.refused, first.warnings) == (team.now + seconds(60), None, ())
    assert second.expires_at is None
    assert second.refused is not None
    assert second.refused.code is Code.LEASE_LOST
    assert [notice.code for notice in third.warnings] == ["PREEMPT_REQUESTED"]
    assert third.expires_at == held[2].lease.acquired_at + seconds(30)
    assert [one.task_id for one in (first, second, third)] == [one.task.id for one in held]
    assert team.rows()["lease"][held[0].lease.id].heartbeat_at == team.now


def test_of_a_lease_renewed_twice_in_one_command_the_later_length_counts(team: Team) -> None:
    held = team.start(team.create())
    items = [renewal(held, seconds(length)) for length in (500, 20)]
    assert [one.expires_at for one in team.do(c.RenewLeases(items=items)).renewals] == [
        team.now + seconds(500),
        team.now + seconds(20),
    ]
    assert team.rows()["lease"][held.lease.id].expires_at == team.now + seconds(20)


def test_it_reads_its_tasks_and_nothing_else() -> None:
    items = [c.RenewLease(task_id=f"tkt-{number}", token="t") for number in range(3)]
    wanted = reads([c.RenewLeases(items=items)])
    assert wanted.tasks == {"tkt-0", "tkt-1", "tkt-2"}
    assert [each.name for each in attrs.fields(type(wanted)) if getattr(wanted, each.name)] == ["tasks"]


def test_no_transaction_is_made_longer_than_its_bound() -> None:
    full = c.RenewLeases(items=[c.RenewLease(task_id="tkt-1", token="t")] * RENEWALS)
    assert fill([full] * 5) == 1
    assert RENEWALS < MAX_ROWS


def test_as_few_commands_as_do_carry_every_renewal_in_order() -> None:
    items = [c.RenewLease(actor="ada", task_id=f"tkt-{number}", token="t") for number in range(2 * RENEWALS + 1)]
    first, second, last = together(items)
    assert isinstance(first, c.RenewLeases)
    assert isinstance(second, c.RenewLeases)
    assert [*first.items, *second.items, last] == items
    assert list(together([])) == []


def test_what_all_of_them_were_answered_each_of_them_hears() -> None:
    item = c.RenewLease(task_id="tkt-1", token="t")
    error = ArbeitError(Code.STORE_UNAVAILABLE, "away")
    assert heard(c.RenewLeases(items=[item] * 3), error) == [error] * 3
    assert heard(item, error) == [error]


def test_its_reply_reads_back_from_its_text(team: Team) -> None:
    held = [team.start(team.create()) for _ in range(2)]
    team.complete(held[0])
    reply = team.do(c.RenewLeases(items=[renewal(one) for one in held]))
    again = read_reply(WIRE.reply(reply))
    assert again == reply
    assert again.renewals[0].refused is not None
    assert type(again.renewals[0].refused.code) is Code


def test_tokens_of_what_is_carried_are_not_shown(team: Team) -> None:
    held = team.start(team.create())
    bulk = c.RenewLeases(items=[renewal(held)])
    assert held.token not in repr(bulk)
    assert held.token not in repr(team.do(bulk))


@pytest.mark.parametrize("count", [1, RENEWALS])
def test_a_full_one_runs_whether_the_view_is_warm_or_not(team: Team, count: int) -> None:
    names = [f"tkt-{number}" for number in range(count)]
    team.do_all(*(c.CreateTask(task_id=name, title="T") for name in names))
    held = [team.held(grant) for _ in range(-(-count // 100)) for grant in claimed(team)]
    assert len(held) == count
    for _ in range(2):
        team.tick(10)
        reply = team.do(c.RenewLeases(items=[renewal(one, seconds(90)) for one in held]))
        assert {one.expires_at for one in reply.renewals} == {team.now + seconds(90)}
        team.forget_view()
    assert {lease.expires_at for lease in team.rows()["lease"].values()} == {team.now + seconds(90)}


def claimed(team: Team) -> Sequence[Grant]:
    return team.do(make(c.ClaimTasks, actor="ada", agent="ada", n=100)).grants
