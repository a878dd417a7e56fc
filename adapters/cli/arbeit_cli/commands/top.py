"""`arbeit top`: a live view of the team."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING, Any

from arbeit_cli.failing import OK, RefusedError

if TYPE_CHECKING:
    from arbeit_cli.cli import Cli
    from arbeit_cli.live.board import Frame
    from arbeit_cli.parsing import Parser, Run

_PIPED = 100
"""Columns of a frame that goes to a file."""


def configure(parser: Parser, _name: str) -> Run:
    """Add the arguments of `top`."""
    parser.add_argument("--once", action="store_true", help="print one frame; so it does when piped, too")
    parser.add_argument("--interval", type=_interval, default=1.0, metavar="S", help="seconds between frames (1)")
    parser.epilog = "q or Ctrl-C ends it. Needs rich: pip install 'arbeit-cli[top]' (not for --json)."
    return run


def _interval(said: str) -> float:
    value = float(said)
    if not 0.1 <= value <= 3600:  # noqa: PLR2004 - ten times a second, once an hour
        raise argparse.ArgumentTypeError("must be 0.1 to 3600 seconds")
    return value


def run(cli: Cli, args: argparse.Namespace) -> int:
    """Draw one frame, or one after the other."""
    from arbeit_cli.live.board import Board  # noqa: PLC0415 - not for help

    board = Board(cli.project)
    if cli.screen.json:
        return cli.answer(_as_json(board.look()), [], OK)
    try:
        from rich.console import Console  # noqa: PLC0415 - an extra

        from arbeit_cli.live import terminal  # noqa: PLC0415 - needs the extra
    except ModuleNotFoundError as error:
        if error.name is None or error.name.partition(".")[0] != "rich":
            raise
        hints = [
            "pip install 'arbeit-cli[top]'",
            "Without it: arbeit top --json, arbeit stats, arbeit events --follow.",
        ]
        raise RefusedError("STORE_UNAVAILABLE", "the live view needs rich, which is not installed", hints) from error
    screen = cli.screen
    console = Console(
        file=screen.out,
        no_color=args.no_color or None,
        width=screen.width if screen.terminal else _PIPED,
        highlight=False,
        markup=False,
        emoji=False,
    )
    if args.once or not screen.terminal:
        terminal.once(board, console)
    else:
        console.width = None  # type: ignore[assignment]  # as wide as the terminal is at the moment
        terminal.follow(board, console, args.interval)
    return OK


def _as_json(frame: Frame) -> dict[str, Any]:
    from arbeit import rfc3339  # noqa: PLC0415 - loaded already

    return {
        "project": frame.project,
        "position": frame.position,
        "statuses": frame.statuses,
        "queues": [
            {
                "name": queue.name,
                "ready": queue.ready,
                "in_progress": queue.in_progress,
                "weight": queue.weight,
                "paused": queue.paused,
            }
            for queue in frame.queues
        ],
        "leases": [
            {
                "task_id": lease.task_id,
                "agent_id": lease.agent_id,
                "expires_at": rfc3339(lease.expires_at),
                "preempt_requested": bool(lease.preempt_requested),
            }
            for lease in frame.leases
        ],
        "per_minute": {kind: minute for kind, (minute, _) in frame.rates.items()},
        "last_ten_minutes": {kind: ten for kind, (_, ten) in frame.rates.items()},
    }
