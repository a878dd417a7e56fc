"""Facts about relationships, context and checklists."""

from __future__ import annotations

from arbeit.core import events as e
from arbeit.core.evolve.base import (
    Stamp,
    add_entry,
    count_blockers,
    count_children,
    count_edges,
    count_import,
    link,
    touch,
)
from arbeit.core.model import (
    ProgressItem,
    Relationship,
)
from arbeit.core.record import change
from arbeit.core.view import View


def relationship_added(view: View, fact: e.RelationshipAdded, stamp: Stamp) -> None:
    """Store the edge, and hold the waiting end back."""
    created_at = fact.created_at if isinstance(fact, e.RelationshipImported) else stamp.at
    link(
        view,
        Relationship(
            fact.relationship_id,
            fact.task_id,
            fact.to_task_id,
            fact.type,  # type: ignore[arg-type]  # facts spell literals as text
            created_at,
            fact.metadata,
        ),
    )
    move(view, fact.depths)
    if fact.type == "parent_of":
        child = view.task(fact.to_task_id)
        view.put_task(child, change(child, parent_id=fact.task_id))
    hold_back(view, fact, 1 if fact.holds else 0)
    if isinstance(fact, e.RelationshipImported) and fact.quiet:
        count_import(view, fact.task_id)
    else:
        touch(view, fact.task_id, stamp)


def relationship_removed(view: View, fact: e.RelationshipRemoved, stamp: Stamp) -> None:
    """Forget the edge, and what it held back."""
    edge = view.relationships[fact.relationship_id]
    assert edge is not None  # noqa: S101 - decide found it
    view.remove_link(edge)
    count_edges(view, edge, -1)
    move(view, fact.depths)
    if fact.type == "parent_of":
        child = view.task(fact.to_task_id)
        view.put_task(child, change(child, parent_id=None))
    hold_back(view, fact, -1 if fact.held else 0)
    touch(view, fact.task_id, stamp)


def hold_back(view: View, fact: e.RelationshipAdded | e.RelationshipRemoved, step: int) -> None:
    """Count an edge that holds a task back, at the end that waits."""
    if step and fact.type == "blocks":
        count_blockers(view, fact.to_task_id, step)
    elif step and fact.type == "parent_of":
        count_children(view, fact.task_id, step)


def move(view: View, depths: tuple[tuple[str, int], ...]) -> None:
    """Store the depths of tasks that a new parent moved."""
    for task_id, depth in depths:
        task = view.task(task_id)
        view.put_task(task, change(task, depth=depth))


def context_added(view: View, fact: e.ContextAdded, stamp: Stamp) -> None:
    """Store an entry."""
    add_entry(
        view,
        stamp,
        fact.entry_id,
        fact.task_id,
        kind=fact.type,
        content=fact.content,
        run_id=fact.run_id,
        metadata=fact.metadata,
        evidence=fact.evidence,
    )
    touch(view, fact.task_id, stamp, unread=unread(view, fact))


def unread(view: View, fact: e.TaskFact) -> int:
    """How many entries of others a holder has not answered: none once it writes itself."""
    task = view.task(fact.task_id)
    if fact.run_id is not None or task.lease_id is None:
        return 0
    return task.unread + 1


def context_superseded(view: View, fact: e.ContextSuperseded, stamp: Stamp) -> None:
    """Store the new entry, and point the old one at it."""
    old = view.entries[fact.old_id]
    assert old is not None  # noqa: S101 - decide found it
    view.put("entry", old.id, change(old, superseded_by=fact.entry_id))
    add_entry(view, stamp, fact.entry_id, fact.task_id, kind=fact.type, content=fact.content, run_id=fact.run_id)
    touch(view, fact.task_id, stamp, unread=unread(view, fact))


def progress_added(view: View, fact: e.ProgressAdded, stamp: Stamp) -> None:
    """Store lines of a checklist."""
    done = (True, stamp.at, stamp.actor) if fact.completed else (False, None, None)
    for offset, (item_id, content) in enumerate(fact.items):
        view.put_item(ProgressItem(item_id, fact.task_id, content, fact.position + offset, stamp.at, *done))
    task = view.task(fact.task_id)
    added = 0 if fact.completed else len(fact.items)
    touch(view, fact.task_id, stamp, open_items=task.open_items + added)


def progress_completed(view: View, fact: e.ProgressCompleted, stamp: Stamp) -> None:
    """Tick lines off."""
    items = view.items[fact.task_id]
    for item_id in fact.item_ids:
        view.put_item(change(items[item_id], completed=True, completed_at=stamp.at, completed_by=stamp.actor))
    task = view.task(fact.task_id)
    touch(view, fact.task_id, stamp, open_items=task.open_items - len(fact.item_ids))
