"""Records what is known of a task: one command for each type of entry."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

from arbeit_cli import draw, words
from arbeit_cli.failing import RefusedError

if TYPE_CHECKING:
    from arbeit_cli.cli import Cli
    from arbeit_cli.parsing import Parser, Run

_TYPES = {"decide": "decision", "user-input": "user_input"}


def configure(parser: Parser, name: str) -> Run:
    """`arbeit note`, `decide`, `attempt` and the other types of entries."""
    kind = _TYPES.get(name, name)
    parser.add_argument(
        "words", nargs="*", metavar="[TASK] TEXT",
        help="what to record; - reads standard input. TASK may be left out where you hold just one",
    )  # fmt: skip
    words.message(parser, "the text, instead")
    if kind == "decision":
        parser.add_argument("--why", metavar="TEXT", help="the reason, beside it")
    parser.add_argument("-e", "--evidence", action="append", metavar="TEXT", help="what proves it; may be repeated")
    parser.add_argument("--metadata", metavar="JSON", help="whatever else, as a JSON object")
    parser.add_argument("--supersedes", metavar="ENTRY", help="the entry that it takes the place of")
    parser.epilog = {
        "decision": '  arbeit decide "Pin the seed" --why "The failure follows the hash order"',
        "attempt": '  arbeit attempt tkt-1 "Ran it with 4 workers" -e "pytest -n 4: 1 failed"',
        "note": '  arbeit note "The fixture is slow"\n  git diff --stat | arbeit note tkt-1 -',
    }.get(kind, f'  arbeit {name} tkt-1 "..."')

    def run(cli: Cli, args: argparse.Namespace) -> int:
        return _record(cli, args, kind)

    return run


def _record(cli: Cli, args: argparse.Namespace, kind: str) -> int:
    task, text = words.task_and_text(args, "text")
    if text is None:
        hint = f'arbeit {kind if kind not in _TYPES.values() else "note"} TASK "what to record"'
        raise RefusedError("INVALID_INPUT", "there is nothing to record", [hint, "Or pipe it in, and say -."])
    metadata = words.json_object(args.metadata, "--metadata") or {}
    if getattr(args, "why", None):
        metadata["rationale"] = args.why
    data = cli.do(
        "context_add",
        task_id=cli.held_task(task),
        type=kind,
        content=text,
        metadata=metadata or None,
        evidence=tuple(args.evidence) if args.evidence else None,
        supersede_entry_id=args.supersedes,
    )
    entry, screen = data["entry"], cli.screen
    line = f"{screen.paint(entry['id'], 'dim')}  {entry['type']} of {draw.painted_id(screen, entry['task_id'])}"
    return cli.answer(data, [line])
