"""Writes the table and the diagram of reference/lifecycle.md from the transitions of the code: `make docs`."""

from __future__ import annotations

import re
from itertools import groupby
from pathlib import Path

from arbeit.core.transitions import TRANSITIONS

PAGE = Path(__file__).parent / "reference" / "lifecycle.md"
_HELD = {True: "held", False: "free", None: "either"}


def table() -> str:
    """Every step: from a status, by a verb, to one of some statuses, and whether the task is held then."""
    rows = [
        f"| {step.source} | {step.verb} | {' or '.join(step.targets)} | {_HELD[step.held]} |" for step in TRANSITIONS
    ]
    return "\n".join(["| from | by | to | task is |", "|---|---|---|---|", *rows])


def diagram() -> str:
    """The same as a Mermaid state diagram, with one arrow for all verbs between two statuses."""
    arrows = sorted(
        ((step.source, target), step.verb) for step in TRANSITIONS for target in step.targets if step.source != target
    )
    lines = ["```mermaid", "stateDiagram-v2", "    [*] --> open"]
    for (source, target), verbs in groupby(arrows, key=lambda arrow: arrow[0]):
        names = ", ".join(dict.fromkeys(verb for _, verb in verbs))
        lines.append(f"    {source} --> {target}: {names}")
    lines += ["    completed --> [*]", "    cancelled --> [*]", "```"]
    return "\n".join(lines)


def filled(page: str) -> str:
    """The page with what is made here between its marks."""
    for name, text in (("table", table()), ("diagram", diagram())):
        pattern = re.compile(rf"(<!-- {name} -->\n\n).*?(\n\n<!-- end -->)", re.DOTALL)
        page, count = pattern.subn(lambda match, text=text: match[1] + text + match[2], page)  # type: ignore[misc]  # bound now
        if count != 1:
            msg = f"{PAGE} has no place for the {name}"
            raise SystemExit(msg)
    return page


if __name__ == "__main__":
    PAGE.write_text(filled(PAGE.read_text(encoding="utf-8")), encoding="utf-8")
