"""Decisions that end a tenure or a task: release, complete, fail, cancel, block, unblock, delete."""

from __future__ import annotations

from collections.abc import Generator
from typing import TYPE_CHECKING

from arbeit.core import commands as c
from arbeit.core import graph
from arbeit.core.decide.base import (
    Env,
    Need,
    Steps,
    blocker_notices,
    find,
    fresh_id,
    holder_notices,
    need_holder,
    promote,
    rank_if_due,
    refuse_step,
    refuse_stranger,
)
from arbeit.core.decide.grants import claim
from arbeit.core.decide.sweeping import after_attempt, sweep_due
from arbeit.core.declare import evolve as replace
from arbeit.core.errors import Code, Rejection
from arbeit.core.events import (
    Fact,
    TaskBlocked,
    TaskCancelled,
    TaskCompleted,
    TaskDeleted,
    TaskFailed,
    TaskReleased,
    TaskSubmitted,
    TaskUnblocked,
)
from arbeit.core.model import Grant, Notice, Reply, Task
from arbeit.core.policy import Claimed
from arbeit.core.transitions import step_for
from arbeit.core.view import View

if TYPE_CHECKING:
    _AndClaim = c.ReleaseTask | c.CompleteTask | c.FailTask | c.ApproveTask | c.RequestChanges


def tenure(view: View, env: Env, command: c.TenureCommand) -> Generator[Need, None, Task | Rejection]:
    """The task whose tenure a command ends, if the caller holds it, or supervises and insists."""
    task = find(view, env, command.actor, command.task_id)
    if isinstance(task, Rejection):
        return task
    # The token comes first: a zombie learns that it lost the lease, not what state the task is in now.
    refused = refuse_stranger(view, env, task, command) or refuse_step(command.operation, task)
    refused = refused or _refuse_unheld(command.operation, task)
    if refused is not None:
        return refused
    yield from need_holder(view, task)
    return task


def _refuse_unheld(operation: str, task: Task) -> Rejection | None:
    step = step_for(operation, task.status)
    if task.lease_id is not None or step is None or step.held is not True:
        return None
    return Rejection(
        Code.INVALID_TRANSITION,
        f"nobody holds task {task.id}, so it cannot {step.verb.replace('_', ' ')}",
        ("Claim it first.",),
        data={"task_id": task.id, "status": task.status, "allowed": ["start"]},
    )


def run_of(view: View, task: Task) -> str | None:
    """The run of a held task."""
    return view.lease(task.lease_id).run_id if task.lease_id is not None else None


def and_claim(
    view: View, command: _AndClaim, env: Env
) -> Generator[Fact | Need, None, tuple[tuple[Grant, ...], tuple[Notice, ...]]]:
    """Go on with the next task in the same transaction; what cannot be granted is a notice, as the ending stands."""
    if command.then_claim is None:
        return (), ()
    # After the ending, so that a late holder finishes; before the claim, so that it sees all there is.
    yield from sweep_due(view, env, len(view.overdue) + len(view.delayed))
    wanted = replace(command.then_claim, actor=command.actor, traceparent=command.traceparent)
    grants = yield from claim(view, wanted, env)
    if isinstance(grants, Rejection):
        return (), (Notice(grants.code, grants.message),)
    return grants, ()


def release_task(view: View, command: c.ReleaseTask, env: Env) -> Steps:
    """Open the task again at once; no attempt is counted."""
    task = yield from tenure(view, env, command)
    if isinstance(task, Rejection):
        return task
    # A grant that never arrived goes back to its old place; a task given back lines up again.
    ready_at = task.ready_at if command.undelivered else env.now
    yield TaskReleased(
        task_id=task.id,
        run_id=run_of(view, task),
        fence=task.fence + 1,
        ready_at=ready_at,
        rank=rank_if_due(env, task, ready_at),
        entry_id=fresh_id(view, env, "ctx") if command.note else None,
        note=command.note,
        reason=_reason(view, task, undelivered=command.undelivered),
        forced=command.forced,
    )
    grants, notices = yield from and_claim(view, command, env)
    return Reply(task=view.task(task.id), grants=grants, warnings=notices)


def _reason(view: View, task: Task, *, undelivered: bool) -> str:
    if undelivered:
        return "undelivered"
    asked = task.lease_id is not None and view.lease(task.lease_id).preempt_requested
    return "preempted" if asked else "released"


def complete_task(view: View, command: c.CompleteTask, env: Env) -> Steps:
    """Finish, if the completion policy is satisfied, and make ready what waited for it; or ask for a review."""
    task = yield from tenure(view, env, command)
    if isinstance(task, Rejection):
        return task
    offered = Claimed(task, command.outcome, command.evidence, command.outputs)
    refused = refuse_children(view, task) or env.policies.completion.refuse(offered)
    if refused is not None:
        return refused
    assert task.lease_id is not None and task.assignee is not None  # noqa: S101, PT018 - complete takes a held task
    heard = holder_notices(task, view.lease(task.lease_id), env.now)
    entry_id = fresh_id(view, env, "ctx") if command.outcome or command.evidence else None
    if _reviewed(view, task):
        yield TaskSubmitted(
            task_id=task.id,
            run_id=run_of(view, task),
            fence=task.fence + 1,
            entry_id=entry_id,
            outcome=command.outcome,
            evidence=command.evidence,
            outputs=command.outputs,
            by=task.assignee,
            ready_at=env.now,
            rank=env.policies.ranking.rank(task, env.now),
            forced=command.forced,
        )
    else:
        frees = dependents(view, task)
        yield TaskCompleted(
            task_id=task.id,
            run_id=run_of(view, task),
            fence=task.fence + 1,
            entry_id=entry_id,
            outcome=command.outcome,
            evidence=command.evidence,
            outputs=command.outputs,
            frees=frees,
            forced=command.forced,
        )
        yield from promote(view, env, freed(task, frees))
    grants, notices = yield from and_claim(view, command, env)
    stale = tuple(notice for notice in heard if notice.code == "STALE_CONTEXT")
    return Reply(task=view.task(task.id), grants=grants, warnings=(*blocker_notices(task), *stale, *notices))


def _reviewed(view: View, task: Task) -> bool:
    assert view.project is not None  # noqa: S101 - the batch refuses commands to a project that is not there
    return task.review if task.review is not None else view.project.settings.get("review") == "required"


def refuse_children(view: View, task: Task) -> Rejection | None:
    """Why a task with unfinished children is not finished, unless the project only warns."""
    assert view.project is not None  # noqa: S101 - the batch refuses commands to a project that is not there
    if not task.open_children or view.project.settings.get("incomplete_children") == "warn":
        return None
    return Rejection(
        Code.HAS_INCOMPLETE_CHILDREN,
        f"task {task.id} has {task.open_children} unfinished children",
        ("Finish or cancel its children first.", "Release it; it is ready again once they are done."),
        data={"task_id": task.id, "open_children": task.open_children},
    )


def dependents(view: View, task: Task) -> tuple[str, ...]:
    """The tasks that wait for this one."""
    return tuple(
        sorted(
            edge.to_task_id for edge in view.edges(task.id) if edge.type == "blocks" and edge.from_task_id == task.id
        )
    )


def freed(task: Task, frees: tuple[str, ...]) -> list[str]:
    """Who may have become ready by the end of a task."""
    return [*frees, *([task.parent_id] if task.parent_id is not None else [])]


def fail_task(view: View, command: c.FailTask, env: Env) -> Steps:
    """Count the attempt, and open the task again after the backoff or set it aside for good."""
    task = yield from tenure(view, env, command)
    if isinstance(task, Rejection):
        return task
    delay = env.policies.retry.backoff(task, env.entropy())
    ready_at = env.now + (delay or 0)
    run_id = run_of(view, task)
    yield TaskFailed(
        task_id=task.id,
        run_id=run_id,
        fence=task.fence + 1,
        ready_at=ready_at,
        exhausted=delay is None,
        entry_id=fresh_id(view, env, "ctx"),
        note=command.error or "failed without a reason given",
        forced=command.forced,
    )
    yield from after_attempt(view, env, task.id, run_id)
    grants, notices = yield from and_claim(view, command, env)
    return Reply(task=view.task(task.id), grants=grants, warnings=notices)


def cancel_task(view: View, command: c.CancelTask, env: Env) -> Steps:
    """End unfinished; what waited for it waits no longer."""
    task = find(view, env, command.actor, command.task_id)
    if isinstance(task, Rejection):
        return task
    refused = refuse_stranger(view, env, task, command)
    refused = refused or refuse_step(command.operation, task)
    if refused is not None:
        return refused
    yield from need_holder(view, task)
    frees = dependents(view, task)
    yield TaskCancelled(
        task_id=task.id,
        run_id=run_of(view, task),
        fence=task.fence + (task.lease_id is not None),
        reason=command.reason,
        frees=frees,
        forced=command.forced and task.lease_id is not None,
    )
    yield from promote(view, env, freed(task, frees))
    return Reply(task=view.task(task.id), warnings=blocker_notices(task))


def block_task(view: View, command: c.BlockTask, env: Env) -> Steps:
    """Set aside, and say why."""
    task = find(view, env, command.actor, command.task_id)
    if isinstance(task, Rejection):
        return task
    refused = refuse_stranger(view, env, task, command)
    refused = refused or refuse_step(command.operation, task)
    for other in command.blocked_by:
        other_task = find(view, env, command.actor, other)
        refused = refused or (other_task if isinstance(other_task, Rejection) else None)
    if refused is not None:
        return refused
    yield from need_holder(view, task)
    yield TaskBlocked(
        task_id=task.id,
        run_id=run_of(view, task),
        fence=task.fence + (task.lease_id is not None),
        reason=command.reason,
        blocked_by=command.blocked_by,
        forced=command.forced and task.lease_id is not None,
    )
    return Reply(task=view.task(task.id))


def unblock_task(view: View, command: c.UnblockTask, env: Env) -> Steps:
    """Open again, or have it reviewed again, with all attempts to come."""
    task = find(view, env, command.actor, command.task_id)
    if isinstance(task, Rejection):
        return task
    refused = refuse_step(command.operation, task)
    if refused is not None:
        return refused
    rank = rank_if_due(env, task, env.now)
    yield TaskUnblocked(task_id=task.id, note=command.note, ready_at=env.now, rank=rank)
    return Reply(task=view.task(task.id), warnings=blocker_notices(view.task(task.id)))


def delete_task(view: View, command: c.DeleteTask, env: Env) -> Steps:
    """Take a task out of every list; what waited for it waits no longer."""
    task = find(view, env, command.actor, command.task_id)
    if isinstance(task, Rejection):
        return task
    refused = _refuse_delete(view, task)
    if refused is not None:
        return refused
    frees = dependents(view, task) if not task.finished else ()
    yield TaskDeleted(task_id=task.id, reason=command.reason, frees=frees)
    yield from promote(view, env, freed(task, frees))
    return Reply(task=view.task(task.id), count=1)


def _refuse_delete(view: View, task: Task) -> Rejection | None:
    if task.lease_id is not None:
        return Rejection(
            Code.ALREADY_CLAIMED,
            f"task {task.id} is held by {task.assignee}; a held task cannot be deleted",
            ("Wait until it is free.", "Leave a note for its holder, or ask a supervisor."),
            data={"task_id": task.id, "assignee": task.assignee},
        )
    children = [child for child in graph.children(view, task.id) if view.task(child).deleted_at is None]
    if not children:
        return None
    return Rejection(
        Code.HAS_CHILDREN,
        f"task {task.id} has {len(children)} children, which would lose their parent",
        ("Delete its children first, or take their parent_of relationships away.",),
        data={"task_id": task.id, "children": len(children)},
    )
