"""What a run of Redis faults amounts to, for people and for programs."""

from __future__ import annotations

import json
import platform
from statistics import median
from typing import Any

from attrs import asdict, define, field

from arbeit.testing.crash.redis_faults import KINDS, Fault
from arbeit.testing.crash.summary import Summary

_SETTLED = 40
"""Rounds from which on growth is judged: before, processes are still loading what they use."""
_MORE, _MORE_BYTES = 1.1, 4 << 20
"""By how much a process may be larger in the last quarter of a run than in the second one: a tenth and 4 MiB."""
_MORE_REDIS = 1 << 20


@define(eq=False)
class Round:
    """One fault, and what was measured around it; all in seconds.

    Attributes:
        fault: what it was.
        recovery: from its end until hints passed again from every process to every other; None: they never did.
        first: from its beginning until a task was taken by a process that waited.
        pickups: from a task's being ready to its being taken, for tasks that became ready from the beginning of the
            fault until everything had recovered.
        calm: the same, for those before and after.
        slowest: what the slowest command took.
    """

    fault: Fault
    recovery: float | None = None
    first: float | None = None
    pickups: list[float] = field(factory=list)
    calm: list[float] = field(factory=list)
    slowest: float = 0.0


@define(eq=False)
class Memory:
    """What is held at the end of a round: bytes of each process, bytes and connections of Redis."""

    processes: tuple[int, ...]
    redis: int
    connections: int


@define(eq=False)
class RedisSummary:
    """Counts and times of a run; `seen` counts commands and problems as for killed writers."""

    seed: int
    processes: int = 0
    store: str = ""
    rounds: list[Round] = field(factory=list)
    memory: list[Memory] = field(factory=list)
    seen: Summary = field(factory=lambda: Summary(0))
    judged: int = 0
    """Events that the invariants of the log were tried on."""
    seconds: float = 0.0
    again: str = ""
    kept: str = ""

    @property
    def problems(self) -> list[str]:
        """Everything that went wrong."""
        return [*self.seen.lost, *self.seen.torn, *self.seen.broken]

    @property
    def ok(self) -> bool:
        """Whether nothing went wrong."""
        return not self.problems

    def growth(self) -> list[str]:
        """What grew between the second quarter of a run and the last, in words."""
        if len(self.memory) < _SETTLED:
            return []
        quarter = len(self.memory) // 4
        early, late = self.memory[quarter : 2 * quarter], self.memory[-quarter:]
        found = []
        for seat in range(self.processes):
            before, after = (median(one.processes[seat] for one in part) for part in (early, late))
            if after > before * _MORE + _MORE_BYTES:
                found.append(f"process {seat} grew from {_mib(before)} to {_mib(after)}")
        before, after = (max(one.redis for one in part) for part in (early, late))
        if after > before + _MORE_REDIS:
            found.append(f"Redis grew from {_mib(before)} to {_mib(after)}")
        before, after = (max(one.connections for one in part) for part in (early, late))
        if after > before + self.processes:
            found.append(f"connections to Redis grew from {before} to {after}")
        return found

    def line(self) -> str:
        """One line of progress."""
        return f"{len(self.rounds)} faults, {self.seen.acknowledged} acknowledged, {len(self.problems)} problems"

    def rows(self) -> list[dict[str, Any]]:
        """By kind of fault: how many, and medians and extremes in seconds; a last row for calm times."""
        table = []
        for kind in KINDS:
            rounds = [one for one in self.rounds if one.fault.kind == kind]
            recoveries = [one.recovery for one in rounds if one.recovery is not None]
            firsts = [one.first for one in rounds if one.first is not None]
            pickups = [seconds for one in rounds for seconds in one.pickups]
            if rounds:
                row = {"fault": kind, "count": len(rounds), "lasted": _spread([one.fault.seconds for one in rounds])}
                row |= {"first": _spread(firsts), "recovery": _spread(recoveries), "pickup": _spread(pickups)}
                table.append(row)
        calm = _spread([seconds for one in self.rounds for seconds in one.calm])
        return [*table, {"fault": "(none)", "pickup": calm}]

    def json(self) -> str:
        """Everything as one JSON object."""
        said = asdict(self, filter=lambda attribute, _: attribute.name not in {"rounds", "memory", "seen"})
        said.update(ok=self.ok, problems=self.problems, python=platform.python_version(), table=self.rows())
        said.update(seconds=round(self.seconds, 1), faults=[asdict(one) for one in self.rounds])
        said.update(memory=[asdict(one) for one in self.memory], seen=json.loads(self.seen.json()))
        return json.dumps(said, indent=2, sort_keys=True)

    def text(self) -> str:
        """Everything for people."""
        seen = self.seen
        tasks = ", ".join(f"{count} {outcome}" for outcome, count in sorted(seen.tasks.items()))
        lines = [
            (
                f"{len(self.rounds)} faults in {self.seconds:.0f} s, seed {self.seed}, {self.processes} processes, "
                f"Python {platform.python_version()}, {self.store}"
            ),
            "                    lasted (s)     first claim (ms)   hints again (ms)       ready to taken (ms)",
            "fault       count   median longest   median longest   median longest   tasks median longest",
            *map(_row, self.rows()),
            (
                f"{seen.commands} commands: {seen.acknowledged} acknowledged, {seen.refused} refused, "
                f"{seen.committed_unheard} committed but not heard of, {seen.absent} absent"
            ),
            (
                f"{seen.verified} verifications, {self.judged} events judged, {seen.repeated} repetitions, "
                f"{seen.leases_back} leases taken back, {seen.artifacts} artifacts read; tasks: {tasks}"
            ),
            f"the slowest command took {max((one.slowest for one in self.rounds), default=0):.2f} s",
            *self._remembered(),
            f"lost {len(seen.lost)}, torn {len(seen.torn)}, otherwise broken {len(seen.broken)}",
            *self.problems,
        ]
        if self.again:
            lines += [f"again: {self.again}", f"kept: {self.kept}"]
        return "\n".join(lines)

    def _remembered(self) -> list[str]:
        if not self.memory:
            return []
        first, last = (_mib(max(one.processes)) for one in (self.memory[0], self.memory[-1]))
        largest, redis = _mib(max(max(one.processes) for one in self.memory)), max(one.redis for one in self.memory)
        return [
            (
                f"memory: processes {first} after the first fault, {last} after the last, {largest} at most; "
                f"Redis {_mib(redis)} and {max(one.connections for one in self.memory)} connections at most"
            )
        ]


def _mib(count: float) -> str:
    return f"{count / (1 << 20):.1f} MiB"


def _spread(seconds: list[float]) -> dict[str, float | int] | None:
    if not seconds:
        return None
    return {"count": len(seconds), "median": round(median(seconds), 4), "longest": round(max(seconds), 4)}


def _row(row: dict[str, Any]) -> str:
    cells = f"{row['fault']:<10} {row.get('count', ''):>6}"
    for name, factor, digits in (("lasted", 1, 1), ("first", 1000, 0), ("recovery", 1000, 0), ("pickup", 1000, 0)):
        spread = row.get(name)
        if name == "pickup":
            cells += f" {spread['count'] if spread else '':>7}"
            cells += f" {_cell(spread, 'median', factor, digits):>6} {_cell(spread, 'longest', factor, digits):>7}"
        else:
            cells += f" {_cell(spread, 'median', factor, digits):>8} {_cell(spread, 'longest', factor, digits):>7}"
    return cells


def _cell(spread: dict[str, float] | None, which: str, factor: int, digits: int) -> str:
    return f"{spread[which] * factor:.{digits}f}" if spread else "-"
