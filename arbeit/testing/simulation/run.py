"""One run of one world with every invariant watched, and what is left to say of it."""

from __future__ import annotations

import traceback
from collections.abc import Mapping, Sequence
from typing import Any

from attrs import frozen

from arbeit.core.model import SECOND
from arbeit.testing.history import Committed, History
from arbeit.testing.invariants import INVARIANTS, Checker, Terms, Violation, Watch
from arbeit.testing.linearizability import Linearizable
from arbeit.testing.simulation.config import Config
from arbeit.testing.simulation.stores import LEASE_KEY
from arbeit.testing.simulation.world import Halted, World

TERMS = Terms(lease_key=LEASE_KEY, may_stay=frozenset())
"""In the end supervisors see to it that nothing stays blocked."""
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
        crash: the kind of that exception and where it was raised; None else.
        judged: how often each invariant had something to judge.
        undecided: tasks whose linearizability was given up as too long to decide.
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
    crash: str | None
    judged: Mapping[str, int]
    undecided: int
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
        return self.crash

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
    error = crash = None
    try:
        world.run()
    except Halted:
        pass
    except Exception as found:  # noqa: BLE001 - whatever a world cannot cope with is what it was made to find
        error, crash = "".join(traceback.format_exception(found)), _kind(found)
    violations = tuple(watch.end()) if error is None else tuple(watch.violations)
    return _summary(world, watch, violations, error, crash)


def _kind(error: BaseException) -> str:
    """What was raised and where: task groups wrap it, and two that are wrapped alike may be quite different."""
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    frames = traceback.extract_tb(error.__traceback__)
    return f"{type(error).__name__} in {frames[-1].name}" if frames else type(error).__name__


def _summary(
    world: World, watch: Watch, violations: tuple[Violation, ...], error: str | None, crash: str | None
) -> Run:
    commits = [entry for entry in world.history.entries if isinstance(entry, Committed)]
    return Run(
        config=world.config,
        history=world.history,
        violations=violations,
        error=error,
        crash=crash,
        judged=watch.judged,
        undecided=sum(one.undecided for one in watch.checkers if isinstance(one, Linearizable)),
        steps=world.book.asked,
        commits=len(commits),
        events=sum(len(entry.changes.events) for entry in commits),
        faults=dict(sorted(world.sky.struck.items())),
        seconds=world.elapsed / SECOND,
    )
