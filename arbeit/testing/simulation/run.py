"""One run of one world with every invariant watched, and what is left to say of it."""

from __future__ import annotations

import traceback
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

from attrs import frozen

from arbeit.core.model import SECOND
from arbeit.testing.history import Committed, Happened, History
from arbeit.testing.invariants import INVARIANTS, Checker, Terms, Violation, Watch
from arbeit.testing.linearizability import Linearizable
from arbeit.testing.simulation.config import Config
from arbeit.testing.simulation.stores import LEASE_KEY
from arbeit.testing.simulation.world import Halted, World

TERMS = Terms(lease_key=LEASE_KEY)
CHECKERS: tuple[type[Checker], ...] = (*INVARIANTS, Linearizable)
"""What is watched in every run."""


@frozen
class Run:
    """What came of a world.

    Attributes:
        config: what it was made of; the same gives the same again.
        history: everything that happened, up to the first broken promise.
        violations: the promises that were broken.
        error: the traceback of an exception that nobody should ever see, or why the world came to no end; None else.
        judged: how often each invariant had something to judge.
        steps: commands that agents sent.
        commits: transactions that left something behind.
        events: recorded events.
        faults: how often each kind of fault struck.
        seconds: of virtual time.
    """

    config: Config
    history: History
    violations: tuple[Violation, ...]
    error: str | None
    judged: Mapping[str, int]
    steps: int
    commits: int
    events: int
    faults: Mapping[str, int]
    seconds: float

    @property
    def ok(self) -> bool:
        """Whether every promise was kept."""
        return not self.violations and self.error is None

    @property
    def failure(self) -> str | None:
        """What failed, in a word or two: the name of an invariant, or of an exception; None if nothing did."""
        if self.violations:
            return self.violations[0].checker
        return None if self.error is None else self.error.strip().splitlines()[-1].partition(":")[0]

    @property
    def story(self) -> str:
        """What failed, in a sentence or a traceback; empty if nothing did."""
        return str(self.violations[0]) if self.violations else self.error or ""


def simulate(
    config: Config,
    *,
    checkers: Sequence[type[Checker]] = CHECKERS,
    policies: Mapping[str, Any] | None = None,
    terms: Terms = TERMS,
) -> Run:
    """Run a world to its end, or to the first broken promise.

    Args:
        config: what it is made of; see `drawn`.
        checkers: the invariants to watch.
        policies: policy objects by kind, before what settings name: yours, to see what they do to a fleet.
        terms: what the invariants may take for granted.
    """
    history = History()
    watch = Watch(history, checkers, terms=terms)
    world = World(config, history, policies, halt=lambda: bool(watch.violations))
    error = None
    try:
        world.run()
    except Halted:
        pass
    except Exception as found:  # noqa: BLE001 - whatever a world cannot cope with is what it was made to find
        error = "".join(traceback.format_exception(found))
    violations = tuple(watch.end()) if error is None else tuple(watch.violations)
    return _summary(world, violations, error, watch.judged)


def _summary(world: World, violations: tuple[Violation, ...], error: str | None, judged: Mapping[str, int]) -> Run:
    commits = [entry for entry in world.history.entries if isinstance(entry, Committed)]
    struck = (entry for entry in world.history.entries if isinstance(entry, Happened))
    faults = Counter(entry.what for entry in struck if entry.kind in {"fault", "process", "clock"})
    return Run(
        config=world.config,
        history=world.history,
        violations=violations,
        error=error,
        judged=judged,
        steps=world.book.sent,
        commits=len(commits),
        events=sum(len(entry.changes.events) for entry in commits),
        faults=dict(sorted(faults.items())),
        seconds=world.elapsed / SECOND,
    )
