"""What is known of a task."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from arbeit.core.declare import frozen
from arbeit.core.model.base import EMPTY, EntryType, FileOperation, RelationType


@frozen(weakref_slot=False)
class ContextEntry:
    """Something learned or decided about a task; immutable but for being superseded."""

    id: str
    task_id: str
    type: EntryType
    content: str
    author: str
    created_at: int
    run_id: str | None = None
    metadata: Mapping[str, Any] = EMPTY
    evidence: tuple[str, ...] = ()
    superseded_by: str | None = None


@frozen(weakref_slot=False)
class ProgressItem:
    """One line of a task's checklist."""

    id: str
    task_id: str
    content: str
    position: int
    created_at: int
    completed: bool = False
    completed_at: int | None = None
    completed_by: str | None = None


@frozen(weakref_slot=False)
class Relationship:
    """A typed edge between two tasks of a project."""

    id: str
    from_task_id: str
    to_task_id: str
    type: RelationType
    created_at: int
    metadata: Mapping[str, Any] = EMPTY


@frozen(weakref_slot=False)
class SessionLink:
    """A session of some agent in which a task was worked on."""

    id: str
    task_id: str
    session_id: str
    created_at: int


@frozen(weakref_slot=False)
class FileLink:
    """A file that was read or written for a task."""

    id: str
    task_id: str
    path: str
    operation: FileOperation
    created_at: int
    session_id: str = ""


@frozen(weakref_slot=False)
class Artifact:
    """Bytes that a holder left as a result; stored once per content, found by their SHA-256. `size` in bytes."""

    id: str
    task_id: str
    name: str
    media_type: str
    size: int
    sha256: str
    uri: str
    fence: int
    created_at: int
    run_id: str | None = None


@frozen(weakref_slot=False)
class SecretRef:
    """Where a secret is found; never its value. Names are unique in a project."""

    id: str
    name: str
    provider: str
    path: str
    created_at: int
