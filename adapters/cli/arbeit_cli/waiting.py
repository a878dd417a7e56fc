"""Shows that long work goes on: on standard error, on a terminal, and only once it takes long."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager

from arbeit_cli.screen import Screen

_PATIENCE = 0.5
_STEP = 0.2


@contextmanager
def waiting(screen: Screen, what: str) -> Iterator[None]:
    """Say what takes so long, and for how long it does; the line is gone when it ends."""
    if screen.json or not screen.err.isatty():
        yield
        return
    from threading import Event, Thread  # noqa: PLC0415 - on a terminal only

    ended, begun = Event(), time.monotonic()

    def tick() -> None:
        pause = _PATIENCE
        while not ended.wait(pause):
            screen.err.write(f"\r{what} ... {time.monotonic() - begun:.0f} s")
            screen.err.flush()
            pause = _STEP
        if pause != _PATIENCE:
            screen.err.write("\r\033[K")
            screen.err.flush()

    thread = Thread(target=tick, name="arbeit-waiting", daemon=True)
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join()
