"""Read the SQLite file of the first generation, which is never altered: not the file, and nothing is left beside it.

Older files lack columns or tables; what they have is taken, and what is in no table that is known is told.
"""

from __future__ import annotations

import json
import sqlite3
import stat
import tempfile
from collections.abc import Iterable, Iterator, Mapping
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

from attrs import define

from arbeit.core.errors import ArbeitError, Code
from arbeit.core.redacting import Redact
from arbeit.exchange.draft import ANYBODY, SECRETS, Draft, invalid, label
from arbeit.exchange.files import opened
from arbeit.exchange.tables import KINDS, Row, take

FORMAT = "arbeit-1"
MAGIC = b"SQLite format 3\0"
ROW_BYTES = 4 * 1024 * 1024
"""What a row may hold, as a line of JSON Lines may."""
FILE_BYTES = 256 * 1024 * 1024
"""What all rows may hold, each counted with what it takes in memory beside its texts."""
COPY_BYTES = 1024 * 1024 * 1024
"""What is copied at most of a file that its writer left in the middle of a change."""
_ROW, _VALUE = 256, 64
_BLOCK = 1024 * 1024
_COMPUTED = frozenset({2, 3})
"""How PRAGMA table_xinfo marks columns that are generated, when read or when written."""
_WAL = 2
_INTERNAL = ("sqlite_", "_data", "_idx", "_content", "_docsize", "_config")
"""How tables that SQLite keeps for itself and for its full text search begin or end."""
_SECOND_GENERATION = frozenset({"heads", "projects", "leases", "receipts"})


def read(path: Path, *, reopen: bool = False, actor: str = ANYBODY, redact: Redact = SECRETS.redact) -> Draft:
    """Take every row of a first generation's file.

    Raises:
        ArbeitError: INVALID_INPUT if the file cannot be read, is damaged, or is another kind of database;
            LIMIT_EXCEEDED if it has rows of more than 4 MiB, or of more than 256 MiB together.
    """
    try:
        with _opened(path) as connection, closing(connection.cursor()) as cursor:
            cursor.execute("BEGIN")  # one cut of a file that others may be writing to
            return _taken(cursor, str(path), Draft(FORMAT, actor=actor, redact=redact), reopen=reopen)
    except sqlite3.DataError as error:
        raise _too_large(
            f"a row of {path} holds more than {ROW_BYTES} bytes, the most that one may", ROW_BYTES
        ) from error
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
    reader = _Reader(cursor, name, draft, FILE_BYTES)
    for table in tables:
        if table in known:
            rows.setdefault(known[table], []).extend(reader.rows(table))
        elif table not in virtual and not _is_internal(table, virtual):
            for where, row in reader.rows(table):
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


@define
class _Reader:
    cursor: sqlite3.Cursor
    name: str
    draft: Draft
    room: int

    def rows(self, table: str) -> Iterator[Row]:
        """The rows of a table as objects, in the order in which they were written."""
        names = self._columns(table)
        columns = ", ".join(map(_quoted, names))
        query = f"SELECT {columns} FROM {_quoted(table)}"  # noqa: S608 - names of the file, quoted
        try:
            found = self.cursor.execute(f"{query} ORDER BY rowid")
        except sqlite3.OperationalError:  # a table without rowid
            found = self.cursor.execute(query)
        for number, values in enumerate(found, start=1):
            row = {name: _plain(value) for name, value in zip(names, values, strict=True)}
            self.room -= _ROW + sum(_VALUE + (len(value) if isinstance(value, str) else 0) for value in row.values())
            if self.room < 0:
                raise _too_large(f"the rows of {self.name} hold more than {FILE_BYTES} bytes together", FILE_BYTES)
            yield f"{table} row {number}" + (f" ({label(row['id'])})" if row.get("id") is not None else ""), row

    def _columns(self, table: str) -> list[str]:
        """The columns that are stored: what is computed from them can be of any size, and is no record."""
        stored = []
        for _, name, *_, hidden in self.cursor.execute(f"PRAGMA table_xinfo({_quoted(table)})"):
            if hidden in _COMPUTED:
                self.draft.note(f"the column {name} was left, as it is computed from others", table)
            elif not hidden:
                stored.append(name)
        return stored


def _quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'


def _too_large(message: str, limit: int) -> ArbeitError:
    hints = ("Move what is that large out of it with a program for SQLite, into files of its own, and try again.",)
    return ArbeitError(Code.LIMIT_EXCEEDED, message, suggestions=hints, data={"limit": limit})


def _plain(value: Any) -> Any:  # noqa: ANN401 - whatever a column of SQLite holds
    """A value as JSON has it: bytes in hexadecimal digits."""
    return f"0x{value.hex()}" if isinstance(value, bytes) else value


@contextmanager
def _opened(path: Path) -> Iterator[sqlite3.Connection]:
    """A connection that cannot write. Where reading would need to write beside the file, a copy is read."""
    path = path.resolve()  # SQLite keeps what belongs to a file beside it, not beside a link to it
    with opened(path) as stream:
        header = stream.read(20)
    wal, shm, journal = (path.with_name(path.name + ending) for ending in ("-wal", "-shm", "-journal"))
    sizes = {one: _size(one) for one in (path, wal, shm, journal)}
    with tempfile.TemporaryDirectory(prefix="arbeit-import-") as folder:
        uri = path.as_uri() + "?mode=ro"
        if sizes[journal] is not None or (sizes[wal] is not None and sizes[shm] is None):
            # Its writer died: what it left must be played back, which is done on a copy.
            copy = Path(folder) / "copy.db"
            _copied([(one, copy.with_name(copy.name + one.name[len(path.name) :])) for one in (path, wal, journal)])
            uri = copy.as_uri()
        elif header[18:19] == bytes([_WAL]) and sizes[wal] is None:
            uri += "&immutable=1"  # nobody has it open; else SQLite would leave two files beside it
        connection = sqlite3.connect(uri, uri=True, isolation_level=None, timeout=10)
        try:
            connection.setlimit(sqlite3.SQLITE_LIMIT_LENGTH, ROW_BYTES)
            connection.text_factory = lambda raw: raw.decode("utf-8", "surrogateescape")
            yield connection
        finally:
            connection.close()


def _size(path: Path) -> int | None:
    """The bytes of a regular file, None if there is none; what is there and is no such file is refused."""
    try:
        found = path.lstat()
    except FileNotFoundError:
        return None
    if not stat.S_ISREG(found.st_mode):
        raise invalid(f"{path} is no regular file", "Take it away if it does not belong to the database.")
    return found.st_size


def _copied(pairs: Iterable[tuple[Path, Path]]) -> None:
    """Copy files, as far as they are there; together they may have so many bytes."""
    room = COPY_BYTES
    for source, target in pairs:
        if _size(source) is None:
            continue
        with opened(source) as stream, target.open("wb") as out:
            while piece := stream.read(_BLOCK):
                room -= len(piece)
                if room < 0:
                    message = (
                        f"{source} and what lies beside it are longer than {COPY_BYTES} bytes, the most to be copied"
                    )
                    raise ArbeitError(
                        Code.LIMIT_EXCEEDED,
                        message,
                        suggestions=("Open it once with the program that wrote it, which puts it in order.",),
                        data={"limit": COPY_BYTES},
                    )
                out.write(piece)
