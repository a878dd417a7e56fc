"""Lists of a project: tasks by filters and sorts, runs, decisions, and what matches a search.

Statements are put together from the fixed fragments of this module; every value is a bound parameter.
"""

from __future__ import annotations

import heapq
import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from itertools import islice
from typing import TYPE_CHECKING, Any, TypeVar

from arbeit.backends.sqlite.reading import Reader
from arbeit.columns import CODECS
from arbeit.core.declare import evolve
from arbeit.core.fairness import pickable
from arbeit.core.model import PRIORITIES, ContextEntry, Run, Task
from arbeit.core.policy import Scope
from arbeit.queries import (
    CANDIDATES,
    DecisionQuery,
    Hit,
    Page,
    Query,
    RunQuery,
    Search,
    Slice,
    mark,
    place,
)

if TYPE_CHECKING:
    from arbeit.core.searching import Sought, Term

T = TypeVar("T")

_Row = tuple[tuple[Any, ...], Task]
_BEYOND = 2**63 - 1
_COLUMNS = {
    kind: ", ".join(f"{letter}.{name}" for name in CODECS[kind].columns)
    for kind, letter in (("task", "t"), ("run", "r"), ("entry", "e"))
}
_FINISHED = "('completed', 'cancelled')"
_VISIBLE = "t.deleted_at IS NULL"
_IN_SCOPE = "t.queue IN (SELECT value FROM json_each(:scope))"
# {also} holds the waiting tasks to the reader's scope.
_BLOCKS = f"""(t.status NOT IN {_FINISHED} AND EXISTS (
    SELECT 1 FROM relationships AS edge JOIN tasks AS later
        ON later.project = edge.project AND later.id = edge.to_task_id
    WHERE edge.project = t.project AND edge.from_task_id = t.id AND edge.type = 'blocks'
        AND later.deleted_at IS NULL AND later.status NOT IN {_FINISHED}{{also}}))"""  # noqa: S608 - names of ours

# The plus keeps an index from being used for a filter: each statement walks the one index that suits it best.
_FILTERS: Mapping[str, str] = {
    "claim_status": "+t.claim_status = :claim_status",
    "queue": "+t.queue = :queue",
    "created_by": "t.created_by = :created_by",
    "due_before": "+t.due_at < :due_before",
    "updated_before": "t.updated_at < :updated_before",
    "updated_after": "t.updated_at > :updated_after",
    "label": ":label IN (SELECT value FROM json_each(t.labels))",
    "file": "t.id IN (SELECT task_id FROM files WHERE project = :project AND path = :file)",
}
_FLAGS: Mapping[str, str] = {
    "root": "+t.parent_id IS NULL",
    "escalated": "t.escalated_at IS NOT NULL",
    "blocked": f"(+t.status = 'blocked' OR (t.open_blockers > 0 AND +t.status NOT IN {_FINISHED}))",
}
_TELLING = ("assignee", "parent_id", "status", "priority")
"""The filters that have an index, the most telling first; of those given, the first is walked."""


# -- tasks -------------------------------------------------------------------------------------------------------


def find(reader: Reader, query: Query) -> Page:
    """One page of the tasks that match, merged from one walk or several, each in order."""
    after = place(query.sort, query.after)
    found = list(islice(_SORTS[query.sort](reader, query, after), query.limit + 1))
    page = tuple(task for _, task in found[: query.limit])
    return Page(page, mark(query.sort, *found[query.limit - 1][0]) if len(found) > query.limit else None)


def _created(reader: Reader, query: Query, after: tuple[Any, ...] | None) -> Iterator[_Row]:
    beyond = {"seq": after[0] if after else 0}
    walks = (_walk(reader, one, "t.seq", "t.seq > :seq", beyond) for one in _each_status(query))
    return heapq.merge(*walks, key=_key)


def _latest(reader: Reader, query: Query, after: tuple[Any, ...] | None) -> Iterator[_Row]:
    beyond = {"seq": after[0] if after else _BEYOND}
    walks = (_walk(reader, one, "t.seq", "t.seq < :seq", beyond, descending=True) for one in _each_status(query))
    return heapq.merge(*walks, key=_key, reverse=True)


def _updated(reader: Reader, query: Query, after: tuple[Any, ...] | None) -> Iterator[_Row]:
    """Walk the log backwards, and stop at what was each task's last event."""
    where, values = _where(query, ())
    sql = f"""SELECT v.position, {_COLUMNS["task"]} FROM events AS v CROSS JOIN tasks AS t
        ON t.project = v.project AND t.id = v.task_id AND t.version = v.task_version
        WHERE v.project = :project AND v.position < :position AND {where}
        ORDER BY v.position DESC LIMIT :limit"""  # noqa: S608 - fragments of ours
    return _rows(reader, sql, {**values, "position": after[0] if after else _BEYOND}, 1)


def _by_priority(reader: Reader, query: Query, after: tuple[Any, ...] | None) -> Iterator[_Row]:
    first, seq = after or (0, 0)
    for number, name in enumerate(PRIORITIES):
        if number < first or query.priority not in {None, name}:
            continue
        beyond = {"seq": seq if number == first else 0}
        walks = [
            _walk(reader, one, "t.seq", "t.seq > :seq", beyond) for one in _each_status(evolve(query, priority=name))
        ]
        for key, task in heapq.merge(*walks, key=_key):
            yield (number, *key), task


def _by_due(reader: Reader, query: Query, after: tuple[Any, ...] | None) -> Iterator[_Row]:
    without, due_at, seq = after or (0, -_BEYOND, 0)
    if not without:
        beyond = {"due_at": due_at, "seq": seq}
        dated = "t.due_at IS NOT NULL AND (t.due_at, t.seq) > (:due_at, :seq)"
        for key, task in _walk(reader, query, "t.due_at, t.seq", dated, beyond, telling=()):
            yield (0, *key), task
    for key, task in _walk(
        reader, query, "t.seq", "+t.due_at IS NULL AND t.seq > :seq", {"seq": seq if without else 0}
    ):
        yield (1, 0, *key), task


def _ready(reader: Reader, query: Query, after: tuple[Any, ...] | None) -> Iterator[_Row]:
    """Merge the heads of all groups whose queue serves claims now."""
    queues = {queue.name for queue in reader.entities("queue", "queues_since", query.project, -1) if pickable(queue)}
    rank, position, name = after or (-_BEYOND - 1, -_BEYOND - 1, "")
    beyond = "(t.rank, t.rank_position, t.id) > (:rank, :position, :id)"
    only = f"t.queue = :of_queue AND t.claim_group = :of_group AND t.claim_status = 'ready' AND {beyond}"
    walks = [
        _walk(
            reader,
            query,
            "t.rank, t.rank_position, t.id",
            only,
            {"of_queue": group.queue, "of_group": group.requires, "rank": rank, "position": position, "id": name},
            telling=(),
        )
        for group in reader.entities("group", "open_groups", query.project)
        if group.queue in queues and query.scope.sees(group.queue) and query.queue in {None, group.queue}
    ]
    return heapq.merge(*walks, key=_key)


_SORTS: Mapping[str, Callable[[Reader, Query, tuple[Any, ...] | None], Iterator[_Row]]] = {
    "created": _created,
    "-created": _latest,
    "updated": _updated,
    "priority": _by_priority,
    "due": _by_due,
    "ready": _ready,
}


def _key(row: _Row) -> tuple[Any, ...]:
    return row[0]


def _each_status(query: Query) -> list[Query]:
    """One query per status: each walks its index, where a list of them would have to be sorted."""
    if query.status is None or query.assignee is not None or query.parent_id:
        return [query]
    return [evolve(query, status=(status,)) for status in sorted(set(query.status))]


def _walk(
    reader: Reader,
    query: Query,
    order: str,
    beyond: str,
    values: Mapping[str, object],
    *,
    telling: Sequence[str] = _TELLING,
    descending: bool = False,
) -> Iterator[_Row]:
    where, bound = _where(query, telling)
    direction = " DESC" if descending else ""
    # A file has few tasks, which are quicker sorted than found on a walk.
    index = " INDEXED BY tasks_id" if query.file is not None else ""
    sql = f"""SELECT {order}, {_COLUMNS["task"]} FROM tasks AS t{index}
        WHERE t.project = :project AND {where} AND {beyond} ORDER BY {order}{direction} LIMIT :limit"""  # noqa: S608 - as above
    return _rows(reader, sql, {**bound, **values}, order.count(",") + 1)


def _rows(reader: Reader, sql: str, values: Mapping[str, object], width: int) -> Iterator[_Row]:
    read = CODECS["task"].read
    return ((row[:width], read(row[width:])) for row in reader.select(sql, values))


def _where(query: Query, telling: Sequence[str]) -> tuple[str, dict[str, object]]:
    """The conditions of the filters that are given, and their values."""
    values: dict[str, object] = {"project": query.project, "limit": query.limit + 1}
    found = [_VISIBLE]
    for name, condition in _FILTERS.items():
        if (value := getattr(query, name)) is not None:
            values[name] = value
            found.append(condition)
    walked = next((name for name in telling if getattr(query, name)), None)
    found += _telling_conditions(query, values, walked)
    for number, name in enumerate(query.requires or ()):
        values[f"requires{number}"] = f",{name},"
        found.append(f"instr(',' || t.requires || ',', :requires{number})")
    for flag, condition in _FLAGS.items():
        if (wanted := getattr(query, flag)) is not None:
            found.append(condition if wanted else f"NOT ({condition})")
    also = ""
    if query.scope.queues is not None:
        values["scope"] = _array(sorted(query.scope.queues))
        found.append(_IN_SCOPE)
        also = " AND " + _IN_SCOPE.replace("t.queue", "later.queue")
    if query.blocking is not None:
        found.append(("" if query.blocking else "NOT ") + _BLOCKS.format(also=also))
    return " AND ".join(found), values


def _telling_conditions(query: Query, values: dict[str, object], walked: str | None) -> Iterator[str]:
    one_status = walked == "status" and query.status is not None and len(query.status) == 1
    for name in ("assignee", "priority"):
        if (value := getattr(query, name)) is not None:
            values[name] = value
            # One status and a priority have an index of their own.
            walks = walked == name or (one_status and name == "priority")
            yield f"{'' if walks else '+'}t.{name} = :{name}"
    if query.parent_id is not None:
        values["parent_id"] = query.parent_id
        yield (
            f"{'' if walked == 'parent_id' else '+'}t.parent_id = :parent_id"
            if query.parent_id
            else "+t.parent_id IS NULL"
        )
    if query.status is not None:
        if one_status:
            values["status"] = query.status[0]
            yield "t.status = :status"
        else:
            values["statuses"] = _array(query.status)
            yield "+t.status IN (SELECT value FROM json_each(:statuses))"


def _array(values: Iterable[str]) -> str:
    return json.dumps(list(values))


# -- runs and decisions ------------------------------------------------------------------------------------------


def _beside(scope: Scope, *, deleted: bool = False) -> tuple[list[str], dict[str, object]]:
    """The conditions under which a row's task is there."""
    found = [] if deleted else [_VISIBLE]
    if scope.queues is None:
        return found, {}
    return [*found, _IN_SCOPE], {"scope": _array(sorted(scope.queues))}


def runs(reader: Reader, query: RunQuery) -> Slice[Run]:
    """One page of runs, newest first."""
    found, values = _beside(query.scope, deleted=query.deleted)
    for name, condition in (
        ("task_id", "r.task_id = :task_id"),
        ("agent_id", "r.agent_id = :agent_id"),
        ("until", "r.started_at < :until"),
        ("since", "(r.ended_at IS NULL OR r.ended_at >= :since)"),
    ):
        if (value := getattr(query, name)) is not None:
            values[name] = value
            found.append(condition)
    return _newest(reader, "run", found, values, query)


def decisions(reader: Reader, query: DecisionQuery) -> Slice[ContextEntry]:
    """One page of decisions, newest first."""
    found, values = _beside(query.scope)
    found.append("e.type = 'decision'")
    if query.task_id is not None:
        values["task_id"] = query.task_id
        found.append("e.task_id = :task_id")
    if not query.superseded:
        found.append("e.superseded_by IS NULL")
    return _newest(reader, "entry", found, values, query)


def _newest(
    reader: Reader,
    kind: str,
    found: Sequence[str],
    values: Mapping[str, object],
    query: RunQuery | DecisionQuery,
) -> Slice[Any]:
    sort = "runs" if kind == "run" else "decisions"
    after = place(sort, query.after)
    letter, codec = kind[0], CODECS[kind]
    # The cross join walks runs or entries from the newest, and looks each one's task up.
    sql = f"""SELECT {letter}.seq, {_COLUMNS[kind]} FROM {codec.table} AS {letter} CROSS JOIN tasks AS t
        ON t.project = {letter}.project AND t.id = {letter}.task_id
        WHERE {" AND ".join([f"{letter}.project = :project", f"{letter}.seq < :seq", *found])}
        ORDER BY {letter}.seq DESC LIMIT :limit"""  # noqa: S608 - fragments of ours
    place_ = {"seq": after[0] if after else _BEYOND, "project": query.project, "limit": query.limit + 1}
    rows = list(reader.select(sql, {**values, **place_}))
    items = tuple(codec.read(row[1:]) for row in rows[: query.limit])
    return Slice(items, mark(sort, rows[query.limit - 1][0]) if len(rows) > query.limit else None)


# -- words -------------------------------------------------------------------------------------------------------


def search(reader: Reader, query: Search) -> list[Hit]:
    """The best of the newest matches."""
    from arbeit.core.searching import parse  # noqa: PLC0415 - most processes never search
    from arbeit.hits import ranked  # noqa: PLC0415 - as above

    sought = parse(query.text)
    tasks: list[Task] = _candidates(reader, query, sought, "task") if "task" in query.kinds else []
    entries: list[ContextEntry] = _candidates(reader, query, sought, "entry") if "entry" in query.kinds else []
    names = _array({entry.task_id for entry in entries})
    around = {task.id: task for task in reader.entities("task", "tasks", query.project, names)}
    return ranked(query, sought, tasks, entries, around)


_INDEXED = {"task": "title intent description", "entry": "content"}


def _candidates(reader: Reader, query: Search, sought: Sought, kind: str) -> list[Any]:
    """The newest matches of a kind: by the full-text index, or of one task alone, whose rows are few."""
    from arbeit.core.searching import score, words  # noqa: PLC0415 - as above
    from arbeit.hits import entry_fields, task_fields  # noqa: PLC0415 - as above

    found, values = _beside(query.scope)
    values |= {"project": query.project, "limit": CANDIDATES}
    if query.status is not None:
        values["statuses"] = _array(query.status)
        found.append("+t.status IN (SELECT value FROM json_each(:statuses))")
    letter, table = kind[0], CODECS[kind].table
    if kind == "entry":
        if query.types is not None:
            values["types"] = _array(query.types)
            found.append("e.type IN (SELECT value FROM json_each(:types))")
        if not query.superseded:
            found.append("e.superseded_by IS NULL")
    source = f"{table} AS {letter}"
    if query.task_id is not None:
        values |= {"task_id": query.task_id, "limit": -1}
        found.append("t.id = :task_id" if kind == "task" else "e.task_id = :task_id")
        order = f"{letter}.seq"
    else:
        values["match"] = f"project : {_quoted(words(query.project))} AND {{{_INDEXED[kind]}}} : ({_fts(sought)})"
        source = f"{table}_text CROSS JOIN {source} ON {letter}.seq = {table}_text.rowid"
        found.append(f"{table}_text MATCH :match")
        order = f"{table}_text.rowid"
    if kind == "entry":
        source += " CROSS JOIN tasks AS t ON t.project = e.project AND t.id = e.task_id"
    sql = f"""SELECT {_COLUMNS[kind]} FROM {source} WHERE {letter}.project = :project AND {" AND ".join(found)}
        ORDER BY {order} DESC LIMIT :limit"""  # noqa: S608 - fragments of ours
    rows = [CODECS[kind].read(row) for row in reader.select(sql, values)]
    if query.task_id is None:
        return rows
    fields = task_fields if kind == "task" else entry_fields
    return [row for row in rows if score(sought, fields(row)) is not None][:CANDIDATES]


def _fts(sought: Sought) -> str:
    """What is sought in the language of FTS5; its words are letters and digits alone, and quoted all the same."""
    said = " AND ".join("(" + " OR ".join(map(_term, group)) + ")" for group in sought.groups)
    for term in sought.without:
        said = f"({said}) NOT {_term(term)}"
    return said


def _term(term: Term) -> str:
    return _quoted(term.words) + ("*" if term.prefix else "")


def _quoted(words: Sequence[str]) -> str:
    return '"' + " ".join(words).replace('"', '""') + '"'
