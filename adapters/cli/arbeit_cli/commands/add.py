"""Adds a task."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

from arbeit_cli import draw, words
from arbeit_cli.text import body
from arbeit_cli.times import moment, seconds

if TYPE_CHECKING:
    from arbeit_cli.cli import Cli
    from arbeit_cli.parsing import Parser, Run


def configure(parser: Parser, _name: str) -> Run:
    """`arbeit add`."""
    parser.add_argument("title", nargs="+", metavar="TITLE", help="what is to be done, in one line")
    parser.add_argument("-i", "--intent", metavar="TEXT", help="why")
    parser.add_argument("-d", "--description", metavar="TEXT", help="the whole of it; - reads standard input")
    parser.add_argument("--body-file", metavar="FILE", help="read the description from a file; - reads standard input")
    fields(parser)
    parser.add_argument("--parent", metavar="TASK", help="the task that it is part of")
    parser.add_argument("--blocked-by", action="append", metavar="TASK", help="a task to be finished first")
    parser.add_argument("--item", action="append", metavar="TEXT", help="a line of its checklist")
    parser.add_argument("--inputs", metavar="JSON", help="what it works on, as a JSON object")
    parser.add_argument("--id", metavar="ID", help="an id of your own")
    parser.add_argument("--key", metavar="TEXT", help="an idempotency key: said again, nothing is added again")
    parser.add_argument("-q", "--quiet", action="store_true", help="print its id alone")
    parser.epilog = (
        '  arbeit add "Fix the flaky test" -i "CI is red twice a day" -p high\n'
        '  arbeit add "Release 2.0" --blocked-by tkt-1,tkt-2 --item "Tag it"\n'
        '  id=$(arbeit add -q "Write the changelog" --body-file notes.md)'
    )
    return _add


def fields(parser: Parser) -> None:
    """What a task says, as `add` and `update` take it."""
    parser.add_argument("-p", "--priority", metavar="WORD", help="critical, high, normal or low")
    parser.add_argument("-l", "--label", action="append", metavar="TEXT", help="labels; may be repeated")
    parser.add_argument("--queue", metavar="NAME", help="the queue it waits in")
    parser.add_argument("-r", "--requires", action="append", metavar="NAME", help="what its holder must be able to do")
    parser.add_argument("--acceptance", action="append", metavar="TEXT", help="when it is done; may be repeated")
    parser.add_argument("--due", type=moment, metavar="WHEN", help="by when: 2026-01-31, 2026-01-31T12:00Z, +2d")
    parser.add_argument("--ready", type=moment, metavar="WHEN", help="not before")
    parser.add_argument("--max-attempts", type=int, metavar="N", help="how often it is tried (default: 3)")
    parser.add_argument("--max-runtime", type=seconds, metavar="TIME", help="how long one run may take, such as 2h")
    parser.add_argument("--review", action="store_true", default=None, help="somebody else has to approve it")
    parser.add_argument("--no-review", dest="review", action="store_false", help="nobody has to")
    parser.add_argument("--metadata", metavar="JSON", help="whatever else, as a JSON object")


def _add(cli: Cli, args: argparse.Namespace) -> int:
    data = cli.do(
        "task_create",
        title=" ".join(args.title),
        intent=args.intent,
        description=body(args.description, args.body_file, name="description"),
        priority=args.priority,
        labels=_tuple(words.split(args.label)),
        queue=args.queue,
        requires=_tuple(words.split(args.requires)),
        acceptance=_tuple(args.acceptance),
        due_at=args.due and args.due.isoformat(),
        ready_at=args.ready and args.ready.isoformat(),
        max_attempts=args.max_attempts,
        max_runtime=args.max_runtime,
        review=args.review,
        parent_id=args.parent,
        blocked_by=_tuple(words.split(args.blocked_by)),
        items=_tuple(args.item),
        inputs=words.json_object(args.inputs, "--inputs"),
        metadata=words.json_object(args.metadata, "--metadata"),
        task_id=args.id,
        idempotency_key=args.key,
    )
    task = data["task"]
    if args.quiet:
        return cli.answer(data, [task["id"]])
    waits = draw.state(task)
    return cli.answer(data, lambda: [f"{draw.title(cli.screen, task)}{'' if waits == 'open' else f'  ({waits})'}"])


def _tuple(values: list[str] | None) -> tuple[str, ...] | None:
    return None if values is None else tuple(values)
