"""The queries that have a name, for callers that choose by text: tools, command lines, prompts."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable, Mapping
from types import FunctionType
from typing import Any, Literal

from arbeit.core.declare import frozen
from arbeit.core.errors import ArbeitError, Code
from arbeit.core.limits import check_text, legible, refuse
from arbeit.core.model import SECOND, ContextEntry, Event, FileLink, Status, Task
from arbeit.project.reading import DEEPEST, MOST_BELOW, Reading, check_limit, flags
from arbeit.queries import DecisionQuery, Page, Parts, Sort, place

_HOURS = 24 * 366
_UNFINISHED: tuple[Status, ...] = ("open", "in_progress", "in_review", "blocked")


@frozen
class Answer:
    """What a named query found: items of one kind, and the cursor of the next page where there is one."""

    name: str
    kind: Literal["tasks", "events", "entries", "files"]
    items: tuple[Task, ...] | tuple[Event, ...] | tuple[ContextEntry, ...] | tuple[FileLink, ...]
    cursor: str | None = None


class Named(Reading):
    """`query(name, ...)`; each method `_query_NAME` is one, and its arguments are the query's parameters."""

    async def query(self, name: str, /, **params: Any) -> Answer:  # noqa: ANN401 - each query has its own
        """Ask one of the named queries; docs/reference/queries.md has them all.

        Raises INVALID_INPUT for a name or a parameter that there is not, and says which there are.
        """
        ask: Callable[..., Awaitable[Answer]] | None = (
            getattr(self, f"_query_{name}") if name in tuple(QUERIES) else None
        )
        if ask is None:
            raise ArbeitError(
                Code.INVALID_INPUT,
                f"there is no query {legible([name])}",
                suggestions=(f"There are: {', '.join(QUERIES)}.",),
                data={"field": "query"},
            )
        known = QUERIES[name]
        unknown, lacking = sorted(params.keys() - known), [one for one, needed in known.items() if needed]
        if unknown or not params.keys() >= set(lacking):
            takes = [f"{one} (required)" if needed else one for one, needed in known.items()]
            said = f"takes no {', '.join(unknown)}" if unknown else f"needs {', '.join(lacking)}"
            raise ArbeitError(
                Code.INVALID_INPUT,
                f"the query {name} {said}",
                suggestions=(f"It takes: {', '.join(takes)}.",),
                data={"field": "params"},
            )
        return await ask(**params)

    async def _tasks(self, name: str, page: Awaitable[Page]) -> Answer:
        found = await page
        return Answer(name, "tasks", found.tasks, found.cursor)

    async def _query_tasks(
        self,
        *,
        status: Any = None,  # noqa: ANN401 - a status or several
        queue: str | None = None,
        assignee: str | None = None,
        priority: Any = None,  # noqa: ANN401 - a priority
        label: str | None = None,
        created_by: str | None = None,
        requires: Iterable[str] | None = None,
        sort: Sort = "created",
        limit: int = 50,
        cursor: str | None = None,
    ) -> Answer:
        """Tasks by the common filters and any sort."""
        found = self.find(
            status=status,
            queue=queue,
            assignee=assignee,
            priority=priority,
            label=label,
            created_by=created_by,
            requires=requires,
            sort=sort,
            limit=limit,
            cursor=cursor,
        )
        return await self._tasks("tasks", found)

    async def _query_ready_tasks(
        self, *, queue: str | None = None, label: str | None = None, limit: int = 50, cursor: str | None = None
    ) -> Answer:
        """Tasks that may be claimed now, in the order in which their queue gives them out."""
        return await self._tasks(
            "ready_tasks", self.find(queue=queue, label=label, sort="ready", limit=limit, cursor=cursor)
        )

    async def _query_active_tasks(
        self, *, assignee: str | None = None, limit: int = 50, cursor: str | None = None
    ) -> Answer:
        """Tasks that somebody works on."""
        return await self._tasks(
            "active_tasks", self.find(status="in_progress", assignee=assignee, limit=limit, cursor=cursor)
        )

    async def _query_blocked_tasks(self, *, limit: int = 50, cursor: str | None = None) -> Answer:
        """Tasks that were set aside until somebody unblocks them, and those that unfinished ones block."""
        found = self.find(status=_UNFINISHED, blocked=True, limit=limit, cursor=cursor)
        return await self._tasks("blocked_tasks", found)

    async def _query_blocking_tasks(self, *, limit: int = 50, cursor: str | None = None) -> Answer:
        """Unfinished tasks that others wait for, the most important first."""
        return await self._tasks(
            "blocking_tasks", self.find(blocking=True, sort="priority", limit=limit, cursor=cursor)
        )

    async def _query_children_of(self, *, task_id: str, limit: int = 50, cursor: str | None = None) -> Answer:
        """The children of a task."""
        await self.get(task_id)
        return await self._tasks("children_of", self.find(parent_id=task_id, limit=limit, cursor=cursor))

    async def _query_descendants_of(self, *, task_id: str, depth: int = DEEPEST) -> Answer:
        """All that lies below a task, level by level; at most 1,000."""
        level = [await self.get(task_id, depth=depth)]
        found: list[Task] = []
        while level:
            level = [child for parts in level for child in parts.below or ()]
            found += [parts.task for parts in level]
        return Answer("descendants_of", "tasks", tuple(found[:MOST_BELOW]))

    async def _query_ancestors_of(self, *, task_id: str) -> Answer:
        """What a task is part of: its parent, that one's parent, and so on to the root."""
        found: list[Task] = []
        above: Task | None = (await self.get(task_id, include=("parent",))).parent
        while above is not None and len(found) < DEEPEST:
            found.append(above)
            above = (await self.get(above.id, include=("parent",))).parent
        return Answer("ancestors_of", "tasks", tuple(found))

    async def _query_root_tasks(
        self,
        *,
        status: Any = None,  # noqa: ANN401 - a status or several
        limit: int = 50,
        cursor: str | None = None,
    ) -> Answer:
        """Tasks that have no parent."""
        return await self._tasks("root_tasks", self.find(root=True, status=status, limit=limit, cursor=cursor))

    async def _query_recent_activity(self, *, limit: int = 50) -> Answer:
        """The last events, newest first."""
        check_limit(limit)
        return Answer("recent_activity", "events", tuple(await self._session.recent(self.key, limit, self.actor)))

    async def _query_stale_tasks(self, *, hours: float = 24, limit: int = 50, cursor: str | None = None) -> Answer:
        """Unfinished tasks of which nothing was heard for so many hours."""
        if isinstance(hours, bool) or not isinstance(hours, int | float) or not 0 <= hours <= _HOURS:
            refuse("hours", f"must be 0 to {_HOURS}")
        before = self._session.now() - round(hours * 3600 * SECOND)
        found = self.find(status=_UNFINISHED, updated_before=before, limit=limit, cursor=cursor)
        return await self._tasks("stale_tasks", found)

    async def _query_files_for_task(self, *, task_id: str) -> Answer:
        """The files that were read or written for a task."""
        parts: Parts = await self.get(task_id, include=("files",))
        return Answer("files_for_task", "files", parts.files or ())

    async def _query_tasks_for_file(self, *, path: str, limit: int = 50, cursor: str | None = None) -> Answer:
        """The tasks that a file was read or written for."""
        check_text("path", path)
        return await self._tasks("tasks_for_file", self.find(file=path, limit=limit, cursor=cursor))

    async def _query_decisions(
        self,
        *,
        task_id: str | None = None,
        superseded: bool = False,
        limit: int = 50,
        cursor: str | None = None,
    ) -> Answer:
        """Decisions of a task or of the whole project, newest first; superseded ones only if asked for."""
        check_limit(limit)
        flags(superseded=superseded)
        place("decisions", cursor)
        if task_id is not None:
            check_text("task_id", task_id)
        query = DecisionQuery(self.key, task_id, bool(superseded), limit, cursor)
        found = await self._session.decisions(query, self.actor)
        return Answer("decisions", "entries", found.items, found.cursor)

    async def _query_escalations(self, *, limit: int = 50, cursor: str | None = None) -> Answer:
        """Tasks that wait for a supervisor."""
        return await self._tasks("escalations", self.find(escalated=True, limit=limit, cursor=cursor))


def _parameters(query: FunctionType) -> Mapping[str, bool]:
    """The parameters of a query, and whether each is required."""
    code, optional = query.__code__, query.__kwdefaults__ or {}
    return {name: name not in optional for name in code.co_varnames[1 : 1 + code.co_kwonlyargcount]}


QUERIES: Mapping[str, Mapping[str, bool]] = {
    name.removeprefix("_query_"): _parameters(query)
    for name, query in vars(Named).items()
    if name.startswith("_query_")
}
"""Every named query with its parameters, and whether each is required."""
