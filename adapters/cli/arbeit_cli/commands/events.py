"""Prints the log: of the project, of a task, and as it grows."""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

import arbeit
from arbeit_cli import draw, words
from arbeit_cli.screen import Screen, clean, dumps
from arbeit_cli.tables import Column, cut, pad, table

if TYPE_CHECKING:
    from arbeit_cli.cli import Cli
    from arbeit_cli.parsing import Parser, Run

_EVERY = 1_000
_KEPT_BOOKS = frozenset(
    {
        "lease_id", "run_id", "entry_id", "agent_id", "fence", "ttl", "expires_at", "rank", "ready_at", "tag_after",
        "remainder", "virtual_time", "uri", "sha256", "artifact_id", "relationship_id", "item_ids",
    }
)  # fmt: skip


def configure(parser: Parser, name: str) -> Run:
    """`arbeit events` and `arbeit history`."""
    if name == "history":
        words.task(parser, held=True)
    else:
        parser.add_argument("--task", metavar="TASK", help="of this task alone")
        parser.add_argument("-f", "--follow", action="store_true", help="go on as the log grows; Ctrl-C ends it")
        parser.add_argument("--latest", action="store_true", help="the newest page, rather than the oldest")
    parser.add_argument("--type", action="append", metavar="WORD", help="events of this type, such as task_completed")
    parser.add_argument("--after", type=int, metavar="N", help="beyond this position of the log")
    parser.add_argument("--limit", type=int, metavar="N", help=f"events on a page (default: {words.PAGE})")
    parser.add_argument("--all", action="store_true", help="every page")
    if name == "events":
        parser.epilog = (
            "With --follow and --json: one event a line, without an envelope; --after says\nwhere to begin "
            "(default: with what comes next).\n\n  arbeit events --latest\n  arbeit events -f --type task_completed"
        )
        return _events
    return _history


def _history(cli: Cli, args: argparse.Namespace) -> int:
    task_id = cli.held_task(args.task)
    cli.project.get(task_id)
    if args.limit is None:
        args.all = True
    return _page(cli, args, task_id, f"history {task_id}")


def _events(cli: Cli, args: argparse.Namespace) -> int:
    if args.follow:
        return _follow(cli, args)
    if args.task is not None:
        cli.project.get(args.task)
    if args.latest and args.after is None:
        head = cli.project.overview().head.position
        args.after = max(0, head - (args.limit or words.PAGE))
    return _page(cli, args, args.task, "events")


def _page(cli: Cli, args: argparse.Namespace, task_id: str | None, command: str) -> int:
    from arbeit.toolset.answers import event  # noqa: PLC0415 - not for help

    types, after = words.split(args.type), args.after or 0
    limit = args.limit if args.limit is not None else _EVERY if args.all else words.PAGE
    found: list[arbeit.Event] = []
    while True:
        if task_id is None:
            page = cli.project.events(after=after, limit=limit, types=types)
            chosen = page
        else:
            page = cli.project.history(task_id=task_id, after=after, limit=limit)
            chosen = [one for one in page if types is None or one.type in types]
        found += chosen
        if page:
            after = page[-1].position
        if len(page) < limit or not args.all:
            break
    shown = [event(one) for one in found]
    code = cli.answer(
        {"events": shown, "position": after}, lambda: lines(cli.screen, shown, of_task=task_id is not None)
    )
    if len(page) == limit and not getattr(args, "latest", False):
        cli.screen.hint(f"There may be more: arbeit {command} --after {after}")
    return code


def lines(screen: Screen, events: Iterable[Mapping[str, Any]], *, of_task: bool = False) -> list[str]:
    """Events as a table."""
    columns = [
        Column("POSITION", right=True, styles=("dim",)),
        Column("AT", styles=("dim",)),
        Column("EVENT"),
        Column("TASK", styles=("cyan",)),
        Column("WHO"),
        Column("WHAT", gives=True),
    ]
    rows = (
        (
            str(one["position"]),
            draw.when(screen, one["at"]),
            one["type"],
            "" if of_task and screen.terminal else one.get("task_id", ""),
            one["actor"],
            _said(one.get("data", {}), brief=screen.terminal),
        )
        for one in events
    )
    return table(screen, columns, rows)


def _said(data: Mapping[str, Any], *, brief: bool) -> str:
    """What a fact says, in one line; in brief, without the numbers that the scheduler keeps."""
    parts = []
    for name, value in data.items():
        if value is None or value == "" or name == "task_id" or (brief and name in _KEPT_BOOKS):
            continue
        shown = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, separators=(",", ":"))
        parts.append(f"{name}={shown}")
    return " ".join(parts)


def _follow(cli: Cli, args: argparse.Namespace) -> int:
    from arbeit.toolset.answers import event  # noqa: PLC0415 - not for help

    screen = cli.screen
    after = args.after if args.after is not None else cli.project.overview().head.position
    if args.task is not None:
        cli.project.get(args.task)
    for one in cli.project.watch(after, task_id=args.task, types=words.split(args.type)):
        shown = event(one)
        if screen.json:
            screen.say(dumps(shown))
        else:
            screen.say(_line(screen, shown))
        screen.flush()
    return 0


def _line(screen: Screen, shown: Mapping[str, Any]) -> str:
    said = clean(_said(shown.get("data", {}), brief=screen.terminal))
    cells = [str(shown["position"]), shown["at"], shown["type"], shown.get("task_id", ""), shown["actor"], said]
    if screen.width is None:
        return "\t".join(clean(cell) for cell in cells)
    begin = f"{pad(cells[0], 6, right=True)}  {shown['at'][11:19]}  {pad(cells[2], 20)}  {pad(cells[3], 14)}  "
    rest = cut(f"{cells[4]}  {said}", max(screen.width - len(begin), 20))
    return f"{screen.paint(begin[:16], 'dim')}{begin[16:]}{rest}".rstrip()
