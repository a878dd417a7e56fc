"""Adds entities, many to a statement where that is cheaper."""

from __future__ import annotations

import sqlite3
from collections.abc import Mapping, Sequence
from itertools import chain
from typing import Any

WORDED = frozenset({"task", "entry"})
"""Kinds with a full-text index, which is written out once for every statement that touches it: see search.sql."""
SIZES = (64, 8)
"""Rows that one statement adds; what is left over is added row by row."""


class Inserter:
    """Runs the `insert_KIND` statements on one connection, keeping the order of rows."""

    def __init__(self, connection: sqlite3.Connection, sql: Mapping[str, str]) -> None:
        self._connection = connection
        self._sql = sql
        self._made: dict[tuple[str, int], str] = {}

    def insert(self, kind: str, rows: Sequence[Sequence[Any]]) -> None:
        """Add rows of a kind; `seq` numbers them in the order given."""
        at = 0
        if kind in WORDED and len(rows) >= SIZES[-1]:
            most = self._connection.getlimit(sqlite3.SQLITE_LIMIT_VARIABLE_NUMBER)
            for size in SIZES:
                while len(rows) - at >= size and size * len(rows[0]) <= most:
                    values = tuple(chain.from_iterable(rows[at : at + size]))
                    self._connection.execute(self._many(kind, size), values)
                    at += size
        if at < len(rows):
            self._connection.executemany(self._sql[f"insert_{kind}"], rows[at:])

    def _many(self, kind: str, size: int) -> str:
        made = self._made.get((kind, size))
        if made is None:
            head, _, values = self._sql[f"insert_{kind}"].rpartition("VALUES ")
            made = self._made[kind, size] = f"{head}VALUES {', '.join([values] * size)}"
        return made
