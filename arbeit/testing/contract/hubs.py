"""Hubs over stores that are open already, and a synchronous hub that answers like an asynchronous one.

The second lets one test speak to both faces: every verb runs in the caller's thread when it is awaited.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from types import TracebackType
from typing import Any, Self, cast

from anyio import to_thread

from arbeit import hub, sync
from arbeit.compose import Wiring
from arbeit.core.model import Event
from arbeit.engine import Engine
from arbeit.session import BlockingSession


class WiredHub(hub.Hub):
    """An asynchronous hub over a store that is open already; closing it closes the store."""

    def __init__(self, wiring: Wiring, *, actor: str = "anonymous", background: bool = True) -> None:
        super().__init__("wired:", actor=actor)
        self._wiring = wiring
        self._opened = Engine(wiring, background=background)

    @property
    def engine(self) -> Engine:
        """The engine, for tests that look inside."""
        return self._engine

    async def __aenter__(self) -> Self:
        """Start the engine."""
        await self._engine.__aenter__()
        return self


class WiredSyncHub(sync.Hub):
    """A synchronous hub over a store that is open already; closing it closes the store."""

    def __init__(self, wiring: Wiring, *, actor: str = "anonymous") -> None:
        super().__init__("wired:", actor=actor)
        self._given = wiring

    @property
    def session(self) -> BlockingSession:
        """The session, for tests that look inside."""
        return self._session

    def __enter__(self) -> Self:
        """Start the session."""
        self._start(self._given)
        return self


class _Awaited:
    """Anything of the synchronous face, with methods that can be awaited."""

    def __init__(self, inner: Any) -> None:  # noqa: ANN401 - a hub, a project or a work
        self._inner = inner

    def __getattr__(self, name: str) -> Any:  # noqa: ANN401 - whatever the face has there
        found = getattr(self._inner, name)
        return _awaitable(found) if callable(found) else found

    def __repr__(self) -> str:
        return repr(self._inner)

    async def __aenter__(self) -> Self:
        self._inner.__enter__()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._inner.__exit__(kind, error, trace)


class _AwaitedProject(_Awaited):
    def as_(self, actor: str) -> _AwaitedProject:
        return _AwaitedProject(self._inner.as_(actor))

    async def watch(self, after: int = 0, **filters: Any) -> AsyncIterator[Event]:  # noqa: ANN401 - passed on
        events = self._inner.watch(after, **filters)
        while (event := await to_thread.run_sync(next, events, None)) is not None:
            yield event


def _awaitable(method: Callable[..., Any]) -> Callable[..., Any]:
    async def call(*args: Any, **kwargs: Any) -> Any:  # noqa: ANN401 - passed on
        return _wrapped(method(*args, **kwargs))

    return call


def _wrapped(answer: Any) -> Any:  # noqa: ANN401 - whatever the face answers
    if isinstance(answer, sync.Project):
        return _AwaitedProject(answer)
    if isinstance(answer, sync.Work):
        return _Awaited(answer)
    if isinstance(answer, list):
        return [_wrapped(one) for one in answer]
    return answer


def awaited(hub_: sync.Hub) -> hub.Hub:
    """A synchronous hub behind the asynchronous face; its projects and works come wrapped likewise."""
    return cast("hub.Hub", _Awaited(hub_))
