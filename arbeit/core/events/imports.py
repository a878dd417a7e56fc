"""Facts about what was taken over from elsewhere: its times and authors are data, and no task counts as changed now."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from arbeit.core.declare import frozen
from arbeit.core.events.base import TaskFact
from arbeit.core.model import EMPTY


@frozen(weakref_slot=False, eq=False, repr=False, kw_only=True)
class ContextImported(TaskFact):
    """A context entry was taken over. `superseded_by` is what the source says, and may name one that comes later."""

    tag = "context_imported"
    entry_id: str
    type: str
    content: str
    author: str = ""
    created_at: int
    metadata: Mapping[str, Any] = EMPTY
    evidence: tuple[str, ...] = ()
    superseded_by: str | None = None
    source_run: str | None = None


@frozen(weakref_slot=False, eq=False, repr=False, kw_only=True)
class ProgressImported(TaskFact):
    """A line of a checklist was taken over, to stand at `position`."""

    tag = "progress_imported"
    item_id: str
    content: str
    position: int = 0
    completed: bool = False
    created_at: int
    completed_at: int | None = None
    completed_by: str | None = None


@frozen(weakref_slot=False, eq=False, repr=False, kw_only=True)
class SessionImported(TaskFact):
    """A session link was taken over."""

    tag = "session_imported"
    link_id: str
    session_id: str
    created_at: int


@frozen(weakref_slot=False, eq=False, repr=False, kw_only=True)
class FileImported(TaskFact):
    """A file link was taken over."""

    tag = "file_imported"
    link_id: str
    path: str
    operation: str
    session_id: str = ""
    created_at: int


@frozen(weakref_slot=False, eq=False, repr=False, kw_only=True)
class ArtifactImported(TaskFact):
    """What is known of an artifact was taken over; `size` in bytes."""

    tag = "artifact_imported"
    artifact_id: str
    name: str
    media_type: str
    size: int
    sha256: str
    uri: str
    created_at: int
    source_run: str | None = None


@frozen(weakref_slot=False, eq=False, repr=False, kw_only=True)
class RunImported(TaskFact):
    """A run that ended elsewhere was taken over; the event's `run_id` is its own."""

    tag = "run_imported"
    agent_id: str
    attempt: int
    session_id: str = ""
    started_at: int
    ended_at: int
    result: str
    note: str = ""
    usage: Mapping[str, Any] = EMPTY
