"""What the runs of a project amount to."""

from __future__ import annotations

import argparse
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import arbeit
from arbeit_cli import draw
from arbeit_cli.screen import Screen
from arbeit_cli.tables import Column, pairs, table
from arbeit_cli.times import past, spell

if TYPE_CHECKING:
    from arbeit_cli.cli import Cli
    from arbeit_cli.parsing import Parser, Run

_SECOND = 1_000_000


def configure(parser: Parser, _name: str) -> Run:
    """`arbeit stats`."""
    parser.add_argument("--since", type=past, metavar="WHEN", help="from then on, such as 7d (default: 24h)")
    parser.add_argument("--until", type=past, metavar="WHEN", help="up to then (default: now)")
    parser.add_argument("--top", type=int, default=5, metavar="N", help="how many of the costliest tasks (default: 5)")
    return _stats


def _stats(cli: Cli, args: argparse.Namespace) -> int:
    found = cli.project.stats(since=args.since, until=args.until, top=args.top)
    data: dict[str, Any] = {
        "since": arbeit.rfc3339(found.since),
        "until": arbeit.rfc3339(found.until),
        "statuses": dict(found.statuses),
        "queues": [{"queue": q.queue, "ready": q.ready, "in_progress": q.in_progress} for q in found.queues],
        "runs": found.runs,
        "results": dict(found.results),
        "finished": found.finished,
        "throughput": found.throughput,
        "success": found.success,
        "duration": _spread(found.duration),
        "claim_wait": _spread(found.claim_wait),
        "expiries": found.expiries,
        "retries": found.retries,
        "usage": dict(found.usage),
        "agents": [
            {
                "agent_id": one.agent_id,
                "runs": one.runs,
                "worked": one.worked,
                "broken": one.broken,
                "busy": one.busy / _SECOND,
                "utilisation": one.utilisation,
                "usage": dict(one.usage),
            }
            for one in found.agents
        ],
        "top": [{"task_id": one.task_id, "runs": one.runs, "usage": dict(one.usage)} for one in found.top],
    }
    return cli.answer(data, lambda: _page(cli.screen, data))


def _spread(spread: Any) -> dict[str, float]:  # noqa: ANN401 - arbeit.stats.Spread, which has no public name
    """A distribution of lengths, in seconds."""
    return {
        "count": spread.count,
        "p50": spread.p50 / _SECOND,
        "p95": spread.p95 / _SECOND,
        "longest": spread.longest / _SECOND,
    }


def _page(screen: Screen, data: Mapping[str, Any]) -> list[str]:
    statuses = data["statuses"]
    order = ("open", "in_progress", "in_review", "blocked", "completed", "cancelled")
    now = [(name, screen.paint(str(statuses[name]), *draw.status_style(name))) for name in order if statuses.get(name)]
    lines = [screen.paint("Now", "bold"), *pairs(screen, now or [("tasks", "none")], indent="  ", painted=order)]
    success = data["success"]
    facts = [
        ("finished", f"{data['finished']}  ({data['throughput']:.1f} an hour)"),
        ("runs", _runs(data)),
        ("success", "" if success is None else f"{success:.0%}"),
        ("took", _lengths(data["duration"])),
        ("waited", _lengths(data["claim_wait"])),
        ("expired", str(data["expiries"] or "")),
        ("retries", str(data["retries"] or "")),
        ("used", draw.used(data["usage"])),
    ]
    since, until = (draw.when(screen, data[name]) for name in ("since", "until"))
    lines += ["", screen.paint(f"From {since} to {until}", "bold"), *pairs(screen, facts, indent="  ")]
    if data["agents"]:
        columns = (
            Column("AGENT", gives=True, styles=("cyan",)),
            Column("RUNS", right=True),
            Column("WORKED", right=True),
            Column("BROKEN", right=True, styles=lambda text: () if text == "0" else ("red",)),
            Column("BUSY", right=True),
            Column("USED"),
        )
        rows = (
            (
                one["agent_id"],
                str(one["runs"]),
                str(one["worked"]),
                str(one["broken"]),
                f"{one['utilisation']:.0%}",
                draw.used(one["usage"]),
            )
            for one in data["agents"]
        )
        lines += ["", *table(screen, columns, rows)]
    if data["top"]:
        heads = (Column("COSTLIEST", styles=("cyan",)), Column("RUNS", right=True), Column("USED", gives=True))
        lines += [
            "",
            *table(screen, heads, ((o["task_id"], str(o["runs"]), draw.used(o["usage"])) for o in data["top"])),
        ]
    return lines


def _runs(data: Mapping[str, Any]) -> str:
    results = ", ".join(f"{count} {name}" for name, count in data["results"].items())
    return f"{data['runs']}{f'  ({results})' if results else ''}"


def _lengths(spread: Mapping[str, float]) -> str:
    if not spread["count"]:
        return ""
    return f"{spell(spread['p50'])} typically, {spell(spread['p95'])} at the 95th percentile"
