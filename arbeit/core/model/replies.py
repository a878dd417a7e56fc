"""What commands answer."""

from __future__ import annotations

from arbeit.core.declare import frozen
from arbeit.core.errors import Rejection
from arbeit.core.model.records import (
    Artifact,
    ContextEntry,
    FileLink,
    ProgressItem,
    Relationship,
    SecretRef,
    SessionLink,
)
from arbeit.core.model.work import Agent, Lease, Project, Queue, Run, Task


@frozen(weakref_slot=False)
class Grant:
    """What a claimer receives: the task, its lease and its run."""

    task: Task
    lease: Lease
    run: Run


@frozen(weakref_slot=False)
class Notice:
    """Something worth knowing that rides beside a success."""

    code: str
    message: str


@frozen(weakref_slot=False)
class Passed:
    """A queue that a pick passed over, why, its start tag and how many ready tasks it holds."""

    queue: str
    reason: str
    start: int
    ready: int


@frozen(weakref_slot=False)
class Explanation:
    """Why a claimer gets what it gets, or nothing.

    `start` is the start tag of the queue served, in the project's virtual time; `candidates` are the heads of
    that queue's groups that the claimer may take, as (requirement set, task id, rank): the least rank wins.
    """

    virtual_time: int
    task_id: str | None = None
    queue: str | None = None
    start: int | None = None
    rank: int | None = None
    candidates: tuple[tuple[str, str, int], ...] = ()
    passed: tuple[Passed, ...] = ()


@frozen(weakref_slot=False)
class Renewal:
    """What became of one lease among many that were to be renewed: its new deadline, or why it has none."""

    task_id: str
    expires_at: int | None = None
    warnings: tuple[Notice, ...] = ()
    refused: Rejection | None = None


@frozen(weakref_slot=False)
class Reply:
    """The answer to a command: the entities it made or changed, as they stood right after it."""

    project: Project | None = None
    queue: Queue | None = None
    agent: Agent | None = None
    task: Task | None = None
    grants: tuple[Grant, ...] = ()
    relationship: Relationship | None = None
    run: Run | None = None
    session: SessionLink | None = None
    file: FileLink | None = None
    artifact: Artifact | None = None
    secret: SecretRef | None = None
    entries: tuple[ContextEntry, ...] = ()
    items: tuple[ProgressItem, ...] = ()
    expires_at: int | None = None
    explanation: Explanation | None = None
    count: int = 0
    cursor: str | None = None
    warnings: tuple[Notice, ...] = ()
    renewals: tuple[Renewal, ...] = ()
