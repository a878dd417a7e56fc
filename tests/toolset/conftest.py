"""Projects with the tools on them, on both stores."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

import arbeit.sync
from arbeit.sync import Toolset
from arbeit.testing.clock import VirtualClock

Answer = dict[str, Any]


@pytest.fixture
def clock() -> VirtualClock:
    return VirtualClock()


@pytest.fixture(params=["memory", "sqlite"])
def hub(request: pytest.FixtureRequest, tmp_path: Path, clock: VirtualClock) -> Iterator[arbeit.sync.Hub]:
    url = "memory://" if request.param == "memory" else f"sqlite:///{tmp_path}/team.db"
    with arbeit.sync.open(url, actor="impl-1", clock=clock) as opened:
        yield opened


@pytest.fixture
def project(hub: arbeit.sync.Hub) -> arbeit.sync.Project:
    return hub.project("demo", create=True)


@pytest.fixture
def box(project: arbeit.sync.Project) -> Toolset:
    return Toolset(project)


@pytest.fixture
def ok(box: Toolset) -> Callable[..., Answer]:
    """Calls a tool that must succeed; its data."""

    def call(name: str, /, **arguments: object) -> Answer:
        answer = box.call(name, arguments)
        assert answer["success"], answer
        data: Answer = answer["data"]
        return data

    return call


@pytest.fixture
def refusal(box: Toolset) -> Callable[..., Answer]:
    """Calls a tool that must be refused; the error."""

    def call(name: str, arguments: object = None, /, **more: object) -> Answer:
        answer = box.call(name, more if arguments is None else arguments)  # type: ignore[arg-type]  # wrong ones too
        assert not answer["success"], answer
        assert set(answer) <= {"success", "error", "warnings"}
        error: Answer = answer["error"]
        assert set(error) == {"code", "message", "suggestions"}
        return error

    return call
