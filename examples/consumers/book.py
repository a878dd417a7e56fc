"""What consumers make of events: how many there were of each type, kept in a file, each event counted once."""

from __future__ import annotations

import sqlite3
from threading import Lock

from arbeit import Event


class Book:
    """Takes events into effect: the effect and the position are one transaction, so that neither is there alone."""

    def __init__(self, path: str) -> None:
        """Open the file, making it if there is none."""
        self._lock = Lock()
        self._file = sqlite3.connect(path, check_same_thread=False)
        self._file.execute("CREATE TABLE IF NOT EXISTS positions (project TEXT PRIMARY KEY, position INTEGER NOT NULL)")
        self._file.execute(
            "CREATE TABLE IF NOT EXISTS counts (project TEXT, type TEXT, n INTEGER, UNIQUE (project, type))"
        )

    def apply(self, event: Event) -> bool:
        """Count an event, unless it was counted before; whether it was new."""
        with self._lock, self._file:
            self._file.execute("BEGIN IMMEDIATE")
            known = self._file.execute("SELECT position FROM positions WHERE project = ?", (event.project,)).fetchone()
            if known is not None and event.position <= known[0]:
                return False
            self._file.execute(
                "INSERT INTO counts VALUES (?, ?, 1) ON CONFLICT DO UPDATE SET n = n + 1", (event.project, event.type)
            )
            self._file.execute(
                "INSERT INTO positions VALUES (?, ?) ON CONFLICT DO UPDATE SET position = excluded.position",
                (event.project, event.position),
            )
            return True

    def counts(self, project: str) -> dict[str, int]:
        """How many events of each type a project had."""
        with self._lock:
            return dict(self._file.execute("SELECT type, n FROM counts WHERE project = ? ORDER BY type", (project,)))

    def position(self, project: str) -> int:
        """Up to where a project was counted."""
        with self._lock:
            found = self._file.execute("SELECT position FROM positions WHERE project = ?", (project,)).fetchone()
            return found[0] if found else 0

    def close(self) -> None:
        """Close the file."""
        self._file.close()
