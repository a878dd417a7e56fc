"""Leadership and the positions of sinks, in tables outside of row level security: one statement each."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Coroutine, Mapping, Sequence
from functools import cached_property
from typing import Any, TypeVar

from arbeit.backends.postgres import statements
from arbeit.backends.postgres.connecting import Connections
from arbeit.backends.postgres.errors import mapped
from arbeit.backends.postgres.settings import Settings
from arbeit.ports import Clock, Lag, Term

T = TypeVar("T")


class Leading:
    """The ports `Leadership` and `Offsets` of a Postgres store."""

    settings: Settings
    _connections: Connections
    _own_time: Clock | None

    @abstractmethod
    def _call(self, coroutine: Coroutine[Any, Any, T]) -> T: ...

    def lead(self, role: str, holder: str, ttl: int) -> Term | None:
        """Take or renew a role, unless somebody else holds it."""
        now = self._own_time.now() if self._own_time is not None else None
        rows = self._call(self._ask("lead", role, holder, ttl, now))
        return Term(role, holder, rows[0][0], rows[0][1]) if rows else None

    def resign(self, term: Term) -> None:
        """Give a role up, if this term is the current one."""
        self._call(self._ask("resign", term.role, term.holder, term.number))

    def behind(self, sink: str) -> list[Lag]:
        """The projects whose log goes on beyond what a sink has."""
        return [Lag(*row) for row in self._call(self._ask("behind", sink))]

    def offsets(self, sink: str) -> dict[str, int]:
        """Up to which position a sink has each project."""
        return {row[0]: row[1] for row in self._call(self._ask("offsets", sink))}

    def advance(self, sink: str, positions: Mapping[str, int], term: Term) -> bool:
        """Note what a sink has now, if this term is the current one."""
        # In one order everywhere, so that two that write the same rows never wait for each other in a circle.
        found = sorted(positions.items())
        keys, numbers = [key for key, _ in found], [number for _, number in found]
        asked = self._ask("advance", term.role, term.holder, term.number, sink, keys, numbers)
        return bool(self._call(asked)[0][0])

    @cached_property
    def _leading(self) -> Mapping[str, str]:
        return statements.load("leading.sql", self.settings.schema)

    async def _ask(self, name: str, *parameters: object) -> Sequence[Any]:
        with mapped(self.settings):
            async with self._connections.begun("") as connection:
                rows: Sequence[Any] = await connection.fetch(self._leading[name], *parameters)
                await connection.execute("COMMIT")
                return rows
