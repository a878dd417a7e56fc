"""Both faces as fixtures: each test runs once through the asynchronous hub and once through the synchronous one."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager, contextmanager
from pathlib import Path

import pytest
from attrs import frozen

from arbeit.compose import Wiring
from arbeit.core.errors import ArbeitError, Code
from arbeit.hub import Hub
from arbeit.project import Project
from arbeit.testing.clock import VirtualClock
from arbeit.testing.contract.hubs import WiredHub, WiredSyncHub, awaited
from arbeit.testing.contract.opening import Opening


@contextmanager
def refused(code: Code) -> Iterator[list[ArbeitError]]:
    """Expect a refusal with this code, told so that an agent can go on; the error is left in the list."""
    errors: list[ArbeitError] = []
    with pytest.raises(ArbeitError) as caught:
        yield errors
    error = caught.value
    assert error.code is code, error
    assert error.message
    assert str(error).startswith(f"{code}: ")
    errors.append(error)


@frozen
class Face:
    """One of the two faces."""

    name: str

    @asynccontextmanager
    async def over(self, wiring: Wiring, actor: str = "lead") -> AsyncIterator[Hub]:
        """A hub of this face over an open store."""
        if self.name == "sync":
            with WiredSyncHub(wiring, actor=actor) as hub:
                yield awaited(hub)
        else:
            async with WiredHub(wiring, actor=actor, background=False) as hub:
                yield hub


class Faces(Opening):
    """Fixtures of the two faces."""

    pytestmark = pytest.mark.anyio

    @pytest.fixture
    def anyio_backend(self) -> str:
        """One event loop is enough here: what differs between loops is no matter of a store."""
        return "asyncio"

    @pytest.fixture
    def wiring(self, tmp_path: Path, clock: VirtualClock) -> Wiring:
        """A new store, wired; the hub closes it."""
        return self.open(tmp_path, clock)

    @pytest.fixture(params=["async", "sync"])
    def face(self, request: pytest.FixtureRequest) -> Face:
        """Each face in turn."""
        return Face(request.param)

    @pytest.fixture
    async def hub(self, face: Face, wiring: Wiring) -> AsyncIterator[Hub]:
        """An open hub; the actor is "lead"."""
        hub: AbstractAsyncContextManager[Hub] = face.over(wiring)
        async with hub as opened:
            yield opened

    @pytest.fixture
    async def project(self, hub: Hub) -> Project:
        """The project "demo"."""
        return await hub.project("demo", create=True)
