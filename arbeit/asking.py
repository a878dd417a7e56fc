"""The reads that look things up across tasks, once for every way to drive a store."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Protocol, TypeVar

from arbeit.core.model import ContextEntry, Event, Run
from arbeit.kernel import Kernel, scoped
from arbeit.ports import LocalStore, LookupKind
from arbeit.queries import DecisionQuery, Hit, RunQuery, Search, Slice

T = TypeVar("T")


class Answers(Protocol):
    """What a session answers beside what it executes."""

    def now(self) -> int:
        """Microseconds since 1970 by the session's clock."""

    async def search(self, query: Search, actor: str) -> list[Hit]:
        """What matches best, best first."""

    async def runs(self, query: RunQuery, actor: str) -> Slice[Run]:
        """One page of runs, newest first."""

    async def decisions(self, query: DecisionQuery, actor: str) -> Slice[ContextEntry]:
        """One page of decisions, newest first."""

    async def recent(self, project: str, limit: int, actor: str) -> list[Event]:
        """The last events, newest first."""

    async def lookup(self, project: str, kind: LookupKind, keys: Sequence[str], actor: str) -> list[Any]:
        """Entities by id, those that exist and that an actor may see."""


class Asking:
    """`Answers` over a kernel and a store; `_read` says in which thread."""

    kernel: Kernel
    _store: LocalStore

    async def _read(self, function: Callable[..., T], *args: Any) -> T:  # noqa: ANN401 - the function's own
        raise NotImplementedError

    def now(self) -> int:
        """Microseconds since 1970 by the session's clock."""
        return self.kernel.clock.now()

    async def search(self, query: Search, actor: str) -> list[Hit]:
        """What matches best, best first."""
        return await self._read(self._store.search, scoped(query, self.kernel.scope(query.project, actor)))

    async def runs(self, query: RunQuery, actor: str) -> Slice[Run]:
        """One page of runs, newest first."""
        return await self._read(self._store.runs, scoped(query, self.kernel.scope(query.project, actor)))

    async def decisions(self, query: DecisionQuery, actor: str) -> Slice[ContextEntry]:
        """One page of decisions, newest first."""
        return await self._read(self._store.decisions, scoped(query, self.kernel.scope(query.project, actor)))

    async def recent(self, project: str, limit: int, actor: str) -> list[Event]:
        """The last events, newest first."""
        return await self._read(self._store.recent, project, limit, self.kernel.scope(project, actor))

    async def lookup(self, project: str, kind: LookupKind, keys: Sequence[str], actor: str) -> list[Any]:
        """Entities by id, those that exist and that an actor may see."""
        return await self._read(self._store.lookup, project, kind, keys, self.kernel.scope(project, actor))
