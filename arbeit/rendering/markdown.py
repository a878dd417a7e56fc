"""A task with its parts as a document in Markdown, to be read by people or models."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from arbeit.core.model import Task
from arbeit.queries import Parts
from arbeit.rendering.text import (
    entry_text,
    indented,
    item,
    json_text,
    minute,
    one_line,
    standing,
    task_line,
)

_DEEPEST = 6
"""Levels of headings that Markdown has."""


def document(parts: Parts, level: int = 1) -> str:
    """The task and every part of it that was fetched; tasks below it follow as sections of their own."""
    mark = "#" * min(level, _DEEPEST)
    task = parts.task
    blocks = [f"{mark} {one_line(task.title)}", f"`{task.id}`: {standing(task)}"]
    blocks += [block for block in (*_own(task), *_sections(parts, mark)) if block]
    blocks += [document(below, level + 1) for below in parts.below or ()]
    if parts.cut:
        blocks.append("*Some tasks below are left out: ask for them by themselves.*")
    return "\n\n".join(blocks) + ("\n" if level == 1 else "")


def _own(task: Task) -> Iterator[str]:
    if task.intent:
        yield _quoted("Intent", task.intent)
    if task.description:
        yield _quoted("Description", task.description)
    if task.block_reason:
        yield _quoted("Blocked", task.block_reason)
    facts = {
        "requires": ", ".join(task.requires),
        "labels": ", ".join(task.labels),
        "created": f"{minute(task.created_at)} by {task.created_by}",
        "finished": minute(task.finished_at) if task.finished_at is not None else "",
        "inputs": json_text(task.inputs) if task.inputs else "",
        "outputs": json_text(task.outputs) if task.outputs else "",
        "metadata": json_text(task.metadata) if task.metadata else "",
    }
    yield "\n".join(item(f"{name}: {one_line(fact)}") for name, fact in facts.items() if fact)
    if task.acceptance:
        yield "\n".join(["Done when:", "", *map(item, task.acceptance)])


def _quoted(name: str, text: str) -> str:
    """Text of users under its name, as a list item, so that nothing in it reaches beyond."""
    return f"- **{name}**: {indented(text)}"


def _sections(parts: Parts, mark: str) -> Iterator[str]:
    """A heading and a list for each part that was asked for and has something in it."""
    if parts.parent is not None:
        yield _section(mark, "Part of", [item(task_line(parts.parent))])
    for name, tasks in (("Waits for", parts.blocked_by), ("Blocks", parts.blocking), ("Children", parts.children)):
        yield _section(mark, name, [item(task_line(task), ticked=task.finished) for task in tasks or ()])
    others = (edge for edge in parts.relationships or () if edge.type not in {"parent_of", "blocks"})
    yield _section(mark, "Related", [item(f"{edge.from_task_id} {edge.type} {edge.to_task_id}") for edge in others])
    yield _section(mark, "Checklist", [item(one.content, ticked=one.completed) for one in parts.progress or ()])
    yield from _knowledge(parts, mark)
    runs = (
        item(
            f"attempt {run.attempt} by {run.agent_id}, {minute(run.started_at)}: {run.result or 'under way'}"
            + (f" ({run.note})" if run.note else "")
            + (f", used {json_text(run.usage)}" if run.usage else "")
        )
        for run in parts.runs or ()
    )
    yield _section(mark, "Runs", list(runs))
    artifacts = (f"{one.name} (`{one.id}`, {one.media_type}, {one.size} bytes)" for one in parts.artifacts or ())
    yield _section(mark, "Artifacts", [item(text) for text in artifacts])
    yield _section(mark, "Files", [item(f"{one.operation} {one.path}") for one in parts.files or ()])
    yield _section(mark, "Sessions", [item(one.session_id) for one in parts.sessions or ()])
    if parts.lease is not None:
        until = f"held by {parts.lease.agent_id} until {minute(parts.lease.expires_at)}, fence {parts.lease.fence}"
        yield _section(mark, "Lease", [item(until)])
    events = (f"{event.position} {minute(event.at)} {event.actor} {event.type}" for event in parts.recent_events or ())
    yield _section(mark, "Recent events", [item(text) for text in events])


def _knowledge(parts: Parts, mark: str) -> Iterator[str]:
    decisions = parts.decisions if parts.decisions is not None else parts.context or ()
    current = [entry for entry in decisions if entry.type == "decision" and entry.superseded_by is None]
    replaced = [entry for entry in parts.decisions or () if entry.superseded_by is not None]
    yield _section(mark, "Decisions", [item(entry_text(entry, named=True)) for entry in current])
    superseded = (f"{entry_text(entry, named=True)}, replaced by {entry.superseded_by}" for entry in replaced)
    yield _section(mark, "Superseded decisions", [item(text) for text in superseded])
    entries = parts.context_all if parts.context_all is not None else parts.context or ()
    others = [entry for entry in entries if entry.type != "decision"]
    texts = (f"{entry.type}: {entry_text(entry)}{_replaced(entry.superseded_by)}" for entry in others)
    yield _section(mark, "Context", [item(text) for text in texts])


def _replaced(by: str | None) -> str:
    return f", replaced by {by}" if by is not None else ""


def _section(mark: str, title: str, items: Sequence[str] | Iterable[str]) -> str:
    lines = list(items)
    deeper = mark if len(mark) == _DEEPEST else f"{mark}#"
    return "\n".join([f"{deeper} {title}", "", *lines]) if lines else ""
