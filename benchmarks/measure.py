"""Alternating rounds, medians, tables, and the machine they were taken on."""

from __future__ import annotations

import gc
import os
import platform
import sqlite3
import statistics
import sys
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar

from attrs import field, frozen

T = TypeVar("T")


@frozen
class Settings:
    """How a run is made: `quick` shrinks every workload to a second or two; `folder` holds the files."""

    folder: Path
    quick: bool = False
    rounds: int = 5

    def size(self, full: int, quick: int) -> int:
        """A workload's size."""
        return quick if self.quick else full


def _floats(values: Iterable[float]) -> tuple[float, ...]:
    return tuple(values)


@frozen
class Series:
    """What several rounds gave."""

    values: tuple[float, ...] = field(converter=_floats)

    @property
    def median(self) -> float:
        """The middle value."""
        return statistics.median(self.values)

    def percentile(self, percent: float) -> float:
        """The value that so many percent of the values do not exceed."""
        ordered = sorted(self.values)
        return ordered[min(len(ordered) - 1, int(len(ordered) * percent / 100))]

    def scaled(self, factor: float) -> Series:
        """Every value times a factor."""
        return Series(value * factor for value in self.values)

    def over(self, other: Series) -> Series:
        """Round by round, this over the other: noise that lasts longer than a round cancels out."""
        return Series(mine / theirs for mine, theirs in zip(self.values, other.values, strict=True))


Cell = str | float | Series | None


@frozen
class Table:
    """A result as it is printed. A series shows as its median, least and greatest value."""

    title: str
    columns: tuple[str, ...]
    rows: Sequence[Sequence[Cell]]
    notes: tuple[str, ...] = ()

    def render(self) -> str:
        """The table as text."""
        lines = [self.columns, *(tuple(map(_show, row)) for row in self.rows)]
        widths = [max(len(line[at]) for line in lines) for at in range(len(self.columns))]
        lines.insert(1, tuple("-" * width for width in widths))
        body = ["  ".join(_pad(line, widths)).rstrip() for line in lines]
        return "\n".join([self.title, *(f"  {line}" for line in body), *(f"  ({note})" for note in self.notes)])

    def plain(self) -> dict[str, Any]:
        """The table as JSON values, every round included."""
        rows = [[_plain(cell) for cell in row] for row in self.rows]
        return {"title": self.title, "columns": self.columns, "rows": rows, "notes": self.notes}


def _pad(line: Sequence[str], widths: Sequence[int]) -> Iterable[str]:
    yield line[0].ljust(widths[0])
    for text, width in zip(line[1:], widths[1:], strict=True):
        yield text.rjust(width)


def _number(value: float) -> str:
    return f"{value:,.0f}" if abs(value) >= 100 else f"{value:.1f}" if abs(value) >= 10 else f"{value:.2f}"


def _show(cell: Cell) -> str:
    if cell is None:
        return ""
    if isinstance(cell, str):
        return cell
    if isinstance(cell, Series):
        if len(cell.values) == 1:
            return _number(cell.median)
        return f"{_number(cell.median)} [{_number(min(cell.values))} .. {_number(max(cell.values))}]"
    return _number(cell)


def _plain(cell: Cell) -> Any:  # noqa: ANN401 - a JSON value
    if not isinstance(cell, Series):
        return cell
    values = cell.values if len(cell.values) <= 100 else ()
    return {"median": cell.median, "min": min(cell.values), "max": max(cell.values), "values": values}


def alternate(runs: Mapping[str, Callable[[], T]], rounds: int) -> dict[str, list[T]]:
    """Run everything once per round, in turning order, so that a slow minute hits all alike."""
    found: dict[str, list[T]] = {name: [] for name in runs}
    for number in range(rounds):
        order = list(runs.items())
        for name, run in order if number % 2 == 0 else reversed(order):
            gc.collect()
            found[name].append(run())
    return found


def rates(runs: Mapping[str, Callable[[], float]], rounds: int) -> dict[str, Series]:
    """One series per run, a value per round."""
    return {name: Series(values) for name, values in alternate(runs, rounds).items()}


# -- the machine -----------------------------------------------------------------------------------------


def machine(folder: Path) -> dict[str, str]:
    """What the numbers were taken on."""
    return {
        "cpu": f"{_cpu()}, {os.cpu_count()} cores, load {os.getloadavg()[0]:.1f}",
        "python": f"{platform.python_implementation()} {platform.python_version()} on {sys.platform}",
        "sqlite": f"{sqlite3.sqlite_version}, WAL, synchronous=FULL",
        "disk": f"{_file_system(folder)}, 4 KiB append and fsync {_fsync(folder):.2f} ms (median of 50)",
    }


def _cpu() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        return platform.processor() or platform.machine()
    names = (line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    return next(names, platform.machine())


def _file_system(folder: Path) -> str:
    """The type of the file system that holds a folder."""
    try:
        mounts = Path("/proc/self/mounts").read_text(encoding="utf-8").splitlines()
    except OSError:
        return "unknown file system"
    place = f"{folder.resolve()}/"
    found = [mount.split(" ")[1:3] for mount in mounts]
    holding = [(point, kind) for point, kind in found if place.startswith(point.rstrip("/") + "/")]
    return max(holding, key=lambda one: len(one[0]), default=("", "unknown file system"))[1]


def _fsync(folder: Path) -> float:
    took = []
    file = folder / "fsync"
    with file.open("wb", buffering=0) as out:
        for _ in range(50):
            out.write(bytes(4096))
            begun = time.perf_counter()
            os.fsync(out.fileno())
            took.append(time.perf_counter() - begun)
    file.unlink()
    return statistics.median(took) * 1e3
