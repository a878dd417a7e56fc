"""The agents of a project."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING, Any

import arbeit
from arbeit_cli import draw, words
from arbeit_cli.tables import Column, table

if TYPE_CHECKING:
    from arbeit_cli.cli import Cli
    from arbeit_cli.parsing import Parser, Run


def configure(parser: Parser, name: str) -> Run:
    """`arbeit agents` and `arbeit agents set`."""
    if name == "agents":
        return _agents
    parser.add_argument("who", nargs="?", metavar="AGENT", help="whom (default: you)")
    parser.add_argument("--name", metavar="TEXT", help="its name for people")
    parser.add_argument("--persona", metavar="WORD", help="planner, implementer, reviewer, supervisor or any other")
    parser.add_argument("-c", "--capability", action="append", metavar="NAME", help="what it can do; may be repeated")
    parser.add_argument("--max-leases", metavar="N", help="how many tasks it may hold at a time; none: any number")
    parser.add_argument("--metadata", metavar="JSON", help="whatever else, as a JSON object")
    parser.epilog = (
        "Claiming makes an agent known, too. What is not named stays as it is.\n\n"
        "  arbeit agents set impl-1 -c python,docker --max-leases 1\n  arbeit agents set boss --persona supervisor"
    )
    return _set


def _agents(cli: Cli, _args: argparse.Namespace) -> int:
    from arbeit.toolset.answers import agent  # noqa: PLC0415 - not for help

    found = [agent(one) for one in cli.project.agents()]
    columns = (
        Column("AGENT", styles=("cyan",)),
        Column("PERSONA"),
        Column("HOLDS", right=True),
        Column("AT MOST", right=True),
        Column("CAN", gives=True),
        Column("SEEN", styles=("dim",)),
    )

    def lines() -> list[str]:
        rows = (
            (
                one["id"],
                one.get("persona", ""),
                str(one.get("active_leases", 0)),
                str(one.get("max_leases", "")),
                ", ".join(one.get("capabilities", ())),
                draw.when(cli.screen, one["last_seen_at"]),
            )
            for one in found
        )
        return table(cli.screen, columns, rows)

    if not found:
        cli.screen.hint("Nobody yet. Claiming makes an agent known, and so does arbeit agents set NAME.")
    return cli.answer({"agents": found}, lambda: lines() if found else [])


def _set(cli: Cli, args: argparse.Namespace) -> int:
    from arbeit.toolset.answers import agent  # noqa: PLC0415 - not for help

    most = number(args.max_leases, "--max-leases")
    unset = arbeit.UNSET
    capabilities = words.split(args.capability)
    metadata = words.json_object(args.metadata, "--metadata")
    made = cli.project.register_agent(
        args.who if args.who is not None else cli.agent,
        name=unset if args.name is None else args.name,
        persona=unset if args.persona is None else args.persona,
        capabilities=unset if capabilities is None else capabilities,
        max_leases=most,
        metadata=unset if metadata is None else metadata,
    )
    data = {"agent": agent(made)}
    able = f": {', '.join(made.capabilities)}" if made.capabilities else ""
    return cli.answer(data, [f"{cli.screen.paint(made.id, 'cyan')}  {made.persona or 'agent'}{able}"])


def number(said: str | None, name: str) -> Any:  # noqa: ANN401 - a number, None or UNSET, whose type has no public name
    """A number, no limit (`none`), or nothing said.

    Raises:
        RefusedError: INVALID_INPUT for anything else.
    """
    if said is None:
        return arbeit.UNSET
    if said.lower() == "none":
        return None
    if said.isdecimal():
        return int(said)
    from arbeit_cli.failing import RefusedError  # noqa: PLC0415 - a mistake only

    raise RefusedError("INVALID_INPUT", f"{name} is {said!r}, which is no number", ["Say a number, or none."])
