"""Histories of one task, right and wrong: what callers may see of it, and what no order of their calls explains."""

from __future__ import annotations

import pytest

from arbeit.core.errors import ArbeitError, Code
from arbeit.testing.linearizability import UNKNOWN, Operation, TaskAction, TaskSpecification, check, explain
from arbeit.testing.linearizability.tasks import Seen

LAST = 1000


class Story:
    """Operations on one task, one after the other unless they say otherwise."""

    def __init__(self) -> None:
        self.operations: list[Operation] = []
        self.now = 0

    def add(self, action: TaskAction, result: object, *, during: tuple[int, int] | None = None) -> Story:
        called, returned = during or (self.now + 1, self.now + 2)
        self.now = max(self.now, returned)
        self.operations.append(Operation(f"{action.actor} {action.operation}", action, result, called, returned))
        return self

    def create(self, task: str = "open") -> Story:
        return self.add(TaskAction("task.create"), Seen({"status": task, "fence": 0, "version": 1}))

    def claim(self, agent: str, fence: int, during: tuple[int, int] | None = None, **shown: object) -> Story:
        action = TaskAction("task.start", actor=agent, agent=agent)
        return self.add(action, Seen({"status": "in_progress", "fence": fence, **shown}, fence), during=during)

    def by(
        self, agent: str, operation: str, under: int | None = None, then: str | None = None, **shown: object
    ) -> Story:
        """An operation under a token (without a fence: of anybody), and what the task was right after it."""
        action = TaskAction(operation, agent, fence=under, token=under is not None, then_claim=then)
        again = shown.get("fence") if then is not None else None
        return self.add(action, Seen(shown, again if isinstance(again, int) else None))

    def refused(self, agent: str, operation: str, code: Code, fence: int | None = None, **data: object) -> Story:
        action = TaskAction(operation, agent, agent=agent, fence=fence, token=fence is not None)
        return self.add(action, ArbeitError(code, "no", data={"task_id": "t", **data}))

    def edit(self, expected: int, **shown: object) -> Story:
        return self.add(TaskAction("task.update", "ed", expected=expected), Seen(shown))

    def get(self, **shown: object) -> Story:
        return self.add(TaskAction("get", "reader"), Seen(shown))

    def unheard(self, agent: str, operation: str, fence: int | None = None, at: int | None = None) -> Story:
        action = TaskAction(operation, agent, agent=agent, fence=fence, token=fence is not None)
        self.operations.append(Operation(f"{agent} {operation}?", action, UNKNOWN, at or self.now + 1, None))
        self.now += 1
        return self


def begun() -> Story:
    """A task that a holds under fence 1."""
    return Story().create().claim("a", 1, attempt=1)


RIGHT = {
    "claimed and completed": lambda: begun().by("a", "task.complete", 1, status="completed", fence=2),
    "given back and claimed by another": lambda: begun().by("a", "task.release", 1, status="open").claim("b", 3),
    "taken back by itself, and claimed by another": lambda: begun().claim("b", 3, attempt=2),
    "a silent holder's write comes too late": lambda: (
        begun().claim("b", 3).refused("a", "context.add", Code.LEASE_LOST, 1)
    ),
    "released and claimed again in one command": lambda: begun().by(
        "a", "task.release", 1, "a", status="in_progress", fence=3, attempt=1
    ),
    "one of two claims at once is refused": lambda: (
        Story()
        .create()
        .claim("a", 1, during=(10, 20))
        .add(
            TaskAction("task.start", "b", agent="b"),
            ArbeitError(Code.ALREADY_CLAIMED, "no", data={"task_id": "t", "assignee": "a"}),
            during=(11, 19),
        )
    ),
    "handed over and taken up under the same fence": lambda: (
        begun()
        .add(TaskAction("task.handoff", "a", agent="b", fence=1, token=True), Seen({"fence": 2, "assignee": "b"}))
        .claim("b", 2)
        .by("b", "task.complete", 2, status="completed", fence=3)
    ),
    "reviewed by another": lambda: (
        begun()
        .by("a", "task.complete", 1, status="in_review", attempt=0)
        .add(TaskAction("task.start", "r", agent="r"), Seen({"status": "in_review", "fence": 3}, 3))
        .by("r", "task.approve", 3, status="completed", fence=4)
    ),
    "sent back by a review, all attempts to come": lambda: (
        begun()
        .by("a", "task.complete", 1, status="in_review")
        .add(TaskAction("task.start", "r", agent="r"), Seen({"status": "in_review", "fence": 3}, 3))
        .by("r", "task.request_changes", 3, status="open", attempt=0)
        .claim("a", 5, attempt=1)
    ),
    "an unheard ending explains what follows": lambda: (
        begun().unheard("a", "task.complete", 1).get(status="completed", fence=2)
    ),
    "an unheard ending may never have been": lambda: begun().unheard("a", "task.complete", 1).get(fence=1),
    "a claim that nobody heard of explains its holder": lambda: (
        Story().create().unheard("b", "task.start").get(status="in_progress", assignee="b", fence=1)
    ),
    "set aside, opened, and claimed": lambda: (
        Story()
        .create()
        .by("x", "task.block", status="blocked", fence=0)
        .by("x", "task.unblock", status="open", attempt=0)
        .claim("a", 1)
    ),
    "of two edits of one version, the later is refused": lambda: (
        Story().create().edit(1, version=2).refused("x", "task.update", Code.VERSION_CONFLICT, version=2)
    ),
    "a deleted task is not there": lambda: (
        Story().create().by("x", "task.delete").refused("y", "task.start", Code.TASK_NOT_FOUND)
    ),
}
WRONG = {
    "two hold it under one fence": lambda: begun().claim("b", 1),
    "claimed while it is held, and the fence does not say that it was taken back": lambda: begun().claim("b", 2),
    "a zombie's write is accepted": lambda: begun().claim("b", 3).by("a", "context.add", 1),
    "a zombie completes the task": lambda: begun().claim("b", 3).by("a", "task.complete", 1, status="completed"),
    "a completed task is claimed again": lambda: (
        begun().by("a", "task.complete", 1, status="completed", fence=2).claim("b", 3)
    ),
    "an acknowledged ending is gone": lambda: (
        begun().by("a", "task.complete", 1, status="completed", fence=2).get(status="in_progress", fence=1)
    ),
    "a stale read": lambda: begun().by("a", "context.add", 1, version=3).get(version=2),
    "an edit of a stale version is accepted": lambda: Story().create().edit(1, version=2).edit(1, version=2),
    "an edit is lost": lambda: Story().create().edit(1, version=2).get(version=1),
    "the fence goes back": lambda: begun().by("a", "task.release", 1, status="open", fence=2).claim("b", 1),
    "a release counts as an attempt": lambda: begun().by("a", "task.release", 1, status="open", attempt=1),
    "a task that nobody made is claimed": lambda: Story().claim("a", 1),
    "a task is made twice": lambda: Story().create().create(),
    "a lease is called lost that is not": lambda: begun().refused("a", "context.add", Code.LEASE_LOST, 1).get(fence=1),
    "a task is said to be held by another": lambda: begun().refused(
        "c", "task.start", Code.ALREADY_CLAIMED, assignee="b"
    ),
    "a step is refused that the task could take": lambda: (
        Story().create().refused("x", "task.block", Code.INVALID_TRANSITION, status="open")
    ),
    "who finished it reviews it": lambda: (
        begun()
        .by("a", "task.complete", 1, status="in_review")
        .add(TaskAction("task.start", "a", agent="a"), Seen({"status": "in_review"}, 3))
    ),
    "an unheard ending takes effect twice": lambda: (
        begun().unheard("a", "task.release", 1).claim("b", 3).get(status="open", fence=4, attempt=0)
    ),
    "a task that is there is not found": lambda: begun().refused("a", "task.complete", Code.TASK_NOT_FOUND, 1),
    "a later answer shows the earlier of two claims": lambda: (
        begun().by("a", "task.release", 1, status="open").claim("b", 3).get(assignee="a", fence=1)
    ),
}


@pytest.mark.parametrize("name", RIGHT)
def test_what_callers_may_see_of_a_task_is_linearizable(name: str) -> None:
    verdict = check(TaskSpecification(), RIGHT[name]().operations)
    assert verdict.outcome == "linearizable", explain(verdict)


SOFTENED = {"a lease is called lost that is not", "an unheard ending takes effect twice"}
"""Where a lease that ran out by itself is an explanation as well."""


@pytest.mark.parametrize("name", WRONG)
def test_what_callers_never_see_of_a_task_is_a_violation(name: str) -> None:
    verdict = check(TaskSpecification(reclaims=name not in SOFTENED), WRONG[name]().operations)
    assert verdict.outcome == "violated"


def test_without_reclaims_a_second_claim_has_no_explanation() -> None:
    operations = RIGHT["taken back by itself, and claimed by another"]().operations
    assert check(TaskSpecification(), operations).outcome == "linearizable"
    assert check(TaskSpecification(reclaims=False), operations).outcome == "violated"


def test_a_report_tells_of_the_task_in_words() -> None:
    told = explain(check(TaskSpecification(), begun().claim("b", 1).operations))
    assert "in_progress, held by a, fence 1, attempt 1, version >= 2" in told
    assert "b task.start" in told
