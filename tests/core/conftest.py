"""Fixtures of the core's tests."""

from collections.abc import Iterator

import pytest

from tests.core import harness


@pytest.fixture
def team() -> Iterator[harness.Team]:
    """A project in memory with default policies, empty but for its default queue."""
    with harness.team() as opened:
        yield opened
