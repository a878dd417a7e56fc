"""Signals over Postgres alone: what arrives, what fits, and what becomes of waiting when the server goes away."""

from __future__ import annotations

import logging
import random
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path

import anyio
import asyncpg
import pytest
from anyio import to_thread

from arbeit.backends.postgres import notify
from arbeit.backends.postgres.notify import PostgresSignals, channel_of
from arbeit.ports import Wake
from arbeit.testing.servers import PgBouncer, PostgresServer, TcpProxy
from tests.signals.wires import READY, Overheard, handed_out, two_engines

pytestmark = pytest.mark.anyio


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture
def server() -> Iterator[PostgresServer]:
    """A Postgres that a test may do anything to."""
    with PostgresServer() as server:
        yield server


@pytest.fixture
def proxy(postgres_server: PostgresServer) -> Iterator[TcpProxy]:
    with TcpProxy(postgres_server.port) as proxy:
        yield proxy


def over(dsn: str, schema: str = "test") -> PostgresSignals:
    return PostgresSignals(dsn, schema, random.random)


@asynccontextmanager
async def listening(*signals: PostgresSignals) -> AsyncIterator[list[Overheard]]:
    """Signals that run, without engines."""
    ears = [Overheard(one) for one in signals]
    async with anyio.create_task_group() as group:
        for one in ears:
            group.start_soon(one.run, lambda _wake: None)
        for one in ears:
            await one.until_healthy()
            one.heard.clear()
        yield ears
        group.cancel_scope.cancel()


@pytest.mark.usefixtures("hints_alone")
async def test_what_one_process_commits_wakes_a_claimer_in_another(tmp_path: Path, postgres_address: str) -> None:
    async with two_engines(tmp_path / "team.db", over(postgres_address), over(postgres_address)) as (there, here):
        looks = here.store.looks
        for number in range(3):
            await handed_out(there, here, f"T{number}")
        assert here.store.looks - looks <= 1
        assert here.signals.heard.count(None) == 1


async def test_notifies_are_few_however_many_commits_there_are(postgres_address: str) -> None:
    async with listening(over(postgres_address), over(postgres_address)) as (sender, other):
        for _ in range(500):
            sender.wake(READY)
        await other.until(lambda: sum(wake.ready[0][2] for wake in other.heard if wake is not None) == 500)
        assert len(other.heard) <= 5
        assert sender.heard == []


async def test_what_would_be_too_long_is_told_more_coarsely_or_in_parts(postgres_address: str) -> None:
    async with listening(over(postgres_address), over(postgres_address)) as (sender, other):
        for number in range(30):
            sender.wake(Wake(f"p{number}", agents=tuple(f"{n:0250}" for n in range(10 if number else 60))))
        await other.until(lambda: len(other.heard) >= 30)
        assert other.heard[0] == Wake("p0", anything=True)
        assert [wake.project for wake in other.heard if wake is not None] == [f"p{number}" for number in range(30)]
        assert not any(wake.anything for wake in other.heard[1:] if wake is not None)


@pytest.mark.parametrize("name", ["it's", 'a"b', "a\\b", "\u2603" * 20, "%s;--"])
async def test_names_arrive_as_they_are(name: str, postgres_address: str) -> None:
    async with listening(over(postgres_address, name), over(postgres_address, name), over(postgres_address)) as ears:
        sender, other, stranger = ears
        sender.wake(Wake(name, ((name, name, 1),), ((name, 1),), (name,)))
        await other.until_heard(Wake(name, ((name, name, 1),), ((name, 1),), (name,)))
        assert stranger.heard == []


def test_every_schema_has_a_channel_of_its_own_that_fits() -> None:
    schemas = ["arbeit", "t" * 56, "t" * 57, "t" * 62 + "a", "t" * 62 + "b"]
    channels = [channel_of(schema) for schema in schemas]
    assert channels[0] == "arbeit_arbeit"
    assert len(set(channels)) == len(schemas)
    assert all(len(channel.encode()) <= 63 for channel in channels)


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """What takes seconds for good reasons takes a moment here."""
    monkeypatch.setattr(notify, "CHECK", 0.1)
    monkeypatch.setattr(notify, "_DEADLINE", 0.5)
    monkeypatch.setattr(notify, "_CONNECTING", 0.5)


@pytest.mark.usefixtures("hints_alone", "impatient")
@pytest.mark.parametrize("way", ["partitioned", "refused", "cut"])
async def test_while_no_notify_comes_through_claimers_look_by_themselves_and_the_log_says_so_once(
    way: str,
    tmp_path: Path,
    postgres_server: PostgresServer,
    proxy: TcpProxy,
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.WARNING, "arbeit")
    url = postgres_server.url_at(proxy.port)
    async with two_engines(tmp_path / "team.db", over(url), over(url)) as (there, here):
        missed = [site.signals.heard.count(None) for site in (there, here)]
        await to_thread.run_sync({"partitioned": proxy.freeze, "refused": proxy.refuse, "cut": proxy.cut}[way])
        await handed_out(there, here, "T")
        if way != "cut":
            for site in (there, here):
                await site.signals.until_away()
            await handed_out(there, here, "U")
            await to_thread.run_sync(proxy.heal)
        for site, before in zip((there, here), missed, strict=True):
            await site.signals.until_missed(before + 2)
            await site.signals.until_healthy()
        await handed_out(there, here, "V")
    said = [record.getMessage() for record in caplog.records if record.name == "arbeit"]
    assert [line.split(" is ")[1].split(" ")[0] for line in said].count("away") == 2
    assert [line.split(" is ")[1].split(" ")[0] for line in said].count("back") == 2
    assert len(said) == 4


async def test_a_server_that_was_killed_is_heard_again_when_it_is_back(server: PostgresServer) -> None:
    async with listening(over(server.url), over(server.url)) as (sender, other):
        await to_thread.run_sync(server.kill)
        for one in (sender, other):
            await one.until_away()
        await to_thread.run_sync(server.start)
        for one in (sender, other):
            await one.until_healthy()
        sender.wake(READY)
        await other.until_heard(READY)


async def test_what_waits_to_be_sent_is_sent_once_there_is_a_connection(
    postgres_server: PostgresServer, proxy: TcpProxy
) -> None:
    sender_url, other_url = postgres_server.url_at(proxy.port), postgres_server.url
    async with listening(over(sender_url), over(other_url)) as (sender, other):
        proxy.refuse()
        await sender.until_away()
        sender.wake(READY)
        proxy.heal()
        await other.until_heard(READY)


@pytest.mark.usefixtures("impatient")
async def test_a_pooler_in_transaction_mode_is_noticed(pgbouncer: PgBouncer, caplog: pytest.LogCaptureFixture) -> None:
    signals = over(pgbouncer.url)
    async with anyio.create_task_group() as group:
        group.start_soon(signals.run, lambda _wake: None)
        with anyio.fail_after(20):
            while not caplog.records:  # noqa: ASYNC110 - a log has no event
                await anyio.sleep(0.01)
        assert not signals.healthy
        group.cancel_scope.cancel()
    assert "give listen= the URL of the server itself" in caplog.records[0].getMessage()


async def test_nothing_stays_connected(postgres_address: str) -> None:
    async with listening(over(postgres_address, "here"), over(postgres_address, "here")):
        assert await connected(postgres_address) == 2
    # Closing waits until the server has closed.
    assert await connected(postgres_address) == 0


async def connected(address: str) -> int:
    """How many connections have sent a notify on this channel, and are there."""
    connection = await asyncpg.connect(address)
    try:
        query = "SELECT count(*) FROM pg_stat_activity WHERE query LIKE '%pg_notify(%arbeit_' || $1 || '%'"
        return int(await connection.fetchval(query, "here"))
    finally:
        await connection.close()
