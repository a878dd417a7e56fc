"""The entities, as frozen classes. Times are integer microseconds since 1970-01-01T00:00:00Z."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal, NoReturn, get_args

from attrs import field, frozen

Status = Literal["open", "in_progress", "in_review", "blocked", "completed", "cancelled"]
Priority = Literal["critical", "high", "normal", "low"]
ClaimStatus = Literal["waiting", "delayed", "ready", "held", "none"]
EntryType = Literal[
    "decision", "rationale", "attempt", "outcome", "blocker", "note", "discovery", "reference", "user_input"
]
RelationType = Literal["parent_of", "blocks", "relates_to", "duplicates", "splits_from", "discovered_from"]
RunResult = Literal[
    "completed",
    "submitted",
    "approved",
    "changes_requested",
    "handed_over",
    "failed",
    "released",
    "undelivered",
    "preempted",
    "expired",
    "timed_out",
    "blocked",
    "cancelled",
]
FileOperation = Literal["read", "write"]

STATUSES: tuple[str, ...] = get_args(Status)
PRIORITIES: tuple[str, ...] = get_args(Priority)
ENTRY_TYPES: tuple[str, ...] = get_args(EntryType)
RELATION_TYPES: tuple[str, ...] = get_args(RelationType)
FILE_OPERATIONS: tuple[str, ...] = get_args(FileOperation)
TERMINAL = frozenset({"completed", "cancelled"})
REVIEW = "review"
"""The capability that reviewers claim with."""

# Inverse names are accepted on the way in and stored as the forward edge.
INVERSE_RELATIONS: Mapping[str, RelationType] = {
    "child_of": "parent_of",
    "blocked_by": "blocks",
    "duplicated_by": "duplicates",
    "split_into": "splits_from",
}

ZERO_HASH = "0" * 64
SECOND = 1_000_000
DEFAULT_QUEUE = "default"
DEFAULT_WEIGHT = 100


class Frozen(dict[str, Any]):
    """A JSON object that cannot be changed, so that entities may share it."""

    __slots__ = ()

    def _refuse(self, *_args: object, **_kwargs: object) -> NoReturn:
        msg = "this mapping belongs to a frozen entity; copy it with dict(...) first"
        raise TypeError(msg)

    __setitem__ = __delitem__ = clear = pop = popitem = setdefault = update = _refuse
    __ior__ = _refuse

    def __reduce__(self) -> tuple[Any, ...]:
        """Pickle by content; the default protocol would fill it item by item."""
        return type(self), (dict(self),)

    def __copy__(self) -> Frozen:
        """Frozen, so it is its own copy."""
        return self

    def __deepcopy__(self, memo: dict[int, Any]) -> Frozen:
        """Frozen all the way down, so it is its own copy."""
        return self


EMPTY = Frozen()


def freeze(value: Any) -> Any:  # noqa: ANN401 - any JSON value in, the same value frozen out
    """Copy a JSON value into tuples and `Frozen` mappings, all the way down."""
    if isinstance(value, dict):
        return Frozen({key: freeze(item) for key, item in value.items()}) if value else EMPTY
    if isinstance(value, list | tuple):
        return tuple(freeze(item) for item in value)
    return value


@frozen(weakref_slot=False)
class Head:
    """Where a project's log stands: its last position and hash, and the scheduler's virtual time."""

    position: int = 0
    hash: str = ZERO_HASH
    virtual_time: int = 0
    at: int = 0


@frozen(weakref_slot=False)
class Project:
    """A log of its own: the unit of order, of tenancy and of fairness."""

    key: str
    name: str
    created_at: int
    weight: int = DEFAULT_WEIGHT
    settings: Mapping[str, Any] = EMPTY
    archived_at: int | None = None


@frozen(weakref_slot=False)
class Queue:
    """A named share of a project's work. `tag` and `remainder` are its start-time fair queueing state."""

    name: str
    created_at: int
    weight: int = DEFAULT_WEIGHT
    paused: bool = False
    max_ready: int | None = None
    max_in_progress: int | None = None
    tag: int = 0
    remainder: int = 0
    ready: int = 0
    in_progress: int = 0


@frozen(weakref_slot=False)
class Group:
    """How many ready tasks of a queue share one requirement set (capability names, sorted, joined by commas)."""

    queue: str
    requires: str
    ready: int = 0

    @property
    def key(self) -> tuple[str, str]:
        """What identifies a group in its project."""
        return (self.queue, self.requires)


@frozen(weakref_slot=False)
class Task:
    """A unit of work.

    `claim_status` says where it stands for claimers: waiting (for blockers or children), delayed (until
    `ready_at`), ready, held, or none. `version` grows by one with every event of the task.

    review: whether completing asks for a review; None leaves it to the project.
    submitted_by: while it is to be reviewed, who finished it and may not review it.
    max_runtime: microseconds that one run may take, however often its lease is renewed.
    unread: entries that others have added since the present holder was granted it.
    escalated_at: since when it waits for a supervisor.
    trace: the W3C traceparent of the command that created it.
    """

    id: str
    title: str
    created_at: int
    updated_at: int
    intent: str = ""
    description: str = ""
    status: Status = "open"
    priority: Priority = "normal"
    labels: tuple[str, ...] = ()
    queue: str = DEFAULT_QUEUE
    requires: tuple[str, ...] = ()
    parent_id: str | None = None
    depth: int = 0
    assignee: str | None = None
    claim_status: ClaimStatus = "waiting"
    lease_id: str | None = None
    fence: int = 0
    attempt: int = 0
    max_attempts: int = 3
    rank: int | None = None
    rank_position: int = 0
    ready_at: int = 0
    due_at: int | None = None
    block_reason: str = ""
    blocked_by: tuple[str, ...] = ()
    open_blockers: int = 0
    open_children: int = 0
    open_items: int = 0
    relationships: int = 0
    inputs: Mapping[str, Any] = EMPTY
    outputs: Mapping[str, Any] = EMPTY
    acceptance: tuple[str, ...] = ()
    metadata: Mapping[str, Any] = EMPTY
    created_by: str = ""
    started_at: int | None = None
    finished_at: int | None = None
    version: int = 1
    review: bool | None = None
    submitted_by: str | None = None
    max_runtime: int | None = None
    artifacts: int = 0
    unread: int = 0
    escalated_at: int | None = None
    deleted_at: int | None = None
    trace: str = ""

    @property
    def group(self) -> str:
        """The requirement set that claimers must meet now, as `Group.requires` spells it; `!name` keeps one out."""
        if self.status == "in_review":
            return REVIEW if self.submitted_by is None else f"{REVIEW},!{self.submitted_by}"
        return ",".join(self.requires)

    @property
    def finished(self) -> bool:
        """Whether nothing waits for it any more: its status is terminal, or it was deleted."""
        return self.status in TERMINAL or self.deleted_at is not None


@frozen(weakref_slot=False)
class Agent:
    """Somebody who claims tasks. `active_leases` counts what it holds now.

    `handed` are the tasks that were handed over to it and that it has not taken up yet.
    """

    id: str
    created_at: int
    name: str = ""
    persona: str = ""
    capabilities: tuple[str, ...] = ()
    max_leases: int | None = None
    metadata: Mapping[str, Any] = EMPTY
    active_leases: int = 0
    last_seen_at: int | None = None
    handed: tuple[str, ...] = ()


@frozen(weakref_slot=False)
class Lease:
    """A grant of one task to one agent. `ttl` in microseconds; the token is derived, never stored.

    `expires_at` and `heartbeat_at` are liveness: they have no history. `ends_by` is the moment beyond which no
    renewal reaches: the run's `max_runtime`, or the end of the grace after a preemption was asked for.
    `accepted` is false while a task that was handed over waits for its new holder.
    """

    id: str
    task_id: str
    agent_id: str
    run_id: str
    fence: int
    ttl: int
    acquired_at: int
    expires_at: int
    heartbeat_at: int
    preempt_requested: bool = False
    ended_at: int | None = None
    end_reason: str = ""
    ends_by: int | None = None
    accepted: bool = True


@frozen(weakref_slot=False)
class Run:
    """One tenure of one agent on one task, from grant to end.

    `waited` is how long the task had been ready, in microseconds. `usage` sums what was reported: tokens_in,
    tokens_out, cost (micro-dollars), counters of one's own; and `model`, the last one named.
    """

    id: str
    task_id: str
    agent_id: str
    lease_id: str
    attempt: int
    started_at: int
    session_id: str = ""
    trace_id: str = ""
    ended_at: int | None = None
    result: RunResult | None = None
    note: str = ""
    usage: Mapping[str, Any] = EMPTY
    waited: int = 0


@frozen(weakref_slot=False)
class ContextEntry:
    """Something learned or decided about a task; immutable but for being superseded."""

    id: str
    task_id: str
    type: EntryType
    content: str
    author: str
    created_at: int
    run_id: str | None = None
    metadata: Mapping[str, Any] = EMPTY
    evidence: tuple[str, ...] = ()
    superseded_by: str | None = None


@frozen(weakref_slot=False)
class ProgressItem:
    """One line of a task's checklist."""

    id: str
    task_id: str
    content: str
    position: int
    created_at: int
    completed: bool = False
    completed_at: int | None = None
    completed_by: str | None = None


@frozen(weakref_slot=False)
class Relationship:
    """A typed edge between two tasks of a project."""

    id: str
    from_task_id: str
    to_task_id: str
    type: RelationType
    created_at: int
    metadata: Mapping[str, Any] = EMPTY


@frozen(weakref_slot=False)
class SessionLink:
    """A session of some agent in which a task was worked on."""

    id: str
    task_id: str
    session_id: str
    created_at: int


@frozen(weakref_slot=False)
class FileLink:
    """A file that was read or written for a task."""

    id: str
    task_id: str
    path: str
    operation: FileOperation
    created_at: int
    session_id: str = ""


@frozen(weakref_slot=False)
class Artifact:
    """Bytes that a holder left as a result; stored once per content, found by their SHA-256. `size` in bytes."""

    id: str
    task_id: str
    name: str
    media_type: str
    size: int
    sha256: str
    uri: str
    fence: int
    created_at: int
    run_id: str | None = None


@frozen(weakref_slot=False)
class SecretRef:
    """Where a secret is found; never its value. Names are unique in a project."""

    id: str
    name: str
    provider: str
    path: str
    created_at: int


@frozen(weakref_slot=False)
class Event:
    """A recorded fact. `data` is canonical JSON text; `hash` chains position to position."""

    project: str
    position: int
    type: str
    version: int
    at: int
    actor: str
    data: str
    data_hash: str
    prev_hash: str
    hash: str
    task_id: str | None = None
    task_version: int | None = None
    run_id: str | None = None
    correlation_id: str | None = None
    causation_id: str | None = None
    idempotency_key: str | None = None
    traceparent: str | None = None

    @property
    def id(self) -> str:
        """Unique across projects and stable across deliveries; derived, so never stored."""
        return f"{self.project}.{self.position}"


@frozen(weakref_slot=False)
class Beat:
    """A renewal: liveness only, so no event tells of it."""

    lease_id: str
    expires_at: int
    heartbeat_at: int


@frozen(weakref_slot=False)
class Grant:
    """What a claimer receives: the task, its lease and its run."""

    task: Task
    lease: Lease
    run: Run


@frozen(weakref_slot=False)
class Notice:
    """Something worth knowing that rides beside a success."""

    code: str
    message: str


@frozen(weakref_slot=False)
class Passed:
    """A queue that a pick passed over, why, its start tag and how many ready tasks it holds."""

    queue: str
    reason: str
    start: int
    ready: int


@frozen(weakref_slot=False)
class Explanation:
    """Why a claimer gets what it gets, or nothing.

    `start` is the start tag of the queue served, in the project's virtual time; `candidates` are the heads of
    that queue's groups that the claimer may take, as (requirement set, task id, rank): the least rank wins.
    """

    virtual_time: int
    task_id: str | None = None
    queue: str | None = None
    start: int | None = None
    rank: int | None = None
    candidates: tuple[tuple[str, str, int], ...] = ()
    passed: tuple[Passed, ...] = ()


@frozen(weakref_slot=False)
class Reply:
    """The answer to a command: the entities it made or changed, as they stood right after it."""

    project: Project | None = None
    queue: Queue | None = None
    agent: Agent | None = None
    task: Task | None = None
    grants: tuple[Grant, ...] = ()
    relationship: Relationship | None = None
    run: Run | None = None
    session: SessionLink | None = None
    file: FileLink | None = None
    artifact: Artifact | None = None
    secret: SecretRef | None = None
    entries: tuple[ContextEntry, ...] = ()
    items: tuple[ProgressItem, ...] = ()
    expires_at: int | None = None
    explanation: Explanation | None = None
    count: int = 0
    cursor: str | None = None
    warnings: tuple[Notice, ...] = ()


@frozen(weakref_slot=False)
class Receipt:
    """The stored reply to a command whose caller gave an idempotency key."""

    actor: str
    operation: str
    key: str
    fingerprint: str
    reply: str
    at: int
    position: int = 0


@frozen(weakref_slot=False)
class Changes:
    """What a batch leaves behind. A store writes it without knowing what a command is.

    `new` and `changed` hold entities by kind, `gone` their keys. `erased` are (position, data) of earlier events
    whose text goes for good, `reissued` the receipts that lose it. `reworded` are the changed tasks whose title,
    intent or description is another; None where nobody looked. Empty changes mean: write nothing.
    """

    head: Head
    new: Mapping[str, list[Any]] = field(factory=dict)
    changed: Mapping[str, list[Any]] = field(factory=dict)
    gone: Mapping[str, list[Any]] = field(factory=dict)
    events: tuple[Event, ...] = ()
    receipts: tuple[Receipt, ...] = ()
    beats: tuple[Beat, ...] = ()
    erased: tuple[tuple[int, str], ...] = ()
    reissued: tuple[Receipt, ...] = ()
    forget_receipts_before: int | None = None
    reworded: tuple[str, ...] | None = None

    @property
    def empty(self) -> bool:
        """Whether there is nothing to write."""
        return not (self.events or self.beats or self.receipts or self.forget_receipts_before is not None)
