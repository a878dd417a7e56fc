"""`arbeit completion`: scripts that complete commands, options and tasks in a shell."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

from arbeit_cli.failing import OK

if TYPE_CHECKING:
    from arbeit_cli.cli import Cli
    from arbeit_cli.parsing import Parser, Run

_TASKS = 200
"""Tasks that are offered at most: the newest."""


def configure(parser: Parser, _name: str) -> Run:
    """Add the arguments of `completion`."""
    shells = ("bash", "zsh", "fish", "tasks")
    parser.add_argument("shell", metavar="SHELL", choices=shells, help="bash, zsh or fish")
    parser.epilog = (
        'bash: eval "$(arbeit completion bash)" in ~/.bashrc\n'
        "zsh:  source <(arbeit completion zsh) in ~/.zshrc, after compinit\n"
        "fish: arbeit completion fish > ~/.config/fish/completions/arbeit.fish"
    )
    return run


def run(cli: Cli, args: argparse.Namespace) -> int:
    """Print the script; or, for the scripts, the tasks that are not finished."""
    if args.shell == "tasks":
        return _tasks(cli)
    from arbeit_cli.completing.scripts import script  # noqa: PLC0415 - builds every parser there is

    text = script(args.shell)
    return cli.answer({"shell": args.shell, "script": text}, text.splitlines(), OK)


def _tasks(cli: Cli) -> int:
    """Print id and title of unfinished tasks; nothing where that is not possible, for nobody reads an error here."""
    from arbeit_cli.drawing.labels import one_line  # noqa: PLC0415 - for shells only

    try:
        page = cli.project.find(status=("open", "in_progress", "in_review", "blocked"), sort="-created", limit=_TASKS)
    except Exception:  # noqa: BLE001 - a shell that completes shows no errors
        return OK
    cli.screen.say(*(f"{task.id}\t{one_line(task.title, 60)}" for task in page.tasks))
    return OK
