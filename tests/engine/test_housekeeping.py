"""Old receipts are dropped in every project, by one process at a time."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from arbeit.backends.memory import MemoryStore
from arbeit.compose import Wiring
from arbeit.core import commands as c
from arbeit.engine.housekeeping import AT_ONCE, EVERY, TERM, Housekeeping
from arbeit.session import BlockingSession
from arbeit.testing.clock import VirtualClock
from arbeit.testing.contract import KEY

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
