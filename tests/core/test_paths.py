"""Paths through what must end before what, on a part of a graph."""

from typing import cast

import pytest

from arbeit.core.graph import TooLarge, Unknown, path
from arbeit.core.model import Relationship
from arbeit.core.view import View


class Part:
    """Blocking edges, and the tasks whose edges are loaded."""

    def __init__(self, *pairs: tuple[str, str], loaded: str) -> None:
        self.pairs = pairs
        self.after = set(loaded)
        self.whole = False

    def edges(self, task_id: str) -> list[Relationship]:
        touching = [pair for pair in self.pairs if task_id in pair and task_id in self.after]
        return [Relationship(f"rel-{start}{end}", start, end, "blocks", 0) for start, end in touching]


def walked(part: Part, start: str, goal: str, without: str = "") -> list[str] | None:
    return path(cast("View", part), start, frozenset(goal), frozenset(without))


def test_a_search_asks_at_once_for_all_the_tasks_that_it_could_not_go_beyond() -> None:
    part = Part(("a", "b"), ("a", "c"), ("a", "d"), ("d", "e"), loaded="ad")
    with pytest.raises(Unknown) as caught:
        walked(part, "a", "z")
    assert caught.value.task_ids == {"b", "c", "e"}


def test_a_path_is_found_though_other_ways_are_not_loaded() -> None:
    part = Part(("a", "b"), ("a", "c"), ("c", "d"), ("d", "z"), loaded="acdz")
    assert walked(part, "a", "z") == ["a", "c", "d", "z"]


def test_no_path_leads_through_what_is_left_out() -> None:
    part = Part(("a", "b"), ("b", "z"), loaded="abz")
    assert walked(part, "a", "z") == ["a", "b", "z"]
    assert walked(part, "a", "z", without="b") is None
    assert walked(part, "z", "a") is None


def test_a_search_ends_beyond_the_limit_and_not_at_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("arbeit.core.graph.GRAPH_EDGES", 3)
    assert walked(Part(("a", "b"), ("b", "c"), loaded="abc"), "a", "z") is None
    with pytest.raises(TooLarge):
        walked(Part(("a", "b"), ("b", "c"), ("c", "d"), loaded="abcd"), "a", "z")
