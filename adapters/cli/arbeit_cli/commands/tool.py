"""`arbeit tool`: any agent tool by name, with JSON; `arbeit tools`: their schemas."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING, Any

from arbeit_cli.failing import OK, RefusedError, exit_code
from arbeit_cli.times import seconds

if TYPE_CHECKING:
    from collections.abc import Mapping
    from contextlib import ExitStack

    from arbeit.sync import Project, Toolset
    from arbeit_cli.cli import Cli
    from arbeit_cli.parsing import Parser, Run

_FORMATS = ("mcp", "openai", "anthropic")
_PROFILES = ("core", "standard", "full")


def configure(parser: Parser, name: str) -> Run:
    """Add the arguments of `tool` or `tools`."""
    if name == "tools":
        parser.add_argument("--format", choices=_FORMATS, default="mcp", help="mcp, openai or anthropic")
        parser.add_argument("--profile", choices=_PROFILES, default="standard", help="core, standard or full")
        parser.epilog = "Prints a JSON array. With --json it stands in an envelope."
        return _tools
    parser.add_argument("tool", metavar="NAME", help="the tool, with or without arbeit_")
    parser.add_argument(
        "arguments", nargs="?", metavar="JSON", help="its arguments as an object; - reads standard input"
    )
    parser.add_argument("--body-file", metavar="FILE", help="read the arguments from a file; - reads standard input")
    parser.add_argument("--ttl", type=seconds, metavar="TIME", help="how long a claim lasts, such as 2h (default: 30m)")
    parser.epilog = (
        "Prints the envelope, of an error too, on standard output; exit codes as ever.\n\n"
        '  arbeit tool task_claim \'{"capabilities": ["python"]}\'\n'
        '  echo \'{"title": "Sweep"}\' | arbeit tool arbeit_task_create -'
    )
    return _tool


def _tool(cli: Cli, args: argparse.Namespace) -> int:
    from contextlib import ExitStack  # noqa: PLC0415 - not for help

    from arbeit.sync import Toolset  # noqa: PLC0415 - as above
    from arbeit_cli.screen import dumps  # noqa: PLC0415 - as above
    from arbeit_cli.text import body  # noqa: PLC0415 - as above

    with ExitStack() as opened:
        try:
            said = body(args.arguments, args.body_file, name="arguments")
            if args.tool.removeprefix("arbeit_") == "init":
                tools = _beginning(cli, opened)
            else:
                tools = Toolset(cli.project, holdings=cli.holdings, ttl=_ttl(args.ttl))
            envelope = tools.call(args.tool, said if said is not None else {})
        except RefusedError as error:
            envelope = error.envelope
        except ModuleNotFoundError as error:
            if error.name != "cattrs":
                raise
            hints = ["pip install 'arbeit-cli[tools]'"]
            raise RefusedError(
                "STORE_UNAVAILABLE", "arbeit tool needs cattrs, which is not installed", hints
            ) from error
    cli.screen.say(dumps(envelope))
    return OK if envelope["success"] else exit_code(envelope["error"]["code"])


def _ttl(said: float | None) -> float:
    from arbeit_cli.cli import LEASE_SECONDS  # noqa: PLC0415 - loaded already

    return LEASE_SECONDS if said is None else said


def _beginning(cli: Cli, opened: ExitStack) -> Toolset:
    """The tools for `arbeit_init`, which makes the project: where --db says, or in this folder."""
    from arbeit import ArbeitError  # noqa: PLC0415 - for this one tool
    from arbeit.sync import Toolset  # noqa: PLC0415 - as above
    from arbeit_cli.beginning import initialise  # noqa: PLC0415 - as above

    def begin(settings: Mapping[str, Any]) -> tuple[Project, str]:
        try:
            made, path = initialise(cli, settings)
        except RefusedError as error:
            raise ArbeitError(error.code, error.message, suggestions=tuple(error.suggestions)) from error
        opened.enter_context(made)
        return made.project, path

    return Toolset(None, begin=begin)


def _tools(cli: Cli, args: argparse.Namespace) -> int:
    import json  # noqa: PLC0415 - not for help

    from arbeit.toolset import schemas  # noqa: PLC0415 - as above

    found = schemas(args.format, args.profile)
    return cli.answer(found, lambda: json.dumps(found, indent=2, ensure_ascii=False).splitlines(), OK)
