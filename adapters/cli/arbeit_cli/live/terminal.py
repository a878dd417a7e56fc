"""The loop of the live view: draws, waits for a key, and leaves the terminal as it was."""

from __future__ import annotations

import os
import select
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.live import Live

from arbeit_cli.live.board import Board
from arbeit_cli.live.drawing import draw

_QUIT = frozenset(b"qQ\x1b\x03\x04")
"""q, Escape, Ctrl-C, Ctrl-D."""


def once(board: Board, console: Console) -> None:
    """Print one frame."""
    console.print(draw(board.look(), console.width, None))


def follow(board: Board, console: Console, interval: float) -> None:
    """Draw a frame every so many seconds until q, or Ctrl-C."""
    with _keys() as pressed:
        frame = draw(board.look(), console.width, console.height)
        with Live(frame, console=console, screen=True, auto_refresh=False, vertical_overflow="crop") as live:
            try:
                while not pressed(interval):
                    live.update(draw(board.look(), console.width, console.height), refresh=True)
            except KeyboardInterrupt:
                return


@contextmanager
def _keys() -> Iterator[Callable[[float], bool]]:
    """A function that waits so many seconds for a key that ends the view; whether there was one."""
    try:
        import termios  # noqa: PLC0415 - not on every system
        import tty  # noqa: PLC0415 - as above

        source = sys.stdin.fileno()
        before = termios.tcgetattr(source)
    except (ImportError, OSError, ValueError):
        yield _pause
        return
    except Exception as error:  # termios.error has no name where there is no termios
        if type(error).__name__ != "error":
            raise
        yield _pause
        return

    def pressed(seconds: float) -> bool:
        until = time.monotonic() + seconds
        while (left := until - time.monotonic()) > 0:
            if select.select([source], [], [], left)[0]:
                keys = os.read(source, 64)
                if not keys or not _QUIT.isdisjoint(keys[:1]):
                    return True
        return False

    tty.setcbreak(source)
    try:
        yield pressed
    finally:
        termios.tcsetattr(source, termios.TCSADRAIN, before)


def _pause(seconds: float) -> bool:
    time.sleep(seconds)
    return False
