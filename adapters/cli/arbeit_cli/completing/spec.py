"""What can be completed: every command with its options and arguments, as its parser has them."""

from __future__ import annotations

import argparse
from typing import NamedTuple

from arbeit_cli import parsing
from arbeit_cli.commands import COMMANDS

GLOBAL_WITH_VALUE = ("--db", "--project", "--as")


class Value(NamedTuple):
    """What a value may be: one of `choices`, or of a kind (task, file, none)."""

    kind: str
    choices: tuple[str, ...] = ()


class Option(NamedTuple):
    """An option: its names, what it does, and the value it takes (None: none)."""

    names: tuple[str, ...]
    help: str
    value: Value | None


class Command(NamedTuple):
    """A command: its words, what it does, its options and its arguments in order."""

    name: str
    help: str
    options: tuple[Option, ...]
    arguments: tuple[Value, ...]
    takes_command: bool


def commands() -> list[Command]:
    """Every command that there is."""
    found = []
    for name, entry in COMMANDS.items():
        parser, _ = parsing.build(name)
        options = [
            Option(tuple(action.option_strings), _plain(action.help), None if action.nargs == 0 else _value(action))
            for action in parser.options()
        ]
        arguments = [_value(action) for action in parser.positionals()]
        found.append(Command(name, entry.help, tuple(options), tuple(arguments), parser.takes_command))
    return found


def _plain(text: str | None) -> str:
    return (text or "").replace("%%", "%")


def _value(action: argparse.Action) -> Value:
    if action.choices is not None:
        return Value("choice", tuple(str(choice) for choice in action.choices))
    said = action.metavar if isinstance(action.metavar, str) else action.dest.upper()
    if "TASK" in said:
        return Value("task")
    if "FILE" in said or "FOLDER" in said or said == "DIR":
        return Value("file")
    return Value("file" if "--db" in action.option_strings else "none")
