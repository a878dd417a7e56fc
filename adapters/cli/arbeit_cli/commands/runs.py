"""Lists runs: who worked on what, when, and what came of it."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING, Any

from arbeit_cli import draw, words
from arbeit_cli.commands.show import run_table
from arbeit_cli.times import past

if TYPE_CHECKING:
    from arbeit_cli.cli import Cli
    from arbeit_cli.parsing import Parser, Run


def configure(parser: Parser, _name: str) -> Run:
    """`arbeit runs`."""
    parser.add_argument("--task", metavar="TASK", help="of this task")
    parser.add_argument("--agent", dest="who", metavar="NAME", help="of this agent")
    parser.add_argument("--since", type=past, metavar="WHEN", help="that went on since, such as 24h")
    parser.add_argument("--until", type=past, metavar="WHEN", help="that began before")
    words.page(parser, "runs")
    return _runs


def _runs(cli: Cli, args: argparse.Namespace) -> int:
    from arbeit.toolset.answers import run  # noqa: PLC0415 - not for help

    limit = args.limit if args.limit is not None else 1_000 if args.all else words.PAGE
    wanted = {"task_id": args.task, "agent": args.who, "since": args.since, "until": args.until}
    cursor, found = args.cursor, list[dict[str, Any]]()
    while True:
        page = cli.project.runs(limit=limit, cursor=cursor, **wanted)
        found += [run(one) for one in page.items]
        cursor = page.cursor
        if cursor is None or not args.all:
            break
    data: dict[str, Any] = {"runs": found} | ({} if cursor is None else {"cursor": cursor})
    if not found:
        cli.screen.hint("No run.")
    code = cli.answer(data, lambda: run_table(cli.screen, found) if found or cli.screen.width is None else [])
    draw.more(cli.screen, "arbeit runs", cursor)
    return code
