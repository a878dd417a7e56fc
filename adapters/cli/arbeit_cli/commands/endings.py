"""Ends tenures: done, fail, release, handoff, review."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING, Any

import arbeit
from arbeit_cli import draw, words
from arbeit_cli.commands.claim import following
from arbeit_cli.failing import RefusedError
from arbeit_cli.times import seconds

if TYPE_CHECKING:
    from arbeit_cli.cli import Cli
    from arbeit_cli.parsing import Parser, Run


def configure(parser: Parser, name: str) -> Run:
    """`arbeit done`, `fail`, `release`, `handoff` and `review`."""
    if name == "handoff":
        return _configure_handoff(parser)
    words.task(parser, held=True)
    if name == "review":
        return _configure_review(parser)
    what = {"done": "what came of it", "fail": "what went wrong", "release": "what whoever goes on should know"}[name]
    words.message(parser, what)
    if name == "done":
        parser.add_argument(
            "-e", "--evidence", action="append", metavar="TEXT", help="what proves it: a command and its result, a link"
        )
        parser.add_argument("--outputs", metavar="JSON", help="results for tasks that follow, as a JSON object")
        parser.epilog = (
            '  arbeit done -m "Seed pinned" -e "pytest -q: 41 passed"\n'
            '  arbeit done tkt-1 -m "Merged" -e https://example.org/pull/7 --next'
        )
    parser.add_argument("-n", "--next", action="store_true", help="claim the next one in the same step")
    words.lease(parser)
    parser.add_argument("--force", action="store_true", help="for supervisors: whoever holds it")
    return {"done": _done, "fail": _fail, "release": _release}[name]


def _configure_handoff(parser: Parser) -> Run:
    parser.add_argument("words", nargs="+", metavar="[TASK] AGENT", help="what goes to whom; you may leave TASK out "
                        "where you hold just one")  # fmt: skip
    words.message(parser, "what it needs to know")
    parser.add_argument("--ttl", type=seconds, metavar="TIME", help="how long it has to take the task up")
    parser.add_argument("--force", action="store_true", help="for supervisors: whoever holds it")
    parser.epilog = '  arbeit handoff impl-2 -m "The parser is done; the printer is not"'
    return _handoff


def _configure_review(parser: Parser) -> Run:
    parser.add_argument("--approve", action="store_true", help="it is good")
    parser.add_argument("--request-changes", action="store_true", help="it is not, for the reasons of -m")
    words.message(parser, "a note, or the reasons")
    parser.add_argument("--force", action="store_true", help="for supervisors: whoever reviews it")
    parser.epilog = (
        "Claims the review first if you do not hold it.\n\n"
        '  arbeit review tkt-1 --approve\n  arbeit review tkt-1 --request-changes -m "No test fails without it"'
    )
    return _review


def _end(cli: Cli, args: argparse.Namespace, tool: str, **params: Any) -> dict[str, Any]:  # noqa: ANN401 - the tool's
    """End the tenure that is meant; with --next, take up another task."""
    task_id = cli.held_task(args.task)
    if args.next:
        cli.holdings.prepare()
    return cli.do(tool, ttl=args.ttl, task_id=task_id, next=args.next or None, **params)


def _moved(cli: Cli, data: dict[str, Any]) -> int:
    """Say what became of a task, and what is next."""
    task = data["task"]

    def lines() -> list[str]:
        status = draw.state(task)
        styled = cli.screen.paint(status, *draw.status_style(status))
        return [f"{draw.title(cli.screen, task)}  {styled}", *following(cli.screen, data)]

    return cli.answer(data, lines)


def _forced(cli: Cli, args: argparse.Namespace, task: arbeit.Task) -> int:
    """The answer of a supervisor's verb."""
    from arbeit.toolset.answers import plain  # noqa: PLC0415 - supervisors only

    if getattr(args, "next", False):
        cli.warnings.append("NOT_CLAIMED: --next goes with work of your own; nothing was claimed")
    return _moved(cli, {"task": plain(task)})


def _named(args: argparse.Namespace) -> str:
    if args.task is None:
        message = "--force takes the task's name, for it may be anybody's"
        raise RefusedError("INVALID_INPUT", message, ["Name the task."])
    task: str = args.task
    return task


def _done(cli: Cli, args: argparse.Namespace) -> int:
    outcome, evidence = words.said(args, "outcome"), tuple(args.evidence or ())
    outputs = words.json_object(args.outputs, "--outputs")
    if args.force:
        task = cli.project.complete_task(_named(args), outcome or "", evidence=evidence, outputs=outputs)
        return _forced(cli, args, task)
    data = _end(cli, args, "task_complete", outcome=outcome, evidence=evidence, outputs=outputs)
    return _moved(cli, data)


def _fail(cli: Cli, args: argparse.Namespace) -> int:
    error = words.said(args, "error")
    if args.force:
        return _forced(cli, args, cli.project.fail_task(_named(args), error or ""))
    return _moved(cli, _end(cli, args, "task_fail", error=error))


def _release(cli: Cli, args: argparse.Namespace) -> int:
    note = words.said(args, "note")
    if args.force:
        return _forced(cli, args, cli.project.release_task(_named(args), note or ""))
    task_id = cli.held_task(args.task)
    data = _end(cli, args, "lease_release", note=note)
    return cli.answer(data, lambda: [f"{task_id} is open again.", *following(cli.screen, data)])


def _handoff(cli: Cli, args: argparse.Namespace) -> int:
    if len(args.words) > 2:  # noqa: PLR2004 - a task and an agent
        raise RefusedError("INVALID_INPUT", "say one task and one agent", ["arbeit handoff TASK AGENT -m NOTE"])
    *task, agent = args.words
    args.task, args.next = (task[0] if task else None), False
    note = words.said(args, "note") or ""
    if args.force:
        return _forced(cli, args, cli.project.handoff_task(_named(args), agent, note, ttl=args.ttl))
    # `ttl` is the tool's own here: not how long claims of this command last.
    data = cli.do("task_handoff", task_id=cli.held_task(args.task), to_agent=agent, note=note, **_ttl(args.ttl))
    return cli.answer(data, lambda: [f"{draw.title(cli.screen, data['task'])}  goes to {agent}"])


def _ttl(ttl: float | None) -> dict[str, Any]:
    return {} if ttl is None else {"tool_ttl": ttl}


def _review(cli: Cli, args: argparse.Namespace) -> int:
    if args.approve == args.request_changes:
        raise RefusedError("INVALID_INPUT", "say --approve or --request-changes", ["arbeit review --help"])
    text = words.said(args, "reasons")
    if args.force:
        verb = cli.project.approve_task if args.approve else cli.project.request_changes
        return _forced(cli, args, verb(_named(args), text or ""))
    task_id = cli.held_task(args.task)
    cli.holdings.prepare()
    verdict = "approve" if args.approve else "request_changes"
    return _moved(cli, cli.do("task_review", task_id=task_id, verdict=verdict, reasons=text))
