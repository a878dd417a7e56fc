"""What is known of mutants, module by module: how many were caught, survived, or were not judged."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence

from attrs import frozen

HEADS = ("module", "mutants", "caught", "explained", "unexplained", "not judged", "seconds")


@frozen
class Survivor:
    """A mutant that no test catches: its name, its function, the lines it takes out and puts in."""

    mutant: str
    function: str
    change: str
    shown: str


@frozen
class Standing:
    """What is known of one module's mutants.

    Attributes:
        path: the module, below the root.
        verdicts: how many mutants have each verdict, by mutmut's words.
        explained: how many survivors are listed with a reason.
        unexplained: the other survivors.
        seconds: how long judging took.
    """

    path: str
    verdicts: Counter[str]
    explained: int
    unexplained: tuple[Survivor, ...]
    seconds: float

    @property
    def counts(self) -> tuple[int, int, int, int, int]:
        """Mutants; caught, surviving with a reason, surviving without one, not judged."""
        mutants, survived = self.verdicts.total(), self.explained + len(self.unexplained)
        waiting = self.verdicts["not checked"]
        return mutants, mutants - waiting - survived, self.explained, len(self.unexplained), waiting


def table(found: Sequence[Standing]) -> Iterator[str]:
    """A line for each module, and one for all of them."""
    yield _line(HEADS)
    for module in found:
        yield _line((module.path, *module.counts, round(module.seconds)))
    sums = [sum(column) for column in zip(*(module.counts for module in found), strict=True)]
    yield _line(("all", *(sums or [0] * 5), round(sum(module.seconds for module in found))))


def _line(cells: Sequence[object]) -> str:
    first, *others = cells
    return f"{first!s:<34}" + "".join(f"{cell!s:>12}" for cell in others)


def conclusion(found: Sequence[Standing]) -> tuple[str, int]:
    """What it comes to, and the exit code: 0 only if every mutant is judged and every survivor explained."""
    survivors = sum(module.counts[3] for module in found)
    waiting = sum(module.counts[4] for module in found)
    if not found:
        return "no mutants here yet: run it without --report first", 2
    said = f"{survivors} survivors that survivors.toml does not explain"
    if waiting:
        return f"{said}; {waiting} mutants are not judged yet", 1 if survivors else 2
    return said, 1 if survivors else 0
