"""Reads and claims by the size of a project: flat is the goal.

One SQLite file for each size, a third as many tasks as context entries, queried in turns. The words are drawn from
a small vocabulary, so that common ones are in a large part of all texts.
"""

from __future__ import annotations

import shutil
import time
from collections.abc import Callable
from contextlib import ExitStack
from functools import partial
from random import Random
from typing import get_args

import arbeit.sync
from arbeit import commands as c
from arbeit.core.model import EntryType, Priority
from benchmarks.measure import Cell, Series, Settings, Table, alternate
from benchmarks.workload import PROJECT, fill, new_file, queue_name, sqlite_url

ENTRIES_PER_TASK = 3
QUEUES = 20
_PRIORITIES: tuple[Priority, ...] = get_args(Priority)
_TYPES: tuple[EntryType, ...] = get_args(EntryType)
_WORDS = [
    f"{start}{end}" for start in ("par", "lex", "cach", "rout", "stor", "tok") for end in ("er", "ing", "ed", "s")
]


def _text(random: Random, words: int) -> str:
    return " ".join(random.choices(_WORDS, k=words))


def make(project: arbeit.sync.Project, tasks: int) -> float:
    """Fill a project; commands run per second."""
    random = Random(tasks)
    creations: list[c.Command] = [
        c.CreateTask(
            actor="planner",
            task_id=f"t{number}",
            title=f"Task {number} {_text(random, 3)}",
            intent=_text(random, 12),
            queue=queue_name(number % QUEUES),
            priority=random.choice(_PRIORITIES),
            parent_id=f"t{number - number % 10}" if number % 10 and number % 3 == 0 else None,
        )
        for number in range(tasks)
    ]
    remarks: list[c.Command] = [
        c.AddContext(
            actor="planner",
            task_id=f"t{number % tasks}",
            type=random.choice(_TYPES),
            content=f"entry {number} {_text(random, 20)}",
        )
        for number in range(tasks * ENTRIES_PER_TASK)
    ]
    begun = time.perf_counter()
    # One after the other: in one batch, remarks would come before the tasks that they are about.
    fill(project, creations)
    fill(project, remarks)
    return (len(creations) + len(remarks)) / (time.perf_counter() - begun)


def _claim(project: arbeit.sync.Project, _random: Random, _tasks: int) -> None:
    work = project.claim("worker")
    assert work is not None
    work.release()


OPERATIONS: dict[str, Callable[[arbeit.sync.Project, Random, int], object]] = {
    "get, all parts": lambda project, random, tasks: project.get(f"t{random.randrange(tasks)}", include="all"),
    "find ready, 50": lambda project, _random, _tasks: project.find(claim_status="ready", limit=50),
    "find by queue and priority, newest": lambda project, random, _tasks: project.find(
        queue=queue_name(random.randrange(QUEUES)), priority="high", sort="updated", limit=50
    ),
    "ready in claim order, 50": lambda project, _random, _tasks: project.query("ready_tasks", limit=50),
    "search, common word": lambda project, random, _tasks: project.search(random.choice(_WORDS), limit=20),
    "search, rare word": lambda project, random, tasks: project.search(f"entry {random.randrange(tasks)}", limit=20),
    "brief, 2,000 tokens": lambda project, random, tasks: project.brief(f"t{random.randrange(tasks)}"),
    "claim and release": _claim,
}


def _times(project: arbeit.sync.Project, name: str, tasks: int, count: int, seed: int) -> float:
    """The median time of an operation, in milliseconds."""
    random, operation, found = Random(seed), OPERATIONS[name], []
    for _ in range(count):
        begun = time.perf_counter()
        operation(project, random, tasks)
        found.append((time.perf_counter() - begun) * 1e3)
    return Series(found).median


def run(settings: Settings) -> list[Table]:
    """Fill every size, then let the sizes take turns at each operation."""
    sizes = (50, 500) if settings.quick else (1_000, 10_000, 100_000)
    count = settings.size(30, 3)
    made: list[tuple[Cell, ...]] = []
    projects: dict[int, arbeit.sync.Project] = {}
    files = {size: new_file(settings.folder) for size in sizes}
    rows: list[tuple[Cell, ...]] = []
    with ExitStack() as stack:
        for size in sizes:
            hub = stack.enter_context(arbeit.sync.open(sqlite_url(files[size]), actor="planner"))
            projects[size] = hub.project(PROJECT, create=True)
            made.append((f"{size:,} tasks, {size * ENTRIES_PER_TASK:,} entries", make(projects[size], size)))
        for name in OPERATIONS:
            runs = {str(size): partial(_times, projects[size], name, size, count, 7) for size in sizes}
            found = alternate(runs, settings.rounds)
            medians = [Series(found[str(size)]) for size in sizes]
            rows.append((name, *medians, medians[-1].over(medians[0])))
    for file in files.values():
        shutil.rmtree(file.parent)
    columns = ("ms, median of rounds", *(f"{size:,} tasks" for size in sizes), "largest over smallest")
    return [
        Table("Filling, 1 caller, execute_many", ("made", "commands a second"), made),
        Table("Reads and claims on SQLite by the size of the project", columns, rows, ("flat is 1.5 or less",)),
    ]
