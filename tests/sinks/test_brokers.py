"""Sinks before real servers: what arrives while they are there, away, or frozen; and that nothing secret is said."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any, Protocol, cast
from uuid import uuid4

import anyio
import pytest
from redis.asyncio import Redis

import arbeit
from arbeit import ArbeitError
from arbeit.envelope import text_of
from arbeit.ports import SinkFailure
from arbeit.secret_providers import EnvSecrets
from arbeit.sinks import Readable, open_sink
from arbeit.sinks.reading import Arrival
from arbeit.testing.servers import NatsServer, RedisServer, TcpProxy, free_port
from examples.consumers import from_nats, from_redis
from examples.consumers.book import Book
from tests.sinks.receiving import fill, in_order

pytestmark = pytest.mark.anyio


@pytest.fixture
def anyio_backend() -> str:
    """The drivers' loop."""
    return "asyncio"


class Broker(Protocol):
    """A kind of server, running, and the URL of a sink in it that is new."""

    server: NatsServer | RedisServer
    url: str


class _Nats:
    def __init__(self, server: NatsServer) -> None:
        self.server = server
        name = uuid4().hex[:8]
        self.url = f"{server.url}/S{name}?subject=a{name}&timeout=0.5"

    def at(self, port: int) -> str:
        return self.url.replace(f":{self.server.port}/", f":{port}/")


class _Redis(_Nats):
    def __init__(self, server: RedisServer) -> None:
        self.server = server  # type: ignore[assignment]  # the other kind
        self.url = f"redis://127.0.0.1:{server.port}/0?stream=s{uuid4().hex[:8]}&timeout=0.5"


@pytest.fixture(params=["nats", "redis"])
def broker(request: pytest.FixtureRequest) -> _Nats:
    """A sink's server, shared: not to be stopped."""
    server = request.getfixturevalue(f"{request.param}_server")
    return _Nats(server) if request.param == "nats" else _Redis(server)


@pytest.fixture(params=["nats", "redis"])
def mortal(request: pytest.FixtureRequest) -> Iterator[_Nats]:
    """A sink's server of the test's own, which may be killed."""
    request.getfixturevalue(f"{request.param}_server")  # skips where its program is missing
    with NatsServer() if request.param == "nats" else RedisServer() as server:
        yield _Nats(server) if isinstance(server, NatsServer) else _Redis(server)


async def arrived(url: str) -> list[Arrival]:
    sink = open_sink(url)
    try:
        return [arrival async for arrival in cast("Readable", sink).arrivals()]
    finally:
        await sink.close()


async def until_arrived(url: str, count: int) -> list[Arrival]:
    """What is there once so many different events are."""
    found: list[Arrival] = []
    with anyio.fail_after(25):
        while len({one.id for one in found}) < count:
            await anyio.sleep(0.05)
            with suppress(SinkFailure):
                found = await arrived(url)
    return found


async def test_every_event_arrives_in_order_as_its_line_of_an_export(url: str, broker: _Nats) -> None:
    async with arbeit.open(url) as hub:
        heads = {key: await fill(hub, key, tasks) for key, tasks in {"one": 300, "two": 3}.items()}
        await hub.relay([broker.url], until_caught_up=True)
        logged = [event for key in heads for event in await (await hub.project(key)).history(limit=10_000)]
    found = await arrived(broker.url)
    assert in_order(one.id for one in found) == heads
    assert {one.id: one.body for one in found} == {event.id: text_of(event) for event in logged}
    assert len(found) == sum(heads.values())


async def test_where_nothing_was_published_nothing_arrives(broker: _Nats) -> None:
    assert await arrived(broker.url) == []


async def test_what_is_published_twice_arrives_once(url: str, broker: _Nats) -> None:
    async with arbeit.open(url) as hub:
        head = await fill(hub, "demo", 20)
        await hub.relay({"first": broker.url}, until_caught_up=True)
        await hub.relay({"second": broker.url}, until_caught_up=True)
        found = await arrived(broker.url)
    assert [one.id for one in found] == [f"demo.{position}" for position in range(1, head + 1)]


async def test_a_sink_that_is_down_for_a_while_gets_everything_in_order(
    url: str, mortal: _Nats, caplog: pytest.LogCaptureFixture
) -> None:
    async with arbeit.open(url) as hub, anyio.create_task_group() as group:
        await fill(hub, "demo", 20)
        group.start_soon(hub.relay, [mortal.url])
        await until_arrived(mortal.url, 21)
        if isinstance(mortal.server, RedisServer):
            # This one writes to no disk by itself: what it loses is no relay's to bring back.
            mortal.server.ask("SAVE")
        mortal.server.shut_down()
        await fill(hub, "demo", 20)
        while "takes no events" not in caplog.text:  # noqa: ASYNC110 - a log line is no event
            await anyio.sleep(0.01)
        await fill(hub, "other", 20)
        mortal.server.start()
        found = await until_arrived(mortal.url, 62)
        group.cancel_scope.cancel()
    assert in_order(one.id for one in found) == {"demo": 41, "other": 21}
    assert len(found) == 62
    assert len([one for one in caplog.records if one.levelno >= logging.WARNING and one.name == "arbeit.relay"]) == 1


@pytest.mark.parametrize("trouble", ["cut", "freeze", "refuse"])
async def test_a_connection_that_fails_under_load_costs_order_nothing_and_no_event(
    url: str, broker: _Nats, trouble: str
) -> None:
    with TcpProxy(broker.server.port) as proxy:
        async with arbeit.open(url) as hub, anyio.create_task_group() as group:
            await fill(hub, "demo", 100)
            await fill(hub, "other", 100)
            group.start_soon(hub.relay, [broker.at(proxy.port)])
            for _ in range(3):
                await fill(hub, "demo", 20)
                await anyio.to_thread.run_sync(getattr(proxy, trouble))
                await fill(hub, "other", 20)
                await anyio.sleep(0.2 if trouble == "refuse" else 0.7)  # as long as the sink's patience, and longer
                await anyio.to_thread.run_sync(proxy.heal)
            found = await until_arrived(broker.url, 322)
            group.cancel_scope.cancel()
    assert in_order(one.id for one in found) == {"demo": 161, "other": 161}
    bodies: dict[str, bytes] = {}
    for one in found:
        assert bodies.setdefault(one.id, one.body) == one.body


@pytest.mark.parametrize("broker", ["redis"], indirect=True)
async def test_who_connects_while_another_connection_breaks_goes_on_and_leaves_none_open(
    url: str, broker: _Nats, monkeypatch: pytest.MonkeyPatch
) -> None:
    connect = asyncio.open_connection
    writers: list[asyncio.StreamWriter] = []
    connecting, broken, going_on = anyio.Event(), anyio.Event(), anyio.Event()

    async def held(*address: Any, **options: Any) -> Any:  # noqa: ANN401 - as the library's own
        reader, writer = await connect(*address, **options)
        if broker.server.port in address:
            return reader, writer  # the proxy's own
        writers.append(writer)
        if len(writers) == 2:
            connecting.set()
            await going_on.wait()
        return reader, writer

    async with arbeit.open(url) as hub:
        await fill(hub, "demo", 3)
        events = await (await hub.project("demo")).history()
    monkeypatch.setattr(asyncio, "open_connection", held)
    with TcpProxy(broker.server.port) as proxy:
        sink = open_sink(broker.at(proxy.port).replace("timeout=0.5", "timeout=20"))
        await sink.publish("demo", events[:1])
        await anyio.to_thread.run_sync(proxy.freeze)

        async def cut_off() -> None:
            with pytest.raises(SinkFailure):
                await sink.publish("demo", events[1:])
            broken.set()

        async with anyio.create_task_group() as group:
            group.start_soon(cut_off)
            group.start_soon(sink.publish, "other", events)
            await connecting.wait()
            writers[0].transport.abort()
            await broken.wait()
            await anyio.to_thread.run_sync(proxy.heal)
            going_on.set()
        await sink.close()
    assert len(writers) == 2
    assert all(writer.is_closing() for writer in writers)


@pytest.mark.parametrize("broker", ["redis"], indirect=True)
async def test_a_late_publisher_adds_nothing_to_a_stream_of_redis_behind_what_came_after_it(
    url: str, broker: _Nats
) -> None:
    late = open_sink(broker.url)
    async with arbeit.open(url) as hub:
        await fill(hub, "demo", 9)
        events = await (await hub.project("demo")).history()
        await late.publish("demo", events[:3])
        await hub.relay([broker.url], until_caught_up=True)
        await late.publish("demo", events[2:7])
        await late.close()
    found = await arrived(broker.url)
    assert [one.id for one in found] == [f"demo.{position}" for position in range(1, 11)]


@pytest.mark.parametrize("broker", ["redis"], indirect=True)
async def test_a_stream_of_redis_is_trimmed_where_a_length_is_wished(url: str, broker: _Nats) -> None:
    async with arbeit.open(url) as hub:
        await fill(hub, "demo", 600)
        await hub.relay([f"{broker.url}&maxlen=100"], until_caught_up=True)
    found = await arrived(broker.url)
    assert 100 <= len(found) < 400
    assert found[-1].id == "demo.601"


@pytest.mark.parametrize("broker", ["redis"], indirect=True)
async def test_a_key_that_is_no_stream_is_said_and_left_as_it_is(url: str, broker: _Nats) -> None:
    stream = broker.url.partition("stream=")[2].partition("&")[0]
    async with Redis.from_url(broker.server.url) as redis:
        await redis.set(stream, "mine")
        async with arbeit.open(url) as hub:
            await fill(hub, "demo", 1)
            events = await (await hub.project("demo")).history()
            sink = open_sink(broker.url)
            with pytest.raises(SinkFailure, match=r"refuses: .*WRONGTYPE"):
                await sink.publish("demo", events)
            await sink.close()
        assert await redis.get(stream) == b"mine"
        assert await redis.exists(f"{{{stream}}}:positions") == 0


@pytest.mark.parametrize("broker", ["nats"], indirect=True)
async def test_a_subject_that_another_stream_of_nats_has_is_said(url: str, broker: _Nats) -> None:
    other = broker.url.replace("/S", "/T")
    async with arbeit.open(url) as hub:
        await fill(hub, "demo", 1)
        events = await (await hub.project("demo")).history()
        for address in (broker.url, other):
            sink = open_sink(address)
            if address == other:
                with pytest.raises(SinkFailure, match="overlap"):
                    await sink.publish("demo", events)
            else:
                await sink.publish("demo", events)
            await sink.close()
        with anyio.fail_after(20), pytest.raises(SinkFailure, match="overlap") as caught:
            await hub.relay([other], until_caught_up=True)
        assert not caught.value.retryable


@pytest.mark.parametrize("broker", ["nats"], indirect=True)
async def test_a_stream_of_nats_that_has_other_subjects_ends_a_relay_that_catches_up(url: str, broker: _Nats) -> None:
    async with arbeit.open(url) as hub:
        await fill(hub, "demo", 1)
        await hub.relay([broker.url], until_caught_up=True)
        elsewhere = broker.url.replace("subject=a", "subject=b")
        with anyio.fail_after(20), pytest.raises(SinkFailure, match=r"takes nothing on b\w+.demo") as caught:
            await hub.relay([elsewhere], until_caught_up=True)
        assert not caught.value.retryable


async def test_a_server_that_is_not_there_is_a_failure_that_names_it_without_its_password(url: str) -> None:
    port = free_port()
    async with arbeit.open(url) as hub:
        await fill(hub, "demo", 1)
        events = await (await hub.project("demo")).history()
    for address in (f"nats://ada:hidden@127.0.0.1:{port}/S", f"redis://ada:hidden@127.0.0.1:{port}/0"):
        sink = open_sink(address)
        with pytest.raises(SinkFailure, match=f"127.0.0.1:{port}") as caught:
            await sink.publish("demo", events)
        await sink.close()
        assert "hidden" not in str(caught.value)
        assert "hidden" not in repr(sink)


async def test_a_password_comes_from_where_secrets_are_kept(
    url: str, monkeypatch: pytest.MonkeyPatch, redis_server: RedisServer
) -> None:
    assert redis_server.running
    with RedisServer() as server:
        async with Redis.from_url(server.url) as redis:
            await redis.config_set("requirepass", "open sesame")
        address = f"redis://127.0.0.1:{server.port}/0?stream=mine&password=env:REDIS"
        async with arbeit.open(url) as hub:
            head = await fill(hub, "demo", 2)
            monkeypatch.setenv("ARBEIT_SECRET_REDIS", "open sesame")
            with anyio.fail_after(20):
                await hub.relay([address], until_caught_up=True)
        async with Redis.from_url(f"redis://:open sesame@127.0.0.1:{server.port}/0") as redis:
            assert await redis.xlen("mine") == head


async def test_a_password_that_was_changed_is_looked_up_again_once_redis_turns_the_old_one_away(
    url: str, monkeypatch: pytest.MonkeyPatch, redis_server: RedisServer
) -> None:
    assert redis_server.running
    async with arbeit.open(url) as hub:
        await fill(hub, "demo", 3)
        events = await (await hub.project("demo")).history()
    with RedisServer() as server:
        monkeypatch.setenv("ARBEIT_SECRET_REDIS", "first")
        sink = open_sink(
            f"redis://127.0.0.1:{server.port}/0?stream=mine&password=env:REDIS", secrets={"env": EnvSecrets()}
        )
        async with Redis.from_url(server.url) as redis:
            await redis.config_set("requirepass", "first")
            await sink.publish("demo", events[:2])
            await redis.config_set("requirepass", "second")
        async with Redis.from_url(f"redis://:second@127.0.0.1:{server.port}/0") as redis:
            # Who was let in stays in, until its connection breaks.
            await redis.client_kill_filter(_type="normal", skipme=True)
            monkeypatch.setenv("ARBEIT_SECRET_REDIS", "second")
            with pytest.raises(SinkFailure):
                await sink.publish("demo", events)
            with suppress(SinkFailure):
                await sink.publish("demo", events)
            await sink.publish("demo", events)
            assert await redis.xlen("mine") == len(events)
        await sink.close()


async def test_a_driver_that_knows_asyncio_alone_is_refused_under_trio_before_anything_is_led(
    url: str, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "arbeit.relay")

    async def publish() -> None:
        for address in ("nats://127.0.0.1:9/S", "redis://127.0.0.1:9/0"):
            sink = open_sink(address)
            with pytest.raises(ArbeitError, match="asyncio alone"):
                await sink._connected()  # type: ignore[attr-defined]  # what publishing begins with
            await sink.close()
            async with arbeit.open(url) as hub:
                await fill(hub, "demo", 1)
                for begin in (hub.relay([address]), hub.shadow(address)):
                    with anyio.fail_after(20), pytest.raises(ArbeitError, match="asyncio alone") as caught:
                        await begin
                    assert (caught.value.code, caught.value.retryable) == (arbeit.Code.INVALID_INPUT, False)
            assert "leads" not in caplog.text

    await anyio.to_thread.run_sync(lambda: anyio.run(publish, backend="trio"))


async def test_the_consumer_of_nats_counts_every_event_once(url: str, nats_server: NatsServer, tmp_path: Path) -> None:
    await _consumed(url, _Nats(nats_server), tmp_path)


async def test_the_consumer_of_redis_counts_every_event_once(
    url: str, redis_server: RedisServer, tmp_path: Path
) -> None:
    await _consumed(url, _Redis(redis_server), tmp_path)


async def _consumed(url: str, broker: _Nats, folder: Path) -> None:
    book = Book(str(folder / "counts.db"))
    async with arbeit.open(url) as hub:
        head = await fill(hub, "demo", 30)
        await hub.relay([broker.url], until_caught_up=True)
        with anyio.fail_after(30):
            if isinstance(broker, _Redis):
                stream = broker.url.partition("stream=")[2].partition("&")[0]
                again = await from_redis.consume(broker.server.url, stream, book, lambda: book.position("demo") == head)
            else:
                stream = broker.url.partition("?")[0].rpartition("/")[2]
                again = await from_nats.consume(broker.server.url, stream, book, lambda: book.position("demo") == head)
    assert again == 0
    assert book.counts("demo") == {"project_created": 1, "task_created": 30}
    assert not book.apply(await _first_event(url))
    assert book.counts("demo")["project_created"] == 1
    book.close()


async def _first_event(url: str) -> arbeit.Event:
    async with arbeit.open(url) as hub:
        return (await (await hub.project("demo")).history())[0]


async def test_a_missing_driver_is_named_with_the_extra_that_brings_it(monkeypatch: pytest.MonkeyPatch) -> None:
    import sys

    monkeypatch.setitem(sys.modules, "nats.aio.client", None)
    monkeypatch.delitem(sys.modules, "arbeit.sinks.nats", raising=False)
    with pytest.raises(ArbeitError, match="needs nats") as caught:
        open_sink("nats://host/S")
    assert "arbeit[nats]" in caught.value.suggestions[0]
