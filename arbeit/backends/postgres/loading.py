"""What a batch asked for, in one statement: whatever the batch, one round trip."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from arbeit.backends.postgres import statements
from arbeit.columns import CODECS
from arbeit.core.declare import frozen
from arbeit.core.limits import GRAPH_EDGES
from arbeit.core.loads import Reads, Rows
from arbeit.core.model import Head, Receipt
from arbeit.core.record import builder
from arbeit.ports import LIVE_LEASES

_BY_ID = {
    "item": "items_by_id",
    "session": "sessions_by_id",
    "file": "files_by_id",
    "relationship": "relationships_by_id",
}
_KINDS: Mapping[str, str] = {
    "queues": "queue",
    "groups": "group",
    "entries": "entry",
    "items": "item",
    "sessions": "session",
    "files": "file",
    "artifacts": "artifact",
    "secrets": "secret",
    "ready": "task",
    "delayed": "task",
    "urgent": "task",
    "tasks": "task",
    "leases": "lease",
    "runs": "run",
    "agents": "agent",
    "edges": "relationship",
    "items_by_id": "item",
    "sessions_by_id": "session",
    "files_by_id": "file",
    "relationships_by_id": "relationship",
}
"""The kind of entity that each part of the answer brings."""
_INTO = {
    "edges": "relationships",
    **{f"{name}_by_id": name for name in ("items", "sessions", "files", "relationships")},
}
"""The field of `Rows` that a part goes into, where it is called otherwise."""


@frozen
class Loaded:
    """A statement, its parameters, and the names of the columns that it brings."""

    sql: str
    parameters: Sequence[Any]
    names: Sequence[str]


class Loading:
    """Puts together the statement for some reads. The same shape of reads gives the same text, prepared once."""

    def __init__(self, schema: str) -> None:
        self._sql = statements.load("loading.sql", schema)

    def statement(self, project: str, reads: Reads, now: int | None, *, position: int) -> Loaded:
        """What loads these reads. `now` is None where the server's clock counts; `position` is the head's."""
        made = _Statement(self._sql, [project, now])
        made.bring("head")
        if reads.since is not None and reads.since < position:
            made.bring("project")
            made.bring("queues", reads.since)
            made.bring("groups", reads.since)
        for name in ("entries", "items", "artifacts", "secrets"):
            if keys := getattr(reads, name):
                made.bring(name, sorted(keys))
        if reads.receipts:
            made.bring("receipts", *map(list, zip(*sorted(reads.receipts), strict=True)))
        if reads.linked:
            names = sorted(reads.linked)
            made.bring("sessions", names)
            made.bring("files", names)
        if reads.ready_after is not None:
            made.bring("ready", *reads.ready_after)
        if reads.events_of:
            made.bring("events", sorted(reads.events_of))
        if reads.about:
            made.bring("about", sorted(reads.about))
        if reads.windows:
            queues, groups = zip(*reads.windows, strict=True)
            made.bring("windows", list(queues), list(groups), list(reads.windows.values()))
        for kind, name in _BY_ID.items():
            if reads.ids and (keys := sorted(key for of, key in reads.ids if of == kind)):
                made.bring(name, keys)
        _family(made, reads)
        return made.done()

    @staticmethod
    def rows(record: Any, names: Sequence[str]) -> tuple[Head | None, Rows]:  # noqa: ANN401 - a row of the driver
        """What the statement brought. The moment comes with the head, read after the lock was had."""
        rows = Rows(now=record[0])
        head = Head(*record[1]) if record[1] is not None else None
        for name, value in zip(names, list(record)[1:], strict=True):
            if value is None or name == "head":
                continue
            if name in _KINDS:
                read = CODECS[_KINDS[name]].read
                getattr(rows, _INTO.get(name, name)).extend(map(read, value))
            else:
                _take(rows, name, value)
        return head, rows


def _take(rows: Rows, name: str, value: Any) -> None:  # noqa: ANN401 - what the driver made of an array or a row
    if name == "project":
        rows.project = CODECS["project"].read(value)
    elif name == "receipts":
        rows.receipts = [builder(Receipt)(*row) for row in value]
    elif name == "about":
        rows.about = [builder(Receipt)(*row) for row in value]
    elif name == "events":
        rows.events = list(map(CODECS["event"].read, value))
    elif name == "windows":
        read = CODECS["task"].read
        rows.windows = {(queue, group): list(map(read, found or ())) for queue, group, found in value}
    elif name == "overdue":
        rows.overdue = [tuple(row) for row in value]
    elif name == "after":
        rows.after = set(value)


def _family(made: _Statement, reads: Reads) -> None:
    """Tasks with their leases, runs, agents and edges: each stage names what the next one brings."""
    leases: list[str] = []
    if reads.overdue:
        made.first("with_overdue", reads.overdue)
        made.bring("overdue")
        leases.append("SELECT id FROM overdue")
    if reads.urgent:
        made.first("with_first", LIVE_LEASES)
        made.bring("urgent", reads.urgent)
        leases.append("SELECT id FROM first_leases")
    if reads.live:
        made.first("with_live")
        leases.append("SELECT id FROM live_leases")
    if reads.delayed:
        made.bring("delayed", reads.delayed)
    tasks = _graph(made, reads)
    agents: list[str] = []
    runs: list[str] = []
    if reads.tasks:
        tasks.append(made.keys(reads.tasks))
    if reads.agents:
        agents.append(made.keys(reads.agents))
    if reads.runs:
        runs.append(made.keys(reads.runs))
    if leases:
        made.first("with_chosen", sources=leases)
        tasks.append("SELECT task_id FROM chosen")
        agents.append("SELECT agent_id FROM chosen")
        leases = ["SELECT id FROM chosen"]
    if tasks:
        made.first("with_tasks", sources=tasks)
        made.bring("tasks")
        leases.append("SELECT lease_id FROM wanted_tasks WHERE lease_id IS NOT NULL")
        made.first("with_leases", sources=leases)
        made.bring("leases")
        runs.append("SELECT run_id FROM wanted_leases")
    if runs:
        made.bring("runs", sources=runs)
    if agents:
        made.bring("agents", sources=agents)


def _graph(made: _Statement, reads: Reads) -> list[str]:
    """Brings edges; which tasks are wanted for them."""
    sources: list[str] = []
    tasks: list[str] = []
    if reads.after:
        made.first("with_later", sorted(reads.after), GRAPH_EDGES + 1)
        made.bring("after")
        sources.append("SELECT id FROM later")
    if reads.below:
        made.first("with_under", sorted(reads.below))
        sources.append("SELECT id FROM under")
        tasks.append("SELECT id FROM under")
    if reads.around:
        named = made.keys(reads.around)
        sources.append(named)
        # Both ends of every edge, so those that were named, too.
        touching = f"FROM edges WHERE ARRAY[from_task_id, to_task_id] && ARRAY({named})"
        tasks += [f"SELECT from_task_id {touching}", f"SELECT to_task_id {touching}"]
    if sources:
        made.first("with_edges", sources=sources)
        made.bring("edges")
    return tasks


class _Statement:
    def __init__(self, sql: Mapping[str, str], parameters: list[Any]) -> None:
        self._sql = sql
        self._parameters = parameters
        self._first: list[str] = []
        self._parts: list[str] = []
        self._names: list[str] = []

    def _bound(self, name: str, parameters: Sequence[Any], sources: Iterable[str]) -> str:
        sql = self._sql[name]
        if sources:
            sql = sql.replace("{sources}", " UNION ".join(sources))
        for number, value in enumerate(parameters, start=1):
            self._parameters.append(value)
            sql = sql.replace(f"%{number}", f"${len(self._parameters)}")
        return sql

    def keys(self, keys: Iterable[str]) -> str:
        """A set of keys, as a source of a part."""
        self._parameters.append(sorted(keys))
        return f'SELECT unnest(${len(self._parameters)}::text[]) COLLATE "C"'

    def first(self, name: str, *parameters: object, sources: Sequence[str] = ()) -> None:
        """Find something that later parts build on."""
        self._first.append(self._bound(name, parameters, sources))

    def bring(self, name: str, *parameters: object, sources: Sequence[str] = ()) -> None:
        """Have something in the answer."""
        self._parts.append(f"({self._bound(name, parameters, sources)})")
        self._names.append(name)

    def done(self) -> Loaded:
        """The whole statement."""
        found = ", ".join([self._sql["with_moment"], *self._first])
        sql = f"WITH {found} SELECT (SELECT now FROM moment), {', '.join(self._parts)}"  # noqa: S608 - named parts
        return Loaded(sql, self._parameters, self._names)
