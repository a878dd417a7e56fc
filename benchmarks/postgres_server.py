"""A durable Postgres with a Redis beside it, and what a load costs them: CPU, WAL, connections, round trips."""

from __future__ import annotations

import asyncio
import os
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, suppress
from itertools import count
from pathlib import Path
from types import TracebackType
from typing import Self
from urllib.parse import urlencode

from attrs import frozen

from arbeit.testing.servers import PostgresServer, RedisServer
from benchmarks.measure import Cell, Series

SERVER = {"shared_buffers": "256MB", "max_wal_size": "1GB", "synchronous_commit": "on"}
"""Settings besides the test server's; fsync and full_page_writes are on."""
ABOUT = "Postgres 18, fsync and synchronous_commit on, shared_buffers 256 MB, over TCP on one machine"
BESIDE: dict[str, str] = {"postgres": "postgres", "postgres + redis": "redis", "postgres, listen=off": "off"}
"""What is measured by its name in a table, and what stands beside Postgres there."""
_TICKS = os.sysconf("SC_CLK_TCK")
_LOOK = 0.2
"""Seconds between two counts of the connections."""


class Servers(AbstractContextManager["Servers"]):
    """One Postgres and one Redis for a whole benchmark; each run gets a schema of its own."""

    def __init__(self) -> None:
        self.postgres = PostgresServer(durable=True, settings=SERVER)
        self.redis = RedisServer()
        self._numbers = count(1)

    def __enter__(self) -> Self:
        self.postgres.start()
        self.redis.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None, /
    ) -> None:
        self.redis.stop()
        self.postgres.stop()

    @contextmanager
    def fresh(self, beside: str = "postgres", port: int | None = None) -> Iterator[str]:
        """The URL of a schema that nobody has used; it is dropped afterwards."""
        schema = f"bench_{next(self._numbers)}"
        options = {"schema": schema}
        if beside == "redis":
            options["redis"] = self.redis.url
        if beside == "off":
            options["listen"] = "off"
        yield f"{self.postgres.url_at(port or self.postgres.port)}?{urlencode(options)}"
        # Whoever was killed in the middle of something holds no lock for long.
        self.postgres.sql(f"SET lock_timeout = '20s'; DROP SCHEMA IF EXISTS {schema} CASCADE")

    def connections(self) -> int:
        """How many clients are connected at this moment, as pg_stat_activity has it, and without asking the server."""
        assert self.postgres.pid is not None
        return sum(_is_client(pid) for pid in _children(self.postgres.pid))

    def wal(self) -> int:
        """Bytes of the write-ahead log up to now."""
        return int(self.postgres.sql("SELECT pg_current_wal_insert_lsn() - '0/0'"))

    def cpu(self) -> float:
        """Seconds of CPU that Postgres has used: its postmaster and all children, those that ended, too."""
        assert self.postgres.pid is not None
        total = sum(_spent(self.postgres.pid))
        for pid in _children(self.postgres.pid):
            with suppress(OSError):
                total += sum(_spent(pid)[:2])
        return total / _TICKS


def _children(pid: int) -> list[int]:
    found = Path(f"/proc/{pid}/task/{pid}/children").read_text(encoding="utf-8")
    return list(map(int, found.split()))


def _is_client(pid: int) -> bool:
    """Whether a child of Postgres serves a client over TCP: it says so in its title."""
    with suppress(OSError):
        return b" 127.0.0.1(" in Path(f"/proc/{pid}/cmdline").read_bytes()
    return False


def _spent(pid: int) -> tuple[int, int, int, int]:
    """User and system ticks of a process, and those of its ended children."""
    fields = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()
    user, system, their_user, their_system = (int(one) for one in fields[11:15])
    return user, system, their_user, their_system


@frozen
class Cost:
    """What one load cost: seconds by the clock and of CPU, bytes of WAL, connections."""

    commands: int
    seconds: float
    client: float
    server: float
    wal: int
    connections: int

    @property
    def rate(self) -> float:
        """Commands a second."""
        return self.commands / self.seconds


class Meter:
    """Reads the counters before and after a load, and counts connections meanwhile."""

    def __init__(self, servers: Servers) -> None:
        self._servers = servers
        self._over = threading.Event()
        self._most = 0

    def start(self) -> None:
        """Begin."""
        self._watcher = threading.Thread(target=self._watch, daemon=True)
        self._watcher.start()
        self._wal, self._server = self._servers.wal(), self._servers.cpu()
        self._client, self._begun = time.process_time(), time.perf_counter()

    def _watch(self) -> None:
        while True:
            self._most = max(self._most, self._servers.connections())
            if self._over.wait(_LOOK):
                return

    def stop(self, commands: int, *, client: float | None = None, seconds: float | None = None) -> Cost:
        """End. `client` is the CPU of whoever made the load, unless this process did."""
        took, spent = time.perf_counter() - self._begun, time.process_time() - self._client
        server, wal = self._servers.cpu() - self._server, self._servers.wal() - self._wal
        self._over.set()
        self._watcher.join()
        return Cost(
            commands,
            took if seconds is None else seconds,
            spent if client is None else client,
            server,
            wal,
            self._most,
        )


COST_COLUMNS = ("client CPU us", "server CPU us", "WAL bytes", "connections")


def cost_cells(costs: Sequence[Cost]) -> tuple[Cell, ...]:
    """A row's cells for `COST_COLUMNS`: each per command, but for the connections."""
    return (
        Series(one.client / one.commands * 1e6 for one in costs).median,
        Series(one.server / one.commands * 1e6 for one in costs).median,
        Series(one.wal / one.commands for one in costs).median,
        str(max(one.connections for one in costs)),
    )


class Wire:
    """A relay in front of Postgres that counts round trips: how often the client speaks after the server did."""

    def __init__(self, port: int) -> None:
        self._to = port
        self.port = 0
        self.trips = 0
        self.commits = 0
        self.rollbacks = 0
        self._loop = asyncio.new_event_loop()
        self._ready = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        self._ready.wait()
        return self

    def __exit__(self, *_: object) -> None:
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()

    def reset(self) -> None:
        """Count from nought."""
        self.trips = self.commits = self.rollbacks = 0

    def _run(self) -> None:
        asyncio.set_event_loop(self._loop)
        server = self._loop.run_until_complete(asyncio.start_server(self._relay, "127.0.0.1", 0))
        self.port = server.sockets[0].getsockname()[1]
        self._ready.set()
        self._loop.run_forever()
        server.close()
        for task in asyncio.all_tasks(self._loop):
            task.cancel()
        self._loop.run_until_complete(asyncio.sleep(0))
        self._loop.close()

    async def _relay(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        there, back = await asyncio.open_connection("127.0.0.1", self._to)
        # Whose turn it was last: a request that comes in several pieces is one round trip.
        asked = [False]

        def seen(data: bytes) -> None:
            if not asked[0]:
                self.trips += 1
                asked[0] = True
            self.commits += data.count(b"COMMIT\0")
            self.rollbacks += data.count(b"ROLLBACK\0")

        def answered(_data: bytes) -> None:
            asked[0] = False

        with suppress(OSError, asyncio.CancelledError):
            await asyncio.gather(_pump(reader, back, seen), _pump(there, writer, answered))


async def _pump(source: asyncio.StreamReader, sink: asyncio.StreamWriter, see: Callable[[bytes], None]) -> None:
    try:
        while data := await source.read(1 << 18):
            see(data)
            sink.write(data)
            await sink.drain()
    finally:
        sink.close()
