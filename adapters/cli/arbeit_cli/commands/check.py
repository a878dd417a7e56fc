"""The checklist of a task: shows it, adds to it, ticks lines off."""

from __future__ import annotations

import argparse
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from arbeit_cli import draw, words
from arbeit_cli.failing import RefusedError

if TYPE_CHECKING:
    from arbeit_cli.cli import Cli
    from arbeit_cli.parsing import Parser, Run


def configure(parser: Parser, _name: str) -> Run:
    """`arbeit check`."""
    words.task(parser, held=True)
    parser.add_argument("-a", "--add", action="append", metavar="TEXT", help="add a line that is to be done")
    parser.add_argument("--did", action="append", metavar="TEXT", help="add a line that is done already")
    parser.add_argument(
        "-x", "--tick", action="append", metavar="LINE", help="tick a line off: its number, its id, or all"
    )
    parser.epilog = (
        "Without any of these: shows the checklist.\n\n"
        '  arbeit check --add "Reproduce it" --add "Fix it"\n'
        '  arbeit check -x 1 --did "Bisected"\n  arbeit check -x all'
    )
    return _check


def _check(cli: Cli, args: argparse.Namespace) -> int:
    task_id = cli.held_task(args.task)
    ticked = words.split(args.tick)
    if ticked:
        # Numbers are those of the list as it was shown, before anything is added to it.
        ids = _ids(ticked, _lines(cli, task_id))
        if ids:
            cli.do("progress_complete", task_id=task_id, item_ids=tuple(ids))
    if args.did:
        cli.do("progress_add", task_id=task_id, items=tuple(args.did), completed=True)
    if args.add:
        cli.do("progress_add", task_id=task_id, items=tuple(args.add))
    items = _lines(cli, task_id)
    done = sum(bool(one.get("completed")) for one in items)
    data = {"task_id": task_id, "progress": items, "total": len(items), "completed": done}

    def lines() -> list[str]:
        if not items:
            return ["No checklist yet.", '  arbeit check --add "..."']
        return [*draw.checklist(cli.screen, items), cli.screen.paint(f"  {done} of {len(items)} done", "dim")]

    return cli.answer(data, lines)


def _lines(cli: Cli, task_id: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = cli.do("task_get", task_id=task_id, include=("progress",))["progress"]
    return found


def _ids(said: Sequence[str], items: Sequence[Mapping[str, Any]]) -> list[str]:
    if "all" in said:
        return [str(one["id"]) for one in items if not one.get("completed")]
    known = {str(one["id"]): str(one["id"]) for one in items}
    known |= {str(number): str(one["id"]) for number, one in enumerate(items, start=1)}
    unknown = [one for one in said if one not in known]
    if unknown:
        hint = f"There are lines 1 to {len(items)}: arbeit check" if items else "It has none: arbeit check --add TEXT"
        raise RefusedError("ENTRY_NOT_FOUND", f"the checklist has no line {', '.join(unknown)}", [hint])
    return list(dict.fromkeys(known[one] for one in said))
