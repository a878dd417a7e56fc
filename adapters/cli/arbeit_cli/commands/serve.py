"""`arbeit mcp`, `arbeit serve` and `arbeit demo`."""

from __future__ import annotations

import argparse
import os
from typing import TYPE_CHECKING

from arbeit_cli.failing import RefusedError
from arbeit_cli.parsing import UsageError

if TYPE_CHECKING:
    from arbeit_cli.cli import Cli
    from arbeit_cli.parsing import Parser, Run


def configure(parser: Parser, name: str) -> Run:
    """Add the arguments of `mcp`, `serve` or `demo`."""
    if name == "mcp":
        parser.takes_command = True
        parser.epilog = (
            "Starts arbeit-mcp on standard streams, with this database, project and name.\n"
            "Its own options stand after --:\n\n"
            "  arbeit mcp -- --profile core\n"
            "  arbeit mcp -- --help"
        )
        return _mcp
    if name == "serve":
        parser.epilog = "Not there yet: use the library, the MCP server (arbeit mcp), or this command line."
        return _serve
    parser.add_argument("--tasks", type=_count, default=8, metavar="N", help="how many tasks (8, at most 50)")
    parser.epilog = "Works on a temporary database, and leaves nothing behind."
    return _demo


def _count(said: str) -> int:
    value = int(said)
    if not 2 <= value <= 50:  # noqa: PLR2004 - some seconds' worth
        raise argparse.ArgumentTypeError("must be 2 to 50")
    return value


def _mcp(cli: Cli, args: argparse.Namespace) -> int:
    try:
        from arbeit_mcp.__main__ import main  # noqa: PLC0415 - a package of its own
    except ModuleNotFoundError as error:
        if error.name is None or not error.name.startswith(("arbeit_mcp", "mcp")):
            raise
        hints = ["pip install arbeit-mcp"]
        raise RefusedError(
            "STORE_UNAVAILABLE", "the MCP server is a package of its own, not installed", hints
        ) from error
    words = [*args.command_line]
    for option, value in (("--db", args.db), ("--project", args.project), ("--as", args.agent)):
        if value is not None:
            words = [option, value, *words]
    cli.screen.flush()
    return main(words)


def _serve(_cli: Cli, _args: argparse.Namespace) -> int:
    raise UsageError(
        "there is no REST server yet",
        "arbeit mcp serves the tools to MCP clients.",
        "One file serves any number of processes on a machine: arbeit.open, arbeit.sync.open.",
        usage="arbeit serve",
    )


def _demo(cli: Cli, args: argparse.Namespace) -> int:
    from arbeit_cli.demonstration import show  # noqa: PLC0415 - not for help

    return show(cli, tasks=args.tasks, seed=os.environ.get("ARBEIT_DEMO_SEED", "arbeit"))
