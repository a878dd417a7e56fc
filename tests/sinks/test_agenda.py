from __future__ import annotations

from collections import defaultdict

import pytest
from hypothesis import given
from hypothesis import strategies as st

from arbeit.ports import Lag, Term
from arbeit.relay.agenda import LONGEST_WISH, Agenda, Backoff, Turn
from arbeit.relay.tenure import LostError, Tenure


def agenda(*lags: Lag, chance: float = 0.5) -> Agenda:
    made = Agenda(Backoff(base=1, factor=2, cap=10), lambda: chance)
    made.learn(lags)
    return made


def test_projects_take_turns() -> None:
    here = agenda(Lag("a", 0, 600), Lag("b", 7, 9))
    assert here.take(0) == Turn("a", 0)
    assert here.take(0) == Turn("b", 7)
    assert here.take(0) is None
    here.published("a", 256)
    here.rested("a")
    here.published("b", 9)
    here.rested("b")
    assert here.take(0) == Turn("a", 256)
    assert here.take(0) is None


def test_a_project_has_one_turn_at_a_time_whatever_is_learned_meanwhile() -> None:
    here = agenda(Lag("a", 0, 5))
    assert here.take(0) is not None
    here.learn([Lag("a", 0, 9)])
    assert here.take(0) is None
    here.published("a", 5)
    here.rested("a")
    assert here.take(0) == Turn("a", 5)


def test_what_the_store_said_before_the_last_note_takes_nothing_back() -> None:
    here = agenda(Lag("a", 0, 5))
    here.take(0)
    here.published("a", 5)
    here.rested("a")
    here.learn([Lag("a", 0, 5)])
    assert here.take(0) is None
    here.learn([Lag("a", 0, 6)])
    assert here.take(0) == Turn("a", 5)


def test_a_project_whose_events_are_not_taken_waits_while_others_go_on() -> None:
    here = agenda(Lag("a", 0, 5), Lag("b", 0, 5))
    here.take(0)
    assert here.failed("a", 100) == 0.75
    assert here.take(100) == Turn("b", 0)
    assert here.take(100.7) is None
    assert here.wait(100.7) == pytest.approx(0.05)
    assert here.take(100.75) == Turn("a", 0)
    assert here.failing() == ["a"]


def test_waits_double_up_to_their_cap_and_begin_anew_after_a_success() -> None:
    here = agenda(Lag("a", 0, 5), chance=0.999)
    delays = []
    now = 0.0
    for _ in range(6):
        now += 100
        assert here.take(now) is not None
        delays.append(round(here.failed("a", now)))
    assert delays == [1, 2, 4, 8, 10, 10]
    here.take(now + 100)
    assert here.published("a", 1)
    assert not here.published("a", 2)
    here.rested("a")
    here.take(now + 100)
    assert round(here.failed("a", now)) == 1


def test_a_sink_is_left_alone_for_as_long_as_it_asks_within_reason() -> None:
    backoff = Backoff(base=1, factor=2, cap=10)
    assert backoff.delay(1, 0, 30) == 30
    assert backoff.delay(5, 0.5, 1) == 7.5
    assert backoff.delay(1, 0, 10**9) == LONGEST_WISH


@given(st.integers(1, 10**9), st.floats(0, 0.9999))
def test_a_wait_is_between_half_of_its_bound_and_its_bound(failures: int, chance: float) -> None:
    bound = Backoff().cap if failures > 10 else min(60.0, 0.5 * 2.0 ** (failures - 1))
    assert bound / 2 <= Backoff().delay(failures, chance) <= bound


def test_nothing_is_forgotten_that_was_published_while_a_note_was_made() -> None:
    here = agenda(Lag("a", 0, 5), Lag("b", 0, 5))
    here.take(0)
    here.take(0)
    here.published("a", 2)
    here.published("b", 5)
    noted = here.to_note()
    here.published("a", 3)
    here.noted(noted)
    assert here.to_note() == {"a": 3}


def test_it_is_idle_once_everything_is_published_and_noted() -> None:
    here = agenda(Lag("a", 0, 5))
    assert not here.idle
    here.take(0)
    assert not here.idle
    here.published("a", 5)
    here.rested("a")
    assert not here.idle
    here.noted(here.to_note())
    assert here.idle


def test_a_log_that_ends_earlier_than_was_said_is_asked_again_only_when_it_grows() -> None:
    here = agenda(Lag("a", 0, 5))
    here.take(0)
    here.rested("a", exhausted=True)
    assert here.take(0) is None
    here.learn([Lag("a", 0, 6)])
    assert here.take(0) == Turn("a", 0)


@given(
    st.lists(
        st.tuples(st.sampled_from("abc"), st.sampled_from(["learn", "publish", "fail"]), st.integers(1, 9)), max_size=60
    )
)
def test_every_event_is_published_in_order_whatever_happens(steps: list[tuple[str, str, int]]) -> None:
    logs: dict[str, int] = defaultdict(int)
    stored: dict[str, int] = defaultdict(int)
    sent: dict[str, list[int]] = defaultdict(list)
    here = agenda()

    def settle(now: float, outcome: str, many: int) -> None:
        turn = here.take(now)
        if turn is None:
            return
        assert turn.after == (sent[turn.project][-1] if sent[turn.project] else 0)
        if outcome == "fail":
            here.failed(turn.project, now)
            return
        upto = min(logs[turn.project], turn.after + many)
        sent[turn.project] += range(turn.after + 1, upto + 1)
        here.published(turn.project, upto)
        here.rested(turn.project)

    now = 0.0
    for project, what, many in steps:
        now += 1
        if what == "learn":
            logs[project] += many
            stored.update(here.to_note())
            here.noted(here.to_note())
            here.learn([Lag(key, stored[key], head) for key, head in logs.items() if head > stored[key]])
        else:
            settle(now, what, many)
    for _ in range(400):
        now += 100
        settle(now, "publish", 9)
    assert sent == {key: list(range(1, head + 1)) for key, head in logs.items() if head} or not any(logs.values())


class _Clock:
    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


def test_a_term_is_over_here_before_it_is_over_in_the_store() -> None:
    clock = _Clock()
    tenure = Tenure(Term("relay", "me", 1, 0), 3, asked_at=0, clock=clock)
    clock.now = 2.69
    tenure.check()
    clock.now = 2.71
    with pytest.raises(LostError):
        tenure.check()
    assert tenure.left() < 0


def test_a_renewal_counts_from_when_it_was_asked_for_and_not_from_its_answer() -> None:
    clock = _Clock()
    tenure = Tenure(Term("relay", "me", 1, 0), 3, asked_at=0, clock=clock)
    clock.now = 2.5
    tenure.renewed(Term("relay", "me", 1, 9), asked_at=1)
    assert tenure.left() == pytest.approx(1 + 2.7 - 2.5)


def test_a_renewal_with_another_number_says_that_somebody_has_led_in_between() -> None:
    tenure = Tenure(Term("relay", "me", 1, 0), 3, asked_at=0, clock=lambda: 0.0)
    with pytest.raises(LostError):
        tenure.renewed(Term("relay", "me", 3, 0), asked_at=0)
    assert tenure.term.number == 1
