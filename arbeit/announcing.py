"""Signals and limits in a thread with an event loop of its own.

So an agent that keeps its event loop busy, or has none, or one of trio, still tells what it did, and does not take the
server for dead because it was slow itself.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import Future
from contextlib import ExitStack, suppress
from threading import Event, Lock
from typing import Any

import anyio
from anyio import CancelScope, to_thread
from anyio.from_thread import BlockingPortal, start_blocking_portal

from arbeit.core.model import Changes
from arbeit.ports import Limits, Signals, Wake
from arbeit.wakes import Hear, wake_of

_CONNECTING = 0.5
"""Seconds for which a process that ends waits for a connection over which to tell what it did."""
_ANSWER = 1.0
"""Seconds for which an answer is waited for; limits have deadlines of their own, far below."""


class Announcer:
    """`Signals` and `Limits` that may be used from any thread; theirs begins when something is told, asked or heard."""

    def __init__(self, signals: Signals | None, limits: Limits | None) -> None:
        self._signals = signals
        self._limits = limits
        self._lock = Lock()
        self._stack = ExitStack()
        self._portal: BlockingPortal | None = None
        self._running: Future[None] | None = None
        self._closed = False
        self._told = False
        self._hear: Hear | None = None
        self._turned = Event()
        """Set once there was a connection."""

    def _thread(self) -> BlockingPortal | None:
        with self._lock:
            if self._portal is None and not self._closed:
                self._portal = self._stack.enter_context(start_blocking_portal("asyncio"))
                if self._signals is not None:
                    self._running = self._portal.start_task_soon(self._signals.run, self._heard)
            return self._portal

    def _heard(self, wake: Wake | None) -> None:
        self._turned.set()
        if self._hear is not None:
            self._hear(wake)

    # -- for event loops -------------------------------------------------------------------------------

    @property
    def healthy(self) -> bool:
        """Whether hints come through, as far as is known."""
        return self._signals is not None and self._signals.healthy

    async def run(self, heard: Hear) -> None:
        """See `Signals`: `heard` is called in the event loop of whoever calls this."""
        soon = _soon()
        self._hear = lambda wake: soon(lambda: heard(wake))
        self._thread()
        heard(None)
        try:
            await anyio.sleep_forever()
        finally:
            self._hear = None
            with CancelScope(shield=True):
                await to_thread.run_sync(self.close)

    def wake(self, wake: Wake) -> None:
        """Have the other processes told soon."""
        portal = self._thread() if self._signals is not None else None
        if portal is not None and self._signals is not None:
            self._told = True
            portal.start_task_soon(self._signals.wake, wake)

    async def take(self, project: str, actor: str, cost: int = 1) -> float:
        """See `Limits`."""
        portal = self._thread() if self._limits is not None else None
        if portal is None or self._limits is None:
            return 0
        soon, answered = _soon(), anyio.Event()
        answer = portal.start_task_soon(self._limits.take, project, actor, cost)
        answer.add_done_callback(lambda _answer: soon(answered.set))
        with anyio.move_on_after(_ANSWER):
            await answered.wait()
        return answer.result() if answer.done() and not answer.cancelled() else 0

    # -- for callers without one -----------------------------------------------------------------------

    def tell(self, project: str, changes: Changes) -> None:
        """Have the other processes told soon of a commit that left events."""
        self.wake(wake_of(project, changes))

    def wait_for(self, project: str, actor: str, cost: int) -> float:
        """Count so many commands of an actor, and 0; or the seconds after which it may send them."""
        portal = self._thread() if self._limits is not None else None
        if portal is None or self._limits is None:
            return 0
        if self._signals is not None and not self._turned.is_set():
            # Or the first commands of a process would not be counted where those of the others are.
            self._turned.wait(_CONNECTING)
            self._turned.set()
        return portal.call(self._limits.take, project, actor, cost)

    def close(self) -> None:
        """Send what is still to be sent, if that can be done in a moment, and end the thread."""
        with self._lock:
            self._closed = True
            if self._running is not None:
                if self._told:
                    self._turned.wait(_CONNECTING)
                # Cancelled, it sends what waits.
                self._running.cancel()
            self._stack.close()
            self._portal = None


def _soon() -> Callable[[Callable[[], Any]], None]:
    """What has this event loop call something, from any thread; nothing happens once the loop is gone."""
    try:
        call: Callable[[Callable[[], Any]], object] = asyncio.get_running_loop().call_soon_threadsafe
    except RuntimeError:
        import trio  # noqa: PLC0415 - it runs, so it is loaded

        call = trio.lowlevel.current_trio_token().run_sync_soon

    def soon(function: Callable[[], Any]) -> None:
        # RuntimeError: of asyncio, and the base of trio's.
        with suppress(RuntimeError):
            call(function)

    return soon
