"""What a writer is told: where to write, how, for how long, and where to die."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from attrs import frozen

from arbeit.clock import SystemClock
from arbeit.testing.crash.target import Target

KEY = b"a key of the crash rig, no secret"
"""The secret for lease tokens of all lives, so that a new life can repeat what a dead one sent."""
SETTINGS = {"retry": "at_once"}
"""Settings of the rig's projects: what failed is ready again at once."""
LIFETIME = 600 * 1_000_000
"""Microseconds by which each life's clock is ahead of the one before: every lease of the dead has run out."""


@frozen
class Order:
    """One writer's order; pickled on its way to it.

    Attributes:
        process: its name, unique in a run.
        number: the same as a number, from 0.
        life: the number of the death that it is made for.
        url, project: where it writes.
        callers: how many callers it has; None for one synchronous caller.
        point, nth: where it kills itself, passed for the how manieth time; `RANDOM` leaves that to the rig.
        seed: what its callers do follows from this.
        journal: the file in which it says what it sends and hears.
        target: the backend.
        prepare: called first of all in the writer, for backends that have to be set up.
    """

    process: str
    number: int
    life: int
    url: str
    project: str
    callers: int | None
    point: str
    nth: int
    seed: int
    journal: Path
    target: Target
    prepare: Callable[[], None] | None = None


class LaterClock(SystemClock):
    """The machine's clock, so many microseconds ahead."""

    def __init__(self, ahead: int) -> None:
        self._ahead = ahead

    def now(self) -> int:
        """Microseconds since 1970, and the lead on top."""
        return super().now() + self._ahead


def writers_clock(life: int) -> LaterClock:
    """The clock of a life's writers."""
    return LaterClock(life * LIFETIME)


def finders_clock(life: int) -> LaterClock:
    """The clock of whoever comes after them: their leases have run out by it."""
    return LaterClock(life * LIFETIME + LIFETIME // 2)
