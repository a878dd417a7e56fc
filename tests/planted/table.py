"""The table of planted bugs, and its place in the docs."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from tests.planted.bug import Bug
from tests.planted.copies import ROOT, Outcome

PAGE = ROOT / "docs" / "reliability.md"
BEGIN = "<!-- planted bugs: begin -->"
END = "<!-- planted bugs: end -->"
_HEAD = "| planted bug | what goes wrong | caught by | needed of allowed | seconds |\n|---|---|---|---|---|\n"


def table(rows: Iterable[tuple[Bug, Outcome]]) -> str:
    """One row of Markdown for each bug."""
    return _HEAD + "".join(_row(bug, outcome) for bug, outcome in rows)


def _row(bug: Bug, outcome: Outcome) -> str:
    needed = f"{outcome.verdict.tries} of {bug.check.within} {bug.check.unit}"
    return f"| {bug.name} | {bug.harm} | {bug.caught_by} | {needed} | {outcome.seconds:.0f} |\n"


def write(text: str, page: Path = PAGE) -> bool:
    """Put a table in its place on the page; whether there was one."""
    if not page.exists():
        return False
    whole = page.read_text(encoding="utf-8")
    before, begin, rest = whole.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not (begin and end):
        return False
    page.write_text(f"{before}{BEGIN}\n{text}{END}{after}", encoding="utf-8")
    return True
