"""The filters of a search, tried on every kind of one, and which rows pass them."""

from __future__ import annotations

from typing import Any

from arbeit.core.model import ContextEntry, Run, Task
from arbeit.core.policy import Scope
from arbeit.queries import Search

FILTERS: tuple[dict[str, Any], ...] = (
    {"kinds": ("task",)},
    {"kinds": ("entry",)},
    {"types": ("decision", "note")},
    {"status": ("open", "completed")},
    {"task_id": "t000"},
    {"task_id": "no such"},
    {"superseded": True},
    {"scope": Scope(frozenset({"docs"}))},
    {"scope": Scope(frozenset())},
)
"""Arguments of a `Search`, for the crowd that contracts have."""


def passes(query: Search, kind: str, row: Task | ContextEntry | Run | None, around: Task | None) -> bool:
    """Whether a row, and the task that it is of, are what a search looks among."""
    return (
        around is not None
        and row is not None
        and around.deleted_at is None
        and query.scope.sees(around.queue)
        and kind in query.kinds
        and query.task_id in {None, around.id}
        and (query.status is None or around.status in query.status)
        and (
            not isinstance(row, ContextEntry)
            or ((query.types is None or row.type in query.types) and (query.superseded or row.superseded_by is None))
        )
    )
