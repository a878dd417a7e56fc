"""What every contract needs of a backend: a way to open it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from arbeit.compose import Wiring
from arbeit.ports import Clock, LocalStore
from arbeit.session import BlockingSession
from arbeit.testing.clock import VirtualClock

KEY = b"a key for tests, not for secrets"
"""The deployment's secret of every contract test, so that tokens are the same each time."""


class Opening:
    """Says how a store is opened; a subclass overrides `open`."""

    def open(self, tmp_path: Path, clock: Clock) -> Wiring:
        """Open the store that lies in this folder, making it if there is none.

        A durable store finds again what was committed; a shared one may be opened several times at once. Build the
        wiring with `KEY`, no policies, and this clock.
        """
        # Not an abstract method: pytest passes over abstract classes without a word, and a suite would not be run.
        raise NotImplementedError

    @pytest.fixture
    def clock(self) -> VirtualClock:
        """The virtual clock that the store and everything above it run on."""
        return VirtualClock()

    @pytest.fixture
    def wiring(self, tmp_path: Path, clock: VirtualClock) -> Iterator[Wiring]:
        """A new store, wired; closed at the end."""
        wiring = self.open(tmp_path, clock)
        yield wiring
        wiring.store.close()

    @pytest.fixture
    def store(self, wiring: Wiring) -> LocalStore:
        """The store alone."""
        return wiring.store

    @pytest.fixture
    def session(self, wiring: Wiring) -> BlockingSession:
        """The store with the core above it: commands in, replies out."""
        return BlockingSession(wiring)
