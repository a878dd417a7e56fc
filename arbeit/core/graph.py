"""Questions about the graph of tasks: what must end before what, and how deep a hierarchy goes.

"Must end before" joins both edge types that hold work back: a blocker ends before what it blocks, and a child
ends before its parent. A cycle in it would leave every task on it waiting for ever.
"""

from __future__ import annotations

from collections.abc import Iterator

from arbeit.core.limits import GRAPH_EDGES
from arbeit.core.model import Relationship
from arbeit.core.view import View


def waits_for(edge: Relationship) -> tuple[str, str] | None:
    """The (earlier, later) ends of an edge that holds work back."""
    if edge.type == "blocks":
        return edge.from_task_id, edge.to_task_id
    if edge.type == "parent_of":
        return edge.to_task_id, edge.from_task_id
    return None


def later_than(view: View, task_id: str) -> Iterator[str]:
    """The tasks that wait for this one directly."""
    for edge in view.edges(task_id):
        ends = waits_for(edge)
        if ends is not None and ends[0] == task_id:
            yield ends[1]


class Unknown(Exception):  # noqa: N818 - not an error: the answer needs these edges first
    """The search reached tasks whose edges are not loaded."""

    def __init__(self, task_ids: set[str]) -> None:
        super().__init__(task_ids)
        self.task_ids = task_ids


class TooLarge(Exception):  # noqa: N818 - a limit that was met
    """The part of the graph that must be searched is larger than the limit."""


def path(view: View, start: str, goals: frozenset[str], without: frozenset[str] = frozenset()) -> list[str] | None:
    """A path of "must end before" from start to one of the goals (start included), or None.

    No path leads through the tasks in `without`.

    Raises:
        Unknown: edges that must be loaded first.
        TooLarge: more than `GRAPH_EDGES` tasks would have to be searched.
    """
    came_from: dict[str, str | None] = {start: None}
    frontier = [start]
    unknown: set[str] = set()
    while frontier:
        task_id = frontier.pop()
        if task_id in goals:
            return _trace(came_from, task_id)
        if task_id not in view.after and not view.whole:
            unknown.add(task_id)
            continue
        # Sorted, so that the path found does not depend on the order in which a store brings edges.
        for later in sorted(later_than(view, task_id)):
            if later not in came_from and later not in without:
                came_from[later] = task_id
                frontier.append(later)
        if len(came_from) > GRAPH_EDGES:
            raise TooLarge
    if unknown:
        raise Unknown(unknown)
    return None


def _trace(came_from: dict[str, str | None], end: str) -> list[str]:
    steps: list[str] = []
    at: str | None = end
    while at is not None:
        steps.append(at)
        at = came_from[at]
    return steps[::-1]


def children(view: View, task_id: str) -> list[str]:
    """The children of a task, among the edges loaded."""
    return sorted(
        edge.to_task_id for edge in view.edges(task_id) if edge.type == "parent_of" and edge.from_task_id == task_id
    )


def depths_below(view: View, task_id: str, depth: int) -> list[tuple[str, int]]:
    """(task id, depth) of a task put at `depth`, and of everything below it."""
    found = [(task_id, depth)]
    for at, below in found:
        found.extend((child, below + 1) for child in children(view, at))
    return found
