"""The SQLite store: WAL, one writer at a time under a lock file, all waiting projects in one commit.

The WAL-reset bug of SQLite (versions 3.7.0 to 3.51.2, but for 3.44.6 and 3.50.7: a checkpoint that runs while
another connection commits and resets the log can lose it) cannot arise here, whatever the version: automatic
checkpoints are off on every connection, and every commit, checkpoint and close happens under the lock file.
"""

# ruff: noqa: PTH103, PTH120 - pathlib would take a twentieth of a command-line call

from __future__ import annotations

import os
import sqlite3
from collections.abc import Collection, Generator, Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from threading import Condition
from typing import TYPE_CHECKING, Any

from arbeit.backends.sqlite import statements
from arbeit.backends.sqlite.inserting import Inserter
from arbeit.backends.sqlite.leading import Leading
from arbeit.backends.sqlite.lock import FileLock, refuse_network
from arbeit.backends.sqlite.opening import APPLICATION_ID, BUSY_MILLISECONDS, as_arbeit, foreign, mapped, refuse_foreign
from arbeit.backends.sqlite.reading import Reader
from arbeit.backends.sqlite.scrubbing import MARK, PATIENCE, Scrubber
from arbeit.backends.sqlite.vectors import Vectoring, forget_erased
from arbeit.columns import CODECS, changed_row, row_of
from arbeit.core.errors import ArbeitError, Code
from arbeit.core.later import Later
from arbeit.core.loads import Reads
from arbeit.core.model import Artifact, Changes, ContextEntry, Event, Head, Project, Run, SecretRef
from arbeit.core.policy import Scope
from arbeit.ports import Capabilities, Clock, Due, Job, LookupKind, OutcomeUnknown
from arbeit.queries import DecisionQuery, Hit, Overview, Page, Parts, Query, RunQuery, Search, Slice

if TYPE_CHECKING:
    from arbeit.backends.sqlite import finding, upgrade
else:
    finding, upgrade = Later("arbeit.backends.sqlite.finding"), Later("arbeit.backends.sqlite.upgrade")

_CHECKPOINT_ROWS = 2_000
"""Rows written between two checkpoints: about the thousand pages of SQLite's own default."""


class SQLiteStore(Leading, Vectoring):
    """One file, found again by every process that names it."""

    capabilities = Capabilities(durable=True, shared=True, blocking=True)

    def __init__(self, path: str | os.PathLike[str], clock: Clock, *, synchronous: str = "FULL") -> None:
        """Open the file, making it (for this user alone) or bringing its schema up to date.

        Raises:
            ArbeitError: STORE_UNAVAILABLE, SCHEMA_TOO_NEW, or INVALID_INPUT for a file that is not Arbeit's.
        """
        if synchronous not in {"FULL", "NORMAL"}:
            hint = "FULL keeps every commit, NORMAL may lose the last ones when the machine fails."
            raise ArbeitError(Code.INVALID_INPUT, "synchronous must be FULL or NORMAL", suggestions=(hint,))
        super().__init__()
        self._path = os.fspath(path)
        self._clock = clock
        self._synchronous = synchronous
        self._sql = statements.load()
        self._lock = FileLock(f"{self._path}.lock")
        self._pool: list[sqlite3.Connection] = []
        self._pool_lock = Condition()
        self._reading_now = 0
        self._closed = False
        self._watcher: sqlite3.Connection | None = None
        self._written = 0
        self.searches = False
        """Whether there is a full-text index."""
        self._pid = os.getpid()
        self._open()

    def _open(self) -> None:
        path = self._path
        with mapped(path):
            os.makedirs(os.path.dirname(path) or ".", exist_ok=True)
            refuse_network(path)
            refuse_foreign(path, len(statements.migrations()))
            with suppress(FileExistsError):
                os.close(os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600))
            try:
                with self._lock:
                    self._writer = self._connect()
                    self._reader = Reader(self._writer, self._sql)
                    self._inserter = Inserter(self._writer, self._sql)
                    try:
                        self._migrate()
                        self._scrubber = Scrubber(self._writer, self._sql, indexed=self.searches)
                        self._scrubber.take_up()
                    except BaseException:
                        self._writer.close()
                        raise
            except BaseException:
                self._lock.close()
                raise

    def _connect(self) -> sqlite3.Connection:
        connection = sqlite3.connect(
            self._path,
            isolation_level=None,
            check_same_thread=False,
            cached_statements=256,
            timeout=BUSY_MILLISECONDS / 1000,
        )
        for pragma in (
            "journal_mode = WAL",
            f"synchronous = {self._synchronous}",
            "wal_autocheckpoint = 0",
            "cache_size = -32768",
            "trusted_schema = OFF",
        ):
            connection.execute(f"PRAGMA {pragma}")
        return connection

    def _migrate(self) -> None:
        wanted = statements.migrations()
        version = self._pragma("user_version")
        self._refuse_strange_triggers()
        indexed = bool(self._reader.raw("has_index")) if version else False
        self.searches = self._has_fts5()
        if indexed and not self.searches:
            raise ArbeitError(
                Code.STORE_UNAVAILABLE,
                f"{self._path} has a full-text index, which this SQLite ({sqlite3.sqlite_version}) cannot keep",
                suggestions=("Use a Python whose SQLite has FTS5, as those of python.org and of distributions have.",),
            )
        if version < len(wanted) or indexed != self.searches:
            self._bring_up(version, wanted, indexed=indexed)

    def _refuse_strange_triggers(self) -> None:
        """Refuse code in the file that is not ours, as the writer's triggers may touch virtual tables."""
        ours = {statement.strip().removesuffix(";") for statement in statements.search("make")}
        strange = [name for name, sql in self._reader.raw("triggers") if sql not in ours]
        if strange:
            raise foreign(self._path, f"has a trigger or view that is not ours ({strange[0]})")
        # Until 3.41 or so, SQLite takes its own full-text tables for unsafe in triggers. Readers stay as they are.
        self._writer.execute("PRAGMA trusted_schema = ON")

    def _bring_up(self, version: int, wanted: Sequence[str], *, indexed: bool) -> None:
        self._writer.execute("BEGIN IMMEDIATE")
        try:
            for number in range(version, len(wanted)):
                self._run_all(statements.split(wanted[number]))
            if version == 1:
                upgrade.fill_in(self._writer, self._sql)
            if self.searches and not indexed:
                self._run_all(statements.search("make"))
                self._run_all(statements.search("fill") if version else ())
            self._writer.execute(self._sql["save_meta"], ("lease_key", os.urandom(32).hex()))
            self._writer.execute(f"PRAGMA application_id = {APPLICATION_ID}")
            self._writer.execute(f"PRAGMA user_version = {len(wanted)}")
            self._writer.execute("COMMIT")
        except BaseException:
            self._writer.execute("ROLLBACK")
            raise

    def _run_all(self, script: Iterable[str]) -> None:
        for statement in script:
            self._writer.execute(statement)

    def _has_fts5(self) -> bool:
        """Whether this SQLite can keep a full-text index; asked of the library itself."""
        return bool(self._writer.execute("SELECT 1 FROM pragma_module_list WHERE name = 'fts5'").fetchall())

    def _pragma(self, name: str) -> int:
        return int(self._writer.execute(f"PRAGMA {name}").fetchone()[0])

    def lease_key(self) -> bytes:
        """The secret that was made with the file, for deployments that bring none of their own."""
        return bytes.fromhex(self._reader.raw("meta", "lease_key")[0][0])

    # -- writing ---------------------------------------------------------------------------------------

    def transact(self, jobs: Sequence[Job]) -> list[Changes | Exception]:
        """Run the jobs in one SQLite transaction, a savepoint each, and commit them with one sync."""
        self._refuse_fork()
        with mapped(self._path), self._lock:
            self._refuse_closed()
            self._writer.execute("BEGIN IMMEDIATE")
            try:
                results = [self._attempt(job) for job in jobs]
                written = sum(_size(result) for result in results)
                self._commit()
            except BaseException:
                if self._writer.in_transaction:
                    self._writer.execute("ROLLBACK")
                raise
            if any(isinstance(result, Changes) and result.erased for result in results):
                self._scrubber.erased()
                self._scrubber.run(PATIENCE)
            elif self._scrubber.due:
                self._scrubber.run()
            self._written += written
            if self._written >= _CHECKPOINT_ROWS:
                self._written = 0
                self._writer.execute("PRAGMA wal_checkpoint(PASSIVE)")
            return results

    def _refuse_fork(self) -> None:
        if self._pid != os.getpid():
            raise ArbeitError(
                Code.STORE_UNAVAILABLE,
                "this store was opened before a fork; a SQLite connection cannot be shared with a child",
                suggestions=("Open Arbeit anew in the child process.",),
            )

    def _commit(self) -> None:
        try:
            self._writer.execute("COMMIT")
        except sqlite3.OperationalError as error:
            if error.sqlite_errorname.startswith("SQLITE_IOERR"):
                msg = f"{self._path}: the disk failed during a commit ({error})"
                raise OutcomeUnknown(msg) from error
            raise

    def _attempt(self, job: Job) -> Changes | Exception:
        self._writer.execute("SAVEPOINT job")
        try:
            result: Changes | Exception = self._run(job)
        except Exception as error:
            if not self._writer.in_transaction:
                raise
            self._writer.execute("ROLLBACK TO job")
            result = as_arbeit(error, self._path)
        self._writer.execute("RELEASE job")
        return result

    def _run(self, job: Job) -> Changes:
        head = self._reader.head(job.project)
        position = head.position if head is not None else 0
        wanted: Changes | Reads = job.reads(head)
        now = self._clock.now()
        while isinstance(wanted, Reads):
            wanted = job.decide(self._reader.load(job.project, wanted, now, position=position))
        if not wanted.empty:
            self._save(job.project, wanted)
        return wanted

    def _save(self, project: str, changes: Changes) -> None:
        many, sql = self._writer.executemany, self._sql
        position = changes.head.position
        for kind, entities in changes.new.items():
            self._inserter.insert(kind, [row_of(project, kind, entity, position) for entity in entities])
        for kind, entities in changes.changed.items():
            rows = [changed_row(project, kind, entity, position) for entity in entities]
            if kind == "task" and changes.reworded is not None:
                other = frozenset(changes.reworded)
                if other:
                    many(sql["update_task"], [row for row in rows if row[1] in other])
                many(sql["update_task_state"], [row for row in rows if row[1] not in other] if other else rows)
            else:
                many(sql[f"update_{kind}"], rows)
        gone = changes.gone.get("relationship")
        if gone:
            many(sql["delete_relationship"], [(project, key) for key in gone])
        if changes.events:
            write = CODECS["event"].write
            many(sql["save_event"], map(write, changes.events))
            head = changes.head
            self._writer.execute(sql["save_head"], (project, head.position, head.hash, head.virtual_time, head.at))
        if changes.receipts:
            write = CODECS["receipt"].write
            many(sql["save_receipt"], [(project, *write(receipt)) for receipt in changes.receipts])
        if changes.beats:
            many(
                sql["save_beat"],
                [(beat.expires_at, beat.heartbeat_at, project, beat.lease_id) for beat in changes.beats],
            )
        if changes.erased:
            many(sql["erase"], [(data, project, position) for position, data in changes.erased])
            forget_erased(self._writer, sql, project, changes)
            self._writer.execute(sql["set_meta"], (MARK, "1"))
        if changes.reissued:
            write = CODECS["receipt"].write
            rows = [(row[4], project, *row[:3]) for row in map(write, changes.reissued)]
            many(sql["reissue"], rows)
        if changes.forget_receipts_before is not None:
            self._writer.execute(sql["forget_receipts"], (project, changes.forget_receipts_before))

    # -- reading ---------------------------------------------------------------------------------------

    @contextmanager
    def _reading(self) -> Iterator[Reader]:
        """A connection of the reader's own, so that reads neither wait for the writer nor see half a batch."""
        self._refuse_fork()
        with self._pool_lock:
            self._refuse_closed()
            self._reading_now += 1
            connection = self._pool.pop() if self._pool else None
        try:
            with mapped(self._path):
                connection = connection or self._connect()
                connection.execute("BEGIN")
                try:
                    yield Reader(connection, self._sql)
                finally:
                    connection.execute("ROLLBACK")
        finally:
            with self._pool_lock:
                self._reading_now -= 1
                if connection is not None:
                    self._pool.append(connection)
                self._pool_lock.notify_all()

    def _refuse_closed(self) -> None:
        if self._closed:
            raise ArbeitError(Code.NOT_INITIALIZED, "this store is closed", suggestions=("Open it again.",))

    def fetch(self, project: str, task_ids: Sequence[str], include: Collection[str], scope: Scope) -> list[Parts]:
        """Tasks by id, with the parts asked for."""
        with self._reading() as reader:
            return reader.fetch(project, task_ids, include, scope)

    def find(self, query: Query) -> Page:
        """One page of the tasks that match."""
        with self._reading() as reader:
            return finding.find(reader, query)

    def search(self, query: Search) -> list[Hit]:
        """The best of the newest matches."""
        if not self.searches:
            raise ArbeitError(
                Code.STORE_UNAVAILABLE,
                f"this build of SQLite ({sqlite3.sqlite_version}) has no FTS5, so there is nothing to search with",
                suggestions=("Use a Python whose SQLite has FTS5; the index is then made when the file is opened.",),
            )
        with self._reading() as reader:
            return finding.search(reader, query)

    def runs(self, query: RunQuery) -> Slice[Run]:
        """One page of runs, newest first."""
        with self._reading() as reader:
            return finding.runs(reader, query)

    def decisions(self, query: DecisionQuery) -> Slice[ContextEntry]:
        """One page of decisions, newest first."""
        with self._reading() as reader:
            return finding.decisions(reader, query)

    def recent(self, project: str, limit: int, scope: Scope) -> list[Event]:
        """The last events in scope, newest first."""
        with self._reading() as reader:
            return reader.recent_in(project, limit, scope)

    def lookup(self, project: str, kind: LookupKind, keys: Sequence[str], scope: Scope) -> list[Any]:
        """Entities by key, those whose task is there and in scope."""
        with self._reading() as reader:
            return reader.lookup(project, kind, keys, scope)

    def history(self, project: str, after: int, limit: int, scope: Scope, task_id: str | None = None) -> list[Event]:
        """Events beyond a position, in order."""
        with self._reading() as reader:
            return reader.history(project, after, limit, scope, task_id)

    def due(self, now: int, limit: int) -> list[Due]:
        """Projects with something to reclaim or to promote."""
        with self._reading() as reader:
            return reader.due(now, limit)

    def projects(self) -> list[Project]:
        """Every project, by key."""
        with self._reading() as reader:
            return reader.entities("project", "projects")

    def standing(self, project: str) -> tuple[Project, Head] | None:
        """A project and where its log stands, if it is there."""
        with self._reading() as reader:
            found, head = reader.entities("project", "project", project), reader.head(project)
            return (found[0], head) if found and head is not None else None

    def overview(self, project: str, scope: Scope) -> Overview | None:
        """A project at a glance, as far as it is in scope."""
        with self._reading() as reader:
            return reader.overview(project, scope)

    def artifact(self, project: str, artifact_id: str, scope: Scope) -> Artifact | None:
        """An artifact, if its task is there and in scope."""
        with self._reading() as reader:
            return reader.artifact(project, artifact_id, scope)

    def uses_blob(self, sha256: str) -> bool:
        """Whether an artifact of any project still stands for these bytes."""
        with self._reading() as reader:
            return bool(reader.raw("uses_blob", f"sha256:{sha256}"))

    def secrets(self, project: str) -> list[SecretRef]:
        """Every reference to a secret, by name."""
        with self._reading() as reader:
            return sorted(reader.entities("secret", "all_secrets", project), key=lambda one: one.name)

    def rows(self, project: str) -> dict[str, dict[Any, Any]]:
        """Every entity of a project, in one snapshot."""
        with self._reading() as reader:
            return reader.rows(project)

    def dump(self, project: str) -> Generator[tuple[str, list[Any]], None, None]:
        """A whole project out of one snapshot, a few rows at a time; see `ports.Dumping`."""
        from arbeit.backends.sqlite.dumping import dump  # noqa: PLC0415 - most processes never export

        with self._reading() as reader:
            head = reader.head(project)
            if head is not None:
                yield from dump(reader.connection, project, head)

    def pulse(self) -> int:
        """SQLite's data_version: moves when another connection has committed."""
        self._refuse_fork()
        with self._pool_lock, mapped(self._path):
            self._refuse_closed()
            # The number counts what other connections committed, so it must come from the same one each time.
            self._watcher = self._watcher or self._connect()
            return int(self._watcher.execute("PRAGMA data_version").fetchone()[0])

    def close(self) -> None:
        """Wait for reads under way, then close every connection, under the lock: closing the last one checkpoints."""
        if self._pid != os.getpid() or self._closed:
            return
        with self._pool_lock:
            self._closed = True
            self._pool_lock.wait_for(lambda: self._reading_now == 0)
        with mapped(self._path), self._lock:
            for connection in (*self._pool, self._watcher):
                if connection is not None:
                    connection.close()
            self._scrubber.take_up()
            self._writer.close()
            self._pool.clear()
        self._lock.close()


def _size(result: Changes | Exception) -> int:
    if isinstance(result, Exception) or result.empty:
        return 0
    rows = sum(map(len, result.new.values())) + sum(map(len, result.changed.values()))
    return rows + len(result.events) + len(result.receipts) + len(result.beats) + 1
