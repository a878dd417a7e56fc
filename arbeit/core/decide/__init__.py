"""From a command and a view to facts and a reply: pure, and a generator, so that each fact is applied at once."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from arbeit.core import commands as c
from arbeit.core.decide.base import Env, Need, Restored, Steps, unknown_actor
from arbeit.core.decide.edges import add_relationship, remove_relationship
from arbeit.core.decide.endings import (
    block_task,
    cancel_task,
    complete_task,
    delete_task,
    fail_task,
    release_task,
    unblock_task,
)
from arbeit.core.decide.grants import claim_tasks, explain_claim, renew_lease, start_task, sweep
from arbeit.core.decide.handing import approve_task, handoff_task, request_changes
from arbeit.core.decide.imports import (
    import_artifact,
    import_entry,
    import_file,
    import_item,
    import_run,
    import_session,
)
from arbeit.core.decide.notes import add_context, add_progress, complete_progress, supersede_context
from arbeit.core.decide.preempting import preempt_task
from arbeit.core.decide.records import (
    attach_artifact,
    erase_record,
    link_file,
    link_session,
    report_usage,
    set_secret,
    use_secret,
)
from arbeit.core.decide.restoring import restore_events
from arbeit.core.decide.setup import create_project, register_agent, set_queue, update_project
from arbeit.core.decide.tasks import create_task, import_task, rerank_tasks, update_task
from arbeit.core.view import View

__all__ = ["Env", "Need", "Restored", "Steps", "decide", "unknown_actor"]

_DECIDE: Mapping[type[c.Command], Callable[[View, Any, Env], Steps]] = {
    c.CreateProject: create_project,
    c.UpdateProject: update_project,
    c.SetQueue: set_queue,
    c.RegisterAgent: register_agent,
    c.CreateTask: create_task,
    c.UpdateTask: update_task,
    c.ImportTask: import_task,
    c.ClaimTasks: claim_tasks,
    c.ExplainClaim: explain_claim,
    c.StartTask: start_task,
    c.ResumeTask: start_task,
    c.RenewLease: renew_lease,
    c.ReleaseTask: release_task,
    c.CompleteTask: complete_task,
    c.FailTask: fail_task,
    c.CancelTask: cancel_task,
    c.BlockTask: block_task,
    c.UnblockTask: unblock_task,
    c.HandoffTask: handoff_task,
    c.ApproveTask: approve_task,
    c.RequestChanges: request_changes,
    c.PreemptTask: preempt_task,
    c.DeleteTask: delete_task,
    c.EraseRecord: erase_record,
    c.RerankTasks: rerank_tasks,
    c.ReportUsage: report_usage,
    c.LinkSession: link_session,
    c.LinkFile: link_file,
    c.AttachArtifact: attach_artifact,
    c.SetSecret: set_secret,
    c.UseSecret: use_secret,
    c.Sweep: sweep,
    c.AddRelationship: add_relationship,
    c.RemoveRelationship: remove_relationship,
    c.AddContext: add_context,
    c.SupersedeContext: supersede_context,
    c.AddProgress: add_progress,
    c.CompleteProgress: complete_progress,
    c.ImportEntry: import_entry,
    c.ImportItem: import_item,
    c.ImportSession: import_session,
    c.ImportFile: import_file,
    c.ImportArtifact: import_artifact,
    c.ImportRun: import_run,
    c.RestoreEvents: restore_events,
}


def decide(view: View, command: c.Command, env: Env) -> Steps:
    """Begin the decision of one command."""
    return _DECIDE[type(command)](view, command, env)
