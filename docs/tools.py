"""Writes the tables of reference/tools.md from the tools of the code: `make docs`."""

from __future__ import annotations

import re
from pathlib import Path

from arbeit.core.declare import NOTHING, fields
from arbeit.toolset import PROFILES, Tool, tools

PAGE = Path(__file__).parent / "reference" / "tools.md"
_PLACE = re.compile(r"(<!-- tools -->\n\n).*?(\n\n<!-- end -->)", re.DOTALL)


def table() -> str:
    """Every tool with its parameters, the profiles it is in, and what it is for."""
    rows = [f"| `{one.name}` | {_parameters(one)} | {_profile(one)} | {one.description} |" for one in tools("full")]
    return "\n".join(["| tool | parameters | from profile | for |", "|---|---|---|---|", *rows])


def _parameters(one: Tool) -> str:
    said = (f"**`{item.name}`**" if item.default is NOTHING else f"`{item.name}`" for item in fields(one.params))
    return ", ".join(said)


def _profile(one: Tool) -> str:
    return next(name for name, names in PROFILES.items() if one.name in names)


def filled(page: str) -> str:
    """The page with the table in its place."""
    page, count = _PLACE.subn(lambda match: match[1] + table() + match[2], page)
    if count != 1:
        msg = f"{PAGE} has no place for the tools"
        raise SystemExit(msg)
    return page


if __name__ == "__main__":
    PAGE.write_text(filled(PAGE.read_text(encoding="utf-8")), encoding="utf-8")
