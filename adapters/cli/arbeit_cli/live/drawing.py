"""Frames of the live view, drawn by rich."""

from __future__ import annotations

import time
from collections.abc import Sequence

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from arbeit import Event
from arbeit_cli.drawing.labels import one_line
from arbeit_cli.live.board import Frame

_BARS = " ▁▂▃▄▅▆▇█"
_LATE = 10.0
_QUEUES = 6
_STYLES = {
    "task_completed": "green",
    "review_approved": "green",
    "task_failed": "red",
    "task_reclaimed": "red",
    "task_escalated": "bold red",
    "task_claimed": "cyan",
    "preempt_requested": "yellow",
}
_STATUSES = (
    ("open", "open"),
    ("in_progress", "in progress"),
    ("in_review", "in review"),
    ("blocked", "blocked"),
    ("completed", "completed"),
    ("cancelled", "cancelled"),
)


def draw(frame: Frame, width: int, height: int | None) -> RenderableType:
    """A frame for a terminal of this size; None: as many lines as it takes."""
    head = [_title(frame, width), _counts(frame), _throughput(frame)]
    queues = list(frame.queues)[:_QUEUES]
    # What is left of the screen goes to leases first, to events then.
    room = 60 if height is None else max(2, height - len(head) - len(queues) - 7)
    leases = list(frame.leases)[: max(1, room * 2 // 3) if len(frame.leases) else 1]
    events = list(frame.events)[-max(1, room - len(leases)) :]
    parts: list[RenderableType] = [
        *head,
        Text(),
        _queue_table(frame, queues),
        Text(),
        _lease_table(frame, leases, width),
    ]
    parts += [Text(), _event_table(events, width)]
    return Group(*parts)


def _plain_table(*columns: tuple[str, str], width: int | None = None) -> Table:
    table = Table(box=None, padding=(0, 2, 0, 0), header_style="dim", expand=False, width=width, pad_edge=False)
    for name, side in columns:
        table.add_column(name, justify="right" if side == "right" else "left", no_wrap=True, overflow="ellipsis")
    return table


def _title(frame: Frame, width: int) -> Text:
    left = Text(f"arbeit top  {frame.project}", style="bold")
    right = time.strftime("%H:%M:%S", time.localtime(frame.at)) + f"  event {frame.position}"
    left.append(" " * max(2, width - left.cell_len - len(right)) + right, style="dim")
    return left


def _counts(frame: Frame) -> Text:
    said = Text()
    for status, name in _STATUSES:
        count = frame.statuses.get(status, 0)
        if count or status in {"open", "in_progress", "completed"}:
            said.append(f"{count} ", style="bold")
            said.append(f"{name}   ", style="red" if status == "blocked" else "")
    return said


def _throughput(frame: Frame) -> Text:
    said = Text("minute: ", style="dim", no_wrap=True, overflow="ellipsis")
    for kind in ("completed", "failed", "reclaimed", "created"):
        minute, _ = frame.rates[kind]
        said.append(f"{minute} {kind}  ", style="red" if kind in {"failed", "reclaimed"} and minute else "not dim")
    said.append(f" 10 min: {frame.rates['completed'][1]} ")
    most = max(frame.spark)
    bars = "".join(_BARS[0 if not most else -(-count * (len(_BARS) - 1) // most)] for count in frame.spark)
    said.append(bars, style="not dim green")
    return said


def _queue_table(frame: Frame, queues: Sequence[object]) -> RenderableType:
    table = _plain_table(("queue", ""), ("ready", "right"), ("in progress", "right"), ("weight", "right"), ("", ""))
    for queue in frame.queues[: len(queues)]:
        limit = f"/{queue.max_in_progress}" if queue.max_in_progress is not None else ""
        table.add_row(
            one_line(queue.name, 30),
            str(queue.ready),
            f"{queue.in_progress}{limit}",
            str(queue.weight),
            Text("paused", style="yellow") if queue.paused else "",
        )
    left = len(frame.queues) - len(queues)
    return Group(table, Text(f"and {left} more", style="dim")) if left > 0 else table


def _lease_table(frame: Frame, leases: Sequence[object], width: int) -> RenderableType:
    if not frame.leases:
        return Text("nobody holds a task", style="dim")
    table = _plain_table(("agent", ""), ("task", ""), ("left", "right"), ("for", "right"), ("", ""))
    shown = frame.leases[: len(leases)]
    taken = max(len(one_line(lease.agent_id, 16)) + len(one_line(lease.task_id, 16)) for lease in shown)
    asked = any(lease.preempt_requested for lease in shown)
    title = max(8, width - taken - (34 if asked else 22))
    for lease in shown:
        left = lease.expires_at / 1e6 - frame.at
        style = "red" if left < 0 else "yellow" if left < _LATE else ""
        table.add_row(
            one_line(lease.agent_id, 16),
            f"{one_line(lease.task_id, 16)} {one_line(frame.titles.get(lease.task_id, ''), title)}",
            Text(_span(left), style=style),
            _span(frame.at - lease.acquired_at / 1e6),
            Text("asked back", style="yellow") if lease.preempt_requested else "",
        )
    left = len(frame.leases) - len(leases)
    return Group(table, Text(f"and {left} more", style="dim")) if left > 0 else table


def _event_table(events: Sequence[Event], width: int) -> Table:
    table = _plain_table(("at", ""), ("event", ""), ("task", ""), ("by", ""))
    for event in reversed(events):
        table.add_row(
            Text(time.strftime("%H:%M:%S", time.localtime(event.at / 1e6)), style="dim"),
            Text(event.type.replace("_", " "), style=_STYLES.get(event.type, "")),
            one_line(event.task_id or "", 20),
            one_line(event.actor, max(8, width - 60)),
        )
    return table


def _span(seconds: float) -> str:
    sign, seconds = ("-" if seconds < 0 else ""), abs(seconds)
    if seconds < 100:  # noqa: PLR2004 - two digits of seconds
        return f"{sign}{seconds:.0f} s"
    if seconds < 100 * 60:
        return f"{sign}{seconds / 60:.0f} min"
    return f"{sign}{seconds / 3600:.0f} h"
