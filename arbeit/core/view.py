"""The part of a project that a batch has loaded: what decisions read and facts change.

A view holds immutable entities in mutable tables. A key that maps to None is known to be absent; a key that is
missing was never loaded. What a batch changed is kept apart, so that a store can write it and nothing else.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from typing import Any

from arbeit.core.fairness import Schedule, Window, key_of
from arbeit.core.loads import Reads, Rows
from arbeit.core.model import (
    Agent,
    Artifact,
    Beat,
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
from arbeit.core.record import change

KINDS = (
    "project",
    "queue",
    "group",
    "agent",
    "task",
    "lease",
    "run",
    "relationship",
    "entry",
    "item",
    "session",
    "file",
    "artifact",
    "secret",
)

_GROWN = 100_000
"""Cached rows beyond which a view is started afresh; a bound on memory, not a rule."""


class View:
    """Everything a batch knows of one project."""

    def __init__(self, project_key: str, head: Head | None = None, *, whole: bool = False) -> None:
        self.key = project_key
        self.now = 0
        self.whole = whole
        """Whether this view holds the entire project, as a fold from the first event does."""
        self.since: int | None = None
        self.schedule = Schedule()
        self._clear(head or Head())

    def _clear(self, head: Head) -> None:
        self.head = head
        self.project: Project | None = None
        self.agents: dict[str, Agent | None] = {}
        self.tasks: dict[str, Task | None] = {}
        self.leases: dict[str, Lease | None] = {}
        self.runs: dict[str, Run | None] = {}
        self.relationships: dict[str, Relationship | None] = {}
        self.entries: dict[str, ContextEntry | None] = {}
        self.items: dict[str, dict[str, ProgressItem]] = {}
        self.links: defaultdict[str, dict[str, Relationship]] = defaultdict(dict)
        self.receipts: dict[tuple[str, str, str], Receipt] = {}
        self.sessions: dict[str, SessionLink | None] = {}
        self.files: dict[str, FileLink | None] = {}
        self.owners: dict[str, str | None] = {}
        """By checklist line: its task."""
        self.joined: dict[tuple[str, ...], SessionLink | FileLink] = {}
        """Session and file links by what makes them one: task and session, or task, path, operation and session."""
        self.artifacts: dict[str, Artifact | None] = {}
        self.secrets: dict[str, SecretRef | None] = {}
        self.linked: set[str] = set()
        self.around: set[str] = set()
        self.after: set[str] = set()
        self.below: set[str] = set()
        self.overdue: list[tuple[int, str]] = []
        self.delayed: list[str] = []
        self.begin()

    def begin(self) -> None:
        """Start a batch: nothing is changed yet."""
        self.new: dict[str, dict[Any, Any]] = {kind: {} for kind in KINDS}
        self.changed: dict[str, dict[Any, Any]] = {kind: {} for kind in KINDS}
        self.gone: dict[str, dict[Any, Any]] = {}
        self.beats: dict[str, Beat] = {}
        self.receipts = {}
        self.overdue, self.delayed = [], []
        self.urgent: list[str] | None = None
        """The critical ready tasks that have waited longest, where a batch asked for them."""
        self.ready: list[str] = []
        self.ready_asked: tuple[str, int] | None = None
        """Which slice of the ready tasks `ready` is."""
        self.events: list[Event] = []
        self.about: list[Receipt] = []
        self.erased: dict[int, str] = {}
        self.reissued: list[Receipt] = []
        self.reworded: set[str] = set()
        self._synced = False

    # -- loading ---------------------------------------------------------------------------------------

    def stands_at(self, head: Head) -> bool:
        """Keep what is still true at a head; whether every cached row is. Queues and groups are synced by position."""
        if self.head.position == head.position and self.head.hash == head.hash and self._rows() < _GROWN:
            self.head = head
            return True
        moved = self.head.position != head.position or self.head.hash != head.hash
        if not moved or (self.since is not None and self.since > head.position):
            # Grown too large, or a log that went back (a restored file): begin anew.
            self.since, self.schedule = None, Schedule()
        self._clear(head)
        self.schedule.virtual_time = head.virtual_time
        return False

    def _rows(self) -> int:
        return (
            len(self.tasks)
            + len(self.leases)
            + len(self.relationships)
            + len(self.entries)
            + len(self.runs)
            + len(self.joined)
        )

    def missing(self, reads: Reads) -> Reads:
        """What of these reads is not known yet."""
        known_items = self.items
        return Reads(
            tasks={key for key in reads.tasks if key not in self.tasks or self._unheld(key)},
            around=reads.around - self.around,
            agents={key for key in reads.agents if key not in self.agents},
            entries={key for key in reads.entries if key not in self.entries},
            items={key for key in reads.items if key not in known_items},
            receipts={key for key in reads.receipts if key not in self.receipts},
            after=reads.after - self.after,
            below=reads.below - self.below,
            windows=reads.windows,
            overdue=reads.overdue,
            delayed=reads.delayed,
            since=None if self._synced else -1 if self.since is None else self.since,
            linked=reads.linked - self.linked,
            secrets={key for key in reads.secrets if key not in self.secrets},
            runs={key for key in reads.runs if key not in self.runs},
            artifacts={key for key in reads.artifacts if key not in self.artifacts},
            urgent=reads.urgent,
            ready_after=reads.ready_after,
            events_of=reads.events_of,
            about=reads.about,
            ids={key for key in reads.ids if key[1] not in self._by_id(key[0])},
            live=reads.live,
        )

    def _by_id(self, kind: str) -> dict[str, Any]:
        """A table in which an id may be sought that is known by its kind alone."""
        return getattr(self, _BY_ID[kind])  # type: ignore[no-any-return]  # every table is a dict

    def _unheld(self, task_id: str) -> bool:
        task = self.tasks[task_id]
        return task is not None and task.lease_id is not None and task.lease_id not in self.leases

    def absorb(self, rows: Rows, reads: Reads) -> None:
        """Learn what was loaded. What this view already knows is newer, and stays."""
        self.now = max(rows.now, self.head.at)
        if self.project is None:
            self.project = rows.project
        if reads.since is not None:
            self._absorb_schedule(rows)
        self._absorb_entities(rows)
        self._absorb_items(rows.items, reads.items)
        for receipt in rows.receipts:
            self.receipts[receipt.actor, receipt.operation, receipt.key] = receipt
        self._note_absent(reads)
        self.around |= reads.around
        self.after |= rows.after
        self.below |= reads.below
        for group, tasks in rows.windows.items():
            self._absorb_window(group, tasks, complete=len(tasks) < reads.windows[group])
        if reads.overdue:
            self.overdue = rows.overdue
        if reads.delayed:
            self.delayed = self._absorb_tasks(rows.delayed)
        if reads.urgent:
            self.urgent = self._absorb_tasks(rows.urgent)
        if reads.ready_after is not None:
            self.ready = self._absorb_tasks(rows.ready)
            self.ready_asked = reads.ready_after
        if reads.events_of:
            self.events = rows.events
        if reads.about:
            self.about = rows.about

    def _absorb_tasks(self, tasks: list[Task]) -> list[str]:
        for task in tasks:
            self.tasks.setdefault(task.id, task)
        return [task.id for task in tasks]

    def _absorb_entities(self, rows: Rows) -> None:
        for task in rows.tasks:
            self.tasks.setdefault(task.id, task)
        for lease in rows.leases:
            self.leases.setdefault(lease.id, lease)
        for run in rows.runs:
            self.runs.setdefault(run.id, run)
        for agent in rows.agents:
            self.agents.setdefault(agent.id, agent)
        for entry in rows.entries:
            self.entries.setdefault(entry.id, entry)
        for edge in rows.relationships:
            if edge.id not in self.relationships:
                self._link(edge)
        links: list[SessionLink | FileLink] = [*rows.sessions, *rows.files]
        for link in links:
            self._join(link)
        for artifact in rows.artifacts:
            self.artifacts.setdefault(artifact.id, artifact)
        for secret in rows.secrets:
            self.secrets.setdefault(secret.name, secret)

    def _absorb_schedule(self, rows: Rows) -> None:
        for queue in rows.queues:
            if queue.name not in self.changed["queue"] and queue.name not in self.new["queue"]:
                self.schedule.put_queue(queue)
        for group in rows.groups:
            if group.key not in self.changed["group"] and group.key not in self.new["group"]:
                self.schedule.forget(group.key)
                self.schedule.put_group(group)
        self.schedule.virtual_time = self.head.virtual_time
        self.since = self.head.position
        # Once a batch: what the batch does to the scheduler afterwards is newer than the store.
        self._synced = True

    def _absorb_items(self, items: Iterable[ProgressItem], asked: set[str]) -> None:
        fresh = {task_id: self.items.setdefault(task_id, {}) for task_id in asked if task_id not in self.items}
        for item in items:
            self.owners[item.id] = item.task_id
            if item.task_id in fresh:
                fresh[item.task_id][item.id] = item

    def _absorb_window(self, group: tuple[str, str], loaded: list[Task], *, complete: bool) -> None:
        for task in loaded:
            self.tasks.setdefault(task.id, task)
        names = {task.id for task in loaded}
        names.update(key for kind in (self.new, self.changed) for key in kind["task"])
        here = (self.tasks[name] for name in names)
        keys = sorted(
            key_of(task)
            for task in here
            if task is not None and task.claim_status == "ready" and (task.queue, task.group) == group
        )
        if not complete:
            bound = key_of(loaded[-1])
            keys = [key for key in keys if key <= bound]
        self.schedule.windows[group] = Window(keys, complete=complete)

    def _note_absent(self, reads: Reads) -> None:
        for key in reads.tasks:
            self.tasks.setdefault(key, None)
        for key in reads.agents:
            self.agents.setdefault(key, None)
        for key in reads.entries:
            self.entries.setdefault(key, None)
        for key in reads.secrets:
            self.secrets.setdefault(key, None)
        for key in reads.artifacts:
            self.artifacts.setdefault(key, None)
        for key in reads.runs:
            self.runs.setdefault(key, None)
        for kind, key in reads.ids:
            self._by_id(kind).setdefault(key, None)
        self.linked |= reads.linked

    # -- reading ---------------------------------------------------------------------------------------

    def task(self, task_id: str) -> Task:
        """A task that is known to exist."""
        task = self.tasks[task_id]
        assert task is not None  # noqa: S101 - decide checks existence first; evolve is given facts
        return task

    def lease(self, lease_id: str) -> Lease:
        """A lease that is known to exist."""
        lease = self.leases[lease_id]
        assert lease is not None  # noqa: S101 - a task that names a lease was loaded with it
        return lease

    def run(self, run_id: str) -> Run:
        """A run that is known to exist."""
        run = self.runs[run_id]
        assert run is not None  # noqa: S101 - a lease that names a run was loaded with it
        return run

    def agent(self, agent_id: str) -> Agent | None:
        """An agent, if it is known."""
        return self.agents.get(agent_id)

    def edges(self, task_id: str) -> Iterable[Relationship]:
        """The relationships that touch a task, among those loaded."""
        return self.links[task_id].values() if task_id in self.links else ()

    # -- writing ---------------------------------------------------------------------------------------

    def put(self, kind: str, key: Any, entity: Any) -> None:  # noqa: ANN401 - kinds have keys and classes of their own
        """Store an entity's new state."""
        table = self._table(kind)
        if key in self.new[kind] or table.get(key) is None:
            self.new[kind][key] = entity
        else:
            self.changed[kind][key] = entity
        table[key] = entity

    def put_project(self, project: Project) -> None:
        """Store the project's new state."""
        (self.new if self.new["project"] else self.changed)["project"][project.key] = project
        self.project = project

    def put_queue(self, queue: Queue) -> None:
        """Store a queue's new state."""
        known = queue.name in self.schedule.queues and queue.name not in self.new["queue"]
        (self.changed if known else self.new)["queue"][queue.name] = queue
        self.schedule.put_queue(queue)

    def put_item(self, item: ProgressItem) -> None:
        """Store a checklist line's new state."""
        table = self.items.setdefault(item.task_id, {})
        known = item.id in table and item.id not in self.new["item"]
        (self.changed if known else self.new)["item"][item.id] = item
        table[item.id] = item
        self.owners[item.id] = item.task_id

    def put_task(self, old: Task | None, task: Task) -> None:
        """Store a task's new state, and keep the scheduler's counts and windows true to it."""
        self.put("task", task.id, task)
        if old is not None and (
            # Copies share what they did not change, so identity tells.
            old.title is not task.title or old.intent is not task.intent or old.description is not task.description
        ):
            self.reworded.add(task.id)
        was_ready = old is not None and old.claim_status == "ready"
        is_ready = task.claim_status == "ready"
        if was_ready and old is not None:
            self.schedule.remove(old)
        if is_ready:
            self.schedule.add(task)
        if old is None or (old.queue, old.group) != (task.queue, task.group):
            if old is not None:
                self._count(old, -was_ready, -(old.claim_status == "held"))
            self._count(task, int(is_ready), int(task.claim_status == "held"))
            return
        self._count(task, is_ready - was_ready, (task.claim_status == "held") - (old.claim_status == "held"))
        if was_ready and is_ready and key_of(old) != key_of(task):
            # The count stays, the order does not: whoever has a window on this group must see that it was touched.
            self._put_group(self.schedule.groups[task.queue, task.group])

    def _put_group(self, group: Group) -> None:
        known = group.key in self.schedule.groups and group.key not in self.new["group"]
        (self.changed if known else self.new)["group"][group.key] = group
        self.schedule.put_group(group)

    def _count(self, task: Task, ready: int, running: int) -> None:
        if ready:
            key = (task.queue, task.group)
            group = self.schedule.groups.get(key) or Group(*key)
            grown = change(group, ready=group.ready + ready)
            if grown.ready == 1 and ready == 1 and key not in self.schedule.windows:
                # The only ready task of its group is this one, so the window is known without a load.
                self.schedule.windows[key] = Window([key_of(task)], complete=True)
            self._put_group(grown)
        if ready or running:
            queue = self.schedule.queues[task.queue]
            self.put_queue(change(queue, ready=queue.ready + ready, in_progress=queue.in_progress + running))

    def add_link(self, edge: Relationship) -> None:
        """Store a new relationship."""
        self.new["relationship"][edge.id] = edge
        self._link(edge)

    def remove_link(self, edge: Relationship) -> None:
        """Forget a relationship."""
        if self.new["relationship"].pop(edge.id, None) is None:
            self.gone.setdefault("relationship", {})[edge.id] = edge
        self.relationships[edge.id] = None
        self.links[edge.from_task_id].pop(edge.id, None)
        self.links[edge.to_task_id].pop(edge.id, None)

    def put_link(self, link: SessionLink | FileLink) -> None:
        """Store a new session or file link."""
        self.new["session" if isinstance(link, SessionLink) else "file"][link.id] = link
        self._join(link)

    def _join(self, link: SessionLink | FileLink) -> None:
        if isinstance(link, SessionLink):
            self.sessions[link.id] = link
            self.joined[link.task_id, link.session_id] = link
        else:
            self.files[link.id] = link
            self.joined[link.task_id, link.path, link.operation, link.session_id] = link

    def _link(self, edge: Relationship) -> None:
        self.relationships[edge.id] = edge
        self.links[edge.from_task_id][edge.id] = edge
        self.links[edge.to_task_id][edge.id] = edge

    def beat(self, lease: Lease, ttl: int | None = None) -> int:
        """Renew a lease from now on, as far as it may be renewed; the new deadline."""
        expires_at = self.now + (ttl or lease.ttl)
        if lease.ends_by is not None and lease.ends_by < expires_at:
            expires_at = lease.ends_by
        self.beats[lease.id] = Beat(lease.id, expires_at, self.now)
        return expires_at

    def extend(self, lease: Lease, expires_at: int) -> None:
        """Move a lease's deadline to this moment, as far as it may be moved; no sign of life is told of."""
        until = expires_at if lease.ends_by is None else min(expires_at, lease.ends_by)
        self.bound(lease, max(until, lease.expires_at))

    def bound(self, lease: Lease, expires_at: int) -> None:
        """Have a lease end at this moment, whatever was said before; a sign of life in this batch stays one."""
        before = self.beats.get(lease.id)
        self.beats[lease.id] = Beat(lease.id, expires_at, None if before is None else before.heartbeat_at)

    def _table(self, kind: str) -> dict[Any, Any]:
        return getattr(self, _TABLES[kind])  # type: ignore[no-any-return]  # every table is a dict


_TABLES = {
    "agent": "agents",
    "task": "tasks",
    "lease": "leases",
    "run": "runs",
    "entry": "entries",
    "artifact": "artifacts",
    "secret": "secrets",
}
_BY_ID = {"relationship": "relationships", "item": "owners", "session": "sessions", "file": "files"}
