"""Facts that begin and end tenures, and tasks."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from arbeit.core.declare import frozen
from arbeit.core.events.base import TaskFact, TenureEnded
from arbeit.core.model import EMPTY


@frozen(weakref_slot=False, eq=False, repr=False, kw_only=True)
class TaskClaimed(TaskFact):
    """A task was granted. `tag_after`, `remainder` and `virtual_time` are the scheduler's state after the pick.

    `ends_by` is the moment beyond which its lease cannot be renewed.
    """

    tag = "task_claimed"
    lease_id: str
    agent_id: str
    fence: int
    ttl: int
    expires_at: int
    attempt: int
    tag_after: int
    remainder: int
    virtual_time: int
    how: str = "claim"
    queues: tuple[str, ...] | None = None
    session_id: str = ""
    trace_id: str = ""
    ends_by: int | None = None


@frozen(weakref_slot=False, eq=False, repr=False, kw_only=True)
class TaskHandedOver(TaskFact):
    """One tenure ended and another began in one step; its holder has yet to take it up. `run_id` is the old run's."""

    tag = "task_handed_over"
    to_agent: str
    lease_id: str
    new_run_id: str
    fence: int
    ttl: int
    expires_at: int
    ends_by: int | None = None
    entry_id: str
    note: str
    forced: bool = False


@frozen(weakref_slot=False, eq=False, repr=False, kw_only=True)
class HandoffAccepted(TaskFact):
    """The new holder of a task that was handed over took it up."""

    tag = "handoff_accepted"
    lease_id: str
    session_id: str = ""
    trace_id: str = ""


@frozen(weakref_slot=False, eq=False, repr=False, kw_only=True)
class PreemptRequested(TaskFact):
    """A holder was asked to give its task back by `ends_by`; after that moment its lease is taken back."""

    tag = "preempt_requested"
    lease_id: str
    ends_by: int
    reason: str = ""


@frozen(weakref_slot=False, eq=False, repr=False, kw_only=True)
class TaskReleased(TenureEnded):
    """A holder gave its task back; no attempt is counted. `reason`: released, undelivered or preempted."""

    tag = "task_released"
    reason: str = "released"


@frozen(weakref_slot=False, eq=False, repr=False, kw_only=True)
class TaskFailed(TenureEnded):
    """An attempt did not work; `note` says why."""

    tag = "task_failed"


@frozen(weakref_slot=False, eq=False, repr=False, kw_only=True)
class TaskReclaimed(TenureEnded):
    """A lease ran past its `deadline`, as seen under the project's lock, and was taken back.

    `reason`: expired, timed_out (beyond `max_runtime`), preempted, or undelivered (handed over, never taken up); the
    last two count no attempt.
    """

    tag = "task_reclaimed"
    deadline: int
    reason: str = "expired"


@frozen(weakref_slot=False, eq=False, repr=False, kw_only=True)
class TaskEscalated(TaskFact):
    """The attempts are used up: supervisors are asked to look."""

    tag = "task_escalated"
    reason: str
    attempts: int


@frozen(weakref_slot=False, eq=False, repr=False, kw_only=True)
class TaskCompleted(TaskFact):
    """A task was finished. `frees` are the tasks it no longer blocks."""

    tag = "task_completed"
    fence: int
    entry_id: str | None = None
    outcome: str = ""
    evidence: tuple[str, ...] = ()
    outputs: Mapping[str, Any] = EMPTY
    frees: tuple[str, ...] = ()
    forced: bool = False


@frozen(weakref_slot=False, eq=False, repr=False, kw_only=True)
class TaskSubmitted(TaskFact):
    """A task was finished as far as its holder is concerned, and waits for a reviewer."""

    tag = "task_submitted"
    fence: int
    entry_id: str | None = None
    outcome: str = ""
    evidence: tuple[str, ...] = ()
    outputs: Mapping[str, Any] = EMPTY
    by: str
    ready_at: int
    rank: int
    forced: bool = False


@frozen(weakref_slot=False, eq=False, repr=False, kw_only=True)
class ReviewApproved(TaskFact):
    """A reviewer was satisfied, which completes the task. `frees` are the tasks it no longer blocks."""

    tag = "review_approved"
    fence: int
    entry_id: str | None = None
    note: str = ""
    frees: tuple[str, ...] = ()
    forced: bool = False


@frozen(weakref_slot=False, eq=False, repr=False, kw_only=True)
class ChangesRequested(TenureEnded):
    """A reviewer sent the task back; `note` says why, and its attempts are counted anew."""

    tag = "changes_requested"


@frozen(weakref_slot=False, eq=False, repr=False, kw_only=True)
class TaskCancelled(TaskFact):
    """A task was ended unfinished. `frees` are the tasks it no longer blocks."""

    tag = "task_cancelled"
    fence: int
    reason: str = ""
    frees: tuple[str, ...] = ()
    forced: bool = False


@frozen(weakref_slot=False, eq=False, repr=False, kw_only=True)
class TaskBlocked(TaskFact):
    """A task was set aside."""

    tag = "task_blocked"
    fence: int
    reason: str
    blocked_by: tuple[str, ...] = ()
    forced: bool = False
