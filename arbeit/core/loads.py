"""What a batch asks of a store, and what it is given: sets of keys, and rows."""

from __future__ import annotations

from arbeit.core.declare import define, field
from arbeit.core.model import (
    Agent,
    Artifact,
    ContextEntry,
    Event,
    FileLink,
    Group,
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


@define(weakref_slot=False)
class Reads:
    """What a batch must load, as sets of keys. `since` is the position up to which queues and groups are known.

    tasks: rows by id, each with its live lease and run. around: tasks whose edges are wanted, with the tasks at
    the other ends. items: tasks whose checklists are wanted. after: tasks whose edges are wanted, forward along
    "must end before", transitively. below: tasks whose descendants are wanted, with the edges between them.
    windows: how many of the least ready tasks of each group.
    overdue, delayed: how many leases past their deadline, and delayed tasks that are due, to bring.
    linked: tasks whose session and file links are wanted. secrets: by name; runs, artifacts: rows by id.
    urgent: how many of the critical ready tasks that have waited longest, with the live leases that began first (up to
    `LIVE_LEASES` of the ports), their tasks, runs and agents. ready_after: (task id, count) of ready tasks in the order
    of their ids, beyond that one.
    ids: (kind, id) of relationships, items, sessions and files that may be there. live: every live lease, with its run.
    events_of: tasks whose events are wanted. about: ids; the receipts whose reply contains one of them are wanted.
    """

    tasks: set[str] = field(factory=set)
    around: set[str] = field(factory=set)
    agents: set[str] = field(factory=set)
    entries: set[str] = field(factory=set)
    items: set[str] = field(factory=set)
    receipts: set[tuple[str, str, str]] = field(factory=set)
    after: set[str] = field(factory=set)
    below: set[str] = field(factory=set)
    windows: dict[tuple[str, str], int] = field(factory=dict)
    overdue: int = 0
    delayed: int = 0
    since: int | None = None
    linked: set[str] = field(factory=set)
    secrets: set[str] = field(factory=set)
    runs: set[str] = field(factory=set)
    artifacts: set[str] = field(factory=set)
    urgent: int = 0
    ready_after: tuple[str, int] | None = None
    events_of: set[str] = field(factory=set)
    about: set[str] = field(factory=set)
    ids: set[tuple[str, str]] = field(factory=set)
    live: bool = False


@define(weakref_slot=False)
class Rows:
    """What a store loaded for some reads. `now` is the store's clock under the lock, in microseconds."""

    now: int = 0
    project: Project | None = None
    queues: list[Queue] = field(factory=list)
    groups: list[Group] = field(factory=list)
    agents: list[Agent] = field(factory=list)
    tasks: list[Task] = field(factory=list)
    leases: list[Lease] = field(factory=list)
    runs: list[Run] = field(factory=list)
    relationships: list[Relationship] = field(factory=list)
    entries: list[ContextEntry] = field(factory=list)
    items: list[ProgressItem] = field(factory=list)
    receipts: list[Receipt] = field(factory=list)
    windows: dict[tuple[str, str], list[Task]] = field(factory=dict)
    after: set[str] = field(factory=set)
    overdue: list[tuple[int, str]] = field(factory=list)
    delayed: list[Task] = field(factory=list)
    sessions: list[SessionLink] = field(factory=list)
    files: list[FileLink] = field(factory=list)
    secrets: list[SecretRef] = field(factory=list)
    artifacts: list[Artifact] = field(factory=list)
    urgent: list[Task] = field(factory=list)
    ready: list[Task] = field(factory=list)
    events: list[Event] = field(factory=list)
    about: list[Receipt] = field(factory=list)
