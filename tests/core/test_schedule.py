"""The parts of the scheduler, one small example each: lines of queues, windows on groups, who may take what."""

from typing import Any

import pytest

from arbeit.core.fairness import (
    Key,
    Line,
    MissingWindows,
    Pick,
    Schedule,
    Window,
    charge,
    key_of,
    lacking,
    pickable,
    spoken,
)
from arbeit.core.model import Group, Queue, Task
from arbeit.core.record import change

NOBODY: frozenset[str] = frozenset()


def queue(name: str, **fields: Any) -> Queue:  # noqa: ANN401 - fields of a queue
    return Queue(name, 0, **fields)


def line(**tags: int) -> Line:
    made = Line()
    for name, tag in tags.items():
        made.put(name, tag)
    return made


def key(rank: int) -> Key:
    return (rank, 0, f"t{rank}")


def schedule(*queues: Queue, groups: tuple[tuple[str, str, int], ...] = (), now: int = 0) -> Schedule:
    """Queues with groups of (queue, requirements, least rank), each with one ready task in its window."""
    made = Schedule()
    made.virtual_time = now
    for each in queues:
        made.put_queue(each)
    for name, requires, rank in groups:
        made.put_group(Group(name, requires, 1))
        made.windows[name, requires] = Window([key(rank)], complete=True)
    return made


# --- words and sums -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("group", "words"),
    [
        ("python", "python"),
        ("python,sql", "python, sql"),
        ("review,!ada", "review (and not to be ada)"),
        ("!ada,!bob,review", "review (and not to be ada, bob)"),
    ],
)
def test_a_requirement_set_is_spoken_as_a_list(group: str, words: str) -> None:
    assert spoken(group) == words


@pytest.mark.parametrize(
    ("group", "agent", "missing"),
    [
        ("", "ada", []),
        ("sql", "ada", ["sql"]),
        ("python", "ada", []),
        ("python,sql,docs", "ada", ["sql", "docs"]),
        ("python,!ada", "ada", ["!ada"]),
        ("python,!bob", "ada", []),
    ],
)
def test_an_agent_lacks_what_it_has_not_and_what_it_is_barred_from(group: str, agent: str, missing: list[str]) -> None:
    assert lacking(group, agent, ("python",)) == missing


def test_a_queue_is_picked_from_unless_it_is_paused_or_at_its_limit() -> None:
    limits = {
        (paused, most, running): pickable(queue("q", paused=paused, max_in_progress=most, in_progress=running))
        for paused in (False, True)
        for most, running in ((None, 9), (2, 1), (2, 2), (2, 3), (0, 0))
    }
    assert {it for it, open_ in limits.items() if open_} == {(False, None, 9), (False, 2, 1)}


def test_a_charge_keeps_what_it_could_not_divide() -> None:
    assert charge(queue("q"), 10, 1, 3) == (10 + (1 << 20) // 3, (1 << 20) % 3)
    assert charge(queue("q", remainder=2), 10, 5, 3) == (10 + (5 * (1 << 20) + 2) // 3, (5 * (1 << 20) + 2) % 3)


def test_a_task_without_a_rank_stands_first_and_then_by_position_and_id() -> None:
    base = Task(id="b", title="t", created_at=0, updated_at=0, rank_position=4)
    assert (key_of(base), key_of(change(base, rank=7))) == ((0, 4, "b"), (7, 4, "b"))


# --- lines --------------------------------------------------------------------------------------------------


def test_a_line_begins_with_those_that_the_virtual_time_has_reached_by_name() -> None:
    waiting = line(z=3, a=5, b=6)
    assert waiting.first(2) == (3, "z")
    assert waiting.first(5) == (5, "a")
    assert waiting.first(6) == (6, "a")
    assert waiting.upcoming(6, 9) == [(6, "a"), (6, "b"), (6, "z")]


def test_a_line_names_no_more_than_were_asked_for() -> None:
    waiting = line(a=1, b=7, c=8, d=9)
    assert [waiting.upcoming(1, n) for n in (0, 1, 2, 3)] == [
        [],
        [(1, "a")],
        [(1, "a"), (7, "b")],
        [(1, "a"), (7, "b"), (8, "c")],
    ]


def test_an_empty_line_has_no_first() -> None:
    assert Line().first(5) is None
    assert Line().upcoming(5, 3) == []


def test_a_queue_stands_in_line_once_with_its_latest_tag() -> None:
    waiting = line(a=1, b=2)
    waiting.put("a", 1)
    waiting.put("a", 9)
    assert waiting.upcoming(0, 9) == [(2, "b"), (9, "a")]


def test_a_queue_leaves_the_line_before_and_after_its_tag_is_reached() -> None:
    waiting = line(a=1, b=2, c=3)
    assert waiting.first(2) == (2, "a")
    for gone in ("a", "c", "nobody"):
        waiting.drop(gone)
    assert waiting.upcoming(2, 9) == [(2, "b")]
    waiting.drop("b")
    assert waiting.first(9) is None


# --- windows ------------------------------------------------------------------------------------------------


def test_a_whole_window_takes_every_task_in_its_place() -> None:
    window = Window([], complete=True)
    for rank in (5, 1, 3):
        window.add(key(rank))
    assert window.keys == [key(1), key(3), key(5)]


def test_a_part_of_a_group_takes_no_task_beyond_its_end() -> None:
    window = Window([key(1), key(5), key(8)], complete=False)
    for rank in (9, 3, 7):
        window.add(key(rank))
    assert window.keys == [key(1), key(3), key(5), key(7), key(8)]
    empty = Window([], complete=False)
    empty.add(key(1))
    assert empty.keys == []


def test_a_window_loses_the_task_that_is_taken_out_and_no_other() -> None:
    window = Window([key(1), key(3), key(5)], complete=True)
    for rank in (3, 4, 9, 0):
        window.remove(key(rank))
    assert window.keys == [key(1), key(5)]


# --- schedules ----------------------------------------------------------------------------------------------


def test_a_queue_is_in_line_while_it_holds_work_and_may_be_picked_from() -> None:
    made = schedule(queue("q", tag=4), groups=(("q", "", 1),))
    assert made.next_queue(NOBODY, None) == (4, "q")
    made.put_queue(queue("q", tag=4, paused=True))
    assert made.next_queue(NOBODY, None) is None
    made.put_queue(queue("q", tag=6))
    assert made.next_queue(NOBODY, None) == (6, "q")
    made.put_group(Group("q", "", 0))
    assert made.next_queue(NOBODY, None) is None


def test_a_paused_queue_that_gets_work_stays_out_of_line() -> None:
    made = schedule(queue("q", paused=True), groups=(("q", "", 1),))
    assert made.next_queue(NOBODY, None) is None


def test_named_queues_are_chosen_among_as_all_are() -> None:
    made = schedule(
        *(queue(name, tag=tag, paused=name == "d") for name, tag in (("a", 9), ("b", 5), ("c", 7), ("d", 1))),
        groups=(("a", "", 1), ("b", "sql", 1), ("c", "", 1), ("d", "", 1)),
        now=6,
    )
    assert made.next_queue(NOBODY, ["a", "b", "c", "d", "no-such"]) == (7, "c")
    assert made.next_queue(frozenset({"sql"}), ["a", "b"]) == (6, "b")
    assert made.next_queue(NOBODY, ["d", "no-such"]) is None


def test_a_pick_takes_the_least_head_that_the_claimer_may_take() -> None:
    made = schedule(queue("q", weight=2), groups=(("q", "", 5), ("q", "sql", 3), ("q", "docs", 1)))
    assert made.pick(NOBODY, None) == Pick("t5", "q", 1 << 19, 0, 0)
    assert made.pick(frozenset({"sql"}), None, weight=1, cost=2) == Pick("t3", "q", 2 << 20, 0, 0)
    assert made.pick(frozenset({"sql"}), ["no-such"]) is None


def test_a_pick_asks_for_the_windows_that_are_not_known() -> None:
    made = schedule(queue("q"), groups=(("q", "", 5), ("q", "sql", 3)))
    made.forget(("q", "sql"))
    made.forget(("q", "never-was"))
    assert made.pick(frozenset({"sql"}), None) == MissingWindows((("q", "sql"),))
    made.windows["q", "sql"] = Window([], complete=False)
    assert made.pick(frozenset({"sql"}), None) == MissingWindows((("q", "sql"),))
    assert made.pick(NOBODY, None) == Pick("t5", "q", (1 << 20) // 100, (1 << 20) % 100, 0)


def test_upcoming_groups_are_those_unknown_in_turn_and_no_more_than_asked_for() -> None:
    made = schedule(*(queue(name, tag=tag) for name, tag in (("a", 9), ("b", 5), ("c", 7))))
    for name in ("a", "b", "c"):
        made.put_group(Group(name, "", 2))
    made.windows["b", ""] = Window([key(1)], complete=False)
    assert made.upcoming(NOBODY, None, 3) == (("c", ""), ("a", ""))
    assert made.upcoming(NOBODY, ["a", "b", "c"], 3) == (("a", ""), ("c", ""))
    assert made.upcoming(NOBODY, ["a", "b", "c"], 1) == (("a", ""),)


def test_who_is_barred_from_one_set_meets_the_others() -> None:
    made = schedule(queue("q"), groups=(("q", "review,!ada", 1), ("q", "review,!bob", 2)))
    reviewer = frozenset({"review"})
    assert made.eligible(made.claimer("ada", reviewer)) == ("review,!bob",)
    assert made.eligible(made.claimer("cyd", reviewer)) == ("review,!ada", "review,!bob")
    assert made.eligible(made.claimer("cyd", NOBODY)) == ()
    assert schedule(queue("q")).claimer("ada", reviewer) == reviewer


def test_a_set_that_is_seen_later_is_met_from_then_on() -> None:
    made = schedule(queue("q"), groups=(("q", "", 1),))
    assert made.eligible(frozenset({"sql"})) == ("",)
    made.put_group(Group("q", "sql", 1))
    assert made.eligible(frozenset({"sql"})) == ("", "sql")


def test_each_queue_is_passed_over_for_a_reason_of_its_own() -> None:
    made = schedule(
        queue("asked", tag=3),
        queue("late", tag=8),
        queue("none"),
        queue("paused", paused=True),
        queue("full", max_in_progress=2, in_progress=2),
        queue("skilled"),
        groups=(("asked", "", 4), ("late", "", 1), ("skilled", "sql", 1), ("skilled", "docs,!ada", 1)),
        now=5,
    )
    why = made.explain(NOBODY, None)
    assert (why.virtual_time, why.task_id, why.queue, why.start, why.rank) == (5, "t4", "asked", 5, 4)
    assert why.candidates == (("", "t4", 4),)
    assert [(one.queue, one.reason, one.start) for one in why.passed] == [
        ("full", "at max_in_progress (2)", 5),
        ("late", "its turn comes later", 8),
        ("none", "nothing ready", 5),
        ("paused", "paused", 5),
        ("skilled", "needs capabilities: docs (and not to be ada) or sql", 5),
    ]
    assert {one.reason for one in made.explain(NOBODY, ["no-such"]).passed} == {"not asked for"}
    nothing = made.explain(NOBODY, ["no-such"])
    assert (nothing.virtual_time, nothing.task_id, nothing.queue, nothing.start) == (5, None, None, None)
