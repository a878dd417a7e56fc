"""What the rig has to know of a backend: where its writers may be killed, and what a death may leave behind."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from random import Random
from typing import Protocol

from arbeit.core.errors import ArbeitError, Code

RANDOM = "random"
"""The point of a kill from outside, at a random moment: every target has it."""


class Target(Protocol):
    """A backend that writers use and die in. It is pickled on its way to them."""

    @property
    def points(self) -> Mapping[str, int]:
        """The points at which a writer can be killed by name, and how often at most it passes one before."""

    @property
    def outages(self) -> Sequence[str]:
        """What may befall the backend's server while writers go on; where there is any, nothing else is done."""

    @property
    def parallel(self) -> bool:
        """Whether one store can be looked at while writers use another: `url` gives different ones."""

    def url(self, era: int) -> str:
        """The store of an era: stores are changed from time to time so that looking at them stays quick."""

    @property
    def told(self) -> str:
        """What the backend is, with its version."""

    @property
    def arguments(self) -> str:
        """How a command line of the rig names this target; "" for what it uses by itself."""

    def strike(self, outage: str, random: Random) -> None:
        """In the rig: let an outage happen, and return when the server is back."""

    def doom(self, point: str, nth: int, seed: int, die: Callable[[], None]) -> Callable[[], None]:
        """In a writer, before it opens the store: call `die` where the point is passed for the nth time.

        What is given back is called once the store is open; most points count from there on.
        """

    def remains(self, url: str) -> list[str]:
        """What is wrong with a store that no process has open any more, told in words; quick."""

    def inspect(self, url: str, erased: Sequence[str]) -> list[str]:
        """What is wrong with a store, told in words; thorough. None of the erased texts may still be in it."""


def target_of(url: str | None, folder: Path) -> Target:
    """The target that a URL names; files of its own in a folder for None.

    Raises:
        ArbeitError: INVALID_INPUT for a URL of a backend whose kill points are not known.
    """
    from arbeit.testing.crash.postgres import SCHEMES, PostgresTarget  # noqa: PLC0415 - targets of this module's kind
    from arbeit.testing.crash.sqlite import SQLiteTarget  # noqa: PLC0415 - as above

    if url is None:
        return SQLiteTarget(folder)
    if url.startswith(SCHEMES):
        return PostgresTarget(url)
    if not url.startswith("sqlite:///"):
        raise ArbeitError(
            Code.INVALID_INPUT,
            f"it is not known where to kill writers of {url}",
            suggestions=(
                "Use sqlite:///path/to/a/new/file.db, or postgresql://.",
                "Or give a `Target` of your own to `run`.",
            ),
            data={"field": "url"},
        )
    return SQLiteTarget(folder, url)
