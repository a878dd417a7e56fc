"""One project's rows in plain dictionaries, and the few indexes that loads need."""

from __future__ import annotations

import heapq
from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping
from typing import Any

from arbeit.core import graph
from arbeit.core.fairness import Key, key_of
from arbeit.core.limits import GRAPH_EDGES
from arbeit.core.loads import Reads, Rows
from arbeit.core.model import (
    Agent,
    Artifact,
    Changes,
    ContextEntry,
    Event,
    FileLink,
    Group,
    Head,
    Lease,
    ProgressItem,
    Project,
    Queue,
    Receipt,
    Relationship,
    Run,
    SecretRef,
    SessionLink,
    Task,
)
from arbeit.core.policy import Scope
from arbeit.core.record import change
from arbeit.ports import LIVE_LEASES, RowRefused
from arbeit.queries import exists

_KEYS = {"queue": "name", "group": "key", "secret": "name"}
_OF_TASKS = frozenset({"run", "entry", "item", "session", "file", "artifact"})


class Tables:
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
        self.sessions: dict[str, SessionLink] = {}
        self.files: dict[str, FileLink] = {}
        self.artifacts: dict[str, Artifact] = {}
        self.secrets: dict[str, SecretRef] = {}
        self.receipts: dict[tuple[str, str, str], Receipt] = {}
        self.events: list[Event] = []
        self.order: list[str] = []
        self.number: dict[str, int] = {}
        """Where a task stands in that order, from 1."""
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
            "session": self.sessions,
            "file": self.files,
            "artifact": self.artifacts,
            "secret": self.secrets,
        }
        self._touched: dict[tuple[str, Any], int] = {}
        self._edges: defaultdict[str, dict[str, None]] = defaultdict(dict)
        self._of_task: defaultdict[tuple[str, str], dict[str, None]] = defaultdict(dict)
        self._positions: defaultdict[str, list[int]] = defaultdict(list)
        # Heaps with lazy deletion: an entry counts only while the row it was made from still says the same.
        self._ready: defaultdict[tuple[str, str], list[Key]] = defaultdict(list)
        self._delayed: list[tuple[int, str]] = []
        self._deadlines: list[tuple[int, str]] = []
        self._urgent: list[tuple[int, str]] = []
        self._live: dict[str, None] = {}

    # -- loading ---------------------------------------------------------------------------------------

    def load(self, reads: Reads, now: int) -> Rows:
        """What a batch asked for."""
        rows = Rows(now=now, project=self.project)
        if reads.since is not None:
            touched = [key for key, position in self._touched.items() if position > reads.since]
            rows.queues = [self.queues[key] for kind, key in touched if kind == "queue"]
            rows.groups = [self.groups[key] for kind, key in touched if kind == "group"]
        rows.entries = _known(self.entries, reads.entries)
        rows.receipts = _known(self.receipts, reads.receipts)
        rows.items = self._all_of("item", reads.items)
        rows.sessions = self._all_of("session", reads.linked)
        rows.files = self._all_of("file", reads.linked)
        rows.artifacts = _known(self.artifacts, reads.artifacts)
        for kind, table in (("item", rows.items), ("session", rows.sessions), ("file", rows.files)):
            table.extend(_known(self.by_kind[kind], (key for of, key in reads.ids if of == kind)))
        rows.secrets = _known(self.secrets, reads.secrets)
        if reads.about:
            about = self.receipts.values()
            rows.about = [one for one in about if any(name in one.reply for name in reads.about)]
        if reads.events_of:
            positions = (position for task_id in reads.events_of for position in self._positions.get(task_id, ()))
            rows.events = [self.events[position - 1] for position in sorted(positions)]
        rows.windows = {group: self._window(group, size) for group, size in reads.windows.items()}
        if reads.delayed:
            due = _first(self._delayed, reads.delayed, self._is_delayed)
            rows.delayed = [self.tasks[key] for at, key in due if at <= now]
        if reads.ready_after is not None:
            after, count = reads.ready_after
            names = (task.id for task in self.tasks.values() if task.claim_status == "ready" and task.id > after)
            rows.ready = [self.tasks[name] for name in heapq.nsmallest(count, names)]
        self._load_tasks(reads, rows, now)
        return rows

    def _load_tasks(self, reads: Reads, rows: Rows, now: int) -> None:
        wanted, agents, leases = set(reads.tasks), set(reads.agents), set[str]()
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
        edges |= dict.fromkeys(key for of, key in reads.ids if of == "relationship" and key in self.relationships)
        rows.relationships = [self.relationships[edge_id] for edge_id in edges]
        if reads.overdue:
            deadlines = _first(self._deadlines, reads.overdue, self._is_deadline)
            rows.overdue = [(at, key) for at, key in deadlines if at <= now]
            leases |= {key for _, key in rows.overdue}
        if reads.urgent:
            rows.urgent = [self.tasks[key] for _, key in _first(self._urgent, reads.urgent, self._is_urgent)]
            live = sorted((self.leases[key] for key in self._live), key=lambda one: (one.acquired_at, one.id))
            leases |= {lease.id for lease in live[:LIVE_LEASES]}
        if reads.live:
            leases |= self._live.keys()
        wanted |= {self.leases[key].task_id for key in leases}
        agents |= {self.leases[key].agent_id for key in leases}
        rows.tasks = _known(self.tasks, wanted)
        leases |= {task.lease_id for task in rows.tasks if task.lease_id is not None}
        rows.leases = [self.leases[key] for key in leases]
        rows.runs = _known(self.runs, reads.runs | {lease.run_id for lease in rows.leases})
        rows.agents = _known(self.agents, agents)

    def _all_of(self, kind: str, task_ids: Iterable[str]) -> list[Any]:
        table = self.by_kind[kind]
        return [table[key] for task_id in task_ids for key in self._of_task.get((kind, task_id), ())]

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

    def _is_urgent(self, entry: tuple[int, str]) -> bool:
        task = self.tasks[entry[1]]
        return _urgent(task) and task.ready_at == entry[0]

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
            seen = lease.heartbeat_at if beat.heartbeat_at is None else beat.heartbeat_at
            self.leases[lease.id] = change(lease, expires_at=beat.expires_at, heartbeat_at=seen)
            if lease.ended_at is None:
                heapq.heappush(self._deadlines, (beat.expires_at, lease.id))
        for event in changes.events:
            if event.task_id is not None:
                self._positions[event.task_id].append(event.position)
        self.events.extend(changes.events)
        for position, data in changes.erased:
            self.events[position - 1] = change(self.events[position - 1], data=data)
        for receipt in changes.reissued:
            self.receipts[receipt.actor, receipt.operation, receipt.key] = receipt
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
            row = entity
            if kind in {"queue", "group"}:
                self._touched[kind, key] = position
            else:
                old = table.get(key)
                if kind == "lease" and old is not None:
                    row = change(entity, expires_at=old.expires_at, heartbeat_at=old.heartbeat_at)
                self._index(kind, row, old)
            table[key] = row

    def _index(self, kind: str, entity: Any, old: Any) -> None:  # noqa: ANN401 - one entity of any kind
        if kind == "task":
            if old is None:
                self.order.append(entity.id)
                self.number[entity.id] = len(self.order)
            if entity.claim_status == "ready":
                heapq.heappush(self._ready[entity.queue, entity.group], key_of(entity))
            elif entity.claim_status == "delayed":
                heapq.heappush(self._delayed, (entity.ready_at, entity.id))
            if _urgent(entity):
                heapq.heappush(self._urgent, (entity.ready_at, entity.id))
        elif kind == "lease":
            if entity.ended_at is None:
                heapq.heappush(self._deadlines, (entity.expires_at, entity.id))
                self._live[entity.id] = None
            else:
                self._live.pop(entity.id, None)
        elif kind == "relationship":
            self._edges[entity.from_task_id][entity.id] = None
            self._edges[entity.to_task_id][entity.id] = None
        elif kind in _OF_TASKS:
            self._of_task[kind, entity.task_id][entity.id] = None

    # -- reading ---------------------------------------------------------------------------------------

    def by_task(self, task_id: str, after: int) -> Iterable[Event]:
        """The events of one task beyond a position."""
        return (self.events[position - 1] for position in self._positions.get(task_id, ()) if position > after)

    def shows(self, event: Event, scope: Scope) -> bool:
        """Whether an event is in scope; those of deleted tasks stay readable."""
        task = self.tasks.get(event.task_id) if event.task_id is not None else None
        return scope.queues is None or (task is not None and scope.sees(task.queue))

    def there(self, kind: str, entity: Any, scope: Scope) -> bool:  # noqa: ANN401 - one entity of any kind
        """Whether an entity's task, if it has one, is there and in scope."""
        return kind not in _OF_TASKS or exists(self.tasks[entity.task_id], scope)

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

    # The source of a task's parts, see `queries.Source`.

    def edges(self, task_id: str) -> list[Relationship]:
        """The relationships that touch a task."""
        return [self.relationships[key] for key in self._edges.get(task_id, ())]

    def some_tasks(self, task_ids: Collection[str]) -> list[Task]:
        """Tasks by id."""
        return _known(self.tasks, task_ids)

    def of_task(self, kind: str, task_id: str) -> list[Any]:
        """The entities of a kind that belong to a task."""
        return self._all_of(kind, (task_id,))

    def lease(self, lease_id: str) -> Lease:
        """A lease by id."""
        return self.leases[lease_id]

    def recent(self, task_id: str, limit: int) -> list[Event]:
        """The last events of a task, oldest first."""
        return [self.events[position - 1] for position in self._positions.get(task_id, [])[-limit:]]


def _key(kind: str, entity: Any) -> Any:  # noqa: ANN401 - one entity of any kind
    return getattr(entity, _KEYS.get(kind, "id"))


def _known(table: Mapping[Any, Any], keys: Iterable[Any]) -> list[Any]:
    """The rows of these keys, those that are there."""
    return [table[key] for key in keys if key in table]


def _urgent(task: Task) -> bool:
    return task.claim_status == "ready" and task.priority == "critical" and task.deleted_at is None


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
