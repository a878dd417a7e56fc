"""A store in plain dictionaries: for tests, for one process, and as the measure of the others."""

from __future__ import annotations

import heapq
from collections import Counter, defaultdict
from collections.abc import Collection, Iterable, Sequence
from threading import RLock
from typing import Any

from arbeit.core import graph
from arbeit.core.fairness import Key, key_of
from arbeit.core.limits import GRAPH_EDGES
from arbeit.core.model import (
    Agent,
    Changes,
    ContextEntry,
    Event,
    Group,
    Head,
    Lease,
    ProgressItem,
    Project,
    Queue,
    Receipt,
    Relationship,
    Run,
    Task,
)
from arbeit.core.policy import Scope
from arbeit.core.record import change
from arbeit.core.view import Reads, Rows
from arbeit.ports import Capabilities, Clock, Due, Job, Overview, Page, Parts, Query, RowRefused, relations


class MemoryStore:
    """Every project in this process's memory. What is not held elsewhere is gone with the process."""

    capabilities = Capabilities(durable=False, shared=False, blocking=False)

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._lock = RLock()
        self._projects: dict[str, _Tables] = {}

    def transact(self, jobs: Sequence[Job]) -> list[Changes | Exception]:
        """Run each job under the one lock; what raises has changed nothing."""
        with self._lock:
            return [self._transact(job) for job in jobs]

    def _transact(self, job: Job) -> Changes | Exception:
        tables = self._projects.get(job.project) or _Tables()
        try:
            wanted: Changes | Reads = job.reads(tables.head if tables.events else None)
            now = self._clock.now()
            while isinstance(wanted, Reads):
                wanted = job.decide(tables.load(wanted, now))
            if not wanted.empty:
                tables.save(wanted)
                self._projects[job.project] = tables
        except Exception as error:  # noqa: BLE001 - handed to whoever asked for this job, and to nobody else
            return error
        return wanted

    def fetch(self, project: str, task_ids: Sequence[str], include: Collection[str], scope: Scope) -> list[Parts]:
        """Look tasks up, with the parts asked for."""
        with self._lock:
            tables = self._projects.get(project) or _Tables()
            tasks = (tables.tasks.get(task_id) for task_id in task_ids)
            return [tables.parts(task, include, scope) for task in tasks if task is not None and scope.sees(task.queue)]

    def find(self, query: Query) -> Page:
        """Walk the tasks in order of creation."""
        with self._lock:
            tables = self._projects.get(query.project) or _Tables()
            start = int(query.after) if query.after is not None else 0
            found: list[tuple[int, Task]] = []
            for number in range(start, len(tables.order)):
                task = tables.tasks[tables.order[number]]
                if query.scope.sees(task.queue) and _matches(query, task):
                    found.append((number, task))
                    if len(found) > query.limit:
                        break
        page = tuple(task for _, task in found[: query.limit])
        return Page(page, str(found[query.limit - 1][0] + 1) if len(found) > query.limit else None)

    def history(self, project: str, after: int, limit: int, scope: Scope, task_id: str | None = None) -> list[Event]:
        """Slice the log."""
        with self._lock:
            tables = self._projects.get(project) or _Tables()
            found: list[Event] = []
            for event in tables.events[after:] if task_id is None else tables.by_task(task_id, after):
                task = tables.tasks.get(event.task_id) if event.task_id is not None else None
                if scope.queues is None or (task is not None and scope.sees(task.queue)):
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

    def overview(self, project: str, scope: Scope) -> Overview | None:
        """A project at a glance, as far as it is in scope."""
        with self._lock:
            tables = self._projects.get(project)
            if tables is None or tables.project is None:
                return None
            tasks = [task for task in tables.tasks.values() if scope.sees(task.queue)]
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

    def rows(self, project: str) -> dict[str, dict[Any, Any]]:
        """Every entity, for comparison with a fold."""
        with self._lock:
            tables = self._projects.get(project) or _Tables()
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


def _matches(query: Query, task: Task) -> bool:
    wanted = (
        (query.claim_status, task.claim_status),
        (query.queue, task.queue),
        (query.assignee, task.assignee),
        (query.priority, task.priority),
    )
    if query.status is not None and task.status not in query.status:
        return False
    if query.parent_id is not None and (task.parent_id or "") != query.parent_id:
        return False
    if query.label is not None and query.label not in task.labels:
        return False
    return all(value is None or value == has for value, has in wanted)


class _Tables:
    """One project's rows, and the few indexes that loads need."""

    def __init__(self) -> None:
        self.head = Head()
        self.project: Project | None = None
        self.queues: dict[str, Queue] = {}
        self.groups: dict[tuple[str, str], Group] = {}
        self.agents: dict[str, Agent] = {}
        self.tasks: dict[str, Task] = {}
        self.leases: dict[str, Lease] = {}
        self.runs: dict[str, Run] = {}
        self.relationships: dict[str, Relationship] = {}
        self.entries: dict[str, ContextEntry] = {}
        self.items: dict[str, ProgressItem] = {}
        self.receipts: dict[tuple[str, str, str], Receipt] = {}
        self.events: list[Event] = []
        self.order: list[str] = []
        self.by_kind: dict[str, dict[Any, Any]] = {
            "project": {},
            "queue": self.queues,
            "group": self.groups,
            "agent": self.agents,
            "task": self.tasks,
            "lease": self.leases,
            "run": self.runs,
            "relationship": self.relationships,
            "entry": self.entries,
            "item": self.items,
        }
        self._touched: dict[tuple[str, Any], int] = {}
        self._edges: defaultdict[str, dict[str, None]] = defaultdict(dict)
        self._of_task: defaultdict[tuple[str, str], dict[str, None]] = defaultdict(dict)
        self._positions: defaultdict[str, list[int]] = defaultdict(list)
        # Heaps with lazy deletion: an entry counts only while the row it was made from still says the same.
        self._ready: defaultdict[tuple[str, str], list[Key]] = defaultdict(list)
        self._delayed: list[tuple[int, str]] = []
        self._deadlines: list[tuple[int, str]] = []

    # -- loading ---------------------------------------------------------------------------------------

    def load(self, reads: Reads, now: int) -> Rows:
        """What a batch asked for."""
        rows = Rows(now=now, project=self.project)
        if reads.since is not None:
            touched = [key for key, position in self._touched.items() if position > reads.since]
            rows.queues = [self.queues[key] for kind, key in touched if kind == "queue"]
            rows.groups = [self.groups[key] for kind, key in touched if kind == "group"]
        rows.agents = [self.agents[key] for key in reads.agents if key in self.agents]
        rows.entries = [self.entries[key] for key in reads.entries if key in self.entries]
        rows.receipts = [self.receipts[key] for key in reads.receipts if key in self.receipts]
        rows.items = [self.items[key] for task_id in reads.items for key in self._of_task.get(("item", task_id), ())]
        wanted = set(reads.tasks)
        edges: dict[str, None] = {}
        for task_id in reads.around:
            edges |= self._edges.get(task_id, {})
        for edge_id in edges:
            edge = self.relationships[edge_id]
            wanted |= {edge.from_task_id, edge.to_task_id}
        if reads.after:
            rows.after, later = self._after(reads.after)
            edges |= later
        if reads.below:
            below, under = self._below(reads.below)
            wanted |= below
            edges |= under
        rows.relationships = [self.relationships[edge_id] for edge_id in edges]
        rows.tasks = [self.tasks[key] for key in wanted if key in self.tasks]
        rows.windows = {group: self._window(group, size) for group, size in reads.windows.items()}
        if reads.overdue:
            rows.overdue = [
                (at, key) for at, key in _first(self._deadlines, reads.overdue, self._is_deadline) if at <= now
            ]
            late = (self.leases[key].task_id for _, key in rows.overdue)
            rows.tasks += [self.tasks[task_id] for task_id in late]
        if reads.delayed:
            due = _first(self._delayed, reads.delayed, self._is_delayed)
            rows.delayed = [self.tasks[key] for at, key in due if at <= now]
        held = {task.lease_id for task in rows.tasks if task.lease_id is not None}
        rows.leases = [self.leases[key] for key in held]
        rows.runs = [self.runs[lease.run_id] for lease in rows.leases]
        late_agents = {self.leases[key].agent_id for _, key in rows.overdue}
        rows.agents += [self.agents[key] for key in late_agents - reads.agents]
        return rows

    def _after(self, starts: Iterable[str]) -> tuple[set[str], dict[str, None]]:
        seen, frontier = set(starts), list(starts)
        walked: set[str] = set()
        edges: dict[str, None] = {}
        while frontier and len(walked) <= GRAPH_EDGES:
            task_id = frontier.pop()
            walked.add(task_id)
            for edge_id in self._edges.get(task_id, ()):
                ends = graph.waits_for(self.relationships[edge_id])
                if ends is not None and ends[0] == task_id:
                    edges[edge_id] = None
                    if ends[1] not in seen:
                        seen.add(ends[1])
                        frontier.append(ends[1])
        return walked, edges

    def _below(self, starts: Iterable[str]) -> tuple[set[str], dict[str, None]]:
        seen, frontier = set(starts), list(starts)
        edges: dict[str, None] = {}
        while frontier:
            task_id = frontier.pop()
            for edge_id in self._edges.get(task_id, ()):
                edge = self.relationships[edge_id]
                if edge.type == "parent_of" and edge.from_task_id == task_id:
                    edges[edge_id] = None
                    seen.add(edge.to_task_id)
                    frontier.append(edge.to_task_id)
        return seen, edges

    def _window(self, group: tuple[str, str], size: int) -> list[Task]:
        keys = _first(self._ready[group], size, self._is_ready(group))
        return [self.tasks[key[2]] for key in keys]

    def _is_ready(self, group: tuple[str, str]) -> Any:  # noqa: ANN401 - a predicate over keys
        def check(key: Key) -> bool:
            task = self.tasks[key[2]]
            return task.claim_status == "ready" and key_of(task) == key and (task.queue, task.group) == group

        return check

    def _is_delayed(self, entry: tuple[int, str]) -> bool:
        task = self.tasks[entry[1]]
        return task.claim_status == "delayed" and task.ready_at == entry[0]

    def _is_deadline(self, entry: tuple[int, str]) -> bool:
        lease = self.leases[entry[1]]
        return lease.ended_at is None and lease.expires_at == entry[0]

    # -- saving ----------------------------------------------------------------------------------------

    def save(self, changes: Changes) -> None:
        """Write all of it, or nothing where a new row's key is taken."""
        self._refuse_taken(changes)
        for kind, entities in (*changes.new.items(), *changes.changed.items()):
            if kind == "project":
                self.project = entities[0]
                continue
            self._put(kind, entities, changes.head.position)
        for key in changes.gone.get("relationship", ()):
            edge = self.relationships.pop(key)
            self._edges[edge.from_task_id].pop(key, None)
            self._edges[edge.to_task_id].pop(key, None)
        for receipt in changes.receipts:
            self.receipts[receipt.actor, receipt.operation, receipt.key] = receipt
        for beat in changes.beats:
            lease = self.leases[beat.lease_id]
            self.leases[lease.id] = change(lease, expires_at=beat.expires_at, heartbeat_at=beat.heartbeat_at)
            if lease.ended_at is None:
                heapq.heappush(self._deadlines, (beat.expires_at, lease.id))
        for event in changes.events:
            if event.task_id is not None:
                self._positions[event.task_id].append(event.position)
        self.events.extend(changes.events)
        self.head = changes.head
        if changes.forget_receipts_before is not None:
            before = changes.forget_receipts_before
            self.receipts = {key: kept for key, kept in self.receipts.items() if kept.at >= before}

    def _refuse_taken(self, changes: Changes) -> None:
        for kind, entities in changes.new.items():
            keys = () if kind == "project" else (_key(kind, entity) for entity in entities)
            for key in keys:
                if key in self.by_kind[kind]:
                    raise RowRefused(f"the store refused a row (there is a {kind} {key} already)")
        if changes.events and changes.events[0].position != len(self.events) + 1:
            raise RowRefused(f"the store refused a row (there is an event {changes.events[0].position} already)")

    def _put(self, kind: str, entities: Iterable[Any], position: int) -> None:
        table = self.by_kind[kind]
        for entity in entities:
            key = _key(kind, entity)
            if kind in {"queue", "group"}:
                self._touched[kind, key] = position
            else:
                self._index(kind, entity, table.get(key))
            table[key] = entity

    def _index(self, kind: str, entity: Any, old: Any) -> None:  # noqa: ANN401 - one entity of any kind
        if kind == "task":
            if old is None:
                self.order.append(entity.id)
            if entity.claim_status == "ready":
                heapq.heappush(self._ready[entity.queue, entity.group], key_of(entity))
            elif entity.claim_status == "delayed":
                heapq.heappush(self._delayed, (entity.ready_at, entity.id))
        elif kind == "lease":
            if entity.ended_at is None:
                heapq.heappush(self._deadlines, (entity.expires_at, entity.id))
        elif kind == "relationship":
            self._edges[entity.from_task_id][entity.id] = None
            self._edges[entity.to_task_id][entity.id] = None
        elif kind in {"run", "entry", "item"}:
            self._of_task[kind, entity.task_id][entity.id] = None

    # -- reading ---------------------------------------------------------------------------------------

    def by_task(self, task_id: str, after: int) -> Iterable[Event]:
        """The events of one task beyond a position."""
        return (self.events[position - 1] for position in self._positions.get(task_id, ()) if position > after)

    def next_due(self) -> int | None:
        """The earliest deadline or delay of this project."""
        first = _first(self._deadlines, 1, self._is_deadline) + _first(self._delayed, 1, self._is_delayed)
        return min((at for at, _ in first), default=None)

    def seen_agents(self) -> tuple[Agent, ...]:
        """Every agent, with the last sign of life on any of its leases."""
        seen: dict[str, int] = {}
        for lease in self.leases.values():
            seen[lease.agent_id] = max(seen.get(lease.agent_id, 0), lease.ended_at or 0, lease.heartbeat_at)
        agents = sorted(self.agents.values(), key=lambda agent: agent.id)
        return tuple(change(agent, last_seen_at=seen.get(agent.id)) for agent in agents)

    def parts(self, task: Task, include: Collection[str], scope: Scope) -> Parts:
        """A task with what was asked for."""
        edges = [self.relationships[key] for key in self._edges.get(task.id, ())]
        names = {edge.from_task_id for edge in edges} | {edge.to_task_id for edge in edges}
        visible = {name: self.tasks[name] for name in names if scope.sees(self.tasks[name].queue)}
        made: dict[str, Any] = {
            "context": lambda: tuple(self.entries[key] for key in self._of_task.get(("entry", task.id), ())),
            "progress": lambda: tuple(self.items[key] for key in self._of_task.get(("item", task.id), ())),
            "lease": lambda: self.leases[task.lease_id] if task.lease_id is not None else None,
            "runs": lambda: tuple(self.runs[key] for key in self._of_task.get(("run", task.id), ())),
        }
        rows = {name: made[name]() for name in made if name in include}
        return Parts(task, **rows, **relations(task, edges, visible, include))


def _key(kind: str, entity: Any) -> Any:  # noqa: ANN401 - one entity of any kind
    return entity.name if kind == "queue" else entity.key if kind == "group" else entity.id


def _first(heap: list[Any], n: int, valid: Any) -> list[Any]:  # noqa: ANN401 - a predicate over entries
    """The least n valid entries of a heap, which loses the stale ones met on the way."""
    found: list[Any] = []
    while heap and len(found) < n:
        entry = heapq.heappop(heap)
        if valid(entry) and (not found or found[-1] != entry):
            found.append(entry)
    for entry in found:
        heapq.heappush(heap, entry)
    return found
