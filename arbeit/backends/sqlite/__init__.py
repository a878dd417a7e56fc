"""A store in one SQLite file, shared by any number of processes of one machine."""

from __future__ import annotations

from arbeit.backends.sqlite.store import SQLiteStore

__all__ = ["SQLiteStore"]
