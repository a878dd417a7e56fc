"""Callers without an event loop: what they commit is announced, and what they send is counted."""

from __future__ import annotations

import random
from pathlib import Path

import anyio
import pytest
from anyio import to_thread

from arbeit.backends.memory import MemoryStore
from arbeit.backends.redis import Link, Rate, RedisLimits, RedisSignals
from arbeit.backends.sqlite import SQLiteStore
from arbeit.clock import SystemClock
from arbeit.compose import Wiring
from arbeit.core import commands as c
from arbeit.core.errors import ArbeitError, Code
from arbeit.core.model import SECOND
from arbeit.testing.contract import KEY, WiredSyncHub
from arbeit.testing.servers import RedisServer
from tests.engine.test_waiting import Line
from tests.signals.wires import PATIENCE, READY, line_stands, sites


def over(url: str) -> RedisSignals:
    return RedisSignals(Link(url, "test"), random.random)


def synchronous(file: Path, signals: RedisSignals) -> WiredSyncHub:
    clock = SystemClock()
    return WiredSyncHub(Wiring(SQLiteStore(file, clock), clock, KEY, {}, signals=signals))


@pytest.mark.anyio
@pytest.mark.usefixtures("hints_alone")
@pytest.mark.parametrize("anyio_backend", ["asyncio"])
async def test_what_a_blocking_caller_commits_wakes_a_claimer_elsewhere(tmp_path: Path, redis_url: str) -> None:
    file = tmp_path / "team.db"

    def create(title: str) -> None:
        # It is done at once, and has told of it before it is gone.
        with synchronous(file, over(redis_url)) as hub:
            hub.project("demo").create_task(title)

    async with sites(file, over(redis_url)) as (here,):
        await here.hub.project("demo", create=True)
        await here.signals.until_healthy()
        for title in ("T", "U"):
            line = Line(await here.hub.project("demo"))
            with anyio.fail_after(PATIENCE):
                async with anyio.create_task_group() as group:
                    group.start_soon(line.wait, "a")
                    await line_stands(here)
                    await to_thread.run_sync(create, title)
            assert line.got == [("a", title)]
            assert here.signals.heard.count(READY) >= 1


def test_a_blocking_caller_goes_on_while_redis_is_away(tmp_path: Path) -> None:
    with RedisServer() as server:
        server.shut_down()
        with synchronous(tmp_path / "team.db", over(server.url)) as hub:
            project = hub.project("demo", create=True)
            project.create_task("T")
            assert project.claim("ada") is not None


def test_who_only_reads_starts_no_thread(tmp_path: Path, redis_url: str) -> None:
    with synchronous(tmp_path / "team.db", over(redis_url)) as hub:
        assert hub.projects() == []
        announcer = hub.session._announcer
        assert announcer is not None
        assert announcer._portal is None


def test_commands_of_blocking_callers_are_counted_where_those_of_the_others_are(redis_url: str) -> None:
    def opened() -> WiredSyncHub:
        clock, link = SystemClock(), Link(redis_url, "test")
        limits = RedisLimits(link, Rate(3600 * SECOND, 4), clock)
        signals = RedisSignals(link, random.random, [limits.serve])
        return WiredSyncHub(Wiring(MemoryStore(clock), clock, KEY, {}, signals=signals, limits=limits), actor="lead")

    with opened() as hub, opened() as other:
        mine, theirs = (one.project("demo", create=True) for one in (hub, other))
        for project in (mine, theirs, mine, theirs):
            project.create_task("T")
        for project in (mine, theirs):
            with pytest.raises(ArbeitError) as caught:
                project.create_task("one too many")
            assert caught.value.code is Code.OVERLOADED
            assert 3000 < caught.value.data["retry_after"] <= 3600
        # One look is what a waiting claimer asks for, and it is counted as this.
        with pytest.raises(ArbeitError):
            mine.claim("lead", wait=0.2)
        assert mine.as_("ada").claim("ada", wait=0.2, capabilities=[]) is not None


def test_a_blocking_bulk_call_waits_until_all_of_it_is_allowed(redis_url: str) -> None:
    clock, link = SystemClock(), Link(redis_url, "test")
    limits = RedisLimits(link, Rate(SECOND // 1000, 10), clock)
    signals = RedisSignals(link, random.random, [limits.serve])
    with WiredSyncHub(Wiring(MemoryStore(clock), clock, KEY, {}, signals=signals, limits=limits), actor="lead") as hub:
        project = hub.project("demo", create=True)
        begun = clock.now()
        replies = project.execute_many([c.CreateTask(actor="lead", title="T")] * 300)
        assert not any(isinstance(reply, ArbeitError) for reply in replies)
        # 256 go into debt, and the rest waits until that is paid.
        assert clock.now() - begun >= 246 * SECOND // 1000


def test_without_signals_no_event_loop_is_loaded() -> None:
    import subprocess
    import sys

    script = (
        "import sys, arbeit.sync\n"
        "with arbeit.sync.open('memory://') as hub:\n"
        "    hub.project('demo', create=True).create_task('T')\n"
        "assert not {'asyncio', 'anyio', 'redis', 'arbeit.wakes', 'arbeit.announcing'} & set(sys.modules)\n"
    )
    subprocess.run([sys.executable, "-c", script], check=True, timeout=60)
