"""Projects, queues, tasks, agents, leases and runs."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from arbeit.core.declare import frozen
from arbeit.core.model.base import (
    DEFAULT_QUEUE,
    DEFAULT_WEIGHT,
    EMPTY,
    REVIEW,
    TERMINAL,
    ZERO_HASH,
    ClaimStatus,
    Priority,
    RunResult,
    Status,
)


@frozen(weakref_slot=False)
class Head:
    """Where a project's log stands: its last position and hash, and the scheduler's virtual time."""

    position: int = 0
    hash: str = ZERO_HASH
    virtual_time: int = 0
    at: int = 0


@frozen(weakref_slot=False)
class Project:
    """A log of its own: the unit of order, of tenancy and of fairness.

    `restoring` is the position up to which its log is being put back; until then it takes nothing else.
    """

    key: str
    name: str
    created_at: int
    weight: int = DEFAULT_WEIGHT
    settings: Mapping[str, Any] = EMPTY
    archived_at: int | None = None
    restoring: int | None = None


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
