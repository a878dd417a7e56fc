"""Read the SQLite file of the first generation, which is never altered: not the file, and nothing is left beside it.

Older files lack columns or tables; what they have is taken, and what is in no table that is known is told.
"""

from __future__ import annotations

import json
import shutil
import sqlite3
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

from arbeit.exchange.draft import ANYBODY, Draft, invalid, label
from arbeit.exchange.tables import KINDS, Row, take

FORMAT = "arbeit-1"
MAGIC = b"SQLite format 3\0"
_WAL = 2
_INTERNAL = ("sqlite_", "_data", "_idx", "_content", "_docsize", "_config")
"""How tables that SQLite keeps for itself and for its full text search begin or end."""
_SECOND_GENERATION = frozenset({"heads", "projects", "leases", "receipts"})


def read(path: Path, *, reopen: bool = False, actor: str = ANYBODY) -> Draft:
    """Take every row of a first generation's file.

    Raises:
        ArbeitError: INVALID_INPUT if the file cannot be read, is damaged, or is another kind of database.
    """
    try:
        with _opened(path) as connection, closing(connection.cursor()) as cursor:
            cursor.execute("BEGIN")  # one cut of a file that others may be writing to
            return _taken(cursor, str(path), Draft(FORMAT, actor=actor), reopen=reopen)
    except (sqlite3.Error, OSError) as error:
        raise invalid(
            f"cannot read {path} as a database: {error}",
            "Close the program that uses it, look whether it is whole (PRAGMA integrity_check), and try again.",
        ) from error


def _taken(cursor: sqlite3.Cursor, name: str, draft: Draft, *, reopen: bool) -> Draft:
    tables = {
        row[0]: row[1] or "" for row in cursor.execute("SELECT name, sql FROM sqlite_master WHERE type = 'table'")
    }
    _refuse_others(cursor, tables, name)
    known = {table: kind for kind, names in KINDS.items() for table in names}
    virtual = {table for table, sql in tables.items() if sql.upper().startswith("CREATE VIRTUAL")}
    rows: dict[str, list[Row]] = {}
    for table in tables:
        if table in known:
            rows.setdefault(known[table], []).extend(_rows(cursor, table))
        elif table not in virtual and not _is_internal(table, virtual):
            for where, row in _rows(cursor, table):
                text = json.dumps(row, ensure_ascii=False)
                draft.refuse(where, f"{table} is no table that this Arbeit knows; the row says {text}", table, "other")
    return take(draft, FORMAT, rows, reopen=reopen)


def _refuse_others(cursor: sqlite3.Cursor, tables: Mapping[str, str], name: str) -> None:
    if len(_SECOND_GENERATION & tables.keys()) > 1:
        raise invalid(
            f"{name} is a database of this Arbeit, not of the first generation",
            f"Open it: sqlite:///{name}. To copy a project, export it there and import the export here.",
        )
    columns = {row[1] for row in cursor.execute("PRAGMA table_info(tasks)")}
    if not {"id", "title"} <= columns:
        raise invalid(
            f"{name} is a database, but not of the first generation: it has no table tasks with id and title",
            "Look at the path; the first generation kept its file in .arbeit/arbeit.db.",
        )


def _is_internal(table: str, virtual: set[str]) -> bool:
    if table.startswith(_INTERNAL[0]):
        return True
    return any(table == f"{one}{ending}" for one in virtual for ending in _INTERNAL[1:])


def _rows(cursor: sqlite3.Cursor, table: str) -> Iterator[Row]:
    """The rows of a table as objects, in the order in which they were written."""
    quoted = table.replace('"', '""')
    query = f'SELECT * FROM "{quoted}"'  # noqa: S608 - the name of a table of the file, quoted
    try:
        found = cursor.execute(f"{query} ORDER BY rowid").fetchall()
    except sqlite3.OperationalError:  # a table or view without rowid
        found = cursor.execute(query).fetchall()
    names = [column[0] for column in cursor.description]
    for number, values in enumerate(found, start=1):
        row = {name: _plain(value) for name, value in zip(names, values, strict=True)}
        yield f"{table} row {number}" + (f" ({label(row['id'])})" if row.get("id") is not None else ""), row


def _plain(value: Any) -> Any:  # noqa: ANN401 - whatever a column of SQLite holds
    """A value as JSON has it: bytes in hexadecimal digits."""
    return f"0x{value.hex()}" if isinstance(value, bytes) else value


@contextmanager
def _opened(path: Path) -> Iterator[sqlite3.Connection]:
    """A connection that cannot write. Where reading would need to write beside the file, a copy is read."""
    with path.open("rb") as stream:
        header = stream.read(20)
    wal, shm, journal = (path.with_name(path.name + ending) for ending in ("-wal", "-shm", "-journal"))
    with tempfile.TemporaryDirectory(prefix="arbeit-import-") as folder:
        uri = path.absolute().as_uri() + "?mode=ro"
        if journal.exists() or (wal.exists() and not shm.exists()):
            # Its writer died: what it left must be played back, which is done on a copy.
            copy = Path(folder) / "copy.db"
            for source, ending in ((path, ""), (wal, "-wal"), (journal, "-journal")):
                if source.exists():
                    shutil.copyfile(source, copy.with_name(copy.name + ending))
            uri = copy.as_uri()
        elif header[18:19] == bytes([_WAL]) and not wal.exists():
            uri += "&immutable=1"  # nobody has it open; else SQLite would leave two files beside it
        connection = sqlite3.connect(uri, uri=True, isolation_level=None, timeout=10)
        try:
            connection.text_factory = lambda raw: raw.decode("utf-8", "surrogateescape")
            yield connection
        finally:
            connection.close()
