"""The event loop on which a store's connections live, for callers who have none or another."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Coroutine
from concurrent.futures import CancelledError
from typing import Any, TypeVar

from arbeit.core.errors import ArbeitError, Code

T = TypeVar("T")


class Home:
    """One event loop: that of an engine which moved in, or one in a thread of its own, begun when first needed."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._thread: threading.Thread | None = None

    @property
    def here(self) -> bool:
        """Whether the caller runs on this very loop, and may await what lives there."""
        try:
            return asyncio.get_running_loop() is self._loop
        except RuntimeError:
            return False

    def move_in(self) -> bool:
        """Make the running loop this home, if it is asyncio's and nobody has begun one; whether it is."""
        try:
            loop = asyncio.get_running_loop()
        except RuntimeError:
            return False
        with self._lock:
            if self._loop is None:
                self._loop = loop
            return self._loop is loop

    def call(self, coroutine: Coroutine[Any, Any, T]) -> T:
        """Run a coroutine on this loop, and wait for it in the caller's thread."""
        if self.here:
            coroutine.close()
            msg = "a blocking call from the event loop that would have to answer it"
            raise RuntimeError(msg)
        try:
            return asyncio.run_coroutine_threadsafe(coroutine, self._begun()).result()
        except CancelledError:
            raise _ended() from None

    def _begun(self) -> asyncio.AbstractEventLoop:
        with self._lock:
            if self._loop is None:
                self._loop = asyncio.new_event_loop()
                self._thread = threading.Thread(
                    target=self._run, args=(self._loop,), name="arbeit-postgres", daemon=True
                )
                self._thread.start()
            if self._loop.is_closed():
                raise _ended()
            return self._loop

    @staticmethod
    def _run(loop: asyncio.AbstractEventLoop) -> None:
        try:
            loop.run_forever()
        finally:
            loop.close()

    def leave(self) -> None:
        """End the loop, if it is in a thread of its own."""
        with self._lock:
            thread, self._thread = self._thread, None
        if thread is not None and self._loop is not None:
            # Who still waits for an answer there is told that there will be none.
            asyncio.run_coroutine_threadsafe(_cancel_others(), self._loop).result()
            self._loop.call_soon_threadsafe(self._loop.stop)
            thread.join()


async def _cancel_others() -> None:
    others = asyncio.all_tasks() - {asyncio.current_task()}
    for task in others:
        task.cancel()
    await asyncio.gather(*others, return_exceptions=True)


def _ended() -> ArbeitError:
    return ArbeitError(
        Code.NOT_INITIALIZED,
        "this store was closed, or the event loop that it lived on has ended",
        suggestions=("Open Arbeit anew.",),
    )


def at_once(coroutine: Coroutine[Any, Any, T]) -> T:
    """Run a coroutine to its end on a loop of its own, also where the caller is on one already."""
    home = Home()
    try:
        return home.call(coroutine)
    finally:
        home.leave()
