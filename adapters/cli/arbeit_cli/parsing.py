"""From words to a command's arguments: global options anywhere, one parser built, usage errors as values."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterable, Sequence
from importlib import import_module
from typing import TYPE_CHECKING, NoReturn

from arbeit_cli.commands import COMMANDS, FAMILIES, GROUPS

if TYPE_CHECKING:
    from arbeit_cli.cli import Cli

Run = Callable[["Cli", argparse.Namespace], int]
"""Runs a command, and returns its exit code."""

WIDTH = 80
_WITH_VALUE = frozenset({"--db", "--project", "--as"})
GLOBAL = _WITH_VALUE | {"--json", "--no-color", "-h", "--help", "--version"}
"""Options that stand before a command as well as after it."""


class UsageError(Exception):
    """Words that make no sense; `usage` is how the command is said."""

    def __init__(self, message: str, *suggestions: str, usage: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.usage = usage
        self.suggestions = suggestions


class Formatter(argparse.RawDescriptionHelpFormatter):
    """Help that fits into 80 columns, whatever the terminal."""

    def __init__(self, prog: str) -> None:
        super().__init__(prog, max_help_position=28, width=WIDTH - 1)

    def _format_action_invocation(self, action: argparse.Action) -> str:
        # `-l, --label TEXT` rather than `-l TEXT, --label TEXT`.
        if not action.option_strings or action.nargs == 0:
            return super()._format_action_invocation(action)
        return f"{', '.join(action.option_strings)} {self._format_args(action, (action.dest or '').upper())}"


class Parser(argparse.ArgumentParser):
    """A parser for one command, with the global options; raises UsageError."""

    def __init__(self, name: str) -> None:
        super().__init__(prog=f"arbeit {name}", add_help=False, allow_abbrev=False, formatter_class=Formatter)
        self._positionals.title = "arguments"
        self.color = False  # newer argparse would colour help by rules of its own
        self.takes_command = False
        """Whether words after `--` are a command line of their own, kept in `args.command_line`."""
        self.shared = self.add_argument_group("everywhere")
        self.shared.add_argument("--db", metavar="URL", help="the database: a file or a URL (ARBEIT_DB)")
        self.shared.add_argument("--project", metavar="KEY", help="the project in it (ARBEIT_PROJECT)")
        self.shared.add_argument("--as", dest="agent", metavar="NAME", help="who you are (ARBEIT_AGENT)")
        self.shared.add_argument("--json", action="store_true", help="answer in JSON")
        self.shared.add_argument("--no-color", action="store_true", help="no colours (NO_COLOR)")
        self.shared.add_argument("-h", "--help", action="store_true", help="show this help")

    def error(self, message: str) -> NoReturn:
        """Raise what argparse found wrong."""
        raise UsageError(message, f"{self.prog} --help", usage=self.usage_line())

    def usage_line(self) -> str:
        """How the command is said: its name and its positional arguments."""
        words = [self.prog, "[options]"]
        words += [_said(action) for action in self.positionals()]
        if self.takes_command:
            words.append("-- COMMAND...")
        return " ".join(words)

    def positionals(self) -> list[argparse.Action]:
        """The arguments without a name."""
        return [action for action in self._actions if not action.option_strings]

    def options(self) -> list[argparse.Action]:
        """The arguments with a name, global ones too."""
        return [action for action in self._actions if action.option_strings]

    def format_help(self) -> str:
        """Usage, what the command does, its arguments, and examples."""
        self.usage = self.usage_line().replace("%", "%%")
        from arbeit_cli.tables import fold  # noqa: PLC0415 - for help alone

        # Written by hand as it shall look, but for lines that would not fit.
        lines = (self.epilog or "").split("\n")
        self.epilog = "\n".join(piece for line in lines for piece in fold(line, WIDTH))
        # Global options are the same everywhere: they stand at the end.
        self._action_groups.sort(key=lambda group: group is self.shared)
        return super().format_help()

    def arrange(self, words: Sequence[str]) -> tuple[list[str], list[str]]:
        """The words in an order that argparse reads rightly, and those after `--` of a command that takes them.

        Options come first, each joined with its value, so that values may begin with a hyphen and positional
        arguments may stand anywhere.
        """
        options: list[str] = []
        plain: list[str] = []
        rest: list[str] = []
        queue = list(reversed(words))
        while queue:
            word = queue.pop()
            if word == "--":
                tail = list(reversed(queue))
                rest, plain = (tail, plain) if self.takes_command else ([], plain + tail)
                break
            if not word.startswith("-") or word == "-":
                plain.append(word)
            else:
                options += self._option(word, queue)
        return [*options, "--", *plain] if plain else options, rest

    def _option(self, word: str, queue: list[str]) -> list[str]:
        name, equals, _ = word.partition("=")
        action = self._option_string_actions.get(name if word.startswith("--") else word)
        if action is None and not word.startswith("--"):
            return self._cluster(word, queue)
        if action is None or equals or action.nargs == 0 or not queue:
            return [word]
        long = next((one for one in action.option_strings if one.startswith("--")), word)
        if action.nargs == "?" and not _fits(action, queue[-1]):
            return [long]
        return [f"{long}={queue.pop()}"]

    def _cluster(self, word: str, queue: list[str]) -> list[str]:
        """`-nm text`, which is `-n -m text`, and `-mtext`."""
        found: list[str] = []
        for at, letter in enumerate(word[1:], start=1):
            action = self._option_string_actions.get(f"-{letter}")
            if action is None:
                return [word]
            if action.nargs == 0:
                found.append(f"-{letter}")
                continue
            if word[at + 1 :]:
                queue.append(word[at + 1 :])
            return [*found, *self._option(f"-{letter}", queue)]
        return found


def _said(action: argparse.Action) -> str:
    name = action.metavar if isinstance(action.metavar, str) else action.dest.upper()
    forms = {"?": f"[{name}]", "*": f"[{name}...]", "+": f"{name}..."}
    return forms.get(str(action.nargs), name)


def _fits(action: argparse.Action, word: str) -> bool:
    """Whether a word can be the value of an option that may go without one."""
    if not callable(action.type):
        return not word.startswith("-")
    try:
        action.type(word)
    except (argparse.ArgumentTypeError, TypeError, ValueError):
        return False
    return True


def build(name: str) -> tuple[Parser, Run]:
    """The parser of a command, and what runs it."""
    entry = COMMANDS[name]
    parser = Parser(name)
    parser.description = f"{entry.help[0].upper()}{entry.help[1:]}."
    run: Run = import_module(f"arbeit_cli.commands.{entry.module}").configure(parser, name)
    return parser, run


def split(words: Sequence[str]) -> tuple[str | None, list[str]]:
    """The command that words name (None: none), and the other words in their order.

    Where help is asked for on several commands that begin with the same word, none is named, and it stands first.

    Raises:
        UsageError: there is no such command.
    """
    at = 0
    while at < len(words) and words[at].startswith("-") and words[at] != "--":
        at += 2 if words[at] in _WITH_VALUE else 1
    if at >= len(words) or words[at] == "--":
        return None, list(words)
    if words[at] == "help":
        words = [*words[:at], *words[at + 1 :], "--help"]
        if words[at].startswith("-"):
            return None, words
    first, following = words[at], words[at + 1 : at + 2]
    two = f"{first} {following[0]}" if following else ""
    if two in COMMANDS:
        return two, [*words[:at], *words[at + 2 :]]
    if first in COMMANDS:
        return first, [*words[:at], *words[at + 1 :]]
    if first in FAMILIES:
        if {"-h", "--help"} & {*words[at:]}:
            return None, list(words[at:])
        below = _seconds(first)
        what = f"arbeit {first} needs one of {', '.join(below)}"
        raise UsageError(what, *(f"arbeit {first} {one} --help" for one in below), usage=f"arbeit {first} COMMAND")
    raise UsageError(f"there is no command {_printable(first)}", *_meant(first), usage="arbeit [options] COMMAND")


def parse(parser: Parser, words: Sequence[str]) -> argparse.Namespace:
    """A command's arguments.

    Raises:
        UsageError: they make no sense.
    """
    arranged, rest = parser.arrange(words)
    if any(word in {"-h", "--help"} for word in arranged[: arranged.index("--") if "--" in arranged else None]):
        return argparse.Namespace(help=True, json=False, no_color=False)
    args, unknown = parser.parse_known_args(arranged)
    if unknown:
        _refuse_unknown(parser, unknown[0])
    args.command_line = rest
    return args


def _refuse_unknown(parser: Parser, word: str) -> NoReturn:
    hints = [f"{parser.prog} --help"]
    if not word.startswith("-"):
        raise UsageError(f"there is a word too many: {_printable(word)}", *hints, usage=parser.usage_line())
    known = (name for action in parser.options() for name in action.option_strings)
    close = _close(word.partition("=")[0], known)
    hints[:0] = [f"Did you mean {one}?" for one in close]
    raise UsageError(f"there is no option {_printable(word)}", *hints, usage=parser.usage_line())


def _meant(word: str) -> list[str]:
    close = _close(word, (name.partition(" ")[0] for name in COMMANDS))
    return [f"Did you mean arbeit {' or arbeit '.join(close)}?"] if close else ["arbeit --help lists the commands."]


def _close(word: str, known: Iterable[str]) -> list[str]:
    from difflib import get_close_matches  # noqa: PLC0415 - after a mistake only

    return get_close_matches(word, sorted(set(known)), n=2, cutoff=0.6)


def _printable(word: str) -> str:
    return "".join(sign if sign.isprintable() else "\ufffd" for sign in word[:60])


def overview() -> str:
    """What `arbeit --help` prints: every command by group."""
    lines = ["usage: arbeit [options] COMMAND ...", "", "Coordinates teams of AI agents: tasks, claims, evidence.", ""]
    for group, title in GROUPS.items():
        lines.append(f"{title}:")
        families: dict[str, str] = {}
        for name, entry in COMMANDS.items():
            if entry.group == group:
                first, _, second = name.partition(" ")
                if second and first in families:
                    continue
                families[first] = entry.help if not second else _family(first)
        lines += [f"  {name:<12} {text}" for name, text in families.items()]
        lines.append("")
    lines += [
        "Options, before or after the command:",
        "  --db URL        the database: a file or a URL (ARBEIT_DB); otherwise the",
        "                  nearest .arbeit/arbeit.db, looked for upwards from here",
        "  --project KEY   the project in it (ARBEIT_PROJECT)",
        "  --as NAME       who you are (ARBEIT_AGENT); otherwise user@host",
        "  --json          answer in JSON: the envelope alone on standard output",
        "  --no-color      no colours (NO_COLOR)",
        "  --version       show the version",
        "",
        "Exit codes: 0 done, 1 refused, 2 not understood, 3 not found,",
        "            4 a race or a lease was lost, 5 nothing is ready.",
        "",
        "arbeit COMMAND --help says more.",
    ]
    return "\n".join(lines) + "\n"


def is_family(word: str) -> bool:
    """Whether several commands begin with a word that is none by itself."""
    return word in FAMILIES


def family(first: str) -> str:
    """What `--help` prints for the commands that begin with a word."""
    lines = [f"usage: arbeit {first} COMMAND [options]", "", f"{FAMILIES[first][0].upper()}{FAMILIES[first][1:]}.", ""]
    lines += [f"  {second:<12} {COMMANDS[f'{first} {second}'].help}" for second in _seconds(first)]
    return "\n".join([*lines, "", f"arbeit {first} COMMAND --help says more."]) + "\n"


def _family(first: str) -> str:
    *some, last = _seconds(first)
    return f"{', '.join(some)} or {last}: {FAMILIES[first]}"


def _seconds(first: str) -> list[str]:
    return [name.partition(" ")[2] for name in COMMANDS if name.startswith(f"{first} ")]
