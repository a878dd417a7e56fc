"""Reads of callers, each in a snapshot of its own."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Collection, Mapping, Sequence
from typing import Any

from arbeit.backends.postgres.connecting import Connection
from arbeit.columns import CODECS, KEYS
from arbeit.core.model import Artifact, Event, Head, Lease, Project, Relationship, Task
from arbeit.core.policy import Scope
from arbeit.core.record import change
from arbeit.core.view import KINDS
from arbeit.ports import LookupKind
from arbeit.queries import RECENT, Overview, Parts, assemble, exists

_SOURCES: Mapping[str, str] = {
    "runs": "run",
    "artifacts": "artifact",
    "files": "file",
    "sessions": "session",
    "context": "entry",
    "context_all": "entry",
    "decisions": "entry",
    "progress": "item",
    "progress_summary": "item",
}
"""What kind of entity a part of a task is made of."""
_EDGES = frozenset({"relationships", "parent", "children", "blocked_by", "blocking"})
CHUNK = 500


class Reader:
    """Runs named queries on one connection, inside a transaction."""

    def __init__(
        self, connection: Connection, sql: Mapping[str, str], project: str, patience: float | None = None
    ) -> None:
        self.connection = connection
        self.project = project
        self._sql = sql
        self._patience = patience

    async def raw(self, name: str, *parameters: object) -> Sequence[Any]:
        """The rows that a named query finds; the project is its first parameter."""
        return await self.connection.fetch(self._sql[name], self.project, *parameters, timeout=self._patience)

    async def entities(self, kind: str, name: str, *parameters: object) -> list[Any]:
        """The entities of a kind that a named query finds."""
        return list(map(CODECS[kind].read, await self.raw(name, *parameters)))

    async def head(self) -> Head | None:
        """Where the project's log stands."""
        found = await self.raw("head")
        return Head(*found[0]) if found else None

    async def standing(self) -> tuple[Project, Head] | None:
        """The project and where its log stands, if it is there."""
        found, head = await self.entities("project", "project"), await self.head()
        return (found[0], head) if found and head is not None else None

    async def fetch(self, task_ids: Sequence[str], include: Collection[str], scope: Scope) -> list[Parts]:
        """Tasks in the order asked for, those that are in scope."""
        tasks: list[Task] = await self.entities("task", "tasks", list(task_ids))
        found = {task.id: task for task in tasks if exists(task, scope)}
        made = []
        for task_id in task_ids:
            if task_id in found:
                source = await self._source(found[task_id], include)
                made.append(assemble(source, found[task_id], include, scope))
        return made

    async def _source(self, task: Task, include: Collection[str]) -> _Source:
        """Everything that `assemble` will ask for, read beforehand."""
        source = _Source()
        for kind in {_SOURCES[name] for name in include if name in _SOURCES}:
            source.kinds[kind] = await self.entities(kind, f"{CODECS[kind].table}_of", task.id)
        if not _EDGES.isdisjoint(include):
            source.edges_ = await self.entities("relationship", "relationships_of", task.id)
            ends = {edge.from_task_id for edge in source.edges_} | {edge.to_task_id for edge in source.edges_}
            source.tasks = await self.entities("task", "tasks", sorted(ends))
        if "lease" in include and task.lease_id is not None:
            source.leases = await self.entities("lease", "leases", [task.lease_id])
        if "recent_events" in include:
            source.events = await self.entities("event", "last_events_of", task.id, _Source.most_events)
        return source

    async def lookup(self, kind: LookupKind, keys: Sequence[str], scope: Scope) -> list[Any]:
        """Entities by key in the order asked for, those whose task is there and in scope."""
        codec = CODECS[kind]
        (key,) = KEYS.get(kind, ("id",))
        found = {getattr(one, key): one for one in await self.entities(kind, codec.table, list(keys))}
        if "task_id" in codec.columns:
            tasks = await self.entities("task", "tasks", list({one.task_id for one in found.values()}))
            there = {task.id for task in tasks if exists(task, scope)}
            found = {name: one for name, one in found.items() if one.task_id in there}
        return [found[name] for name in keys if name in found]

    async def recent(self, limit: int, scope: Scope) -> list[Event]:
        """The last events in scope, newest first."""
        if scope.queues is None:
            return await self.entities("event", "recent", limit)
        return await self.entities("event", "recent_in_scope", limit, sorted(scope.queues))

    async def history(self, after: int, limit: int, scope: Scope, task_id: str | None) -> list[Event]:
        """Events beyond a position."""
        if scope.queues is not None:
            return await self.entities("event", "history_in_scope", after, limit, task_id, sorted(scope.queues))
        if task_id is not None:
            return await self.entities("event", "history_of_task", after, limit, task_id)
        return await self.entities("event", "history", after, limit)

    async def overview(self, scope: Scope) -> Overview | None:
        """The project at a glance."""
        found = await self.standing()
        if found is None:
            return None
        visible = sorted(scope.queues) if scope.queues is not None else None
        queues = [queue for queue in await self.entities("queue", "all_queues") if scope.sees(queue.name)]
        seen = {row[0]: row[1] for row in await self.raw("agents_seen")}
        agents = await self.entities("agent", "all_agents")
        return Overview(
            *found,
            tuple(queues),
            tuple(change(agent, last_seen_at=seen.get(agent.id)) for agent in agents),
            tuple(await self.entities("lease", "live_leases", visible)),
            {row[0]: row[1] for row in await self.raw("statuses", visible)},
        )

    async def artifact(self, artifact_id: str, scope: Scope) -> Artifact | None:
        """An artifact, if its task is there and in scope."""
        found: list[Artifact] = await self.entities("artifact", "artifacts", [artifact_id])
        tasks = await self.entities("task", "tasks", [one.task_id for one in found])
        return found[0] if found and tasks and exists(tasks[0], scope) else None

    async def rows(self) -> dict[str, dict[Any, Any]]:
        """Every entity of the project by kind and key."""
        found, head = await self.entities("project", "project"), await self.head()
        kinds: dict[str, dict[Any, Any]] = {
            "project": {one.key: one for one in found},
            "group": {one.key: one for one in await self.entities("group", "groups")},
            "head": {self.project: head or Head()},
        }
        for kind in KINDS:
            if kind not in kinds:
                (key,) = KEYS.get(kind, ("id",))
                kinds[kind] = {getattr(one, key): one for one in await self.entities(kind, f"all_{CODECS[kind].table}")}
        return kinds

    async def dump(self, head: Head) -> AsyncIterator[tuple[str, list[Any]]]:
        """The whole project by kind, a chunk of rows at a time, as `ports.Dumping` has it."""
        yield "head", [head]
        yield "project", await self.entities("project", "project")
        for kind in _DUMPED:
            read: Callable[[Any], Any] = CODECS[kind].read
            cursor = await self.connection.cursor(self._sql[f"all_{CODECS[kind].table}"], self.project)
            while chunk := await cursor.fetch(CHUNK):
                yield kind, list(map(read, chunk))


_DUMPED = (
    "queue",
    "agent",
    "secret",
    "task",
    "relationship",
    "entry",
    "item",
    "session",
    "file",
    "artifact",
    "run",
    "lease",
    "event",
)


class _Source:
    """A task's rows as a source of parts, see `queries.Source`."""

    most_events = RECENT

    def __init__(self) -> None:
        self.kinds: dict[str, list[Any]] = {}
        self.edges_: list[Relationship] = []
        self.tasks: list[Task] = []
        self.leases: list[Lease] = []
        self.events: list[Event] = []

    def edges(self, _task_id: str) -> list[Relationship]:
        """The relationships that touch the task."""
        return self.edges_

    def some_tasks(self, task_ids: Collection[str]) -> list[Task]:
        """Tasks by id."""
        return [task for task in self.tasks if task.id in task_ids]

    def of_task(self, kind: str, _task_id: str) -> list[Any]:
        """The entities of a kind that belong to the task."""
        return self.kinds.get(kind, [])

    def lease(self, _lease_id: str) -> Lease:
        """The task's lease."""
        return self.leases[0]

    def recent(self, _task_id: str, limit: int) -> list[Event]:
        """The last events of the task, oldest first."""
        return self.events[:limit][::-1]
