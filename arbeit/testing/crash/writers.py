"""The process that is killed. A fork server that has imported this makes each in milliseconds."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable

import anyio
import anyio._backends._asyncio  # what `anyio.run` would import anew in each writer

import arbeit.sync
from arbeit.hub import open as open_hub
from arbeit.testing.crash.acts import Caller
from arbeit.testing.crash.orders import KEY, SETTINGS, Order, writers_clock
from arbeit.testing.linearizability import Recorder

DIED = "killed itself"
"""What a writer's last entry says, with the point as its detail."""


def live(order: Order) -> None:
    """Write until killed."""
    recorder = Recorder(order.journal, order.process, order.number)

    def die() -> None:
        recorder.happened("process", DIED, order.point)
        os.kill(os.getpid(), signal.SIGKILL)

    if order.prepare is not None:
        order.prepare()
    opened: Callable[[], None] = _nothing
    if order.point in order.target.points:
        opened = order.target.doom(order.point, order.nth, order.seed, die)
    if order.callers is None:
        _alone(order, recorder, opened)
    else:
        anyio.run(_together, order, order.callers, recorder, opened)


def _nothing() -> None:
    """Nobody waits to hear that the store is open."""


def _alone(order: Order, recorder: Recorder, opened: Callable[[], None]) -> None:
    with arbeit.sync.open(order.url, key=KEY, clock=writers_clock(order.life)) as hub:
        project = hub.project(order.project, create=True, settings=SETTINGS)
        opened()
        # The verbs of a synchronous project are coroutines that never wait.
        Caller(order, 0, project.inner, recorder).work().send(None)


async def _together(order: Order, callers: int, recorder: Recorder, opened: Callable[[], None]) -> None:
    async with open_hub(order.url, key=KEY, clock=writers_clock(order.life)) as hub:
        project = await hub.project(order.project, create=True, settings=SETTINGS)
        opened()
        async with anyio.create_task_group() as group:
            for number in range(callers):
                group.start_soon(Caller(order, number, project, recorder).work)
