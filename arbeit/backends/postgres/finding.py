"""Lists of a project: tasks by filters and sorts, runs, decisions, and what matches a search.

Their statements are built with SQLAlchemy Core and run on the driver itself.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from typing import Any

from sqlalchemy import (
    ARRAY,
    BigInteger,
    ColumnElement,
    Select,
    Text,
    and_,
    any_,
    bindparam,
    case,
    cast,
    exists,
    func,
    lateral,
    literal,
    not_,
    or_,
    select,
    true,
    tuple_,
)
from sqlalchemy.dialects.postgresql import JSONB, asyncpg

from arbeit.backends.postgres.reading import Reader
from arbeit.backends.postgres.saving import LEXEME, own
from arbeit.backends.postgres.tables import tables
from arbeit.columns import CODECS
from arbeit.core.fairness import pickable
from arbeit.core.model import PRIORITIES, ContextEntry, Run, Task
from arbeit.core.policy import Scope
from arbeit.core.searching import Sought, Term, parse, score
from arbeit.hits import entry_fields, ranked, task_fields
from arbeit.queries import CANDIDATES, DecisionQuery, Hit, Page, Query, RunQuery, Search, Slice, mark, place

_DIALECT = asyncpg.dialect()  # type: ignore[no-untyped-call]  # its base class has types
_FINISHED = ("completed", "cancelled")
_BEYOND = 2**63 - 1
_AT_ONCE = 2_000
"""Rows with the words that are looked at in one statement, until there are `CANDIDATES` that pass the filters."""

_Rows = list[tuple[tuple[Any, ...], Any]]
_Condition = ColumnElement[bool]


def _any(column: Any, values: Sequence[str]) -> _Condition:  # noqa: ANN401 - a column of text
    """Whether a column has one of these values, whose number does not change the statement's text."""
    found: _Condition = column == any_(literal(list(values), ARRAY(Text)))
    return found


class Finder:
    """Finds what queries ask for, in one schema."""

    def __init__(self, schema: str) -> None:
        known = tables(schema).tables
        self._tables = {name.partition(".")[2]: table for name, table in known.items()}
        self._tasks = self._tables["tasks"].alias("t")
        self._sorts: Mapping[
            str, Callable[[Query, tuple[Any, ...] | None], tuple[Any, Sequence[Any], Any, _Condition]]
        ] = {
            "created": self._created,
            "-created": self._latest,
            "updated": self._updated,
            "priority": self._by_priority,
            "due": self._by_due,
        }

    async def _run(self, reader: Reader, statement: Select[Any]) -> Sequence[Any]:
        compiled = statement.compile(dialect=_DIALECT, compile_kwargs={"render_postcompile": True})
        values = compiled.params
        names: Sequence[str] = compiled.positiontup or ()
        return await reader.connection.fetch(str(compiled), *(values[name] for name in names))

    # -- tasks -----------------------------------------------------------------------------------------

    async def find(self, reader: Reader, query: Query) -> Page:
        """One page of the tasks that match."""
        after = place(query.sort, query.after)
        if query.sort == "ready":
            statement, width = await self._ready(reader, query, after), 3
        else:
            source, keys, order, beyond = self._sorts[query.sort](query, after)
            statement = select(*keys, *self._columns("task", self._tasks)).select_from(source)
            statement = statement.where(*self._where(query), beyond).order_by(*order).limit(query.limit + 1)
            width = len(keys)
        read = CODECS["task"].read
        rows = [(tuple(row)[:width], read(tuple(row)[width:])) for row in await self._run(reader, statement)]
        page = tuple(task for _, task in rows[: query.limit])
        return Page(page, mark(query.sort, *rows[query.limit - 1][0]) if len(rows) > query.limit else None)

    @staticmethod
    def _columns(kind: str, table: Any) -> list[Any]:  # noqa: ANN401 - a table or what stands for one
        return [table.c[name] for name in CODECS[kind].columns]

    def _created(self, _query: Query, after: tuple[Any, ...] | None) -> tuple[Any, Sequence[Any], Any, _Condition]:
        seq = self._tasks.c.seq
        return self._tasks, (seq,), (seq,), seq > (after[0] if after else -1)

    def _latest(self, _query: Query, after: tuple[Any, ...] | None) -> tuple[Any, Sequence[Any], Any, _Condition]:
        seq = self._tasks.c.seq
        return self._tasks, (seq,), (seq.desc(),), seq < (after[0] if after else _BEYOND)

    def _updated(self, _query: Query, after: tuple[Any, ...] | None) -> tuple[Any, Sequence[Any], Any, _Condition]:
        """Walk the log backwards, and stop at what was each task's last event."""
        events, tasks = self._tables["events"].alias("v"), self._tasks
        source = events.join(
            tasks,
            and_(
                tasks.c.project == events.c.project,
                tasks.c.id == events.c.task_id,
                tasks.c.version == events.c.task_version,
            ),
        )
        position = events.c.position
        beyond = and_(events.c.project == tasks.c.project, position < (after[0] if after else _BEYOND))
        return source, (position,), (position.desc(),), beyond

    def _by_priority(self, _query: Query, after: tuple[Any, ...] | None) -> tuple[Any, Sequence[Any], Any, _Condition]:
        number = case({name: at for at, name in enumerate(PRIORITIES)}, value=self._tasks.c.priority)
        keys = (number, self._tasks.c.seq)
        return self._tasks, keys, keys, _beyond(keys, after)

    def _by_due(self, _query: Query, after: tuple[Any, ...] | None) -> tuple[Any, Sequence[Any], Any, _Condition]:
        due = self._tasks.c.due_at
        keys = (case((due.is_(None), 1), else_=0), func.coalesce(due, 0), self._tasks.c.seq)
        return self._tasks, keys, keys, _beyond(keys, after)

    async def _ready(self, reader: Reader, query: Query, after: tuple[Any, ...] | None) -> Select[Any]:
        """Merge the heads of all groups whose queue serves claims now."""
        queues = {
            queue.name
            for queue in await reader.entities("queue", "queues")
            if pickable(queue) and query.scope.sees(queue.name) and query.queue in {None, queue.name}
        }
        groups, tasks = self._tables["groups"].alias("g"), self._tasks
        keys = (tasks.c.rank, tasks.c.rank_position, tasks.c.id)
        head = (
            select(*keys, *(column.label(f"t_{column.name}") for column in self._columns("task", tasks)))
            .where(
                *self._where(query),
                tasks.c.queue == groups.c.queue,
                tasks.c.claim_group == groups.c.requires,
                tasks.c.claim_status == "ready",
                _beyond(keys, after),
            )
            .order_by(*keys)
            .limit(query.limit + 1)
        )
        found = lateral(head).alias("found")
        chosen = [found.c[name] for name in found.c.keys()]  # noqa: SIM118 - in their order, and by name
        return (
            select(*chosen)
            .select_from(groups.join(found, true()))
            .where(groups.c.project == query.project, groups.c.ready > 0, _any(groups.c.queue, sorted(queues)))
            .order_by(*chosen[:3])
            .limit(query.limit + 1)
        )

    def _where(self, query: Query) -> list[_Condition]:
        """The conditions of the filters that are given."""
        t = self._tasks.c
        found: list[_Condition] = [t.project == query.project, t.deleted_at.is_(None)]
        plain = ("claim_status", "queue", "created_by", "assignee", "priority")
        found += [t[name] == value for name in plain if (value := getattr(query, name)) is not None]
        for name, condition in (
            ("due_before", lambda value: t.due_at < value),
            ("updated_before", lambda value: t.updated_at < value),
            ("updated_after", lambda value: t.updated_at > value),
            ("label", lambda value: cast(t.labels, JSONB).has_key(value)),
            ("file", self._has_file),
        ):
            if (value := getattr(query, name)) is not None:
                found.append(condition(value))
        if query.parent_id is not None:
            found.append(t.parent_id == query.parent_id if query.parent_id else t.parent_id.is_(None))
        if query.status is not None:
            found.append(_any(t.status, query.status))
        found += map(self._requires, query.requires or ())
        flags: Mapping[str, _Condition] = {
            "root": t.parent_id.is_(None),
            "escalated": t.escalated_at.is_not(None),
            "blocked": or_(t.status == "blocked", and_(t.open_blockers > 0, not_(_any(t.status, _FINISHED)))),
        }
        for flag, said in flags.items():
            if (wanted := getattr(query, flag)) is not None:
                found.append(said if wanted else not_(said))
        if query.scope.queues is not None:
            found.append(_any(t.queue, sorted(query.scope.queues)))
        if query.blocking is not None:
            blocks = self._blocks(query.scope)
            found.append(blocks if query.blocking else not_(blocks))
        return found

    def _requires(self, name: str) -> _Condition:
        found: _Condition = func.strpos("," + self._tasks.c.requires + ",", f",{name},") > 0
        return found

    def _has_file(self, path: str) -> _Condition:
        files = self._tables["files"].alias("f")
        t = self._tasks.c
        return t.id.in_(
            select(files.c.task_id).where(
                files.c.project == t.project,
                func.hashtextextended(files.c.path, 0) == func.hashtextextended(path, 0),
                files.c.path == path,
            )
        )

    def _blocks(self, scope: Scope) -> _Condition:
        """Whether unfinished tasks, those in scope, wait for a task that is unfinished itself."""
        t, edges, later = (
            self._tasks.c,
            self._tables["relationships"].alias("edge"),
            self._tables["tasks"].alias("later"),
        )
        conditions = [
            edges.c.project == t.project,
            edges.c.from_task_id == t.id,
            edges.c.type == "blocks",
            later.c.project == edges.c.project,
            later.c.id == edges.c.to_task_id,
            later.c.deleted_at.is_(None),
            not_(_any(later.c.status, _FINISHED)),
        ]
        if scope.queues is not None:
            conditions.append(_any(later.c.queue, sorted(scope.queues)))
        return and_(not_(_any(t.status, _FINISHED)), exists().where(*conditions))

    # -- runs and decisions ----------------------------------------------------------------------------

    def _beside(self, table: Any, scope: Scope, *, deleted: bool = False) -> list[_Condition]:  # noqa: ANN401 - an alias
        """The conditions under which a row's task is there."""
        t = self._tasks.c
        found: list[_Condition] = [t.project == table.c.project, t.id == table.c.task_id]
        if not deleted:
            found.append(t.deleted_at.is_(None))
        if scope.queues is not None:
            found.append(_any(t.queue, sorted(scope.queues)))
        return found

    async def runs(self, reader: Reader, query: RunQuery) -> Slice[Run]:
        """One page of runs, newest first."""
        runs = self._tables["runs"].alias("r")
        found = self._beside(runs, query.scope, deleted=query.deleted)
        if query.task_id is not None:
            found.append(runs.c.task_id == query.task_id)
        if query.agent_id is not None:
            found.append(runs.c.agent_id == query.agent_id)
        if query.until is not None:
            found.append(runs.c.started_at < query.until)
        if query.since is not None:
            found.append(or_(runs.c.ended_at.is_(None), runs.c.ended_at >= query.since))
        return await self._newest(reader, "run", runs, found, query)

    async def decisions(self, reader: Reader, query: DecisionQuery) -> Slice[ContextEntry]:
        """One page of decisions, newest first."""
        entries = self._tables["entries"].alias("e")
        found = [*self._beside(entries, query.scope), entries.c.type == "decision"]
        if query.task_id is not None:
            found.append(entries.c.task_id == query.task_id)
        if not query.superseded:
            found.append(entries.c.superseded_by.is_(None))
        return await self._newest(reader, "entry", entries, found, query)

    async def _newest(
        self,
        reader: Reader,
        kind: str,
        table: Any,  # noqa: ANN401 - an alias
        found: Sequence[_Condition],
        query: RunQuery | DecisionQuery,
    ) -> Slice[Any]:
        sort = "runs" if kind == "run" else "decisions"
        after = place(sort, query.after)
        statement = (
            select(table.c.seq, *self._columns(kind, table))
            .select_from(table.join(self._tasks, true()))
            .where(table.c.project == query.project, table.c.seq < (after[0] if after else _BEYOND), *found)
            .order_by(table.c.seq.desc())
            .limit(query.limit + 1)
        )
        rows = list(map(tuple, await self._run(reader, statement)))
        items = tuple(CODECS[kind].read(row[1:]) for row in rows[: query.limit])
        return Slice(items, mark(sort, rows[query.limit - 1][0]) if len(rows) > query.limit else None)

    # -- words -----------------------------------------------------------------------------------------

    async def search(self, reader: Reader, query: Search) -> list[Hit]:
        """The best of the newest matches."""
        sought = parse(query.text)
        tasks: list[Task] = await self._candidates(reader, query, sought, "task") if "task" in query.kinds else []
        entries: list[ContextEntry] = (
            await self._candidates(reader, query, sought, "entry") if "entry" in query.kinds else []
        )
        around = await reader.entities("task", "tasks", sorted({entry.task_id for entry in entries}))
        return ranked(query, sought, tasks, entries, {task.id: task for task in around})

    async def _candidates(self, reader: Reader, query: Search, sought: Sought, kind: str) -> list[Any]:
        """The newest matches of a kind. The index knows words, not which follow which: what it finds is compared."""
        tasks = self._tasks
        rows = tasks if kind == "task" else self._tables["entries"].alias("e")
        found: list[_Condition] = [rows.c.project == query.project, *self._there(query, rows, kind)]
        source: Any = rows if kind == "task" else rows.join(tasks, true())
        if query.task_id is not None:
            found.append(tasks.c.id == query.task_id)
        fields: Callable[[Any], Mapping[str, str]] = task_fields if kind == "task" else entry_fields
        read = CODECS[kind].read
        statement = select(rows.c.seq, *self._columns(kind, rows)).select_from(source).order_by(rows.c.seq.desc())
        kept: list[Any] = []
        async for some in self._some(reader, query, sought, kind):
            only = found if some is None else [*found, rows.c.seq == any_(literal(some, ARRAY(BigInteger)))]
            page = map(tuple, await self._run(reader, statement.where(*only)))
            kept += [row for row in (read(one[1:]) for one in page) if score(sought, fields(row)) is not None]
            if len(kept) >= CANDIDATES:
                break
        return kept[:CANDIDATES]

    @staticmethod
    async def _some(reader: Reader, query: Search, sought: Sought, kind: str) -> AsyncIterator[list[int] | None]:
        """The numbers of rows that have the words, the newest first; None for all of one task's, which are few."""
        if query.task_id is not None:
            yield None
            return
        said, before = _tsquery(query.project, sought), _BEYOND
        while True:
            some = [row[0] for row in await reader.raw("matching", kind, said, before, _AT_ONCE)]
            if some:
                yield some
            if len(some) < _AT_ONCE:
                return
            before = some[-1]

    def _there(self, query: Search, rows: Any, kind: str) -> list[_Condition]:  # noqa: ANN401 - an alias
        """The conditions of a search beside its words."""
        if kind == "task":
            found = [rows.c.deleted_at.is_(None)]
            if query.scope.queues is not None:
                found.append(_any(rows.c.queue, sorted(query.scope.queues)))
        else:
            found = self._beside(rows, query.scope)
            if query.types is not None:
                found.append(_any(rows.c.type, query.types))
            if not query.superseded:
                found.append(rows.c.superseded_by.is_(None))
        if query.status is not None:
            found.append(_any(self._tasks.c.status, query.status))
        return found


def _beyond(keys: Sequence[Any], after: tuple[Any, ...] | None) -> _Condition:
    if after is None:
        return true()
    types = [Text() if isinstance(value, str) else BigInteger() for value in after]
    return tuple_(*keys) > tuple_(*(bindparam(None, value, type_=one) for value, one in zip(after, types, strict=True)))


def _tsquery(project: str, sought: Sought) -> str:
    """What is sought in the language of tsquery; its words are letters and digits alone, and quoted all the same."""
    said = [_quoted(own(project))]
    said += ["(" + " | ".join(map(_term, group)) + ")" for group in sought.groups]
    return " & ".join(said)


def _term(term: Term) -> str:
    *before, last = term.words
    return "(" + " & ".join([*map(_quoted, before), _quoted(last) + (":*" if term.prefix else "")]) + ")"


def _quoted(word: str) -> str:
    return "'" + word[:LEXEME].replace("\\", "\\\\").replace("'", "''") + "'"
