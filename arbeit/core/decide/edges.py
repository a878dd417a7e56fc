"""Decisions about relationships between tasks."""

from __future__ import annotations

from collections.abc import Generator

from arbeit.core import commands as c
from arbeit.core import graph
from arbeit.core.decide.base import Env, Need, Steps, find, fresh_id, missing, promote
from arbeit.core.decide.imports import refuse_taken
from arbeit.core.decide.tasks import refuse_cycle, refuse_depth, refuse_edges, refuse_path
from arbeit.core.errors import Code, Rejection
from arbeit.core.events import RelationshipAdded, RelationshipImported, RelationshipRemoved
from arbeit.core.loads import Reads
from arbeit.core.model import INVERSE_RELATIONS, Relationship, Reply, Task
from arbeit.core.policy import EVERYTHING, Scope
from arbeit.core.view import View


def forward(from_task_id: str, to_task_id: str, name: str) -> tuple[str, str, str]:
    """The stored form of an edge: inverse names turn it round."""
    if name in INVERSE_RELATIONS:
        return to_task_id, from_task_id, INVERSE_RELATIONS[name]
    return from_task_id, to_task_id, name


def _ends(
    view: View, env: Env, command: c.AddRelationship | c.RemoveRelationship
) -> tuple[Task, Task, str] | Rejection:
    start_id, end_id, kind = forward(command.from_task_id, command.to_task_id, command.type)
    start, end = find(view, env, command.actor, start_id), find(view, env, command.actor, end_id)
    if isinstance(start, Rejection):
        return missing(start_id, Code.PARENT_NOT_FOUND) if kind == "parent_of" else start
    if isinstance(end, Rejection):
        return end
    return start, end, kind


def _between(view: View, start: str, end: str, kind: str) -> Relationship | None:
    for edge in view.edges(start):
        if (edge.from_task_id, edge.to_task_id, edge.type) == (start, end, kind):
            return edge
    return None


def add_relationship(view: View, command: c.AddRelationship, env: Env) -> Steps:
    """Join two tasks, unless that makes a cycle, a second parent or too deep a hierarchy."""
    ends = _ends(view, env, command)
    if isinstance(ends, Rejection):
        return ends
    start, end, kind = ends
    known = _between(view, start.id, end.id, kind)
    if known is not None:
        if command.imported:
            return Reply(relationship=known)
        return Rejection(
            Code.RELATIONSHIP_EXISTS,
            f"{start.id} {kind} {end.id} already",
            ("Nothing is left to do; to change its metadata, remove it and add it anew.",),
            data={"relationship_id": known.id},
        )
    refused = (
        _refuse_ends(view, start, end, kind, imported=command.imported)
        or refuse_edges((start, end))
        or _refuse_id(view, command, start)
    )
    if refused is not None:
        return refused
    scope = env.policies.access.scope(command.actor)
    refused = yield from _refuse_cycle(view, scope, start, end, kind)
    if refused is not None:
        return refused
    depths: tuple[tuple[str, int], ...] = ()
    if kind == "parent_of":
        moved = yield from _depths(view, end, start.depth + 1)
        if isinstance(moved, Rejection):
            return moved
        depths = moved
    holds = {"blocks": not start.finished, "parent_of": not end.finished}.get(kind, False)
    relationship_id = command.relationship_id or fresh_id(view, env, "rel")
    if command.imported:
        created_at = command.created_at if command.created_at is not None else env.now
        yield RelationshipImported(
            task_id=start.id,
            relationship_id=relationship_id,
            to_task_id=end.id,
            type=kind,
            holds=holds,
            metadata=command.metadata,
            depths=depths,
            created_at=created_at,
            quiet=True,
        )
    else:
        yield RelationshipAdded(
            task_id=start.id,
            relationship_id=relationship_id,
            to_task_id=end.id,
            type=kind,
            holds=holds,
            metadata=command.metadata,
            depths=depths,
        )
    return Reply(relationship=view.relationships[relationship_id], count=1)


def _refuse_id(view: View, command: c.AddRelationship, start: Task) -> Rejection | None:
    if command.relationship_id is None:
        return None
    if not command.imported:
        return Rejection(
            Code.INVALID_INPUT,
            "only an imported relationship brings its id",
            ("Leave relationship_id out.",),
            data={"field": "relationship_id"},
        )
    taken = view.relationships.get(command.relationship_id) is not None
    return refuse_taken("relationship_id", command.relationship_id, start.id) if taken else None


def _refuse_ends(view: View, start: Task, end: Task, kind: str, *, imported: bool) -> Rejection | None:
    if start.id == end.id:
        if kind in {"blocks", "parent_of"}:
            return refuse_cycle(view, EVERYTHING, [start.id, start.id])
        hint = "Name two different tasks."
        return Rejection(
            Code.INVALID_INPUT, "a task cannot be related to itself", (hint,), data={"field": "to_task_id"}
        )
    if kind != "parent_of":
        return None
    if end.parent_id is not None:
        return Rejection(
            Code.RELATIONSHIP_EXISTS,
            f"task {end.id} has a parent already: {end.parent_id}",
            (f"Remove the parent_of relationship from {end.parent_id} first.",),
            data={"task_id": end.id, "parent_id": end.parent_id},
        )
    if start.finished and not end.finished and not imported:
        return Rejection(
            Code.INVALID_TRANSITION,
            f"parent {start.id} is {start.status}, so it takes no unfinished child",
            ("Relate the task with splits_from instead.",),
            data={"parent_id": start.id},
        )
    return None


def _refuse_cycle(
    view: View, scope: Scope, start: Task, end: Task, kind: str
) -> Generator[Need, None, Rejection | None]:
    if kind not in {"blocks", "parent_of"}:
        return None
    earlier, later = (start, end) if kind == "blocks" else (end, start)
    return (yield from refuse_path(view, scope, later.id, frozenset({earlier.id})))


def _depths(view: View, child: Task, depth: int) -> Generator[Need, None, tuple[tuple[str, int], ...] | Rejection]:
    """Where a subtree lands under a new parent, as far as that differs from where it was."""
    if child.id not in view.below and not view.whole:
        yield Need(Reads(below={child.id}))
    found = graph.depths_below(view, child.id, depth)
    deepest = max(below for task_id, below in found if view.task(task_id).deleted_at is None)
    refused = refuse_depth(deepest)
    if refused is not None:
        return refused
    return tuple((task_id, below) for task_id, below in found if view.task(task_id).depth != below)


def remove_relationship(view: View, command: c.RemoveRelationship, env: Env) -> Steps:
    """Take the edge away; what it held back may become ready."""
    ends = _ends(view, env, command)
    if isinstance(ends, Rejection):
        return ends
    start, end, kind = ends
    edge = _between(view, start.id, end.id, kind)
    if edge is None:
        return Rejection(
            Code.ENTRY_NOT_FOUND,
            f"there is no relationship {start.id} {kind} {end.id}",
            ("Get the task with its relationships to see what there is.",),
        )
    depths: tuple[tuple[str, int], ...] = ()
    if kind == "parent_of":
        moved = yield from _depths(view, end, 0)
        assert not isinstance(moved, Rejection)  # noqa: S101 - a subtree only rises here
        depths = moved
    held = {"blocks": not start.finished, "parent_of": not end.finished}.get(kind, False)
    yield RelationshipRemoved(
        task_id=start.id, relationship_id=edge.id, to_task_id=end.id, type=kind, held=held, depths=depths
    )
    if held:
        yield from promote(view, env, [end.id if kind == "blocks" else start.id])
    return Reply(relationship=edge, count=1)
