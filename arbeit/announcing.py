"""Signals for callers without an event loop: they run in a thread of their own, which begins when something is told."""

from __future__ import annotations

from concurrent.futures import Future
from contextlib import ExitStack
from threading import Event, Lock

from anyio.from_thread import BlockingPortal, start_blocking_portal

from arbeit.core.model import Changes
from arbeit.ports import Limits, Signals, Wake
from arbeit.wakes import wake_of

_CONNECTING = 0.5
"""Seconds for which a process that ends waits for a connection over which to tell what it did."""


class Announcer:
    """Tells other processes what a blocking session commits, and asks for limits. Safe to use from any thread.

    It does not listen: blocking callers look for themselves, which costs them no event loop.
    """

    def __init__(self, signals: Signals | None, limits: Limits | None) -> None:
        self._signals = signals
        self._limits = limits
        self._lock = Lock()
        self._stack = ExitStack()
        self._portal: BlockingPortal | None = None
        self._running: Future[None] | None = None
        self._told = False
        self._turned = Event()
        """Set once there was a connection."""

    def _thread(self) -> BlockingPortal:
        with self._lock:
            if self._portal is None:
                self._portal = self._stack.enter_context(start_blocking_portal("asyncio"))
                if self._signals is not None:
                    self._running = self._portal.start_task_soon(self._signals.run, self._heard)
            return self._portal

    def _heard(self, _wake: Wake | None) -> None:
        self._turned.set()

    def tell(self, project: str, changes: Changes) -> None:
        """Have the other processes told soon of a commit that left events."""
        if self._signals is not None:
            self._told = True
            self._thread().start_task_soon(self._signals.wake, wake_of(project, changes))

    def wait_for(self, project: str, actor: str, cost: int) -> float:
        """Count so many commands of an actor, and 0; or the seconds after which it may send them."""
        if self._limits is None:
            return 0
        portal = self._thread()
        if self._signals is not None and not self._turned.is_set():
            # Or the first commands of a process would not be counted where those of the others are.
            self._turned.wait(_CONNECTING)
            self._turned.set()
        return portal.call(self._limits.take, project, actor, cost)

    def close(self) -> None:
        """Send what is still to be sent, if that can be done in a moment, and end the thread."""
        with self._lock:
            if self._running is not None:
                if self._told:
                    self._turned.wait(_CONNECTING)
                # Cancelled, it sends what waits.
                self._running.cancel()
            self._stack.close()
