"""Tools that read."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any, Literal

from arbeit.core.declare import frozen
from arbeit.core.errors import ArbeitError, Code
from arbeit.core.limits import legible
from arbeit.core.model import Event, Priority, Status
from arbeit.project.named import QUERIES, Answer
from arbeit.project.reading import check_limit
from arbeit.queries import PARTS, Sort
from arbeit.toolset.answers import Shown, entry, event, file, hit, listed, parts, plain, run
from arbeit.toolset.box import Call
from arbeit.toolset.registry import param, tool

Texts = tuple[str, ...]
PAGE = 20
_LONG_HISTORY = 10_000
MOST = 50
"""Items that one answer lists at most, so that even as excerpts they stay within its budget."""
_SHOW: Mapping[str, Callable[[Any], Shown]] = {"tasks": plain, "events": event, "entries": entry, "files": file}
_ALIASES: Mapping[str, Mapping[str, str]] = {"tasks_for_file": {"file_path": "path"}}


@tool("task_get", "Read a task", read_only=True)
@frozen(kw_only=True)
class TaskGet:
    """Read a task and, with include, parts of it.

    Parts: relationships context context_all progress progress_summary parent children blocked_by blocking files
    sessions artifacts runs lease decisions recent_events, or all.
    """

    task_id: str = param()
    include: Texts = param(default=())
    depth: int = param("Levels of descendants", default=0, rare=True)
    format: Literal["json", "markdown"] = param(default="json", rare=True)

    async def run(self, call: Call) -> Shown:
        """Fetch it."""
        # "all" among others is all; the parts come in one order however they were asked for.
        wanted = PARTS if "all" in self.include else tuple(dict.fromkeys(self.include))
        if self.format == "markdown":
            text = await call.project.document(self.task_id, include=wanted, depth=self.depth)
            return {"task_id": self.task_id, "document": text}
        found = await call.project.get(self.task_id, include=wanted, depth=self.depth)
        ordered = tuple(name for name in PARTS if name in wanted)
        return parts(found, ordered)


@tool("task_list", "List tasks", read_only=True)
@frozen(kw_only=True)
class TaskList:
    """List tasks by status, parent and other fields, a page at a time."""

    status: tuple[Status, ...] = param(default=())
    parent_id: str | None = param("Empty for roots", default=None)
    queue: str | None = param(default=None)
    label: str | None = param(default=None)
    assignee: str | None = param(default=None)
    priority: Priority | None = param(default=None)
    sort: Sort = param(default="created")
    limit: int = param(default=PAGE)
    cursor: str | None = param(default=None)

    async def run(self, call: Call) -> Shown:
        """One page of them."""

        async def find(limit: int) -> Found:
            page = await call.project.find(
                status=self.status or None,
                parent_id=self.parent_id,
                queue=self.queue,
                label=self.label,
                assignee=self.assignee,
                priority=self.priority,
                sort=self.sort,
                limit=limit,
                cursor=self.cursor,
            )
            return "tasks", page.tasks, page.cursor

        return await paged(find, bounded(self.limit))


Found = tuple[str, Sequence[Any], str | None]
"""What kind of things a page has, they themselves, and the cursor of the next."""


async def paged(fetch: Callable[[int], Awaitable[Found]], limit: int) -> Shown:
    """A page of a list within its budget: a shorter one where not even excerpts of all would fit."""
    kind, items, cursor = await fetch(limit)
    answer = listed(kind, items, _SHOW[kind], cursor=cursor)
    if "omitted" in answer:
        kind, items, cursor = await fetch(len(answer[kind]))
        answer = listed(kind, items, _SHOW[kind], cursor=cursor)
    return answer


def bounded(limit: int) -> int:
    """A page's size as far as answers allow it; what is none is left to be refused."""
    return min(limit, MOST)


@tool("query", "Ask a named query", read_only=True)
@frozen(kw_only=True)
class Query:
    """Ask a query by name.

    tasks ready_tasks active_tasks blocked_tasks blocking_tasks root_tasks recent_activity stale_tasks decisions
    escalations; with params.task_id: children_of descendants_of ancestors_of files_for_task; with params.path:
    tasks_for_file.
    """

    query: str = param()
    params: Mapping[str, Any] = param("Filters (status, queue, label, limit, cursor ...)", default={})

    async def run(self, call: Call) -> Shown:
        """Answer it."""
        params = {name: value for name, value in self.params.items() if value is not None or name == "parent_id"}
        for old, new in _ALIASES.get(self.query, {}).items():
            if old in params:
                params[new] = params.pop(old)
        if self.query == "tasks" and "parent_id" in params:
            return await self._below(call, params)
        if self.query == "recent_activity":
            return await self._activity(call, params)
        if self.query == "stale_tasks" and "days" in params:
            days = params.pop("days")
            params["hours"] = days * 24 if isinstance(days, int | float) and not isinstance(days, bool) else days
        params.pop("parent_id", None)
        if not _pages(self.query):
            found: Answer = await call.project.query(self.query, **params)
            return listed(found.kind, found.items, _SHOW[found.kind])
        return await self._page(call, params)

    async def _page(self, call: Call, params: dict[str, Any]) -> Shown:
        limit = params.pop("limit", PAGE)

        async def ask(limit: int) -> Found:
            found: Answer = await call.project.query(self.query, **params, limit=limit)
            return found.kind, found.items, found.cursor

        return await paged(ask, bounded(limit) if isinstance(limit, int) else limit)

    async def _below(self, call: Call, params: dict[str, Any]) -> Shown:
        """Tasks under a parent, or (null) those that have none."""
        known = {"parent_id", *QUERIES["tasks"]}
        unknown = sorted(params.keys() - known)
        if unknown:
            raise ArbeitError(
                Code.INVALID_INPUT,
                f"the query tasks takes no {legible(unknown)}",
                suggestions=(f"It takes: {', '.join(sorted(known))}.",),
                data={"field": "params"},
            )
        params["parent_id"] = params["parent_id"] or ""  # null asks for roots
        limit = params.pop("limit", PAGE)

        async def find(limit: int) -> Found:
            page = await call.project.find(**params, limit=limit)
            return "tasks", page.tasks, page.cursor

        return await paged(find, bounded(limit) if isinstance(limit, int) else limit)

    async def _activity(self, call: Call, params: dict[str, Any]) -> Shown:
        """The last events, newest first; of one task, or since a moment, where that is asked for."""
        since, task_id, limit = params.pop("since", None), params.pop("task_id", None), params.pop("limit", PAGE)
        params.pop("parent_id", None)
        check_limit(limit)
        events: Sequence[Event]
        if task_id is None:
            events = (await call.project.query("recent_activity", limit=limit, **params)).items  # type: ignore[assignment]  # what it has
        else:
            await call.project.get(task_id)
            events = (await call.project.history(task_id=task_id, limit=_LONG_HISTORY, **params))[::-1]
        if since is not None:
            first = _moment(since)
            events = [one for one in events if one.at >= first]
        return listed("events", events[: bounded(limit)], event)


def _moment(text: object) -> int:
    from arbeit.toolset.planning import instant  # noqa: PLC0415 - one query of many needs it

    return instant("since", text if isinstance(text, str) else str(text)) or 0


def _pages(name: str) -> bool:
    return "limit" in QUERIES.get(name, {})


@tool("briefing", "Brief a successor", read_only=True)
@frozen(kw_only=True)
class Briefing:
    """What you need to go on with a task, packed into a budget of tokens."""

    task_id: str = param()
    max_tokens: int = param(default=2000)

    async def run(self, call: Call) -> Shown:
        """Pack it."""
        made = await call.project.brief(self.task_id, max_tokens=self.max_tokens, style="tools")
        return {
            "task_id": made.task_id,
            "briefing": made.text,
            "tokens": made.tokens,
            "left_out": list(made.left_out),
        }


@tool("search", "Search words", read_only=True)
@frozen(kw_only=True)
class Search:
    """Find tasks and entries by words: all must occur; "a phrase", begin*, this or that, -without."""

    text: str | None = param(default=None)
    similar_to: str | None = param("Instead of text: decisions, attempts, outcomes of tasks like this", default=None)
    mode: Literal["words", "meaning", "both"] | None = param(default=None, rare=True)
    kinds: tuple[Literal["task", "entry", "run"], ...] = param(default=(), rare=True)
    types: Texts = param("Of entries", default=(), rare=True)
    status: tuple[Status, ...] = param(default=(), rare=True)
    task_id: str | None = param(default=None, rare=True)
    limit: int = param(default=PAGE)

    async def run(self, call: Call) -> Shown:
        """The best hits first."""
        found = await call.project.search(
            self.text or None,
            similar_to=self.similar_to or None,
            mode=self.mode,
            kinds=self.kinds or None,
            types=self.types or None,  # type: ignore[arg-type]  # checked there, with a code of its own
            status=self.status or None,
            task_id=self.task_id,
            limit=bounded(self.limit),
        )
        return listed("hits", found, hit)


@tool("events", "Read the log", read_only=True)
@frozen(kw_only=True)
class Events:
    """What happened after a position of the log, oldest first; go on from the position in the answer."""

    after: int = param(default=0)
    task_id: str | None = param(default=None)
    types: Texts = param("Such as task_completed", default=())
    limit: int = param(default=PAGE)

    async def run(self, call: Call) -> Shown:
        """One page of them."""
        limit = bounded(self.limit)
        if self.task_id is not None:
            await call.project.get(self.task_id)
            page = await call.project.history(task_id=self.task_id, after=self.after, limit=limit)
            found = [one for one in page if not self.types or one.type in self.types]
        else:
            page = found = await call.project.events(after=self.after, types=self.types or None, limit=limit)
        return listed("events", found, event) | {"position": page[-1].position if page else self.after}


@tool("run_history", "Read past runs", read_only=True)
@frozen(kw_only=True)
class RunHistory:
    """Who worked on what, when, with what result and use; newest first."""

    task_id: str | None = param(default=None)
    agent: str | None = param(default=None)
    limit: int = param(default=PAGE)
    cursor: str | None = param(default=None)

    async def run(self, call: Call) -> Shown:
        """One page of runs."""
        found = await call.project.runs(
            task_id=self.task_id, agent=self.agent, limit=bounded(self.limit), cursor=self.cursor
        )
        return listed("runs", found.items, run, cursor=found.cursor)
