"""The projects of a database, and the settings of one."""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

import arbeit
from arbeit_cli.failing import RefusedError
from arbeit_cli.tables import Column, pairs, table

if TYPE_CHECKING:
    from arbeit_cli.cli import Cli
    from arbeit_cli.parsing import Parser, Run


def configure(parser: Parser, name: str) -> Run:
    """`arbeit projects` and `arbeit settings`."""
    if name == "projects":
        return _projects
    parser.add_argument("setting", nargs="*", metavar="NAME=VALUE", help="what to change; VALUE may be JSON")
    parser.add_argument("--name", metavar="TEXT", help="the project's name for people")
    parser.add_argument("--weight", type=int, metavar="N", help="its share of claims over several projects, 1 to 1000")
    parser.add_argument("--archive", action="store_true", default=None, help="put the project away")
    parser.add_argument("--unarchive", action="store_true", default=None, help="take it out again")
    parser.epilog = (
        "Without arguments: shows the settings. What is not named stays as it is.\n\n"
        '  arbeit settings completion=none review=required\n  arbeit settings \'retry={"name":"exponential","base":2}\''
    )
    return _settings


def settings_of(said: Iterable[str]) -> dict[str, Any]:
    """Settings by name, from NAME=VALUE; a VALUE in braces is JSON.

    Raises:
        RefusedError: INVALID_INPUT for what is neither.
    """
    found: dict[str, Any] = {}
    for one in said:
        name, equals, value = one.partition("=")
        if not equals or not name:
            raise RefusedError("INVALID_INPUT", f"{one!r} is no setting", ["Say NAME=VALUE, such as completion=none."])
        if value.startswith("{"):
            try:
                found[name] = json.loads(value)
            except ValueError as error:
                message = f"the value of {name} is not JSON: {error}"
                raise RefusedError(
                    "INVALID_INPUT", message, ['Such as \'{"name": "exponential", "base": 2}\'.']
                ) from error
        else:
            found[name] = value
    return found


def _projects(cli: Cli, _args: argparse.Namespace) -> int:

    data = [
        {
            "key": one.key,
            "name": one.name,
            "weight": one.weight,
            "created_at": arbeit.rfc3339(one.created_at),
            "archived_at": None if one.archived_at is None else arbeit.rfc3339(one.archived_at),
        }
        for one in cli.hub.projects()
    ]
    columns = (Column("KEY", styles=("cyan",)), Column("NAME", gives=True), Column("WEIGHT", right=True), Column(""))
    rows = [
        (str(one["key"]), str(one["name"]), str(one["weight"]), "archived" if one["archived_at"] else "")
        for one in data
    ]
    return cli.answer({"projects": data}, lambda: table(cli.screen, columns, rows))


def _settings(cli: Cli, args: argparse.Namespace) -> int:

    overview = cli.project.overview()
    project = overview.project
    changes = settings_of(args.setting)
    archived = True if args.archive else False if args.unarchive else None
    if changes or args.name is not None or args.weight is not None or archived is not None:
        project = cli.project.update(
            settings={**project.settings, **changes} if changes else arbeit.UNSET,
            name=arbeit.UNSET if args.name is None else args.name,
            weight=arbeit.UNSET if args.weight is None else args.weight,
            archived=arbeit.UNSET if archived is None else archived,
        )
    settings = json.loads(json.dumps(project.settings))
    data = {"key": project.key, "name": project.name, "weight": project.weight, "settings": settings}
    data["archived"] = project.archived_at is not None

    def draw() -> list[str]:
        facts = [("project", project.key), ("name", project.name), ("weight", str(project.weight))]
        facts += [(name, value if isinstance(value, str) else json.dumps(value)) for name, value in settings.items()]
        return pairs(cli.screen, [*facts, ("archived", "yes" if project.archived_at is not None else "")])

    return cli.answer(data, draw)
