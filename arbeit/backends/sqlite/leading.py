"""Leadership and the positions of sinks, in the file: one small transaction each."""

from __future__ import annotations

import sqlite3
from abc import abstractmethod
from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager

from arbeit.backends.sqlite.lock import FileLock
from arbeit.backends.sqlite.opening import mapped
from arbeit.backends.sqlite.reading import Reader
from arbeit.ports import Clock, Lag, Term


class Leading:
    """The ports `Leadership` and `Offsets` of a SQLite store."""

    _clock: Clock
    _lock: FileLock
    _path: str
    _sql: Mapping[str, str]
    _writer: sqlite3.Connection

    @abstractmethod
    def _refuse_fork(self) -> None: ...

    @abstractmethod
    def _refuse_closed(self) -> None: ...

    @abstractmethod
    def _reading(self) -> AbstractContextManager[Reader]: ...

    def lead(self, role: str, holder: str, ttl: int) -> Term | None:
        """Take or renew a role, unless somebody else holds it."""
        with self._writing() as connection:
            now = self._clock.now()
            asked = {"role": role, "holder": holder, "now": now, "until": now + ttl}
            if not connection.execute(self._sql["lead"], asked).rowcount:
                return None
            number, until = connection.execute(self._sql["term"], (role,)).fetchone()
            return Term(role, holder, number, until)

    def resign(self, term: Term) -> None:
        """Give a role up, if this term is the current one."""
        with self._writing() as connection:
            connection.execute(self._sql["resign"], (term.role, term.holder, term.number))

    def behind(self, sink: str) -> list[Lag]:
        """The projects whose log goes on beyond what a sink has."""
        with self._reading() as reader:
            return [Lag(*row) for row in reader.raw("behind", sink)]

    def offsets(self, sink: str) -> dict[str, int]:
        """Up to which position a sink has each project."""
        with self._reading() as reader:
            return dict(reader.raw("offsets", sink))

    def advance(self, sink: str, positions: Mapping[str, int], term: Term) -> bool:
        """Note what a sink has now, if this term is the current one."""
        with self._writing() as connection:
            if not connection.execute(self._sql["leads"], (term.role, term.holder, term.number)).fetchall():
                return False
            rows = [(sink, project, position) for project, position in positions.items()]
            connection.executemany(self._sql["save_offset"], rows)
            return True

    @contextmanager
    def _writing(self) -> Iterator[sqlite3.Connection]:
        """The writer's connection in a transaction of its own, under the lock."""
        self._refuse_fork()
        with mapped(self._path), self._lock:
            self._refuse_closed()
            self._writer.execute("BEGIN IMMEDIATE")
            try:
                yield self._writer
                self._writer.execute("COMMIT")
            except BaseException:
                if self._writer.in_transaction:
                    self._writer.execute("ROLLBACK")
                raise
