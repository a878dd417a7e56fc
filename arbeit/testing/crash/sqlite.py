"""SQLite for the crash rig: points inside of a transaction, and what a death may leave in a file."""

from __future__ import annotations

import functools
import sqlite3
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import closing
from pathlib import Path
from random import Random
from typing import Any, ClassVar
from urllib.parse import unquote, urlsplit

from attrs import frozen

from arbeit.backends.sqlite import store
from arbeit.testing.crash.dooming import Doom

try:
    import fcntl
except ImportError:  # pragma: no cover - Windows, where the rig does not run
    fcntl = None  # type: ignore[assignment]  # its absence is handled where it is used

_POINTS = {
    "opening": 100,  # before any statement from the very first on: half-made schemas
    "before": 16,  # a transaction is asked for, the lock file is not locked yet
    "locked": 16,  # the lock file is held, no transaction has begun
    "decided": 16,  # decided, nothing is written yet
    "between": 80,  # some statements of the transaction were executed, some not
    "commit": 16,  # everything is written, COMMIT is about to be executed
    "committing": 16,  # inside of COMMIT
    "committed": 16,  # COMMIT is done, the lock file is still held, nobody has heard
    "unlocked": 16,  # as above, and the lock file is free
    "checkpoint": 3,  # inside of a checkpoint
    "scrub": 3,  # inside of what follows an erasure: VACUUM, merging the index, emptying the log
}
_WRITES = ("INSERT", "UPDATE", "DELETE")
_SCRUBBING = ("VACUUM", "PRAGMA wal_checkpoint(TRUNCATE)", "INSERT INTO tasks_text (", "INSERT INTO entries_text (")
_EARLY_CHECKPOINT = 25
"""Rows between two checkpoints of a writer: many checkpoints in a short life."""


@frozen
class SQLiteTarget:
    """Files in a folder, one for each era; or the one file of a URL, in which eras are projects alone."""

    folder: Path
    fixed: str | None = None

    @property
    def points(self) -> Mapping[str, int]:
        """See `Target`."""
        return _POINTS

    @property
    def outages(self) -> Sequence[str]:
        """See `Target`: there is no server."""
        return ()

    @property
    def told(self) -> str:
        """See `Target`."""
        return f"SQLite {sqlite3.sqlite_version}"

    @property
    def arguments(self) -> str:
        """See `Target`."""
        return f"--url {self.fixed}" if self.fixed is not None else ""

    @property
    def parallel(self) -> bool:
        """See `Target`."""
        return self.fixed is None

    def url(self, era: int) -> str:
        """See `Target`."""
        return self.fixed if self.fixed is not None else f"sqlite:///{self.folder}/era-{era}.db"

    def strike(self, outage: str, random: Random) -> None:  # noqa: ARG002 - as `Target` has it
        """See `Target`: nothing befalls a file while its writers live."""
        msg = f"there is no server that {outage!r} could happen to"
        raise ValueError(msg)

    def doom(self, point: str, nth: int, seed: int, die: Callable[[], None]) -> Callable[[], None]:
        """Patch this process, which is about to die anyway: its connections, and its file locks."""
        doom = _Doom(point, nth, seed, die)
        _Doomed.doom = doom
        sqlite3.connect = functools.partial(sqlite3.connect, factory=_Doomed)  # type: ignore[assignment]  # a stand-in
        if fcntl is not None:
            fcntl.flock = functools.partial(_flock, fcntl.flock, doom)
        store._CHECKPOINT_ROWS = _EARLY_CHECKPOINT  # noqa: SLF001 - lives are too short for the usual number
        return doom.opened

    def remains(self, url: str) -> list[str]:
        """Whether the lock file is still locked."""
        path = _path(url)
        lock = path.with_name(path.name + ".lock")
        if fcntl is None or not lock.exists():
            return []
        with lock.open("rb") as file:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                return [f"{lock} is still locked, though no process lives that could hold it"]
        return []

    def inspect(self, url: str, erased: Sequence[str]) -> list[str]:
        """SQLite's own checks of the file, and whether any byte of what was erased is still there."""
        path = _path(url)
        with closing(sqlite3.connect(path)) as connection:
            found = connection.execute("PRAGMA integrity_check").fetchall()
            broken = connection.execute("PRAGMA foreign_key_check").fetchall()
        problems = [f"integrity_check of {path}: {row[0]}" for row in found if row[0] != "ok"]
        problems += [f"foreign_key_check of {path}: {row}" for row in broken]
        files = [file.read_bytes() for file in (path, path.with_name(path.name + "-wal")) if file.exists()]
        left = [text for text in erased if any(text.encode() in data for data in files)]
        return problems + [f"erased, and still in {path}: {text}" for text in left]


def _path(url: str) -> Path:
    return Path(unquote(urlsplit(url).path)[1:])


class _Doom(Doom):
    """What a writer of a file passes."""

    early = frozenset({"opening"})

    def __init__(self, point: str, nth: int, seed: int, die: Callable[[], None]) -> None:
        super().__init__(point, nth, seed, die)
        self._writes = 0

    def around(self, sql: str, execute: Callable[[], sqlite3.Cursor]) -> sqlite3.Cursor:
        """Execute a statement, and pass the points before, inside and after it."""
        self.passes("opening")
        kind = sql.lstrip()
        if kind.startswith("BEGIN IMMEDIATE"):
            self._writes = 0
        elif kind.startswith(_SCRUBBING):
            with self.inside("scrub"):
                return execute()
        elif kind.startswith("PRAGMA wal_checkpoint"):
            with self.inside("checkpoint"):
                return execute()
        elif kind.startswith(_WRITES):
            self.passes("decided" if self._writes == 0 else "between")
            self._writes += 1
        elif kind.startswith("COMMIT"):
            self.passes("commit")
            with self.inside("committing"):
                cursor = execute()
            self.passes("committed")
            return cursor
        return execute()


class _Doomed(sqlite3.Connection):
    doom: ClassVar[_Doom]

    def execute(self, sql: str, parameters: Any = (), /) -> sqlite3.Cursor:  # noqa: ANN401 - sqlite3's own signature
        run = super().execute
        return self.doom.around(sql, lambda: run(sql, parameters))

    def executemany(self, sql: str, parameters: Iterable[Any], /) -> sqlite3.Cursor:
        run = super().executemany
        return self.doom.around(sql, lambda: run(sql, parameters))


def _flock(flock: Callable[[Any, int], None], doom: _Doom, file: Any, operation: int) -> None:  # noqa: ANN401 - as fcntl's
    if operation == fcntl.LOCK_EX:
        doom.passes("before")
        flock(file, operation)
        doom.passes("locked")
    else:
        flock(file, operation)
        doom.passes("unlocked")
