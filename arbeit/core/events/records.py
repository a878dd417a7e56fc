"""Facts about what is known of a task."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from arbeit.core.declare import frozen
from arbeit.core.events.base import TaskFact
from arbeit.core.model import EMPTY


@frozen(weakref_slot=False, eq=False, repr=False, kw_only=True)
class ContextAdded(TaskFact):
    """Something was recorded about a task."""

    tag = "context_added"
    entry_id: str
    type: str
    content: str
    metadata: Mapping[str, Any] = EMPTY
    evidence: tuple[str, ...] = ()


@frozen(weakref_slot=False, eq=False, repr=False, kw_only=True)
class ContextSuperseded(TaskFact):
    """The entry `old_id` was replaced by a new one."""

    tag = "context_superseded"
    old_id: str
    entry_id: str
    type: str
    content: str


@frozen(weakref_slot=False, eq=False, repr=False, kw_only=True)
class ProgressAdded(TaskFact):
    """Lines were added to a checklist: (item id, text) in order, from `position` on."""

    tag = "progress_added"
    items: tuple[tuple[str, str], ...]
    position: int = 0
    completed: bool = False


@frozen(weakref_slot=False, eq=False, repr=False, kw_only=True)
class ProgressCompleted(TaskFact):
    """Lines of a checklist were ticked off."""

    tag = "progress_completed"
    item_ids: tuple[str, ...]


@frozen(weakref_slot=False, eq=False, repr=False, kw_only=True)
class UsageReported(TaskFact):
    """What a run used since its last report: counts to add, and `model`."""

    tag = "usage_reported"
    usage: Mapping[str, Any]


@frozen(weakref_slot=False, eq=False, repr=False, kw_only=True)
class SessionLinked(TaskFact):
    """A task was worked on in a session."""

    tag = "session_linked"
    link_id: str
    session_id: str


@frozen(weakref_slot=False, eq=False, repr=False, kw_only=True)
class FileLinked(TaskFact):
    """A file was read or written for a task."""

    tag = "file_linked"
    link_id: str
    path: str
    operation: str
    session_id: str = ""


@frozen(weakref_slot=False, eq=False, repr=False, kw_only=True)
class ArtifactAttached(TaskFact):
    """A holder left bytes as a result; `size` in bytes."""

    tag = "artifact_attached"
    artifact_id: str
    name: str
    media_type: str
    size: int
    sha256: str
    uri: str
    fence: int


@frozen(weakref_slot=False, eq=False, repr=False, kw_only=True)
class SecretUsed(TaskFact):
    """A holder was given the value of a secret."""

    tag = "secret_used"
    name: str


@frozen(weakref_slot=False, eq=False, repr=False, kw_only=True)
class RecordErased(TaskFact):
    """The text of one record is gone for good, here and in the `events` before this one that carried it.

    `events` are (position, digest of what their data is now); `runs` are those whose notes said the same.
    """

    tag = "record_erased"
    kind: str
    record_id: str
    reason: str = ""
    events: tuple[tuple[int, str], ...] = ()
    runs: tuple[str, ...] = ()
