"""Writes the table of promises of reliability.md from the invariants of the code: `make docs`."""

from __future__ import annotations

import re
from pathlib import Path

from arbeit.testing.simulation.run import CHECKERS

PAGE = Path(__file__).parent / "reliability.md"
_PLACE = re.compile(r"(<!-- promises -->\n\n).*?(\n\n<!-- end -->)", re.DOTALL)


def table() -> str:
    """Every invariant by name, with what it promises."""
    rows = [f"| `{checker.name}` | {checker.promise} |" for checker in CHECKERS]
    return "\n".join(["| invariant | promise |", "|---|---|", *rows])


def filled(page: str) -> str:
    """The page with the table in its place."""
    page, count = _PLACE.subn(lambda match: match[1] + table() + match[2], page)
    if count != 1:
        msg = f"{PAGE} has no place for the promises"
        raise SystemExit(msg)
    return page


if __name__ == "__main__":
    PAGE.write_text(filled(PAGE.read_text(encoding="utf-8")), encoding="utf-8")
