"""Connections: a pool that comes back after the server did, and transactions that tell who they are."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

import asyncpg

from arbeit.backends.postgres.errors import LOST, as_arbeit, is_lost
from arbeit.backends.postgres.settings import Settings
from arbeit.core.errors import ArbeitError, Code

if TYPE_CHECKING:
    from asyncpg.pool import PoolConnectionProxy

    Connection = asyncpg.Connection[asyncpg.Record]
else:
    Connection = asyncpg.Connection

_READ_COMMITTED = " ISOLATION LEVEL READ COMMITTED READ WRITE"
"""Said each time: in any other level, what is loaded would be as it was before the lock was had."""
_SNAPSHOT = " ISOLATION LEVEL REPEATABLE READ READ ONLY"
_READERS = 60
"""How many times as long as a writer, who holds a lock, a reader may take: whole projects are read, too."""
_FIRST_WAIT = 0.02
_LONGEST_WAIT = 1.0
_WHOLE_TRANSACTIONS = 17
"""The version of Postgres that knows transaction_timeout."""
_PATIENCE = 5.0
"""Seconds by which one time-out is longer than the one that it waits for."""


def patience_of(settings: Settings) -> float:
    """Seconds after which a server that does not answer a writer is given up: longer than any lock is waited for."""
    return settings.timeout + settings.frozen + 2 * _PATIENCE


def connect_options(settings: Settings) -> dict[str, Any]:
    """What every connection of a store is opened with."""
    return {
        "dsn": settings.dsn,
        "command_timeout": patience_of(settings),
        "timeout": max(settings.wait, 1.0),
        "statement_cache_size": 200 if settings.prepared else 0,
        "max_cached_statement_lifetime": 0,
    }


async def _leave_clean(connection: Connection) -> None:
    """What a pool runs as a connection comes back: nothing, as transactions leave no session state behind."""
    if connection.is_in_transaction():
        await connection.execute("ROLLBACK")


class Connections:
    """The connections of one store, on one event loop."""

    def __init__(self, settings: Settings, chance: Callable[[], float], *, version: int, role: str | None) -> None:
        """`version` is the server's, `role` the one to take on in transactions, if it is not the connection's own."""
        self.settings = settings
        self._chance = chance
        self._pool: asyncpg.Pool[asyncpg.Record] | None = None
        self._opening = asyncio.Lock()
        self._closed = False
        # Whoever waits for a lock outlasts its holder: one frozen between two statements is ended after `frozen`; one
        # frozen in the middle of one (the driver has it parsed, then sends values) after `timeout`, from 17 on.
        self._waiting = _milliseconds("lock_timeout", settings.timeout + settings.frozen + _PATIENCE)
        self._holding = (
            f"{_milliseconds('statement_timeout', settings.timeout)}, "
            f"{_milliseconds('idle_in_transaction_session_timeout', settings.frozen)}"
        )
        if version >= _WHOLE_TRANSACTIONS:
            self._holding += f", {_milliseconds('transaction_timeout', settings.timeout)}"
        self._reading = (
            f"{_milliseconds('statement_timeout', settings.timeout * _READERS)}, "
            f"{_milliseconds('idle_in_transaction_session_timeout', settings.timeout * _READERS)}"
        )
        self.reading_patience = settings.timeout * _READERS
        """Seconds after which a reader gives a server up that does not answer; a writer does after `patience_of`."""
        self._role = role

    async def _ready(self) -> asyncpg.Pool[asyncpg.Record]:
        if self._closed:
            raise ArbeitError(Code.NOT_INITIALIZED, "this store is closed", suggestions=("Open it again.",))
        if self._pool is None:
            async with self._opening:
                if self._pool is None:
                    self._pool = await asyncpg.create_pool(
                        min_size=0,
                        max_size=self.settings.pool,
                        max_inactive_connection_lifetime=300.0,
                        reset=_leave_clean,
                        **connect_options(self.settings),
                    )
        return self._pool

    @asynccontextmanager
    async def connection(self) -> AsyncIterator[Connection]:
        """A connection of the pool; one that broke is not given out again."""
        pool = await self._ready()
        connection = await self._acquire(pool)
        try:
            yield connection  # type: ignore[misc]  # a proxy that stands for one
        except BaseException as error:
            if connection.is_in_transaction() or is_lost(error) or not isinstance(error, Exception):
                # Nobody knows what it is still doing: the server ends its transaction with it.
                connection.terminate()
            raise
        finally:
            await asyncio.shield(pool.release(connection, timeout=_PATIENCE))

    async def _acquire(self, pool: asyncpg.Pool[asyncpg.Record]) -> PoolConnectionProxy[asyncpg.Record]:
        wait = max(self.settings.wait, 1.0)
        try:
            return await pool.acquire(timeout=wait)
        except TimeoutError as error:
            raise ArbeitError(
                Code.STORE_UNAVAILABLE,
                f"{self.settings.shown}: no connection within {wait:g} s",
                suggestions=(f"Try again; if it stays so, the server hangs, or pool={self.settings.pool} is too few.",),
                retryable=True,
            ) from error

    @asynccontextmanager
    async def begun(self, project: str, *, snapshot: bool = False) -> AsyncIterator[Connection]:
        """A connection in a transaction that may see this project alone.

        A server that cannot be reached is waited for, with back-off: nothing has been asked of it yet.
        """
        isolation, limits = (_SNAPSHOT, self._reading) if snapshot else (_READ_COMMITTED, self._holding)
        async with self._entered(f"{self._begin(project, isolation)}SELECT {limits}") as (connection, _):
            yield connection

    @asynccontextmanager
    async def locking(self, project: str) -> AsyncIterator[tuple[Connection, bool]]:
        """`begun`, with the project's head locked, or its name where it has none; and whether there was a head.

        There may be one by the time that the name is locked: only then is it sure that nobody else makes one.
        """
        # The lock comes last, and what limits its holder with it: the answer's tag counts the rows that were locked.
        heads = f"{self.settings.schema}.heads"
        lock = f"WITH locked AS MATERIALIZED (SELECT FROM {heads} WHERE project = {quoted(project)} FOR NO KEY UPDATE)"
        begin = self._begin(project, _READ_COMMITTED)
        begin += f"{lock} SELECT {self._holding} FROM locked"  # noqa: S608 - settings of ours
        async with self._entered(begin) as (connection, tag):
            if tag != "SELECT 0":
                yield connection, True
                return
            name = quoted(f"{self.settings.schema}.{project}")
            await connection.execute(f"SELECT pg_advisory_xact_lock(hashtextextended({name}, 0)), {self._holding}")
            yield connection, False

    @asynccontextmanager
    async def _entered(self, begin: str) -> AsyncIterator[tuple[Connection, str]]:
        started, delay = time.monotonic(), _FIRST_WAIT
        while True:
            entered = False
            try:
                async with self.connection() as connection:
                    tag = await connection.execute(begin)
                    entered = True
                    yield connection, tag
                    return
            except Exception as error:
                if entered or not is_lost(error):
                    raise
                if self._pool is not None:
                    # What one connection lost, the others have most likely lost as well.
                    await self._pool.expire_connections()
                left = self.settings.wait - (time.monotonic() - started)
                if left <= 0:
                    raise as_arbeit(error, self.settings) from error
            await asyncio.sleep(min(delay * (0.5 + self._chance()), left))
            delay = min(delay * 2, _LONGEST_WAIT)

    def _begin(self, project: str, isolation: str) -> str:
        """The first statements of a transaction: one round trip, as the simple protocol takes several at once."""
        role = f", set_config('role', {quoted(self._role)}, true)" if self._role is not None else ""
        return (
            f"BEGIN{isolation}; SELECT set_config('arbeit.project', {quoted(project)}, true), "
            f"set_config('enable_seqscan', 'off', true), {self._waiting}{role}; "
        )

    async def close(self) -> None:
        """Close every connection; those in use are given a moment."""
        self._closed = True
        pool, self._pool = self._pool, None
        if pool is not None:
            try:
                await asyncio.wait_for(pool.close(), 5)
            except (TimeoutError, OSError, asyncpg.PostgresError, asyncpg.InterfaceError):
                pool.terminate()


def _milliseconds(name: str, seconds: float) -> str:
    return f"set_config('{name}', '{int(seconds * 1000)}', true)"


def quoted(text: str) -> str:
    """A literal. Connections refuse servers where a backslash in one means anything."""
    if "\0" in text:
        raise ArbeitError(Code.INVALID_INPUT, "a NUL character cannot be stored", suggestions=("Leave it out.",))
    return "'" + text.replace("'", "''") + "'"


@asynccontextmanager
async def alone(settings: Settings) -> AsyncIterator[Connection]:
    """One connection outside of any pool, for opening and migrating."""
    try:
        connection: Connection = await asyncpg.connect(**connect_options(settings))
    except Exception as error:
        raise as_arbeit(error, settings) from error
    try:
        _refuse_odd_server(connection, settings)
        yield connection
    except Exception as error:
        ours = as_arbeit(error, settings)
        if ours is error:
            raise
        raise ours from error
    finally:
        try:
            await connection.close(timeout=_PATIENCE)
        except LOST:
            connection.terminate()


def _refuse_odd_server(connection: Connection, settings: Settings) -> None:
    said = connection.get_settings()
    if said.standard_conforming_strings != "on":
        raise ArbeitError(
            Code.STORE_UNAVAILABLE,
            f"{settings.shown} has standard_conforming_strings off",
            suggestions=("ALTER DATABASE ... SET standard_conforming_strings = on.",),
        )
    if said.server_encoding != "UTF8":
        raise ArbeitError(
            Code.INVALID_INPUT,
            f"{settings.shown} is encoded in {said.server_encoding}, which cannot keep every text",
            suggestions=("Make a database with ENCODING 'UTF8'.",),
            data={"field": "url"},
        )
