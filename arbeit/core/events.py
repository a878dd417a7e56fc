"""One frozen class per fact. `tag` and `version` name it on the wire, whatever the class is called.

`task_id` and `run_id` travel in the event's header; every other field is its data. What a policy decided
(a rank, a backoff, a lease length) is a field, so that folding a log never asks a policy.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

from attrs import frozen

from arbeit.core.model import DEFAULT_QUEUE, DEFAULT_WEIGHT, EMPTY
from arbeit.core.record import Record


@frozen(weakref_slot=False, eq=False, repr=False, kw_only=True)
class Fact(Record):
    """Something that happened in a project."""

    tag: ClassVar[str] = ""
    version: ClassVar[int] = 1


@frozen(weakref_slot=False, eq=False, repr=False, kw_only=True)
class ProjectCreated(Fact):
    """A project began, with its default queue."""

    tag = "project_created"
    key: str
    name: str = ""
    weight: int = DEFAULT_WEIGHT
    settings: Mapping[str, Any] = EMPTY


@frozen(weakref_slot=False, eq=False, repr=False, kw_only=True)
class ProjectUpdated(Fact):
    """Fields of a project changed to new values."""

    tag = "project_updated"
    changes: Mapping[str, Any]


@frozen(weakref_slot=False, eq=False, repr=False, kw_only=True)
class QueueSet(Fact):
    """A queue was made, or fields of it changed to new values."""

    tag = "queue_set"
    queue: str
    changes: Mapping[str, Any] = EMPTY


@frozen(weakref_slot=False, eq=False, repr=False, kw_only=True)
class AgentRegistered(Fact):
    """An agent became known, or fields of it changed to new values."""

    tag = "agent_registered"
    agent_id: str
    changes: Mapping[str, Any] = EMPTY


@frozen(weakref_slot=False, eq=False, repr=False, kw_only=True)
class TaskFact(Fact):
    """Something that happened to one task, in the course of one run or of none."""

    task_id: str
    run_id: str | None = None


@frozen(weakref_slot=False, eq=False, repr=False, kw_only=True)
class TaskCreated(TaskFact):
    """A task began. `edges` are (relationship id, blocker id, whether the blocker is unfinished)."""

    tag = "task_created"
    title: str
    intent: str = ""
    description: str = ""
    priority: str = "normal"
    labels: tuple[str, ...] = ()
    queue: str = DEFAULT_QUEUE
    requires: tuple[str, ...] = ()
    parent_id: str | None = None
    parent_edge: str | None = None
    depth: int = 0
    edges: tuple[tuple[str, str, bool], ...] = ()
    max_attempts: int = 3
    max_runtime: int | None = None
    review: bool | None = None
    ready_at: int
    rank: int | None = None
    due_at: int | None = None
    inputs: Mapping[str, Any] = EMPTY
    acceptance: tuple[str, ...] = ()
    metadata: Mapping[str, Any] = EMPTY


@frozen(weakref_slot=False, eq=False, repr=False, kw_only=True)
class TaskImported(TaskFact):
    """A task was taken over from elsewhere; its source's times are data."""

    tag = "task_imported"
    title: str
    intent: str = ""
    description: str = ""
    status: str = "open"
    priority: str = "normal"
    labels: tuple[str, ...] = ()
    queue: str = DEFAULT_QUEUE
    requires: tuple[str, ...] = ()
    block_reason: str = ""
    outcome: str = ""
    outcome_id: str | None = None
    max_attempts: int = 3
    acceptance: tuple[str, ...] = ()
    metadata: Mapping[str, Any] = EMPTY
    created_at: int
    updated_at: int
    finished_at: int | None = None
    ready_at: int
    rank: int | None = None


@frozen(weakref_slot=False, eq=False, repr=False, kw_only=True)
class TaskUpdated(TaskFact):
    """Fields of a task changed to new values; `rank` is set anew where it is ready.

    `delayed` says that a new `ready_at` puts the task out of line until then.
    """

    tag = "task_updated"
    changes: Mapping[str, Any]
    rank: int | None = None
    delayed: bool = False


@frozen(weakref_slot=False, eq=False, repr=False, kw_only=True)
class TasksReranked(Fact):
    """The ranking policy changed, and with it the ranks of these ready tasks: (task id, rank)."""

    tag = "tasks_reranked"
    ranks: tuple[tuple[str, int], ...]


@frozen(weakref_slot=False, eq=False, repr=False, kw_only=True)
class TaskReadied(TaskFact):
    """Nothing holds the task back any more: claimers may pick it by its rank."""

    tag = "task_readied"
    ready_at: int
    rank: int


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
class TenureEnded(TaskFact):
    """A lease ended and the task opened again: at once (`rank`), later (`ready_at`), or never (`exhausted`).

    `forced` says that a supervisor ended it, and not its holder.
    """

    fence: int
    ready_at: int
    rank: int | None = None
    exhausted: bool = False
    entry_id: str | None = None
    note: str = ""
    forced: bool = False


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
class TaskDeleted(TaskFact):
    """A task leaves every list. `frees` are the tasks it no longer blocks."""

    tag = "task_deleted"
    reason: str = ""
    frees: tuple[str, ...] = ()


@frozen(weakref_slot=False, eq=False, repr=False, kw_only=True)
class TaskBlocked(TaskFact):
    """A task was set aside."""

    tag = "task_blocked"
    fence: int
    reason: str
    blocked_by: tuple[str, ...] = ()
    forced: bool = False


@frozen(weakref_slot=False, eq=False, repr=False, kw_only=True)
class TaskUnblocked(TaskFact):
    """A blocked task opened again, or waits for a reviewer again, its attempts counted anew."""

    tag = "task_unblocked"
    note: str = ""
    ready_at: int
    rank: int | None = None


@frozen(weakref_slot=False, eq=False, repr=False, kw_only=True)
class RelationshipAdded(TaskFact):
    """An edge from `task_id` to `to_task_id`. `holds` says that it holds the waiting end back.

    `depths` are (task id, depth) of tasks that a new parent moved.
    """

    tag = "relationship_added"
    relationship_id: str
    to_task_id: str
    type: str
    holds: bool = False
    metadata: Mapping[str, Any] = EMPTY
    depths: tuple[tuple[str, int], ...] = ()


@frozen(weakref_slot=False, eq=False, repr=False, kw_only=True)
class RelationshipImported(RelationshipAdded):
    """An edge taken over from elsewhere, with its source's time where that is known."""

    tag = "relationship_imported"
    created_at: int


@frozen(weakref_slot=False, eq=False, repr=False, kw_only=True)
class RelationshipRemoved(TaskFact):
    """An edge was taken away; `held` says that it held the waiting end back."""

    tag = "relationship_removed"
    relationship_id: str
    to_task_id: str
    type: str
    held: bool = False
    depths: tuple[tuple[str, int], ...] = ()


@frozen(weakref_slot=False, eq=False, repr=False, kw_only=True)
class ContextAdded(TaskFact):
    """Something was recorded about a task."""

    tag = "context_added"
    entry_id: str
    type: str
    content: str
    metadata: Mapping[str, Any] = EMPTY
    evidence: tuple[str, ...] = ()


@frozen(weakref_slot=False, eq=False, repr=False, kw_only=True)
class ContextSuperseded(TaskFact):
    """The entry `old_id` was replaced by a new one."""

    tag = "context_superseded"
    old_id: str
    entry_id: str
    type: str
    content: str


@frozen(weakref_slot=False, eq=False, repr=False, kw_only=True)
class ProgressAdded(TaskFact):
    """Lines were added to a checklist: (item id, text) in order, from `position` on."""

    tag = "progress_added"
    items: tuple[tuple[str, str], ...]
    position: int = 0
    completed: bool = False


@frozen(weakref_slot=False, eq=False, repr=False, kw_only=True)
class ProgressCompleted(TaskFact):
    """Lines of a checklist were ticked off."""

    tag = "progress_completed"
    item_ids: tuple[str, ...]


@frozen(weakref_slot=False, eq=False, repr=False, kw_only=True)
class UsageReported(TaskFact):
    """What a run used since its last report: counts to add, and `model`."""

    tag = "usage_reported"
    usage: Mapping[str, Any]


@frozen(weakref_slot=False, eq=False, repr=False, kw_only=True)
class SessionLinked(TaskFact):
    """A task was worked on in a session."""

    tag = "session_linked"
    link_id: str
    session_id: str


@frozen(weakref_slot=False, eq=False, repr=False, kw_only=True)
class FileLinked(TaskFact):
    """A file was read or written for a task."""

    tag = "file_linked"
    link_id: str
    path: str
    operation: str
    session_id: str = ""


@frozen(weakref_slot=False, eq=False, repr=False, kw_only=True)
class ArtifactAttached(TaskFact):
    """A holder left bytes as a result; `size` in bytes."""

    tag = "artifact_attached"
    artifact_id: str
    name: str
    media_type: str
    size: int
    sha256: str
    uri: str
    fence: int


@frozen(weakref_slot=False, eq=False, repr=False, kw_only=True)
class SecretSet(Fact):
    """A secret got a name, or another place where it is found."""

    tag = "secret_set"
    secret_id: str
    name: str
    provider: str
    path: str


@frozen(weakref_slot=False, eq=False, repr=False, kw_only=True)
class SecretUsed(TaskFact):
    """A holder was given the value of a secret."""

    tag = "secret_used"
    name: str


@frozen(weakref_slot=False, eq=False, repr=False, kw_only=True)
class RecordErased(TaskFact):
    """The text of one record is gone for good, here and in the `events` before this one that carried it.

    `events` are (position, digest of what their data is now); `runs` are those whose notes said the same.
    """

    tag = "record_erased"
    kind: str
    record_id: str
    reason: str = ""
    events: tuple[tuple[int, str], ...] = ()
    runs: tuple[str, ...] = ()


HEADER_FIELDS = frozenset({"task_id", "run_id"})

FACTS: Mapping[str, type[Fact]] = {
    fact.tag: fact
    for fact in (
        ProjectCreated,
        ProjectUpdated,
        QueueSet,
        AgentRegistered,
        TaskCreated,
        TaskImported,
        TaskUpdated,
        TasksReranked,
        TaskReadied,
        TaskClaimed,
        TaskHandedOver,
        HandoffAccepted,
        PreemptRequested,
        TaskReleased,
        TaskFailed,
        TaskReclaimed,
        TaskEscalated,
        TaskCompleted,
        TaskSubmitted,
        ReviewApproved,
        ChangesRequested,
        TaskCancelled,
        TaskDeleted,
        TaskBlocked,
        TaskUnblocked,
        RelationshipAdded,
        RelationshipImported,
        RelationshipRemoved,
        ContextAdded,
        ContextSuperseded,
        ProgressAdded,
        ProgressCompleted,
        UsageReported,
        SessionLinked,
        FileLinked,
        ArtifactAttached,
        SecretSet,
        SecretUsed,
        RecordErased,
    )
}
