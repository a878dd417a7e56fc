"""Stores with a defect each, for writers of the crash rig: it has to notice every one."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from attrs import evolve

from arbeit.backends.sqlite.scrubbing import Scrubber
from arbeit.backends.sqlite.store import SQLiteStore
from arbeit.core.decide import grants
from arbeit.core.model import Changes
from arbeit.ports import Job

Prepare = Callable[[], None]


def acknowledge_before_the_commit() -> None:
    """A transaction is committed when the next one begins, and acknowledged before that."""
    transact = SQLiteStore.transact

    def early(self: SQLiteStore, jobs: Sequence[Job]) -> list[Changes | Exception]:
        if self._writer.in_transaction:
            self._writer.execute("COMMIT")
        # Neither a checkpoint nor an erasure can be made inside of a transaction.
        self._written = -1_000_000
        return transact(self, jobs)

    Scrubber.run = _nothing  # type: ignore[method-assign]  # sabotage
    patched: Any = SQLiteStore
    patched.transact = early
    patched._commit = lambda _self: None


def _nothing(self: Scrubber, patience: int = 0) -> None:
    """In the place of scrubbing."""


def _half(self: Scrubber, patience: int = 0) -> None:  # noqa: ARG001 - stands in for a method
    """The first of several steps of scrubbing."""
    self._writer.execute("INSERT INTO tasks_text (tasks_text) VALUES ('optimize')")


def commit_events_and_rows_apart() -> None:
    """Events and the head are committed first, and the rows in a second transaction."""

    def apart(self: SQLiteStore, project: str, changes: Changes) -> None:
        events = evolve(changes, new={}, changed={}, gone={}, receipts=(), beats=(), erased=(), reissued=())
        save(self, project, events)
        _commit(self)
        save(self, project, evolve(changes, events=()))

    save, SQLiteStore._save = SQLiteStore._save, apart  # type: ignore[method-assign]  # sabotage


def commit_each_event_by_itself() -> None:
    """One command's events are committed one by one."""

    def one_by_one(self: SQLiteStore, project: str, changes: Changes) -> None:
        for event in changes.events[:-1]:
            head = evolve(changes.head, position=event.position, hash=event.hash)
            save(self, project, Changes(head, events=(event,)))
            _commit(self)
        save(self, project, evolve(changes, events=changes.events[-1:]))

    save, SQLiteStore._save = SQLiteStore._save, one_by_one  # type: ignore[method-assign]  # sabotage


def _commit(store: SQLiteStore) -> None:
    store._writer.execute("COMMIT")
    store._writer.execute("BEGIN IMMEDIATE")
    store._writer.execute("SAVEPOINT job")


def keep_no_receipts() -> None:
    """Replies to keyed commands are not stored."""

    def forgetful(self: SQLiteStore, project: str, changes: Changes) -> None:
        save(self, project, evolve(changes, receipts=()))

    save, SQLiteStore._save = SQLiteStore._save, forgetful  # type: ignore[method-assign]  # sabotage


def leave_erased_bytes() -> None:
    """What is erased stays in free space of the file, and no mark says so."""

    def forget(self: Scrubber) -> None:
        self._writer.execute("PRAGMA secure_delete = OFF")
        self._writer.execute("DELETE FROM meta WHERE name = 'scrub'")

    Scrubber.take_up = forget  # type: ignore[method-assign]  # sabotage
    Scrubber.erased = forget  # type: ignore[method-assign]  # sabotage
    Scrubber.run = _half  # type: ignore[method-assign]  # sabotage


def grant_what_is_held() -> None:
    """A task can be started though it is held."""
    patched: Any = grants
    patched._refuse_start = patched.refuse_step = lambda *_: None


def die_of_a_defect() -> None:
    """The store breaks down."""

    def broken(_self: SQLiteStore, _jobs: Sequence[Job]) -> list[Changes | Exception]:
        msg = "broken on purpose"
        raise RuntimeError(msg)

    patched: Any = SQLiteStore
    patched.transact = broken
