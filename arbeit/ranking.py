"""What a search answers, given the candidates that a store found: the same on every store."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from arbeit.core.model import ContextEntry, Task
from arbeit.core.searching import Sought, score, snippet
from arbeit.queries import Hit, Search


def task_fields(task: Task) -> Mapping[str, str]:
    """What of a task is searched."""
    return {"title": task.title, "intent": task.intent, "description": task.description}


def entry_fields(entry: ContextEntry) -> Mapping[str, str]:
    """What of an entry is searched."""
    return {"content": entry.content}


def ranked(
    query: Search, sought: Sought, tasks: Iterable[Task], entries: Iterable[ContextEntry], around: Mapping[str, Task]
) -> list[Hit]:
    """The best of these candidates: most and weightiest occurrences first, then the newest, then by id.

    `around` are the tasks of the entries. What does not match after all is left out, so that an index may be coarse.
    """
    hits = [hit for task in tasks if (hit := _of_task(sought, task)) is not None]
    hits += [hit for entry in entries if (hit := _of_entry(sought, entry, around[entry.task_id])) is not None]
    hits.sort(key=lambda hit: (-hit.score, -hit.created_at, hit.kind, hit.entry_id or hit.task_id))
    return hits[: query.limit]


def _of_task(sought: Sought, task: Task) -> Hit | None:
    points = score(sought, task_fields(task))
    if points is None:
        return None
    text = next((text for text in (task.description, task.intent) if text and score(sought, {"intent": text})), "")
    return Hit(
        "task", task.id, task.title, snippet(sought, text or task.intent or task.description), points, task.created_at
    )


def _of_entry(sought: Sought, entry: ContextEntry, task: Task) -> Hit | None:
    points = score(sought, entry_fields(entry))
    if points is None:
        return None
    shown = snippet(sought, entry.content)
    return Hit("entry", task.id, task.title, shown, points, entry.created_at, entry.id, entry.type)
