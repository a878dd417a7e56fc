from __future__ import annotations

from bisect import insort
from pathlib import Path
from typing import Any

from arbeit.backends.memory import MemoryStore
from arbeit.compose import Wiring
from arbeit.core.model import Event
from arbeit.core.record import change
from arbeit.ports import Clock, LocalStore
from arbeit.testing.contract import KEY, FaceContract, StoreContract
from arbeit.testing.contract.writing import DEMO
from arbeit.testing.faults import FaultyStore
from tests.contract.tampering import Tampering


class _Memory:
    def open(self, tmp_path: Path, clock: Clock) -> Wiring:
        assert tmp_path.is_dir()
        return Wiring(MemoryStore(clock), clock, KEY, {})


class TestMemory(_Memory, StoreContract):
    pass


class TestFaultyStore(StoreContract):
    """A store of faults without a fault is a store."""

    def open(self, tmp_path: Path, clock: Clock) -> Wiring:
        assert tmp_path.is_dir()
        return Wiring(FaultyStore(MemoryStore(clock)), clock, KEY, {})


class TestMemoryThroughTheFaces(_Memory, FaceContract):
    pass


class TestTamperedMemory(_Memory, Tampering):
    @staticmethod
    def tables(store: LocalStore) -> Any:  # noqa: ANN401 - private
        assert isinstance(store, MemoryStore)
        return store._projects[DEMO]

    def edit_event(self, store: LocalStore, position: int, field: str, value: object) -> None:
        events = self.tables(store).events
        events[position - 1] = change(events[position - 1], **{field: value})

    def remove_event(self, store: LocalStore, position: int) -> None:
        events = self.tables(store).events
        events.remove(next(event for event in events if event.position == position))

    def add_event(self, store: LocalStore, event: Event) -> None:
        insort(self.tables(store).events, event, key=lambda one: one.position)

    def edit_row(self, store: LocalStore, kind: str, key: Any, field: str, value: object) -> None:  # noqa: ANN401
        tables = self.tables(store)
        if kind == "project":
            tables.project = change(tables.project, **{field: value})
        else:
            tables.by_kind[kind][key] = change(tables.by_kind[kind][key], **{field: value})

    def remove_row(self, store: LocalStore, kind: str, key: Any) -> None:  # noqa: ANN401
        if kind == "project":
            self.tables(store).project = None
        else:
            del self.tables(store).by_kind[kind][key]

    def add_row(self, store: LocalStore, kind: str, entity: Any) -> None:  # noqa: ANN401
        key = {"queue": "name", "group": "key", "secret": "name"}.get(kind, "id")
        self.tables(store).by_kind[kind][getattr(entity, key)] = entity

    def edit_head(self, store: LocalStore, field: str, value: object) -> None:
        tables = self.tables(store)
        tables.head = change(tables.head, **{field: value})
