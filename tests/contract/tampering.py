"""What `verify` finds when somebody changes what is stored behind the store's back."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping
from typing import Any

import attrs
import pytest

from arbeit import audit
from arbeit.core import commands as c
from arbeit.core.model import Event, Head
from arbeit.core.policy import EVERYTHING
from arbeit.core.view import KINDS
from arbeit.ports import LocalStore
from arbeit.session import BlockingSession
from arbeit.testing.clock import VirtualClock
from arbeit.testing.contract import Opening
from arbeit.testing.contract.writing import DEMO, do, furnish

LIVENESS = {"lease": {"expires_at", "heartbeat_at"}}
EVENT_FIELDS = tuple(field.name for field in attrs.fields(Event) if field.name not in {"project", "position"})
POSITION = 30


def other(value: Any) -> Any:  # noqa: ANN401 - a field's
    """Another value of the same kind."""
    if isinstance(value, bool):
        return not value
    if isinstance(value, int):
        return value + 1
    if isinstance(value, str):
        return value + "x"
    if isinstance(value, Mapping):
        return {**value, "x": 1}
    if isinstance(value, tuple):
        return (*value, "x")
    return "1"


class Tampering(Opening):
    """Change anything, and `verify` says where."""

    @abstractmethod
    def edit_event(self, store: LocalStore, position: int, field: str, value: object) -> None: ...

    @abstractmethod
    def remove_event(self, store: LocalStore, position: int) -> None: ...

    @abstractmethod
    def add_event(self, store: LocalStore, event: Event) -> None: ...

    @abstractmethod
    def edit_row(self, store: LocalStore, kind: str, key: Any, field: str, value: object) -> None: ...  # noqa: ANN401

    @abstractmethod
    def remove_row(self, store: LocalStore, kind: str, key: Any) -> None: ...  # noqa: ANN401

    @abstractmethod
    def add_row(self, store: LocalStore, kind: str, entity: Any) -> None: ...  # noqa: ANN401

    @abstractmethod
    def edit_head(self, store: LocalStore, field: str, value: object) -> None: ...

    @pytest.fixture
    def furnished(self, session: BlockingSession, store: LocalStore, clock: VirtualClock) -> LocalStore:
        furnish(session, clock.now())
        assert audit.verify(store, DEMO).ok
        return store

    @pytest.mark.parametrize("field", EVENT_FIELDS)
    def test_an_edited_event_is_named(self, furnished: LocalStore, field: str) -> None:
        (event,) = furnished.history(DEMO, POSITION - 1, 1, EVERYTHING)
        self.edit_event(furnished, POSITION, field, other(getattr(event, field)))
        found = audit.verify(furnished, DEMO)
        assert (found.ok, found.position, found.row) == (False, POSITION, None)
        assert str(POSITION) in str(found.problem)

    @pytest.mark.parametrize("position", [1, 2, POSITION])
    def test_a_missing_event_is_named(self, furnished: LocalStore, position: int) -> None:
        self.remove_event(furnished, position)
        found = audit.verify(furnished, DEMO)
        assert (found.ok, found.position) == (False, position)

    def test_a_missing_end_is_named(self, furnished: LocalStore) -> None:
        last = furnished.rows(DEMO)["head"][DEMO].position
        self.remove_event(furnished, last)
        assert audit.verify(furnished, DEMO).position == last
        self.remove_event(furnished, last - 1)
        assert audit.verify(furnished, DEMO).position == last - 1

    def test_events_in_another_order_are_named(self, furnished: LocalStore) -> None:
        first, second = furnished.history(DEMO, POSITION - 1, 2, EVERYTHING)
        for field in EVENT_FIELDS:
            self.edit_event(furnished, POSITION, field, getattr(second, field))
            self.edit_event(furnished, POSITION + 1, field, getattr(first, field))
        assert audit.verify(furnished, DEMO).position == POSITION

    def test_an_event_beyond_the_head_is_named(self, furnished: LocalStore) -> None:
        (last,) = furnished.history(DEMO, furnished.rows(DEMO)["head"][DEMO].position - 1, 1, EVERYTHING)
        self.add_event(furnished, attrs.evolve(last, position=last.position + 1, prev_hash=last.hash))
        found = audit.verify(furnished, DEMO)
        assert (found.ok, found.position) == (False, last.position + 1)

    @pytest.mark.parametrize("field", [field.name for field in attrs.fields(Head)])
    def test_an_edited_head_is_named(self, furnished: LocalStore, field: str) -> None:
        head = furnished.rows(DEMO)["head"][DEMO]
        self.edit_head(furnished, field, other(getattr(head, field)))
        found = audit.verify(furnished, DEMO)
        assert not found.ok
        assert found.position == head.position + 1 if field in {"position", "hash"} else found.row == "head"

    @pytest.mark.parametrize("kind", KINDS)
    def test_each_edited_field_of_a_row_is_named(self, furnished: LocalStore, kind: str) -> None:
        key, entity = list(furnished.rows(DEMO)[kind].items())[-1]
        identity = {"id", "key", "name"} if kind == "project" else {"id", "name", "queue", "requires"}
        if kind in {"task", "agent"}:
            identity = {"id"}
        for field in attrs.fields(type(entity)):
            if field.name in identity:
                continue
            value = getattr(entity, field.name)
            self.edit_row(furnished, kind, key, field.name, other(value))
            found = audit.verify(furnished, DEMO)
            if field.name in LIVENESS.get(kind, ()):
                assert found.ok, field.name
            else:
                name = "/".join(key) if isinstance(key, tuple) else key
                assert (found.ok, found.position, found.row) == (False, None, f"{kind} {name}"), field.name
            self.edit_row(furnished, kind, key, field.name, value)
        assert audit.verify(furnished, DEMO).ok

    @pytest.mark.parametrize("kind", KINDS)
    def test_a_missing_row_is_named(self, furnished: LocalStore, kind: str) -> None:
        key = list(furnished.rows(DEMO)[kind])[-1]
        self.remove_row(furnished, kind, key)
        found = audit.verify(furnished, DEMO)
        name = "/".join(key) if isinstance(key, tuple) else key
        assert (found.ok, found.row) == (False, f"{kind} {name}")

    @pytest.mark.parametrize("kind", [kind for kind in KINDS if kind != "project"])
    def test_a_row_too_many_is_named(self, furnished: LocalStore, kind: str) -> None:
        entity = list(furnished.rows(DEMO)[kind].values())[-1]
        identity = {"queue": "name", "group": "requires", "secret": "name"}.get(kind, "id")
        self.add_row(furnished, kind, attrs.evolve(entity, **{identity: "smuggled"}))
        found = audit.verify(furnished, DEMO)
        assert not found.ok
        assert str(found.row).startswith(f"{kind} ")
        assert str(found.row).endswith("smuggled")

    def test_other_projects_are_not_blamed(self, furnished: LocalStore, session: BlockingSession) -> None:
        do(session, c.CreateProject(key="twin"), c.CreateTask(title="T"), project="twin")
        self.remove_event(furnished, POSITION)
        assert audit.verify(furnished, "twin").ok
