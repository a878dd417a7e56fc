"""The checker against registers, whose right and wrong histories are known from the literature and by brute force."""

from __future__ import annotations

import itertools
from collections import Counter
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from arbeit.testing.linearizability import UNKNOWN, Operation, check, check_parts, explain
from tests.core.harness import examples


class Register:
    """One integer: writes answer nothing, reads answer it, and "cas" (old, new) answers whether it took effect."""

    def init(self) -> int:
        return 0

    def step(self, state: int, operation: Operation) -> list[int]:
        kind, *values = operation.action
        if kind == "write":
            return [values[0]]
        if kind == "read":
            return [state] if operation.result in {state, UNKNOWN} else []
        done = state == values[0]
        if operation.result not in {done, UNKNOWN}:
            return []
        return [values[1] if done else state]


def write(value: int, called: int, returned: int | None) -> Operation:
    result = UNKNOWN if returned is None else None
    return Operation(f"write {value}", ("write", value), result, called, returned)


def read(value: int, called: int, returned: int) -> Operation:
    return Operation(f"read {value}", ("read",), value, called, returned)


def cas(old: int, new: int, called: int, returned: int, *, done: bool) -> Operation:
    return Operation(f"cas {old} {new}: {done}", ("cas", old, new), done, called, returned)


RIGHT = {
    "nothing at all": [],
    "one after the other": [write(1, 0, 1), read(1, 2, 3)],
    "a read beside a write may see the old value": [write(1, 0, 3), read(0, 1, 2)],
    "a read beside a write may see the new value": [write(1, 0, 3), read(1, 1, 2)],
    # Herlihy and Wing 1990, figure 2 as a register: the later call took effect first.
    "overlapping writes in the order that reads show": [write(1, 0, 5), write(2, 1, 4), read(2, 2, 3), read(1, 6, 7)],
    "a write that nobody heard of may have been done": [write(1, 0, None), read(0, 1, 2), read(1, 3, 4)],
    "a write that nobody heard of may have been lost": [write(1, 0, None), read(0, 1, 2), read(0, 3, 4)],
    "one of two exchanges wins": [cas(0, 1, 0, 3, done=True), cas(0, 2, 1, 2, done=False), read(1, 4, 5)],
    "at one and the same moment means beside each other": [write(1, 0, 5), read(0, 5, 6)],
}
WRONG = {
    "a stale read": [write(1, 0, 1), read(0, 2, 3)],
    "a read of what nobody wrote": [write(1, 0, 1), read(2, 2, 3)],
    "new value, then old value": [write(1, 0, 9), read(1, 1, 2), read(0, 3, 4)],
    "operations that do not overlap, the other way round": [write(1, 0, 1), write(2, 2, 3), read(1, 4, 5)],
    "two exchanges of the same value both win": [cas(0, 1, 0, 3, done=True), cas(0, 2, 1, 2, done=True)],
    "a write that nobody heard of, before it was sent": [read(1, 0, 1), write(1, 2, None)],
    "one write takes effect twice": [write(1, 0, None), read(1, 1, 2), write(2, 3, 4), read(2, 5, 6), read(1, 7, 8)],
    # Lowe 2017, section 1: two readers that disagree on the order of two writes.
    "readers that disagree": [
        write(1, 0, 9),
        write(2, 0, 9),
        read(1, 1, 2),
        read(2, 3, 4),
        read(1, 5, 6),
    ],
}


@pytest.mark.parametrize("name", RIGHT)
def test_histories_that_an_order_explains_are_linearizable(name: str) -> None:
    verdict = check(Register(), RIGHT[name])
    assert verdict.outcome == "linearizable", explain(verdict)
    assert verdict.stuck == ()


@pytest.mark.parametrize("name", WRONG)
def test_histories_that_no_order_explains_are_violations(name: str) -> None:
    verdict = check(Register(), WRONG[name])
    assert verdict.outcome == "violated"
    assert verdict.stuck != ()


def test_the_order_of_a_verdict_is_itself_an_explanation() -> None:
    operations = RIGHT["overlapping writes in the order that reads show"]
    order = check(Register(), operations).order
    assert [one.name for one in order] == ["write 2", "read 2", "write 1", "read 1"]


def right_by_brute_force(operations: list[Operation]) -> bool:
    """Every order of every choice of operations that includes those that were heard of."""
    unheard = [one for one in operations if not one.known]
    known = [one for one in operations if one.known]
    for count in range(len(unheard) + 1):
        for chosen in itertools.combinations(unheard, count):
            if any(explained(order) for order in itertools.permutations([*known, *chosen])):
                return True
    return False


def explained(order: tuple[Operation, ...]) -> bool:
    for at, one in enumerate(order):
        if any(later.returned is not None and later.returned < one.called for later in order[at + 1 :]):
            return False
    states = {0}
    for one in order:
        states = {new for old in states for new in Register().step(old, one)}
    return bool(states)


def random_history(seed: int) -> list[Operation]:
    """Up to six operations over few values and moments, so that right and wrong ones are about as frequent."""
    random = Random(seed)
    found = []
    for _ in range(random.randint(2, 6)):
        called = random.randint(0, 8)
        returned = called + random.randint(0, 5)
        value = random.randint(0, 2)
        kind = random.choice(["write", "write", "read", "read", "cas"])
        if kind == "write":
            found.append(write(value, called, None if random.random() < 0.25 else returned))
        elif kind == "read":
            found.append(read(value, called, returned))
        else:
            found.append(cas(value, random.randint(0, 2), called, returned, done=random.random() < 0.5))
    return found


@examples(400)
@given(seed=st.integers(0, 2**32))
def test_the_verdict_is_that_of_brute_force(seed: int) -> None:
    operations = random_history(seed)
    verdict = check(Register(), operations)
    assert (verdict.outcome == "linearizable") == right_by_brute_force(operations), explain(verdict)


def test_random_histories_are_right_and_wrong_about_as_often() -> None:
    verdicts = Counter(check(Register(), random_history(seed)).outcome for seed in range(300))
    assert min(verdicts["linearizable"], verdicts["violated"]) > 90, verdicts


def test_a_search_past_its_limit_is_undecided() -> None:
    writes = [write(number, 0, 100) for number in range(1, 15)]
    verdict = check(Register(), [*writes, read(99, 1, 99)], limit=500)
    assert (verdict.outcome, verdict.tried) == ("undecided", 500)
    assert "undecided" in explain(verdict)


def test_what_was_tried_is_not_tried_again() -> None:
    # Without memory, twelve writes beside each other would be half a billion orders.
    writes = [write(number % 2, 0, 100) for number in range(12)]
    verdict = check(Register(), [*writes, read(99, 1, 99)])
    assert verdict.outcome == "violated"
    assert verdict.tried < 2 * 2**12


def test_five_thousand_operations_of_ten_callers_are_checked() -> None:
    operations, value = [], 0
    for at in range(5_000):
        if at % 3:
            operations.append(read(value, at * 10, at * 10 + 35))
        else:
            value = at
            operations.append(write(value, at * 10, at * 10 + 35))
    verdict = check(Register(), operations)
    assert (verdict.outcome, len(verdict.order)) == ("linearizable", 5_000)


def test_parts_are_checked_each_for_itself() -> None:
    verdicts = check_parts(Register(), {"x": [write(1, 0, 1)], "y": [read(1, 2, 3)]})
    assert {part: verdict.outcome for part, verdict in verdicts.items()} == {"x": "linearizable", "y": "violated"}


def test_an_answer_before_its_call_is_refused() -> None:
    with pytest.raises(ValueError, match="before its call"):
        check(Register(), [read(0, 5, 4)])


def test_a_report_shows_the_order_the_states_and_what_is_stuck() -> None:
    verdict = check(Register(), [write(1, 0, 1), write(2, 2, None), read(7, 3, 4)])
    assert explain(verdict).splitlines() == [
        "no order explains what was seen of 2 operations (1 more of unknown outcome; 2 tried)",
        "placed, in this order:",
        "  #1   write 1",
        "after which it is one of:",
        "  1",
        "and none of these can come next:",
        "  #3   read 7",
        "calls and answers:",
        "  #1   |---------------|                                   write 1",
        "  #3                                   |---------------|   read 7",
    ]


def test_a_report_of_a_long_history_shows_its_end() -> None:
    operations = [write(number, 2 * number, 2 * number + 1) for number in range(50)]
    told = explain(check(Register(), [*operations, read(7, 200, 201)]))
    assert "... 38 before" in told
    assert len(told.splitlines()) < 40
