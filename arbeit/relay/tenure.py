"""How long a leader may take its term for granted: by a clock that no setting of the time moves."""

from __future__ import annotations

import time
from collections.abc import Callable

from arbeit.ports import Term

MARGIN = 0.1
"""The share of a term's length at whose end its holder stops already: clocks of two machines differ in their pace."""


def steady() -> float:
    """Seconds of a clock that goes on while the machine sleeps, where there is one."""
    if hasattr(time, "CLOCK_BOOTTIME"):
        return time.clock_gettime(time.CLOCK_BOOTTIME)
    return time.monotonic()


class LostError(Exception):
    """The term has run out, or somebody else leads."""


class Tenure:
    """A term as its holder sees it. Its end is counted from before it was asked for: it is over here first."""

    def __init__(self, term: Term, ttl: float, asked_at: float, clock: Callable[[], float] = steady) -> None:
        """`ttl` in seconds; `asked_at` is what `clock` said before the store was asked."""
        self.term = term
        self._ttl = ttl
        self._clock = clock
        self._until = 0.0
        self._ending = False
        self.renewed(term, asked_at)

    def renewed(self, term: Term, asked_at: float) -> None:
        """Go on until later.

        Raises:
            LostError: another term than this one was granted: somebody else has led in between.
        """
        if term.number != self.term.number:
            raise LostError
        self.term = term
        self._until = asked_at + self._ttl * (1 - MARGIN)

    def left(self) -> float:
        """Seconds until it is over; 0 and less afterwards."""
        return self._until - self._clock()

    def end(self) -> None:
        """Let nothing begin any more; what is left of the term is for handing over."""
        self._ending = True

    def check(self) -> None:
        """Go on only while this leads.

        Raises:
            LostError: the term has run out, or is about to be handed over.
        """
        if self._ending or self.left() <= 0:
            raise LostError
