"""What supervisors may do: ask for a task back, and remove text for good."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

from arbeit_cli import draw, words
from arbeit_cli.failing import RefusedError

if TYPE_CHECKING:
    from arbeit_cli.cli import Cli
    from arbeit_cli.parsing import Parser, Run

_KINDS = ("task", "entry", "item", "artifact")


def configure(parser: Parser, name: str) -> Run:
    """`arbeit preempt` and `arbeit erase`."""
    if name == "preempt":
        words.task(parser)
        words.message(parser, "why")
        parser.epilog = (
            "The holder hears of it with its next write, and has a grace to give the task\n"
            "back. To take it at once: arbeit release TASK --force. You must be a supervisor:\n"
            "arbeit agents set YOU --persona supervisor."
        )
        return _preempt
    parser.add_argument("kind", metavar="KIND", help=f"what it is: {', '.join(_KINDS)}")
    parser.add_argument("id", metavar="ID", help="its id")
    parser.add_argument("--task", metavar="TASK", help="the task of an item")
    parser.add_argument("--yes", action="store_true", help="yes, for good")
    words.message(parser, "why")
    parser.epilog = "Its text is gone from the tables, the log and the file; the log still verifies."
    return _erase


def _preempt(cli: Cli, args: argparse.Namespace) -> int:
    from arbeit.toolset.answers import plain  # noqa: PLC0415 - not for help

    task = plain(cli.project.preempt_task(args.task, words.said(args, "reason") or ""))
    holder = task.get("assignee", "its holder")
    return cli.answer({"task": task}, lambda: [f"{draw.title(cli.screen, task)}  {holder} is asked to give it back"])


def _erase(cli: Cli, args: argparse.Namespace) -> int:
    if args.kind not in _KINDS:
        raise RefusedError("INVALID_TYPE", f"there is no kind {args.kind}", [f"There are: {', '.join(_KINDS)}."])
    if not args.yes:
        raise RefusedError("INVALID_INPUT", "erasing cannot be taken back", ["Say --yes if that is what you want."])
    reason = words.said(args, "reason") or ""
    count = cli.project.erase(args.kind, args.id, task_id=args.task, reason=reason)
    return cli.answer({"erased": args.id, "events": count}, [f"{args.id} is erased: {count} events lost text."])
