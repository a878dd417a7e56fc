"""Lists of a project in memory: tasks by filters and sorts, runs, decisions, and what matches a search."""

from __future__ import annotations

import heapq
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any, TypeVar

from arbeit.backends.memory.tables import Tables
from arbeit.core import searching
from arbeit.core.fairness import key_of, pickable
from arbeit.core.model import PRIORITIES, TERMINAL, ContextEntry, Run, Task
from arbeit.hits import entry_fields, ranked, task_fields
from arbeit.queries import (
    CANDIDATES,
    DecisionQuery,
    Hit,
    Page,
    Query,
    RunQuery,
    Search,
    Slice,
    exists,
    mark,
    place,
)

T = TypeVar("T")

_CLASS = {name: at for at, name in enumerate(PRIORITIES)}
_Key = tuple[Any, ...]


# -- tasks -------------------------------------------------------------------------------------------------------


def find(tables: Tables, query: Query) -> Page:
    """One page of the tasks that match."""
    after = place(query.sort, query.after)
    walk = _WALKS.get(query.sort)
    if walk is not None:
        rows = ((key, task) for key, task in walk(tables, after) if _matches(tables, query, task))
        found = _some(rows, query.limit + 1)
    else:
        key = _keys(tables, query)
        keyed = ((key(task), task) for task in _candidates(tables, query) if _matches(tables, query, task))
        beyond = (row for row in keyed if after is None or row[0] > after)
        found = heapq.nsmallest(query.limit + 1, beyond, key=lambda row: row[0])
    page = tuple(task for _, task in found[: query.limit])
    return Page(page, mark(query.sort, *found[query.limit - 1][0]) if len(found) > query.limit else None)


def _created(tables: Tables, after: _Key | None) -> Iterator[tuple[_Key, Task]]:
    # A forged cursor may stand before the first.
    for number in range(max(0, after[0]) if after else 0, len(tables.order)):
        yield (number + 1,), tables.tasks[tables.order[number]]


def _latest(tables: Tables, after: _Key | None) -> Iterator[tuple[_Key, Task]]:
    first = min(after[0] - 1, len(tables.order)) if after else len(tables.order)
    for number in range(first, 0, -1):
        yield (number,), tables.tasks[tables.order[number - 1]]


def _updated(tables: Tables, after: _Key | None) -> Iterator[tuple[_Key, Task]]:
    first = min(after[0] - 1, len(tables.events)) if after else len(tables.events)
    for position in range(first, 0, -1):
        event = tables.events[position - 1]
        task = tables.tasks.get(event.task_id) if event.task_id is not None else None
        if task is not None and event.task_version == task.version:
            yield (position,), task


_WALKS: Mapping[str, Callable[[Tables, _Key | None], Iterator[tuple[_Key, Task]]]] = {
    "created": _created,
    "-created": _latest,
    "updated": _updated,
}


def _keys(tables: Tables, query: Query) -> Callable[[Task], _Key]:
    if query.sort == "ready":
        return key_of
    if query.sort == "priority":
        return lambda task: (_CLASS[task.priority], tables.number[task.id])
    return lambda task: (int(task.due_at is None), task.due_at or 0, tables.number[task.id])


def _candidates(tables: Tables, query: Query) -> Iterable[Task]:
    if query.sort != "ready":
        return tables.tasks.values()
    open_queues = {name for name, queue in tables.queues.items() if pickable(queue)}
    groups = {key for key, group in tables.groups.items() if group.ready > 0 and group.queue in open_queues}
    ready = (task for task in tables.tasks.values() if task.claim_status == "ready")
    return (task for task in ready if (task.queue, task.group) in groups)


def _matches(tables: Tables, query: Query, task: Task) -> bool:
    wanted = (
        (query.claim_status, task.claim_status),
        (query.queue, task.queue),
        (query.assignee, task.assignee),
        (query.priority, task.priority),
        (query.created_by, task.created_by),
        (query.escalated, task.escalated_at is not None),
        (query.root, task.parent_id is None),
        (query.blocked, task.status == "blocked" or (task.open_blockers > 0 and task.status not in TERMINAL)),
    )
    return (
        exists(task, query.scope)
        and all(value is None or value == has for value, has in wanted)
        and (query.status is None or task.status in query.status)
        and (query.parent_id is None or (task.parent_id or "") == query.parent_id)
        and (query.label is None or query.label in task.labels)
        and (query.requires is None or set(query.requires) <= set(task.requires))
        and _in_time(query, task)
        and (query.blocking is None or query.blocking == _blocks(tables, query, task))
        and (query.file is None or any(link.path == query.file for link in tables.of_task("file", task.id)))
    )


def _in_time(query: Query, task: Task) -> bool:
    return (
        (query.due_before is None or (task.due_at is not None and task.due_at < query.due_before))
        and (query.updated_before is None or task.updated_at < query.updated_before)
        and (query.updated_after is None or task.updated_at > query.updated_after)
    )


def _blocks(tables: Tables, query: Query, task: Task) -> bool:
    if task.status in TERMINAL:
        return False
    edges = (edge for edge in tables.edges(task.id) if edge.type == "blocks" and edge.from_task_id == task.id)
    waiting = (tables.tasks.get(edge.to_task_id) for edge in edges)
    return any(one is not None and exists(one, query.scope) and not one.finished for one in waiting)


# -- runs and decisions ------------------------------------------------------------------------------------------


def runs(tables: Tables, query: RunQuery) -> Slice[Run]:
    """One page of runs, newest first."""

    def wanted(run: Run) -> bool:
        task = tables.tasks[run.task_id]
        return (
            (exists(task, query.scope) or (query.deleted and query.scope.sees(task.queue)))
            and query.task_id in {None, run.task_id}
            and query.agent_id in {None, run.agent_id}
            and (query.until is None or run.started_at < query.until)
            and (query.since is None or run.ended_at is None or run.ended_at >= query.since)
        )

    return _newest("runs", tables.runs, wanted, query.after, query.limit)


def decisions(tables: Tables, query: DecisionQuery) -> Slice[ContextEntry]:
    """One page of decisions, newest first."""

    def wanted(entry: ContextEntry) -> bool:
        return (
            entry.type == "decision"
            and query.task_id in {None, entry.task_id}
            and (query.superseded or entry.superseded_by is None)
            and exists(tables.tasks[entry.task_id], query.scope)
        )

    return _newest("decisions", tables.entries, wanted, query.after, query.limit)


def _newest(sort: str, table: Mapping[str, T], wanted: Callable[[T], bool], cursor: str | None, limit: int) -> Slice[T]:
    after = place(sort, cursor)
    last = min(after[0] - 1, len(table)) if after is not None else len(table)
    numbered = zip(range(len(table), 0, -1), reversed(list(table.values())), strict=True)
    found = _some(((number, row) for number, row in numbered if number <= last and wanted(row)), limit + 1)
    items = tuple(row for _, row in found[:limit])
    return Slice(items, mark(sort, found[limit - 1][0]) if len(found) > limit else None)


def _some(rows: Iterable[T], count: int) -> list[T]:
    return [row for row, _ in zip(rows, range(count), strict=False)]


# -- words -------------------------------------------------------------------------------------------------------


def search(tables: Tables, query: Search) -> list[Hit]:
    """The best of the newest matches."""
    sought = searching.parse(query.text)
    tasks: list[Task] = []
    entries: list[ContextEntry] = []
    if "task" in query.kinds:
        tasks = _some((task for task in sought_tasks(tables, query) if _says(sought, task_fields(task))), CANDIDATES)
    if "entry" in query.kinds:
        found = (entry for entry in sought_entries(tables, query) if _says(sought, entry_fields(entry)))
        entries = _some(found, CANDIDATES)
    return ranked(query, sought, tasks, entries, {entry.task_id: tables.tasks[entry.task_id] for entry in entries})


def _says(sought: searching.Sought, fields: Mapping[str, str]) -> bool:
    return searching.may_match(sought, "\n".join(fields.values())) and searching.score(sought, fields) is not None


def _sought(query: Search, task: Task) -> bool:
    return exists(task, query.scope) and (query.status is None or task.status in query.status)


def sought_tasks(tables: Tables, query: Search) -> Iterator[Task]:
    """The tasks that pass a search's filters, newest first."""
    for name in reversed(tables.order):
        task = tables.tasks[name]
        if query.task_id in {None, name} and _sought(query, task):
            yield task


def sought_entries(tables: Tables, query: Search) -> Iterator[ContextEntry]:
    """The entries that pass a search's filters, newest first."""
    for entry in reversed(tables.entries.values()):
        if (
            query.task_id in {None, entry.task_id}
            and (query.types is None or entry.type in query.types)
            and (query.superseded or entry.superseded_by is None)
            and _sought(query, tables.tasks[entry.task_id])
        ):
            yield entry


def sought_runs(tables: Tables, query: Search) -> Iterator[Run]:
    """The runs of tasks that pass a search's filters, newest first."""
    for run in reversed(tables.runs.values()):
        if query.task_id in {None, run.task_id} and _sought(query, tables.tasks[run.task_id]):
            yield run
