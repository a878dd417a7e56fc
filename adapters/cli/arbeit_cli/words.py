"""Arguments that several commands have, declared and read alike."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from arbeit_cli.failing import RefusedError
from arbeit_cli.text import body
from arbeit_cli.times import seconds

if TYPE_CHECKING:
    from arbeit_cli.parsing import Parser

STATUSES = ("open", "in_progress", "in_review", "blocked", "completed", "cancelled")
UNFINISHED = STATUSES[:4]
PRIORITIES = ("critical", "high", "normal", "low")
PAGE = 50


def task(parser: Parser, *, held: bool = False) -> None:
    """The task; of one that is held, it may be left out where it is the only one."""
    about = "the task; may be left out where you hold just one" if held else "the task"
    parser.add_argument("task", nargs="?" if held else None, metavar="TASK", help=about)


def message(parser: Parser, what: str) -> None:
    """A text: `-m`, or a file."""
    parser.add_argument("-m", "--message", metavar="TEXT", help=f"{what}; - reads standard input")
    parser.add_argument("--body-file", metavar="FILE", help="read it from a file; - reads standard input")


def said(args: argparse.Namespace, name: str = "message") -> str | None:
    """The text of `message`."""
    return body(args.message, args.body_file, name=name)


def lease(parser: Parser) -> None:
    """How long a claim lasts."""
    parser.add_argument(
        "--ttl", type=seconds, metavar="TIME", help="how long the claim lasts, such as 2h (default: 30m)"
    )


def able(parser: Parser) -> None:
    """What an agent can do, and where it looks."""
    parser.add_argument(
        "-c", "--capability", action="append", metavar="NAME", help="what you can do (default: what you registered)"
    )
    parser.add_argument("--queue", action="append", metavar="NAME", help="claim from these queues only")


def page(parser: Parser, what: str) -> None:
    """A page of a list, or all of it."""
    parser.add_argument("--limit", type=int, metavar="N", help=f"{what} on a page (default: {PAGE})")
    parser.add_argument("--cursor", metavar="CURSOR", help="go on where a page ended")
    parser.add_argument("--all", action="store_true", help="every page")


def split(values: Sequence[str] | None) -> list[str] | None:
    """Names that were given one by one, or joined by commas."""
    if values is None:
        return None
    return [name.strip() for value in values for name in value.split(",") if name.strip()]


def task_and_text(args: argparse.Namespace, name: str) -> tuple[str | None, str | None]:
    """`[TASK] TEXT`, or `[TASK]` where the text comes otherwise: the task if it was named, and the text."""
    words: list[str] = args.words
    elsewhere = args.message is not None or args.body_file is not None
    most = 1 if elsewhere else 2
    if len(words) > most:
        hint = 'Say it as one word: "in quotes".'
        raise RefusedError("INVALID_INPUT", f"there are {len(words)} words where {most} make sense", [hint])
    if elsewhere:
        return (words[0] if words else None), said(args, name)
    return (words[0] if len(words) == 2 else None), body(words[-1] if words else None, name=name)  # noqa: PLR2004 - task and text


def json_object(value: str | None, name: str) -> dict[str, Any] | None:
    """A JSON object given as text.

    Raises:
        RefusedError: INVALID_INPUT for anything else.
    """
    if value is None:
        return None
    import json  # noqa: PLC0415 - for those who say JSON

    try:
        found = json.loads(value)
    except ValueError as error:
        raise RefusedError("INVALID_INPUT", f"{name} is not JSON: {error}", ["Such as '{\"pages\": 3}'."]) from error
    if not isinstance(found, dict):
        raise RefusedError("INVALID_INPUT", f"{name} is no JSON object", ["Such as '{\"pages\": 3}'."])
    return found
