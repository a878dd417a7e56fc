"""Facts that begin and end tenures, and tasks."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from arbeit.core import events as e
from arbeit.core.evolve.base import Stamp, add_entry, claim_status_of, free
from arbeit.core.model import (
    Lease,
    Run,
    RunResult,
    Task,
)
from arbeit.core.record import change
from arbeit.core.view import View


def task_claimed(view: View, fact: e.TaskClaimed, stamp: Stamp) -> None:
    """Begin a tenure: lease, run, and the scheduler's state after the pick."""
    old = view.task(fact.task_id)
    assert fact.run_id is not None  # noqa: S101 - a claim always starts a run
    view.put_task(
        old,
        change(
            old,
            status="in_progress",
            claim_status="held",
            assignee=fact.agent_id,
            lease_id=fact.lease_id,
            fence=fact.fence,
            attempt=fact.attempt,
            rank=None,
            block_reason="",
            blocked_by=(),
            started_at=old.started_at if old.started_at is not None else stamp.at,
            updated_at=stamp.at,
            version=old.version + 1,
        ),
    )
    lease = Lease(
        fact.lease_id,
        fact.task_id,
        fact.agent_id,
        fact.run_id,
        fact.fence,
        fact.ttl,
        stamp.at,
        fact.expires_at,
        stamp.at,
    )
    view.put("lease", lease.id, lease)
    run = Run(
        fact.run_id,
        fact.task_id,
        fact.agent_id,
        fact.lease_id,
        fact.attempt,
        stamp.at,
        fact.session_id,
        fact.trace_id,
    )
    view.put("run", run.id, run)
    queue = view.schedule.queues[old.queue]
    view.put_queue(change(queue, tag=fact.tag_after, remainder=fact.remainder))
    view.schedule.virtual_time = fact.virtual_time
    count_leases(view, fact.agent_id, 1)


def task_released(view: View, fact: e.TaskReleased, stamp: Stamp) -> None:
    """End a tenure without counting its attempt."""
    result: RunResult = "undelivered" if fact.reason == "undelivered" else "released"
    reopen(view, fact, stamp, result, counted=False, entry="note")


def task_failed(view: View, fact: e.TaskFailed, stamp: Stamp) -> None:
    """End a tenure that counts as an attempt."""
    reopen(view, fact, stamp, "failed", counted=True, entry="attempt")


def task_reclaimed(view: View, fact: e.TaskReclaimed, stamp: Stamp) -> None:
    """End a tenure whose holder went silent; it counts as an attempt."""
    reopen(view, fact, stamp, "expired", counted=True, entry="attempt")


def reopen(view: View, fact: e.TenureEnded, stamp: Stamp, result: RunResult, *, counted: bool, entry: str) -> None:
    """End a tenure and open the task again, or set it aside."""
    old = view.task(fact.task_id)
    end_tenure(view, old, stamp, result, fact.note)
    changes: dict[str, Any] = {
        "status": "blocked" if fact.exhausted else "open",
        "claim_status": "none" if fact.exhausted else claim_status_of(old, fact.rank),
        "block_reason": "retries_exhausted" if fact.exhausted else "",
        "attempt": old.attempt if counted else old.attempt - 1,
        "ready_at": fact.ready_at,
        "rank": fact.rank,
        # A grant that never arrived goes back to its old place, before others that became ready at the same moment.
        "rank_position": old.rank_position if result == "undelivered" else stamp.position,
    }
    put_ended(view, old, fact.fence, stamp, changes)
    add_entry(view, stamp, fact.entry_id, old.id, kind=entry, content=fact.note, run_id=fact.run_id)


def task_completed(view: View, fact: e.TaskCompleted, stamp: Stamp) -> None:
    """End the tenure and the task, and free what waited for it."""
    old = view.task(fact.task_id)
    end_tenure(view, old, stamp, "completed", "")
    outputs = {"outputs": fact.outputs} if fact.outputs else {}
    ended = {"status": "completed", "claim_status": "none", "finished_at": stamp.at, **outputs}
    put_ended(view, old, fact.fence, stamp, ended)
    add_entry(
        view,
        stamp,
        fact.entry_id,
        old.id,
        kind="outcome",
        content=fact.outcome,
        run_id=fact.run_id,
        evidence=fact.evidence,
    )
    free(view, old, fact.frees)


def task_cancelled(view: View, fact: e.TaskCancelled, stamp: Stamp) -> None:
    """End the task unfinished, and free what waited for it."""
    old = view.task(fact.task_id)
    end_tenure(view, old, stamp, "cancelled", fact.reason)
    ended = {"status": "cancelled", "claim_status": "none", "finished_at": stamp.at, "rank": None}
    put_ended(view, old, fact.fence, stamp, {**ended, "block_reason": "", "blocked_by": ()})
    free(view, old, fact.frees)


def task_blocked(view: View, fact: e.TaskBlocked, stamp: Stamp) -> None:
    """End the tenure, if any, and set the task aside."""
    old = view.task(fact.task_id)
    end_tenure(view, old, stamp, "blocked", fact.reason)
    ended = {"status": "blocked", "claim_status": "none", "rank": None}
    put_ended(view, old, fact.fence, stamp, {**ended, "block_reason": fact.reason, "blocked_by": fact.blocked_by})


def task_unblocked(view: View, fact: e.TaskUnblocked, stamp: Stamp) -> None:
    """Open the task again with its attempts counted anew."""
    old = view.task(fact.task_id)
    changes: dict[str, Any] = {
        "status": "open",
        "claim_status": claim_status_of(old, fact.rank),
        "block_reason": "",
        "blocked_by": (),
        "attempt": 0,
        "ready_at": fact.ready_at,
        "rank": fact.rank,
        "rank_position": stamp.position,
    }
    put_ended(view, old, old.fence, stamp, changes)


def task_escalated(view: View, fact: e.TaskEscalated, stamp: Stamp) -> None:
    """Count the event; whoever supervises reads it from the log."""
    old = view.task(fact.task_id)
    view.put_task(old, change(old, updated_at=stamp.at, version=old.version + 1))


def put_ended(view: View, old: Task, fence: int, stamp: Stamp, changes: Mapping[str, Any]) -> None:
    """Store a task that nobody holds any more."""
    view.put_task(
        old,
        change(
            old,
            assignee=None,
            lease_id=None,
            fence=fence,
            updated_at=stamp.at,
            version=old.version + 1,
            **changes,
        ),
    )


def end_tenure(view: View, task: Task, stamp: Stamp, result: RunResult, note: str) -> None:
    """End the task's lease and run, if it is held."""
    if task.lease_id is None:
        return
    lease = view.lease(task.lease_id)
    view.put("lease", lease.id, change(lease, ended_at=stamp.at, end_reason=result))
    run = view.run(lease.run_id)
    view.put("run", run.id, change(run, ended_at=stamp.at, result=result, note=note))
    count_leases(view, lease.agent_id, -1)


def count_leases(view: View, agent_id: str, step: int) -> None:
    """Change how many leases an agent holds."""
    agent = view.agent(agent_id)
    assert agent is not None  # noqa: S101 - a claim registers its agent first
    view.put("agent", agent.id, change(agent, active_leases=agent.active_leases + step))
