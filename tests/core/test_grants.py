"""What a grant holds: how long, for whom, in which trace; what was handed over; what a claim is told beforehand."""

from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from arbeit.core import commands as c
from arbeit.core.decide.grants import window_sizes
from arbeit.core.errors import Code
from arbeit.core.events import HandoffAccepted, TaskReclaimed
from arbeit.core.fairness import SCALE
from arbeit.core.model import Explanation, Reply, Task
from arbeit.core.view import View
from arbeit.policies import AgedPriority, Jittered, QueueAccess, QueueWeight
from tests.core import harness
from tests.core.harness import PROJECT, Team, make, seconds

TRACE = "a" * 32
TRACEPARENT = f"00-{TRACE}-{'b' * 16}-01"


@contextmanager
def another_process(team: Team) -> Iterator[None]:
    """What is done in here moves the log behind the back of the view that was cached before."""
    cached = team.kernel._views.pop(PROJECT)
    yield
    team.kernel._views[PROJECT] = cached


def handed_over(team: Team, task_id: str, ttl: float = 60, title: str = "Work") -> None:
    team.do(c.RegisterAgent(agent_id="bob"))
    held = team.start(team.create(title, task_id=task_id))
    team.do(make(c.HandoffTask, **held.proof(), to_agent="bob", ttl=seconds(ttl)))


def explained(team: Team, actor: str = "ada", **fields: object) -> Explanation:
    said = team.do(make(c.ExplainClaim, actor=actor, **fields)).explanation
    assert said is not None
    return said


# --- taking up ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("asked", "lasts"), [(300, 300), (None, 40)])
def test_work_is_taken_up_for_as_long_as_the_claim_asks_or_else_as_it_was_handed_over_for(
    team: Team, asked: float | None, lasts: float
) -> None:
    handed_over(team, "a", ttl=40)
    team.tick(5)
    taken = team.claim("bob", ttl=None if asked is None else seconds(asked))
    assert taken is not None
    assert (taken.lease.expires_at, taken.lease.heartbeat_at) == (team.now + seconds(lasts), team.now)
    assert team.rows()["lease"][taken.lease.id] == taken.lease


def test_who_takes_work_up_says_in_which_session_and_trace(team: Team) -> None:
    handed_over(team, "a")
    taken = team.claim("bob", session_id="s-1", traceparent=TRACEPARENT)
    assert taken is not None
    assert (taken.run.session_id, taken.run.trace_id) == ("s-1", TRACE)
    fact = team.facts(HandoffAccepted)[0]
    assert (fact.task_id, fact.run_id, fact.lease_id) == ("a", taken.run.id, taken.lease.id)


def test_a_run_outside_of_any_trace_has_none(team: Team) -> None:
    team.create()
    held = team.claim()
    assert held is not None
    assert held.run.trace_id == ""


def test_who_takes_work_up_by_name_hears_of_what_is_unfinished_around_it(team: Team) -> None:
    handed_over(team, "a")
    team.create(parent_id="a")
    reply = team.do(make(c.StartTask, actor="bob", agent="bob", task_id="a"))
    assert [notice.code for notice in reply.warnings] == ["HAS_INCOMPLETE_CHILDREN"]


def test_who_starts_a_review_hears_of_what_is_unfinished_around_it(team: Team) -> None:
    team.complete(team.start(team.create(task_id="a", review=True)))
    team.relate(team.create(), "blocks", "a")
    team.create(parent_id="a")
    reply = team.do(make(c.StartTask, actor="bob", agent="bob", task_id="a", capabilities=("review",)))
    assert [notice.code for notice in reply.warnings] == ["HAS_BLOCKERS", "HAS_INCOMPLETE_CHILDREN"]


# --- being refused ------------------------------------------------------------------------------------------


def refused_start(team: Team, actor: str = "ada") -> str:
    """What somebody hears who starts task z and cannot."""
    return team.refused(make(c.StartTask, actor=actor, agent="ada", task_id="z"), Code.NOT_READY).message


@pytest.mark.parametrize(("micros", "told"), [(1, 1), (1_000_000, 1), (1_000_001, 2), (59_999_999, 60)])
def test_who_comes_too_early_is_told_how_long_to_wait_in_whole_seconds_rounded_up(
    team: Team, micros: int, told: int
) -> None:
    team.create(task_id="z", ready_at=team.now + micros)
    assert refused_start(team) == f"task z is delayed for another {told} s"


def test_a_task_is_started_at_the_very_moment_at_which_it_falls_due_though_no_sweep_came_by(team: Team) -> None:
    team.create(task_id="z", ready_at=team.now + 1_000_000)
    team.tick(1)
    (started,) = team.hub._session._transact(PROJECT, [make(c.StartTask, agent="ada", task_id="z")], sweep=False)
    assert isinstance(started, Reply)
    assert [grant.task.id for grant in started.grants] == ["z"]


@pytest.mark.parametrize(("blockers", "told"), [(10, ""), (11, ", 1 more"), (13, ", 3 more")])
def test_a_refusal_names_ten_blockers_and_counts_the_others(team: Team, blockers: int, told: str) -> None:
    names = [team.create(task_id=f"b-{number:02}").id for number in range(blockers)]
    team.create(task_id="z", blocked_by=tuple(names))
    assert refused_start(team) == f"task z waits for {', '.join(names[:10])}{told}"


def test_a_refusal_names_unfinished_blockers_that_the_actor_may_see_and_counts_the_others() -> None:
    access = QueueAccess({"ada": frozenset({"default"})})
    with harness.team(policies={"access": access}) as team:
        for name, queue in (("seen", "default"), ("secret", "theirs"), ("done", "default")):
            team.create(task_id=name, queue=queue)
        team.create(task_id="z", blocked_by=("seen", "secret", "done"))
        team.finish("done")
        assert refused_start(team) == "task z waits for seen, 1 more"
        assert refused_start(team, "lead") == "task z waits for secret, seen"


class LengthByTitle(Jittered):
    """A lease lasts as many seconds as its task's title says, and a run ten times as long."""

    def ttl(self, task: Task, requested: int | None, entropy: int) -> int:  # noqa: ARG002 - the protocol's
        return seconds(int(task.title))

    def max_runtime(self, task: Task) -> int | None:
        return seconds(10 * int(task.title))


@pytest.mark.parametrize("how", ["claim", "start", "handoff"])
def test_a_policy_is_told_which_task_a_lease_is_for(how: str) -> None:
    with harness.team(policies={"lease_length": LengthByTitle()}) as team:
        if how == "handoff":
            handed_over(team, "a", title="7")
            (lease,) = (lease for lease in team.rows()["lease"].values() if lease.ended_at is None)
        else:
            team.create("7", task_id="a")
            held = team.claim() if how == "claim" else team.start("a")
            assert held is not None
            lease = held.lease
        assert (lease.ttl, lease.expires_at, lease.ends_by) == (
            seconds(7),
            team.now + seconds(7),
            team.now + seconds(70),
        )


def test_who_starts_a_task_is_known_by_what_it_says_it_can_do(team: Team) -> None:
    team.start(team.create(), "ada", capabilities=("sql",))
    assert team.rows()["agent"]["ada"].capabilities == ("sql",)


# --- picking ------------------------------------------------------------------------------------------------


def test_a_claim_finds_what_waits_though_another_process_has_moved_the_log(team: Team) -> None:
    team.create(task_id="a")
    with another_process(team):
        team.create(task_id="b", queue="other")
    assert [held.task.id for held in team.claim_many("ada", 2)] == ["a", "b"]


# --- being told ---------------------------------------------------------------------------------------------


def test_an_explanation_goes_by_what_the_agent_is_known_to_have_unless_it_says_otherwise(team: Team) -> None:
    team.do(c.RegisterAgent(agent_id="ada", capabilities=("gpu",)))
    team.create(task_id="a", requires=("gpu",))
    assert explained(team).task_id == "a"
    assert explained(team, capabilities=()).task_id is None
    assert explained(team, "bob", agent="bob").task_id is None
    assert explained(team, "bob", agent="bob", capabilities=("gpu",)).task_id == "a"


def test_an_explanation_after_a_restart_looks_into_the_queues_asked_for(team: Team) -> None:
    team.create(task_id="a", queue="first")
    team.create(task_id="b", queue="second")
    team.forget_view()
    assert explained(team, queues=("second",)).task_id == "b"


def test_an_explanation_shows_the_other_queues_that_an_actor_may_see() -> None:
    access = QueueAccess({"ada": frozenset({"mine", "ours"})})
    with harness.team(policies={"access": access}) as team:
        for queue in ("mine", "ours", "theirs"):
            team.create(queue=queue)
        said = explained(team)
        assert said.queue == "mine"
        assert [(one.queue, one.reason) for one in said.passed] == [("ours", "its turn comes later")]


# --- taking back --------------------------------------------------------------------------------------------


def overdue(team: Team, *names: str) -> list[harness.Held]:
    """Tasks past their deadlines, which passed in this order."""
    held = []
    for name in names:
        held.append(team.start(team.create(task_id=name), f"agent-{name}", ttl=seconds(5)))
        team.tick(0.1)
    team.tick(10)
    return held


def test_a_sweep_takes_back_what_fell_due_first_and_no_more_than_its_limit(team: Team) -> None:
    overdue(team, "a", "b", "c")
    first, rest = team.do_all(c.Sweep(actor="arbeit", limit=1), c.Sweep(actor="arbeit", limit=5))
    assert isinstance(first, Reply)
    assert isinstance(rest, Reply)
    assert (first.count, rest.count) == (1, 2)
    assert [fact.task_id for fact in team.facts(TaskReclaimed)] == ["a", "b", "c"]


def test_a_lease_renewed_in_the_same_batch_stays_and_those_due_after_it_are_taken_back(team: Team) -> None:
    held = overdue(team, "a", "b", "c")
    team.do_all(make(c.RenewLease, **held[0].proof()), make(c.CompleteTask, **held[1].proof(), evidence=("x",)))
    assert [fact.task_id for fact in team.facts(TaskReclaimed)] == ["c"]
    assert [team.task(name).status for name in "abc"] == ["in_progress", "completed", "open"]


def test_what_falls_due_is_ranked_from_the_moment_at_which_it_fell_due(team: Team) -> None:
    due = team.now + seconds(60)
    for name, priority in (("a", "low"), ("b", "critical")):
        team.create(task_id=name, priority=priority, ready_at=due)
    team.tick(70)
    team.sweep()
    ranks = {name: AgedPriority().rank(team.task(name), due) for name in "ab"}
    assert {name: team.task(name).rank for name in "ab"} == ranks
    assert [held.task.id for held in team.claim_many("ada", 2)] == ["b", "a"]


# --- how much is loaded ahead -------------------------------------------------------------------------------


@pytest.mark.parametrize(("groups", "each"), [(1, 64), (3, 21), (16, 4), (20, 4)])
def test_windows_share_what_is_loaded_ahead_and_hold_four_rows_at_least(groups: int, each: int) -> None:
    wanted = tuple((f"queue-{number}", "") for number in range(groups))
    sizes = window_sizes(View(PROJECT), wanted + wanted)
    assert sizes == dict.fromkeys(wanted, each)
    assert all(type(size) is int for size in sizes.values())


def test_one_batch_is_granted_more_than_one_window_holds(team: Team) -> None:
    names = [team.create(task_id=f"t-{number:03}").id for number in range(80)]
    team.forget_view()
    claim = make(c.ClaimTasks, agent="ada", n=40)
    granted = [
        grant.task.id for reply in team.do_all(claim, claim) if isinstance(reply, Reply) for grant in reply.grants
    ]
    assert granted == names


class ByTitle(QueueWeight):
    """Serving a task costs what its title says."""

    def cost(self, task: Task) -> int:
        return int(task.title)


@pytest.mark.parametrize("by_name", [False, True])
def test_a_queue_pays_what_the_policy_says_that_its_task_costs(by_name: bool) -> None:
    with harness.team(policies={"weighting": ByTitle()}) as team:
        team.create("3", task_id="a")
        held = team.start("a") if by_name else team.claim()
        assert held is not None
        assert team.rows()["queue"]["default"].tag == (3 << SCALE) // 100
