"""The verbs that read."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Collection, Iterable
from contextlib import aclosing
from typing import TYPE_CHECKING, Any, Literal, get_args

from arbeit.core.decide.base import missing
from arbeit.core.declare import evolve
from arbeit.core.errors import ArbeitError, Code, project_not_found
from arbeit.core.events import FACTS
from arbeit.core.limits import MAX_INTEGER, check_text, legible, refuse
from arbeit.core.model import (
    PRIORITIES,
    STATUSES,
    Agent,
    ClaimStatus,
    ContextEntry,
    Event,
    Priority,
    ProgressItem,
    Run,
    Status,
)
from arbeit.project.base import Base, When, instant
from arbeit.queries import (
    PARTS,
    SORTS,
    Overview,
    Page,
    Parts,
    Query,
    RunQuery,
    Slice,
    Sort,
    place,
)

if TYPE_CHECKING:
    from arbeit.audit import Verification
    from arbeit.ports import LookupKind

_PAGE = 200
_MOST_EVENTS = 10_000
MOST_ROWS = 1_000
"""Rows that one page has at most."""
DEEPEST = 16
MOST_BELOW = 1_000
"""Descendants that one call brings at most."""
Include = Collection[str] | Literal["all"]


def check(**texts: str | None) -> None:
    """Refuse what no store can hold before one is asked for it."""
    for name, text in texts.items():
        if text is not None:
            check_text(name, text)


def check_limit(limit: int, most: int = MOST_ROWS) -> None:
    """Refuse a page that is none, or a table."""
    if isinstance(limit, bool) or not isinstance(limit, int) or not 1 <= limit <= most:
        raise ArbeitError(
            Code.INVALID_INPUT,
            f"limit must be 1 to {most}",
            suggestions=("Ask for a page, and go on from its cursor.",),
            data={"field": "limit"},
        )


def names(field: str, value: str | Iterable[str] | None) -> tuple[str, ...] | None:
    """One name or several; refuses what is neither."""
    if value is None or isinstance(value, str):
        return value if value is None else (value,)
    if not isinstance(value, Iterable) or isinstance(value, bytes):
        refuse(field, f"must be a name or a list of names, not {type(value).__name__}")
    return tuple(value)


def some_of(
    field: str, value: str | Iterable[str] | None, known: Iterable[str], code: Code = Code.INVALID_INPUT
) -> tuple[str, ...] | None:
    """One or several of the names that there are."""
    wanted = names(field, value)
    there = tuple(known)
    unknown = [one for one in wanted or () if one not in there]
    if unknown:
        raise ArbeitError(
            code,
            f"there is no {field} {legible(unknown)}",
            suggestions=(f"There are: {', '.join(there)}.",),
            data={"field": field},
        )
    return wanted


def flags(**values: object) -> None:
    """Refuse what is neither true, false nor left out."""
    for name, value in values.items():
        if value is not None and not isinstance(value, bool):
            refuse(name, "must be true, false or None")


def check_position(name: str, position: int) -> None:
    """Refuse what is no position of a log."""
    if isinstance(position, bool) or not isinstance(position, int) or not 0 <= position <= MAX_INTEGER:
        refuse(name, f"must be a position, 0 to {MAX_INTEGER}")


class Reading(Base):
    """Get, find, look up, history, watch, verify."""

    async def overview(self) -> Overview:
        """The project, its head, queues, agents, live leases and task counts by status."""
        found = await self._session.overview(self.key, self.actor)
        if found is None:
            raise project_not_found(self.key)
        return found

    # -- tasks -----------------------------------------------------------------------------------------

    async def get(self, task_id: str, *, include: Include = (), depth: int = 0) -> Parts:
        """A task, with any of `arbeit.PARTS` (or "all") beside it. Raises TASK_NOT_FOUND.

        With a depth, `below` has its children with the same parts, and so on down; at most 1,000 of them, and `cut`
        says where there were more.
        """
        wanted = _parts(include)
        check_text("task_id", task_id)
        if isinstance(depth, bool) or not isinstance(depth, int) or not 0 <= depth <= DEEPEST:
            refuse("depth", f"must be 0 to {DEEPEST}")
        fetched = wanted if depth == 0 else (*wanted, "children")
        found = await self._session.fetch(self.key, [task_id], fetched, self.actor)
        if not found:
            raise ArbeitError.of(missing(task_id))
        return found[0] if depth == 0 else await self._with_descendants(found[0], fetched, wanted, depth)

    async def _with_descendants(
        self, root: Parts, fetched: Collection[str], wanted: Collection[str], depth: int
    ) -> Parts:
        fetched_parts = {root.task.id: root}
        level, cut = [root], False
        for _ in range(depth):
            names = [child.id for parts in level for child in parts.children or () if child.id not in fetched_parts]
            room = MOST_BELOW + 1 - len(fetched_parts)
            cut = cut or len(names) > room
            if not names or not room:
                break
            level = await self._session.fetch(self.key, names[:room], fetched, self.actor)
            fetched_parts |= {parts.task.id: parts for parts in level}
        below: dict[str, Parts] = {}
        # The last fetched are the deepest, so that children are whole before their parent is.
        for name, parts in reversed(fetched_parts.items()):
            children = tuple(below[child.id] for child in parts.children or () if child.id in below)
            shown = parts if "children" in wanted else evolve(parts, children=None)
            below[name] = evolve(shown, below=children, included=frozenset(wanted))
        return evolve(below[root.task.id], cut=cut)

    async def find(
        self,
        *,
        status: Status | Iterable[Status] | None = None,
        claim_status: ClaimStatus | None = None,
        queue: str | None = None,
        parent_id: str | None = None,
        assignee: str | None = None,
        priority: Priority | None = None,
        label: str | None = None,
        created_by: str | None = None,
        requires: Iterable[str] | None = None,
        due_before: When | None = None,
        updated_before: When | None = None,
        updated_after: When | None = None,
        blocked: bool | None = None,
        blocking: bool | None = None,
        escalated: bool | None = None,
        root: bool | None = None,
        file: str | None = None,
        sort: Sort = "created",
        limit: int = 50,
        cursor: str | None = None,
    ) -> Page:
        """One page of tasks; `cursor` is that of the page before, by the same sort.

        parent_id "" asks for roots, and so does `root`. requires: those that require all of these. blocked: whether
        it was set aside or unfinished tasks block it. blocking: whether unfinished tasks wait for it. escalated:
        whether it waits for a supervisor. file: those that this path is linked to. Sorts: created, -created, updated
        (newest first), priority, due, ready (what claims may take now).
        """
        statuses = some_of("status", status, STATUSES, Code.INVALID_STATUS)
        some_of("sort", (sort,), SORTS)
        some_of("claim_status", None if claim_status is None else (claim_status,), get_args(ClaimStatus))
        some_of("priority", None if priority is None else (priority,), PRIORITIES)
        flags(blocked=blocked, blocking=blocking, escalated=escalated, root=root)
        check_limit(limit)
        place(sort, cursor)
        needs = names("requires", requires)
        check(queue=queue, parent_id=parent_id, assignee=assignee, label=label, created_by=created_by, file=file)
        for name in needs or ():
            check_text("requires", name)
        query = Query(
            self.key,
            statuses,
            claim_status,
            queue,
            parent_id,
            assignee,
            priority,
            label,
            limit,
            cursor,
            created_by=created_by,
            requires=needs,
            due_before=instant("due_before", due_before),
            updated_before=instant("updated_before", updated_before),
            updated_after=instant("updated_after", updated_after),
            blocked=blocked,
            blocking=blocking,
            escalated=escalated,
            root=root,
            file=file,
            sort=sort,
        )
        return await self._session.find(query, self.actor)

    # -- by id -----------------------------------------------------------------------------------------

    async def runs(
        self,
        *,
        task_id: str | None = None,
        agent: str | None = None,
        since: When | None = None,
        until: When | None = None,
        limit: int = 50,
        cursor: str | None = None,
    ) -> Slice[Run]:
        """One page of runs, newest first; `since` and `until` bound the time in which they ran."""
        check_limit(limit)
        check(task_id=task_id, agent=agent)
        place("runs", cursor)
        query = RunQuery(
            self.key, task_id, agent, instant("since", since), instant("until", until), limit=limit, after=cursor
        )
        return await self._session.runs(query, self.actor)

    async def run(self, run_id: str) -> Run:
        """A run by id. Raises RUN_NOT_FOUND."""
        found: Run = await self._one("run", run_id, Code.RUN_NOT_FOUND, "Runs are listed by project.runs(...).")
        return found

    async def entry(self, entry_id: str) -> ContextEntry:
        """A context entry by id. Raises ENTRY_NOT_FOUND."""
        hint = 'Entries are listed by project.get(task_id, include=["context_all"]).'
        found: ContextEntry = await self._one("entry", entry_id, Code.ENTRY_NOT_FOUND, hint)
        return found

    async def item(self, item_id: str) -> ProgressItem:
        """A line of a checklist by id. Raises ENTRY_NOT_FOUND."""
        hint = 'Lines of checklists are listed by project.get(task_id, include=["progress"]).'
        found: ProgressItem = await self._one("item", item_id, Code.ENTRY_NOT_FOUND, hint)
        return found

    async def agent(self, agent_id: str) -> Agent:
        """An agent by id, and when it was last seen. Raises AGENT_NOT_FOUND."""
        check_text("agent_id", agent_id)
        for known in await self.agents():
            if known.id == agent_id:
                return known
        raise _nothing("agent", agent_id, Code.AGENT_NOT_FOUND, "Agents are listed by project.agents().")

    async def agents(self) -> tuple[Agent, ...]:
        """Every agent, by id, and when each was last seen."""
        return (await self.overview()).agents

    async def _one(self, kind: LookupKind, key: str, code: Code, hint: str) -> Any:  # noqa: ANN401 - one of any kind
        check_text(f"{kind}_id", key)
        found = await self._session.lookup(self.key, kind, [key], self.actor)
        if not found:
            raise _nothing(kind, key, code, hint)
        return found[0]

    # -- the log ---------------------------------------------------------------------------------------

    async def history(self, *, task_id: str | None = None, after: int = 0, limit: int = _PAGE) -> list[Event]:
        """Recorded events beyond a position, of the project or of one task, oldest first."""
        check_position("after", after)
        check_limit(limit, _MOST_EVENTS)
        check(task_id=task_id)
        return await self._session.history(self.key, after, limit, self.actor, task_id)

    async def events(self, *, after: int = 0, limit: int = _PAGE, types: Iterable[str] | None = None) -> list[Event]:
        """The project's events beyond a position, oldest first; `types` are tags of facts, such as task_completed."""
        check_position("after", after)
        check_limit(limit, _MOST_EVENTS)
        wanted = some_of("type", types, sorted(FACTS), Code.INVALID_TYPE)
        found: list[Event] = []
        while len(found) < limit:
            page = await self._session.history(self.key, after, _PAGE, self.actor, None)
            found += [event for event in page if wanted is None or event.type in wanted]
            if len(page) < _PAGE:
                break
            after = page[-1].position
        return found[:limit]

    async def watch(
        self, after: int = 0, *, task_id: str | None = None, types: Iterable[str] | None = None
    ) -> AsyncGenerator[Event, None]:
        """Every event beyond a position, in order, without gaps; then each as it is committed.

        `task_id` and `types` (tags of facts, such as task_completed) leave the others out.
        """
        check_position("after", after)
        check(task_id=task_id)
        wanted = some_of("type", types, sorted(FACTS), Code.INVALID_TYPE)
        # Closed with this one: a generator left to the garbage collector may outlive its event loop.
        async with aclosing(self._session.watch(self.key, after, self.actor)) as events:
            async for event in events:
                if (task_id is None or event.task_id == task_id) and (wanted is None or event.type in wanted):
                    yield event

    async def verify(self) -> Verification:
        """Check the hash chain, and that folding the events gives the stored rows; names the first fault."""
        if await self._session.standing(self.key, self.actor) is None:
            raise project_not_found(self.key)
        return await self._session.verify(self.key, self.actor)


def _parts(include: Include) -> tuple[str, ...]:
    wanted = PARTS if include == "all" else names("include", include) or ()
    unknown = sorted(str(name) for name in wanted if name not in PARTS)
    if unknown:
        raise ArbeitError(
            Code.INVALID_INPUT,
            f"a task has no part {legible(unknown)}",
            suggestions=(f"Parts: {', '.join(PARTS)}, or all.",),
            data={"field": "include"},
        )
    return wanted


def _nothing(kind: str, key: str, code: Code, hint: str) -> ArbeitError:
    return ArbeitError(code, f"there is no {kind} {key} in this project", suggestions=(hint,), data={f"{kind}_id": key})
