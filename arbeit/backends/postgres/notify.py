"""Wake-ups over Postgres alone: NOTIFY outside of the data's transactions, and one connection that listens.

A notify in a transaction takes a lock of the whole server at its commit, so each process sends its own, at most one
every 20 ms, on a connection for that alone. LISTEN needs a session: through a pooler in transaction mode nothing would
be heard, which is found out by a first notify to oneself.
"""

from __future__ import annotations

import hashlib
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from typing import TYPE_CHECKING

import anyio
import asyncpg
from anyio import CancelScope, Event

from arbeit.backends.postgres.connecting import quoted
from arbeit.wakes import Carrier, Hear, blank

if TYPE_CHECKING:
    Connection = asyncpg.Connection[asyncpg.Record]
else:
    Connection = asyncpg.Connection

GATHER = 0.02
"""Seconds for which wakes are gathered after some were sent; the first after a while goes at once."""
CHECK = 2.0
"""Seconds between two looks whether the connection that listens is alive."""
_CONNECTING = 5.0
_DEADLINE = 1.0
_LAST_MOMENT = 0.2
_TEXT_LIMIT = 7_900
"""Bytes of a payload; Postgres takes 8,000."""
_NAME_LIMIT = 63
_DEAF = "LISTEN hears nothing, as behind a pooler in transaction mode: give listen= the URL of the server itself"


def channel_of(schema: str) -> str:
    """The channel on which the processes of a deployment hear each other."""
    name = f"arbeit_{schema}"
    if len(name.encode()) > _NAME_LIMIT:
        name = f"arbeit_{hashlib.sha256(schema.encode()).hexdigest()[:40]}"
    return name


class PostgresSignals(Carrier):
    """`Signals` over LISTEN and NOTIFY."""

    def __init__(self, dsn: str, schema: str, chance: Callable[[], float]) -> None:
        """`dsn` reaches the server itself, not a pooler; `chance` gives numbers in [0, 1) that spread attempts."""
        super().__init__("NOTIFY of Postgres", chance, _TEXT_LIMIT)
        self._dsn = dsn
        self._channel = channel_of(schema)
        self._sender: Connection | None = None

    async def serve(self, heard: Hear) -> None:
        """Connect twice, and go on until something fails."""
        closed, echo, greeting = Event(), Event(), blank(self.origin)

        def hear(_connection: object, _pid: int, _channel: str, text: object) -> None:
            if text == greeting:
                echo.set()
            else:
                self.hand_on(str(text), heard)

        async with self._connected() as listener, self._connected() as self._sender:
            try:
                listener.add_termination_listener(lambda _connection: closed.set())
                with anyio.fail_after(_DEADLINE):
                    await listener.add_listener(self._channel, hear)
                await self.publish(greeting)
                with anyio.move_on_after(_DEADLINE) as patience:
                    await echo.wait()
                if patience.cancelled_caught:
                    raise ConnectionError(_DEAF)
                self.found(heard)
                async with anyio.create_task_group() as group:
                    group.start_soon(_until, closed)
                    group.start_soon(self._check, listener)
                    group.start_soon(self.send, GATHER)
            finally:
                if self.healthy:
                    await self.send_last(_LAST_MOMENT)

    async def publish(self, text: str) -> None:
        """Notify: in a transaction of its own, whose commit waits for no disk."""
        assert self._sender is not None  # noqa: S101 - nothing is sent before there is one
        # One message of the simple protocol, so that a pooler may be in between here.
        await self._sender.execute(
            f"SELECT set_config('synchronous_commit', 'off', true), pg_notify({quoted(self._channel)}, {quoted(text)})",
            timeout=_DEADLINE,
        )

    async def _check(self, listener: Connection) -> None:
        while True:
            await anyio.sleep(CHECK * (0.5 + self._chance()))
            await listener.execute("SELECT 1", timeout=_DEADLINE)

    @asynccontextmanager
    async def _connected(self) -> AsyncIterator[Connection]:
        connection: Connection = await asyncpg.connect(self._dsn, timeout=_CONNECTING, statement_cache_size=0)
        try:
            yield connection
        finally:
            with CancelScope(shield=True), suppress(OSError, asyncpg.PostgresError, asyncpg.InterfaceError):
                await connection.close(timeout=_LAST_MOMENT)


async def _until(closed: Event) -> None:
    await closed.wait()
    raise ConnectionError("the connection that listens was closed")
