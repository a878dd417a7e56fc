"""Looks back: whether the log is sound, and how the project stood at a moment."""

from __future__ import annotations

import argparse
from collections import Counter
from typing import TYPE_CHECKING, Any

import arbeit
from arbeit_cli import draw
from arbeit_cli.failing import OK, REFUSED, RefusedError
from arbeit_cli.tables import pairs
from arbeit_cli.times import past
from arbeit_cli.waiting import waiting

if TYPE_CHECKING:
    from arbeit_cli.cli import Cli
    from arbeit_cli.parsing import Parser, Run


def configure(parser: Parser, name: str) -> Run:
    """`arbeit verify` and `arbeit replay`."""
    if name == "verify":
        parser.epilog = "Exit code 1 where the log or a table is not what it should be;\nthe answer says where."
        return _verify
    parser.add_argument("position", nargs="?", type=int, metavar="POSITION", help="right after this event of the log")
    parser.add_argument("--at", type=past, metavar="WHEN", help="at a moment, such as 2h or 2026-01-19T13:38:24Z")
    parser.add_argument("--task", metavar="TASK", help="this task as it was then")
    parser.epilog = "  arbeit replay --at 2h\n  arbeit replay 120 --task tkt-1"
    return _replay


def _verify(cli: Cli, _args: argparse.Namespace) -> int:
    project = cli.project
    with waiting(cli.screen, "Checking the log"):
        found = project.verify()
    data = {
        "ok": found.ok,
        "events": found.events,
        "rows": found.rows,
        "head_hash": found.head_hash,
        "position": found.position,
        "row": found.row,
        "problem": found.problem,
    }

    def lines() -> list[str]:
        if found.ok:
            mark = cli.screen.paint("Sound.", "green")
            return [f"{mark} {found.events} events, and the {found.rows} rows that they give.", f"  {found.head_hash}"]
        where = [("position", "" if found.position is None else str(found.position)), ("row", found.row or "")]
        mark = cli.screen.paint("Not sound.", "red", "bold")
        return [f"{mark} {found.problem or ''}".rstrip(), *pairs(cli.screen, where, indent="  ")]

    return cli.answer(data, lines, OK if found.ok else REFUSED)


def _replay(cli: Cli, args: argparse.Namespace) -> int:
    from arbeit.toolset.answers import plain  # noqa: PLC0415 - not for help

    if args.position is not None and args.at is not None:
        raise RefusedError("INVALID_INPUT", "a position and a moment are two places", ["Say one of them."])
    if args.position is None and args.at is None:
        raise RefusedError("INVALID_INPUT", "replay to where?", ["arbeit replay POSITION", "arbeit replay --at 2h"])
    project = cli.project
    with waiting(cli.screen, "Reading the log"):
        snapshot = project.replay(position=args.position, at=args.at)
    data: dict[str, Any] = {"position": snapshot.position, "at": arbeit.rfc3339(snapshot.head.at)}
    heading = f"After event {snapshot.position}, {draw.when(cli.screen, data['at'])}"
    if args.task is not None:
        task = snapshot.task(args.task)
        if task is None:
            hint = "It may have come later: arbeit history TASK"
            raise RefusedError("TASK_NOT_FOUND", f"there was no task {args.task} at that time", [hint])
        data["task"] = plain(task)
        return cli.answer(data, lambda: [heading, *draw.head(cli.screen, data["task"])])
    data["tasks"] = [plain(task) for task in snapshot.tasks]
    data["statuses"] = dict(Counter(task.status for task in snapshot.tasks))
    return cli.answer(data, lambda: [heading, *draw.tasks(cli.screen, data["tasks"])])
