"""Postgres for the crash rig: points inside of a transaction, and a server that is killed under its writers."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Coroutine, Mapping, Sequence
from random import Random
from typing import TYPE_CHECKING, Any, TypeVar
from urllib.parse import parse_qsl, urlencode, urlsplit, urlunsplit

from attrs import define, field

from arbeit.core.later import Later
from arbeit.testing.crash.dooming import Doom
from arbeit.testing.servers import PostgresServer

if TYPE_CHECKING:
    import asyncpg
else:
    asyncpg = Later("asyncpg")

T = TypeVar("T")
SCHEMES = ("postgresql://", "postgres://")
KILLED, STOPPED = "server killed", "server stopped at once"
_POINTS = {
    "before": 16,  # a transaction is asked for; nothing was sent
    "locked": 16,  # the project is locked, nothing has been read since
    "decided": 16,  # decided, nothing is written yet
    "commit": 16,  # everything is written, COMMIT was not sent
    "committing": 16,  # COMMIT was sent, no answer has come
    "committed": 16,  # COMMIT is done, nobody has heard
}
_WRITES = ("INSERT", "UPDATE", "DELETE", "WITH")
_LOCK, _LOG = "FOR NO KEY UPDATE", ".events ("
"""What a statement mentions that locks a project, and one that writes a batch: dates and leaders are kept beside."""
_LONGEST_AWAY = 1.0
"""Seconds that a killed server is left lying, at most."""
_LEAVING = 10.0
"""Seconds within which a server has to notice that a client is dead, and end its transaction."""
_OURS = frozenset(
    {"schema", "role", "pool", "wait", "timeout", "frozen", "prepared", "create", "listen", "redis", "artifacts"}
)


@define(eq=False)
class PostgresTarget:
    """Schemas of one database, one for each era.

    With `server`, which has to be durable, that server is killed while writers write; without, writers are.
    """

    address: str
    server: PostgresServer | None = None
    outages: Sequence[str] = field(init=False)
    """See `Target`."""

    def __attrs_post_init__(self) -> None:
        """Only whoever has the server can kill it; beside its data there is room for artifacts."""
        self.outages = (KILLED, STOPPED) if self.server is not None else ()
        if self.server is not None:
            self.address = with_options(self.address, artifacts=str(self.server.folder / "artifacts"))

    def __reduce__(self) -> tuple[Callable[..., PostgresTarget], tuple[object, ...]]:
        """As writers get it: with the outages that they are to bear, and without the server."""
        return _sent, (self.address, self.outages)

    @property
    def points(self) -> Mapping[str, int]:
        """See `Target`."""
        return {} if self.outages else _POINTS

    @property
    def told(self) -> str:
        """See `Target`."""
        return f"Postgres {_ask(self.address, 'SHOW server_version')[0][0]}"

    @property
    def arguments(self) -> str:
        """See `Target`."""
        return "--store postgres" if self.server is not None else f"--url {self.address}"

    @property
    def parallel(self) -> bool:
        """See `Target`: an outage would befall whoever looks, too."""
        return not self.outages

    def url(self, era: int) -> str:
        """See `Target`."""
        return with_options(self.address, schema=f"crash_{era}")

    def strike(self, outage: str, random: Random) -> None:
        """See `Target`."""
        assert self.server is not None
        if outage == KILLED:
            self.server.kill()
        else:
            self.server.stop_immediately()
        time.sleep(random.uniform(0, _LONGEST_AWAY))
        self.server.start()

    def doom(self, point: str, nth: int, seed: int, die: Callable[[], None]) -> Callable[[], None]:
        """Patch this process, which is about to die anyway: what its connections send."""
        doom = _Doom(point, nth, seed, die)
        protocol = asyncpg.protocol.Protocol
        for name in ("query", "bind_execute", "bind_execute_many"):
            setattr(protocol, name, _watched(doom, getattr(protocol, name)))
        return doom.opened

    def remains(self, url: str) -> list[str]:
        """Whether a transaction is still open that nobody can end any more."""
        until = time.monotonic() + _LEAVING
        while found := _ask(url, _OPEN):
            if time.monotonic() > until:
                return [f"process {pid} of the server is still in a transaction: {text}" for pid, text in found]
            time.sleep(0.05)
        return []

    def inspect(self, url: str, erased: Sequence[str]) -> list[str]:
        """Every row of every table is read, by which pages' checksums are tried; none mentions what was erased."""
        schema = dict(parse_qsl(urlsplit(url).query))["schema"]
        problems = []
        for (table,) in _ask(url, f"SELECT tablename FROM pg_tables WHERE schemaname = '{schema}'"):  # noqa: S608 - ours
            rows = _ask(url, f'SELECT t::text FROM {schema}."{table}" AS t')  # noqa: S608 - as above
            problems += [
                f"erased, and still in {schema}.{table}: {text}"
                for text in erased
                if any(text in row for (row,) in rows)
            ]
        return problems


_OPEN = """
    SELECT pid, left(query, 80) FROM pg_stat_activity
    WHERE datname = current_database() AND pid <> pg_backend_pid() AND backend_type = 'client backend'
        AND xact_start IS NOT NULL
"""


def _sent(address: str, outages: Sequence[str]) -> PostgresTarget:
    target = PostgresTarget(address)
    target.outages = outages
    return target


def with_options(url: str, **options: str) -> str:
    """The same URL with other options."""
    parts = urlsplit(url)
    return urlunsplit(parts._replace(query=urlencode({**dict(parse_qsl(parts.query)), **options})))


def _ask(url: str, sql: str) -> list[tuple[Any, ...]]:
    """The rows of one query, on a connection of its own and by the connection's own role."""
    parts = urlsplit(url)
    options = [(name, value) for name, value in parse_qsl(parts.query) if name not in _OURS]
    dsn = urlunsplit(parts._replace(query=urlencode(options)))

    async def ask() -> list[tuple[Any, ...]]:
        connection = await asyncpg.connect(dsn, timeout=10)
        try:
            return [tuple(row) for row in await connection.fetch(sql)]
        finally:
            await connection.close()

    return _run(ask())


def _run(work: Coroutine[Any, Any, T]) -> T:
    return asyncio.run(work)


class _Doom(Doom):
    """What a writer over a connection passes."""

    def __init__(self, point: str, nth: int, seed: int, die: Callable[[], None]) -> None:
        super().__init__(point, nth, seed, die)
        self._writing: set[object] = set()
        """The connections whose transaction has written: of the others, commits are of no account."""

    async def around(self, connection: object, sql: str, send: Callable[[], Awaitable[T]]) -> T:
        """Send a statement, and pass the points before, inside and after it."""
        kind = sql.lstrip()
        if kind.startswith("BEGIN") and _LOCK in kind:
            self.passes("before")
            result = await send()
            self.passes("locked")
            return result
        if kind.startswith(_WRITES) and _LOG in sql:
            self.passes("decided")
            self._writing.add(connection)
        elif kind.startswith("COMMIT") and connection in self._writing:
            self._writing.discard(connection)
            self.passes("commit")
            with self.inside("committing"):
                result = await send()
            self.passes("committed")
            return result
        return await send()


def _watched(doom: _Doom, method: Callable[..., Awaitable[T]]) -> Callable[..., Coroutine[Any, Any, T]]:
    async def watched(protocol: object, *args: Any, **given: Any) -> T:  # noqa: ANN401 - the driver's own
        what = args[0] if args else given["state"]
        sql = what if isinstance(what, str) else what.query
        return await doom.around(protocol, sql, lambda: method(protocol, *args, **given))

    return watched
