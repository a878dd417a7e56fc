from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

import arbeit.sync
from arbeit.testing.clock import VirtualClock
from tests.meaning.toy import Toy

Opens = Callable[..., arbeit.sync.Hub]


@pytest.fixture
def toy() -> Toy:
    return Toy()


@pytest.fixture(params=["memory", "sqlite", "postgres"])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    if request.param == "postgres":
        found: str = request.getfixturevalue("postgres_url")
        return found
    return "memory://" if request.param == "memory" else f"sqlite:///{tmp_path}/team.db"


@pytest.fixture
def hub(url: str, toy: Toy) -> Iterator[arbeit.sync.Hub]:
    with arbeit.sync.open(url, clock=VirtualClock(), actor="boss", embedder=toy) as hub:
        yield hub


@pytest.fixture
def project(hub: arbeit.sync.Hub) -> arbeit.sync.Project:
    made = hub.project("demo", create=True)
    made.register_agent("boss", persona="supervisor")
    return made
