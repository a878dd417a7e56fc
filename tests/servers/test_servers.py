from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import asyncpg
import pytest

from arbeit import sync
from arbeit.testing.servers import MissingError, NatsServer, PgBouncer, PostgresServer, RedisServer, Server, reaper
from tests.servers import fixtures

pytestmark = pytest.mark.anyio
ROOT = Path(__file__).parents[2]


@pytest.fixture
def anyio_backend() -> str:
    """The driver's loop."""
    return "asyncio"


async def test_a_schema_url_names_a_schema_that_is_not_there_yet(postgres_address: str, postgres_url: str) -> None:
    found = re.fullmatch(re.escape(postgres_address) + r"[?&]schema=(t_[0-9a-f]{12})", postgres_url)
    assert found
    connection = await asyncpg.connect(postgres_address)
    schemas = {row[0] for row in await connection.fetch("SELECT nspname FROM pg_namespace")}
    assert found[1] not in schemas
    assert not await connection.fetchval("SELECT rolsuper FROM pg_roles WHERE rolname = current_user")
    await connection.close()


def test_dropped_schemas_are_gone_even_if_somebody_had_them_locked_for_a_while(postgres_server: PostgresServer) -> None:
    names = ["t_one", "t_two"]
    for name in names:
        postgres_server.sql(
            f"CREATE SCHEMA {name} AUTHORIZATION arbeit; CREATE TABLE {name}.x (); ALTER TABLE {name}.x OWNER TO arbeit"
        )
    holder = subprocess.Popen(
        [postgres_server._bin / "psql", "-Xq", postgres_server.admin_url], stdin=subprocess.PIPE, text=True
    )
    assert holder.stdin is not None
    holder.stdin.write("BEGIN; LOCK t_one.x;\n")
    holder.stdin.flush()
    locked = "SELECT count(*) FROM pg_locks WHERE mode = 'AccessExclusiveLock' AND granted"
    while postgres_server.sql(locked) == "0":
        time.sleep(0.01)
    keeper = fixtures.SchemaKeeper(postgres_server.url)
    keeper.start()
    keeper.drop("t_one")
    while "lock timeout" not in postgres_server.log():
        time.sleep(0.01)
    holder.stdin.close()
    assert holder.wait() == 0
    keeper.drop("t_two")
    keeper.end()
    assert postgres_server.sql("SELECT count(*) FROM pg_namespace WHERE nspname IN ('t_one', 't_two')") == "0"


def test_an_emptied_schema_is_handed_out_again_without_a_trace_of_its_user(postgres_server: PostgresServer) -> None:
    schema, url = "t_used", fixtures.with_options(postgres_server.url, schema="t_used")
    with sync.open(url) as hub:
        hub.project("demo", create=True).create_task("T")
    keeper = fixtures.SchemaKeeper(postgres_server.url)
    keeper.start()
    keeper.empty(schema)
    while (name := keeper.take()) is None:
        time.sleep(0.01)
    assert name == schema
    with sync.open(url) as hub:
        assert hub.projects() == []
        assert hub.project("demo", create=True).create_task("T").version == 1
    keeper.empty("t_never_made")
    keeper.drop(schema)
    keeper.end()
    assert postgres_server.sql("SELECT count(*) FROM pg_namespace WHERE nspname = 't_used'") == "0"
    assert keeper.take() is None


@pytest.mark.parametrize("end", [PostgresServer.kill, PostgresServer.stop_immediately], ids=["killed", "immediate"])
def test_a_durable_server_has_what_was_committed_before_it_died(end: Callable[[PostgresServer], None]) -> None:
    with fixtures.started(lambda: PostgresServer(durable=True)) as server:
        assert server.sql("SHOW fsync; SHOW synchronous_commit; SHOW full_page_writes") == "on\non\non"
        server.sql("CREATE TABLE kept AS SELECT 1 AS n")
        members = reaper.family(server.pid)
        assert len(members) > 3
        end(server)
        assert reaper.parents().keys().isdisjoint(members)
        assert not server.listens()
        server.start()
        assert server.sql("SELECT n FROM kept") == "1"
        assert "database system was not properly shut down" in server.log()
    assert not server.folder.exists()


async def test_a_frozen_server_says_nothing_and_goes_on_when_thawed() -> None:
    with fixtures.started(PostgresServer) as server:
        connection = await asyncpg.connect(server.url)
        server.freeze()
        with pytest.raises(TimeoutError):
            await connection.fetchval("SELECT 1", timeout=0.3)
        server.thaw()
        await connection.close()
        connection = await asyncpg.connect(server.url, timeout=10)
        assert await connection.fetchval("SELECT 2") == 2
        await connection.close()


@pytest.mark.parametrize("make", [PostgresServer, RedisServer, NatsServer])
@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM])
def test_nothing_is_left_of_a_server_whose_starter_was_killed(make: type[Server], number: int) -> None:
    fixtures.started(make).stop()  # skips where there is none
    script = f"""
import time
from arbeit.testing.servers import {make.__name__}
with {make.__name__}() as server:
    print(server.pid, server.folder, flush=True)
    server.freeze()
    time.sleep(60)
"""
    starter = subprocess.Popen([sys.executable, "-c", script], cwd=ROOT, stdout=subprocess.PIPE, text=True)
    assert starter.stdout is not None
    pid, folder = starter.stdout.readline().split()
    assert Path(folder).is_dir()
    assert int(pid) in reaper.parents()
    starter.send_signal(number)
    starter.communicate()
    until = time.monotonic() + 20
    while (int(pid) in reaper.parents() or Path(folder).exists()) and time.monotonic() < until:
        time.sleep(0.01)
    assert int(pid) not in reaper.parents()
    assert not Path(folder).exists()


def test_redis_is_empty_for_each_test(redis_url: str, redis_server: RedisServer) -> None:
    assert redis_url == redis_server.url
    assert redis_server.ask("SET k v") == "+OK"
    redis_server.flush()
    assert redis_server.ask("DBSIZE") == ":0"


def test_a_killed_redis_comes_back_empty_at_the_same_port() -> None:
    with fixtures.started(RedisServer) as server:
        server.ask("SET k v")
        port = server.port
        server.kill()
        assert not server.listens()
        server.start()
        assert server.port == port
        assert server.ask("DBSIZE") == ":0"


async def test_nats_keeps_its_streams_over_a_kill() -> None:
    import nats

    with fixtures.started(NatsServer) as server:
        client = await nats.connect(server.url)
        await client.jetstream().add_stream(name="s", subjects=["s.>"])
        await client.jetstream().publish("s.1", b"kept")
        await client.close()
        server.kill()
        server.start()
        client = await nats.connect(server.url)
        assert (await client.jetstream().stream_info("s")).state.messages == 1
        await client.close()


async def test_the_pooler_lends_a_connection_for_one_transaction(postgres_server: PostgresServer) -> None:
    with fixtures.started(lambda: PgBouncer(postgres_server, pool=1)) as pooler:
        one, two = [await asyncpg.connect(pooler.url, statement_cache_size=0) for _ in range(2)]
        backends = {await each.fetchval("SELECT pg_backend_pid()") for each in (one, two)}
        assert len(backends) == 1
        await one.close()
        await two.close()


def test_a_server_that_cannot_start_shows_its_log() -> None:
    with pytest.raises(RuntimeError, match="nonsense"), PostgresServer(settings={"nonsense": "on"}):
        pass


@pytest.mark.parametrize(
    ("environment", "outcome"),
    [
        ({}, pytest.skip.Exception),
        ({"CI": "true"}, pytest.fail.Exception),
        ({"ARBEIT_TEST_REQUIRE": "redis,postgres"}, pytest.fail.Exception),
        ({"ARBEIT_TEST_REQUIRE": "redis"}, pytest.skip.Exception),
    ],
)
def test_an_absent_program_skips_here_and_fails_where_it_is_required(
    monkeypatch: pytest.MonkeyPatch, environment: dict[str, str], outcome: type[BaseException]
) -> None:
    for name in ("CI", "ARBEIT_TEST_REQUIRE"):
        monkeypatch.delenv(name, raising=False)
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    with pytest.raises(outcome, match="no Postgres 11 on this machine"):
        fixtures.started(lambda: PostgresServer(version=11))


def test_an_absent_pooler_fails_only_where_it_is_named(
    monkeypatch: pytest.MonkeyPatch, postgres_server: PostgresServer
) -> None:
    monkeypatch.setattr("arbeit.testing.servers.pgbouncer._PLACES", os.devnull)
    with pytest.raises(MissingError, match="no pgbouncer"):
        PgBouncer(postgres_server)
    monkeypatch.setenv("CI", "true")
    monkeypatch.delenv("ARBEIT_TEST_REQUIRE", raising=False)
    with pytest.raises(pytest.skip.Exception):
        fixtures.started(lambda: PgBouncer(postgres_server))
    monkeypatch.setenv("ARBEIT_TEST_REQUIRE", "pgbouncer")
    with pytest.raises(pytest.fail.Exception):
        fixtures.started(lambda: PgBouncer(postgres_server))


def test_a_kind_of_server_without_a_command_is_refused_before_anything_is_started() -> None:
    class Idle(Server):
        def answers(self) -> bool:
            return True

    with pytest.raises(TypeError, match="command"):
        Idle()  # type: ignore[abstract]  # which is what is tried
