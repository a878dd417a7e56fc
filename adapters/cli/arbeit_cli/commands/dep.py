"""How tasks hang together: add and remove relationships, and show them as a tree."""

from __future__ import annotations

import argparse
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

from arbeit_cli import draw
from arbeit_cli.screen import Screen, clean
from arbeit_cli.tables import cut

if TYPE_CHECKING:
    from arbeit.sync import Project
    from arbeit_cli.cli import Cli
    from arbeit_cli.parsing import Parser, Run

_MOST = 500
"""Tasks that a tree shows at most."""
_DEEPEST = 16
_WAYS = {"children": "Children", "blocked_by": "Waits for", "blocking": "Is waited for by"}


def configure(parser: Parser, name: str) -> Run:
    """`arbeit dep add`, `dep remove` and `dep tree`."""
    if name == "dep tree":
        parser.add_argument("task", nargs="?", metavar="TASK", help="the task (default: the one that you hold)")
        parser.add_argument("--depth", type=int, default=_DEEPEST, metavar="N", help="levels each way (default: 16)")
        parser.epilog = "arbeit graph draws the whole project."
        return _tree
    parser.add_argument("task", metavar="TASK", help="the task that waits, or is related")
    parser.add_argument("other", metavar="OTHER", help="the task that it waits for, or is related to")
    parser.add_argument(
        "-t", "--type", default="blocked_by", metavar="WORD",
        help="blocked_by (default), blocks, child_of, parent_of, relates_to, duplicates, splits_from, discovered_from",
    )  # fmt: skip
    parser.epilog = (
        f"  arbeit {name} tkt-1 tkt-2               tkt-1 waits for tkt-2\n"
        f"  arbeit {name} tkt-1 tkt-2 -t child_of   tkt-1 is a part of tkt-2"
    )
    return _add if name == "dep add" else _remove


def _add(cli: Cli, args: argparse.Namespace) -> int:
    data = cli.do("relationship_add", from_task_id=args.task, to_task_id=args.other, type=_type(args))
    edge = data["relationship"]
    return cli.answer(data, [f"{edge['from_task_id']} {edge['type']} {edge['to_task_id']}"])


def _remove(cli: Cli, args: argparse.Namespace) -> int:
    data = cli.do("relationship_remove", from_task_id=args.task, to_task_id=args.other, type=_type(args))
    return cli.answer(data, [f"{args.task} is not {_type(args)} {args.other} any more"])


def _type(args: argparse.Namespace) -> str:
    said: str = args.type
    return said.replace("-", "_")


def _tree(cli: Cli, args: argparse.Namespace) -> int:
    walk = _Walk(cli.project)
    root = walk.node(cli.held_task(args.task))
    trees = {name: walk.below(root, name, min(args.depth, _DEEPEST)) for name in _WAYS}
    data = {"task": root["task"], **trees} | ({"cut": True} if walk.left <= 0 else {})

    def lines() -> list[str]:
        shown = [f"{draw.title(cli.screen, root['task'])}  {_status(cli.screen, root['task'])}"]
        for name, heading in _WAYS.items():
            shown += draw.section(cli.screen, heading, _branches(cli.screen, trees[name], "  "))
        if len(shown) == 1:
            shown.append("  It stands alone.")
        return shown

    return cli.answer(data, lines)


class _Walk:
    """Goes from task to task; each is opened once in each way, and so many in all."""

    def __init__(self, project: Project) -> None:
        self._project = project
        self._opened: set[tuple[str, str]] = set()
        self.left = _MOST

    def node(self, task_id: str) -> dict[str, Any]:
        """A task, and the ids of those beside it."""
        from arbeit.toolset.answers import summary  # noqa: PLC0415 - not for help

        parts = self._project.get(task_id, include=tuple(_WAYS))
        return {"task": summary(parts.task), **{name: [one.id for one in getattr(parts, name) or ()] for name in _WAYS}}

    def below(self, node: Mapping[str, Any], way: str, depth: int) -> list[dict[str, Any]]:
        """What lies one way from a task, and what lies beyond that."""
        found = []
        for task_id in node[way] if depth > 0 else ():
            if self.left <= 0:
                break
            self.left -= 1
            one = self.node(task_id)
            again = (way, task_id) in self._opened
            self._opened.add((way, task_id))
            shown = {"task": one["task"], "below": [] if again else self.below(one, way, depth - 1)}
            found.append(shown | ({"again": True} if again and one[way] else {}))
        return found


def _status(screen: Screen, task: Mapping[str, Any]) -> str:
    return screen.paint(task["status"], *draw.status_style(task["status"]))


def _branches(screen: Screen, nodes: list[dict[str, Any]], indent: str) -> Iterator[str]:
    for number, node in enumerate(nodes):
        last = number == len(nodes) - 1
        task = node["task"]
        again = "  (see above)" if node.get("again") else ""
        fixed = len(indent) + 3 + len(task["id"]) + 2 + len(task["status"]) + 2 + len(again)
        title = clean(str(task["title"]))
        if screen.width is not None:
            title = cut(title, max(screen.width - fixed, 12))
        begin = f"{indent}{'└─' if last else '├─'} {screen.paint(task['id'], 'cyan')}"
        yield f"{begin}  {_status(screen, task)}  {title}{again}"
        yield from _branches(screen, node["below"], f"{indent}{'   ' if last else '│  '}")
