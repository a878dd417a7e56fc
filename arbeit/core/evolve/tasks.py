"""Facts that make tasks, change what they say, and ready them."""

from __future__ import annotations

from typing import Any

from arbeit.core import events as e
from arbeit.core.evolve.base import Stamp, add_entry, count_children, free, link
from arbeit.core.model import (
    ClaimStatus,
    Relationship,
    Task,
)
from arbeit.core.record import change
from arbeit.core.view import View


def task_created(view: View, fact: e.TaskCreated, stamp: Stamp) -> None:
    """Store the task, its edges and the counts they change."""
    blockers = sum(holds for _, _, holds in fact.edges)
    task = Task(
        id=fact.task_id,
        title=fact.title,
        created_at=stamp.at,
        updated_at=stamp.at,
        intent=fact.intent,
        description=fact.description,
        priority=fact.priority,  # type: ignore[arg-type]  # facts spell literals as text
        labels=fact.labels,
        queue=fact.queue,
        requires=fact.requires,
        parent_id=fact.parent_id,
        depth=fact.depth,
        max_attempts=fact.max_attempts,
        max_runtime=fact.max_runtime,
        review=fact.review,
        claim_status="waiting" if blockers else "delayed" if fact.rank is None else "ready",
        rank=None if blockers else fact.rank,
        rank_position=stamp.position,
        ready_at=fact.ready_at,
        due_at=fact.due_at,
        open_blockers=blockers,
        inputs=fact.inputs,
        acceptance=fact.acceptance,
        metadata=fact.metadata,
        created_by=stamp.actor,
        trace=stamp.traceparent,
    )
    view.put_task(None, task)
    if fact.parent_id is not None and fact.parent_edge is not None:
        link(view, Relationship(fact.parent_edge, fact.parent_id, task.id, "parent_of", stamp.at))
        count_children(view, fact.parent_id, 1)
    for edge_id, blocker_id, _ in fact.edges:
        link(view, Relationship(edge_id, blocker_id, task.id, "blocks", stamp.at))
    # Nothing else can point at a task that was just made, so its edges are all known.
    view.after.add(task.id)
    view.linked.add(task.id)
    view.items.setdefault(task.id, {})


def task_imported(view: View, fact: e.TaskImported, stamp: Stamp) -> None:
    """Store a task as its source had it."""
    status: ClaimStatus = "none"
    if fact.status == "open":
        status = "delayed" if fact.rank is None else "ready"
    task = Task(
        id=fact.task_id,
        title=fact.title,
        created_at=fact.created_at,
        updated_at=fact.updated_at,
        intent=fact.intent,
        description=fact.description,
        status=fact.status,  # type: ignore[arg-type]  # facts spell literals as text
        priority=fact.priority,  # type: ignore[arg-type]  # facts spell literals as text
        labels=fact.labels,
        queue=fact.queue,
        requires=fact.requires,
        claim_status=status,
        max_attempts=fact.max_attempts,
        rank=fact.rank,
        rank_position=stamp.position,
        ready_at=fact.ready_at,
        due_at=fact.due_at,
        block_reason=fact.block_reason,
        inputs=fact.inputs,
        outputs=fact.outputs,
        acceptance=fact.acceptance,
        metadata=fact.metadata,
        max_runtime=fact.max_runtime,
        review=fact.review,
        created_by=fact.created_by or stamp.actor,
        trace=stamp.traceparent,
        started_at=fact.started_at,
        finished_at=fact.finished_at,
    )
    view.put_task(None, task)
    add_entry(view, stamp, fact.outcome_id, task.id, kind="outcome", content=fact.outcome)
    view.after.add(task.id)
    view.linked.add(task.id)
    view.items.setdefault(task.id, {})


def task_updated(view: View, fact: e.TaskUpdated, stamp: Stamp) -> None:
    """Store what changed, and where that puts a ready task in line."""
    old = view.task(fact.task_id)
    ranked: dict[str, Any] = {}
    if fact.delayed:
        ranked = {"claim_status": "delayed", "rank": None}
    elif fact.rank is not None:
        was_ready = old.claim_status == "ready"
        position = old.rank_position if was_ready else stamp.position
        ranked = {"claim_status": "ready", "rank": fact.rank, "rank_position": position}
    view.put_task(old, change(old, **fact.changes, **ranked, updated_at=stamp.at, version=old.version + 1))


def task_readied(view: View, fact: e.TaskReadied, stamp: Stamp) -> None:
    """Put the task in line."""
    old = view.task(fact.task_id)
    view.put_task(
        old,
        change(
            old,
            claim_status="ready",
            ready_at=fact.ready_at,
            rank=fact.rank,
            rank_position=stamp.position,
            updated_at=stamp.at,
            version=old.version + 1,
        ),
    )


def tasks_reranked(view: View, fact: e.TasksReranked, _stamp: Stamp) -> None:
    """Put ready tasks in line anew. Where they stand in line is no version of theirs."""
    for task_id, rank in fact.ranks:
        old = view.task(task_id)
        view.put_task(old, change(old, rank=rank))


def task_deleted(view: View, fact: e.TaskDeleted, stamp: Stamp) -> None:
    """Mark the task, and free what waited for it."""
    old = view.task(fact.task_id)
    changes = {"deleted_at": stamp.at, "claim_status": "none", "rank": None}
    view.put_task(old, change(old, updated_at=stamp.at, version=old.version + 1, **changes))
    if not old.finished:
        free(view, old, fact.frees)
