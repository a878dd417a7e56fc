"""A store in this process's memory."""

from __future__ import annotations

from arbeit.backends.memory.store import MemoryStore

__all__ = ["MemoryStore"]
