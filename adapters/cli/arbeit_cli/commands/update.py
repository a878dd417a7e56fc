"""Changes what a task says."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

from arbeit_cli import draw, words
from arbeit_cli.commands.add import fields
from arbeit_cli.failing import RefusedError
from arbeit_cli.text import body

if TYPE_CHECKING:
    from arbeit_cli.cli import Cli
    from arbeit_cli.parsing import Parser, Run


def configure(parser: Parser, _name: str) -> Run:
    """`arbeit update`."""
    words.task(parser)
    parser.add_argument("-t", "--title", metavar="TEXT", help="what is to be done, in one line")
    parser.add_argument("-i", "--intent", metavar="TEXT", help="why")
    parser.add_argument("-d", "--description", metavar="TEXT", help="the whole of it; - reads standard input")
    parser.add_argument("--body-file", metavar="FILE", help="read the description from a file; - reads standard input")
    fields(parser)
    parser.add_argument("--no-due", action="store_true", help="it is due at no time")
    parser.add_argument("--status", metavar="WORD", help="bring it to this status by the command that leads there")
    parser.add_argument(
        "--expect", type=int, metavar="VERSION", help="only if nobody changed it since this version (exit code 4)"
    )
    parser.epilog = (
        "Lists (labels, requires, acceptance) are replaced; none of them is added to.\n\n"
        '  arbeit update tkt-1 -p critical --due +1d\n  arbeit update tkt-1 -t "A better title" --expect 3'
    )
    return _update


def _update(cli: Cli, args: argparse.Namespace) -> int:
    changes = {
        "title": args.title,
        "intent": args.intent,
        "description": body(args.description, args.body_file, name="description"),
        "priority": args.priority,
        "labels": None if args.label is None else tuple(words.split(args.label) or ()),
        "queue": args.queue,
        "requires": None if args.requires is None else tuple(words.split(args.requires) or ()),
        "acceptance": None if args.acceptance is None else tuple(one for one in args.acceptance if one),
        "due_at": "none" if args.no_due else args.due and args.due.isoformat(),
        "ready_at": args.ready and args.ready.isoformat(),
        "max_attempts": args.max_attempts,
        "max_runtime": args.max_runtime,
        "review": args.review,
        "metadata": words.json_object(args.metadata, "--metadata"),
        "status": args.status,
    }
    if args.status is not None and args.status not in words.STATUSES:
        hint = f"There are: {', '.join(words.STATUSES)}."
        raise RefusedError("INVALID_STATUS", f"there is no status {args.status}", [hint])
    if all(value is None for value in changes.values()):
        raise RefusedError("INVALID_INPUT", "nothing was said that could change", ["arbeit update --help"])
    data = cli.do("task_update", task_id=args.task, expected_version=args.expect, **changes)
    return cli.answer(data, lambda: draw.head(cli.screen, data["task"]))
