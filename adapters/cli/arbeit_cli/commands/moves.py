"""Moves tasks from outside: block, unblock, cancel, delete."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

from arbeit_cli import draw, words

if TYPE_CHECKING:
    from arbeit_cli.cli import Cli
    from arbeit_cli.parsing import Parser, Run


def configure(parser: Parser, name: str) -> Run:
    """`arbeit block`, `unblock`, `cancel` and `delete`."""
    words.task(parser, held=name == "block")
    words.message(parser, {"block": "what it waits for"}.get(name, "why"))
    if name == "block":
        parser.add_argument("--by", action="append", metavar="TASK", help="a task that it waits for")
        parser.epilog = (
            '  arbeit block -m "The licence is unclear"\n  arbeit block tkt-1 -m "Needs the schema" --by tkt-2'
        )
    if name in {"block", "cancel"}:
        parser.add_argument("--force", action="store_true", help="for supervisors: whoever holds it")
    return {"block": _block, "unblock": _unblock, "cancel": _cancel, "delete": _delete}[name]


def _block(cli: Cli, args: argparse.Namespace) -> int:
    data = cli.do(
        "task_block",
        task_id=cli.held_task(args.task),
        reason=words.said(args, "reason") or "",
        blocked_by=tuple(words.split(args.by) or ()),
        force=args.force,
    )
    return cli.answer(data, lambda: [f"{draw.title(cli.screen, data['task'])}  {cli.screen.paint('blocked', 'red')}"])


def _unblock(cli: Cli, args: argparse.Namespace) -> int:
    from arbeit.toolset.answers import plain  # noqa: PLC0415 - not for help

    task = plain(cli.project.unblock_task(args.task, words.said(args, "note") or ""))
    return cli.answer({"task": task}, lambda: [f"{draw.title(cli.screen, task)}  {draw.state(task)}"])


def _cancel(cli: Cli, args: argparse.Namespace) -> int:
    data = cli.do("task_cancel", task_id=args.task, reason=words.said(args, "reason"), force=args.force)
    return cli.answer(data, lambda: [f"{draw.title(cli.screen, data['task'])}  {cli.screen.paint('cancelled', 'dim')}"])


def _delete(cli: Cli, args: argparse.Namespace) -> int:
    data = cli.do("task_delete", task_id=args.task, reason=words.said(args, "reason"))
    return cli.answer(data, [f"{args.task} is deleted; its history stays."])
