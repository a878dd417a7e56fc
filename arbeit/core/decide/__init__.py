"""From a command and a view to facts and a reply: pure, and a generator, so that each fact is applied at once."""

from __future__ import annotations

from arbeit.core.commands import Command
from arbeit.core.decide.base import Env, Need, Restored, Steps, unknown_actor
from arbeit.core.later import Functions
from arbeit.core.view import View

__all__ = ["Env", "Need", "Restored", "Steps", "decide", "unknown_actor"]

_DECIDE = Functions(
    __name__,
    {
        "project.create": "setup.create_project",
        "project.update": "setup.update_project",
        "queue.set": "setup.set_queue",
        "agent.register": "setup.register_agent",
        "task.create": "tasks.create_task",
        "task.update": "tasks.update_task",
        "task.import": "tasks.import_task",
        "task.claim": "grants.claim_tasks",
        "task.explain": "grants.explain_claim",
        "task.start": "grants.start_task",
        "task.resume": "grants.start_task",
        "lease.renew": "renewals.renew_lease",
        "leases.renew": "renewals.renew_leases",
        "task.release": "endings.release_task",
        "task.complete": "endings.complete_task",
        "task.fail": "endings.fail_task",
        "task.cancel": "endings.cancel_task",
        "task.block": "endings.block_task",
        "task.unblock": "endings.unblock_task",
        "task.handoff": "handing.handoff_task",
        "task.approve": "handing.approve_task",
        "task.request_changes": "handing.request_changes",
        "task.preempt": "preempting.preempt_task",
        "task.delete": "endings.delete_task",
        "record.erase": "records.erase_record",
        "project.rerank": "tasks.rerank_tasks",
        "run.usage": "records.report_usage",
        "session.link": "records.link_session",
        "file.link": "records.link_file",
        "artifact.attach": "records.attach_artifact",
        "secret.set": "records.set_secret",
        "secret.use": "records.use_secret",
        "sweep": "sweeping.sweep",
        "relationship.add": "edges.add_relationship",
        "relationship.remove": "edges.remove_relationship",
        "context.add": "notes.add_context",
        "context.supersede": "notes.supersede_context",
        "progress.add": "notes.add_progress",
        "progress.complete": "notes.complete_progress",
        "context.import": "imports.import_entry",
        "progress.import": "imports.import_item",
        "session.import": "imports.import_session",
        "file.import": "imports.import_file",
        "artifact.import": "imports.import_artifact",
        "run.import": "imports.import_run",
        "events.restore": "restoring.restore_events",
    },
)
"""What decides, by operation."""


def decide(view: View, command: Command, env: Env) -> Steps:
    """Begin the decision of one command."""
    return _DECIDE[command.operation](view, command, env)  # type: ignore[no-any-return]  # as every function there
