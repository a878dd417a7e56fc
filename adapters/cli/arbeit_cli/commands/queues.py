"""The queues of a project: their weights, limits and pauses."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING, Any

import arbeit
from arbeit_cli.commands.agents import number
from arbeit_cli.tables import Column, table

if TYPE_CHECKING:
    from arbeit_cli.cli import Cli
    from arbeit_cli.parsing import Parser, Run


def configure(parser: Parser, name: str) -> Run:
    """`arbeit queues` and its verbs."""
    if name == "queues":
        return _queues
    parser.add_argument("queue", metavar="QUEUE", help="its name; one that is not there is made")
    if name == "queues set":
        parser.add_argument(
            "-w", "--weight", type=int, metavar="N", help="its share of claims, 1 to 1000 (default: 100)"
        )
        parser.add_argument(
            "--max-ready", metavar="N", help="ready tasks it takes before it refuses more; none: any number"
        )
        parser.add_argument("--max-in-progress", metavar="N", help="tasks of it held at a time; none: any number")
        parser.epilog = "  arbeit queues set ci --weight 300\n  arbeit queues set deploy --max-in-progress 1"
        return _set
    paused = name == "queues pause"

    def run(cli: Cli, args: argparse.Namespace) -> int:
        return _answer(cli, cli.project.set_queue(args.queue, paused=paused))

    return run


def _shown(queue: arbeit.Queue) -> dict[str, Any]:
    return {
        "name": queue.name,
        "weight": queue.weight,
        "paused": queue.paused,
        "max_ready": queue.max_ready,
        "max_in_progress": queue.max_in_progress,
        "ready": queue.ready,
        "in_progress": queue.in_progress,
        "created_at": arbeit.rfc3339(queue.created_at),
    }


def _queues(cli: Cli, _args: argparse.Namespace) -> int:
    found = [_shown(queue) for queue in cli.project.overview().queues]
    columns = (
        Column("QUEUE", gives=True, styles=("cyan",)),
        Column("READY", right=True),
        Column("AT MOST", right=True),
        Column("IN PROGRESS", right=True),
        Column("AT MOST", right=True),
        Column("WEIGHT", right=True),
        Column("", styles=("yellow",)),
    )

    def lines() -> list[str]:
        rows = (
            (
                one["name"],
                str(one["ready"]),
                "" if one["max_ready"] is None else str(one["max_ready"]),
                str(one["in_progress"]),
                "" if one["max_in_progress"] is None else str(one["max_in_progress"]),
                str(one["weight"]),
                "paused" if one["paused"] else "",
            )
            for one in found
        )
        return table(cli.screen, columns, rows)

    return cli.answer({"queues": found}, lines)


def _set(cli: Cli, args: argparse.Namespace) -> int:
    made = cli.project.set_queue(
        args.queue,
        weight=arbeit.UNSET if args.weight is None else args.weight,
        max_ready=number(args.max_ready, "--max-ready"),
        max_in_progress=number(args.max_in_progress, "--max-in-progress"),
    )
    return _answer(cli, made)


def _answer(cli: Cli, queue: arbeit.Queue) -> int:
    limits = [
        f"weight {queue.weight}",
        "" if queue.max_ready is None else f"at most {queue.max_ready} ready",
        "" if queue.max_in_progress is None else f"at most {queue.max_in_progress} in progress",
        "paused" if queue.paused else "",
    ]
    return cli.answer({"queue": _shown(queue)}, [f"{queue.name}  {', '.join(one for one in limits if one)}"])
