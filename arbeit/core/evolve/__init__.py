"""State is a fold of facts: applies one fact to a view, asking no policy, no clock and no store."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from arbeit.core import events as e
from arbeit.core.evolve import imports, notes, records, setup, tasks, tenures
from arbeit.core.evolve.base import Stamp
from arbeit.core.view import View

__all__ = ["Stamp", "evolve"]

_APPLY: Mapping[type[e.Fact], Callable[[View, Any, Stamp], None]] = {
    e.ProjectCreated: setup.project_created,
    e.ProjectUpdated: setup.project_updated,
    e.QueueSet: setup.queue_set,
    e.AgentRegistered: setup.agent_registered,
    e.TaskCreated: tasks.task_created,
    e.TaskImported: tasks.task_imported,
    e.TaskUpdated: tasks.task_updated,
    e.TasksReranked: tasks.tasks_reranked,
    e.TaskReadied: tasks.task_readied,
    e.TaskDeleted: tasks.task_deleted,
    e.TaskClaimed: tenures.task_claimed,
    e.TaskHandedOver: tenures.task_handed_over,
    e.HandoffAccepted: tenures.handoff_accepted,
    e.PreemptRequested: tenures.preempt_requested,
    e.TaskSubmitted: tenures.task_submitted,
    e.ReviewApproved: tenures.review_approved,
    e.ChangesRequested: tenures.changes_requested,
    e.TaskReleased: tenures.task_released,
    e.TaskFailed: tenures.task_failed,
    e.TaskReclaimed: tenures.task_reclaimed,
    e.TaskEscalated: tenures.task_escalated,
    e.TaskCompleted: tenures.task_completed,
    e.TaskCancelled: tenures.task_cancelled,
    e.TaskBlocked: tenures.task_blocked,
    e.TaskUnblocked: tenures.task_unblocked,
    e.RelationshipAdded: notes.relationship_added,
    e.RelationshipImported: notes.relationship_added,
    e.RelationshipRemoved: notes.relationship_removed,
    e.ContextAdded: notes.context_added,
    e.ContextSuperseded: notes.context_superseded,
    e.ProgressAdded: notes.progress_added,
    e.ProgressCompleted: notes.progress_completed,
    e.UsageReported: records.usage_reported,
    e.SessionLinked: records.session_linked,
    e.FileLinked: records.file_linked,
    e.ArtifactAttached: records.artifact_attached,
    e.SecretSet: records.secret_set,
    e.SecretUsed: records.secret_used,
    e.RecordErased: records.record_erased,
    e.ContextImported: imports.context_imported,
    e.ProgressImported: imports.progress_imported,
    e.SessionImported: imports.session_imported,
    e.FileImported: imports.file_imported,
    e.ArtifactImported: imports.artifact_imported,
    e.RunImported: imports.run_imported,
}


def evolve(view: View, fact: e.Fact, stamp: Stamp) -> None:
    """Apply a fact. Deterministic: the same facts in the same order give the same view."""
    _APPLY[type(fact)](view, fact, stamp)
