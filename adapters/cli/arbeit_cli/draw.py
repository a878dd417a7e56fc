"""Tasks, and what belongs to them, as people read them."""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any

from arbeit_cli.screen import Screen, clean
from arbeit_cli.tables import Column, fold, pairs, table, wrap
from arbeit_cli.times import ago, spell

_STATUS: Mapping[str, tuple[str, ...]] = {
    "in_progress": ("cyan",),
    "in_review": ("magenta",),
    "blocked": ("red",),
    "completed": ("green",),
    "cancelled": ("dim",),
}
_PRIORITY: Mapping[str, tuple[str, ...]] = {"critical": ("red", "bold"), "high": ("yellow",), "low": ("dim",)}
_ROOMY = 100
"""Columns from which on a table of tasks says when each was changed."""
_WAITS = ("waiting", "delayed")


def status_style(status: str) -> tuple[str, ...]:
    """How a status is painted."""
    return _STATUS.get(status, ())


def priority_style(priority: str) -> tuple[str, ...]:
    """How a priority is painted."""
    return _PRIORITY.get(priority, ())


ID = Column("ID", styles=("cyan",))
TITLE = Column("TITLE", gives=True)
STATUS = Column("STATUS", styles=status_style)
PRIORITY = Column("PRIORITY", styles=priority_style)


def when(screen: Screen, at: str | None) -> str:
    """A moment: `3 min ago` for people, RFC 3339 in a pipe."""
    return ago(at) if screen.terminal else at or ""


def left(at: str) -> str:
    """How long it is until a moment: `29 min`."""
    distance = datetime.fromisoformat(at).timestamp() - time.time()
    return spell(distance + 0.5) if distance > 0 else "no time"


def painted_id(screen: Screen, task_id: str) -> str:
    """A task's id."""
    return screen.paint(task_id, "cyan")


def state(task: Mapping[str, Any]) -> str:
    """A task's status, and what keeps an open one from being claimed."""
    status = str(task["status"])
    waits = task.get("claim_status")
    return waits if status == "open" and waits in _WAITS else status


def tasks(screen: Screen, found: Sequence[Mapping[str, Any]]) -> list[str]:
    """Tasks as a table; on a narrow terminal, titles have the room of the last column."""
    columns = (ID, STATUS, PRIORITY, TITLE, Column("WHO"), Column("UPDATED", styles=("dim",)))
    narrow = screen.width is not None and screen.width < _ROOMY
    return table(
        screen,
        columns,
        (
            (
                str(one["id"]),
                state(one),
                "" if screen.terminal and "priority" not in one else str(one.get("priority", "normal")),
                str(one["title"]),
                str(one.get("assignee") or ""),
                "" if narrow else when(screen, one.get("updated_at")),
            )
            for one in found
        ),
    )


def title(screen: Screen, task: Mapping[str, Any]) -> str:
    """A task in one line: its id, and its title."""
    return f"{screen.paint(str(task['id']), 'cyan')}  {clean(str(task['title']))}"


def head(screen: Screen, task: Mapping[str, Any], *, held: str = "") -> list[str]:
    """A task's title, and its facts in two columns; `held` says by whom, or for how long."""
    status = state(task)
    facts = [
        ("status", screen.paint(status, *status_style(status))),
        ("reason", task.get("block_reason", "")),
        ("priority", screen.paint(task["priority"], *priority_style(task["priority"])) if "priority" in task else ""),
        ("queue", task.get("queue", "")),
        ("held", held or task.get("assignee") or ""),
        ("requires", ", ".join(task.get("requires", ()))),
        ("labels", ", ".join(task.get("labels", ()))),
        ("parent", task.get("parent_id") or ""),
        ("due", when(screen, task.get("due_at"))),
        ("ready", when(screen, task.get("ready_at"))),
        ("attempt", _attempt(task)),
        ("created", when(screen, task.get("created_at"))),
        ("updated", when(screen, task.get("updated_at"))),
        ("finished", when(screen, task.get("finished_at"))),
    ]
    begin, said = str(task["id"]), clean(str(task["title"]))
    indent = " " * (len(begin) + 2)
    first, *rest = [said] if screen.width is None else fold(said, max(screen.width - len(indent), 20))
    lines = [f"{screen.paint(begin, 'cyan')}  {screen.paint(first, 'bold')}"]
    lines += [f"{indent}{screen.paint(line, 'bold')}" for line in rest]
    return [*lines, *pairs(screen, facts, indent="  ", painted=("status", "priority"))]


def _attempt(task: Mapping[str, Any]) -> str:
    tries = int(task.get("attempt", 0))
    return f"{tries} of {task.get('max_attempts', 3)}" if tries > 1 else ""


def texts(screen: Screen, task: Mapping[str, Any]) -> list[str]:
    """What a task says: why, what exactly, and when it is done."""
    lines: list[str] = []
    for name in ("intent", "description"):
        if task.get(name):
            lines += section(screen, name.capitalize(), wrap(screen, task[name], indent="  "))
    if task.get("acceptance"):
        lines += section(screen, "Done when", (f"  - {clean(one)}" for one in task["acceptance"]))
    for name in ("inputs", "outputs", "metadata"):
        if task.get(name):
            said = ((key, _plain(value)) for key, value in task[name].items())
            lines += section(screen, name.capitalize(), pairs(screen, said, indent="  "))
    return lines


def _plain(value: Any) -> str:  # noqa: ANN401 - any JSON value
    if isinstance(value, str):
        return value
    import json  # noqa: PLC0415 - loaded already

    return json.dumps(value, ensure_ascii=False)


def used(usage: Mapping[str, Any]) -> str:
    """What runs used, counter by counter; cost in dollars."""
    parts = []
    for name, count in usage.items():
        if name == "cost":
            parts.append(f"${count / 1_000_000:,.2f}")
        else:
            parts.append(f"{count:,} {name}" if isinstance(count, int) else str(count))
    return ", ".join(parts)


def section(screen: Screen, name: str, lines: Iterable[str]) -> list[str]:
    """A part of a page under its heading; nothing where it is empty."""
    kept = [*lines]
    return ["", screen.paint(name, "bold"), *kept] if kept else []


def checklist(screen: Screen, items: Iterable[Mapping[str, Any]]) -> list[str]:
    """The lines of a checklist, numbered, done or to do."""
    lines = []
    for number, item in enumerate(items, start=1):
        done = bool(item.get("completed"))
        mark = screen.paint("[x]", "green") if done else "[ ]"
        lines.append(f"  {mark} {number}. {clean(item['content'])}  {screen.paint(item['id'], 'dim')}")
    return lines


def entries(screen: Screen, found: Iterable[Mapping[str, Any]]) -> list[str]:
    """Context entries: type, when, and what they say."""
    lines: list[str] = []
    for entry in found:
        old = "  superseded" if entry.get("superseded_by") else ""
        about = f"{when(screen, entry['created_at'])}  {entry['id']}{old}" if "created_at" in entry else entry["id"]
        lines.append(f"  {screen.paint(entry['type'], 'magenta')}  {screen.paint(about, 'dim')}")
        lines += wrap(screen, entry["content"], indent="    ")
        why = entry.get("metadata", {}).get("rationale")
        if why:
            lines += wrap(screen, f"because: {why}", indent="    ")
        lines += [f"    {screen.paint('evidence', 'dim')}  {clean(one)}" for one in entry.get("evidence", ())]
    return lines


def briefly(screen: Screen, found: Iterable[Mapping[str, Any]]) -> list[str]:
    """Tasks as they stand inside another one's page."""
    return [
        f"  {screen.paint(str(one['id']), 'cyan')}  "
        f"{screen.paint(str(one['status']), *status_style(str(one['status'])))}  {clean(str(one['title']))}"
        for one in found
    ]


def more(screen: Screen, command: str, cursor: str | None) -> None:
    """Say how to go on behind a page, where there is more."""
    if cursor is not None:
        screen.hint(f"There is more: {command} --cursor {cursor}", "Or all of it: --all")
