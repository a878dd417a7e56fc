"""Lists tasks."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from arbeit_cli import draw, words
from arbeit_cli.tables import Column, table
from arbeit_cli.times import moment, past

if TYPE_CHECKING:
    import arbeit
    from arbeit_cli.cli import Cli
    from arbeit_cli.parsing import Parser, Run

_EVERY = 1_000
"""Tasks on a page where every page is wanted."""
_SORTS = ("created", "-created", "updated", "priority", "due", "ready")


def configure(parser: Parser, name: str) -> Run:
    """`arbeit list`, `arbeit ready` and `arbeit inbox`."""
    words.page(parser, "tasks")
    if name == "inbox":
        parser.epilog = "Tasks whose attempts are used up: unblock, update or cancel them."
        return _inbox
    parser.add_argument("--queue", metavar="NAME", help="of this queue")
    parser.add_argument("-l", "--label", metavar="TEXT", help="with this label")
    parser.add_argument("-p", "--priority", metavar="WORD", help="critical, high, normal or low")
    parser.add_argument("-r", "--requires", action="append", metavar="NAME", help="that require this capability")
    if name == "ready":
        parser.epilog = "In the order in which each queue gives them out.\narbeit explain says what you would get."
        return _ready
    parser.add_argument(
        "-s",
        "--status",
        action="append",
        metavar="WORD",
        help="open, in_progress, in_review, blocked, completed, cancelled; any (default: what is unfinished)",
    )
    parser.add_argument("--assignee", metavar="NAME", help="held by this agent")
    parser.add_argument("--mine", action="store_true", help="held by you")
    parser.add_argument("--parent", metavar="TASK", help="the children of a task")
    parser.add_argument("--roots", action="store_true", default=None, help="that are no children")
    parser.add_argument("--created-by", metavar="NAME", help="added by")
    parser.add_argument("--blocked", action="store_true", default=None, help="set aside, or waiting for others")
    parser.add_argument("--blocking", action="store_true", default=None, help="that others wait for")
    parser.add_argument("--file", metavar="PATH", help="that this file was read or written for")
    parser.add_argument("--due-before", type=moment, metavar="WHEN", help="due before, such as +2d")
    parser.add_argument("--updated-after", type=past, metavar="WHEN", help="changed since, such as 2h")
    parser.add_argument("--updated-before", type=past, metavar="WHEN", help="not changed since")
    parser.add_argument("--sort", metavar="WORD", help=f"{', '.join(_SORTS)} (default: priority)")
    parser.epilog = (
        "  arbeit list --mine\n  arbeit list -s blocked,in_review --sort updated\n  arbeit list -s any --all"
    )
    return _list


def _list(cli: Cli, args: argparse.Namespace) -> int:
    statuses = words.split(args.status) or list(words.UNFINISHED)
    filters = {
        "status": None if "any" in statuses else tuple(statuses),
        "assignee": cli.agent if args.mine else args.assignee,
        "parent_id": args.parent,
        "root": args.roots,
        "created_by": args.created_by,
        "blocked": args.blocked,
        "blocking": args.blocking,
        "file": args.file,
        "due_before": args.due_before,
        "updated_after": args.updated_after,
        "updated_before": args.updated_before,
        "sort": args.sort or "priority",
    }
    data = _found(cli, args, filters)
    if not data["tasks"]:
        cli.screen.hint("No task." if args.status else "No unfinished task. Finished ones: arbeit list -s any")
    return _answer(cli, args, "list", data, lambda: draw.tasks(cli.screen, data["tasks"]))


def _ready(cli: Cli, args: argparse.Namespace) -> int:
    data = _found(cli, args, {"sort": "ready"})
    if not data["tasks"]:
        cli.screen.hint("Nothing is ready. What is unfinished: arbeit list")
    columns = (
        draw.ID,
        draw.PRIORITY,
        Column("QUEUE"),
        draw.TITLE,
        Column("REQUIRES"),
        Column("CREATED", styles=("dim",)),
    )

    def lines() -> list[str]:
        rows = (
            (
                str(one["id"]),
                str(one.get("priority", "" if cli.screen.terminal else "normal")),
                str(one.get("queue", "" if cli.screen.terminal else "default")),
                str(one["title"]),
                ",".join(one.get("requires", ())),
                draw.when(cli.screen, one["created_at"]),
            )
            for one in data["tasks"]
        )
        return table(cli.screen, columns, rows)

    return _answer(cli, args, "ready", data, lines)


def _inbox(cli: Cli, args: argparse.Namespace) -> int:
    data = _found(cli, args, {"escalated": True})
    if not data["tasks"]:
        cli.screen.hint("Nothing waits for a supervisor.")
    columns = (draw.ID, draw.TITLE, Column("REASON"), Column("SINCE", styles=("dim",)))

    def lines() -> list[str]:
        rows = (
            (one["id"], one["title"], one.get("block_reason", ""), draw.when(cli.screen, one.get("escalated_at")))
            for one in data["tasks"]
        )
        return table(cli.screen, columns, rows)

    return _answer(cli, args, "inbox", data, lines)


def _found(cli: Cli, args: argparse.Namespace, filters: Mapping[str, Any]) -> dict[str, Any]:
    """A page of tasks, or all of them."""
    from arbeit.toolset.answers import plain  # noqa: PLC0415 - not for help

    given = {"queue": "queue", "label": "label", "priority": "priority"}
    wanted = {name: value for name, value in filters.items() if value is not None}
    wanted |= {name: value for name, source in given.items() if (value := getattr(args, source, None)) is not None}
    needs = words.split(getattr(args, "requires", None))
    if needs:
        wanted["requires"] = needs
    limit = args.limit if args.limit is not None else _EVERY if args.all else words.PAGE
    cursor, found = args.cursor, list[dict[str, Any]]()
    while True:
        page: arbeit.Page = cli.project.find(limit=limit, cursor=cursor, **wanted)
        found += [plain(task) for task in page.tasks]
        cursor = page.cursor
        if cursor is None or not args.all:
            break
    return {"tasks": found} | ({} if cursor is None else {"cursor": cursor})


def _answer(
    cli: Cli, args: argparse.Namespace, command: str, data: dict[str, Any], lines: Callable[[], list[str]]
) -> int:
    code = cli.answer(data, lines if data["tasks"] or cli.screen.width is None else [])
    if data.get("cursor"):
        import shlex  # noqa: PLC0415 - for this hint alone

        said = [f"--limit {args.limit}"] if args.limit is not None else []
        said += [
            f"--{name} {shlex.quote(value)}" for name in ("queue", "label") if (value := getattr(args, name, None))
        ]
        draw.more(cli.screen, " ".join(["arbeit", command, *said]), data["cursor"])
    return code
