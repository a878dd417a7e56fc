"""What whole processes cost: importing arbeit, and one call on a SQLite file that exists: add, list, claim, done.

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

IMPORT_GOAL, CALL_GOAL = "60 ms", "90 ms"
CALL = f"""
import sys, arbeit.sync
with arbeit.sync.open(sys.argv[1], actor="worker") as hub:
    project = hub.project("{PROJECT}")
    """
CALLS = {
    "add": 'print(project.create_task("One more", priority="high").id)',
    "list": 'print(len(project.find(status="open").tasks))',
    "claim": "print(project.claim().task.id)",
    "claim and done": 'project.claim().complete("Done", evidence=["pytest -q: 41 passed"])',
}
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
    few, many = settings.size(1_000, 200), settings.size(100_000, 1_000)  # every run claims two
    with template(settings.folder, few) as (small, _), template(settings.folder, many) as (large, _):
        lines = {
            "python -c pass": python("pass"),
            "sqlite3 and argparse, one claim": python(LIMIT, small),
            "import arbeit": python("import arbeit"),
            "import arbeit.sync": python("import arbeit.sync"),
        }
        calls = {
            f"{name}, {count:,} ready": python(CALL + call, sqlite_url(file))
            for name, call in CALLS.items()
            for count, file in ((few, small), (many, large))
        }
        lines.update(calls)
        compiled = _compiled(settings.folder)
        for line in lines.values():
            _process(line, compiled)
        found = rates({name: partial(_process, line, compiled) for name, line in lines.items()}, 4 * settings.rounds)
    bare = found["python -c pass"].median
    rows: list[tuple[Cell, ...]] = []
    for name, took in found.items():
        goal = IMPORT_GOAL if name == "import arbeit" else None
        goal = CALL_GOAL if name in calls else goal
        rows.append((name, took, took.median - bare, took.median / bare, goal))
    return [Table("Whole processes", ("ms", "median", "beyond bare Python", "times bare Python", "goal"), rows)]
