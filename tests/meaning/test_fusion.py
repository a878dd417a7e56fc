from __future__ import annotations

from fractions import Fraction

from hypothesis import given, settings
from hypothesis import strategies as st

from arbeit.hits import POINTS, RANK_CONSTANT, fused, merged
from arbeit.queries import Hit

KEYS = st.integers(0, 30)
LISTS = st.lists(st.lists(KEYS, unique=True, max_size=25), max_size=4)


def _exact(lists: list[list[int]]) -> dict[int, Fraction]:
    found: dict[int, Fraction] = {}
    for ranked in lists:
        for rank, key in enumerate(ranked, 1):
            found[key] = found.get(key, Fraction(0)) + Fraction(1, RANK_CONSTANT + rank)
    return found


@settings(deadline=None)
@given(LISTS)
def test_sums_are_the_reciprocals_of_the_ranks_without_rounding(lists: list[list[int]]) -> None:
    sums, whole = fused(lists)
    assert {key: Fraction(value, whole) for key, value in sums.items()} == _exact(lists)


@settings(deadline=None)
@given(LISTS)
def test_the_order_of_the_lists_is_of_no_account(lists: list[list[int]]) -> None:
    turned = lists[::-1]
    assert fused(lists) == fused(turned)


@settings(deadline=None)
@given(st.lists(KEYS, unique=True, min_size=1, max_size=25))
def test_one_list_keeps_its_order_and_a_second_like_it_changes_nothing(ranked: list[int]) -> None:
    for lists in ([ranked], [ranked, ranked], [ranked, []]):
        sums, _ = fused(lists)
        assert sorted(sums, key=lambda key: -sums[key]) == ranked


@settings(deadline=None)
@given(LISTS, KEYS)
def test_a_better_rank_never_makes_a_score_worse(lists: list[list[int]], key: int) -> None:
    raised = [[key, *(one for one in ranked if one != key)] if key in ranked else ranked for ranked in lists]
    before, after = _exact(lists).get(key), _exact(raised).get(key)
    if before is not None and after is not None:
        (sums, whole), (more, other) = fused(lists), fused(raised)
        assert Fraction(more[key], other) >= Fraction(sums[key], whole)


def test_a_key_counts_once_in_a_list_where_it_is_first() -> None:
    sums, whole = fused([["a", "b", "a"]])
    assert Fraction(sums["a"], whole) == Fraction(1, 61)
    assert Fraction(sums["b"], whole) == Fraction(1, 62)


def _hit(name: str, at: int = 0, *, similarity: int | None = None, snippet: str = "") -> Hit:
    return Hit("task", name, name, snippet, 1, at, similarity=similarity)


def test_what_both_lists_have_comes_before_what_one_has_at_the_same_rank() -> None:
    said = [_hit("both", snippet="the place"), _hit("word")]
    near = [_hit("near", similarity=900_000), _hit("both", similarity=800_000)]
    found = merged(said, near, 10)
    assert [hit.task_id for hit in found] == ["both", "near", "word"]
    assert [hit.similarity for hit in found] == [800_000, 900_000, None]
    assert found[0].snippet == "the place"
    assert found[0].score == int(POINTS * (Fraction(1, 61) + Fraction(1, 62)))
    assert [hit.task_id for hit in merged(said, near, 2)] == ["both", "near"]


def test_ties_are_broken_by_age_and_then_by_id() -> None:
    tied = merged([_hit("b", 5)], [_hit("a", 5, similarity=1)], 10)
    assert [hit.task_id for hit in tied] == ["a", "b"]
    tied = merged([_hit("b", 6)], [_hit("a", 5, similarity=1)], 10)
    assert [hit.task_id for hit in tied] == ["b", "a"]
