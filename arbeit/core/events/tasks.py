"""Facts that make tasks, change what they say, and relate them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from arbeit.core.declare import frozen
from arbeit.core.events.base import TaskFact
from arbeit.core.model import DEFAULT_QUEUE, EMPTY


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
    created_by: str = ""
    started_at: int | None = None
    due_at: int | None = None
    inputs: Mapping[str, Any] = EMPTY
    outputs: Mapping[str, Any] = EMPTY
    max_runtime: int | None = None
    review: bool | None = None


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
class TaskReadied(TaskFact):
    """Nothing holds the task back any more: claimers may pick it by its rank."""

    tag = "task_readied"
    ready_at: int
    rank: int


@frozen(weakref_slot=False, eq=False, repr=False, kw_only=True)
class TaskDeleted(TaskFact):
    """A task leaves every list. `frees` are the tasks it no longer blocks."""

    tag = "task_deleted"
    reason: str = ""
    frees: tuple[str, ...] = ()


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
    """An edge taken over from elsewhere, with its source's time where that is known.

    `quiet` says that its task's own times stay those of the source; in the oldest logs it changed the task.
    """

    tag = "relationship_imported"
    created_at: int
    quiet: bool = False


@frozen(weakref_slot=False, eq=False, repr=False, kw_only=True)
class RelationshipRemoved(TaskFact):
    """An edge was taken away; `held` says that it held the waiting end back."""

    tag = "relationship_removed"
    relationship_id: str
    to_task_id: str
    type: str
    held: bool = False
    depths: tuple[tuple[str, int], ...] = ()
