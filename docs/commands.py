"""Writes the commands of reference/cli.md from the parsers of the command line: `make docs`."""

from __future__ import annotations

import argparse
import re
from pathlib import Path

from arbeit_cli.commands import COMMANDS, GROUPS
from arbeit_cli.parsing import Parser, build

PAGE = Path(__file__).parent / "reference" / "cli.md"
_PLACE = re.compile(r"(<!-- commands -->\n\n).*?(\n\n<!-- end -->)", re.DOTALL)


def commands() -> str:
    """Every command by group: how it is said, what it takes, examples."""
    parts = []
    for group, title in GROUPS.items():
        parts.append(f"## {title}")
        parts += [_command(name) for name, entry in COMMANDS.items() if entry.group == group]
    return "\n\n".join(parts)


def _command(name: str) -> str:
    parser, _ = build(name)
    lines = [f"### arbeit {name}", "", parser.description or "", "", "```text", parser.usage_line(), "```"]
    rows = [_row(parser, action) for action in (*parser.positionals(), *_own(parser))]
    if rows:
        lines += ["", "| | |", "|---|---|", *rows]
    if parser.epilog:
        lines += ["", "```text", parser.epilog.rstrip(), "```"]
    return "\n".join(lines)


def _own(parser: Parser) -> list[argparse.Action]:
    """The options of a command that not every command has."""
    shared = set(parser.shared._group_actions)  # noqa: SLF001 - argparse has no other way to ask
    return [action for action in parser.options() if action not in shared]


def _row(parser: Parser, action: argparse.Action) -> str:
    value = action.metavar if isinstance(action.metavar, str) else action.dest.upper()
    if not action.option_strings:
        said = f"`{value}`"
    else:
        names = ", ".join(f"`{one}`" for one in action.option_strings)
        shown = f"[{value}]" if action.nargs == "?" else value
        said = names if action.nargs == 0 else f"{names} {shown}"
    text = (action.help or "") % {"prog": parser.prog, "default": action.default}
    return f"| {said} | {text}{'; may be repeated' if _repeats(action, text) else ''} |"


def _repeats(action: argparse.Action, text: str) -> bool:
    return isinstance(action, argparse._AppendAction) and "repeated" not in text  # noqa: SLF001 - as above


def filled(page: str) -> str:
    """The page with the commands in their place."""
    page, count = _PLACE.subn(lambda match: match[1] + commands() + match[2], page)
    if count != 1:
        msg = f"{PAGE} has no place for the commands"
        raise SystemExit(msg)
    return page


if __name__ == "__main__":
    PAGE.write_text(filled(PAGE.read_text(encoding="utf-8")), encoding="utf-8")
