"""What a search answers, given the candidates that a store found: the same on every store."""

from __future__ import annotations

import heapq
from collections.abc import Iterable, Mapping
from operator import itemgetter

from arbeit.core.model import ContextEntry, Task
from arbeit.core.searching import Sought, mentions, score, snippet
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
    said: list[tuple[str, Task | ContextEntry, Mapping[str, str]]] = [
        *(("task", task, task_fields(task)) for task in tasks),
        *(("entry", entry, entry_fields(entry)) for entry in entries),
    ]
    found = [
        ((-points, -row.created_at, kind, row.id), row)
        for kind, row, fields in said
        if (points := score(sought, fields)) is not None
    ]
    best = heapq.nsmallest(query.limit, found, key=itemgetter(0))
    return [_hit(sought, -key[0], row, around) for key, row in best]


def _hit(sought: Sought, points: int, row: Task | ContextEntry, around: Mapping[str, Task]) -> Hit:
    if isinstance(row, ContextEntry):
        shown = snippet(sought, row.content)
        return Hit("entry", row.task_id, around[row.task_id].title, shown, points, row.created_at, row.id, row.type)
    texts = [text for text in (row.description, row.intent) if text]
    said = next((text for text in texts if mentions(sought, text)), (row.intent or row.description))
    return Hit("task", row.id, row.title, snippet(sought, said), points, row.created_at)
