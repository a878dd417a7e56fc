"""Runs what cannot do without an event loop in one of its own, in the caller's thread, until it is told to stop."""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from contextlib import suppress
from threading import Condition
from typing import TYPE_CHECKING, Any, TypeVar

from arbeit.core.later import Later
from arbeit.kernel import closed

if TYPE_CHECKING:
    import asyncio

    import anyio
else:
    asyncio, anyio = Later("asyncio"), Later("anyio")

T = TypeVar("T")


class Loops:
    """The event loops of a hub's callers, at most one in each thread; closing it ends them all."""

    def __init__(self) -> None:
        self._changed = Condition()
        self._running: dict[object, Callable[[], None]] = {}
        """How to end each from another thread."""
        self._closed = False

    def run(self, work: Callable[[], Coroutine[Any, Any, T]]) -> T | None:
        """Run to the end; None where it was ended before, by `close`.

        Under asyncio, as the drivers of NATS and Redis know no other loop.

        Raises:
            ArbeitError: NOT_INITIALIZED once this is closed.
        """
        key = object()

        async def main() -> T | None:
            with anyio.CancelScope() as scope:
                self._begin(key, asyncio.get_running_loop(), scope)
                return await work()
            return None

        try:
            return anyio.run(main)
        finally:
            with self._changed:
                self._running.pop(key, None)
                self._changed.notify_all()

    def _begin(self, key: object, loop: asyncio.AbstractEventLoop, scope: anyio.CancelScope) -> None:
        def end() -> None:
            # One that has ended meanwhile takes no calls any more.
            with suppress(RuntimeError):
                loop.call_soon_threadsafe(scope.cancel)

        with self._changed:
            if self._closed:
                raise closed()
            self._running[key] = end

    def close(self) -> None:
        """End what runs, wait until it has, and let nothing begin any more."""
        with self._changed:
            self._closed = True
            for end in self._running.values():
                end()
            self._changed.wait_for(lambda: not self._running)
