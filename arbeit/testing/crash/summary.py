"""What a run of the crash rig amounts to, for people and for programs."""

from __future__ import annotations

import json
import platform
from collections import Counter
from typing import Any

from attrs import asdict, define, field

_PER_MINUTE = 60


@define(eq=False)
class Summary:
    """Counts of a run.

    Attributes:
        seed: what lives were drawn from.
        store: the backend, with its version.
        kills: writers that were killed, or outages of the server where those are what is tried; `points` says how many
            of them where.
        missed: by point, lives that ended before they came to it, and were killed from outside.
        commands: sent by writers; of these `acknowledged` were told that they were done, `refused` were told why not,
            `committed_unheard` are in the log though nobody heard so, `absent` are not and nobody heard of them.
        unavailable: commands whose sender was told that the store is not available: these count as unheard.
        resumed: writers that were acknowledged again after an outage.
        away: seconds from the moment at which the server was back until every writer was acknowledged again, at most.
        verified, inspected: how often a project's log was folded, and a store looked through by its own means.
        repeated: keyed commands that were sent again after their sender's death.
        leases_back: leases of the dead that were taken back.
        artifacts: acknowledged artifacts whose bytes were read back.
        tasks: how many tasks' histories are linearizable, violated or undecided.
        lost, torn, broken: what went wrong: acknowledged and not there; there by half, or twice; anything else.
        seconds: how long it took.
        again: the command line that runs the same lives, where something went wrong.
        kept: the folder with the stores and with what every process sent and heard, where something went wrong.
    """

    seed: int
    store: str = ""
    kills: int = 0
    points: Counter[str] = field(factory=Counter)
    missed: Counter[str] = field(factory=Counter)
    commands: int = 0
    acknowledged: int = 0
    refused: int = 0
    committed_unheard: int = 0
    absent: int = 0
    unavailable: int = 0
    resumed: int = 0
    away: float = 0.0
    verified: int = 0
    inspected: int = 0
    repeated: int = 0
    leases_back: int = 0
    artifacts: int = 0
    tasks: Counter[str] = field(factory=Counter)
    lost: list[str] = field(factory=list)
    torn: list[str] = field(factory=list)
    broken: list[str] = field(factory=list)
    seconds: float = 0.0
    again: str = ""
    kept: str = ""

    @property
    def ok(self) -> bool:
        """Whether nothing went wrong."""
        return not (self.lost or self.torn or self.broken)

    @property
    def kills_per_minute(self) -> float:
        """How fast it went."""
        return self.kills * _PER_MINUTE / self.seconds if self.seconds else 0.0

    def line(self) -> str:
        """One line of progress."""
        wrong = len(self.lost) + len(self.torn) + len(self.broken)
        rate = f"{self.kills_per_minute:.0f} a minute"
        return f"{self.kills} kills ({rate}), {self.acknowledged} acknowledged, {wrong} problems"

    def json(self) -> str:
        """Everything as one JSON object."""
        said: dict[str, Any] = asdict(self)
        said.update(ok=self.ok, kills_per_minute=round(self.kills_per_minute, 1), seconds=round(self.seconds, 1))
        said.update(python=platform.python_version(), away=round(self.away, 2))
        return json.dumps(said, indent=2, sort_keys=True)

    def text(self) -> str:
        """Everything for people."""
        wrong = [*self.lost, *self.torn, *self.broken]
        lines = [
            (
                f"{self.kills} kills in {self.seconds:.0f} s ({self.kills_per_minute:.0f} a minute), seed {self.seed}, "
                f"Python {platform.python_version()}, {self.store}"
            ),
            "  at " + ", ".join(f"{point} {count}" for point, count in sorted(self.points.items())),
            *([f"  never came to {dict(self.missed)}, killed from outside"] if self.missed else []),
            (
                f"{self.commands} commands: {self.acknowledged} acknowledged, {self.refused} refused, "
                f"{self.committed_unheard} committed but not heard of, {self.absent} absent"
            ),
            *(
                [
                    (
                        f"  {self.unavailable} were told that the store is not available; {self.resumed} writers went "
                        f"on after an outage, the slowest {self.away:.1f} s after the server was back"
                    )
                ]
                if self.resumed
                else []
            ),
            (
                f"{self.verified} verifications, {self.inspected} inspections of stores, {self.repeated} repetitions, "
                f"{self.leases_back} leases taken back, {self.artifacts} artifacts read"
            ),
            "tasks: " + ", ".join(f"{count} {outcome}" for outcome, count in sorted(self.tasks.items())),
            f"lost {len(self.lost)}, torn {len(self.torn)}, otherwise broken {len(self.broken)}",
            *wrong,
        ]
        if self.again:
            lines += [f"again: {self.again}", f"kept: {self.kept}"]
        return "\n".join(lines)
