"""What a planted bug is: one change of one file, what it does to users, and which check has to catch it."""

from __future__ import annotations

from typing import Literal

from attrs import frozen


@frozen
class Worlds:
    """Simulated worlds of the seeds from 0, small ones, until an invariant is broken.

    Attributes:
        within: seeds after which the bug has to be caught.
        steps: commands that agents send in each.
        store: "memory", "sqlite" or "postgres".
        guests: roles of further agents in each world, where few of the drawn ones do what reaches the bug.
    """

    within: int
    steps: int = 400
    store: str = "memory"
    guests: tuple[str, ...] = ()
    kind: Literal["worlds"] = "worlds"
    unit = "seeds"


@frozen
class Machine:
    """The rule-based machine, which compares a store with the pure core.

    Attributes:
        within: examples after which the bug has to be caught.
        store: "memory" or "sqlite".
    """

    within: int
    store: str = "memory"
    kind: Literal["machine"] = "machine"
    unit = "examples"


@frozen
class Kills:
    """The crash rig: writers that are killed, and a look at what each death leaves behind.

    Attributes:
        within: kills after which the bug has to be caught.
        seed: what the lives are drawn from.
    """

    within: int
    seed: int = 2
    kind: Literal["kills"] = "kills"
    unit = "kills"


@frozen
class Suite:
    """Tests of the suite by their ids in pytest: one of them has to fail."""

    ids: tuple[str, ...]
    kind: Literal["tests"] = "tests"
    unit = "run"

    @property
    def within(self) -> int:
        """They are run once."""
        return 1


Check = Worlds | Machine | Kills | Suite


@frozen
class Bug:
    """A change that somebody might well have made.

    Attributes:
        name: unique, in words joined by hyphens.
        harm: what goes wrong for users, in a sentence.
        mistake: the kind of people's mistake that it imitates.
        file: what is changed, from the root of the repository.
        old: the text that is replaced; it occurs exactly once, so that the catalogue breaks when the code moves.
        new: what stands there instead.
        caught_by: the name of the invariant, or else machine, crash rig, contract, engine, purity, races, lost
            connections, tenants, pooler, signals, relay.
        check: what is run to catch it.
        also: further changes, each as file, old and new: where two safeguards fail together.
    """

    name: str
    harm: str
    mistake: str
    file: str
    old: str
    new: str
    caught_by: str
    check: Check
    also: tuple[tuple[str, str, str], ...] = ()

    @property
    def edits(self) -> tuple[tuple[str, str, str], ...]:
        """Every change, as file, old and new."""
        return ((self.file, self.old, self.new), *self.also)
