"""What an import came to: every record that was read is counted once, and each that could not be taken is listed."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from typing import Any

from attrs import asdict, frozen

from arbeit.exchange.draft import Plan, Problem

KINDS = (
    "project",
    "queue",
    "agent",
    "secret",
    "lease",
    "task",
    "relationship",
    "context",
    "progress",
    "session",
    "file",
    "run",
    "artifact",
    "event",
    "about",
    "other",
    "shelf",
    "piece",
)
_MEANINGS: Mapping[str, str] = {
    "about": "what the file says of itself",
    "shelf": "tasks made for what belongs to no task",
    "piece": "context entries made for what fits no field",
}
_SHOWN = 50


@frozen
class Counts:
    """Records of one kind: `read` is the sum of the others.

    Attributes:
        read: found in the file, whole or not.
        taken: written into the project; on a dry run, what would be.
        there: in the project already, and left as they are.
        kept: put into metadata or a text, as they have no place of their own.
        left: of use in the source alone, such as the log of another project; notes say which.
        refused: not taken; each is among the report's problems.
    """

    read: int = 0
    taken: int = 0
    there: int = 0
    kept: int = 0
    left: int = 0
    refused: int = 0


@frozen
class Report:
    """What an import came to.

    Attributes:
        path: what was imported.
        source_format: which format it has, one of `FORMATS`.
        dry_run: whether nothing was written.
        counts: what became of the records, by kind.
        problems: every record that could not be taken, with its place and the reason.
        notes: what was taken differently from how it stood there, with counts and the first place.
    """

    path: str
    source_format: str
    dry_run: bool
    counts: Mapping[str, Counts]
    problems: tuple[Problem, ...]
    notes: tuple[str, ...] = ()

    @property
    def complete(self) -> bool:
        """Whether every record was taken, kept, or there already."""
        return not self.problems

    @property
    def changed(self) -> bool:
        """Whether anything was written, or would be."""
        return any(counts.taken for counts in self.counts.values())

    def as_json(self) -> dict[str, Any]:
        """The report as a JSON object."""
        return {
            "path": self.path,
            "format": self.source_format,
            "dry_run": self.dry_run,
            "complete": self.complete,
            "changed": self.changed,
            "counts": {kind: asdict(counts) for kind, counts in self.counts.items()},
            "problems": [asdict(problem) for problem in self.problems],
            "notes": list(self.notes),
        }

    def as_text(self, shown: int = _SHOWN) -> str:
        """The report for people: a table, the notes, and the first problems."""
        did = "Would import" if self.dry_run else "Imported"
        head = f"{did} {self.path} ({self.source_format})"
        lines = [head if self.changed else f"Nothing to import from {self.path} ({self.source_format})", ""]
        rows: list[tuple[str, ...]] = [("", "read", "taken", "there already", "kept beside", "left", "refused")]
        for kind, counts in self.counts.items():
            rows.append((kind, *(f"{value:,}" for value in asdict(counts).values())))
        widths = [max(len(row[at]) for row in rows) for at in range(len(rows[0]))]
        for row in rows:
            cells = [
                row[0].ljust(widths[0]),
                *(cell.rjust(width) for cell, width in zip(row[1:], widths[1:], strict=True)),
            ]
            lines.append("  ".join(cells).rstrip())
        meanings = [f"  {kind}: {_MEANINGS[kind]}" for kind in self.counts if kind in _MEANINGS]
        lines += ["", *meanings] if meanings else []
        if self.notes:
            lines += ["", "Notes", *(f"  {note}" for note in self.notes)]
        if self.problems:
            lines += ["", f"Refused ({len(self.problems):,})"]
            lines += [f"  {one.where}: {one.reason} ({one.record})" for one in self.problems[:shown]]
            if len(self.problems) > shown:
                lines.append(f"  ... and {len(self.problems) - shown:,} more, all of them in the report as JSON")
        return "\n".join(lines)


def report_of(
    path: str,
    plan: Plan,
    *,
    dry_run: bool,
    taken: Mapping[str, int],
    there: Mapping[str, int],
    problems: Iterable[Problem],
    notes: Iterable[str] = (),
) -> Report:
    """Put a report together: what the reader found, and what the project said to it."""
    refused = [*plan.problems, *problems]
    by_kind = Counter(problem.kind for problem in refused)
    kinds = [kind for kind in KINDS if plan.read.get(kind) or by_kind.get(kind)]
    counts = {
        kind: Counts(
            plan.read.get(kind, 0),
            taken.get(kind, 0),
            there.get(kind, 0),
            plan.kept.get(kind, 0),
            plan.left.get(kind, 0),
            by_kind.get(kind, 0),
        )
        for kind in kinds
    }
    return Report(path, plan.source_format, dry_run, counts, tuple(refused), (*plan.notes, *notes))
