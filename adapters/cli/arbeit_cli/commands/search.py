"""Finds what says something or means it, and asks named queries."""

from __future__ import annotations

import argparse
import os
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from arbeit_cli import draw, words
from arbeit_cli.failing import RefusedError
from arbeit_cli.parsing import UsageError
from arbeit_cli.screen import Screen, clean
from arbeit_cli.tables import Column, cut, table

if TYPE_CHECKING:
    from arbeit_cli.cli import Cli
    from arbeit_cli.parsing import Parser, Run


def configure(parser: Parser, name: str) -> Run:
    """`arbeit search` and `arbeit query`."""
    if name == "query":
        parser.add_argument("query", metavar="NAME", help="such as blocking_tasks, stale_tasks or decisions")
        parser.add_argument("params", nargs="*", metavar="NAME=VALUE", help="its parameters")
        parser.add_argument("--all", action="store_true", help="every page")
        parser.epilog = (
            "Queries: tasks ready_tasks active_tasks blocked_tasks blocking_tasks\n"
            "children_of descendants_of ancestors_of root_tasks recent_activity stale_tasks\n"
            "files_for_task tasks_for_file decisions escalations\n\n"
            "  arbeit query stale_tasks hours=8\n  arbeit query descendants_of task_id=tkt-1"
        )
        return _query
    parser.add_argument("text", nargs="*", metavar="TEXT", help='words, "a phrase", begin*, this or that, -without')
    parser.add_argument("--similar-to", metavar="TASK", help="what was decided, tried and achieved in tasks like this")
    parser.add_argument("--mode", metavar="WORD", help="words, meaning or both (default: both with an embedder)")
    parser.add_argument("--embedder", metavar="NAME", help="a model, such as minilm (ARBEIT_EMBEDDER)")
    parser.add_argument("--type", action="append", metavar="WORD", help="entries of this type: decision, attempt ...")
    parser.add_argument("--kind", action="append", metavar="WORD", help="task, entry or run (default: what fits)")
    parser.add_argument("-s", "--status", action="append", metavar="WORD", help="of tasks in this status")
    parser.add_argument("--task", metavar="TASK", help="in this task alone")
    parser.add_argument("--superseded", action="store_true", help="in entries that were replaced, too")
    parser.add_argument("--limit", type=int, default=20, metavar="N", help="hits at most (default: 20)")
    parser.epilog = (
        "  arbeit search flaky test\n"
        "  arbeit search '\"hash order\" -windows' --type decision\n"
        "  arbeit search -- -windows retry\n"
        "  arbeit search login is broken --mode meaning --embedder minilm\n"
        "  arbeit search --similar-to tkt-1"
    )
    return _search


def _search(cli: Cli, args: argparse.Namespace) -> int:
    from arbeit.toolset.answers import hit  # noqa: PLC0415 - not for help

    if bool(args.text) == (args.similar_to is not None):
        what = "TEXT and --similar-to are two searches" if args.text else "there is nothing to look for"
        raise UsageError(
            f"{what}: give one of the two", "arbeit search --help", usage="arbeit search [options] [TEXT...]"
        )
    cli.embedder = args.embedder or os.environ.get("ARBEIT_EMBEDDER") or None
    found = cli.project.search(
        " ".join(args.text) or None,
        similar_to=args.similar_to,
        mode=args.mode,
        kinds=words.split(args.kind) or None,  # type: ignore[arg-type]  # checked there
        types=words.split(args.type),  # type: ignore[arg-type]  # as above
        status=words.split(args.status),  # type: ignore[arg-type]  # as above
        task_id=args.task,
        superseded=args.superseded,
        limit=args.limit,
    )
    data = {"hits": [hit(one) for one in found]}
    if not found:
        said = "Nothing says that." if args.similar_to is None else "Nothing is like it."
        cli.screen.hint(said)
    return cli.answer(data, lambda: _hits(cli.screen, data["hits"]))


def _hits(screen: Screen, hits: Sequence[Mapping[str, Any]]) -> list[str]:
    if screen.width is None:
        columns = (Column("TASK"), Column("WHERE"), Column("TITLE"), Column("TEXT"))
        return table(screen, columns, ((one["task_id"], _where(one), one["title"], one["snippet"]) for one in hits))
    lines: list[str] = []
    for one in hits:
        title = cut(clean(one["title"]), max(screen.width - len(one["task_id"]) - 2, 20))
        lines.append(f"{screen.paint(one['task_id'], 'cyan')}  {title}")
        snippet = " ".join(clean(one["snippet"]).split())
        if one["kind"] != "task" or snippet != one["title"]:
            lines.append(f"    {screen.paint(_where(one), 'magenta')}  {snippet}")
    return lines


def _where(one: Mapping[str, Any]) -> str:
    return str(one.get("type", one["kind"]))


def _query(cli: Cli, args: argparse.Namespace) -> int:
    from arbeit.toolset.answers import entry, event, file, plain  # noqa: PLC0415 - not for help

    params = dict(_param(one) for one in args.params)
    if "status" in params:
        params["status"] = words.split([str(params["status"])])
    items: list[Any] = []
    while True:
        found = cli.project.query(args.query, **params)
        items += found.items
        if not (args.all and found.cursor):
            break
        params["cursor"] = found.cursor
    shape: Any = {"tasks": plain, "events": event, "entries": entry, "files": file}[found.kind]
    shown = [shape(one) for one in items]
    data = {found.kind: shown} | ({"cursor": found.cursor} if found.cursor else {})
    if not shown:
        cli.screen.hint("Nothing answers to that.")
    code = cli.answer(data, lambda: drawn(cli.screen, found.kind, shown) if shown else [])
    if data.get("cursor"):
        cli.screen.hint(f"There is more: arbeit query {args.query} cursor={found.cursor}", "Or all of it: --all")
    return code


def drawn(screen: Screen, kind: str, items: Sequence[Mapping[str, Any]]) -> list[str]:
    """What a query found, by kind."""
    if kind == "tasks":
        return draw.tasks(screen, items)
    if kind == "entries":
        return draw.entries(screen, items)
    if kind == "files":
        columns = (Column("PATH", gives=True), Column("OPERATION"), Column("TASK", styles=("cyan",)))
        return table(screen, columns, ((one["path"], one["operation"], one["task_id"]) for one in items))
    from arbeit_cli.commands.events import lines  # noqa: PLC0415 - one kind of four

    return lines(screen, items)


def _param(said: str) -> tuple[str, Any]:
    name, equals, value = said.partition("=")
    if not equals:
        raise RefusedError("INVALID_INPUT", f"{said!r} is no parameter", ["Say NAME=VALUE, such as hours=8."])
    if value.isdecimal() and name in {"limit", "hours", "depth"}:
        return name, int(value)
    if value in {"true", "false"}:
        return name, value == "true"
    return name, words.split([value]) if name == "requires" else value
