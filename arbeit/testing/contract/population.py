"""A crowd of tasks made by chance, with what lists need beside them: for tests that compare lists."""

from __future__ import annotations

from collections import Counter
from random import Random
from typing import Any

from arbeit.core.model import (
    ENTRY_TYPES,
    PRIORITIES,
    STATUSES,
    ContextEntry,
    FileLink,
    Group,
    Project,
    Queue,
    Relationship,
    Run,
    Task,
)
from arbeit.testing.clock import START
from arbeit.testing.contract.writing import DEMO, Scribe, task

QUEUES = ("default", "docs", "shut", "full")
NAMES = ("python", "rust", "c")
AGENTS = ("ada", "bob")
LABELS = ("red", "blue")
FILES = ("src/a.py", "src/b.py")
WORDS = ("release", "Build", "build", "tests", "caf\u00e9", "flaky", "retry", "retried", "\u00fcber", "42", "x1")


def crowd(seed: int, count: int = 60) -> Scribe:
    """The transaction that makes a project with so many tasks."""
    chance = Random(seed)
    tasks = [_task(chance, number) for number in range(count)]
    ready = Counter((one.queue, one.group) for one in tasks if one.claim_status == "ready")
    names = [one.id for one in tasks]
    edges = [_edge(chance, number, names) for number in range(count // 3)]
    runs = [_run(chance, number, chance.choice(names)) for number in range(count)]
    entries = [_entry(chance, number, chance.choice(names)) for number in range(count)]
    files = [FileLink(f"fil-{n}", chance.choice(names), chance.choice(FILES), "write", START) for n in range(9)]
    new: dict[str, list[Any]] = {
        "project": [Project(DEMO, "Demo", START)],
        "queue": [
            Queue(name, START, paused=name == "shut", max_in_progress=0 if name == "full" else None) for name in QUEUES
        ],
        "group": [Group(*key, ready=number) for key, number in sorted(ready.items())] + [Group("docs", "none", 0)],
        "task": tasks,
        "relationship": edges,
        "run": runs,
        "entry": entries,
        "file": files,
    }
    return Scribe(new=new, said=_log(chance, tasks))


def sentence(chance: Random, most: int = 6) -> str:
    """A few words of those that tests look for."""
    marks = (" ", " ", ", ", "-", "\n")
    return "".join(chance.choice(WORDS) + chance.choice(marks) for _ in range(chance.randrange(most)))


def _task(chance: Random, number: int) -> Task:
    status = chance.choice(STATUSES)
    claim: Any = "none"
    if status in {"open", "in_review"}:
        claim = chance.choice(["ready", "ready", "waiting", "delayed"])
    elif status == "in_progress":
        claim = "held"
    ready = claim == "ready"
    return task(
        f"t{number * 7919 % 1000:03}",
        title=sentence(chance) or "untitled",
        intent=sentence(chance),
        description=sentence(chance, 30),
        status=status,
        priority=chance.choice(PRIORITIES),
        labels=tuple(sorted(chance.sample(LABELS, chance.randrange(3)))),
        queue=chance.choice(QUEUES),
        requires=tuple(sorted(chance.sample(NAMES, chance.randrange(3)))),
        parent_id=chance.choice([None, None, "t000"]),
        assignee=chance.choice([None, *AGENTS]),
        claim_status=claim,
        rank=chance.randrange(5) if ready else None,
        rank_position=chance.randrange(3),
        due_at=chance.choice([None, START + chance.randrange(4)]),
        created_by=chance.choice(AGENTS),
        created_at=START + number // 4,
        updated_at=START + chance.randrange(9),
        open_blockers=chance.choice([0, 0, 1]),
        submitted_by=chance.choice(AGENTS) if status == "in_review" else None,
        escalated_at=chance.choice([None, None, None, START]),
        deleted_at=chance.choice([None] * 9 + [START]),
        version=chance.randrange(1, 4),
    )


def _edge(chance: Random, number: int, names: list[str]) -> Relationship:
    first, second = chance.sample(names, 2)
    kind: Any = chance.choice(["blocks", "blocks", "relates_to"])
    return Relationship(f"rel-{number}", first, second, kind, START)


def _run(chance: Random, number: int, task_id: str) -> Run:
    started = START + chance.randrange(20)
    ended = chance.choice([None, started + chance.randrange(20)])
    return Run(f"run-{number}", task_id, chance.choice(AGENTS), "lea-0", 1, started, ended_at=ended)


def _entry(chance: Random, number: int, task_id: str) -> ContextEntry:
    kind: Any = chance.choice(["decision", *ENTRY_TYPES])
    superseded = chance.choice([None, None, "ctx-0"])
    said = sentence(chance, 20)
    return ContextEntry(f"ctx-{number}", task_id, kind, said, "ada", START + number // 4, superseded_by=superseded)


def _log(chance: Random, tasks: list[Task]) -> list[dict[str, Any]]:
    """Every version of every task, mixed, each task's in order."""
    steps = [one for one in tasks for _ in range(one.version)]
    chance.shuffle(steps)
    seen: Counter[str] = Counter()
    said: list[dict[str, Any]] = [{"type": "project_created"}]
    for one in steps:
        seen[one.id] += 1
        said.append({"task_id": one.id, "task_version": seen[one.id]})
    return said
