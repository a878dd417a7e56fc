from __future__ import annotations

import math
import sys
from array import array

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from arbeit.vectors import SCALE, closest, pack, similarity, unpack

SIZE = 5
NUMBERS = st.floats(-1e3, 1e3, allow_nan=False, width=32)
ROWS = st.lists(st.lists(NUMBERS, min_size=SIZE, max_size=SIZE).filter(any), min_size=1, max_size=60)


def packed(numbers: list[float]) -> bytes:
    found = pack(numbers)
    assert found is not None
    return found


@settings(deadline=None)
@given(st.lists(st.floats(allow_nan=False, allow_infinity=False), min_size=1, max_size=40))
def test_a_packed_vector_has_length_one_whatever_its_numbers_were(numbers: list[float]) -> None:
    found = pack(numbers)
    if found is None:
        assert not any(numbers)
    else:
        assert math.hypot(*unpack(found)) == pytest.approx(1, abs=1e-6)
        assert similarity(unpack(found), unpack(found)) == pytest.approx(SCALE, abs=1)


@pytest.mark.parametrize("bad", [math.nan, math.inf, -math.inf])
def test_what_is_not_finite_is_refused(bad: float) -> None:
    with pytest.raises(ValueError, match="finite"):
        pack([1.0, bad])


def test_packed_numbers_are_little_endian_on_every_machine() -> None:
    assert packed([0.0, 2.0]) == bytes([0, 0, 0, 0, 0, 0, 0x80, 0x3F])
    assert unpack(bytes([0, 0, 0x80, 0x3F])) == array("f", [1.0])


def _brute(target: bytes, rows: list[bytes], limit: int, floor: int) -> list[tuple[int, int]]:
    said = [(similarity(unpack(target), unpack(row)), number) for number, row in enumerate(rows)]
    return sorted((one for one in said if one[0] >= floor), key=lambda one: (-one[0], one[1]))[:limit]


@settings(deadline=None)
@given(ROWS, st.integers(1, 10), st.sampled_from([-SCALE, 0, 500_000]), st.booleans())
def test_the_closest_are_those_that_looking_at_each_finds(
    rows: list[list[float]], limit: int, floor: int, plain: bool
) -> None:
    vectors = [packed(row) for row in rows]
    # Copies make ties, across the boundary of what is asked for, too.
    vectors += vectors[: len(vectors) // 2]
    with pytest.MonkeyPatch.context() as patch:
        if plain:
            patch.setitem(sys.modules, "numpy", None)
        found = closest(vectors[0], enumerate(vectors), limit, floor, lambda number: number)
    assert found == _brute(vectors[0], vectors, limit, floor)


def test_the_closest_of_many_chunks_are_the_closest_of_all() -> None:
    vectors = [packed([math.cos(number / 999), math.sin(number / 999)]) for number in range(6_000)]
    wanted = packed([1.0, 3.0])
    found = closest(wanted, enumerate(vectors), 7, 0, lambda number: number)
    assert found == _brute(wanted, vectors, 7, 0)


def test_rows_of_another_size_are_passed_over() -> None:
    rows = [packed([1.0, 0.0]), packed([1.0]), packed([1.0, 0.0, 0.0])]
    assert closest(packed([1.0, 0.0]), enumerate(rows), 5, 0, lambda number: number) == [(SCALE, 0)]
