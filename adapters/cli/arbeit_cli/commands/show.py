"""Shows one task: a page, or a brief for whoever goes on."""

from __future__ import annotations

import argparse
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from arbeit_cli import draw, words
from arbeit_cli.screen import Screen, clean
from arbeit_cli.tables import Column, table

if TYPE_CHECKING:
    from arbeit_cli.cli import Cli
    from arbeit_cli.parsing import Parser, Run

_USUAL = (
    "context", "progress", "parent", "children", "blocked_by", "blocking", "files", "artifacts", "runs", "lease"
)  # fmt: skip


def configure(parser: Parser, name: str) -> Run:
    """`arbeit show` and `arbeit brief`."""
    words.task(parser, held=True)
    if name == "brief":
        parser.add_argument(
            "--max-tokens", type=int, default=2000, metavar="N", help="how long it may be (default: 2000)"
        )
        parser.epilog = "Goal, state, decisions, failed attempts, open items, evidence: no entry is cut."
        return _brief
    parser.add_argument("--include", action="append", metavar="PART", help="these parts only; all: every one")
    parser.add_argument(
        "--depth", type=int, default=0, metavar="N", help="levels of children, with --json or --markdown"
    )
    parser.add_argument("--markdown", action="store_true", help="as a Markdown document")
    parser.epilog = (
        "Parts: relationships context context_all progress progress_summary parent\n"
        "children blocked_by blocking files sessions artifacts runs lease decisions\nrecent_events"
    )
    return _show


def _show(cli: Cli, args: argparse.Namespace) -> int:
    include = words.split(args.include)
    task_id = cli.held_task(args.task)
    if args.markdown:
        data = cli.do(
            "task_get", task_id=task_id, include=tuple(include or ("all",)), depth=args.depth, format="markdown"
        )
        return cli.answer(data, lambda: clean(data["document"], lines=True).rstrip("\n").split("\n"))
    data = cli.do("task_get", task_id=task_id, include=tuple(include or _USUAL), depth=args.depth)
    return cli.answer(data, lambda: page(cli.screen, data))


def page(screen: Screen, data: Mapping[str, Any]) -> list[str]:
    """A task with its parts as a page."""
    lines = draw.head(screen, data["task"], held=_lease(screen, data["lease"]) if data.get("lease") else "")
    lines += draw.texts(screen, data["task"])
    lines += draw.section(screen, "Checklist", draw.checklist(screen, data.get("progress") or ()))
    if data.get("parent"):
        lines += draw.section(screen, "Part of", draw.briefly(screen, [data["parent"]]))
    for name, heading in (("children", "Children"), ("blocked_by", "Waits for"), ("blocking", "Is waited for by")):
        lines += draw.section(screen, heading, draw.briefly(screen, data.get(name) or ()))
    lines += draw.section(screen, "Known", draw.entries(screen, data.get("context") or ()))
    if "context" not in data:
        lines += draw.section(screen, "Decisions", draw.entries(screen, data.get("decisions") or ()))
    lines += draw.section(screen, "Artifacts", artifacts(screen, data.get("artifacts") or ()))
    lines += draw.section(
        screen, "Files", (f"  {clean(one['path'])}  {one['operation']}" for one in data.get("files") or ())
    )
    sessions = (f"  {clean(one['session_id'])}" for one in data.get("sessions") or ())
    lines += draw.section(screen, "Sessions", sessions)
    edges = (f"  {one['from_task_id']} {one['type']} {one['to_task_id']}" for one in data.get("relationships") or ())
    lines += draw.section(screen, "Relationships", edges)
    lines += draw.section(screen, "Runs", _runs(screen, data.get("runs") or ()))
    events = (
        f"  {screen.paint(draw.when(screen, one['at']), 'dim')}  {one['type']}  {one['actor']}"
        for one in data.get("recent_events") or ()
    )
    lines += draw.section(screen, "Latest events", events)
    if data.get("excerpts"):
        lines += ["", screen.paint(f"Cut for length: {', '.join(data['excerpts'])}. All of it: --include PART", "dim")]
    return lines


def _lease(screen: Screen, lease: Mapping[str, Any]) -> str:
    asked = ", asked to give it back" if lease.get("preempt_requested") else ""
    ends = f"{draw.left(lease['expires_at'])} left" if screen.terminal else f"until {lease['expires_at']}"
    return f"{lease['agent_id']}, {ends}{asked}"


def artifacts(screen: Screen, found: Any) -> list[str]:  # noqa: ANN401 - the part of an answer
    """Artifacts: name, size, id."""
    return [
        f"  {clean(one['name'])}  {one['size']} bytes  {screen.paint(one['id'], 'dim')}"
        if "size" in one
        else f"  {clean(one['name'])}  {screen.paint(one['id'], 'dim')}"
        for one in found
    ]


def _runs(screen: Screen, found: Any) -> list[str]:  # noqa: ANN401 - the part of an answer
    return [
        f"  {screen.paint(draw.when(screen, one.get('started_at')), 'dim')}  {one.get('agent_id', '')}  "
        f"{one.get('result') or 'under way'}{_note(one)}"
        for one in found
    ]


def _note(run: Mapping[str, Any]) -> str:
    return f"  {clean(run['note'])}" if run.get("note") else ""


def _brief(cli: Cli, args: argparse.Namespace) -> int:
    data = cli.do("briefing", task_id=cli.held_task(args.task), max_tokens=args.max_tokens)
    return cli.answer(data, lambda: clean(data["briefing"], lines=True).rstrip("\n").split("\n"))


def run_table(screen: Screen, found: Any) -> list[str]:  # noqa: ANN401 - runs of an answer
    """Runs as a table."""
    columns = (
        Column("STARTED", styles=("dim",)), draw.ID._replace(head="TASK"), Column("AGENT"), Column("TRY", right=True),
        Column("RESULT"), Column("TOOK"), Column("NOTE", gives=True),
    )  # fmt: skip
    return table(screen, columns, (_row(screen, one) for one in found))


def _row(screen: Screen, one: Mapping[str, Any]) -> tuple[str, ...]:
    from datetime import datetime  # noqa: PLC0415 - loaded already

    from arbeit_cli.times import spell  # noqa: PLC0415 - as above

    took = ""
    if one.get("ended_at"):
        length = datetime.fromisoformat(one["ended_at"]) - datetime.fromisoformat(one["started_at"])
        took = spell(length.total_seconds()) if screen.terminal else f"{length.total_seconds():.3f}"
    return (
        draw.when(screen, one["started_at"]), one["task_id"], one["agent_id"], str(one["attempt"]),
        one["result"] or "under way", took, one.get("note", ""),
    )  # fmt: skip
