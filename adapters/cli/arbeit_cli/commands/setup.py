"""`arbeit setup`: writes hooks, server entries and instructions for a coding agent, and takes them out again."""

from __future__ import annotations

import argparse
import shutil
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from arbeit_cli.failing import OK, USAGE, RefusedError

if TYPE_CHECKING:
    from arbeit_cli.cli import Cli
    from arbeit_cli.parsing import Parser, Run
    from arbeit_cli.screen import Screen
    from arbeit_cli.setting_up.plan import Step

AGENTS = ("claude-code", "codex", "cursor", "gemini", "opencode")


def configure(parser: Parser, _name: str) -> Run:
    """Add the arguments of `setup`."""
    parser.add_argument("agent", metavar="AGENT", choices=AGENTS, help=", ".join(AGENTS))
    parser.add_argument("--dry-run", action="store_true", help="show what would change, and change nothing")
    parser.add_argument("-y", "--yes", action="store_true", help="change it without asking")
    parser.add_argument("--undo", action="store_true", help="take everything back that was set up")
    parser.add_argument("--cli", action="store_true", help="hooks and instructions for the command line alone")
    parser.add_argument("--mcp", action="store_true", help="the MCP server alone")
    parser.add_argument("--global", dest="everywhere", action="store_true", help="for all projects of this user")
    parser.epilog = (
        "Shows a diff first. Everything else in the files stays as it is, also their\n"
        "indentation, remarks and line ends; --undo brings back what was there.\n"
        "Without --cli or --mcp: the command line, and the MCP server if arbeit-mcp is\n"
        "installed.\n\n"
        "exit codes: 0 done, or nothing to do; 2 there is something to do, and nobody\n"
        "to ask: nothing was changed (say --yes)"
    )
    return run


def run(cli: Cli, args: argparse.Namespace) -> int:
    """Show what changes, ask, change it."""
    from arbeit_cli.setting_up import agents, plan  # noqa: PLC0415 - not for help
    from arbeit_cli.setting_up.texts import Ledger  # noqa: PLC0415 - not for help

    place = agents.Place(Path.home() if args.everywhere else _root(), args.everywhere)
    wanted_cli, wanted_mcp = _wanted(args)
    ledger = Ledger()
    targets = agents.targets(args.agent, place, cli=wanted_cli, mcp=wanted_mcp)
    steps = plan.steps_to_undo(targets, ledger, args.agent) if args.undo else plan.steps_to_set_up(targets)
    for step in steps:
        if step.note:
            cli.warnings.append(f"KEPT: {step.path}: {step.note}")
    missing = wanted_mcp and not args.undo and shutil.which(agents.SERVER) is None
    if missing:
        cli.warnings.append(f"MISSING: {agents.SERVER} is not on the path yet: pip install arbeit-mcp")
    changing = [step for step in steps if step.changes]
    data = _as_json(args, steps)
    if not changing:
        if not args.dry_run:
            plan.carry_out(steps, ledger, args.agent, undo=args.undo)  # remembers for whom it is in place
        said = "nothing of it is there" if args.undo else "it is in place already"
        return cli.answer(data, [f"{agents.title(args.agent)}: {said}."], OK)
    if args.dry_run:
        return cli.answer(data, lambda: _diffs(cli.screen, changing), OK)
    if not args.yes:
        refused = _ask(cli, changing, undo=args.undo)
        if refused is not None:
            return refused
    plan.carry_out(steps, ledger, args.agent, undo=args.undo)
    data["changed"] = True
    verb = "taken back" if args.undo else "set up"
    lines = [*_listed(changing), f"{agents.title(args.agent)} is {verb}."]
    if not args.undo:
        lines.append(f"To take it back: arbeit setup {args.agent} --undo{' --global' if args.everywhere else ''}")
    return cli.answer(data, lines, OK)


def _wanted(args: argparse.Namespace) -> tuple[bool, bool]:
    """Whether the command line is to be set up, and whether the server."""
    if args.cli or args.mcp:
        return args.cli, args.mcp
    if args.undo:
        return not (args.everywhere and args.agent == "cursor"), not (args.everywhere and args.agent == "claude-code")
    from arbeit_cli.setting_up.agents import SERVER  # noqa: PLC0415 - not for help

    installed = shutil.which(SERVER) is not None
    if args.everywhere and args.agent == "claude-code":
        return True, False
    if args.everywhere and args.agent == "cursor":
        return False, True
    return True, installed


def _root() -> Path:
    """The project's folder: the one with `.arbeit`, looked for upwards, else this one."""
    from arbeit.places import inside  # noqa: PLC0415 - not for help
    from arbeit_cli.place import working_folder  # noqa: PLC0415 - not for help

    here = working_folder()
    return next((one for one in (here, *here.parents) if inside(one).is_there), here)


def _as_json(args: argparse.Namespace, steps: list[Step]) -> dict[str, Any]:
    files = [
        {
            "path": str(step.path),
            "what": step.what,
            "action": _action(step) if step.changes else "none",
            "diff": step.diff() if step.changes else "",
        }
        for step in steps
    ]
    return {"agent": args.agent, "undo": args.undo, "changed": False, "files": files}


def _action(step: Step) -> str:
    if step.old is None:
        return "create"
    return "remove" if step.new is None else "change"


def _listed(steps: list[Step]) -> list[str]:
    return [f"{_action(step):<6}  {step.path}: {step.what}" for step in steps]


def _diffs(screen: Screen, steps: list[Step]) -> list[str]:
    styles = {"+": "green", "-": "red", "@": "cyan"}
    lines = []
    for step in steps:
        lines.append(screen.paint(f"{_action(step)} {step.path}: {step.what}", "bold"))
        for line in step.diff().split("\n"):
            style = styles.get(line[:1])
            lines.append(screen.paint(line, style) if style else line)
        lines.append("")
    return lines


def _ask(cli: Cli, changing: list[Step], *, undo: bool) -> int | None:
    """Show the changes and ask; the exit code if they are not to be made."""
    screen = cli.screen
    if screen.json or not (screen.terminal and sys.stdin.isatty()):
        if not screen.json:
            screen.say(*_diffs(screen, changing))
        raise RefusedError(
            "INVALID_INPUT",
            f"{len(changing)} files would change, and there is nobody to ask: nothing was changed",
            ["Say --yes to change them, or --dry-run to see the changes alone."],
        )
    screen.say(*_diffs(screen, changing))
    screen.out.write(f"{'Take this back' if undo else 'Change this'}? [y/N] ")
    screen.out.flush()
    if sys.stdin.readline().strip().lower() in {"y", "yes"}:
        return None
    screen.say("Nothing was changed.")
    return USAGE
