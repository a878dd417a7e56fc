"""Signals over a real Redis: what arrives, and what becomes of waiting when Redis forgets, freezes or goes away."""

from __future__ import annotations

import logging
import random
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from pathlib import Path

import anyio
import anyio.lowlevel
import pytest
from anyio import to_thread
from anyio.abc import SocketAttribute, SocketStream
from redis import Redis
from redis.crc import key_slot

from arbeit.backends.redis import Link, RedisSignals
from arbeit.core.errors import ArbeitError, Code
from arbeit.ports import Wake
from arbeit.testing.servers import RedisServer, TcpProxy
from arbeit.testing.signals import Bus
from arbeit.wakes import write
from tests.engine.test_waiting import Line
from tests.signals.wires import READY, Overheard, handed_out, line_stands, sites, two_engines

pytestmark = pytest.mark.anyio
UNTRUE = Wake("demo", ready=(("default", "", 10**9),), places=(("nowhere", 10**9),), agents=("nobody",))


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture(scope="module")
def own_server() -> Iterator[RedisServer]:
    with RedisServer() as server:
        yield server


@pytest.fixture
def server(own_server: RedisServer) -> Iterator[RedisServer]:
    """A Redis that a test may do anything to."""
    own_server.flush()
    yield own_server
    if own_server.running:
        own_server.thaw()
    own_server.start()


@pytest.fixture
def proxy(server: RedisServer) -> Iterator[TcpProxy]:
    with TcpProxy(server.port) as proxy:
        yield proxy


def over(url: str, deployment: str = "test") -> RedisSignals:
    return RedisSignals(Link(url, deployment), random.random)


@asynccontextmanager
async def listening(*signals: RedisSignals) -> AsyncIterator[list[Overheard]]:
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
async def test_what_one_process_commits_wakes_a_claimer_in_another(tmp_path: Path, redis_url: str) -> None:
    async with two_engines(tmp_path / "team.db", over(redis_url), over(redis_url)) as (there, here):
        looks = here.store.looks
        for number in range(3):
            await handed_out(there, here, f"T{number}")
        assert here.store.looks - looks <= 1


@pytest.mark.usefixtures("hints_alone")
async def test_what_a_process_announces_it_does_not_hear_itself(redis_url: str) -> None:
    async with listening(over(redis_url), over(redis_url)) as (sender, other):
        sender.wake(READY)
        await other.until_heard(READY)
        assert READY not in sender.heard


async def test_what_comes_within_a_moment_goes_as_one_and_nothing_is_left_out(redis_url: str) -> None:
    async with listening(over(redis_url), over(redis_url)) as (sender, other):
        for number in range(500):
            sender.wake(Wake("demo", ready=(("default", "", 1),), agents=(f"a{number % 3}",)))
        await other.until(lambda: sum(wake.ready[0][2] for wake in other.heard if wake is not None) == 500)
        assert len(other.heard) <= 5


async def test_deployments_of_different_names_do_not_hear_each_other(redis_url: str) -> None:
    async with listening(over(redis_url, "one"), over(redis_url, "two"), over(redis_url, "one")) as ears:
        sender, stranger, other = ears
        sender.wake(READY)
        await other.until_heard(READY)
        assert stranger.heard == []


@pytest.mark.usefixtures("hints_alone")
async def test_a_redis_that_forgot_everything_is_noticed_and_heard_as_before(
    tmp_path: Path, server: RedisServer
) -> None:
    async with two_engines(tmp_path / "team.db", over(server.url), over(server.url)) as (there, here):
        missed = here.signals.heard.count(None)
        server.flush()
        await here.signals.until_missed(missed + 1)
        assert here.signals.healthy
        await handed_out(there, here, "T")


def broken_by(way: str, server: RedisServer, proxy: TcpProxy) -> tuple[Callable[[], object], Callable[[], object]]:
    """Ways to take Redis away, and to bring it back."""
    ways: dict[str, tuple[Callable[[], object], Callable[[], object]]] = {
        "stopped": (server.shut_down, server.start),
        "killed": (server.kill, server.start),
        "frozen": (server.freeze, server.thaw),
        "partitioned": (proxy.freeze, proxy.heal),
        "refused": (proxy.refuse, proxy.heal),
    }
    return ways[way]


@pytest.mark.usefixtures("hints_alone")
@pytest.mark.parametrize("way", ["stopped", "killed", "frozen", "partitioned", "refused"])
async def test_while_redis_is_away_claimers_look_by_themselves_and_the_log_says_so_once(
    way: str, tmp_path: Path, server: RedisServer, proxy: TcpProxy, caplog: pytest.LogCaptureFixture
) -> None:
    url = f"redis://127.0.0.1:{proxy.port}/0"
    take_away, bring_back = broken_by(way, server, proxy)
    caplog.set_level(logging.WARNING, "arbeit")
    async with two_engines(tmp_path / "team.db", over(url), over(url)) as (there, here):
        for _ in range(2):
            await to_thread.run_sync(take_away)
            # Even what is created before anybody has noticed is found: whoever notices looks.
            await handed_out(there, here, "T")
            for site in (there, here):
                await site.signals.until_away()
            await handed_out(there, here, "U")
            await to_thread.run_sync(bring_back)
            for site in (there, here):
                await site.signals.until_healthy()
            await handed_out(there, here, "V")
    said = [record.getMessage() for record in caplog.records]
    assert sum(line.startswith("Redis is away") for line in said) == 4
    assert said.count("Redis is back") == 4
    assert len(said) == 8


@pytest.mark.parametrize(
    ("wrong", "code"),
    [
        ("redis://ada:hidden@127.0.0.1:{port}/0", "UNAUTHENTICATED"),
        ("redis://:hidden@127.0.0.1:{port}/0", "UNAUTHENTICATED"),
        ("redis://keyless:hidden@127.0.0.1:{port}/0", "FORBIDDEN"),
        ("redis://mute:hidden@127.0.0.1:{port}/0", "FORBIDDEN"),
        ("redis://:hidden@127.0.0.1:{port}/99", "INVALID_INPUT"),
        ("redis://127.0.0.1:{other}/0", "INVALID_INPUT"),
    ],
)
@pytest.mark.usefixtures("hints_alone")
async def test_what_is_wrong_with_a_redis_is_said_once_without_its_password_and_work_goes_on(
    wrong: str, code: str, tmp_path: Path, server: RedisServer, caplog: pytest.LogCaptureFixture
) -> None:
    server.ask("ACL SETUSER keyless on >hidden ~x* &* +@all")
    server.ask("ACL SETUSER mute on >hidden ~* &* +@all -publish")
    if wrong.endswith("99"):
        server.ask("ACL SETUSER default on >hidden")
    tries = anyio.Event()
    came = 0

    async def greet(stream: SocketStream) -> None:
        nonlocal came
        came += 1
        if came > 3:
            tries.set()
        await stream.send(b"220 hidden.example.com ESMTP\r\n")
        await stream.aclose()

    async with (
        await anyio.create_tcp_listener(local_host="127.0.0.1", local_port=0) as listener,
        anyio.create_task_group() as group,
    ):
        group.start_soon(listener.serve, greet)
        other = listener.extra(SocketAttribute.local_port)  # noqa: S610 - no SQL
        signals = over(wrong.format(port=server.port, other=other))
        try:
            async with sites(tmp_path / "team.db", signals, Bus().signals()) as (there, here):
                await there.hub.project("demo", create=True)
                for name in ("T", "U"):
                    await handed_out(here, there, name)
                while not caplog.records:  # noqa: ASYNC110 - a log line is no event
                    await anyio.sleep(0.01)
                assert not there.signals.healthy
                if "other" in wrong:
                    with anyio.fail_after(20):
                        await tries.wait()
        finally:
            server.restart()
            group.cancel_scope.cancel()
    said = [record.getMessage() for record in caplog.records if "Redis" in record.getMessage()]
    assert len(said) == 1, said
    assert said[0].startswith(f"{code}: Redis at 127.0.0.1:")
    assert "hidden" not in said[0]


@pytest.mark.usefixtures("hints_alone")
async def test_a_redis_whose_settings_were_mended_is_heard_and_told_of_anew(
    server: RedisServer, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.WARNING, "arbeit")
    ear = Overheard(over(f"redis://ada:hidden@127.0.0.1:{server.port}/0"))
    async with anyio.create_task_group() as group:
        group.start_soon(ear.run, lambda _wake: None)
        while not caplog.records:  # noqa: ASYNC110 - a log line is no event
            await anyio.sleep(0.01)
        server.ask("ACL SETUSER ada on >hidden ~* &* +@all")
        await ear.until_healthy()
        server.ask("ACL DELUSER ada")  # which ends its connections
        await ear.until_away()
        while caplog.text.count("UNAUTHENTICATED") < 2:  # noqa: ASYNC110 - as above
            await anyio.sleep(0.01)
        group.cancel_scope.cancel()
    said = [record.getMessage().partition(":")[0] for record in caplog.records]
    assert [line for line in said if "away" not in line] == ["UNAUTHENTICATED", "Redis is back", "UNAUTHENTICATED"]


async def test_a_connection_that_breaks_is_made_anew(proxy: TcpProxy) -> None:
    url = f"redis://127.0.0.1:{proxy.port}/0"
    async with listening(over(url), over(url)) as (sender, other):
        for times in range(1, 4):
            proxy.cut()
            await other.until_missed(2 * times)
            await sender.until_missed(2 * times)
            await other.until_healthy()
            await sender.until_healthy()
            heard = other.heard.count(READY)
            sender.wake(READY)
            await other.until_heard(READY, heard + 1)


async def test_an_engine_begins_without_redis_and_hears_of_it_when_it_comes(
    tmp_path: Path, server: RedisServer, caplog: pytest.LogCaptureFixture
) -> None:
    server.shut_down()
    async with sites(tmp_path / "team.db", over(server.url), over(server.url)) as (there, here):
        await there.hub.project("demo", create=True)
        await handed_out(there, here, "T")
        await to_thread.run_sync(server.start)
        for site in (there, here):
            await site.signals.until_healthy()
        await handed_out(there, here, "U")
    assert sum(record.getMessage().startswith("Redis is away") for record in caplog.records) == 2


@pytest.mark.usefixtures("hints_alone")
async def test_nonsense_on_the_channel_harms_nobody(tmp_path: Path, server: RedisServer) -> None:
    async with two_engines(tmp_path / "team.db", over(server.url), over(server.url)) as (there, here):
        missed = here.signals.heard.count(None)
        line = Line(await here.hub.project("demo"))
        async with anyio.create_task_group() as group:
            group.start_soon(line.wait, "a")
            await line_stands(here)
            with Redis.from_url(server.url, protocol=2) as client:
                client.publish("arbeit:{test}:wakes", b"\xff nonsense")
                client.publish("arbeit:{test}:wakes", write("stranger", [UNTRUE], 1000)[0])
            await here.signals.until_heard(UNTRUE)
            assert here.signals.heard.count(None) == missed + 1
            group.cancel_scope.cancel()
        assert line.got == []
        await handed_out(there, here, "T")


async def test_what_is_announced_last_is_sent_before_the_connection_ends(server: RedisServer) -> None:
    async with listening(over(server.url)) as (other,):
        sender = over(server.url)
        async with anyio.create_task_group() as group:
            ready = anyio.Event()
            group.start_soon(sender.run, lambda _wake: ready.set())
            await ready.wait()
            sender.wake(Wake("first"))
            await other.until_heard(Wake("first"))
            sender.wake(READY)
            group.cancel_scope.cancel()
        await other.until_heard(READY)


async def test_nothing_stays_connected(server: RedisServer) -> None:
    async with listening(over(server.url), over(server.url)):
        assert int(info(server, "connected_clients")) >= 4
    # Closing is the last that a client says, and the server reads in order of arrival: the one that asks is left.
    assert int(info(server, "connected_clients")) == 1


def info(server: RedisServer, name: str) -> str:
    with Redis.from_url(server.url, protocol=2) as client:
        return str(client.info("clients")[name])


def test_all_that_is_kept_of_a_project_is_in_one_slot_of_a_cluster() -> None:
    link = Link("redis://localhost", "prod")
    keys = [link.key("demo", "rate", actor) for actor in ("ada", "ben", "x}:y", "{other}")]
    assert {key_slot(key.encode()) for key in keys} == {key_slot(b"prod:demo")}
    assert key_slot(link.epoch.encode()) == key_slot(link.channel.encode()) == key_slot(b"prod")
    spread = {key_slot(link.key(f"p{number}", "rate", "ada").encode()) for number in range(100)}
    assert len(spread) > 90
    assert not {*keys, link.epoch} & {Link("redis://localhost", "test").key("demo", "rate", "ada")}


@pytest.mark.parametrize(
    ("url", "deployment", "field"),
    [
        ("http://localhost", "a", "redis"),
        ("", "a", "redis"),
        ("redis://localhost:port", "a", "redis"),
        *(("redis://localhost", bad, "deployment") for bad in ("", "a}b", "{a}", "a b", "a:b", "a\n", "x" * 64)),
    ],
)
def test_what_names_no_redis_and_no_deployment_is_refused(url: str, deployment: str, field: str) -> None:
    with pytest.raises(ArbeitError) as caught:
        Link(url, deployment)
    assert (caught.value.code, caught.value.data["field"]) == (Code.INVALID_INPUT, field)


@pytest.mark.parametrize("sign", ["/", "#", "?", "[", "/a=b", "?a=b", "#a=b"])
@pytest.mark.parametrize("half", ["81234", "4444", "hunter2"])
def test_of_a_password_that_breaks_its_url_nothing_is_repeated(half: str, sign: str) -> None:
    with pytest.raises(ArbeitError) as caught:
        Link(f"redis://ada:{half}{sign}hunter2@localhost/0")
    error = caught.value
    told = f"{error} {error.suggestions} {error.data} {error.__cause__} {error.__context__}"
    assert "Percent-encode" in told
    assert half not in told
    assert "hunter2" not in told


@pytest.mark.parametrize("anyio_backend", ["trio"])
async def test_on_trio_engines_look_by_themselves(
    tmp_path: Path, redis_url: str, caplog: pytest.LogCaptureFixture
) -> None:
    async with sites(tmp_path / "team.db", over(redis_url), Bus().signals()) as (there, here):
        await there.hub.project("demo", create=True)
        await handed_out(here, there, "T")
        assert not there.signals.healthy
    assert [record.getMessage() for record in caplog.records if "asyncio" in record.getMessage()] == [
        "Redis can be heard on asyncio alone: here, engines look by themselves"
    ]
