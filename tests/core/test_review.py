"""Review: work of its own kind, by somebody who did not do the work."""

from collections.abc import Iterator
from typing import Any

import pytest

from arbeit import sync
from arbeit.core import commands as c
from arbeit.core.errors import Code
from arbeit.core.events import ChangesRequested, ReviewApproved, TaskEscalated, TaskReclaimed, TaskSubmitted
from arbeit.core.model import Task
from tests.core import harness
from tests.core.harness import Held, Team, make, task_of

REVIEWER: dict[str, Any] = {"capabilities": ("review",)}


@pytest.fixture
def asked() -> Iterator[Team]:
    """A project that asks for reviews."""
    with harness.team(settings={"review": "required"}) as opened:
        yield opened


def submitted(team: Team, *, review: bool | None = None) -> Task:
    """A task that ada finished and that waits for a reviewer."""
    return task_of(team.complete(team.start(team.create(review=review), **REVIEWER), outcome="done"))


def reviewing(team: Team, task: Task, agent: str = "bob") -> Held:
    held = team.claim(agent, **REVIEWER)
    assert held is not None
    assert held.task.id == task.id
    return held


def test_completing_asks_for_a_review_and_approving_completes(asked: Team) -> None:
    task = submitted(asked)
    assert (task.status, task.claim_status, task.submitted_by, task.assignee) == ("in_review", "ready", "ada", None)
    assert (task.finished_at, task.attempt) == (None, 0)
    held = reviewing(asked, task)
    assert (held.task.status, held.task.assignee, held.run.attempt) == ("in_review", "bob", 1)
    after = task_of(asked.do(make(c.ApproveTask, **held.proof(), note="well done")))
    assert (after.status, after.claim_status, after.finished_at) == ("completed", "none", asked.now)
    assert [len(asked.facts(kind)) for kind in (TaskSubmitted, ReviewApproved)] == [1, 1]
    entries = asked.project.get(task.id, include=("context",)).context
    assert entries is not None
    assert [(entry.type, entry.content, entry.author) for entry in entries] == [
        ("outcome", "done", "ada"),
        ("note", "well done", "bob"),
    ]
    assert asked.sound()


@pytest.mark.parametrize(
    ("project", "own", "expected"),
    [
        ("required", None, "in_review"),
        ("required", False, "completed"),
        ("none", True, "in_review"),
        ("none", None, "completed"),
    ],
)
def test_a_task_may_ask_for_a_review_or_for_none_whatever_its_project_says(
    project: str,
    own: bool | None,
    expected: str,
) -> None:
    with harness.team(settings={"review": project}) as team:
        assert submitted(team, review=own).status == expected


def test_what_waits_for_a_task_is_freed_by_its_approval_and_not_before(asked: Team) -> None:
    parent = asked.create("parent")
    first = asked.create("first", parent_id=parent.id)
    later = asked.create("later", blocked_by=(first.id,))
    asked.complete(asked.start(first, **REVIEWER))
    assert [asked.task(each).claim_status for each in (parent, later)] == ["waiting", "waiting"]
    asked.do(make(c.ApproveTask, **reviewing(asked, first).proof()))
    assert [asked.task(each).claim_status for each in (parent, later)] == ["ready", "ready"]


def test_the_doer_never_gets_its_own_review(asked: Team) -> None:
    task = submitted(asked)
    assert asked.claim("ada", **REVIEWER) is None
    assert asked.claim_many("ada", 5, **REVIEWER) == []
    said = asked.do(make(c.ExplainClaim, actor="ada", agent="ada", **REVIEWER)).explanation
    assert said is not None
    assert said.task_id is None
    error = asked.refused(make(c.StartTask, actor="ada", agent="ada", task_id=task.id, **REVIEWER), Code.FORBIDDEN)
    assert "!" not in error.message
    asked.forget_view()
    assert asked.claim("ada", **REVIEWER) is None
    reviewing(asked, task)


def test_the_doer_goes_on_with_anything_but_its_own_review(asked: Team) -> None:
    held = asked.start(asked.create(), **REVIEWER)
    assert asked.complete(held, then_claim=c.ClaimTasks(agent="ada")).grants == ()
    other = asked.create("other", priority="low")
    again = asked.claim_many("ada", 2, **REVIEWER)
    assert [each.task.id for each in again] == [other.id]


def test_waiting_brings_the_doer_no_review_and_somebody_else_the_review() -> None:
    with sync.open("memory://") as hub:
        project = hub.project("p", create=True, settings={"review": "required"})
        task = project.create_task("Work")
        project.start_task(task.id, "ada", capabilities=("review",)).complete(evidence=["seen"])
        assert project.claim("ada", capabilities=("review",), wait=0.05) is None
        work = project.claim("bob", capabilities=("review",), wait=5)
        assert work is not None
        assert work.task.id == task.id


def test_the_doer_is_kept_out_of_its_own_review_alone(asked: Team) -> None:
    own = submitted(asked)
    others = task_of(asked.complete(asked.start(asked.create(), "bob", **REVIEWER)))
    for agent, review in (("ada", others), ("bob", own)):
        assert [held.task.id for held in asked.claim_many(agent, 2, **REVIEWER)] == [review.id]


def test_the_doer_does_not_approve_even_as_a_supervisor(asked: Team) -> None:
    task = submitted(asked)
    reviewing(asked, task)
    asked.do(c.RegisterAgent(agent_id="ada", persona="supervisor"))
    asked.refused(make(c.ApproveTask, actor="ada", task_id=task.id, token=None, force=True), Code.FORBIDDEN)


def test_reviewing_takes_the_capability_and_nothing_that_the_work_took(asked: Team) -> None:
    task = submitted(asked)
    assert asked.claim("bob", capabilities=("python",)) is None
    asked.refused(
        make(c.StartTask, actor="bob", agent="bob", task_id=task.id, capabilities=("python",)), Code.FORBIDDEN
    )
    held = asked.start(task, "bob", **REVIEWER)
    assert held.task.status == "in_review"


def test_a_lost_review_goes_back_to_reviewers_and_keeps_the_doer_out(asked: Team) -> None:
    task = submitted(asked)
    reviewing(asked, task)
    asked.tick(70)
    asked.sweep()
    after = asked.task(task)
    assert (after.status, after.submitted_by, after.attempt) == ("in_review", "ada", 1)
    assert [fact.reason for fact in asked.facts(TaskReclaimed)] == ["expired"]
    asked.tick(5)
    assert asked.claim("ada", **REVIEWER) is None
    reviewing(asked, task, "eve")
    assert asked.sound()


def test_reviews_count_attempts_of_their_own_and_escalate_once(asked: Team) -> None:
    task = asked.create(max_attempts=2)
    asked.fail(asked.start(task))
    asked.tick(5)
    asked.complete(asked.start(task, **REVIEWER))
    for attempt in (1, 2):
        held = reviewing(asked, task)
        assert held.run.attempt == attempt
        asked.fail(held, error="cannot tell")
        asked.tick(5)
        asked.sweep()
    after = asked.task(task)
    assert (after.status, after.block_reason, after.escalated_at is not None) == ("blocked", "retries_exhausted", True)
    assert len(asked.facts(TaskEscalated)) == 1
    again = task_of(asked.do(c.UnblockTask(task_id=task.id)))
    assert (again.status, again.claim_status, again.attempt, again.escalated_at) == ("in_review", "ready", 0, None)
    assert asked.claim("ada", **REVIEWER) is None
    reviewing(asked, task)
    assert asked.sound()


def test_requesting_changes_opens_the_task_again_with_all_attempts_to_come(asked: Team) -> None:
    task = asked.create(max_attempts=2)
    asked.fail(asked.start(task))
    asked.tick(5)
    asked.complete(asked.start(task, **REVIEWER))
    held = reviewing(asked, task)
    after = task_of(asked.do(make(c.RequestChanges, **held.proof(), reasons="no test")))
    assert (after.status, after.claim_status, after.attempt, after.submitted_by) == ("open", "ready", 0, None)
    assert [fact.note for fact in asked.facts(ChangesRequested)] == ["no test"]
    again = asked.claim("ada")
    assert again is not None
    assert again.run.attempt == 1
    assert asked.sound()


def test_a_review_given_back_counts_no_attempt(asked: Team) -> None:
    task = submitted(asked)
    for _ in range(5):
        after = task_of(asked.release(reviewing(asked, task)))
        assert (after.status, after.claim_status, after.attempt) == ("in_review", "ready", 0)


def test_unfinished_children_hold_the_work_back_and_not_the_review() -> None:
    with harness.team(settings={"review": "required", "incomplete_children": "warn"}) as team:
        parent = team.create("parent", max_attempts=1)
        held = team.start(parent, **REVIEWER)
        child = team.create("child", parent_id=parent.id)
        blocker = team.create("blocker")
        team.complete(held)
        team.relate(blocker, "blocks", parent)
        given_back = task_of(team.release(team.start(parent, "bob", **REVIEWER)))
        assert (given_back.status, given_back.claim_status) == ("in_review", "ready")
        team.fail(team.start(parent, "bob", **REVIEWER))
        assert team.task(parent).status == "blocked"
        after = task_of(team.do(c.UnblockTask(task_id=parent.id)))
        assert (after.status, after.claim_status) == ("in_review", "ready")
        assert after.rank is not None
        sent_back = team.do(make(c.RequestChanges, **team.start(parent, "bob", **REVIEWER).proof()))
        assert task_of(sent_back).claim_status == "waiting"
        for each in (child, blocker):
            team.do(c.CancelTask(task_id=each.id))
        assert team.task(parent).claim_status == "ready"
        assert team.sound()


@pytest.mark.parametrize("kind", [c.ApproveTask, c.RequestChanges])
def test_a_verdict_and_the_next_claim_are_one_command(asked: Team, kind: type[c.Command]) -> None:
    task = submitted(asked)
    held = reviewing(asked, task)
    other = asked.create("next", priority="critical")
    reply = asked.do(make(kind, **held.proof(), then_claim=c.ClaimTasks(agent="bob")))
    assert [grant.task.id for grant in reply.grants] == [other.id]


@pytest.mark.parametrize("kind", [c.ApproveTask, c.RequestChanges])
def test_a_verdict_stands_though_its_reviewer_can_be_granted_nothing_more(asked: Team, kind: type[c.Command]) -> None:
    held = reviewing(asked, submitted(asked))
    asked.start(asked.create(), "bob", **REVIEWER)
    asked.do(c.RegisterAgent(agent_id="bob", max_leases=1))
    asked.create("next")
    reply = asked.do(make(kind, **held.proof(), then_claim=c.ClaimTasks(agent="bob")))
    assert (task_of(reply).lease_id, reply.grants) == (None, ())
    assert [notice.code for notice in reply.warnings] == ["LIMIT_EXCEEDED"]


@pytest.mark.parametrize("holds", ["blocks", "child_of"])
def test_work_sent_back_has_no_rank_while_anything_holds_it_back(asked: Team, holds: str) -> None:
    task = submitted(asked)
    asked.relate(asked.create("other"), holds, task)
    asked.do(make(c.RequestChanges, **asked.start(task, "bob", **REVIEWER).proof()))
    after = asked.task(task)
    assert (after.status, after.claim_status, after.rank) == ("open", "waiting", None)


@pytest.mark.parametrize(("note", "entries"), [("", 0), ("well done", 1)])
def test_an_approval_leaves_an_entry_only_where_it_has_something_to_say(asked: Team, note: str, entries: int) -> None:
    held = reviewing(asked, submitted(asked))
    before = set(asked.rows()["entry"])
    asked.do(make(c.ApproveTask, **held.proof(), note=note))
    named = [fact.entry_id for fact in asked.facts(ReviewApproved) if fact.entry_id is not None]
    assert len(named) == entries
    assert set(asked.rows()["entry"]) - before == set(named)


@pytest.mark.parametrize("kind", [c.ApproveTask, c.RequestChanges])
def test_a_verdict_is_for_what_is_under_review_by_whoever_reviews_it(asked: Team, kind: type[c.Command]) -> None:
    open_task = asked.create()
    asked.refused(make(kind, task_id=open_task.id, token=None), Code.INVALID_TRANSITION)
    held = asked.start(open_task, **REVIEWER)
    asked.refused(make(kind, **held.proof()), Code.INVALID_TRANSITION)
    asked.complete(held)
    error = asked.refused(make(kind, task_id=open_task.id, token=None), Code.INVALID_TRANSITION)
    assert "nobody holds" in error.message
    reviewing(asked, open_task)
    asked.refused(make(kind, actor="eve", task_id=open_task.id, token=None), Code.ALREADY_CLAIMED)
    asked.refused(make(kind, **held.proof()), Code.LEASE_LOST)


def test_what_is_under_review_is_cancelled_like_any_other(asked: Team) -> None:
    task = submitted(asked)
    after = task_of(asked.do(c.CancelTask(task_id=task.id)))
    assert (after.status, after.rank) == ("cancelled", None)
    assert asked.claim("bob", **REVIEWER) is None
    assert asked.sound()
