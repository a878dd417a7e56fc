"""An engine embeds what is committed by itself, holds up no command for it, and survives a model that fails."""

from __future__ import annotations

import itertools
import logging
import threading
from collections.abc import Sequence
from pathlib import Path

import anyio
import pytest

import arbeit
from arbeit.engine import indexing
from arbeit.engine.indexing import LONGEST_PAUSE, PAUSE
from arbeit.testing.clock import VirtualClock
from tests.meaning.toy import Toy

pytestmark = pytest.mark.anyio


async def up_to_date(project: arbeit.Project, clock: VirtualClock | None = None) -> arbeit.Index:
    """Wait until everything is embedded."""
    with anyio.fail_after(20):
        while True:
            found = [one for one in await project.indexes() if one.model == "toy"]
            if found and not found[0].behind:
                return found[0]
            if clock is not None:
                await clock.advance(PAUSE * 2)
            await anyio.sleep(0.01)


async def test_what_is_committed_is_embedded_by_itself(url: str, toy: Toy) -> None:
    clock = VirtualClock()
    async with arbeit.open(url, embedder=toy, clock=clock) as hub:
        projects = [await hub.project(key, create=True) for key in ("one", "two")]
        for project in projects:
            await project.create_task("alpha")
            assert (await up_to_date(project, clock)).vectors == 1
        await projects[0].create_task("beta")
        await up_to_date(projects[0], clock)
        assert [hit.title for hit in await projects[0].search("beta", mode="meaning")] == ["beta"]


async def test_nothing_is_embedded_where_the_background_is_off(toy: Toy) -> None:
    clock = VirtualClock()
    async with arbeit.open("memory://", embedder=toy, clock=clock, background=False) as hub:
        project = await hub.project("demo", create=True)
        await project.create_task("alpha")
        await clock.advance(60)
        assert (toy.seen, await project.indexes()) == ([], ())


async def test_commands_run_while_a_model_takes_its_time() -> None:
    begun, go_on = threading.Event(), threading.Event()

    class Slow(Toy):
        def embed(self, texts: Sequence[str]) -> list[list[float]]:
            begun.set()
            assert go_on.wait(20)
            return super().embed(texts)

    async with arbeit.open("memory://", embedder=Slow()) as hub:
        project = await hub.project("demo", create=True)
        await project.create_task("alpha")
        assert await anyio.to_thread.run_sync(begun.wait, 20)
        with anyio.fail_after(10):
            for number in range(20):
                await project.create_task(f"beta {number}")
            work = await project.claim("impl")
            assert work is not None
            await work.release()
        assert (await project.search("alpha", mode="words"))[0].title == "alpha"
        go_on.set()
        assert (await up_to_date(project)).vectors == 21


async def test_a_failure_is_logged_once_and_tried_again_ever_more_rarely(caplog: pytest.LogCaptureFixture) -> None:
    tries: list[int] = []
    clock = VirtualClock()

    class Failing(Toy):
        def embed(self, texts: Sequence[str]) -> list[list[float]]:
            tries.append(clock.now())
            return super().embed(texts)

    failing = Failing()
    failing.broken = ConnectionError("no route")
    with caplog.at_level(logging.INFO, "arbeit"):
        async with arbeit.open("memory://", embedder=failing, clock=clock) as hub:
            project = await hub.project("demo", create=True)
            await project.create_task("alpha")
            with anyio.fail_after(20):
                while len(tries) < 6:
                    await clock.advance(1)
                    await anyio.sleep(0.001)
            warnings = [record for record in caplog.records if record.levelno == logging.WARNING]
            assert ["no route" in record.getMessage() for record in warnings] == [True]
            gaps = [(later - sooner) / 1e6 for sooner, later in itertools.pairwise(tries)]
            # Twice as long each time, give or take a half, as pauses are jittered and this clock steps by seconds.
            for number, gap in enumerate(gaps, 1):
                assert gap >= PAUSE * 2**number * 0.5 - 1
            failing.broken = None
            assert (await up_to_date(project, clock)).vectors == 1
    assert "embedded again" in caplog.text


def test_the_longest_pause_is_reached_and_not_exceeded() -> None:
    waiting = indexing.Indexing.__new__(indexing.Indexing)
    waiting._failures = 0
    assert waiting.pause == PAUSE
    waiting._failures = 3
    assert waiting.pause == PAUSE * 8
    waiting._failures = 10_000
    assert waiting.pause == LONGEST_PAUSE


async def test_one_process_embeds_and_another_takes_over_when_it_leaves(tmp_path: Path) -> None:
    clock, url = VirtualClock(), f"sqlite:///{tmp_path}/team.db"
    first, second = Toy(), Toy()
    async with arbeit.open(url, embedder=second, clock=clock, background=False) as watching:
        seen = await watching.project("demo", create=True)
        async with arbeit.open(url, embedder=first, clock=clock) as hub:
            project = await hub.project("demo")
            await project.create_task("alpha")
            await up_to_date(project, clock)
            async with arbeit.open(url, embedder=second, clock=clock):
                await project.create_task("beta")
                await up_to_date(seen, clock)
                assert (first.seen, second.seen) == (["alpha", "beta"], [])
                hub._engine._background_scope.cancel()
                await project.create_task("gamma")
                await up_to_date(seen, clock)
                assert second.seen == ["gamma"]


async def test_a_hub_closes_while_a_large_page_is_embedded(tmp_path: Path) -> None:
    begun = threading.Event()

    class Counting(Toy):
        calls = 0

        def embed(self, texts: Sequence[str]) -> list[list[float]]:
            self.calls += 1
            begun.set()
            return super().embed(texts)

    counting = Counting()
    url = f"sqlite:///{tmp_path}/team.db"
    async with arbeit.open(url, embedder=counting, background=False) as hub:
        project = await hub.project("demo", create=True)
        for number in range(200):
            await project.create_task(f"alpha {number}")
    stop = threading.Event()

    class Stopped(Counting):
        def embed(self, texts: Sequence[str]) -> list[list[float]]:
            found = super().embed(texts)
            assert stop.wait(20)
            return found

    stopped = Stopped()
    async with arbeit.open(url, embedder=stopped) as hub:
        assert await anyio.to_thread.run_sync(begun.wait, 20)
        hub._engine._closing = True
        stop.set()
    assert stopped.calls == 1, "it looked between two calls whether to stop"
    async with arbeit.open(url, embedder=counting, background=False) as hub:
        project = await hub.project("demo")
        assert [(one.vectors, one.position) for one in await project.indexes()] == [(32, 0)]
        assert (await project.index()).vectors == 200
    assert len(counting.seen) == 200 - 32
