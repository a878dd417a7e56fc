"""Results and what they cost: files kept, files written out again, usage reported."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import arbeit
from arbeit_cli import draw, words
from arbeit_cli.failing import RefusedError

if TYPE_CHECKING:
    from arbeit_cli.cli import Cli
    from arbeit_cli.parsing import Parser, Run

_MICRO = 1_000_000


def configure(parser: Parser, name: str) -> Run:
    """`arbeit attach`, `save` and `usage`."""
    if name == "attach":
        parser.add_argument("words", nargs="+", metavar="[TASK] FILE", help="the file; - reads standard input")
        parser.add_argument("--name", metavar="TEXT", help="what to call it (default: the file's name)")
        parser.add_argument("--media-type", metavar="TYPE", help="such as text/plain (default: after its name)")
        parser.epilog = "  arbeit attach report.html\n  pytest -q | arbeit attach tkt-1 - --name pytest.txt"
        return _attach
    if name == "save":
        parser.add_argument("artifact", metavar="ARTIFACT", help="its id: arbeit show TASK lists them")
        parser.add_argument(
            "file", nargs="?", metavar="FILE", help="where to; - is standard output (default: its name)"
        )
        parser.add_argument("--overwrite", action="store_true", help="replace a file that is there")
        return _save
    words.task(parser, held=True)
    parser.add_argument("--model", metavar="NAME", help="which model")
    parser.add_argument("--tokens-in", type=int, metavar="N", help="tokens read")
    parser.add_argument("--tokens-out", type=int, metavar="N", help="tokens written")
    parser.add_argument("--cost", type=float, metavar="DOLLARS", help="what it cost, such as 0.42")
    parser.add_argument("--count", action="append", metavar="NAME=N", help="a counter of your own; may be repeated")
    parser.epilog = "  arbeit usage --model large-1 --tokens-in 12000 --tokens-out 800 --cost 0.05"
    return _usage


def _work(cli: Cli, task_id: str) -> arbeit.Work:
    """The handle of a lease that is held here.

    Raises:
        ArbeitError: LEASE_LOST where it is not.
    """
    from arbeit.sync import run  # noqa: PLC0415 - not for help

    token = cli.holdings.token(task_id)
    if token is None:
        hint = f"Claim it first: arbeit claim {task_id}"
        run(cli.project.inner.get(task_id))
        raise RefusedError("LEASE_LOST", f"{cli.agent} does not hold task {task_id}", [hint])
    return run(cli.project.inner.held(task_id, token))


def _attach(cli: Cli, args: argparse.Namespace) -> int:
    from arbeit.sync import run  # noqa: PLC0415 - not for help
    from arbeit.toolset.answers import artifact  # noqa: PLC0415 - not for help

    if len(args.words) > 2:  # noqa: PLR2004 - a task and a file
        raise RefusedError("INVALID_INPUT", "say one task and one file", ["arbeit attach TASK FILE"])
    *task, file = args.words
    if file == "-" and not args.name:
        raise RefusedError("INVALID_INPUT", "what comes from standard input needs a name", ["--name report.txt"])
    if file != "-" and Path(file).is_dir():
        hint = f"Attach an archive of it: tar -c {file} | arbeit attach - --name {Path(file).name or 'folder'}.tar"
        raise RefusedError("INVALID_INPUT", f"{file} is a folder", [hint])
    work = _work(cli, cli.held_task(task[0] if task else None))
    source: Any = sys.stdin.buffer if file == "-" else Path(file)
    made = run(work.attach(args.name or Path(file).name, source, media_type=args.media_type))
    cli.warnings += [f"{one.code}: {one.message}" for one in work.notices]
    data = {"artifact": artifact(made)}
    return cli.answer(data, [f"{cli.screen.paint(made.id, 'dim')}  {made.name}, {made.size} bytes"])


def _save(cli: Cli, args: argparse.Namespace) -> int:
    from arbeit.toolset.answers import artifact  # noqa: PLC0415 - not for help

    if args.file == "-":
        if cli.screen.json:
            raise RefusedError("INVALID_INPUT", "bytes and JSON do not share standard output", ["Give a file."])
        for chunk in cli.project.read_artifact(args.artifact):
            sys.stdout.buffer.write(chunk)
        return 0
    found = cli.project.artifact(args.artifact)
    # A name that an agent gave never leads out of this folder.
    target = Path(args.file) if args.file else Path(found.name.replace("\\", "/").rpartition("/")[2] or found.id)
    if target.is_dir():
        target /= Path(found.name.replace("\\", "/")).name or found.id
    if target.exists() and not args.overwrite:
        raise RefusedError("INVALID_INPUT", f"{target} is there already", ["Name another file, or say --overwrite."])
    cli.project.save_artifact(args.artifact, target)
    return cli.answer({"artifact": artifact(found), "path": str(target)}, [f"{target}, {found.size} bytes"])


def _usage(cli: Cli, args: argparse.Namespace) -> int:
    from arbeit.sync import run  # noqa: PLC0415 - not for help
    from arbeit.toolset.answers import run as shown  # noqa: PLC0415 - not for help

    counters = {}
    for one in args.count or []:
        name, _, count = one.partition("=")
        if not count.isdecimal():
            raise RefusedError("INVALID_INPUT", f"{one!r} is no counter", ["Say NAME=N, such as searches=3."])
        counters[name] = int(count)
    work = _work(cli, cli.held_task(args.task))
    cost = None if args.cost is None else round(args.cost * _MICRO)
    said = {"model": args.model, "tokens_in": args.tokens_in, "tokens_out": args.tokens_out, "cost": cost, **counters}
    made = run(work.report_usage(**{name: value for name, value in said.items() if value is not None}))
    return cli.answer({"run": shown(made)}, [f"{made.id}  {draw.used(made.usage)}"])
