"""Unfair shares, starvation and overtaking are seen; what the promises do not speak of is not judged."""

import pytest
from attrs import frozen

from arbeit import sync
from arbeit.core import commands as c
from arbeit.core.model import Queue, Task
from arbeit.testing.clock import VirtualClock
from arbeit.testing.history import History
from arbeit.testing.invariants import Watch
from arbeit.testing.invariants.sharing import Fairness, Overtaking, Starvation
from tests.core.harness import KEY, seconds
from tests.invariants.doctoring import (
    Committed,
    commit_with,
    complaints,
    moved,
    recommitted,
    replaced,
    retold,
    saying,
    with_event,
)
from tests.invariants.recording import World, create, shared, start, world

HISTORY = shared()
SHARING = (Fairness, Starvation)


@frozen
class Deaf:
    """Shares by other weights than the queues have."""

    def weight(self, queue: Queue) -> int:
        return {"a": 1000}.get(queue.name, queue.weight)

    def cost(self, _task: Task) -> int:
        return 1


@frozen
class Backwards:
    """The last that became ready is the first."""

    def rank(self, _task: Task, ready_at: int) -> int:
        return -ready_at


def contest(policies: dict[str, object], picks: int = 60, **weights: int) -> History:
    """Queues of these weights that always hold work, under other policies than their settings say."""
    clock = VirtualClock(0)
    with sync.open("memory://", clock=clock, key=KEY, policies=policies) as hub:
        one = World(hub, clock, {})
        for name, weight in weights.items():
            one.do(c.SetQueue(queue=name, weight=weight))
            for number in range(picks // 10):
                one.do(*(c.CreateTask(title=f"{name}{number}", queue=name) for _ in range(10)))
                one.tick(1)
        for _ in range(picks):
            one.claim(ttl=seconds(3600))
        return one.history


def judged(history: History, checker: type[Fairness | Starvation]) -> int:
    watch = Watch(history, [checker])
    assert watch.end() == []
    return watch.judged[checker.name]


def test_a_queue_that_gets_more_than_its_weight_is_seen() -> None:
    history = contest({"weighting": Deaf()}, a=1, b=1)
    assert "drifted" in complaints(history, Fairness)
    assert complaints(contest({}, a=1, b=1), Fairness) == ""


def test_a_queue_that_starves_is_seen() -> None:
    history = contest({"weighting": Deaf()}, a=1, b=3)
    assert "queue a (weight 1) was served" in complaints(history, Starvation)
    assert complaints(contest({}, a=1, b=3), Starvation) == ""


@pytest.mark.parametrize("checker", SHARING)
def test_weights_that_were_not_kept_to_are_seen(checker: type[Fairness | Starvation]) -> None:
    other = HISTORY
    for name, weight in (("a", 7), ("c", 1)):
        nth = "abc".index(name)
        other = retold(other, "queue_set", nth, changes={"weight": weight})
    assert complaints(other, checker) != ""


def test_a_pick_out_of_turn_is_seen() -> None:
    late = moved(HISTORY, commit_with(HISTORY, "task_claimed", 9), commit_with(HISTORY, "task_claimed", 3))
    assert "it was the turn of" in complaints(late, Fairness)


def test_virtual_time_that_turns_back_is_seen() -> None:
    assert "turns virtual time back" in complaints(retold(HISTORY, "task_claimed", 40, virtual_time=0), Fairness)


def test_stretches_end_where_a_queue_cannot_be_served_or_is_served_out_of_turn() -> None:
    with world() as one:
        for name in ("a", "b"):
            one.do(c.SetQueue(queue=name, weight=1))
        tasks = [create(one, f"a{number}", queue="a") for number in range(9)]
        for number in range(9):
            create(one, f"b{number}", queue="b")
        for task in tasks[:4]:
            start(one, task, "ada")
        # After four starts out of turn it is b's turn for long: no unfairness, and nothing to judge.
        for _ in range(4):
            one.claim()
        assert judged(one.history, Fairness) == 0
        one.do(c.SetQueue(queue="b", paused=True))
        one.claim()
        one.do(c.SetQueue(queue="b", paused=False))
        assert judged(one.history, Starvation) == 0
        for _ in range(4):
            one.claim()
        assert judged(one.history, Fairness) > 0


# --- inside a queue -----------------------------------------------------------------------------------------


def test_ranks_that_are_not_those_of_age_and_priority_are_seen() -> None:
    assert "is its place" in complaints(contest({"ranking": Backwards()}, a=1), Overtaking)


def test_a_rank_that_was_forged_is_seen() -> None:
    assert "is its place" in complaints(retold(HISTORY, "task_created", 1, rank=5), Overtaking)


def test_a_task_that_overtakes_one_that_has_waited_for_longer_is_seen() -> None:
    with world() as one:
        for number in range(4):
            create(one, f"task {number}")
            one.tick(1)
        for _ in range(4):
            one.claim()
    history = one.history
    late = moved(history, commit_with(history, "task_claimed", 2), commit_with(history, "task_claimed", 0))
    said = complaints(late, Overtaking)
    assert "is first" in said
    assert complaints(history, Overtaking) == ""


def test_a_pick_of_what_was_not_in_line_is_seen() -> None:
    at = commit_with(HISTORY, "task_claimed", 5)
    entry = HISTORY.entries[at]
    assert isinstance(entry, Committed)
    again = recommitted(with_event(entry, "task_claimed", saying(lease_id="lea-x")), new={}, changed={})
    assert "was not in line" in complaints(replaced(HISTORY, at, entry, again), Overtaking)


def test_other_rankings_are_judged_by_their_order_alone() -> None:
    with world(ranking="first_ready") as one:
        create(one, "low", priority="low")
        one.tick(1)
        create(one, "critical", priority="critical")
        assert one.claim().task.title == "low"
        assert one.claim().task.title == "critical"
    assert complaints(one.history, Overtaking) == ""


def test_a_remainder_that_is_dropped_is_seen() -> None:
    fair = contest({}, picks=20, a=3, b=7)
    assert complaints(fair, Fairness) == ""
    assert "is its due" in complaints(retold(fair, "task_claimed", 3, remainder=0), Fairness)
