"""What several facts do to a view."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from arbeit.core.declare import frozen
from arbeit.core.model import (
    EMPTY,
    ClaimStatus,
    ContextEntry,
    Relationship,
    Task,
)
from arbeit.core.record import change
from arbeit.core.view import View


@frozen(weakref_slot=False)
class Stamp:
    """Where and when a fact stands in its project's log, and whose it is."""

    position: int
    at: int
    actor: str
    traceparent: str = ""


def claim_status_of(task: Task, rank: int | None) -> ClaimStatus:
    """Where an open task stands for claimers, given the rank it got, if any."""
    if task.open_blockers or task.open_children:
        return "waiting"
    return "delayed" if rank is None else "ready"


def touch(view: View, task_id: str, stamp: Stamp, **changes: object) -> None:
    """Count an event of a task, and any fields it changes."""
    task = view.task(task_id)
    view.put_task(task, change(task, updated_at=stamp.at, version=task.version + 1, **changes))


def count_import(view: View, task_id: str, **changes: object) -> None:
    """Count an event that took something over for a task: the task's own times stay those of its source."""
    task = view.task(task_id)
    view.put_task(task, change(task, version=task.version + 1, **changes))


def add_entry(
    view: View,
    stamp: Stamp,
    entry_id: str | None,
    task_id: str,
    *,
    kind: str,
    content: str,
    run_id: str | None = None,
    metadata: Mapping[str, Any] | None = None,
    evidence: tuple[str, ...] = (),
) -> None:
    """Store a context entry, if the fact made one."""
    if entry_id is None:
        return
    entry = ContextEntry(
        entry_id,
        task_id,
        kind,  # type: ignore[arg-type]  # facts spell literals as text
        content,
        stamp.actor,
        stamp.at,
        run_id,
        metadata if metadata is not None else EMPTY,
        evidence,
    )
    view.put("entry", entry.id, entry)


def link(view: View, edge: Relationship) -> None:
    """Store an edge and count it at both ends."""
    view.add_link(edge)
    count_edges(view, edge, 1)


def count_edges(view: View, edge: Relationship, step: int) -> None:
    """Count an edge at both of its ends."""
    for task_id in (edge.from_task_id, edge.to_task_id):
        task = view.task(task_id)
        view.put_task(task, change(task, relationships=task.relationships + step))


def free(view: View, task: Task, dependents: tuple[str, ...]) -> None:
    """Tell the dependents and the parent of a task that it has ended."""
    for task_id in dependents:
        count_blockers(view, task_id, -1)
    if task.parent_id is not None:
        count_children(view, task.parent_id, -1)


def count_blockers(view: View, task_id: str, step: int) -> None:
    """Change how many unfinished tasks block this one."""
    task = view.task(task_id)
    put_counted(view, task, change(task, open_blockers=task.open_blockers + step))


def count_children(view: View, task_id: str, step: int) -> None:
    """Change how many unfinished children a task has."""
    task = view.task(task_id)
    put_counted(view, task, change(task, open_children=task.open_children + step))


def put_counted(view: View, old: Task, task: Task) -> None:
    """Store a task whose counts changed, and where that leaves it for claimers."""
    if task.status == "open" and task.deleted_at is None:
        # A task that nothing holds back any more is promoted by a fact of its own, which ranks it.
        waits = task.open_blockers or task.open_children
        if waits:
            task = change(task, claim_status="waiting", rank=None)
        elif task.claim_status == "waiting":
            task = change(task, claim_status="delayed")
    view.put_task(old, task)
