"""Signals in a thread of their own: heard on any event loop, and not disturbed by one that stands still."""

from __future__ import annotations

import logging
import random
import threading
import time
from contextlib import AsyncExitStack
from pathlib import Path

import anyio
import pytest

from arbeit.announcing import Announcer
from arbeit.backends.redis import Link, Rate, RedisLimits, RedisSignals
from arbeit.clock import SystemClock
from arbeit.core.model import SECOND
from arbeit.ports import Wake
from tests.signals.wires import READY, Overheard, handed_out, two_engines

pytestmark = pytest.mark.anyio


def over(url: str) -> Announcer:
    return Announcer(RedisSignals(Link(url, "test"), random.random), None)


@pytest.mark.usefixtures("hints_alone")
async def test_engines_on_any_event_loop_hear_each_other(tmp_path: Path, redis_url: str) -> None:
    async with two_engines(tmp_path / "team.db", over(redis_url), over(redis_url)) as (there, here):
        for title in ("T", "U"):
            await handed_out(there, here, title)
        assert READY in here.signals.heard


async def test_an_event_loop_that_stands_still_loses_nothing_and_takes_nobody_for_dead(
    redis_url: str, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "arbeit")
    busy, other = Overheard(over(redis_url)), over(redis_url)
    heard = threading.Event()
    async with AsyncExitStack() as stack:
        stack.callback(other.close)
        group = await stack.enter_async_context(anyio.create_task_group())
        group.start_soon(busy.run, lambda _wake: None)
        await busy.until_healthy()
        other._hear = lambda wake: heard.set() if wake == READY else None
        other.wake(Wake("begun"))
        await busy.until_heard(Wake("begun"))
        busy.wake(READY)
        # Longer than any deadline of Redis: this loop runs nothing, and what it told is on its way all the same.
        assert heard.wait(5)
        other.wake(READY)
        time.sleep(1.5)  # noqa: ASYNC251 - the point
        await busy.until_heard(READY)
        assert busy.healthy
        group.cancel_scope.cancel()
    assert [record.getMessage() for record in caplog.records] == []


async def test_limits_answer_on_any_event_loop_and_after_the_end(redis_url: str) -> None:
    link = Link(redis_url, "test")
    limits = RedisLimits(link, Rate(3600 * SECOND, 2), SystemClock())
    announcer = Announcer(RedisSignals(link, random.random, [limits.serve]), limits)
    async with anyio.create_task_group() as group:
        ears = Overheard(announcer)
        group.start_soon(ears.run, lambda _wake: None)
        await ears.until_healthy()
        assert [await announcer.take("demo", "ada") for _ in range(2)] == [0, 0]
        assert await announcer.take("demo", "ada") > 3000
        group.cancel_scope.cancel()
    threads = {thread.name for thread in threading.enumerate()}
    announcer.wake(READY)
    assert await announcer.take("demo", "ada") == 0
    assert {thread.name for thread in threading.enumerate()} == threads
