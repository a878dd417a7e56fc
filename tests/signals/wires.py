"""Engines that share a SQLite file, and what a test hears of the signals between them."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any

import anyio
from anyio import Event

from arbeit.backends.sqlite import SQLiteStore
from arbeit.clock import SystemClock
from arbeit.compose import Wiring
from arbeit.ports import Limits, Signals, Wake
from arbeit.testing.contract import KEY, WiredHub
from tests.engine.test_waiting import Line

READY = Wake("demo", ready=(("default", "", 1),))
PATIENCE = 20
"""Seconds after which what did not come never will."""


class Overheard:
    """Signals with a test that listens in: what was heard, and a way to wait for it."""

    def __init__(self, signals: Signals) -> None:
        self._signals = signals
        self.heard: list[Wake | None] = []
        self.sent: list[Wake] = []
        self._more = Event()

    @property
    def healthy(self) -> bool:
        return self._signals.healthy

    async def run(self, heard: Callable[[Wake | None], None]) -> None:
        def hear(wake: Wake | None) -> None:
            self.heard.append(wake)
            heard(wake)
            self._stir()

        await self._signals.run(hear)

    def wake(self, wake: Wake) -> None:
        self.sent.append(wake)
        self._signals.wake(wake)
        self._stir()

    def _stir(self) -> None:
        more, self._more = self._more, Event()
        more.set()

    async def until(self, true: Callable[[], bool]) -> None:
        """Come back once something is true that can become so when something is heard or sent."""
        with anyio.fail_after(PATIENCE):
            while not true():
                await self._more.wait()

    async def until_healthy(self) -> None:
        """Come back once hints come through."""
        await self.until(lambda: self.healthy)

    async def until_away(self) -> None:
        """Come back once hints do not come through."""
        await self.until(lambda: not self.healthy)

    async def until_heard(self, wake: Wake, times: int = 1) -> None:
        """Come back once a wake was heard so often."""
        await self.until(lambda: self.heard.count(wake) >= times)

    async def until_missed(self, times: int = 1) -> None:
        """Come back once it was said so often that hints may have been missed."""
        await self.until(lambda: self.heard.count(None) >= times)


class CountingSQLite(SQLiteStore):
    """Counts looks for what others committed."""

    looks = 0

    def pulse(self) -> int:
        self.looks += 1
        return super().pulse()


class Site:
    """One engine of several on a file."""

    def __init__(self, hub: WiredHub, store: CountingSQLite, signals: Overheard | None) -> None:
        self.hub = hub
        self.store = store
        self._signals = signals

    @property
    def signals(self) -> Overheard:
        assert self._signals is not None
        return self._signals


@asynccontextmanager
async def sites(file: Path, *signals: Signals | None, limits: Limits | None = None) -> AsyncIterator[list[Site]]:
    """As many engines on a file as there are signals given; each of them healthy, where it can be."""
    async with AsyncExitStack() as stack:
        opened = []
        for one in signals:
            clock = SystemClock()
            store = CountingSQLite(file, clock, synchronous="NORMAL")
            ears = Overheard(one) if one is not None else None
            hub = await stack.enter_async_context(
                WiredHub(Wiring(store, clock, KEY, {}, signals=ears, limits=limits), background=False)
            )
            opened.append(Site(hub, store, ears))
        yield opened


@asynccontextmanager
async def two_engines(file: Path, *signals: Signals) -> AsyncIterator[tuple[Site, Site]]:
    async with sites(file, *signals) as (there, here):
        await there.hub.project("demo", create=True)
        for site in (there, here):
            await site.signals.until_healthy()
        yield there, here


async def handed_out(there: Site, here: Site, title: str) -> None:
    """A claimer that waits in one process gets what is created in the other."""
    line = Line(await here.hub.project("demo"))
    project = await there.hub.project("demo")
    with anyio.fail_after(PATIENCE):
        async with anyio.create_task_group() as group:
            group.start_soon(line.wait, "a")
            await line_stands(here)
            await project.create_task(title)
    assert [got for _, got in line.got] == [title]


async def line_stands(site: Site) -> None:
    """Come back once a claimer waits, having looked once."""
    with anyio.fail_after(PATIENCE):
        waiters: Any = None
        while not waiters:
            await anyio.lowlevel.checkpoint()
            waiters = site.hub.engine._waiters.get("demo")
        # What it looked for in vain is committed before this is.
        project = await site.hub.project("demo")
        await project.set_queue("idle")
