"""What whole processes cost: importing arbeit, and one claim on a SQLite file that exists.

Beside them, the bare interpreter and the least a claim could import.
"""

from __future__ import annotations

import os
import subprocess
import time
from functools import partial
from pathlib import Path

from benchmarks.measure import Cell, Settings, Table, rates
from benchmarks.workload import PROJECT, ROOT, python, sqlite_url, template

IMPORT_GOAL, CLAIM_GOAL = "60 ms", "90 ms"
CLAIM = f"""
import sys, arbeit.sync
with arbeit.sync.open(sys.argv[1], actor="worker") as hub:
    print(hub.project("{PROJECT}").claim().task.id)
"""
LIMIT = """
import sys, sqlite3, argparse
with sqlite3.connect(sys.argv[1]) as file:
    file.execute("BEGIN IMMEDIATE")
    print(file.execute("SELECT id FROM tasks WHERE claim_status = 'ready' ORDER BY rank LIMIT 1").fetchone())
    file.execute("UPDATE heads SET at = at + 1")
"""


def _process(line: list[str], environment: dict[str, str]) -> float:
    """Milliseconds from start to end of a process."""
    begun = time.perf_counter()
    subprocess.run(line, cwd=ROOT, check=True, stdout=subprocess.DEVNULL, env=environment)
    return (time.perf_counter() - begun) * 1e3


def _compiled(folder: Path) -> dict[str, str]:
    """An environment in which bytecode is kept between runs, as it is for an installed package."""
    kept = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    return kept | {"PYTHONPYCACHEPREFIX": str(folder / "bytecode")}


def run(settings: Settings) -> list[Table]:
    """Start processes in turn."""
    few, many = settings.size(1_000, 100), settings.size(100_000, 500)  # every run claims one
    with template(settings.folder, few) as (small, _), template(settings.folder, many) as (large, _):
        lines = {
            "python -c pass": python("pass"),
            "sqlite3 and argparse, one claim": python(LIMIT, small),
            "import arbeit": python("import arbeit"),
            "import arbeit.sync": python("import arbeit.sync"),
            f"sync claim, {few:,} ready": python(CLAIM, sqlite_url(small)),
            f"sync claim, {many:,} ready": python(CLAIM, sqlite_url(large)),
        }
        compiled = _compiled(settings.folder)
        for line in lines.values():
            _process(line, compiled)
        found = rates({name: partial(_process, line, compiled) for name, line in lines.items()}, 4 * settings.rounds)
    rows: list[tuple[Cell, ...]] = []
    for name, took in found.items():
        goal = IMPORT_GOAL if name == "import arbeit" else None
        goal = CLAIM_GOAL if name.startswith("sync claim") else goal
        rows.append((name, took, took.median - found["python -c pass"].median, goal))
    return [Table("Whole processes", ("ms", "median", "beyond bare Python", "goal"), rows)]
