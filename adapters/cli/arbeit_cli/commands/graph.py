"""`arbeit graph`: how tasks depend on each other, drawn."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING, Any

from arbeit_cli.failing import OK

if TYPE_CHECKING:
    from arbeit_cli.cli import Cli
    from arbeit_cli.drawing.graph import Picture
    from arbeit_cli.parsing import Parser, Run
    from arbeit_cli.screen import Screen

_COLOURS = {
    "in_progress": "yellow",
    "in_review": "cyan",
    "blocked": "red",
    "completed": "green",
    "cancelled": "dim",
}


def configure(parser: Parser, _name: str) -> Run:
    """Add the arguments of `graph`."""
    parser.add_argument("task", nargs="?", metavar="TASK", help="this task, what is below it, and its neighbours")
    parser.add_argument("--format", choices=("text", "mermaid", "dot"), default="text", help="text, mermaid or dot")
    parser.add_argument("-a", "--all", action="store_true", help="finished tasks, too")
    parser.add_argument("--limit", type=_count, default=500, metavar="N", help="tasks at most (500)")
    parser.epilog = (
        "Mermaid and DOT: solid arrows are what has to end first, dotted ones lead\n"
        "from parents to children.\n\n"
        "  arbeit graph --format mermaid > plan.mmd\n"
        "  arbeit graph --all --format dot | dot -Tsvg > plan.svg"
    )
    return run


def _count(said: str) -> int:
    value = int(said)
    if not 1 <= value <= 10_000:  # noqa: PLR2004 - what a picture can show at all
        raise argparse.ArgumentTypeError("must be 1 to 10000")
    return value


def run(cli: Cli, args: argparse.Namespace) -> int:
    """Read, draw, print."""
    from arbeit_cli.drawing import graph  # noqa: PLC0415 - not for help

    if args.task is not None:
        picture = graph.of_task(cli.project, args.task, finished=args.all)
    else:
        picture = graph.of_project(cli.project, finished=args.all, limit=args.limit)
    if picture.cut:
        cli.warnings.append("LIMIT_EXCEEDED: there are more tasks than were drawn: --limit, or name a task")
    if args.format == "mermaid":
        text = graph.as_mermaid(picture)
    elif args.format == "dot":
        text = graph.as_dot(picture)
    else:
        text = tree(cli.screen, picture)
    data: dict[str, Any] = {"format": args.format, "tasks": len(picture.tasks), "graph": text}
    if cli.screen.json and args.format == "text":
        data |= {"tasks": [*picture.tasks], "edges": [edge._asdict() for edge in picture.edges]}
        del data["graph"]
    return cli.answer(data, text.splitlines(), OK)


def tree(screen: Screen, picture: Picture) -> str:
    """The tree of lines, as this screen can show it."""
    from arbeit_cli.drawing.graph import as_text  # noqa: PLC0415 - not for help

    encoding = (getattr(screen.out, "encoding", None) or "ascii").lower().replace("-", "")
    return as_text(
        picture,
        width=screen.width,
        plain=not encoding.startswith("utf"),
        paint=lambda mark, status: screen.paint(mark, _COLOURS[status]) if status in _COLOURS else mark,
    )
