"""Seconds that the import of 100,000 tasks takes: reading, writing, and importing again what is there."""

from __future__ import annotations

import json
import random
import time
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import arbeit.sync
from arbeit.exchange import import_file
from benchmarks.measure import Series, Settings, Table, alternate
from benchmarks.workload import BACKENDS, PROJECT, url_of

GOAL = 30
"""Seconds for 100,000 tasks on SQLite."""


def _issues(count: int, *, linked: bool) -> Iterator[dict[str, Any]]:
    """Issues as Beads writes them; linked: half with a blocker, and closed ones with a reason."""
    chance = random.Random(7)
    for number in range(count):
        closed = number % 3 == 0
        issue: dict[str, Any] = {
            "id": f"bd-{number:06x}",
            "title": f"Parse the answer of service {number}",
            "description": "The importer must not stop at the first malformed record. " * 3,
            "status": "closed" if closed else "open",
            "priority": number % 4,
            "issue_type": "task",
            "created_at": f"2026-01-{1 + number % 28:02d}T03:42:{number % 60:02d}Z",
            "created_by": "planner",
            "updated_at": "2026-02-28T03:54:42Z",
            "labels": ["importer"],
        }
        if linked and closed:
            issue |= {"closed_at": "2026-02-28T03:54:42Z", "close_reason": "Done: every record is listed"}
        if linked and number % 2:
            blocker = f"bd-{chance.randrange(max(0, number - 1_000), number):06x}"
            issue["dependencies"] = [
                {"issue_id": issue["id"], "depends_on_id": blocker, "type": "blocks", "created_at": issue["created_at"]}
            ]
        yield issue


def _write(file: Path, count: int, *, linked: bool) -> Path:
    with file.open("w", encoding="utf-8") as out:
        for issue in _issues(count, linked=linked):
            out.write(json.dumps(issue) + "\n")
    return file


def _seconds(backend: str, file: Path, folder: Path) -> tuple[float, float, float, int]:
    """Until it is read, until it is written, for a second import; and how many records there were."""
    moments: list[float] = []
    with arbeit.sync.open(url_of(backend, folder), actor="planner") as hub:
        project = hub.project(PROJECT, create=True)
        begun = time.perf_counter()
        report = arbeit.sync.run(
            import_file(project.inner, file, progress=lambda *_: moments.append(time.perf_counter()))
        )
        done = time.perf_counter()
        assert report.complete, report.as_text()
        again = arbeit.sync.run(import_file(project.inner, file))
        assert not again.changed
        dry = arbeit.sync.run(import_file(project.inner, file, dry_run=True))
        assert not dry.changed
        after = time.perf_counter()
        assert after > done
        records = sum(counts.taken for counts in report.counts.values())
        return moments[0] - begun, done - begun, after - done, records


def run(settings: Settings) -> list[Table]:
    """Import 100,000 tasks alone, and the same with links and outcomes."""
    count = settings.size(100_000, 1_000)
    files = {
        "tasks alone": _write(settings.folder / "plain.jsonl", count, linked=False),
        "with links and outcomes": _write(settings.folder / "linked.jsonl", count, linked=True),
    }
    runs = {
        (backend, name): partial(_seconds, backend, file, settings.folder)
        for backend in BACKENDS
        for name, file in files.items()
    }
    found = alternate({f"{backend}, {name}": run_one for (backend, name), run_one in runs.items()}, settings.rounds)
    rows = [
        (
            name,
            f"{rounds[0][3]:,}",
            Series(one[0] for one in rounds),
            Series(one[1] for one in rounds),
            Series(one[1] / one[3] * 1e6 for one in rounds),
            Series(one[2] for one in rounds),
        )
        for name, rounds in found.items()
    ]
    columns = ("imported", "records", "s to the first commit", "s in all", "us a record", "s again, and dry")
    note = f"goal: {GOAL} s for 100,000 tasks on SQLite; to the first commit is reading, and one chunk of commands"
    return [Table(f"Import of {count:,} tasks from JSON Lines", columns, rows, (note,))]
