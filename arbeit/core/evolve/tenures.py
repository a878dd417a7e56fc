"""Facts that begin and end tenures, and tasks."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from arbeit.core import events as e
from arbeit.core.evolve.base import Stamp, add_entry, claim_status_of, free, touch
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
            # A reviewer's tenure leaves the task where it is; any other goes on with the work itself.
            status="in_review" if old.status == "in_review" else "in_progress",
            submitted_by=old.submitted_by if old.status == "in_review" else None,
            claim_status="held",
            assignee=fact.agent_id,
            lease_id=fact.lease_id,
            fence=fact.fence,
            attempt=fact.attempt,
            rank=None,
            block_reason="",
            blocked_by=(),
            unread=0,
            escalated_at=None,
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
        ends_by=fact.ends_by,
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
        waited=max(0, stamp.at - old.ready_at),
    )
    view.put("run", run.id, run)
    queue = view.schedule.queues[old.queue]
    view.put_queue(change(queue, tag=fact.tag_after, remainder=fact.remainder))
    view.schedule.virtual_time = fact.virtual_time
    count_leases(view, fact.agent_id, 1)


def task_released(view: View, fact: e.TaskReleased, stamp: Stamp) -> None:
    """End a tenure without counting its attempt."""
    reopen(view, fact, stamp, fact.reason, entry="note")  # type: ignore[arg-type]  # facts spell literals as text


def task_failed(view: View, fact: e.TaskFailed, stamp: Stamp) -> None:
    """End a tenure that counts as an attempt."""
    reopen(view, fact, stamp, "failed", entry="attempt")


def task_reclaimed(view: View, fact: e.TaskReclaimed, stamp: Stamp) -> None:
    """End a tenure whose holder went silent or took too long."""
    reopen(view, fact, stamp, fact.reason, entry="attempt")  # type: ignore[arg-type]  # as above


def changes_requested(view: View, fact: e.ChangesRequested, stamp: Stamp) -> None:
    """End a review, and open the task again with its attempts counted anew."""
    reopen(view, fact, stamp, "changes_requested", entry="note")


_UNCOUNTED = frozenset({"released", "undelivered", "preempted"})


def reopen(view: View, fact: e.TenureEnded, stamp: Stamp, result: RunResult, *, entry: str) -> None:
    """End a tenure and open the task, or its review, again; or set it aside."""
    old = view.task(fact.task_id)
    end_tenure(view, old, stamp, result, fact.note)
    sent_back = result == "changes_requested"
    reviewed = old.status == "in_review" and not sent_back
    claim_status = ("delayed" if fact.rank is None else "ready") if reviewed else claim_status_of(old, fact.rank)
    changes: dict[str, Any] = {
        "status": "blocked" if fact.exhausted else "in_review" if reviewed else "open",
        "submitted_by": None if sent_back else old.submitted_by,
        "claim_status": "none" if fact.exhausted else claim_status,
        "block_reason": "retries_exhausted" if fact.exhausted else "",
        "attempt": 0 if sent_back else old.attempt - (result in _UNCOUNTED),
        "ready_at": fact.ready_at,
        "rank": fact.rank,
        # A grant that never arrived goes back to its old place, before others that became ready at the same moment.
        "rank_position": old.rank_position if result == "undelivered" else stamp.position,
    }
    put_ended(view, old, fact.fence, stamp, changes)
    add_entry(view, stamp, fact.entry_id, old.id, kind=entry, content=fact.note, run_id=fact.run_id)


def task_handed_over(view: View, fact: e.TaskHandedOver, stamp: Stamp) -> None:
    """End one tenure and begin another, whose holder has yet to take it up."""
    old = view.task(fact.task_id)
    end_tenure(view, old, stamp, "handed_over", fact.note)
    held = {"assignee": fact.to_agent, "lease_id": fact.lease_id, "fence": fact.fence, "unread": 0}
    view.put_task(old, change(old, **held, updated_at=stamp.at, version=old.version + 1))
    lease = Lease(
        fact.lease_id,
        old.id,
        fact.to_agent,
        fact.new_run_id,
        fact.fence,
        fact.ttl,
        stamp.at,
        fact.expires_at,
        stamp.at,
        ends_by=fact.ends_by,
        accepted=False,
    )
    view.put("lease", lease.id, lease)
    run = Run(fact.new_run_id, old.id, fact.to_agent, fact.lease_id, old.attempt, stamp.at)
    view.put("run", run.id, run)
    count_leases(view, fact.to_agent, 1)
    agent = view.agent(fact.to_agent)
    assert agent is not None  # noqa: S101 - decide found it
    view.put("agent", agent.id, change(agent, handed=(*agent.handed, old.id)))
    add_entry(view, stamp, fact.entry_id, old.id, kind="note", content=fact.note, run_id=fact.run_id)


def handoff_accepted(view: View, fact: e.HandoffAccepted, stamp: Stamp) -> None:
    """The new holder has the task."""
    lease = view.lease(fact.lease_id)
    view.put("lease", lease.id, change(lease, accepted=True))
    run = view.run(lease.run_id)
    view.put("run", run.id, change(run, session_id=fact.session_id, trace_id=fact.trace_id))
    _not_handed(view, lease)
    touch(view, fact.task_id, stamp)


def _not_handed(view: View, lease: Lease) -> None:
    agent = view.agent(lease.agent_id)
    assert agent is not None  # noqa: S101 - it was handed the task
    view.put("agent", agent.id, change(agent, handed=tuple(one for one in agent.handed if one != lease.task_id)))


def preempt_requested(view: View, fact: e.PreemptRequested, stamp: Stamp) -> None:
    """Mark the lease; no renewal reaches beyond the grace."""
    lease = view.lease(fact.lease_id)
    # The deadline moves to the end of the grace, whatever an older renewal said, here and in what is to be written.
    asked = {"preempt_requested": True, "ends_by": fact.ends_by, "expires_at": fact.ends_by}
    view.put("lease", lease.id, change(lease, **asked))
    view.bound(lease, fact.ends_by)
    touch(view, fact.task_id, stamp)


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


def task_submitted(view: View, fact: e.TaskSubmitted, stamp: Stamp) -> None:
    """End the tenure, and put the task in line for reviewers; their attempts are counted anew."""
    old = view.task(fact.task_id)
    end_tenure(view, old, stamp, "submitted", "")
    changes: dict[str, Any] = {
        "status": "in_review",
        "submitted_by": fact.by,
        "claim_status": "ready",
        "attempt": 0,
        "ready_at": fact.ready_at,
        "rank": fact.rank,
        "rank_position": stamp.position,
    }
    if fact.outputs:
        changes["outputs"] = fact.outputs
    put_ended(view, old, fact.fence, stamp, changes)
    outcome = {"kind": "outcome", "content": fact.outcome, "evidence": fact.evidence}
    add_entry(view, stamp, fact.entry_id, old.id, run_id=fact.run_id, **outcome)  # type: ignore[arg-type]  # by name


def review_approved(view: View, fact: e.ReviewApproved, stamp: Stamp) -> None:
    """End the review and the task, and free what waited for it."""
    old = view.task(fact.task_id)
    end_tenure(view, old, stamp, "approved", fact.note)
    put_ended(view, old, fact.fence, stamp, {"status": "completed", "claim_status": "none", "finished_at": stamp.at})
    add_entry(view, stamp, fact.entry_id, old.id, kind="note", content=fact.note, run_id=fact.run_id)
    free(view, old, fact.frees)


def task_cancelled(view: View, fact: e.TaskCancelled, stamp: Stamp) -> None:
    """End the task unfinished, and free what waited for it."""
    old = view.task(fact.task_id)
    end_tenure(view, old, stamp, "cancelled", fact.reason)
    ended = {"status": "cancelled", "claim_status": "none", "finished_at": stamp.at, "rank": None}
    cleared = {"block_reason": "", "blocked_by": (), "escalated_at": None}
    put_ended(view, old, fact.fence, stamp, {**ended, **cleared})
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
    reviewed = old.submitted_by is not None
    changes: dict[str, Any] = {
        "status": "in_review" if reviewed else "open",
        "claim_status": "ready" if reviewed else claim_status_of(old, fact.rank),
        "block_reason": "",
        "blocked_by": (),
        "escalated_at": None,
        "attempt": 0,
        "ready_at": fact.ready_at,
        "rank": fact.rank,
        "rank_position": stamp.position,
    }
    put_ended(view, old, old.fence, stamp, changes)


def task_escalated(view: View, fact: e.TaskEscalated, stamp: Stamp) -> None:
    """Put the task in the supervisors' inbox."""
    touch(view, fact.task_id, stamp, escalated_at=stamp.at)


def put_ended(view: View, old: Task, fence: int, stamp: Stamp, changes: Mapping[str, Any]) -> None:
    """Store a task that nobody holds any more."""
    view.put_task(
        old,
        change(
            old,
            assignee=None,
            lease_id=None,
            fence=fence,
            unread=0,
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
    if not lease.accepted:
        _not_handed(view, lease)


def count_leases(view: View, agent_id: str, step: int) -> None:
    """Change how many leases an agent holds."""
    agent = view.agent(agent_id)
    assert agent is not None  # noqa: S101 - a claim registers its agent first
    view.put("agent", agent.id, change(agent, active_leases=agent.active_leases + step))
