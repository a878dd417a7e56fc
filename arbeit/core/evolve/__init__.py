"""State is a fold of facts: applies one fact to a view, asking no policy, no clock and no store."""

from __future__ import annotations

from arbeit.core.events import Fact
from arbeit.core.evolve.base import Stamp
from arbeit.core.later import Functions
from arbeit.core.view import View

__all__ = ["Stamp", "evolve"]

_APPLY = Functions(
    __name__,
    {
        "project_created": "setup.project_created",
        "project_updated": "setup.project_updated",
        "queue_set": "setup.queue_set",
        "agent_registered": "setup.agent_registered",
        "task_created": "tasks.task_created",
        "task_imported": "tasks.task_imported",
        "task_updated": "tasks.task_updated",
        "tasks_reranked": "tasks.tasks_reranked",
        "task_readied": "tasks.task_readied",
        "task_deleted": "tasks.task_deleted",
        "task_claimed": "tenures.task_claimed",
        "task_handed_over": "tenures.task_handed_over",
        "handoff_accepted": "tenures.handoff_accepted",
        "preempt_requested": "tenures.preempt_requested",
        "task_submitted": "tenures.task_submitted",
        "review_approved": "tenures.review_approved",
        "changes_requested": "tenures.changes_requested",
        "task_released": "tenures.task_released",
        "task_failed": "tenures.task_failed",
        "task_reclaimed": "tenures.task_reclaimed",
        "task_escalated": "tenures.task_escalated",
        "task_completed": "tenures.task_completed",
        "task_cancelled": "tenures.task_cancelled",
        "task_blocked": "tenures.task_blocked",
        "task_unblocked": "tenures.task_unblocked",
        "relationship_added": "notes.relationship_added",
        "relationship_imported": "notes.relationship_added",
        "relationship_removed": "notes.relationship_removed",
        "context_added": "notes.context_added",
        "context_superseded": "notes.context_superseded",
        "progress_added": "notes.progress_added",
        "progress_completed": "notes.progress_completed",
        "usage_reported": "records.usage_reported",
        "session_linked": "records.session_linked",
        "file_linked": "records.file_linked",
        "artifact_attached": "records.artifact_attached",
        "secret_set": "records.secret_set",
        "secret_used": "records.secret_used",
        "record_erased": "records.record_erased",
        "context_imported": "imports.context_imported",
        "progress_imported": "imports.progress_imported",
        "session_imported": "imports.session_imported",
        "file_imported": "imports.file_imported",
        "artifact_imported": "imports.artifact_imported",
        "run_imported": "imports.run_imported",
    },
)
"""What applies a fact, by tag."""


def evolve(view: View, fact: Fact, stamp: Stamp) -> None:
    """Apply a fact. Deterministic: the same facts in the same order give the same view."""
    _APPLY[fact.tag](view, fact, stamp)
