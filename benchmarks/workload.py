"""What several benchmarks set up: stores, tasks, and interpreters of their own."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import arbeit.sync
from arbeit import ArbeitError
from arbeit import commands as c

ROOT = Path(__file__).parents[1]
PROJECT = "bench"
BACKENDS = ("memory", "sqlite")
CHUNK = 5_000


def new_file(folder: Path) -> Path:
    """A place for a database that nobody has used."""
    return Path(tempfile.mkdtemp(dir=folder)) / "bench.db"


def url_of(backend: str, folder: Path) -> str:
    """The URL of a fresh store."""
    return "memory://" if backend == "memory" else sqlite_url(new_file(folder))


def sqlite_url(file: Path) -> str:
    """The URL of a file."""
    return f"sqlite:///{file}"


def copy_of(template: Path, folder: Path) -> Path:
    """A copy of a closed database, on disk before anybody is timed with it."""
    file = new_file(folder)
    shutil.copy(template, file)
    with file.open("rb") as opened:
        os.fsync(opened.fileno())
    return file


def creations(count: int, queues: int = 1) -> list[c.CreateTask]:
    """Commands for so many tasks of ordinary length, spread over queues."""
    return [
        c.CreateTask(
            actor="planner",
            title=f"Parse the answer of service {number}",
            intent="The importer must not stop at the first malformed record.",
            queue=queue_name(number % queues),
            labels=("importer", "robustness"),
        )
        for number in range(count)
    ]


def queue_name(number: int) -> str:
    """The name of a queue; the first is every project's own."""
    return f"queue-{number}" if number else "default"


def fill(project: arbeit.sync.Project, commands: Sequence[c.Command]) -> list[str]:
    """Run commands, none of which may fail; the ids of the tasks they answer with."""
    ids = []
    for start in range(0, len(commands), CHUNK):
        for reply in project.execute_many(commands[start : start + CHUNK]):
            if isinstance(reply, ArbeitError):
                raise reply
            if reply.task is not None:
                ids.append(reply.task.id)
    return ids


@contextmanager
def template(folder: Path, tasks: int, queues: int = 1) -> Iterator[tuple[Path, list[str]]]:
    """A closed database with so many ready tasks, and their ids."""
    file = new_file(folder)
    with arbeit.sync.open(sqlite_url(file), actor="planner") as hub:
        ids = fill(hub.project(PROJECT, create=True), creations(tasks, queues))
    try:
        yield file, ids
    finally:
        shutil.rmtree(file.parent)


def python(code: str, *arguments: object) -> list[str]:
    """The command line of a fresh interpreter that runs some code of this repository."""
    return [sys.executable, "-c", code, *map(str, arguments)]


def start(code: str, *arguments: object) -> subprocess.Popen[str]:
    """Such an interpreter, under way, with pipes to talk through."""
    return subprocess.Popen(
        python(code, *arguments), cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
