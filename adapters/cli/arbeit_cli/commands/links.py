"""Where things are: files and sessions of a task, secrets of a project."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING, Any

import arbeit
from arbeit_cli import draw
from arbeit_cli.failing import RefusedError
from arbeit_cli.tables import Column, table

if TYPE_CHECKING:
    from arbeit_cli.cli import Cli
    from arbeit_cli.parsing import Parser, Run


def configure(parser: Parser, name: str) -> Run:
    """`arbeit link`, `arbeit secrets` and `arbeit secrets set`."""
    if name == "secrets":
        return _secrets
    if name == "secrets set":
        parser.add_argument("name", metavar="NAME", help="what holders ask for")
        parser.add_argument("provider", metavar="PROVIDER", help="env, file, or one of a plug-in")
        parser.add_argument("path", metavar="PATH", help="where it is there: a variable, a file")
        parser.epilog = "  arbeit secrets set pypi env PYPI_TOKEN"
        return _set
    parser.add_argument("file", nargs="*", metavar="FILE", help="files that were written for the task")
    parser.add_argument("-t", "--task", metavar="TASK", help="the task (default: the one that you hold)")
    parser.add_argument("--read", action="store_true", help="they were read, not written")
    parser.add_argument("--session", metavar="ID", help="a session in which it was worked on")
    parser.epilog = "  arbeit link src/parser.py tests/test_parser.py\n  arbeit list --file src/parser.py"
    return _link


def _link(cli: Cli, args: argparse.Namespace) -> int:
    from arbeit.toolset.answers import file, session  # noqa: PLC0415 - not for help

    if not args.file and args.session is None:
        raise RefusedError("INVALID_INPUT", "there is nothing to link", ["Say files, or --session ID."])
    task_id = cli.held_task(args.task)
    operation: Any = "read" if args.read else "write"
    links = [cli.project.link_file(task_id, path, operation, session_id=args.session or "") for path in args.file]
    data: dict[str, Any] = {"files": [file(one) for one in links]}
    if args.session is not None:
        data["session"] = session(cli.project.link_session(task_id, args.session))
    said = [f"{one.path}  {one.operation}" for one in links] + ([args.session] if args.session is not None else [])
    return cli.answer(data, [f"{draw.painted_id(cli.screen, task_id)}  {one}" for one in said])


def _shown(one: arbeit.SecretRef) -> dict[str, str]:
    return {"id": one.id, "name": one.name, "provider": one.provider, "path": one.path}


def _secrets(cli: Cli, _args: argparse.Namespace) -> int:
    found = [_shown(one) for one in cli.project.secrets()]
    columns = (Column("NAME", styles=("cyan",)), Column("PROVIDER"), Column("PATH", gives=True))
    rows = ((one["name"], one["provider"], one["path"]) for one in found)
    if not found:
        cli.screen.hint("No secret has a name here: arbeit secrets set NAME PROVIDER PATH")
    return cli.answer({"secrets": found}, lambda: table(cli.screen, columns, rows) if found else [])


def _set(cli: Cli, args: argparse.Namespace) -> int:
    made = cli.project.set_secret(args.name, args.provider, args.path)
    return cli.answer({"secret": _shown(made)}, [f"{made.name}  {made.provider} {made.path}"])
