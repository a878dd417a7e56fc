"""An asyncio event loop in virtual time, one per simulated process, run by the world and never by itself.

It has timers, callbacks, futures and tasks, and nothing else: no threads, sockets or signals. What a process runs on
it happens in the order in which it was asked for, so that it can be told again.
"""

from __future__ import annotations

import asyncio
import heapq
import itertools
from collections import deque
from collections.abc import Callable, Coroutine, Generator
from contextvars import Context
from typing import Any, TypeVar, TypeVarTuple

from arbeit.core.model import SECOND

T = TypeVar("T")
Ts = TypeVarTuple("Ts")
Now = Callable[[], int]
_FOR_EVER = 1e12
"""Seconds that no world lasts for; asyncio lets people sleep until infinity."""


class SimLoop(asyncio.AbstractEventLoop):
    """The event loop of one process. `now` tells microseconds since the world began; `turn` runs what is ready."""

    def __init__(self, now: Now) -> None:
        self._now = now
        self._ready: deque[asyncio.Handle] = deque()
        self._timers: list[tuple[int, int, asyncio.TimerHandle]] = []
        self._numbers = itertools.count()
        self._closed = False
        self._reached = 0.0
        self.failures: list[BaseException] = []
        """What callbacks and abandoned tasks raised, which nobody awaited."""

    # -- for the world ---------------------------------------------------------------------------------

    def next(self) -> int | None:
        """When something can run, in microseconds since the world began: 0 for now, None for never."""
        if self._ready:
            return 0
        while self._timers and self._timers[0][2].cancelled():
            heapq.heappop(self._timers)
        return self._timers[0][0] if self._timers else None

    @property
    def ready(self) -> bool:
        """Whether something can run now, timers aside."""
        return bool(self._ready)

    def turn(self) -> None:
        """Run what is ready now, and not what that makes ready."""
        if self._timers:
            self._release_timers()
        asyncio._set_running_loop(self)  # noqa: SLF001 - made for those who write event loops
        try:
            for _ in range(len(self._ready)):
                handle = self._ready.popleft()
                if not handle.cancelled():
                    handle._run()  # noqa: SLF001 - as above
        finally:
            asyncio._set_running_loop(None)  # noqa: SLF001 - as above

    def _release_timers(self) -> None:
        now = self._now()
        timers = self._timers
        while timers and (timers[0][0] <= now or timers[0][2].cancelled()):
            timer = heapq.heappop(timers)[2]
            if not timer.cancelled():
                # A moment in floating point may lie a hair beyond its microsecond; who was woken must find it past.
                self._reached = max(self._reached, timer.when())
                self._ready.append(timer)

    # -- what asyncio and anyio ask of a loop ----------------------------------------------------------

    def time(self) -> float:
        """Seconds since the world began."""
        return max(self._now() / SECOND, self._reached)

    def call_soon(
        self, callback: Callable[[*Ts], object], *args: *Ts, context: Context | None = None
    ) -> asyncio.Handle:
        """Run a callback in the next turn."""
        handle = asyncio.Handle(callback, args, self, context)
        self._ready.append(handle)
        return handle

    def call_at(
        self, when: float, callback: Callable[[*Ts], object], *args: *Ts, context: Context | None = None
    ) -> asyncio.TimerHandle:
        """Run a callback at a moment of this loop's time."""
        timer = asyncio.TimerHandle(when, callback, args, self, context)
        # Whole microseconds, lest the world stop a rounding error short of it for ever.
        heapq.heappush(self._timers, (round(min(when, _FOR_EVER) * SECOND), next(self._numbers), timer))
        return timer

    def call_later(
        self, delay: float, callback: Callable[[*Ts], object], *args: *Ts, context: Context | None = None
    ) -> asyncio.TimerHandle:
        """Run a callback after so many seconds."""
        return self.call_at(self.time() + delay, callback, *args, context=context)

    def create_future(self) -> asyncio.Future[Any]:
        """A future of this loop."""
        return asyncio.Future(loop=self)

    def create_task(
        self,
        coro: Generator[Any, None, T] | Coroutine[Any, Any, T],
        *,
        name: str | None = None,
        context: Context | None = None,
    ) -> asyncio.Task[T]:
        """A task of this loop."""
        return asyncio.Task(coro, loop=self, name=name, context=context)

    def get_task_factory(self) -> None:
        """None of its own."""

    def get_debug(self) -> bool:
        """Never."""
        return False

    def is_running(self) -> bool:
        """Whether a turn of it is under way."""
        return asyncio._get_running_loop() is self  # noqa: SLF001 - as above

    def is_closed(self) -> bool:
        """Whether its process is over."""
        return self._closed

    def close(self) -> None:
        """Drop what is left."""
        self._closed = True
        self._ready.clear()
        self._timers.clear()

    def _timer_handle_cancelled(self, handle: asyncio.TimerHandle) -> None:
        """Nothing: cancelled timers are skipped when their turn comes."""

    def call_exception_handler(self, context: dict[str, Any]) -> None:
        """Keep what nobody awaited: the run fails over it."""
        self.failures.append(context.get("exception") or RuntimeError(str(context.get("message"))))

    def default_exception_handler(self, context: dict[str, Any]) -> None:
        """The same."""
        self.call_exception_handler(context)

    async def shutdown_asyncgens(self) -> None:
        """Nothing: generators are closed by those who made them."""
