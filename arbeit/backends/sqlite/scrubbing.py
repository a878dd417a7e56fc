"""Leaves no byte of erased text behind: in no free page, in no segment of the index, and not in the log."""

from __future__ import annotations

import sqlite3
from collections.abc import Mapping
from contextlib import suppress

from arbeit.backends.sqlite import statements
from arbeit.backends.sqlite.opening import BUSY_MILLISECONDS

MARK = "scrub"
"""The mark in the file that erased text may still lie in it somewhere; gone once it does not."""
PATIENCE = 500
"""Milliseconds to wait for readers before the log is emptied later."""


class Scrubber:
    """Rewrites the file after an erasure and empties its log, under the lock.

    Readers of an older state hold the log back, and a full disk the rewriting: what is still to do is tried again with
    the next transaction, at close, and by whoever opens the file next, as the mark tells.
    """

    def __init__(self, writer: sqlite3.Connection, sql: Mapping[str, str], *, indexed: bool) -> None:
        self._writer = writer
        self._sql = sql
        self._indexed = indexed
        self._rewritten = True
        self.due = False
        """Whether there is something left to do."""

    def erased(self) -> None:
        """Text was erased."""
        self.due, self._rewritten = True, False

    def take_up(self) -> None:
        """Do what this process or another left to do; a mark that cannot be read is left to whoever comes next."""
        with suppress(sqlite3.Error):
            if self.due or self._writer.execute(self._sql["meta"], (MARK,)).fetchall():
                self.erased()
                self.run(PATIENCE)

    def run(self, patience: int = 0) -> None:
        """Do what is due, waiting for readers so many milliseconds at most."""
        with suppress(sqlite3.OperationalError):
            if not self._rewritten:
                # The index drops the words of what was erased only as it merges.
                for statement in statements.search("optimize") if self._indexed else ():
                    self._writer.execute(statement)
                self._writer.execute("VACUUM")
                self._rewritten = True
            self._writer.execute(f"PRAGMA busy_timeout = {patience}")
            try:
                if not self._writer.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()[0]:
                    self._writer.execute(self._sql["drop_meta"], (MARK,))
                    self.due = False
            finally:
                self._writer.execute(f"PRAGMA busy_timeout = {BUSY_MILLISECONDS}")
