"""Invariants: what must hold of every run, whatever befell it, checked against what an observer saw.

    watch = Watch(history, INVARIANTS, terms=Terms(lease_key=key))
    ...  # the run adds entries to the history
    assert watch.end() == [], watch.violations[0]

Each judges by naive books of its own (`books.py`), not by the code that it judges. `judged` says how often each had
something to judge.
"""

from __future__ import annotations

from collections.abc import Sequence

from arbeit.testing.history import History
from arbeit.testing.invariants.answers import Acknowledged, OneEffectPerKey
from arbeit.testing.invariants.base import Bookkeeper, Checker, Terms, Violation, Watch
from arbeit.testing.invariants.graph import Blockers, NoCycle
from arbeit.testing.invariants.isolation import Isolation
from arbeit.testing.invariants.limits import Limits
from arbeit.testing.invariants.liveness import Drained, ReclaimPromise
from arbeit.testing.invariants.log import Followers, HashChain, Positions, Times, Versions
from arbeit.testing.invariants.sharing import Fairness, Overtaking, Starvation
from arbeit.testing.invariants.state import Counts, FoldEqualsRows, LegalTransitions
from arbeit.testing.invariants.tenures import Attempts, Handoff, OneHolder, SuitableHolder
from arbeit.testing.invariants.tokens import StaleToken
from arbeit.testing.invariants.waking import WakeUps

__all__ = ["INVARIANTS", "Bookkeeper", "Checker", "Terms", "Violation", "Watch", "check"]

INVARIANTS: tuple[type[Checker], ...] = (
    OneHolder,
    StaleToken,
    Acknowledged,
    OneEffectPerKey,
    LegalTransitions,
    Versions,
    Positions,
    Followers,
    FoldEqualsRows,
    HashChain,
    Attempts,
    ReclaimPromise,
    WakeUps,
    Fairness,
    Starvation,
    Overtaking,
    Blockers,
    NoCycle,
    Handoff,
    Isolation,
    Limits,
    SuitableHolder,
    Times,
    Counts,
    Drained,
)
"""Every invariant, in the order of the docs."""


def check(
    history: History, checkers: Sequence[type[Checker]] = INVARIANTS, *, terms: Terms | None = None
) -> list[Violation]:
    """Everything that is wrong with a run that is over."""
    return Watch(history, checkers, terms=terms).end()
