"""The same face for synchronous callers: no event loop is loaded or started.

Every verb is the asynchronous one, run to its end in the caller's thread: over a blocking store it never waits.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from arbeit.sync.driving import run
from arbeit.sync.hub import Hub, open
from arbeit.sync.project import Project
from arbeit.sync.work import Work

if TYPE_CHECKING:
    from arbeit.sync.toolset import Toolset

__all__ = ["Hub", "Project", "Toolset", "Work", "open", "run"]


def __getattr__(name: str) -> object:
    """Import the tools when they are first asked for."""
    if name == "Toolset":
        from arbeit.sync.toolset import Toolset  # noqa: PLC0415 - see above

        return Toolset
    msg = f"module 'arbeit.sync' has no attribute {name!r}"
    raise AttributeError(msg)
