"""What one command line costs as a whole process: add, claim, done and list on files of several sizes.

Beside them, the bare interpreter, and the least a claim could import.
"""

from __future__ import annotations

import os
import sqlite3
import subprocess
import time
from contextlib import ExitStack
from pathlib import Path

from benchmarks.measure import Cell, Series, Settings, Table
from benchmarks.startup import LIMIT
from benchmarks.workload import PROJECT, python, template

GOAL = "90 ms"
SIZES = (10, 1_000, 10_000, 100_000)
VERBS = ("add", "claim", "done", "list")
_WORDS = {
    "add": ("add", "Write the changelog", "-i", "Users want to know"),
    "claim": ("claim",),
    "done": ("done", "-m", "Written", "-e", "a look: it reads well"),
    "list": ("list",),
}


def _process(line: list[str], environment: dict[str, str], folder: Path) -> float:
    """Milliseconds from start to end of a process."""
    begun = time.perf_counter()
    done = subprocess.run(line, cwd=folder, check=False, capture_output=True, env=environment)
    took = (time.perf_counter() - begun) * 1e3
    assert done.returncode == 0, done.stderr
    return took


def _environment(folder: Path) -> dict[str, str]:
    """Bytecode is kept between runs, as it is for an installed package; nothing else of ours is set."""
    left_out = ("ARBEIT_", "PYTHONDONTWRITEBYTECODE")
    kept = {name: value for name, value in os.environ.items() if not name.startswith(left_out)}
    return kept | {"PYTHONPYCACHEPREFIX": str(folder / "bytecode"), "ARBEIT_AGENT": "worker"}


def _command(*words: str) -> list[str]:
    # As the script does that pip installs: -m would look for the module first.
    return python("import sys; from arbeit_cli.__main__ import main; sys.exit(main())", *words)


def run(settings: Settings) -> list[Table]:
    """Start processes in turn: each round does every verb at every size once."""
    sizes = SIZES[:2] if settings.quick else SIZES
    rounds = settings.rounds if settings.quick else 4 * settings.rounds
    environment = _environment(settings.folder)
    with ExitStack() as stack:
        files = {size: stack.enter_context(template(settings.folder, size))[0] for size in sizes}
        lines: dict[str, list[str]] = {
            "python -c pass": python("pass"),
            "sqlite3 and argparse, one claim": python(LIMIT, files[sizes[0]]),
            "arbeit --version": _command("--version"),
            "arbeit claim --help": _command("claim", "--help"),
        }
        for size, file in files.items():
            for verb in VERBS:
                words = ("--db", str(file), "--project", PROJECT, *_WORDS[verb])
                lines[f"arbeit {verb}, {size:,} tasks"] = _command(*words)
        found: dict[str, list[float]] = {name: [] for name in lines}
        for number in range(rounds + 1):
            for name, line in lines.items():
                took = _process(line, environment, settings.folder)
                if number:  # the first round compiles, and fills the file system's cache
                    found[name].append(took)
        for file in files.values():
            _check(file, rounds + 1)
    bare = Series(found["python -c pass"])
    rows: list[tuple[Cell, ...]] = []
    for name, values in found.items():
        series = Series(values)
        goal = GOAL if "tasks" in name else None
        rows.append((name, series, series.median - bare.median, series.over(bare), goal))
    return [Table("Command lines", ("ms", "median", "beyond bare Python", "of bare Python", "goal"), rows)]


def _check(file: Path, rounds: int) -> None:
    """See that every done was done."""
    with sqlite3.connect(file) as opened:
        (count,) = opened.execute("SELECT count(*) FROM tasks WHERE status = 'completed'").fetchone()
    opened.close()
    assert count == rounds
