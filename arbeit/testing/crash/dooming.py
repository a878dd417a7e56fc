"""Where a writer dies: what the dooms of all stores have in common."""

from __future__ import annotations

import threading
import time
from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from random import Random

_FIRST_GUESS = 0.002
"""Seconds that a statement is taken to last while none of its kind was seen."""


class Doom:
    """Counts how often a point is passed, and dies there."""

    early: frozenset[str] = frozenset()
    """Points that count before the store is open, too."""

    def __init__(self, point: str, nth: int, seed: int, die: Callable[[], None]) -> None:
        self._point = point
        self._left = nth
        self._random = Random(seed)
        self._die = die
        self._open = False
        self._lasted: dict[str, float] = defaultdict(lambda: _FIRST_GUESS)

    def opened(self) -> None:
        """Count from here on."""
        self._open = True

    def passes(self, point: str) -> None:
        """Die here, if this is where."""
        if self._counts(point):
            self._die()

    @contextmanager
    def inside(self, point: str) -> Iterator[None]:
        """Around a statement that lasts: die at some moment while it does, or soon after, if this is where."""
        if self._counts(point):
            # The store lets other threads run while it works; a moment too late is one after the statement.
            after = self._random.uniform(0, 1.2) * self._lasted[point]
            threading.Timer(after, self._die).start()
        began = time.perf_counter()
        yield
        self._lasted[point] = time.perf_counter() - began

    def _counts(self, point: str) -> bool:
        if point != self._point or not (self._open or point in self.early):
            return False
        self._left -= 1
        return self._left == 0
