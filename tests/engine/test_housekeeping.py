"""Old receipts are dropped in every project, by one process at a time."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from typing import Any

import pytest

import arbeit.engine as package
from arbeit.backends.memory import MemoryStore
from arbeit.compose import Wiring
from arbeit.core import commands as c
from arbeit.core.model import SECOND, Changes, Reply
from arbeit.engine import Engine
from arbeit.engine.engine import TICK
from arbeit.engine.housekeeping import AT_ONCE, EVERY, TERM, Housekeeping
from arbeit.engine.lane import Pending
from arbeit.kernel import RECEIPTS_KEPT
from arbeit.ports import Job
from arbeit.session import BlockingSession
from arbeit.testing.clock import VirtualClock
from arbeit.testing.contract import KEY
from arbeit.testing.faults import PassingStore

pytestmark = pytest.mark.anyio


async def at_once(function: Callable[..., Any], *args: object) -> Any:  # noqa: ANN401
    return function(*args)


@pytest.fixture
def clock() -> VirtualClock:
    return VirtualClock()


def furnished(clock: VirtualClock, count: int) -> MemoryStore:
    store = MemoryStore(clock)
    session = BlockingSession(Wiring(store, clock, KEY, {}))
    for number in range(count):
        key = f"p{number:03}"
        session.run(key, [c.CreateProject(actor="ada", key=key, name=key)])
    return store


async def rounds(keeper: Housekeeping, ticks: int, active: tuple[str, ...] = ()) -> list[str]:
    return [key for _ in range(ticks) for key in await keeper.next(active)]


async def test_every_project_is_seen_to_a_few_at_a_tick(clock: VirtualClock) -> None:
    keeper = Housekeeping(furnished(clock, AT_ONCE + 5), at_once)
    assert await rounds(keeper, EVERY - 1) == []
    assert len(await keeper.next(())) == AT_ONCE
    assert len(await keeper.next(())) == 5
    assert await keeper.next(()) == set()


async def test_what_nobody_works_on_is_seen_to_seldom(clock: VirtualClock) -> None:
    keeper = Housekeeping(furnished(clock, 2), at_once)
    assert sorted(await rounds(keeper, EVERY, ("p000",))) == ["p000", "p001"]
    assert await rounds(keeper, EVERY, ("p000",)) == ["p000"]
    assert "p001" in await rounds(keeper, EVERY * 60, ("p000",))


async def test_one_process_at_a_time_sees_to_it_and_another_when_it_is_gone(clock: VirtualClock) -> None:
    store = furnished(clock, 1)
    first, second = Housekeeping(store, at_once), Housekeeping(store, at_once)
    assert await rounds(first, EVERY, ("p000",)) == ["p000"]
    assert await rounds(second, EVERY, ("p000",)) == []
    clock.tick(TERM / 1_000_000 + 1)
    assert await rounds(second, EVERY, ("p000",)) == ["p000"]
    assert await rounds(first, EVERY, ("p000",)) == []


async def test_what_could_not_be_seen_to_comes_at_a_later_tick(clock: VirtualClock) -> None:
    keeper = Housekeeping(furnished(clock, 2), at_once)
    assert sorted(await rounds(keeper, EVERY)) == ["p000", "p001"]
    keeper.put_back("p001")
    assert await rounds(keeper, 5) == ["p001"]


class Forgetful(PassingStore):
    """Remembers before which moments receipts were dropped."""

    def __init__(self, store: MemoryStore) -> None:
        super().__init__(store)
        self.before: list[int] = []

    def transact(self, jobs: Sequence[Job]) -> list[Changes | Exception]:
        results = super().transact(jobs)
        found = [result.forget_receipts_before for result in results if isinstance(result, Changes)]
        self.before += [before for before in found if before is not None]
        return results


async def test_a_process_whose_clock_runs_ahead_makes_nobodys_keys_worthless(clock: VirtualClock) -> None:
    inner = furnished(clock, 1)
    session = BlockingSession(Wiring(inner, clock, KEY, {}))
    command = c.CreateTask(actor="ada", title="once", idempotency_key="k" * 20)
    (first,) = session.run("p000", [command])
    store, ahead = Forgetful(inner), VirtualClock(start=clock.now() + 30 * 24 * 3600 * SECOND)
    async with Engine(Wiring(store, ahead, KEY, {})):
        await ahead.advance(EVERY * TICK * 3)
    assert store.before
    assert set(store.before) == {clock.now() - RECEIPTS_KEPT}
    assert isinstance(first, Reply)
    assert session.run("p000", [command]) == [first]


async def test_one_full_lane_does_not_keep_the_tick_from_other_projects(
    clock: VirtualClock, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(package.engine, "LANE_LIMIT", 10)
    store = furnished(clock, 2)
    session = BlockingSession(Wiring(store, clock, KEY, {}))
    for key in ("p000", "p001"):
        session.run(key, [c.CreateTask(actor="ada", title="T"), c.ClaimTasks(actor="ada", agent="ada")])
    clock.tick(3_600)
    async with Engine(Wiring(store, clock, KEY, {}), background=False) as engine:
        engine._housekeeping._untidy = ["p000", "p001"]
        for _ in range(10):
            engine._enqueue("p000", Pending(c.CreateTask(actor="ada", title="T")))
        # Nothing here waits, so the lane is full until all projects were looked at.
        with caplog.at_level(logging.WARNING, "arbeit"):
            await engine._sweep()
        kinds = {key: {type(one.command) for one in lane.waiting} for key, lane in engine._lanes.items()}
        assert kinds == {"p000": {c.CreateTask}, "p001": {c.Sweep}}
        assert engine._housekeeping._untidy == ["p000"]
    assert [record.getMessage() for record in caplog.records if "left project p000 out" in record.getMessage()]
