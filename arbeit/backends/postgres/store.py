"""The Postgres store: the head row is the project's lock, and a batch takes four round trips, whatever is in it.

One round trip begins the transaction and locks the head; the next loads, on the guess that the log stands where this
process left it, and brings the head, which tells whether that was so; the third writes; the fourth commits.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator, Callable, Collection, Coroutine, Generator, Sequence
from contextlib import asynccontextmanager
from functools import cached_property
from typing import TYPE_CHECKING, Any, TypeVar

from arbeit.backends.postgres import schema, statements
from arbeit.backends.postgres.connecting import Connection, Connections
from arbeit.backends.postgres.errors import as_arbeit, is_lost, mapped, unknown
from arbeit.backends.postgres.home import Home, at_once
from arbeit.backends.postgres.leading import Leading
from arbeit.backends.postgres.loading import Loading
from arbeit.backends.postgres.reading import Reader
from arbeit.backends.postgres.saving import NEVER, Saving
from arbeit.backends.postgres.settings import Settings
from arbeit.backends.postgres.vectors import Vectoring, forget_erased
from arbeit.clock import SystemClock
from arbeit.columns import CODECS
from arbeit.core.errors import ArbeitError, Code
from arbeit.core.loads import Reads, Rows
from arbeit.core.model import Artifact, Changes, ContextEntry, Event, Head, Project, Run, SecretRef
from arbeit.core.policy import Scope
from arbeit.ports import Capabilities, Clock, Due, Job, LookupKind, OutcomeUnknown
from arbeit.queries import DecisionQuery, Hit, Overview, Page, Parts, Query, RunQuery, Search, Slice

if TYPE_CHECKING:
    from arbeit.backends.postgres.finding import Finder

A = TypeVar("A")
T = TypeVar("T")

_HEADS = 10_000
"""Heads remembered: where this process last saw each project's log stand."""


class PostgresStore(Leading, Vectoring):
    """One schema of one database, shared by every process that names it.

    Its methods block their caller; what they do runs on one event loop: that of an engine that moved in
    (`move_in`, then `transact_here`), or one in a thread of the store's own.
    """

    capabilities = Capabilities(durable=True, shared=True, blocking=True, parallel=True)

    def __init__(self, settings: Settings, clock: Clock) -> None:
        """Check the schema, making it where there is none and the settings allow it.

        Raises:
            ArbeitError: STORE_UNAVAILABLE, SCHEMA_TOO_NEW, or NOT_INITIALIZED for a schema to be migrated first.
        """
        self.settings = settings
        self._clock = clock
        self._own_time = None if type(clock) is SystemClock else clock
        self._pid = os.getpid()
        self._closed = False
        self.home = Home()
        # On a loop that ends at once: the connections are to live on their user's, who may not be running yet.
        self._lease_key, role, version = at_once(schema.opened(settings))
        self._connections = Connections(settings, _chance_of(clock), version=version, role=role)
        self._sql = statements.load("queries.sql", settings.schema)
        self._loading = Loading(settings.schema)
        self._saving = Saving(settings.schema)
        self._heads: dict[str, Head] = {}

    @cached_property
    def _finder(self) -> Finder:
        # SQLAlchemy takes a third of a second to import, and commands do without it.
        from arbeit.backends.postgres.finding import Finder  # noqa: PLC0415 - as said

        return Finder(self.settings.schema)

    def lease_key(self) -> bytes:
        """The secret that was made with the schema, for deployments that bring none of their own."""
        return self._lease_key

    # -- writing ---------------------------------------------------------------------------------------

    def move_in(self) -> bool:
        """Live on the running event loop from now on; whether that is so, and `transact_here` may be awaited there."""
        return self.home.move_in()

    def transact(self, jobs: Sequence[Job]) -> list[Changes | Exception]:
        """Run one transaction per job, beside each other; see `ports.BlockingStore`."""
        return self._call(self.transact_here(jobs))

    async def transact_here(self, jobs: Sequence[Job]) -> list[Changes | Exception]:
        """`transact`, for callers on this store's own event loop."""
        self._refuse_closed()
        if len(jobs) == 1:
            return [await self._transact(jobs[0])]
        tasks = [asyncio.ensure_future(self._transact(job)) for job in jobs]
        await asyncio.wait(tasks)
        failed = next((task.exception() for task in tasks if task.exception() is not None), None)
        if failed is not None:
            # Some may be committed and some not: that has to be looked up for each.
            msg = f"a transaction beside this one failed ({failed})"
            raise OutcomeUnknown(msg) from failed
        return [task.result() for task in tasks]

    async def _transact(self, job: Job) -> Changes | Exception:
        """One project's transaction. What its own commands raise is a result; what befell the store is raised."""
        while True:
            done = await self._attempt(job)
            if done is not None:
                return done

    async def _attempt(self, job: Job) -> Changes | Exception | None:
        begun = False
        try:
            async with self._connections.locking(job.project) as (connection, existed):
                begun = True
                try:
                    return await self._run(connection, job, existed=existed)
                except _OfTheJob as error:
                    await connection.execute("ROLLBACK")
                    self._heads.pop(job.project, None)
                    return error.cause
                except Exception as error:
                    if is_lost(error):
                        raise
                    await connection.execute("ROLLBACK")
                    self._heads.pop(job.project, None)
                    return as_arbeit(error, self.settings)
        except Exception as error:
            self._heads.pop(job.project, None)
            if begun and is_lost(error):
                raise unknown(error, self.settings) from error
            ours = as_arbeit(error, self.settings)
            if ours is error:
                raise
            raise ours from error

    async def _run(self, connection: Connection, job: Job, *, existed: bool) -> Changes | None:
        """Load, decide, save and commit; None where the project has begun to be since its head was looked for."""
        guess = self._heads.get(job.project)
        wanted = _own(job.reads, guess) if guess is not None else Reads()
        head, rows = await self._load(connection, job.project, wanted, guess)
        if head is not None and not existed:
            await connection.execute("ROLLBACK")
            self._remember(job.project, head)
            return None
        if guess is None or head != guess:
            wanted = _own(job.reads, head)
            _, rows = await self._load(connection, job.project, wanted, head)
        result = _own(job.decide, rows)
        while isinstance(result, Reads):
            _, rows = await self._load(connection, job.project, result, head)
            result = _own(job.decide, rows)
        if result.empty:
            await connection.execute("ROLLBACK")
            self._remember(job.project, head)
        else:
            sql, parameters = self._saving.statement(job.project, result, first=head is None)
            await connection.execute(sql, *parameters)
            if result.erased:
                await forget_erased(connection, self.settings, job.project, result)
            await connection.execute("COMMIT")
            self._remember(job.project, result.head)
        return result

    async def _load(
        self, connection: Connection, project: str, reads: Reads, head: Head | None
    ) -> tuple[Head | None, Rows]:
        now = self._own_time.now() if self._own_time is not None else None
        position = head.position if head is not None else 0
        asked = self._loading.statement(project, reads, now, position=position)
        record = await connection.fetchrow(asked.sql, *asked.parameters)
        return self._loading.rows(record, asked.names)

    def _remember(self, project: str, head: Head | None) -> None:
        if len(self._heads) > _HEADS:
            self._heads.clear()
        if head is not None:
            self._heads[project] = head

    # -- reading ---------------------------------------------------------------------------------------

    def _call(self, coroutine: Coroutine[Any, Any, T]) -> T:
        try:
            self._refuse_fork()
            self._refuse_closed()
        except ArbeitError:
            coroutine.close()
            raise
        return self.home.call(coroutine)

    def _refuse_fork(self) -> None:
        if self._pid != os.getpid():
            raise ArbeitError(
                Code.STORE_UNAVAILABLE,
                "this store was opened before a fork; its connections cannot be shared with a child",
                suggestions=("Open Arbeit anew in the child process.",),
            )

    def _refuse_closed(self) -> None:
        if self._closed:
            raise ArbeitError(Code.NOT_INITIALIZED, "this store is closed", suggestions=("Open it again.",))

    @asynccontextmanager
    async def reading(self, project: str) -> AsyncIterator[Reader]:
        """A reader of one project, in a snapshot that shows nothing of the others."""
        with mapped(self.settings):
            async with self._connections.begun(project, snapshot=True) as connection:
                yield Reader(connection, self._sql, project, self._connections.reading_patience)
                await connection.execute("COMMIT")

    async def plain(self, name: str, *parameters: object) -> Sequence[Any]:
        """The rows of a named query about what is no project's own."""
        with mapped(self.settings):
            async with self._connections.begun("", snapshot=True) as connection:
                rows = await connection.fetch(self._sql[name], *parameters)
                await connection.execute("COMMIT")
                return rows

    def fetch(self, project: str, task_ids: Sequence[str], include: Collection[str], scope: Scope) -> list[Parts]:
        """Tasks by id, with the parts asked for."""

        async def asked() -> list[Parts]:
            async with self.reading(project) as reader:
                return await reader.fetch(task_ids, include, scope)

        return self._call(asked())

    def find(self, query: Query) -> Page:
        """One page of the tasks that match."""

        async def asked() -> Page:
            async with self.reading(query.project) as reader:
                return await self._finder.find(reader, query)

        return self._call(asked())

    def search(self, query: Search) -> list[Hit]:
        """The best of the newest matches."""

        async def asked() -> list[Hit]:
            async with self.reading(query.project) as reader:
                return await self._finder.search(reader, query)

        return self._call(asked())

    def runs(self, query: RunQuery) -> Slice[Run]:
        """One page of runs, newest first."""

        async def asked() -> Slice[Run]:
            async with self.reading(query.project) as reader:
                return await self._finder.runs(reader, query)

        return self._call(asked())

    def decisions(self, query: DecisionQuery) -> Slice[ContextEntry]:
        """One page of decisions, newest first."""

        async def asked() -> Slice[ContextEntry]:
            async with self.reading(query.project) as reader:
                return await self._finder.decisions(reader, query)

        return self._call(asked())

    def recent(self, project: str, limit: int, scope: Scope) -> list[Event]:
        """The last events in scope, newest first."""

        async def asked() -> list[Event]:
            async with self.reading(project) as reader:
                return await reader.recent(limit, scope)

        return self._call(asked())

    def lookup(self, project: str, kind: LookupKind, keys: Sequence[str], scope: Scope) -> list[Any]:
        """Entities by key, those whose task is there and in scope."""

        async def asked() -> list[Any]:
            async with self.reading(project) as reader:
                return await reader.lookup(kind, keys, scope)

        return self._call(asked())

    def history(self, project: str, after: int, limit: int, scope: Scope, task_id: str | None = None) -> list[Event]:
        """Events beyond a position, in order."""

        async def asked() -> list[Event]:
            async with self.reading(project) as reader:
                return await reader.history(after, limit, scope, task_id)

        return self._call(asked())

    def due(self, now: int, limit: int) -> list[Due]:
        """Projects with something to reclaim or to promote."""
        return self._call(self._due(now, limit))

    async def _due(self, now: int, limit: int) -> list[Due]:
        found = []
        # Whose clock counts for leases counts here: that of a process may be hours ahead.
        own = now if self._own_time is not None else None
        for project, moment in await self.plain("due", own, limit):
            at = await self._deadline(project, moment)
            if at <= moment:
                found.append(Due(project, at))
        return sorted(found, key=lambda due: (due.at, due.project))

    async def _deadline(self, project: str, now: int) -> int:
        """A project's next deadline, which `dues` only bounds; set right under its lock, so that no other is missed.

        One that somebody has locked is called due: its lane finds out, and nobody waits for a holder who is frozen.
        """
        with mapped(self.settings):
            async with self._connections.begun(project) as connection:
                at = now
                if await connection.fetchval(self._sql["lock_if_free"], project):
                    found = await connection.fetchval(self._sql["next_deadline"], project)
                    at = NEVER if found is None else int(found)
                    if at > now:
                        await connection.execute(self._sql["set_due"], project, at)
                await connection.execute("COMMIT")
                return at

    def projects(self) -> list[Project]:
        """Every project, by key."""

        async def asked() -> list[Project]:
            return list(map(CODECS["project"].read, await self.plain("all_projects")))

        return self._call(asked())

    def standing(self, project: str) -> tuple[Project, Head] | None:
        """A project and where its log stands, if it is there."""

        async def asked() -> tuple[Project, Head] | None:
            async with self.reading(project) as reader:
                return await reader.standing()

        return self._call(asked())

    def overview(self, project: str, scope: Scope) -> Overview | None:
        """A project at a glance, as far as it is in scope."""

        async def asked() -> Overview | None:
            async with self.reading(project) as reader:
                return await reader.overview(scope)

        return self._call(asked())

    def artifact(self, project: str, artifact_id: str, scope: Scope) -> Artifact | None:
        """An artifact, if its task is there and in scope."""

        async def asked() -> Artifact | None:
            async with self.reading(project) as reader:
                return await reader.artifact(artifact_id, scope)

        return self._call(asked())

    def uses_blob(self, sha256: str) -> bool:
        """Whether an artifact of any project still stands for these bytes."""

        async def asked() -> bool:
            return bool((await self.plain("uses_blob", f"sha256:{sha256}"))[0][0])

        return self._call(asked())

    def secrets(self, project: str) -> list[SecretRef]:
        """Every reference to a secret, by name."""

        async def asked() -> list[SecretRef]:
            async with self.reading(project) as reader:
                return await reader.entities("secret", "all_secrets")

        return self._call(asked())

    def rows(self, project: str) -> dict[str, dict[Any, Any]]:
        """Every entity of a project, in one snapshot."""

        async def asked() -> dict[str, dict[Any, Any]]:
            async with self.reading(project) as reader:
                return await reader.rows()

        return self._call(asked())

    def dump(self, project: str) -> Generator[tuple[str, list[Any]], None, None]:
        """A whole project out of one snapshot, a few rows at a time; see `ports.Dumping`."""
        chunks = self._dump(project)
        try:
            while True:
                try:
                    yield self._call(_next(chunks))
                except StopAsyncIteration:
                    return
        finally:
            self.home.call(_close(chunks))

    async def _dump(self, project: str) -> AsyncIterator[tuple[str, list[Any]]]:
        async with self.reading(project) as reader:
            head = await reader.head()
            if head is not None:
                async for chunk in reader.dump(head):
                    yield chunk

    def pulse(self) -> int:
        """The sum of all positions: moves whenever anybody has committed an event."""

        async def asked() -> int:
            return int((await self.plain("pulse"))[0][0])

        return self._call(asked())

    def close(self) -> None:
        """Close every connection."""
        if self._closed or self._pid != os.getpid():
            return
        self._closed = True
        self.home.call(self._connections.close())
        self.home.leave()


class _OfTheJob(Exception):  # noqa: N818 - a carrier, which never leaves this module
    """What a job's own code raised, whatever its class: no word of the connection."""

    def __init__(self, cause: Exception) -> None:
        super().__init__()
        self.cause = cause


def _own(function: Callable[[A], T], argument: A) -> T:
    try:
        return function(argument)
    except Exception as error:
        raise _OfTheJob(error) from error


def _chance_of(clock: Clock) -> Callable[[], float]:
    return lambda: int.from_bytes(clock.entropy(6), "big") / (1 << 48)


async def _next(chunks: Any) -> Any:  # noqa: ANN401 - an asynchronous generator's
    return await anext(chunks)


async def _close(chunks: Any) -> None:  # noqa: ANN401 - as above
    await chunks.aclose()
