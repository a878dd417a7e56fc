"""Pauses by the store's clock that something may cut short."""

from __future__ import annotations

import anyio
from anyio import Event

from arbeit.ports import Clock


async def sleep_or(clock: Clock, event: Event, seconds: float) -> None:
    """Come back after so many seconds of a clock, or once the event is set."""
    async with anyio.create_task_group() as group:

        async def sleep() -> None:
            await clock.sleep(seconds)
            group.cancel_scope.cancel()

        group.start_soon(sleep)
        await event.wait()
        group.cancel_scope.cancel()
