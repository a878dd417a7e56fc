"""What the built-in policies answer, and how a project's settings choose among them."""

from collections.abc import Mapping
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from arbeit import policies
from arbeit.core.errors import ArbeitError, Code
from arbeit.core.model import EMPTY, PRIORITIES, SECOND, Agent, Lease, Queue, Task, freeze
from arbeit.core.policy import Claimed, Holding, Scope
from arbeit.policies import (
    AgedPriority,
    AtOnce,
    Checklist,
    CriticalWaits,
    EarliestDue,
    Evidence,
    ExponentialBackoff,
    FirstReady,
    Jittered,
    NamedAccess,
    OnRequest,
    OpenAccess,
    QueueAccess,
    QueueWeight,
    Trust,
    resolve,
)
from arbeit.policies.ranking import HEAD_STARTS, HOUR

ENTROPY = st.integers(0, 2**64 - 1)
quick = settings(max_examples=200, deadline=None, derandomize=True, database=None)


def task(**fields: object) -> Task:
    base: dict[str, Any] = {"id": "tkt-1", "title": "t", "created_at": 0, "updated_at": 0}
    return Task(**{**base, **fields})


# --- retry --------------------------------------------------------------------------------------------------


@quick
@given(st.integers(1, 1000), st.integers(0, 999), ENTROPY)
def test_backoff_stays_within_its_ceiling(most: int, tried: int, entropy: int) -> None:
    delay = ExponentialBackoff().backoff(task(max_attempts=most, attempt=tried), entropy)
    if tried >= most:
        assert delay is None
    else:
        assert delay is not None
        assert 0 <= delay <= min(300 * SECOND, SECOND * 2 ** max(tried - 1, 0))


@pytest.mark.parametrize(
    ("attempt", "ceiling"),
    [(1, 1), (2, 2), (3, 4), (8, 128), (9, 256), (10, 300), (11, 300), (65, 300), (999, 300)],
)
def test_full_jitter_reaches_both_ends_of_every_wait(attempt: int, ceiling: int) -> None:
    retry, tried = ExponentialBackoff(), task(max_attempts=1000, attempt=attempt)
    delays = {retry.backoff(tried, entropy) for entropy in (0, ceiling * SECOND, ceiling * SECOND + 1)}
    assert delays == {0, ceiling * SECOND}
    assert retry.backoff(tried, ceiling * SECOND // 2) == ceiling * SECOND // 2


@quick
@given(st.integers(1, 10**9), st.integers(1, 100), st.integers(1, 10**12), st.integers(1, 999), ENTROPY)
def test_backoff_follows_its_parameters(base: int, factor: int, cap: int, attempt: int, entropy: int) -> None:
    delay = ExponentialBackoff(base, factor, cap).backoff(task(max_attempts=1000, attempt=attempt), entropy)
    assert delay is not None
    assert 0 <= delay <= min(cap, base * factor ** (attempt - 1))


@pytest.mark.parametrize(("attempt", "exponent"), [(1, 0), (2, 1), (64, 63), (65, 64), (66, 64), (999, 64)])
def test_the_exponent_grows_no_further_than_64(attempt: int, exponent: int) -> None:
    retry, tried = ExponentialBackoff(base=1, factor=2, cap=2**100), task(max_attempts=1000, attempt=attempt)
    assert retry.backoff(tried, 2**exponent) == 2**exponent
    assert retry.backoff(tried, 2**exponent + 1) == 0


def test_a_factor_of_one_waits_alike_each_time() -> None:
    retry = ExponentialBackoff(base=5, factor=1, cap=100)
    assert {retry.backoff(task(max_attempts=9, attempt=attempt), 5) for attempt in range(1, 9)} == {5}


@pytest.mark.parametrize("retry", [ExponentialBackoff(), AtOnce()])
@pytest.mark.parametrize(("attempt", "over"), [(1, False), (2, False), (3, True), (4, True)])
def test_attempts_are_used_up_at_max_attempts(retry: ExponentialBackoff | AtOnce, attempt: int, over: bool) -> None:
    assert (retry.backoff(task(max_attempts=3, attempt=attempt), 7) is None) is over


def test_at_once_does_not_wait() -> None:
    assert AtOnce().backoff(task(attempt=1), 2**64 - 1) == 0


# --- lease length -------------------------------------------------------------------------------------------


@quick
@given(ENTROPY)
def test_leases_last_a_minute_give_or_take_a_tenth(entropy: int) -> None:
    assert 54 * SECOND <= Jittered().ttl(task(), None, entropy) <= 66 * SECOND


def test_lease_jitter_reaches_both_ends() -> None:
    width = 6 * SECOND
    assert Jittered().ttl(task(), None, 0) == 54 * SECOND
    assert Jittered().ttl(task(), None, width) == 60 * SECOND
    assert Jittered().ttl(task(), None, 2 * width) == 66 * SECOND
    assert Jittered().ttl(task(), None, 2 * width + 1) == 54 * SECOND


@quick
@given(st.integers(1, 7 * 24 * 3600), st.integers(0, 90), ENTROPY)
def test_lease_jitter_follows_its_parameters(seconds: int, spread: int, entropy: int) -> None:
    length = Jittered(seconds * SECOND, spread).ttl(task(), None, entropy)
    assert abs(length - seconds * SECOND) * 100 <= seconds * SECOND * spread
    assert length > 0


@quick
@given(st.integers(1, 24 * 3600 * SECOND), ENTROPY)
def test_a_length_that_was_asked_for_is_given_exactly(requested: int, entropy: int) -> None:
    assert Jittered().ttl(task(), requested, entropy) == requested


def test_jitter_of_an_odd_length_is_whole_microseconds() -> None:
    lengths = {Jittered(ttl_default=19, spread=10).ttl(task(), None, entropy) for entropy in range(9)}
    assert lengths == {18, 19, 20}
    assert {type(length) for length in lengths} == {int}


# --- ranking ------------------------------------------------------------------------------------------------


def test_priorities_are_ranked_in_their_order() -> None:
    ranks = [AgedPriority().rank(task(priority=priority), 10**15) for priority in PRIORITIES]
    assert ranks == sorted(ranks)
    assert len(set(ranks)) == len(PRIORITIES)
    assert set(HEAD_STARTS) == set(PRIORITIES)


@quick
@given(st.sampled_from(PRIORITIES), st.sampled_from(PRIORITIES), st.integers(0, 10**15), st.integers(0, 10**11))
def test_a_later_task_goes_first_only_within_the_difference_of_head_starts(
    early: str, late: str, ready_at: int, after: int
) -> None:
    ranking = AgedPriority()
    first = ranking.rank(task(priority=early), ready_at)
    second = ranking.rank(task(priority=late), ready_at + after)
    difference = HEAD_STARTS[late] - HEAD_STARTS[early]  # type: ignore[index]  # drawn from the literals
    assert (second < first) == (after < difference)


def test_head_starts_can_be_chosen() -> None:
    flat = AgedPriority({"critical": 0, "high": 0, "normal": 0, "low": 0})
    assert {flat.rank(task(priority=priority), 7) for priority in PRIORITIES} == {7}
    assert AgedPriority().rank(task(priority="high"), 5 * HOUR) == HOUR


def test_first_ready_knows_no_priority() -> None:
    assert {FirstReady().rank(task(priority=priority), 7) for priority in PRIORITIES} == {7}


# --- weighting ----------------------------------------------------------------------------------------------


def test_a_queue_weighs_what_it_says_and_every_task_costs_one() -> None:
    assert QueueWeight().weight(Queue("build", 0, weight=7)) == 7
    assert QueueWeight().cost(task(priority="critical")) == 1


# --- completion ---------------------------------------------------------------------------------------------


def claimed(*evidence: str, open_items: int = 0) -> Claimed:
    return Claimed(task(open_items=open_items), "done", evidence, EMPTY)


@pytest.mark.parametrize(
    ("policy", "offered", "fine"),
    [
        (Evidence(), claimed(), False),
        (Evidence(), claimed("log"), True),
        (Evidence(), claimed("log", open_items=2), True),
        (Checklist(), claimed(), False),
        (Checklist(), claimed("log"), True),
        (Checklist(), claimed("log", open_items=1), False),
        (Checklist(), claimed(open_items=1), False),
        (Trust(), claimed(), True),
        (Trust(), claimed(open_items=3), True),
    ],
)
def test_completion_asks_for_what_it_says(policy: Evidence | Checklist | Trust, offered: Claimed, fine: bool) -> None:
    refusal = policy.refuse(offered)
    assert (refusal is None) is fine
    if refusal is not None:
        assert refusal.code is Code.EVIDENCE_REQUIRED
        assert refusal.suggestions
        assert refusal.data["task_id"] == "tkt-1"


def test_the_earliest_deadline_goes_first_and_none_counts_as_a_week() -> None:
    due = EarliestDue()
    assert due.rank(task(due_at=7), 1_000) == 7
    assert due.rank(task(), 1_000) == 1_000 + 7 * 24 * HOUR


@pytest.mark.parametrize(("own", "longest", "expected"), [(None, None, None), (5, None, 5), (None, 9, 9), (12, 9, 12)])
def test_a_run_may_take_what_its_task_says_or_else_its_project(
    own: int | None, longest: int | None, expected: int | None
) -> None:
    assert Jittered(longest=longest).max_runtime(task(max_runtime=own)) == expected


# --- access -------------------------------------------------------------------------------------------------


def test_open_access_shows_everything() -> None:
    assert OpenAccess().scope("anybody").sees("anything")


def test_queue_access_shows_named_actors_their_queues() -> None:
    access = QueueAccess({"bob": frozenset({"mine"}), "eve": frozenset()})
    assert [access.scope("bob").sees(queue) for queue in ("mine", "theirs")] == [True, False]
    assert not access.scope("eve").sees("mine")
    assert access.scope("ada").sees("theirs")


def test_queue_access_may_show_others_little() -> None:
    access = QueueAccess({"ada": frozenset({"all"})}, others=frozenset({"public"}))
    assert [access.scope("stranger").sees(queue) for queue in ("public", "all")] == [True, False]
    assert access.scope("stranger") == Scope(frozenset({"public"}))


def test_named_access_shows_everything_to_all_but_the_anonymous() -> None:
    access = NamedAccess()
    assert access.scope("ada") == Scope()
    assert not access.scope("anonymous").known


@pytest.mark.parametrize("access", [OpenAccess(), NamedAccess(), QueueAccess()])
def test_supervisors_are_those_who_registered_as_such(access: OpenAccess) -> None:
    assert access.supervises("boss", Agent("boss", 0, persona="supervisor"))
    assert not access.supervises("ada", Agent("ada", 0, persona="reviewer"))
    assert not access.supervises("supervisor", None)


# --- preemption ---------------------------------------------------------------------------------------------


def holding(name: str, priority: str, since: int) -> Holding:
    lease = Lease(f"lea-{name}", f"tkt-{name}", name, f"run-{name}", 1, 1, since, since, since)
    return Holding(task(id=f"tkt-{name}", priority=priority), lease, Agent(name, 0))


def test_the_least_important_and_latest_begun_gives_way() -> None:
    holders = [holding("a", "low", 5), holding("b", "high", 9), holding("c", "low", 7), holding("d", "normal", 8)]
    waiting = task(priority="critical")
    assert CriticalWaits().victim(waiting, holders) == holders[2]
    assert CriticalWaits().victim(waiting, holders[:1]) == holders[0]
    assert CriticalWaits().victim(waiting, []) is None
    assert CriticalWaits().victim(waiting, [*holders, holding("e", "critical", 1)]) is None


def test_on_request_nobody_gives_way_by_itself() -> None:
    assert OnRequest().victim(task(priority="critical"), [holding("a", "low", 5)]) is None
    assert OnRequest().patience is None


# --- settings -----------------------------------------------------------------------------------------------


def test_the_defaults_are_those_of_the_specification() -> None:
    chosen = resolve({})
    assert isinstance(chosen.ranking, AgedPriority)
    assert isinstance(chosen.weighting, QueueWeight)
    assert chosen.retry == ExponentialBackoff(SECOND, 2, 300 * SECOND)
    assert chosen.lease_length == Jittered(60 * SECOND, 10)
    assert isinstance(chosen.completion, Evidence)
    assert isinstance(chosen.access, OpenAccess)


@pytest.mark.parametrize(
    ("kind", "said", "expected"),
    [
        ("ranking", "first_ready", FirstReady()),
        ("retry", "at_once", AtOnce()),
        ("retry", "exponential", ExponentialBackoff()),
        ("retry", None, ExponentialBackoff()),
        ("retry", {"name": "exponential"}, ExponentialBackoff()),
        (
            "retry",
            {"name": "exponential", "base": 2, "factor": 3, "cap": 60},
            ExponentialBackoff(2 * SECOND, 3, 60 * SECOND),
        ),
        ("lease_length", {"name": "jittered", "ttl": 1800, "spread": 0}, Jittered(1800 * SECOND, 0)),
        (
            "lease_length",
            {"name": "jittered", "max_runtime": 604_800},
            Jittered(60 * SECOND, 10, 604_800 * SECOND),
        ),
        ("lease_length", {"name": "jittered", "max_runtime": None}, Jittered()),
        ("ranking", "earliest_due", EarliestDue()),
        ("preemption", None, OnRequest(30 * SECOND)),
        ("preemption", {"name": "on_request", "grace": 5}, OnRequest(5 * SECOND)),
        ("preemption", "critical_waits", CriticalWaits(60 * SECOND, 30 * SECOND)),
        (
            "preemption",
            {"name": "critical_waits", "patience": 7, "grace": 5},
            CriticalWaits(7 * SECOND, 5 * SECOND),
        ),
        ("access", "named", NamedAccess()),
        ("completion", "checklist", Checklist()),
        ("completion", "none", Trust()),
    ],
)
def test_settings_choose_policies_by_name_with_parameters(kind: str, said: object, expected: object) -> None:
    assert getattr(resolve({kind: said}), kind) == expected
    assert getattr(resolve(freeze({kind: said})), kind) == expected


@pytest.mark.parametrize("kind", policies.BUILT_IN)
def test_every_built_in_policy_can_be_named(kind: str) -> None:
    for name in policies.BUILT_IN[kind]:
        assert getattr(resolve({kind: name}), kind) == getattr(resolve({kind: {"name": name}}), kind)


BAD: list[tuple[Mapping[str, Any], str]] = [
    ({"bogus": 1}, "bogus"),
    ({"Retry": "at_once"}, "Retry"),
    ({"retry": "never"}, "retry"),
    ({"retry": ""}, "retry"),
    ({"retry": 7}, "retry"),
    ({"retry": True}, "retry"),
    ({"retry": ["at_once"]}, "retry"),
    ({"retry": {}}, "retry"),
    ({"retry": {"base": 2}}, "retry"),
    ({"retry": {"name": None}}, "retry"),
    ({"retry": {"name": ["exponential"]}}, "retry"),
    ({"retry": {"name": "exponential", "speed": 2}}, "retry"),
    ({"retry": {"name": "at_once", "base": 2}}, "retry"),
    ({"retry": {"name": "exponential", "base": 0}}, "base"),
    ({"retry": {"name": "exponential", "base": -1}}, "base"),
    ({"retry": {"name": "exponential", "base": "2"}}, "base"),
    ({"retry": {"name": "exponential", "base": 1.5}}, "base"),
    ({"retry": {"name": "exponential", "base": True}}, "base"),
    ({"retry": {"name": "exponential", "base": None}}, "base"),
    ({"retry": {"name": "exponential", "base": 604_801}}, "base"),
    ({"retry": {"name": "exponential", "factor": 0}}, "factor"),
    ({"retry": {"name": "exponential", "factor": 101}}, "factor"),
    ({"retry": {"name": "exponential", "cap": 0}}, "cap"),
    ({"lease_length": {"name": "jittered", "ttl": 0}}, "ttl"),
    ({"lease_length": {"name": "jittered", "spread": 91}}, "spread"),
    ({"lease_length": {"name": "jittered", "spread": -1}}, "spread"),
    ({"lease_length": {"name": "jittered", "max_runtime": 0}}, "max_runtime"),
    ({"lease_length": {"name": "jittered", "max_runtime": 604_801}}, "max_runtime"),
    ({"preemption": "never"}, "preemption"),
    ({"preemption": {"name": "on_request", "patience": 5}}, "preemption"),
    ({"preemption": {"name": "on_request", "grace": 0}}, "grace"),
    ({"preemption": {"name": "critical_waits", "patience": 0}}, "patience"),
    ({"preemption": {"name": "critical_waits", "patience": 604_801}}, "patience"),
    ({"review": "maybe"}, "review"),
    ({"review": True}, "review"),
    ({"completion": "hope"}, "completion"),
    ({"access": "closed"}, "access"),
    ({"incomplete_children": "shrug"}, "incomplete_children"),
    ({"incomplete_children": None}, "incomplete_children"),
    ({"incomplete_children": ["warn"]}, "incomplete_children"),
]


@pytest.mark.parametrize(("said", "field"), BAD, ids=[str(said) for said, _ in BAD])
def test_a_setting_that_means_nothing_is_refused_by_name(said: Mapping[str, Any], field: str) -> None:
    for settings_ in (said, freeze(said)):
        with pytest.raises(ArbeitError) as caught:
            resolve(settings_)
        error = caught.value
        assert error.code is Code.INVALID_INPUT
        assert error.data["field"] == f"settings.{field}"
        assert field in error.message


@pytest.mark.parametrize("name", ["bogus", "retry", "completion"])
def test_a_wrong_name_is_answered_with_the_right_ones(name: str) -> None:
    with pytest.raises(ArbeitError) as caught:
        resolve({name: "nonsense"})
    (hint,) = caught.value.suggestions
    right = policies.BUILT_IN.get(name, {**policies.BUILT_IN, **policies.OTHER_SETTINGS})
    assert all(each in hint for each in right)


def test_other_settings_pass() -> None:
    for name, choices in policies.OTHER_SETTINGS.items():
        for choice in choices:
            assert resolve({name: choice}) == resolve({})


def test_an_override_stands_before_what_settings_name() -> None:
    retry = AtOnce()
    assert resolve({"retry": "exponential"}, {"retry": retry}).retry is retry
    assert isinstance(resolve({}, {"retry": retry}).completion, Evidence)


def test_an_override_does_not_hide_a_setting_that_means_nothing() -> None:
    with pytest.raises(ArbeitError):
        resolve({"retry": "never"}, {"retry": AtOnce()})


def test_an_override_of_an_unknown_kind_is_refused() -> None:
    with pytest.raises(ArbeitError) as caught:
        resolve({}, {"mood": object()})
    assert caught.value.data["field"] == "settings.mood"


def test_built_in_policies_are_made_when_first_used_and_are_then_the_chosen_ones() -> None:
    settings_ = {"retry": {"name": "exponential", "base": 2}, "completion": "none", "ranking": "elsewhere"}
    chosen = resolve(settings_, {"access": NamedAccess()}, strict=False)
    assert set(vars(chosen)) == {"_settings", "ranking", "access"}
    assert chosen.retry == ExponentialBackoff(base=2 * SECOND)
    assert chosen.retry is chosen.retry
    assert chosen.completion == Trust()
    assert chosen.weighting == resolve({}).weighting
    assert chosen.access == NamedAccess()
    with pytest.raises(ArbeitError, match="no ranking policy 'elsewhere'"):
        chosen.ranking.rank(task(), 0)
    with pytest.raises(AttributeError):
        chosen.mood  # type: ignore[attr-defined]  # noqa: B018 - which is what is tested
