"""Reads of the SQLite store: what a batch asked for, and what callers look up."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from typing import Any

from arbeit.columns import CODECS, KEYS
from arbeit.core.limits import GRAPH_EDGES
from arbeit.core.loads import Reads, Rows
from arbeit.core.model import Artifact, Event, Head, Lease, Receipt, Relationship, Task
from arbeit.core.policy import Scope
from arbeit.core.record import builder, change
from arbeit.core.view import KINDS
from arbeit.ports import LIVE_LEASES, Due, LookupKind
from arbeit.queries import Overview, Parts, assemble, exists

_OF_MANY = frozenset({"item", "session", "file"})
"""Kinds whose statement takes many tasks."""


def _array(values: Iterable[str]) -> str:
    return json.dumps(list(values))


class Reader:
    """Runs named queries on one connection."""

    def __init__(self, connection: sqlite3.Connection, sql: Mapping[str, str]) -> None:
        self.connection = connection
        self._sql = sql

    def entities(self, kind: str, name: str, *parameters: object) -> list[Any]:
        """The entities of a kind that a named query finds."""
        read = CODECS[kind].read
        return [read(row) for row in self.connection.execute(self._sql[name], parameters)]

    def raw(self, name: str, *parameters: object) -> list[tuple[Any, ...]]:
        """The rows that a named query finds."""
        return self.connection.execute(self._sql[name], parameters).fetchall()

    def select(self, sql: str, values: Mapping[str, object]) -> Iterator[tuple[Any, ...]]:
        """The rows of a statement made for the occasion."""
        return self.connection.execute(sql, values)

    # -- batches ---------------------------------------------------------------------------------------

    def head(self, project: str) -> Head | None:
        """Where a project's log stands."""
        row = self.connection.execute(self._sql["head"], (project,)).fetchone()
        return Head(*row) if row is not None else None

    def load(self, project: str, reads: Reads, now: int, *, position: int) -> Rows:
        """What a batch asked for; `position` is the head's, so that what is in step is not read."""
        rows = Rows(now=now)
        if reads.since is not None and reads.since < position:
            found = self.entities("project", "project", project)
            rows.project = found[0] if found else None
            if found:
                rows.queues = self.entities("queue", "queues_since", project, reads.since)
                rows.groups = self.entities("group", "groups_since", project, reads.since)
        if reads.entries:
            rows.entries = self.entities("entry", "entries", project, _array(reads.entries))
        if reads.items:
            rows.items = self.entities("item", "items_of", project, _array(reads.items))
        if reads.receipts:
            found = self.raw("receipts", project, json.dumps(sorted(reads.receipts)))
            rows.receipts = [builder(Receipt)(*row) for row in found]
        if reads.linked:
            rows.sessions = self.entities("session", "sessions_of", project, _array(reads.linked))
            rows.files = self.entities("file", "files_of", project, _array(reads.linked))
        if reads.artifacts:
            rows.artifacts = self.entities("artifact", "artifacts", project, _array(reads.artifacts))
        if reads.secrets:
            rows.secrets = self.entities("secret", "secrets", project, _array(reads.secrets))
        if reads.ready_after is not None:
            rows.ready = self.entities("task", "ready_after", project, *reads.ready_after)
        if reads.events_of:
            rows.events = self.entities("event", "events_of", project, _array(reads.events_of))
        if reads.about:
            rows.about = self.entities("receipt", "about", project, _array(reads.about))
        rows.windows = {
            group: self.entities("task", "window", project, *group, size) for group, size in reads.windows.items()
        }
        self._load_ids(project, reads, rows)
        self._load_tasks(project, reads, rows, now)
        return rows

    def _load_ids(self, project: str, reads: Reads, rows: Rows) -> None:
        tables: dict[str, list[Any]] = {
            "item": rows.items,
            "session": rows.sessions,
            "file": rows.files,
            "relationship": rows.relationships,
        }
        for kind, table in tables.items():
            keys = [key for of, key in reads.ids if of == kind]
            if keys:
                table.extend(self.entities(kind, CODECS[kind].table, project, _array(keys)))

    def _load_tasks(self, project: str, reads: Reads, rows: Rows, now: int) -> None:
        wanted, agents = set(reads.tasks), set(reads.agents)
        self._load_graph(project, reads, rows, wanted)
        leases: set[str] = set()
        if reads.overdue:
            rows.overdue = self.raw("overdue", project, now, reads.overdue)
            leases |= {lease_id for _, lease_id in rows.overdue}
        if reads.urgent:
            rows.urgent = self.entities("task", "urgent", project, reads.urgent)
            leases |= {row[0] for row in self.raw("first_leases", project, LIVE_LEASES)}
        if reads.live:
            leases |= {lease.id for lease in self.entities("lease", "live_leases", project, None)}
        if reads.delayed:
            rows.delayed = self.entities("task", "delayed", project, now, reads.delayed)
        if leases:
            rows.leases = self.entities("lease", "leases", project, _array(leases))
            wanted |= {lease.task_id for lease in rows.leases}
            agents |= {lease.agent_id for lease in rows.leases}
        if wanted:
            rows.tasks = self.entities("task", "tasks", project, _array(wanted))
        held = {task.lease_id for task in rows.tasks if task.lease_id is not None} - leases
        if held:
            rows.leases += self.entities("lease", "leases", project, _array(held))
        runs = reads.runs | {lease.run_id for lease in rows.leases}
        if runs:
            rows.runs = self.entities("run", "runs", project, _array(runs))
        if agents:
            rows.agents = self.entities("agent", "agents", project, _array(agents))

    def _load_graph(self, project: str, reads: Reads, rows: Rows, wanted: set[str]) -> None:
        if reads.around:
            names = _array(reads.around)
            rows.relationships += self.entities("relationship", "relationships_from", project, names)
            rows.relationships += self.entities("relationship", "relationships_to", project, names)
            for edge in rows.relationships:
                wanted |= {edge.from_task_id, edge.to_task_id}
        if reads.after:
            rows.after = {row[0] for row in self.raw("after", project, _array(reads.after), GRAPH_EDGES + 1)}
            self._load_edges(project, rows.after, rows)
        if reads.below:
            below = {row[0] for row in self.raw("below", project, _array(reads.below))}
            self._load_edges(project, below, rows)
            wanted |= below

    def _load_edges(self, project: str, task_ids: set[str], rows: Rows) -> None:
        rows.relationships += self.entities(
            "relationship", "relationships_from", project, _array(task_ids)
        ) + self.entities("relationship", "relationships_to", project, _array(task_ids))

    # -- callers ---------------------------------------------------------------------------------------

    def fetch(self, project: str, task_ids: Sequence[str], include: Collection[str], scope: Scope) -> list[Parts]:
        """Tasks in the order asked for, those that are in scope."""
        source = _Source(self, project)
        found = {task.id: task for task in source.some_tasks(task_ids) if exists(task, scope)}
        return [assemble(source, found[task_id], include, scope) for task_id in task_ids if task_id in found]

    def lookup(self, project: str, kind: LookupKind, keys: Sequence[str], scope: Scope) -> list[Any]:
        """Entities by key in the order asked for, those whose task is there and in scope."""
        codec = CODECS[kind]
        (key,) = KEYS.get(kind, ("id",))
        found = {getattr(one, key): one for one in self.entities(kind, codec.table, project, _array(keys))}
        if "task_id" in codec.columns:
            tasks = self.entities("task", "tasks", project, _array({one.task_id for one in found.values()}))
            there = {task.id for task in tasks if exists(task, scope)}
            found = {name: one for name, one in found.items() if one.task_id in there}
        return [found[name] for name in keys if name in found]

    def recent_in(self, project: str, limit: int, scope: Scope) -> list[Event]:
        """The last events in scope, newest first."""
        if scope.queues is None:
            return self.entities("event", "recent", project, limit)
        return self.entities("event", "recent_in_scope", project, limit, _array(sorted(scope.queues)))

    def history(self, project: str, after: int, limit: int, scope: Scope, task_id: str | None) -> list[Event]:
        """Events beyond a position."""
        if scope.queues is not None:
            found = self.raw("history_in_scope", project, after, limit, task_id, _array(sorted(scope.queues)))
        elif task_id is not None:
            found = self.raw("history_of_task", project, after, limit, task_id)
        else:
            found = self.raw("history", project, after, limit)
        return [builder(Event)(*row) for row in found]

    def due(self, now: int, limit: int) -> list[Due]:
        """Projects with something to reclaim or to promote."""
        return [Due(*row) for row in self.raw("due", now, limit)]

    def overview(self, project: str, scope: Scope) -> Overview | None:
        """A project at a glance."""
        found, head = self.entities("project", "project", project), self.head(project)
        if not found or head is None:
            return None
        visible = _array(sorted(scope.queues)) if scope.queues is not None else None
        queues = self.entities("queue", "queues_since", project, -1)
        seen = dict(self.raw("agents_seen", project))
        agents = self.entities("agent", "all_agents", project)
        return Overview(
            found[0],
            head,
            tuple(sorted((queue for queue in queues if scope.sees(queue.name)), key=lambda queue: queue.name)),
            tuple(change(agent, last_seen_at=seen.get(agent.id)) for agent in agents),
            tuple(self.entities("lease", "live_leases", project, visible)),
            dict(self.raw("statuses", project, visible)),
        )

    def artifact(self, project: str, artifact_id: str, scope: Scope) -> Artifact | None:
        """An artifact, if its task is there and in scope."""
        found: list[Artifact] = self.entities("artifact", "artifacts", project, _array([artifact_id]))
        tasks = self.entities("task", "tasks", project, _array(one.task_id for one in found))
        return found[0] if found and tasks and exists(tasks[0], scope) else None

    def rows(self, project: str) -> dict[str, dict[Any, Any]]:
        """Every entity of a project by kind and key."""
        found, head = self.entities("project", "project", project), self.head(project)
        kinds: dict[str, dict[Any, Any]] = {
            "project": {one.key: one for one in found},
            "queue": {one.name: one for one in self.entities("queue", "queues_since", project, -1)},
            "group": {one.key: one for one in self.entities("group", "groups_since", project, -1)},
            "head": {project: head or Head()},
        }
        for kind in KINDS:
            if kind not in kinds:
                (key,) = KEYS.get(kind, ("id",))
                found = self.entities(kind, f"all_{CODECS[kind].table}", project)
                kinds[kind] = {getattr(one, key): one for one in found}
        return kinds


class _Source:
    """A project's rows as a source of parts, see `queries.Source`."""

    def __init__(self, reader: Reader, project: str) -> None:
        self._reader = reader
        self._project = project

    def edges(self, task_id: str) -> list[Relationship]:
        """The relationships that touch a task."""
        return self._reader.entities("relationship", "relationships_of", self._project, task_id)

    def some_tasks(self, task_ids: Collection[str]) -> list[Task]:
        """Tasks by id."""
        return self._reader.entities("task", "tasks", self._project, _array(task_ids))

    def of_task(self, kind: str, task_id: str) -> list[Any]:
        """The entities of a kind that belong to a task."""
        named = _array([task_id]) if kind in _OF_MANY else task_id
        return self._reader.entities(kind, f"{CODECS[kind].table}_of", self._project, named)

    def lease(self, lease_id: str) -> Lease:
        """A lease by id."""
        found: Lease = self._reader.entities("lease", "leases", self._project, _array([lease_id]))[0]
        return found

    def recent(self, task_id: str, limit: int) -> list[Event]:
        """The last events of a task, oldest first."""
        return self._reader.entities("event", "last_events_of", self._project, task_id, limit)[::-1]
