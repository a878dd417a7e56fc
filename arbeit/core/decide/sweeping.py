"""Decisions that take leases back after their deadline, and promote what has fallen due."""

from __future__ import annotations

from collections.abc import Generator
from typing import TYPE_CHECKING

from arbeit.core import events as e
from arbeit.core.decide import preempting
from arbeit.core.decide.base import Env, Steps, fresh_id, promote, rank_if_due
from arbeit.core.model import Lease, Reply, Task
from arbeit.core.view import View

if TYPE_CHECKING:
    from arbeit.core.commands import Sweep


def sweep(view: View, command: Sweep, env: Env) -> Steps:
    """Take back what is past its deadline, promote what is due, and make room for critical work."""
    reclaimed = yield from sweep_due(view, env, command.limit)
    if view.project is None or view.project.archived_at is None:
        # Nobody can claim in an archive, so that nobody need give way.
        yield from preempting.critical_preemptions(view, env)
    return Reply(count=reclaimed)


def sweep_due(view: View, env: Env, limit: int) -> Generator[e.Fact, None, int]:
    """Reclaim and promote in the order in which it fell due, as far as it is loaded; how many were reclaimed."""
    reclaimed = 0
    for loaded, lease_id in view.overdue[:limit]:
        lease = view.leases.get(lease_id)
        if lease is None or lease.ended_at is not None or (deadline := _deadline(view, lease, loaded)) > env.now:
            continue
        yield from _reclaim(view, env, view.task(lease.task_id), deadline)
        reclaimed += 1
    for task_id in view.delayed[:limit]:
        task = view.task(task_id)
        if task.claim_status == "delayed" and task.ready_at <= env.now:
            rank = env.policies.ranking.rank(task, task.ready_at)
            yield e.TaskReadied(task_id=task.id, ready_at=task.ready_at, rank=rank)
    return reclaimed


def _deadline(view: View, lease: Lease, loaded: int) -> int:
    """The deadline of a live lease: as it was loaded, unless this batch has moved it."""
    if lease.id in view.beats:
        return view.beats[lease.id].expires_at
    return lease.expires_at if lease.id in view.changed["lease"] else loaded


def _reclaim(view: View, env: Env, task: Task, deadline: int) -> Generator[e.Fact, None, None]:
    assert task.lease_id is not None  # noqa: S101 - a live lease is its task's lease
    lease = view.lease(task.lease_id)
    reason = _why_reclaimed(lease, deadline)
    counted = reason in {"expired", "timed_out"}
    delay = env.policies.retry.backoff(task, env.entropy()) if counted else 0
    # A task that nobody worked on goes back to its old place.
    ready_at = task.ready_at if reason == "undelivered" else env.now + (delay or 0)
    yield e.TaskReclaimed(
        task_id=task.id,
        run_id=lease.run_id,
        fence=task.fence + 1,
        deadline=deadline,
        ready_at=ready_at,
        rank=rank_if_due(env, task, ready_at) if reason == "undelivered" else None,
        exhausted=delay is None,
        entry_id=fresh_id(view, env, "ctx") if reason != "undelivered" else None,
        note=_RECLAIMED[reason].format(task.assignee),
        reason=reason,
    )
    yield from after_attempt(view, env, task.id, lease.run_id)


_RECLAIMED = {
    "expired": "{} went silent: the lease ran out",
    "timed_out": "{} took longer than max_runtime allows",
    "preempted": "{} was asked to give way and did not release in time",
    "undelivered": "handed over to {}, who never took it up",
}


def _why_reclaimed(lease: Lease, deadline: int) -> str:
    if not lease.accepted:
        return "undelivered"
    if lease.preempt_requested:
        return "preempted"
    return "timed_out" if lease.ends_by is not None and deadline >= lease.ends_by else "expired"


def after_attempt(view: View, env: Env, task_id: str, run_id: str | None) -> Generator[e.Fact, None, None]:
    """What follows an attempt that counted: an escalation once they are used up, or readiness if it is due."""
    task = view.task(task_id)
    if task.status == "blocked":
        yield e.TaskEscalated(task_id=task_id, run_id=run_id, reason="retries_exhausted", attempts=task.attempt)
    else:
        yield from promote(view, env, [task_id])
