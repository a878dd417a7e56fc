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
def schema_keeper(postgres_address: str) -> Iterator[SchemaKeeper]:
    """Drops and empties schemas beside the tests."""
    keeper = SchemaKeeper(postgres_address)
    keeper.start()
    yield keeper
    keeper.end()


@pytest.fixture
def postgres_url(postgres_address: str, schema_keeper: SchemaKeeper) -> Iterator[str]:
    """A URL with a schema of the test's own, `?schema=t_...`, which does not exist yet and is dropped afterwards."""
    schema = fresh_schema()
    yield with_options(postgres_address, schema=schema)
    schema_keeper.drop(schema)


@pytest.fixture
def empty_postgres_url(postgres_address: str, schema_keeper: SchemaKeeper) -> Iterator[str]:
    """As `postgres_url`, for tests that do not look at the schema itself: it may be one that another test has used.

    Making a schema takes ten times as long as emptying one.
    """
    schema = schema_keeper.take() or fresh_schema()
    yield with_options(postgres_address, schema=schema)
    schema_keeper.empty(schema)


@pytest.fixture(scope="session")
def pgbouncer(postgres_server: PostgresServer) -> Iterator[PgBouncer]:
    """A pooler in transaction mode before `postgres_server`."""
    server = started(lambda: PgBouncer(postgres_server))
    yield server
    server.stop()


@pytest.fixture
def pgbouncer_url(pgbouncer: PgBouncer, schema_keeper: SchemaKeeper) -> Iterator[str]:
    """As `postgres_url`, through the pooler."""
    schema = fresh_schema()
    yield with_options(pgbouncer.url, schema=schema)
    schema_keeper.drop(schema)


def with_options(url: str, **options: str) -> str:
    """A URL with more options in its query."""
    parts = urlsplit(url)
    return urlunsplit(parts._replace(query=urlencode([*parse_qsl(parts.query), *options.items()])))


def fresh_schema() -> str:
    """A name that no schema has."""
    return f"t_{uuid4().hex[:12]}"


class SchemaKeeper(threading.Thread):
    """Drops and empties schemas in a thread; one that somebody still has locked is dropped when it is let go."""

    def __init__(self, url: str) -> None:
        super().__init__(name="schema-keeper", daemon=True)
        self._url = url
        self._wanted: queue.SimpleQueue[tuple[str, bool] | None] = queue.SimpleQueue()
        self._empty: queue.SimpleQueue[str] = queue.SimpleQueue()

    def take(self) -> str | None:
        """The name of a schema that is there, and empty."""
        try:
            return self._empty.get_nowait()
        except queue.Empty:
            return None

    def empty(self, name: str) -> None:
        """Have a schema emptied, for another test."""
        self._wanted.put((name, True))

    def drop(self, name: str) -> None:
        """Have a schema dropped."""
        self._wanted.put((name, False))

    def end(self) -> None:
        """Drop what is left, and end."""
        self._wanted.put(None)
        self.join()

    def run(self) -> None:
        """See `threading.Thread`."""
        asyncio.run(self._main())

    async def _main(self) -> None:
        left: list[str] = []
        while (wanted := await asyncio.to_thread(self._wanted.get)) is not None:
            name, again = wanted
            if again and await self._do(_EMPTYING.replace("{schema}", name)):
                self._empty.put(name)
            else:
                left = [one for one in [*left, name] if not await self._drop(one)]
        while (unused := self.take()) is not None:
            left.append(unused)
        for name in left:
            await self._drop(name)

    async def _drop(self, name: str) -> bool:
        return await self._do(f'DROP SCHEMA IF EXISTS "{name}" CASCADE')

    async def _do(self, sql: str) -> bool:
        import asyncpg

        try:
            connection = await asyncpg.connect(self._url, server_settings={"lock_timeout": "200ms"})
            try:
                await connection.execute(sql)
            finally:
                await connection.close()
        except (asyncpg.PostgresError, OSError, asyncpg.InterfaceError):
            return False
        return True


_EMPTYING = """
    DO $$
    DECLARE
        one text;
    BEGIN
        IF to_regclass('"{schema}".meta') IS NULL THEN
            RAISE EXCEPTION 'nothing was made in schema {schema}';
        END IF;
        FOR one IN SELECT tablename FROM pg_tables WHERE schemaname = '{schema}' AND tablename <> 'meta' LOOP
            EXECUTE format('DELETE FROM "{schema}".%I', one);
        END LOOP;
    END $$
"""


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
