"""Decisions that end a tenure or a task: release, complete, fail, cancel, block, unblock."""

from __future__ import annotations

from collections.abc import Generator

from attrs import evolve as replace

from arbeit.core import commands as c
from arbeit.core.decide.base import (
    Env,
    Need,
    Steps,
    blocker_notices,
    find,
    fresh_id,
    promote,
    rank_if_due,
    refuse_step,
    refuse_stranger,
    refuse_token,
)
from arbeit.core.decide.grants import after_attempt, claim, sweep_due
from arbeit.core.errors import Code, Rejection
from arbeit.core.events import (
    Fact,
    TaskBlocked,
    TaskCancelled,
    TaskCompleted,
    TaskFailed,
    TaskReleased,
    TaskUnblocked,
)
from arbeit.core.model import Grant, Notice, Reply, Task
from arbeit.core.policy import Claimed
from arbeit.core.view import View


def _held(view: View, env: Env, command: c.HolderCommand) -> Task | Rejection:
    """The task of a holder's write, if the writer still holds it."""
    task = find(view, env, command.actor, command.task_id)
    if isinstance(task, Rejection):
        return task
    # The token comes first: a zombie learns that it lost the lease, not what state the task is in now.
    return refuse_token(view, env, task, command.actor, command.token) or (refuse_step(command.operation, task) or task)


def _run_of(view: View, task: Task) -> str | None:
    return view.lease(task.lease_id).run_id if task.lease_id is not None else None


def _and_claim(
    view: View, command: c.ReleaseTask | c.CompleteTask | c.FailTask, env: Env
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
    task = _held(view, env, command)
    if isinstance(task, Rejection):
        return task
    # A grant that never arrived goes back to its old place; a task given back lines up again.
    ready_at = task.ready_at if command.undelivered else env.now
    yield TaskReleased(
        task_id=task.id,
        run_id=_run_of(view, task),
        fence=task.fence + 1,
        ready_at=ready_at,
        rank=rank_if_due(env, task, ready_at),
        entry_id=fresh_id(view, env, "ctx") if command.note else None,
        note=command.note,
        reason="undelivered" if command.undelivered else "released",
    )
    grants, notices = yield from _and_claim(view, command, env)
    return Reply(task=view.task(task.id), grants=grants, warnings=notices)


def complete_task(view: View, command: c.CompleteTask, env: Env) -> Steps:
    """Finish, if the completion policy is satisfied, and make ready what waited for it."""
    task = _held(view, env, command)
    if isinstance(task, Rejection):
        return task
    offered = Claimed(task, command.outcome, command.evidence, command.outputs)
    refused = _refuse_children(view, task) or env.policies.completion.refuse(offered)
    if refused is not None:
        return refused
    frees = _dependents(view, task)
    yield TaskCompleted(
        task_id=task.id,
        run_id=_run_of(view, task),
        fence=task.fence + 1,
        entry_id=fresh_id(view, env, "ctx") if command.outcome or command.evidence else None,
        outcome=command.outcome,
        evidence=command.evidence,
        outputs=command.outputs,
        frees=frees,
    )
    yield from promote(view, env, _freed(task, frees))
    grants, notices = yield from _and_claim(view, command, env)
    return Reply(task=view.task(task.id), grants=grants, warnings=(*blocker_notices(task), *notices))


def _refuse_children(view: View, task: Task) -> Rejection | None:
    assert view.project is not None  # noqa: S101 - the batch refuses commands to a project that is not there
    if not task.open_children or view.project.settings.get("incomplete_children") == "warn":
        return None
    return Rejection(
        Code.HAS_INCOMPLETE_CHILDREN,
        f"task {task.id} has {task.open_children} unfinished children",
        ("Finish or cancel its children first.", "Release it; it is ready again once they are done."),
        data={"task_id": task.id, "open_children": task.open_children},
    )


def _dependents(view: View, task: Task) -> tuple[str, ...]:
    return tuple(
        sorted(
            edge.to_task_id for edge in view.edges(task.id) if edge.type == "blocks" and edge.from_task_id == task.id
        )
    )


def _freed(task: Task, frees: tuple[str, ...]) -> list[str]:
    return [*frees, *([task.parent_id] if task.parent_id is not None else [])]


def fail_task(view: View, command: c.FailTask, env: Env) -> Steps:
    """Count the attempt, and open the task again after the backoff or set it aside for good."""
    task = _held(view, env, command)
    if isinstance(task, Rejection):
        return task
    delay = env.policies.retry.backoff(task, env.entropy())
    ready_at = env.now + (delay or 0)
    run_id = _run_of(view, task)
    yield TaskFailed(
        task_id=task.id,
        run_id=run_id,
        fence=task.fence + 1,
        ready_at=ready_at,
        exhausted=delay is None,
        entry_id=fresh_id(view, env, "ctx"),
        note=command.error or "failed without a reason given",
    )
    yield from after_attempt(view, env, task.id, run_id)
    grants, notices = yield from _and_claim(view, command, env)
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
    frees = _dependents(view, task)
    yield TaskCancelled(
        task_id=task.id,
        run_id=_run_of(view, task),
        fence=task.fence + (task.lease_id is not None),
        reason=command.reason,
        frees=frees,
    )
    yield from promote(view, env, _freed(task, frees))
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
    yield TaskBlocked(
        task_id=task.id,
        run_id=_run_of(view, task),
        fence=task.fence + (task.lease_id is not None),
        reason=command.reason,
        blocked_by=command.blocked_by,
    )
    return Reply(task=view.task(task.id))


def unblock_task(view: View, command: c.UnblockTask, env: Env) -> Steps:
    """Open again, with all attempts to come."""
    task = find(view, env, command.actor, command.task_id)
    if isinstance(task, Rejection):
        return task
    refused = refuse_step(command.operation, task)
    if refused is not None:
        return refused
    yield TaskUnblocked(task_id=task.id, note=command.note, ready_at=env.now, rank=rank_if_due(env, task, env.now))
    return Reply(task=view.task(task.id), warnings=blocker_notices(view.task(task.id)))
