"""What all tests of the LangChain tools share."""

from __future__ import annotations

import os
from collections.abc import Iterator

import pytest

import arbeit.sync
from arbeit.testing.clock import VirtualClock

# Whoever traces their own agents does not want to see these.
os.environ |= {"LANGSMITH_TRACING": "false", "LANGCHAIN_TRACING_V2": "false"}


@pytest.fixture
def clock() -> VirtualClock:
    return VirtualClock()


@pytest.fixture
def project(clock: VirtualClock) -> Iterator[arbeit.sync.Project]:
    """A synchronous project in memory, as "ada"."""
    with arbeit.sync.open("memory://", actor="ada", clock=clock) as hub:
        yield hub.project("demo", create=True)


@pytest.fixture
def anyio_backend() -> str:
    """LangChain is built on asyncio."""
    return "asyncio"
