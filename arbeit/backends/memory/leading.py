"""Leadership and the positions of sinks, in this process's memory."""

from __future__ import annotations

from collections.abc import Mapping
from threading import RLock

from arbeit.backends.memory.tables import Tables
from arbeit.ports import Clock, Lag, Term


class Leading:
    """The ports `Leadership` and `Offsets` of a memory store."""

    _clock: Clock
    _lock: RLock
    _projects: dict[str, Tables]

    def __init__(self) -> None:
        super().__init__()
        self._terms: dict[str, Term] = {}
        self._offsets: dict[str, dict[str, int]] = {}

    def lead(self, role: str, holder: str, ttl: int) -> Term | None:
        """Take or renew a role, unless somebody else holds it."""
        with self._lock:
            now = self._clock.now()
            last = self._terms.get(role) or Term(role, "", 0, 0)
            if last.holder != holder and last.until > now:
                return None
            term = Term(role, holder, last.number + (last.holder != holder), now + ttl)
            self._terms[role] = term
            return term

    def resign(self, term: Term) -> None:
        """Give a role up, if this term is the current one."""
        with self._lock:
            if self._current(term):
                self._terms[term.role] = Term(term.role, "", term.number, 0)

    def behind(self, sink: str) -> list[Lag]:
        """The projects whose log goes on beyond what a sink has."""
        with self._lock:
            known = self._offsets.get(sink, {})
            lags = (Lag(key, known.get(key, 0), tables.head.position) for key, tables in self._projects.items())
            return sorted((lag for lag in lags if lag.head > lag.position), key=lambda lag: lag.project)

    def offsets(self, sink: str) -> dict[str, int]:
        """Up to which position a sink has each project."""
        with self._lock:
            return dict(self._offsets.get(sink, {}))

    def advance(self, sink: str, positions: Mapping[str, int], term: Term) -> bool:
        """Note what a sink has now, if this term is the current one."""
        with self._lock:
            if not self._current(term):
                return False
            known = self._offsets.setdefault(sink, {})
            for project, position in positions.items():
                known[project] = max(position, known.get(project, 0))
            return True

    def _current(self, term: Term) -> bool:
        last = self._terms.get(term.role)
        return last is not None and (last.holder, last.number) == (term.holder, term.number)
