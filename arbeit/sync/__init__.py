"""The same face for synchronous callers: no event loop is loaded or started.

Every verb is the asynchronous one, run to its end in the caller's thread: over a blocking store it never waits.
"""

from __future__ import annotations

from arbeit.sync.driving import run
from arbeit.sync.hub import Hub, open
from arbeit.sync.project import Project
from arbeit.sync.work import Work

__all__ = ["Hub", "Project", "Work", "open", "run"]
