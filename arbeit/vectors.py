"""Vectors of length one: packed, compared exactly, and the nearest of many found; the same with and without numpy.

Packed means little-endian 32-bit floats. Similarity is the cosine, in millionths, from products and sums without
rounding on the way: so a tie is a tie on every machine and in every store.
"""

from __future__ import annotations

import heapq
import math
import sys
from array import array
from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import islice
from operator import mul
from typing import Any, TypeVar

T = TypeVar("T")
SCALE = 1_000_000
_CHUNK = 2_048
_SLACK = 20 / SCALE
"""How far a similarity in 32-bit floats may be from the exact one, generously."""


def pack(vector: Sequence[float]) -> bytes | None:
    """A vector scaled to length one and packed; None for one that points nowhere.

    Raises:
        ValueError: for numbers that are not finite.
        TypeError: for what is no number.
    """
    length = math.hypot(*vector)
    if not math.isfinite(length):
        # Finite numbers may be too large to square.
        largest = max(map(abs, vector))
        if not all(map(math.isfinite, vector)):
            raise ValueError("a number of it is not finite")
        return pack([number / largest for number in vector])
    if not length:
        return None
    return _swapped(array("f", [number / length for number in vector])).tobytes()


def unpack(packed: bytes) -> array[float]:
    """The numbers of a packed vector."""
    found = array("f")
    found.frombytes(packed)
    return _swapped(found)


def _swapped(numbers: array[float]) -> array[float]:
    if sys.byteorder == "big":
        numbers.byteswap()
    return numbers


def similarity(one: Sequence[float], other: Sequence[float]) -> int:
    """The cosine of two unpacked vectors of length one, in millionths."""
    # The product of two 32-bit floats is exact in a Python float, and fsum rounds once, at the end.
    return round(math.fsum(map(mul, one, other)) * SCALE)


def closest(
    wanted: bytes, rows: Iterable[tuple[T, bytes]], limit: int, floor: int, order: Callable[[T], Any]
) -> list[tuple[int, T]]:
    """The rows whose vectors are most similar to `wanted` and not below the floor: (similarity, row), best first.

    Ties come by `order`. Vectors of another size are passed over.
    """
    target = unpack(wanted)
    size = len(wanted)
    sound = (row for row in rows if len(row[1]) == size)
    known: dict[bytes, int] = {}

    def exact(packed: bytes) -> int:
        found = known.get(packed)
        if found is None:
            found = known[packed] = similarity(target, unpack(packed))
        return found

    scored = ((exact(packed), row) for row, packed in _promising(wanted, sound, limit))
    said = ((-score, order(row), row) for score, row in scored if score >= floor)
    return [(-score, row) for score, _, row in heapq.nsmallest(limit, said, key=lambda one: one[:2])]


def _promising(wanted: bytes, rows: Iterator[tuple[T, bytes]], limit: int) -> Iterator[tuple[T, bytes]]:
    """The rows that may be among the nearest, by arithmetic that is quick and nearly exact: a few more than asked."""
    estimate = _estimate(wanted)
    kept: list[tuple[float, tuple[T, bytes]]] = []
    bar = -math.inf
    while chunk := list(islice(rows, _CHUNK)):
        kept += [
            (said, row) for said, row in zip(estimate([one[1] for one in chunk]), chunk, strict=True) if said > bar
        ]
        if len(kept) > limit:
            bar = heapq.nlargest(limit, (said for said, _ in kept))[-1] - _SLACK
            kept = [one for one in kept if one[0] >= bar]
    return (row for _, row in kept)


def _estimate(wanted: bytes) -> Callable[[list[bytes]], Sequence[float]]:
    try:
        import numpy  # noqa: PLC0415, ICN001 - an extra, and quicker by ten times where it is there
    except ImportError:
        target = unpack(wanted)
        return lambda packed: [sum(map(mul, target, unpack(one))) for one in packed]
    size = numpy.dtype("<f4").itemsize
    one = numpy.frombuffer(wanted, "<f4")

    def estimate(packed: list[bytes]) -> Sequence[float]:
        matrix = numpy.frombuffer(b"".join(packed), "<f4").reshape(len(packed), len(wanted) // size)
        found: list[float] = (matrix @ one).tolist()
        return found

    return estimate
