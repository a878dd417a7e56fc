"""Limits of commands by actor: refused with the time to wait, shared by processes, and never in the way of a lease."""

from __future__ import annotations

import random
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import anyio
import pytest
from anyio import wait_all_tasks_blocked

from arbeit.backends.memory import MemoryStore
from arbeit.backends.redis import Link, Rate, RedisLimits, RedisSignals
from arbeit.compose import Wiring
from arbeit.core import commands as c
from arbeit.core.errors import ArbeitError, Code
from arbeit.core.model import SECOND
from arbeit.testing.clock import VirtualClock
from arbeit.testing.contract import KEY, WiredHub
from arbeit.testing.servers import RedisServer
from tests.engine.test_waiting import LONG, PATIENCE
from tests.signals.wires import Overheard

pytestmark = pytest.mark.anyio
asyncio_alone = pytest.mark.parametrize("anyio_backend", ["asyncio"])
"""Redis has a driver for this loop alone."""
SLOW = Rate(3600 * SECOND, 5)
"""Five commands, and then one an hour."""


class Limited:
    """A hub whose limits count for themselves, on a virtual clock."""

    def __init__(self, rate: Rate) -> None:
        self.clock = VirtualClock()
        # Never connected, so that this process counts for itself.
        self.limits = RedisLimits(Link("redis://nowhere"), rate, self.clock)
        self.wiring = Wiring(MemoryStore(self.clock), self.clock, KEY, {}, limits=self.limits)
        self.hub = WiredHub(self.wiring, actor="lead", background=False)


async def test_one_command_too_many_is_refused_with_the_time_to_wait() -> None:
    limited = Limited(Rate(2 * SECOND, 3))
    async with limited.hub as hub:
        project = await hub.project("demo", create=True)
        for _ in range(2):
            await project.create_task("T")
        with pytest.raises(ArbeitError) as caught:
            await project.create_task("one too many")
        error = caught.value
        assert (error.code, error.retryable, error.data) == (Code.OVERLOADED, True, {"retry_after": 2.0})
        assert "2 s" in error.suggestions[0]
        # Another actor has a bucket of its own, and so has this one elsewhere.
        await project.as_("ben").create_task("U")
        await hub.project("other", create=True)
        limited.clock.tick(1.999)
        with pytest.raises(ArbeitError):
            await project.create_task("a moment too early")
        limited.clock.tick(0.001)
        await project.create_task("V")
        assert [task.title for task in (await project.find()).tasks] == ["T", "T", "U", "V"]


async def test_a_lease_is_renewed_however_many_commands_its_holder_has_sent() -> None:
    limited = Limited(SLOW)
    async with limited.hub as hub:
        project = await hub.project("demo", create=True)
        await project.create_task("T")
        work = await project.claim("lead", ttl=30)
        assert work is not None
        async with work:
            for _ in range(2):
                await project.create_task("U")
            with pytest.raises(ArbeitError):
                await project.create_task("one too many")
            await limited.clock.advance(120)
            assert await work.renew() > limited.clock.now()
            (lease,) = (await project.overview()).leases
            assert lease.id == work.lease.id
            limited.clock.tick(3600)
            await work.complete("done", evidence=["e"])


async def test_a_claimer_that_waits_has_asked_once_however_often_it_looks() -> None:
    limited = Limited(Rate(3600 * SECOND, 1))
    async with limited.hub as hub:
        project = await hub.project("demo", create=True)
        got: list[str] = []

        async def wait() -> None:
            work = await project.as_("patient").claim("patient", capabilities=[], wait=LONG)
            assert work is not None
            got.append(work.task.title)

        with anyio.fail_after(PATIENCE):
            async with anyio.create_task_group() as group:
                group.start_soon(wait)
                for _ in range(4):
                    await wait_all_tasks_blocked()
                    hub.engine._waiters["demo"].wake_each_kind()
                await wait_all_tasks_blocked()
                assert got == []
                await project.as_("somebody").create_task("T")
        assert got == ["T"]
        with pytest.raises(ArbeitError):
            await project.as_("patient").create_task("this is counted")


async def test_a_bulk_call_waits_until_all_of_it_is_allowed() -> None:
    limited = Limited(Rate(SECOND, 10))
    async with limited.hub as hub:
        project = await hub.project("demo", create=True)
        done: list[int] = []

        async def fill() -> None:
            done.append(len(await project.execute_many([c.CreateTask(actor="lead", title="T")] * 30)))

        async with anyio.create_task_group() as group:
            group.start_soon(fill)
            await wait_all_tasks_blocked()
            # The bucket is one short of full, and a full one is what so many take.
            assert done == []
            await limited.clock.advance(1)
            assert done == [30]
        with pytest.raises(ArbeitError) as caught:
            await project.create_task("T")
        assert caught.value.data["retry_after"] == 21


# -- with Redis ---------------------------------------------------------------------------------------------------


@asynccontextmanager
async def connected(*urls: str, rate: Rate = SLOW) -> AsyncIterator[list[tuple[Overheard, RedisLimits]]]:
    """The limits of as many processes, each with a connection."""
    made = []
    async with anyio.create_task_group() as group:
        for url in urls:
            link = Link(url, "test")
            limits = RedisLimits(link, rate, VirtualClock())
            ears = Overheard(RedisSignals(link, random.random, [limits.serve]))
            group.start_soon(ears.run, lambda _wake: None)
            made.append((ears, limits))
        for ears, _ in made:
            await ears.until_healthy()
        yield made
        group.cancel_scope.cancel()


@asyncio_alone
async def test_processes_share_a_bucket(redis_url: str) -> None:
    async with connected(redis_url, redis_url) as processes:
        waits: list[float] = []

        async def ask(limits: RedisLimits) -> None:
            waits.append(await limits.take("demo", "ada"))

        async with anyio.create_task_group() as group:
            for number in range(200):
                group.start_soon(ask, processes[number % 2][1])
        assert waits.count(0) == 5
        assert all(3590 < wait <= 3600 for wait in waits if wait)
        assert await processes[0][1].take("demo", "ben") == 0
        assert await processes[0][1].take("other", "ada") == 0


@asyncio_alone
async def test_while_redis_is_away_each_process_counts_for_itself_and_nobody_waits_long() -> None:
    with RedisServer() as server:
        async with connected(server.url, server.url) as processes:
            (ears, limits), (others, _) = processes
            assert await limits.take("demo", "ada", 5) == 0
            server.freeze()
            begun = anyio.current_time()
            waits: list[float] = []

            async def ask() -> None:
                waits.append(await limits.take("demo", "ada"))

            async with anyio.create_task_group() as group:
                for _ in range(50):
                    group.start_soon(ask)
            # All of them together waited once, for 200 ms; what they were told is this process's own count.
            assert anyio.current_time() - begun < 2
            assert waits.count(0) == 5
            await ears.until_away()
            assert await limits.take("demo", "ada") > 0
            server.thaw()
            await ears.until_healthy()
            await others.until_healthy()
            # The one that is shared has had its five as well.
            assert await limits.take("demo", "ada") > 0
            assert await limits.take("demo", "ben") == 0


@asyncio_alone
async def test_a_redis_that_was_restarted_counts_anew() -> None:
    with RedisServer() as server:
        async with connected(server.url) as ((ears, limits),):
            assert await limits.take("demo", "ada", 5) == 0
            assert await limits.take("demo", "ada") > 0
            missed = ears.heard.count(None)
            server.restart()
            await ears.until_missed(missed + 2)
            # The server does not know what to do until it was told again.
            assert await limits.take("demo", "ada", 4) == 0
            assert server.ask("DEL arbeit:{test:demo}:rate:ada") == ":1"
            assert await limits.take("demo", "ada", 4) == 0
            server.ask("SCRIPT FLUSH")
            assert await limits.take("demo", "ada") == 0
            assert await limits.take("demo", "ada") > 0


@asyncio_alone
async def test_a_caller_that_is_cancelled_leaves_the_others_their_answers(redis_url: str) -> None:
    async with connected(redis_url) as ((_, limits),):
        with anyio.CancelScope() as scope:
            scope.cancel()
            await limits.take("demo", "ada")
        waits = [await limits.take("demo", "ada") for _ in range(5)]
        assert waits.count(0) >= 4
        assert await limits.take("demo", "ada") > 0


@asyncio_alone
async def test_who_was_not_answered_in_time_is_not_counted_later(redis_url: str) -> None:
    link = Link(redis_url, "test")
    limits = RedisLimits(link, SLOW, VirtualClock())
    # Connected, and nobody serves what is asked.
    link.client, link.broken = link.make(), anyio.Event()
    assert await limits.take("demo", "ada") == 0
    assert link.broken.is_set()
    assert not limits._asking
    link.client = link.make()
    with anyio.CancelScope() as scope:
        scope.cancel()
        await limits.take("demo", "ada")
    assert not limits._asking
