"""Many worlds, one seed each, over several processes; each comes back as a few numbers and how to see it again."""

from __future__ import annotations

import logging
import multiprocessing
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from itertools import islice

from attrs import define, evolve, field, frozen

from arbeit.core.errors import ArbeitError, Code
from arbeit.testing.simulation.config import FAULTS, Config, Fault, drawn
from arbeit.testing.simulation.run import Run, simulate
from arbeit.testing.simulation.shrink import Shrinker
from arbeit.testing.simulation.stores import LEASE_KEY
from arbeit.testing.transcript import Transcript


@frozen
class Plan:
    """What worlds to run, seed by seed. What is None is drawn from each seed.

    Attributes:
        steps: commands before the faults end.
        store: "memory", "sqlite", "postgres", or a backend of your own.
        agents: how many.
        faults: what may befall them.
        rate: how often, as a factor.
        only: the names of the agents that are left, others are left out.
        shrink: how many runs may be spent on making a failing world smaller.
    """

    steps: int = 1_000
    store: str = "memory"
    agents: int | None = None
    faults: tuple[Fault, ...] | None = None
    rate: float | None = None
    only: tuple[str, ...] | None = None
    shrink: int = 60

    def world(self, seed: int) -> Config:
        """The world of a seed.

        Raises:
            ArbeitError: INVALID_INPUT for an agent that the seed's world does not have.
        """
        config = drawn(seed, steps=self.steps, store=self.store, agents=self.agents, faults=self.faults)
        if self.rate is not None:
            config = evolve(config, rate=self.rate)
        if self.only is None:
            return config
        names = [member.name for member in config.members]
        for name in self.only:
            if name not in names:
                hint = f"Its agents: {', '.join(names)}."
                raise ArbeitError(Code.INVALID_INPUT, f"seed {seed} has no agent {name}", suggestions=(hint,))
        return evolve(config, members=tuple(member for member in config.members if member.name in self.only))


@frozen
class Outcome:
    """What came of a seed, small enough to be handed from process to process."""

    seed: int
    steps: int
    commits: int
    events: int
    seconds: float
    faults: Mapping[str, int]
    judged: Mapping[str, int]
    undecided: int = 0
    failure: str | None = None
    story: str = ""
    command: str = ""
    """How to see it again, made as small as it could be."""
    transcript: str = ""
    """The last lines of the smallest failing run."""


@define
class Total:
    """What came of many seeds."""

    seeds: int = 0
    steps: int = 0
    commits: int = 0
    events: int = 0
    seconds: float = 0.0
    faults: Counter[str] = field(factory=Counter)
    judged: Counter[str] = field(factory=Counter)
    undecided: int = 0
    failed: list[Outcome] = field(factory=list)

    def add(self, outcome: Outcome) -> None:
        """Count one more."""
        self.seeds += 1
        self.steps += outcome.steps
        self.commits += outcome.commits
        self.events += outcome.events
        self.seconds += outcome.seconds
        self.faults.update(outcome.faults)
        self.judged.update(outcome.judged)
        self.undecided += outcome.undecided
        if outcome.failure is not None:
            self.failed.append(outcome)


@contextmanager
def quiet() -> Iterator[None]:
    """Let Arbeit's log keep silent meanwhile: under faults it complains all the time, as it should."""
    log = logging.getLogger("arbeit")
    before = log.level
    log.setLevel(logging.CRITICAL)
    try:
        yield
    finally:
        log.setLevel(before)


def outcome(plan: Plan, seed: int) -> Outcome:
    """Run the world of a seed; if it fails, find the smallest that fails alike."""
    with quiet():
        run = simulate(plan.world(seed))
        if run.ok:
            return _brief(run)
        smallest = Shrinker(run, runs=plan.shrink).shrink()
    index = smallest.violations[0].entry if smallest.violations else max(0, len(smallest.history.entries) - 1)
    shown = (
        Transcript(key=LEASE_KEY).render(smallest.history, around=index, lines=40) if smallest.history.entries else ""
    )
    return evolve(
        _brief(run),
        failure=smallest.failure,
        story=smallest.story,
        command=command(smallest.config),
        transcript=shown,
    )


def _brief(run: Run) -> Outcome:
    return Outcome(
        run.config.seed, run.steps, run.commits, run.events, run.seconds, run.faults, run.judged, run.undecided
    )


def command(config: Config) -> str:
    """The command line that runs a world again."""
    full = drawn(config.seed, agents=config.agents)
    parts = [f"python -m arbeit.testing.simulate --seed {config.seed} --steps {config.steps}"]
    parts += [f"--store {config.store}"] if config.store != "memory" else []
    parts += [f"--faults {','.join(config.faults) or 'none'}"] if config.faults != full.faults else []
    parts += [f"--rate {config.rate}"] if config.rate != full.rate else []
    parts += [f"--agents {config.agents}"] if config.agents is not None else []
    if config.members != full.members:
        parts.append(f"--only {','.join(member.name for member in config.members)}")
    return " ".join(parts)


class _Job:
    """A plan, ready to be sent to another process."""

    def __init__(self, plan: Plan) -> None:
        self._plan = plan

    def __call__(self, seed: int) -> Outcome:
        return outcome(self._plan, seed)


def run_many(plan: Plan, seeds: Iterable[int], workers: int = 1) -> Iterator[Outcome]:
    """The outcomes of seeds, as they come in; closing the iterator ends the work."""
    if workers <= 1:
        yield from map(_Job(plan), seeds)
        return
    with multiprocessing.get_context("spawn").Pool(workers) as pool:
        # A few at a time, or the pool would draw an endless supply of seeds at once.
        upcoming = iter(seeds)
        while batch := list(islice(upcoming, workers * 4)):
            yield from pool.imap_unordered(_Job(plan), batch)


def parse_faults(text: str) -> tuple[Fault, ...]:
    """Kinds of faults by name, separated by commas; "none" and "all" are understood.

    Raises:
        ArbeitError: INVALID_INPUT for a kind that does not exist.
    """
    if text in {"none", ""}:
        return ()
    if text == "all":
        return FAULTS
    names = text.split(",")
    for name in names:
        if name not in FAULTS:
            hint = f"Kinds: {', '.join(FAULTS)}; or all, or none."
            raise ArbeitError(Code.INVALID_INPUT, f"there is no fault called {name}", suggestions=(hint,))
    return tuple(fault for fault in FAULTS if fault in names)
