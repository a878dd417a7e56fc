"""Takes tasks up and keeps them: claim, resume, renew; who would get what, and what is held."""

from __future__ import annotations

import argparse
import math
import time
from collections.abc import Mapping
from datetime import datetime
from typing import TYPE_CHECKING, Any

import arbeit
from arbeit_cli import draw, soon, words
from arbeit_cli.failing import NOTHING_READY, OK, RefusedError
from arbeit_cli.screen import Screen, clean
from arbeit_cli.tables import Column, table
from arbeit_cli.times import seconds

if TYPE_CHECKING:
    from arbeit_cli.cli import Cli
    from arbeit_cli.parsing import Parser, Run

_SLICE = 60.0
"""Seconds that one call of the tool waits; a longer wait is several of them."""


def configure(parser: Parser, name: str) -> Run:
    """`arbeit claim`, `resume`, `renew`, `held` and `explain`."""
    if name == "held":
        parser.epilog = "Tokens are kept in .arbeit/held, readable by you alone."
        return _held
    if name == "explain":
        parser.add_argument("task", nargs="?", metavar="TASK", help="why this one was granted; without: what is next")
        words.able(parser)
        return _explain
    if name == "renew":
        words.task(parser, held=True)
        words.lease(parser)
        parser.epilog = "Every write of a holder renews, too: notes, the checklist, files."
        return _renew
    words.task(parser, held=name == "claim")
    words.lease(parser)
    if name == "resume":
        return _resume
    parser.positionals()[0].help = "this one; without: the next one that is ready"
    words.able(parser)
    parser.add_argument(
        "-w", "--wait", nargs="?", type=seconds, const=math.inf, metavar="TIME",
        help="wait until one is ready, so long at most, such as 5m",
    )  # fmt: skip
    parser.add_argument("--explain", action="store_true", help="claim nothing; say what you would get, and why")
    parser.add_argument("-q", "--quiet", action="store_true", help="print its id alone")
    parser.epilog = (
        "Exit code 5: nothing is ready. 4: somebody else was quicker. Without --wait,\n"
        "a retry that is ready within three seconds is waited for; --wait 0 waits for\n"
        "nothing.\n\n"
        "  arbeit claim\n  arbeit claim tkt-1\n  arbeit claim --wait 10m -c python --queue ci"
    )
    return _claim


def _claim(cli: Cli, args: argparse.Namespace) -> int:
    if args.explain:
        return _explain(cli, args)
    if args.task is not None and (args.wait or args.queue):
        message = "a task that is claimed by name is waited for nowhere, and in no queue"
        raise RefusedError("INVALID_INPUT", message, ["Leave --wait and --queue out, or the task."])
    cli.holdings.prepare()
    data = _take(cli, args)
    if data["task"] is None:
        return cli.answer(data, lambda: nothing(data), NOTHING_READY)
    if args.quiet:
        return cli.answer(data, [data["task"]["id"]])
    return cli.answer(data, lambda: granted(cli.screen, data))


def _take(cli: Cli, args: argparse.Namespace) -> dict[str, Any]:
    """Claim, and wait as the options say; where nothing was granted, also when the next delayed task is ready."""
    able, queues = _tuple(words.split(args.capability)), _tuple(words.split(args.queue))
    began = time.monotonic()
    until = began + (args.wait or 0.0)
    patience = began + (soon.PATIENCE if args.wait is None else 0.0)
    while True:
        left = max(0.0, until - time.monotonic())
        data = cli.do(
            "task_claim", ttl=args.ttl, task_id=args.task, capabilities=able, queues=queues, wait=min(left, _SLICE)
        )
        if data["task"] is not None:
            return data
        if left > 0:
            continue
        ready_at = soon.next_ready(cli.project, cli.agent, able, queues)
        if ready_at is None:
            return data
        until = time.monotonic() + soon.seconds_until(ready_at)
        if until > patience:
            return {**data, "next_ready_at": arbeit.rfc3339(ready_at)}


def _tuple(names: list[str] | None) -> tuple[str, ...] | None:
    return None if names is None else tuple(names)


def granted(screen: Screen, data: Mapping[str, Any]) -> list[str]:
    """A task that was just granted: what it says, until when it is held, what is still to do."""
    task = data["task"]
    lines = draw.head(
        screen, {**task, "updated_at": None}, held=f"by you, for {draw.left(data['lease']['expires_at'])}"
    )
    lines += draw.texts(screen, task)
    return [*lines, *draw.section(screen, "To do", draw.checklist(screen, data.get("progress") or ()))]


def following(screen: Screen, data: Mapping[str, Any]) -> list[str]:
    """The next task, where one was asked for."""
    if "next" not in data:
        return []
    if data["next"] is None:
        return ["Nothing else is ready."]
    return ["", *granted(screen, data["next"])]


def nothing(data: Mapping[str, Any]) -> list[str]:
    """Why nothing was granted."""
    waiting = dict(data.get("waiting") or {})
    queues = waiting.pop("queues", {})
    counts = ", ".join(f"{count} {status}" for status, count in waiting.items())
    lines = [f"Nothing is ready for you{f': {counts}' if counts else ''}."]
    lines += [f"  queue {clean(name)}: {clean(str(reason))}" for name, reason in queues.items()]
    ready_at = data.get("next_ready_at")
    return lines if ready_at is None else [*lines, soon.hint(_micro(ready_at), "arbeit claim")]


def _micro(said: str) -> int:
    return round(datetime.fromisoformat(said).timestamp() * 1_000_000)


def _resume(cli: Cli, args: argparse.Namespace) -> int:
    cli.holdings.prepare()
    data = cli.do("task_resume", ttl=args.ttl, task_id=args.task)
    return cli.answer(data, lambda: granted(cli.screen, data))


def _renew(cli: Cli, args: argparse.Namespace) -> int:
    data = cli.do("lease_renew", ttl=args.ttl, task_id=cli.held_task(args.task))
    return cli.answer(data, lambda: [f"{data['task_id']} is yours for {draw.left(data['expires_at'])}."])


def _held(cli: Cli, _args: argparse.Namespace) -> int:
    found: list[dict[str, Any]] = []
    fences = {grant.task_id: grant.fence for grant in sorted(cli.holdings.grants(), key=lambda grant: grant.fence)}
    for task_id in cli.holdings.tasks():
        try:
            parts = cli.project.get(task_id, include=("lease",))
        except arbeit.ArbeitError:
            found.append({"id": task_id, "title": "", "held": False, "expires_at": None})
            continue
        lease = parts.lease
        stands = lease is not None and lease.agent_id == cli.agent and lease.fence == fences[task_id]
        ends = arbeit.rfc3339(lease.expires_at) if lease is not None and stands else None
        found.append({"id": task_id, "title": parts.task.title, "held": stands, "expires_at": ends})

    def lines() -> list[str]:
        if not found:
            return [f"{cli.agent} holds nothing here."]
        columns = (draw.ID, draw.TITLE, Column("LEASE", styles=lambda text: ("red",) if text == "lost" else ()))
        rows = (
            (one["id"], one["title"], _until(cli.screen, one["expires_at"]) if one["held"] else "lost") for one in found
        )
        return table(cli.screen, columns, rows)

    return cli.answer({"agent": cli.agent, "tasks": found}, lines)


def _until(screen: Screen, at: str) -> str:
    return f"{draw.left(at)} left" if screen.terminal else at


def _explain(cli: Cli, args: argparse.Namespace) -> int:
    able, queues = words.split(args.capability), words.split(args.queue)
    found = cli.project.explain(cli.agent, capabilities=able, queues=queues, task_id=args.task)
    data: dict[str, Any] = {
        "task_id": found.task_id,
        "queue": found.queue,
        "virtual_time": found.virtual_time,
        "start": found.start,
        "rank": found.rank,
        "candidates": [
            {"requires": requires, "task_id": task_id, "rank": rank} for requires, task_id, rank in found.candidates
        ],
        "passed": [
            {"queue": one.queue, "reason": one.reason, "start": one.start, "ready": one.ready} for one in found.passed
        ],
    }
    nothing_next = found.task_id is None and args.task is None
    return cli.answer(data, lambda: _why(cli.screen, data), NOTHING_READY if nothing_next else OK)


def _why(screen: Screen, data: Mapping[str, Any]) -> list[str]:
    if data["task_id"] is None:
        lines = ["Nothing is ready for you."]
    else:
        lines = [f"{screen.paint(data['task_id'], 'cyan')} of queue {data['queue']}, whose turn it is."]
    heads = ((one["task_id"], one["requires"] or "nothing", str(one["rank"])) for one in data["candidates"])
    columns = (draw.ID, Column("REQUIRES", gives=True), Column("RANK", right=True))
    if data["candidates"]:
        lines += ["", screen.paint("At the head of that queue; the least rank wins", "bold")]
        lines += table(screen, columns, heads)
    if data["passed"]:
        columns = (Column("QUEUE"), Column("READY", right=True), Column("WHY", gives=True))
        lines += ["", screen.paint("Passed over", "bold")]
        lines += table(screen, columns, ((one["queue"], str(one["ready"]), one["reason"]) for one in data["passed"]))
    return lines
