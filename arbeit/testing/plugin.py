"""A pytest plugin: the `arbeit` fixture is an open hub in memory, on a virtual clock, driven synchronously."""

from __future__ import annotations

from collections.abc import Iterator

import pytest


@pytest.fixture
def arbeit_clock() -> object:
    """The virtual clock of the `arbeit` fixture; move it with `tick(seconds)`."""
    from arbeit.testing.clock import VirtualClock  # noqa: PLC0415 - imported for those who use it alone

    return VirtualClock()


@pytest.fixture
def arbeit(arbeit_clock: object) -> Iterator[object]:
    """An `arbeit.sync.Hub` in memory with the project "test", for tests of code that uses Arbeit."""
    from arbeit import sync  # noqa: PLC0415 - imported for those who use it alone

    with sync.open("memory://", clock=arbeit_clock, key=b"a key for tests only") as hub:  # type: ignore[arg-type]  # a VirtualClock
        hub.project("test", create=True)
        yield hub
