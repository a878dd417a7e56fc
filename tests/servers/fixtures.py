"""Fixtures of real servers, each started when a test first asks for it, one for each process of pytest-xdist.

`ARBEIT_TEST_POSTGRES_URL`, `ARBEIT_TEST_REDIS_URL` and `ARBEIT_TEST_NATS_URL` name others: then tests that need the
server itself (its log, its death) are skipped. A program that is not installed skips its tests, and fails them where
`CI` is set; PgBouncer, which comes from no wheel, fails only where `ARBEIT_TEST_REQUIRE` names it.
"""

from __future__ import annotations

import asyncio
import os
import queue
import threading
from collections.abc import Callable, Iterator
from typing import TypeVar
from urllib.parse import parse_qsl, urlencode, urlsplit, urlunsplit
from uuid import uuid4

import pytest

from arbeit.testing.servers import MissingError, NatsServer, PgBouncer, PostgresServer, RedisServer, Server

S = TypeVar("S", bound=Server)


def elsewhere(name: str) -> str | None:
    """The URL of a server that somebody else runs: ARBEIT_TEST_<NAME>_URL."""
    return os.environ.get(f"ARBEIT_TEST_{name.upper()}_URL") or None


def started(make: Callable[[], S]) -> S:
    """A server that runs; without its program, the test is skipped, or fails where it is required."""
    try:
        server = make()
    except MissingError as error:
        required = os.environ.get("ARBEIT_TEST_REQUIRE", "").replace(",", " ").split()
        expected = os.environ.get("CI") and "pgbouncer" not in str(error)
        if expected or any(name in str(error).lower() for name in required):
            pytest.fail(str(error))
        pytest.skip(str(error))
    try:
        server.start()
    except BaseException:
        server.stop()
        raise
    return server


def _own(name: str, make: Callable[[], S]) -> Iterator[S]:
    if elsewhere(name):
        pytest.skip(f"the {name} server is elsewhere, and this test looks into its own")
    server = started(make)
    yield server
    server.stop()


# -- Postgres ---------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="session")
def postgres_server() -> Iterator[PostgresServer]:
    """A Postgres that waits for no disk, shared by all tests of this process: do not stop it."""
    yield from _own("postgres", PostgresServer)


@pytest.fixture(scope="session")
def postgres_address(request: pytest.FixtureRequest) -> str:
    """The URL of a database for its owner, without a schema."""
    return elsewhere("postgres") or str(request.getfixturevalue("postgres_server").url)


@pytest.fixture(scope="session")
def schema_dropper(postgres_address: str) -> Iterator[Callable[[str], None]]:
    """Drops schemas beside the tests, from a thread; what somebody still has locked is left to the end."""
    dropper = _Dropper(postgres_address)
    dropper.start()
    yield dropper.names.put
    dropper.names.put(None)
    dropper.join()


@pytest.fixture
def postgres_url(postgres_address: str, schema_dropper: Callable[[str], None]) -> Iterator[str]:
    """A URL with a schema of the test's own, `?schema=t_...`, which does not exist yet and is dropped afterwards."""
    schema = f"t_{uuid4().hex[:12]}"
    yield with_options(postgres_address, schema=schema)
    schema_dropper(schema)


@pytest.fixture(scope="session")
def pgbouncer(postgres_server: PostgresServer) -> Iterator[PgBouncer]:
    """A pooler in transaction mode before `postgres_server`."""
    server = started(lambda: PgBouncer(postgres_server))
    yield server
    server.stop()


@pytest.fixture
def pgbouncer_url(pgbouncer: PgBouncer, schema_dropper: Callable[[str], None]) -> Iterator[str]:
    """As `postgres_url`, through the pooler."""
    schema = f"t_{uuid4().hex[:12]}"
    yield with_options(pgbouncer.url, schema=schema)
    schema_dropper(schema)


def with_options(url: str, **options: str) -> str:
    """A URL with more options in its query."""
    parts = urlsplit(url)
    return urlunsplit(parts._replace(query=urlencode([*parse_qsl(parts.query), *options.items()])))


class _Dropper(threading.Thread):
    def __init__(self, url: str) -> None:
        super().__init__(name="schema-dropper", daemon=True)
        self.names: queue.SimpleQueue[str | None] = queue.SimpleQueue()
        self._url = url

    def run(self) -> None:
        asyncio.run(self._main())

    async def _main(self) -> None:
        import asyncpg

        left: list[str] = []
        connection = None
        while (name := await asyncio.to_thread(self.names.get)) is not None:
            try:
                if connection is None or connection.is_closed():
                    connection = await asyncpg.connect(self._url, server_settings={"lock_timeout": "200ms"})
                for one in [name, *left]:
                    left = [*(other for other in left if other != one), one]
                    await connection.execute(f'DROP SCHEMA IF EXISTS "{one}" CASCADE')
                    left.remove(one)
            except (asyncpg.PostgresError, OSError, asyncpg.InterfaceError):
                continue
        if connection is not None and not connection.is_closed():
            await connection.close()


# -- Redis, NATS ------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="session")
def redis_server() -> Iterator[RedisServer]:
    """A Redis that is shared by all tests of this process: do not stop it."""
    yield from _own("redis", RedisServer)


@pytest.fixture
def redis_url(request: pytest.FixtureRequest) -> str:
    """An empty Redis; somebody else's is not emptied, so let keys have a prefix of their own."""
    there = elsewhere("redis")
    if there:
        return there
    server: RedisServer = request.getfixturevalue("redis_server")
    server.flush()
    return server.url


@pytest.fixture(scope="session")
def nats_server() -> Iterator[NatsServer]:
    """A NATS with JetStream that is shared by all tests of this process: let streams have names of their own."""
    yield from _own("nats", NatsServer)


@pytest.fixture
def nats_url(request: pytest.FixtureRequest) -> str:
    """A NATS with JetStream."""
    return elsewhere("nats") or str(request.getfixturevalue("nats_server").url)
