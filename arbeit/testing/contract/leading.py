"""What a store promises of roles that one process at a time has, and of the positions that sinks are at."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Protocol, cast

import pytest

from arbeit.core.model import SECOND
from arbeit.ports import Lag, Leadership, LocalStore, Offsets, Term
from arbeit.testing.clock import VirtualClock
from arbeit.testing.contract.opening import Opening
from arbeit.testing.contract.writing import DEMO, UNICODE, Scribe, transact

ROLE = "relay:somewhere"
_TTL = 3 * SECOND


class Leaders(Leadership, Offsets, Protocol):
    """A store's two ports for relays."""


def leaders(store: LocalStore) -> Leaders:
    """A store as what it is for relays; a store without the ports is skipped."""
    if not hasattr(store, "lead") or not hasattr(store, "advance"):
        pytest.skip("this store has no leadership")
    return cast("Leaders", store)


def taken(store: Leaders, holder: str, role: str = ROLE) -> Term:
    """A term that must be to be had."""
    term = store.lead(role, holder, _TTL)
    assert term is not None
    return term


class Leading(Opening):
    """One holder at a time; what an earlier one writes late is refused."""

    def test_a_role_has_one_holder_until_its_term_ends(self, store: LocalStore, clock: VirtualClock) -> None:
        roles = leaders(store)
        assert taken(roles, "ada") == Term(ROLE, "ada", 1, clock.now() + _TTL)
        clock.tick(2.999)
        assert roles.lead(ROLE, "ben", _TTL) is None
        clock.tick(0.001)
        assert taken(roles, "ben") == Term(ROLE, "ben", 2, clock.now() + _TTL)
        assert roles.lead(ROLE, "ada", _TTL) is None

    def test_renewing_moves_the_end_of_a_term_and_keeps_its_number(
        self, store: LocalStore, clock: VirtualClock
    ) -> None:
        roles = leaders(store)
        taken(roles, "ada")
        clock.tick(2)
        assert taken(roles, "ada") == Term(ROLE, "ada", 1, clock.now() + _TTL)
        clock.tick(2)
        assert roles.lead(ROLE, "ben", _TTL) is None

    def test_a_holder_that_comes_late_keeps_a_role_that_nobody_has_taken(
        self, store: LocalStore, clock: VirtualClock
    ) -> None:
        roles = leaders(store)
        first = taken(roles, "ada")
        clock.tick(60)
        assert taken(roles, "ada").number == first.number

    def test_roles_are_held_one_by_one(self, store: LocalStore) -> None:
        roles = leaders(store)
        taken(roles, "ada", UNICODE)
        assert taken(roles, "ben", "another").number == 1

    def test_who_resigns_is_followed_at_once(self, store: LocalStore) -> None:
        roles = leaders(store)
        roles.resign(taken(roles, "ada"))
        assert taken(roles, "ben").number == 2

    def test_a_late_resignation_leaves_the_next_holder_alone(self, store: LocalStore, clock: VirtualClock) -> None:
        roles = leaders(store)
        late = taken(roles, "ada")
        clock.tick(3)
        taken(roles, "ben")
        roles.resign(late)
        assert roles.lead(ROLE, "cleo", _TTL) is None

    def test_a_sink_is_behind_by_every_event_that_it_was_not_noted_to_have(self, store: LocalStore) -> None:
        roles = leaders(store)
        transact(store, Scribe(events=3))
        assert roles.behind("sink") == [Lag(DEMO, 0, 3)]
        term = taken(roles, "ada")
        assert roles.advance("sink", {DEMO: 2}, term)
        assert roles.behind("sink") == [Lag(DEMO, 2, 3)]
        assert roles.advance("sink", {DEMO: 3}, term)
        assert roles.behind("sink") == []
        assert roles.behind("another") == [Lag(DEMO, 0, 3)]
        assert roles.offsets("sink") == {DEMO: 3}
        assert roles.offsets("another") == {}

    def test_positions_never_go_back(self, store: LocalStore) -> None:
        roles = leaders(store)
        term = taken(roles, "ada")
        assert roles.advance("sink", {"one": 7, "two": 5}, term)
        assert roles.advance("sink", {"one": 3, "two": 6}, term)
        assert roles.offsets("sink") == {"one": 7, "two": 6}

    def test_what_a_former_holder_notes_late_is_refused_whole(self, store: LocalStore, clock: VirtualClock) -> None:
        roles = leaders(store)
        late = taken(roles, "ada")
        clock.tick(3)
        current = taken(roles, "ben")
        assert not roles.advance("sink", {"one": 7, "two": 5}, late)
        assert roles.offsets("sink") == {}
        assert roles.advance("sink", {"one": 1}, current)
        assert roles.offsets("sink") == {"one": 1}

    def test_a_holder_that_resigned_or_came_back_has_no_say_by_its_former_term(self, store: LocalStore) -> None:
        roles = leaders(store)
        former = taken(roles, "ada")
        roles.resign(former)
        assert not roles.advance("sink", {"one": 1}, former)
        assert taken(roles, "ada").number == 2
        assert not roles.advance("sink", {"one": 1}, former)
        assert roles.offsets("sink") == {}

    def test_a_term_of_one_role_is_none_of_another(self, store: LocalStore) -> None:
        roles = leaders(store)
        term = taken(roles, "ada")
        assert not roles.advance("sink", {"one": 1}, Term("another", term.holder, term.number, term.until))

    def test_of_many_that_reach_for_a_role_at_once_one_gets_it(self, store: LocalStore) -> None:
        roles = leaders(store)
        names = [f"process-{number}" for number in range(8)]
        with ThreadPoolExecutor(len(names)) as threads:
            terms = list(threads.map(lambda name: roles.lead(ROLE, name, _TTL), names))
        assert [term.number for term in terms if term is not None] == [1]

    def test_terms_and_positions_are_found_again(self, tmp_path: Path, clock: VirtualClock) -> None:
        first = self.open(tmp_path, clock)
        try:
            if not first.store.capabilities.durable:
                pytest.skip("this store is gone with its process")
            roles = leaders(first.store)
            term = taken(roles, "ada")
            roles.advance("sink", {"one": 7}, term)
        finally:
            first.store.close()
        again = self.open(tmp_path, clock)
        try:
            roles = leaders(again.store)
            assert roles.offsets("sink") == {"one": 7}
            assert roles.lead(ROLE, "ben", _TTL) is None
            assert roles.advance("sink", {"one": 8}, term)
        finally:
            again.store.close()
