"""Makes a failing world smaller: fewer agents, fewer faults, fewer steps, and the same promise broken.

Each agent, link and kind of fault has a chance of its own, so that what is left behaves much as it did before. The
search for the smallest set is Zeller and Hildebrandt's delta debugging ("Simplifying and Isolating Failure-Inducing
Input", 2002), bounded by a number of runs.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TypeVar

from attrs import evolve

from arbeit.testing.simulation.config import CREW, Config, Member
from arbeit.testing.simulation.run import Run, simulate

T = TypeVar("T")
_PROGRESS = frozenset({"liveness_drained", "reclaim_promise", "wake_up", "followers", "Stuck in step"})
"""Failures to come to an end, of which a fleet without a crew would be guilty, too."""
Simulate = Callable[[Config], Run]


class Shrinker:
    """Looks for smaller worlds that fail in the same way."""

    def __init__(self, failed: Run, *, runs: int = 60, run: Simulate = simulate) -> None:
        self.best = failed
        """The smallest that was found so far."""
        self.left = runs
        """How many more may be tried."""
        self._run = run
        self._failure = failed.failure

    def shrink(self) -> Run:
        """The smallest world that was found."""
        self._fewer_steps()
        crew, others = self._crew()
        self._minimise(others, lambda members: evolve(self.best.config, members=(*crew, *members)))
        self._minimise(self.best.config.faults, lambda faults: evolve(self.best.config, faults=tuple(faults)))
        self._fewer_steps()
        return self.best

    def _crew(self) -> tuple[tuple[Member, ...], tuple[Member, ...]]:
        """Those who must stay, and the others: without a crew nothing comes to its end, whatever else is wrong."""
        members = self.best.config.members
        count = len(CREW) * len(self.best.config.projects) if self._failure in _PROGRESS else 0
        return members[:count], members[count:]

    def _fails(self, config: Config) -> bool:
        """Whether a world fails in the same way; it is the best one then."""
        if self.left <= 0:
            return False
        self.left -= 1
        tried = self._run(config)
        if tried.failure == self._failure:
            self.best = tried
            return True
        return False

    def _fewer_steps(self) -> None:
        """Halve the steps for as long as that does; what fails before the calm needs none beyond its failure."""
        if self.best.steps < self.best.config.steps:
            self._fails(evolve(self.best.config, steps=self.best.steps))
        while self.best.config.steps > 1 and self._fails(
            evolve(self.best.config, steps=min(self.best.config.steps, self.best.steps) // 2)
        ):
            pass

    def _minimise(self, parts: Sequence[T], config: Callable[[Sequence[T]], Config]) -> None:
        """Leave out whatever can be left out: halves first, then quarters, at last one by one."""
        kept = list(parts)
        size = max(1, len(kept) // 2)
        while kept and self.left > 0:
            at, changed = 0, False
            while at < len(kept):
                rest = kept[:at] + kept[at + size :]
                if self._fails(config(rest)):
                    kept, changed = rest, True
                else:
                    at += size
            if size == 1 and not changed:
                return
            size = max(1, size // 2)
