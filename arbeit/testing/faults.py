"""Faults around any store: an error before the commit, or a commit whose answer is lost."""

from __future__ import annotations

from collections import deque
from collections.abc import Collection, Sequence
from typing import Any, Literal

from arbeit.core.errors import ArbeitError, Code
from arbeit.core.model import Artifact, Changes, ContextEntry, Event, Head, Project, Run, SecretRef
from arbeit.core.policy import Scope
from arbeit.ports import Due, Job, LocalStore, LookupKind, OutcomeUnknown
from arbeit.queries import DecisionQuery, Hit, Overview, Page, Parts, Query, RunQuery, Search, Slice

Fault = Literal["fail", "lose_reply", "lose_commit"]
"""fail: an error, nothing is committed. lose_reply: committed, then the answer is lost. lose_commit: the answer
is lost and nothing was committed. The last two look the same to the caller."""


class PassingStore:
    """A store that passes everything on to another: what stores with a difference are made of."""

    def __init__(self, store: LocalStore) -> None:
        self._store = store
        self.capabilities = store.capabilities

    def transact(self, jobs: Sequence[Job]) -> list[Changes | Exception]:
        """Pass on."""
        return self._store.transact(jobs)

    def fetch(self, project: str, task_ids: Sequence[str], include: Collection[str], scope: Scope) -> list[Parts]:
        """Pass on."""
        return self._store.fetch(project, task_ids, include, scope)

    def find(self, query: Query) -> Page:
        """Pass on."""
        return self._store.find(query)

    def history(self, project: str, after: int, limit: int, scope: Scope, task_id: str | None = None) -> list[Event]:
        """Pass on."""
        return self._store.history(project, after, limit, scope, task_id)

    def due(self, now: int, limit: int) -> list[Due]:
        """Pass on."""
        return self._store.due(now, limit)

    def projects(self) -> list[Project]:
        """Pass on."""
        return self._store.projects()

    def standing(self, project: str) -> tuple[Project, Head] | None:
        """Pass on."""
        return self._store.standing(project)

    def overview(self, project: str, scope: Scope) -> Overview | None:
        """Pass on."""
        return self._store.overview(project, scope)

    def uses_blob(self, sha256: str) -> bool:
        """Pass on."""
        return self._store.uses_blob(sha256)

    def artifact(self, project: str, artifact_id: str, scope: Scope) -> Artifact | None:
        """Pass on."""
        return self._store.artifact(project, artifact_id, scope)

    def secrets(self, project: str) -> list[SecretRef]:
        """Pass on."""
        return self._store.secrets(project)

    def search(self, query: Search) -> list[Hit]:
        """Pass on."""
        return self._store.search(query)

    def runs(self, query: RunQuery) -> Slice[Run]:
        """Pass on."""
        return self._store.runs(query)

    def decisions(self, query: DecisionQuery) -> Slice[ContextEntry]:
        """Pass on."""
        return self._store.decisions(query)

    def recent(self, project: str, limit: int, scope: Scope) -> list[Event]:
        """Pass on."""
        return self._store.recent(project, limit, scope)

    def lookup(self, project: str, kind: LookupKind, keys: Sequence[str], scope: Scope) -> list[Any]:
        """Pass on."""
        return self._store.lookup(project, kind, keys, scope)

    def rows(self, project: str) -> dict[str, dict[Any, Any]]:
        """Pass on."""
        return self._store.rows(project)

    def pulse(self) -> int:
        """Pass on."""
        return self._store.pulse()

    def close(self) -> None:
        """Pass on."""
        self._store.close()


class FaultyStore(PassingStore):
    """Passes everything on to a store, but for the faults planned for the next transactions."""

    def __init__(self, store: LocalStore) -> None:
        super().__init__(store)
        self.planned: deque[Fault | None] = deque()
        self.transactions = 0

    def plan(self, *faults: Fault | None) -> None:
        """What befalls the next transactions, one each; None lets one pass."""
        self.planned.extend(faults)

    def transact(self, jobs: Sequence[Job]) -> list[Changes | Exception]:
        """Run the jobs, with the fault that is planned."""
        self.transactions += 1
        fault = self.planned.popleft() if self.planned else None
        if fault == "fail":
            raise ArbeitError(Code.STORE_UNAVAILABLE, "a planned fault", suggestions=("Try again.",), retryable=True)
        if fault == "lose_commit":
            raise OutcomeUnknown("a planned fault: nothing was committed")
        results = super().transact(jobs)
        if fault == "lose_reply":
            raise OutcomeUnknown("a planned fault: all was committed")
        return results
