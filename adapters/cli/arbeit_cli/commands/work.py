"""`arbeit work`: claim, run a command for the task, finish the task by how the command ended."""

from __future__ import annotations

import argparse
import shutil
import sys
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

import arbeit
from arbeit_cli import soon, words
from arbeit_cli.failing import LOST, NOTHING_READY, OK, REFUSED
from arbeit_cli.parsing import Parser, Run, UsageError
from arbeit_cli.times import seconds

if TYPE_CHECKING:
    from arbeit.places import Place
    from arbeit.sync import Work
    from arbeit_cli.cli import Cli
    from arbeit_cli.running.process import Signals
    from arbeit_cli.running.tenure import Ending, Runner

GRACE = 5.0
"""Seconds that a command which is asked to stop has, before it is killed."""
_SLICE = 0.5
"""Seconds of waiting for work after which a signal is looked for."""
_SAID = {
    "changes_requested": "needs changes",
    "lost": "is somebody else's now",
    "stands": "was ended by the command itself",
}
_EPILOG = """\
The command finds the task on its standard input, as a brief, and in its
environment: ARBEIT_TASK_ID, ARBEIT_TASK_TITLE, ARBEIT_TASK_ATTEMPT,
ARBEIT_RUN_ID, ARBEIT_PROJECT, ARBEIT_DB, ARBEIT_AGENT. So `arbeit note` and
the like inside of it write for this task. Exit code 0 completes the task,
with the command as evidence and the end of its output as outcome; any other
fails the attempt. If it has ended the task itself, that stands. Of a review
(-c review), 0 approves, and any other exit code asks for changes.

examples:
  arbeit work -- ./fix.sh
  arbeit work --loop --wait 60 -c python -- claude -p "do the task on stdin"

exit codes: 0 all went well, 1 an attempt failed or could not be completed,
4 the lease was lost, 5 nothing was ready, 128+n stopped by signal n
"""


def configure(parser: Parser, name: str) -> Run:
    """Add the arguments of `work`."""
    assert name == "work"  # noqa: S101 - the table of commands says so
    parser.takes_command = True
    parser.epilog = _EPILOG
    parser.add_argument("--loop", action="store_true", help="go on with the next task until none is ready")
    parser.add_argument("-w", "--wait", type=seconds, metavar="TIME", help="wait so long for a ready task")
    parser.add_argument("--ttl", type=seconds, metavar="TIME", help="how long a lease lasts between renewals")
    parser.add_argument(
        "--grace", type=seconds, default=GRACE, metavar="TIME", help="time to stop in (5s), then SIGKILL"
    )
    words.able(parser)
    return run


def run(cli: Cli, args: argparse.Namespace) -> int:
    """Run the command for one task, or for one after the other."""
    if not args.command_line:
        raise UsageError(
            "there is no command to run", "arbeit work -- COMMAND ARGUMENTS...", usage="arbeit work -- COMMAND..."
        )
    if shutil.which(args.command_line[0]) is None:
        raise UsageError(
            f"there is no program {args.command_line[0]}", "Nothing was claimed.", usage="arbeit work -- COMMAND..."
        )
    from arbeit_cli.running.process import Signals  # noqa: PLC0415 - no other command runs one
    from arbeit_cli.running.tenure import Runner, environment_of  # noqa: PLC0415 - as above

    project = cli.project
    cli.holdings.prepare()
    # With --json the answer alone stands on standard output.
    out = sys.stderr.buffer if cli.screen.json else sys.stdout.buffer
    with Signals() as signals:
        environment = environment_of(address(cli.place), project.key, cli.agent)
        runner = Runner(project, args.command_line, environment, signals, (out, sys.stderr.buffer), grace=args.grace)
        endings = _serve(cli, args, runner, signals)
    return _answer(cli, endings, signals.got, args)


def address(place: Place) -> str:
    """The database's URL, as it is understood from any folder."""
    if place.file is None:
        return place.url
    _, mark, options = place.url.partition("?")
    return f"sqlite:///{quote(str(place.file))}{mark}{options}"


def _serve(cli: Cli, args: argparse.Namespace, runner: Runner, signals: Signals) -> list[Ending]:
    endings: list[Ending] = []
    while signals.got is None:
        work = _claim(cli, args, lambda: signals.got is not None)
        if work is None:
            break
        if signals.got is not None:
            work.release("stopped before it began")
            break
        cli.holdings.keep(work.inner)
        try:
            ending = runner.run(work)
        finally:
            _forget(cli, work)
        endings.append(ending)
        _tell(cli, ending)
        # What cannot be completed now would be refused again, and again.
        if not args.loop or ending.error is not None or ending.exit_code is None:
            break
    return endings


def _claim(cli: Cli, args: argparse.Namespace, stopped: Callable[[], bool]) -> Work | None:
    able, queues = words.split(args.capability), words.split(args.queue)
    began = time.monotonic()
    until = began + (args.wait or 0.0)
    patience = began + (soon.PATIENCE if args.wait is None else 0.0)
    while True:
        left = until - time.monotonic()
        work = cli.project.claim(
            cli.agent, capabilities=able, queues=queues, ttl=args.ttl, wait=max(0.0, min(_SLICE, left))
        )
        if work is not None or stopped():
            return work
        if left > 0:
            continue
        ready_at = _later(cli, args) if time.monotonic() < patience else None
        if ready_at is None:
            return None
        until = time.monotonic() + soon.seconds_until(ready_at)
        if until > patience:
            return None


def _forget(cli: Cli, work: Work) -> None:
    """Drop the token of this lease, but not that of a later one of the same task."""
    if cli.holdings.token(work.task.id) == work.inner.token:
        cli.holdings.forget(work.task.id)


def _tell(cli: Cli, ending: Ending) -> None:
    said = _SAID.get(ending.how, ending.how)
    why = f" ({ending.why})" if ending.why and ending.error is None else ""
    cli.screen.hint(f"arbeit work: {ending.task_id} {said}{why}")
    if ending.error is not None and not cli.screen.json:
        cli.screen.error(str(ending.error.code), ending.error.message, ending.error.suggestions)


def _answer(cli: Cli, endings: list[Ending], got: int | None, args: argparse.Namespace) -> int:
    data: dict[str, Any] = {"tasks": [_as_json(one) for one in endings]}
    code = _exit_code(endings, got)
    lines = [] if endings or got is not None else [f"nothing is ready{f' after {args.wait:g} s' if args.wait else ''}"]
    # Where the loop has ended, there may be more to do in a while.
    ready_at = _later(cli, args) if got is None and (args.loop or not endings) else None
    if ready_at is not None:
        data["next_ready_at"] = arbeit.rfc3339(ready_at)
        cli.screen.hint(f"arbeit work: {soon.hint(ready_at, 'arbeit work')}")
    return cli.answer(data, lines, code)


def _later(cli: Cli, args: argparse.Namespace) -> int | None:
    """When the next delayed task is ready; None if none is."""
    return soon.next_ready(cli.project, cli.agent, words.split(args.capability), words.split(args.queue))


def _as_json(ending: Ending) -> dict[str, Any]:
    said: dict[str, Any] = {"task_id": ending.task_id, "ended": ending.how, "exit_code": ending.exit_code}
    if ending.why:
        said["why"] = ending.why
    if ending.error is not None:
        said["code"] = str(ending.error.code)
    return said


def _exit_code(endings: list[Ending], got: int | None) -> int:
    if got is not None:
        return 128 + got
    if not endings:
        return NOTHING_READY
    ways = {one.how for one in endings}
    if ways & {"failed", "changes_requested", "released"}:
        return REFUSED
    return LOST if "lost" in ways else OK
