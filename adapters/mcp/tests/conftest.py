"""Servers over either transport."""

from __future__ import annotations

import signal
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import anyio
import pytest

from adapters.mcp.tests.speaking import PATIENCE, StartsWires, Team, Until, Wire


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture(params=["stdio", "http"])
def team(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Team]:
    """Over either transport."""
    found = Team(tmp_path, request.param)
    yield found
    found.stop()


@pytest.fixture
def stdio_team(tmp_path: Path) -> Team:
    return Team(tmp_path, "stdio")


@pytest.fixture
def http_team(tmp_path: Path) -> Iterator[Team]:
    found = Team(tmp_path, "http")
    yield found
    found.stop()


@pytest.fixture
def wire(tmp_path: Path) -> Iterator[StartsWires]:
    """Starts servers that are spoken to line by line."""
    started: list[Wire] = []

    def start(*options: str) -> Wire:
        started.append(Wire(tmp_path, *options))
        return started[-1]

    yield start
    for one in started:
        with suppress(ProcessLookupError):
            one.process.send_signal(signal.SIGKILL)
        one.process.communicate()


@pytest.fixture
def until() -> Until:
    """Looks until something is there, and no longer than it may take."""

    async def look(there: Callable[[], Any]) -> Any:  # noqa: ANN401 - whatever it found
        with anyio.fail_after(PATIENCE):
            while not (found := there()):  # noqa: ASYNC110 - another process tells nobody
                await anyio.sleep(0.02)
            return found

    return look
