"""What is refused before a file is opened, and how the errors of driver and file system are told."""

# ruff: noqa: PTH112, PTH123 - pathlib would take a twentieth of a command-line call

from __future__ import annotations

import json
import os
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager

from arbeit.core.errors import ArbeitError, Code
from arbeit.ports import RowRefused

_MAGIC = b"SQLite format 3\0"
APPLICATION_ID = 0x41524254
"""What marks a file as ours ("ARBT"), after SQLite's application_id pragma."""
BUSY_MILLISECONDS = 10_000
"""How long to wait for a program that writes to the file without our lock."""


def refuse_foreign(path: str, known: int) -> None:
    """Refuse a file that is not ours, or of a later version, before anything is changed in it or made beside it."""
    if os.path.isdir(path):
        raise foreign(path, "is a folder")
    try:
        with open(path, "rb") as file:
            start = file.read(len(_MAGIC))
    except FileNotFoundError:
        return
    if start and start != _MAGIC:
        raise foreign(path, "is not a SQLite database")
    if not start:
        return
    # Asked of SQLite and not of the file's first page, as a fresh schema may still be in the write-ahead log.
    with closing(sqlite3.connect(path, timeout=BUSY_MILLISECONDS / 1000, isolation_level=None)) as connection:
        # In one snapshot, as another process may be making the schema at this very moment.
        connection.execute("BEGIN")
        tables = connection.execute("SELECT count(*) FROM sqlite_schema").fetchone()[0]
        mark = connection.execute("PRAGMA application_id").fetchone()[0]
        version = connection.execute("PRAGMA user_version").fetchone()[0]
    if mark != APPLICATION_ID and (mark or version or tables):
        raise foreign(path, "is a SQLite database of another program")
    if version > known:
        raise ArbeitError(
            Code.SCHEMA_TOO_NEW,
            f"{path} has schema version {version}; this Arbeit knows {known}",
            suggestions=("Upgrade arbeit.",),
        )


def foreign(path: str, what: str) -> ArbeitError:
    """The error of a file that is not one of ours."""
    return ArbeitError(Code.INVALID_INPUT, f"{path} {what}", suggestions=("Name another file.",), data={"field": "url"})


@contextmanager
def mapped(path: str) -> Iterator[None]:
    """Let no error of the driver or the file system out as it is."""
    try:
        yield
    except (sqlite3.Error, OSError, UnicodeDecodeError, json.JSONDecodeError) as error:
        raise as_arbeit(error, path) from error


def as_arbeit(error: Exception, path: str) -> Exception:
    """An error of the driver or the file system as ours; any other as it is."""
    if isinstance(error, sqlite3.IntegrityError | sqlite3.InterfaceError | sqlite3.DataError | OverflowError):
        return RowRefused(f"the store refused a row ({error})")
    if isinstance(error, sqlite3.Error):
        name = getattr(error, "sqlite_errorname", "")
        hints = {
            "SQLITE_BUSY": "Another program is writing to the file without Arbeit's lock; wait for it to finish.",
            "SQLITE_FULL": "Free some disk space.",
            "SQLITE_READONLY": "Make the file and its folder writable.",
            "SQLITE_CANTOPEN": "Check that the folder exists and is writable.",
            "SQLITE_NOTADB": "Name another file: this one is not a SQLite database.",
            "SQLITE_CORRUPT": "Restore the file from a back-up.",
        }
        hint = next((text for start, text in hints.items() if name.startswith(start)), "")
        return ArbeitError(
            Code.STORE_UNAVAILABLE,
            f"{path}: {error}",
            suggestions=(hint or "Try again; if it stays so, see that the file and its disk are sound.",),
            retryable=name.startswith("SQLITE_BUSY"),
        )
    if isinstance(error, UnicodeDecodeError | json.JSONDecodeError):
        # No store wrote that: pages were overwritten, or the file was.
        hint = "Restore the file from a back-up."
        return ArbeitError(Code.STORE_UNAVAILABLE, f"{path} is damaged: {error}", suggestions=(hint,))
    if isinstance(error, OSError):
        hint = "See that its folder is there, has room, and may be written by this process."
        return ArbeitError(Code.STORE_UNAVAILABLE, f"{path}: {error.strerror or error}", suggestions=(hint,))
    return error
