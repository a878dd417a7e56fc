"""Opens the files of a source: what lies inside its folder, and holds a known amount of bytes."""

from __future__ import annotations

import os
import stat
from pathlib import Path
from typing import BinaryIO

_IRREGULAR = "is no regular file"


class StrangeFileError(OSError):
    """A file that an import does not open; its `strerror` says why."""

    def __init__(self, reason: str) -> None:
        super().__init__(0, reason)


def inside(path: Path, root: Path) -> bool:
    """Whether a path leads to something in a folder, wherever its links go."""
    try:
        return path.resolve().is_relative_to(root.resolve())
    except (OSError, RuntimeError):  # RuntimeError: links in a circle, before Python 3.13
        return False


def opened(path: Path, root: Path | None = None) -> BinaryIO:
    """A regular file for reading, inside of a folder where one is given; waits for no other end, as a pipe would.

    Raises:
        OSError: it cannot be opened, leads out of the folder, or is a pipe, a device or a socket.
    """
    if root is not None and not inside(path, root):
        reason = "leads out of the folder that is imported"
        raise StrangeFileError(reason)
    if not stat.S_ISREG(path.stat().st_mode):  # before it is opened, as opening a device may do something
        raise StrangeFileError(_IRREGULAR)
    stream = open(path, "rb", opener=_at_once)  # noqa: SIM115 - its caller closes it
    if not stat.S_ISREG(os.fstat(stream.fileno()).st_mode):
        stream.close()
        raise StrangeFileError(_IRREGULAR)
    return stream


def _at_once(path: str, flags: int) -> int:
    return os.open(path, flags | getattr(os, "O_NONBLOCK", 0))
