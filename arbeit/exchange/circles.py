"""Which links of a plan can stand together: one parent each, nothing twice, no circle."""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Collection, Iterator, Mapping
from contextlib import suppress
from graphlib import CycleError, TopologicalSorter
from typing import Any

from attrs import Factory, define, frozen

from arbeit.core import limits
from arbeit.core.model import EMPTY

KNOT_LINKS = 2_000
"""A knot of circles with more links is refused whole: untying it takes the square of their number."""
CIRCLE_SHOWN = 8


@frozen
class Link:
    """A relation of two tasks as a source names it; both ends are ids of tasks, known or not.

    `owner` is the task that told of it: where it cannot stand, that task keeps it in its metadata.
    """

    where: str
    record: str
    type: str
    from_task_id: str
    to_task_id: str
    owner: str = ""
    relationship_id: str | None = None
    created_at: int | None = None
    metadata: Mapping[str, Any] = EMPTY


@define
class Web:
    """Which links can stand together: one parent each, nothing twice, no circle over parents and blockers."""

    known: Collection[str]
    refused: Collection[str]
    parents: dict[str, str] = Factory(dict)
    heights: dict[str, int] = Factory(dict)
    waits: dict[str, list[str]] = Factory(dict)
    seen: set[tuple[str, str]] = Factory(set)
    edges: set[tuple[str, str, str]] = Factory(set)
    counts: Counter[str] = Factory(Counter)

    def judge(self, links: list[Link]) -> Iterator[tuple[Link, str]]:
        """Every link with the reason why it cannot stand, if there is one."""
        for link in links:
            if link.type == "parent_of":
                yield link, self._ends(link) or self._adopt(link.from_task_id, link.to_task_id)
        sound: list[Link] = []
        for link in links:
            if link.type == "blocks":
                reason = self._ends(link) or self._blocker(link.from_task_id, link.to_task_id)
                if reason:
                    yield link, reason
                else:
                    sound.append(link)
        yield from self._without_circles(sound)
        for link in links:
            if link.type not in {"parent_of", "blocks"}:
                yield link, self._ends(link) or self._again(link)

    def _again(self, link: Link) -> str:
        edge = (link.type, link.from_task_id, link.to_task_id)
        if edge in self.edges:
            return f"says again that {link.from_task_id} {link.type} {link.to_task_id}"
        self.edges.add(edge)
        return ""

    def _ends(self, link: Link) -> str:
        ends = (link.from_task_id, link.to_task_id)
        for end in ends:
            if end not in self.known:
                gone = "could not be taken" if end in self.refused else "does not exist in this plan"
                return f"the task {end} {gone}"
        if ends[0] == ends[1]:
            return f"the task {ends[0]} names itself"
        full = next((end for end in ends if self.counts[end] >= limits.RELATIONSHIPS), None)
        if full is not None:
            return f"the task {full} has {limits.RELATIONSHIPS} relationships, which is the limit"
        self.counts.update(ends)
        return ""

    def _adopt(self, parent: str, child: str) -> str:
        if child in self.parents:
            return f"the task {child} already lies under {self.parents[child]}, and has one parent at most"
        above = [parent, *self._above(parent)]
        if child in above:
            return f"the task {child} would lie under itself"
        height = self.heights.get(child, 1)
        if len(above) + height > limits.HIERARCHY_DEPTH:
            return f"would lie deeper than {limits.HIERARCHY_DEPTH} levels; the task stands on its own"
        self.parents[child] = parent
        self.waits.setdefault(parent, []).append(child)
        for level, ancestor in enumerate(above, start=height + 1):
            self.heights[ancestor] = max(level, self.heights.get(ancestor, 1))
        return ""

    def _above(self, task: str) -> Iterator[str]:
        while task in self.parents:
            task = self.parents[task]
            yield task

    def _blocker(self, blocker: str, dependent: str) -> str:
        if (blocker, dependent) in self.seen:
            return f"says again that {dependent} waits for {blocker}"
        self.seen.add((blocker, dependent))
        if blocker in self._above(dependent):
            return f"closes a circle: {blocker} lies above {dependent}, and a parent waits for its children"
        if dependent in self._above(blocker):
            return f"is redundant: {dependent} lies above {blocker}, and a parent waits for its children anyway"
        return ""

    def _without_circles(self, links: list[Link]) -> Iterator[tuple[Link, str]]:
        knot = _knot(self.waits, links)
        inside = [link for link in links if link.from_task_id in knot and link.to_task_id in knot]
        for link in links:
            blocker, dependent = link.from_task_id, link.to_task_id
            if blocker not in knot or dependent not in knot:
                yield link, ""
            elif len(inside) > KNOT_LINKS:
                yield (
                    link,
                    f"is one of {len(inside)} dependencies between {len(knot)} tasks that wait in circles",
                )
            elif circle := _way(self.waits, blocker, dependent, knot):
                yield link, f"closes a circle: {_arrows([dependent, *circle])}, each waiting for the next"
            else:
                self.waits.setdefault(dependent, []).append(blocker)
                yield link, ""


def _knot(waits: Mapping[str, list[str]], links: list[Link]) -> set[str]:
    """The tasks that lie on circles, or between two of them."""
    forth = {task: list(blockers) for task, blockers in waits.items()}
    for link in links:
        forth.setdefault(link.to_task_id, []).append(link.from_task_id)
    stuck = _stuck(forth)
    back: dict[str, list[str]] = {task: [] for task in stuck}
    for task in stuck:
        for blocker in forth[task]:
            if blocker in stuck:
                back[blocker].append(task)
    return _stuck(back)


def _stuck(waits: Mapping[str, list[str]]) -> set[str]:
    """The tasks that wait, however far ahead, for a circle."""
    sorter = TopologicalSorter(waits)
    with suppress(CycleError):  # what no circle holds up is still handed out
        sorter.prepare()
    stuck = set(waits)
    while ready := sorter.get_ready():
        stuck.difference_update(ready)
        sorter.done(*ready)
    return stuck


def _way(waits: Mapping[str, list[str]], start: str, goal: str, inside: set[str]) -> list[str]:
    """A shortest way of waiting from one task to another, both named; empty if there is none."""
    came: dict[str, str | None] = {start: None}
    ahead = deque([start])
    while ahead and goal not in came:
        task = ahead.popleft()
        for blocker in waits.get(task, ()):
            if blocker in inside and blocker not in came:
                came[blocker] = task
                ahead.append(blocker)
    way: list[str] = []
    step = goal if goal in came else None
    while step is not None:
        way.append(step)
        step = came[step]
    return way[::-1]


def _arrows(tasks: list[str]) -> str:
    shown = tasks if len(tasks) <= CIRCLE_SHOWN else [*tasks[:5], "...", *tasks[-2:]]
    return " -> ".join(shown)
