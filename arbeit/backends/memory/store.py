"""A store in plain dictionaries: for tests, for one process, and as the measure of the others."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Sequence
from itertools import islice
from threading import RLock
from typing import Any

from arbeit.backends.memory import finding
from arbeit.backends.memory.leading import Leading
from arbeit.backends.memory.tables import Tables
from arbeit.backends.memory.vectors import Vectoring
from arbeit.core.loads import Reads
from arbeit.core.model import Artifact, Changes, ContextEntry, Event, Head, Project, Run, SecretRef
from arbeit.core.policy import Scope
from arbeit.ports import Capabilities, Clock, Due, Job, LookupKind
from arbeit.queries import (
    DecisionQuery,
    Hit,
    Overview,
    Page,
    Parts,
    Query,
    RunQuery,
    Search,
    Slice,
    assemble,
    exists,
)


class MemoryStore(Leading, Vectoring):
    """Every project in this process's memory. What is not held elsewhere is gone with the process."""

    capabilities = Capabilities(durable=False, shared=False, blocking=False)

    def __init__(self, clock: Clock) -> None:
        super().__init__()
        self._clock = clock
        self._lock = RLock()
        self._projects: dict[str, Tables] = {}

    def transact(self, jobs: Sequence[Job]) -> list[Changes | Exception]:
        """Run each job under the one lock; what raises has changed nothing."""
        with self._lock:
            return [self._transact(job) for job in jobs]

    def _transact(self, job: Job) -> Changes | Exception:
        tables = self._projects.get(job.project) or Tables()
        try:
            wanted: Changes | Reads = job.reads(tables.head if tables.events else None)
            now = self._clock.now()
            while isinstance(wanted, Reads):
                wanted = job.decide(tables.load(wanted, now))
            if not wanted.empty:
                tables.save(wanted)
                self._projects[job.project] = tables
                self._forget(job.project, wanted)
        except Exception as error:  # noqa: BLE001 - handed to whoever asked for this job, and to nobody else
            return error
        return wanted

    def _tables(self, project: str) -> Tables:
        return self._projects.get(project) or Tables()

    def fetch(self, project: str, task_ids: Sequence[str], include: Collection[str], scope: Scope) -> list[Parts]:
        """Look tasks up, with the parts asked for."""
        with self._lock:
            tables = self._projects.get(project) or Tables()
            tasks = (tables.tasks.get(task_id) for task_id in task_ids)
            return [
                assemble(tables, task, include, scope) for task in tasks if task is not None and exists(task, scope)
            ]

    def find(self, query: Query) -> Page:
        """One page of the tasks that match."""
        with self._lock:
            return finding.find(self._projects.get(query.project) or Tables(), query)

    def search(self, query: Search) -> list[Hit]:
        """The best of the newest matches."""
        with self._lock:
            return finding.search(self._projects.get(query.project) or Tables(), query)

    def runs(self, query: RunQuery) -> Slice[Run]:
        """One page of runs, newest first."""
        with self._lock:
            return finding.runs(self._projects.get(query.project) or Tables(), query)

    def decisions(self, query: DecisionQuery) -> Slice[ContextEntry]:
        """One page of decisions, newest first."""
        with self._lock:
            return finding.decisions(self._projects.get(query.project) or Tables(), query)

    def recent(self, project: str, limit: int, scope: Scope) -> list[Event]:
        """Walk the log backwards."""
        with self._lock:
            tables = self._projects.get(project) or Tables()
            visible = (event for event in reversed(tables.events) if tables.shows(event, scope))
            return list(islice(visible, limit))

    def lookup(self, project: str, kind: LookupKind, keys: Sequence[str], scope: Scope) -> list[Any]:
        """Entities by key, those whose task is there and in scope."""
        with self._lock:
            tables = self._projects.get(project) or Tables()
            found = (tables.by_kind[kind].get(key) for key in keys)
            return [one for one in found if one is not None and tables.there(kind, one, scope)]

    def history(self, project: str, after: int, limit: int, scope: Scope, task_id: str | None = None) -> list[Event]:
        """Slice the log."""
        with self._lock:
            tables = self._projects.get(project) or Tables()
            found: list[Event] = []
            for event in tables.events[after:] if task_id is None else tables.by_task(task_id, after):
                if tables.shows(event, scope):
                    found.append(event)
                    if len(found) == limit:
                        break
            return found

    def due(self, now: int, limit: int) -> list[Due]:
        """Look at the head of each project's deadlines and delays."""
        with self._lock:
            moments = ((tables.next_due(), key) for key, tables in self._projects.items())
            found = sorted((at, key) for at, key in moments if at is not None and at <= now)
            return [Due(key, at) for at, key in found[:limit]]

    def projects(self) -> list[Project]:
        """Every project, by key."""
        with self._lock:
            found = (tables.project for tables in self._projects.values())
            return sorted((project for project in found if project is not None), key=lambda one: one.key)

    def standing(self, project: str) -> tuple[Project, Head] | None:
        """A project and where its log stands, if it is there."""
        with self._lock:
            tables = self._projects.get(project)
            return (tables.project, tables.head) if tables is not None and tables.project is not None else None

    def overview(self, project: str, scope: Scope) -> Overview | None:
        """A project at a glance, as far as it is in scope."""
        with self._lock:
            tables = self._projects.get(project)
            if tables is None or tables.project is None:
                return None
            tasks = [task for task in tables.tasks.values() if exists(task, scope)]
            queues = (queue for queue in tables.queues.values() if scope.sees(queue.name))
            leases = (tables.leases[task.lease_id] for task in tasks if task.lease_id is not None)
            return Overview(
                tables.project,
                tables.head,
                tuple(sorted(queues, key=lambda queue: queue.name)),
                tables.seen_agents(),
                tuple(sorted(leases, key=lambda lease: lease.id)),
                dict(sorted(Counter(task.status for task in tasks).items())),
            )

    def artifact(self, project: str, artifact_id: str, scope: Scope) -> Artifact | None:
        """An artifact, if its task is there and in scope."""
        with self._lock:
            tables = self._projects.get(project)
            if tables is None or (found := tables.artifacts.get(artifact_id)) is None:
                return None
            task = tables.tasks.get(found.task_id)
            return found if task is not None and exists(task, scope) else None

    def uses_blob(self, sha256: str) -> bool:
        """Whether an artifact of any project still stands for these bytes."""
        with self._lock:
            tables = self._projects.values()
            return any(artifact.uri == f"sha256:{sha256}" for one in tables for artifact in one.artifacts.values())

    def secrets(self, project: str) -> list[SecretRef]:
        """Every reference to a secret, by name."""
        with self._lock:
            tables = self._projects.get(project)
            return sorted(tables.secrets.values(), key=lambda one: one.name) if tables is not None else []

    def rows(self, project: str) -> dict[str, dict[Any, Any]]:
        """Every entity, for comparison with a fold."""
        with self._lock:
            tables = self._projects.get(project) or Tables()
            kinds: dict[str, dict[Any, Any]] = {
                kind: dict(table) for kind, table in tables.by_kind.items() if kind != "project"
            }
            kinds["project"] = {project: tables.project} if tables.project is not None else {}
            return kinds | {"head": {project: tables.head}}

    def pulse(self) -> int:
        """No other process can see this memory."""
        return 0

    def close(self) -> None:
        """Nothing to release."""
