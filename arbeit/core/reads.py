"""What each command must have loaded before it can be decided."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any

from arbeit.core import commands as c
from arbeit.core.loads import Reads


def reads(commands: Iterable[c.Command]) -> Reads:
    """The union of what these commands need."""
    wanted = Reads()
    for command in commands:
        _READS[command.operation](command, wanted)
        if command.idempotency_key is not None:
            wanted.receipts.add((command.actor, command.operation, command.idempotency_key))
    return wanted


def _nothing(_command: c.Command, _wanted: Reads) -> None:
    """Projects and queues are loaded with every batch."""


def _agent(command: c.RegisterAgent, wanted: Reads) -> None:
    wanted.agents.add(command.agent_id)


def _create(command: c.CreateTask, wanted: Reads) -> None:
    if command.task_id is not None:
        wanted.tasks.add(command.task_id)
    wanted.tasks.update(command.blocked_by)
    if command.parent_id is not None:
        wanted.tasks.add(command.parent_id)
        if command.blocked_by:
            wanted.after.add(command.parent_id)


def _task(command: Any, wanted: Reads) -> None:  # noqa: ANN401 - any command about one task
    wanted.tasks.add(command.task_id)


def _renewals(command: c.RenewLeases, wanted: Reads) -> None:
    wanted.tasks.update([item.task_id for item in command.items])


def _claim(command: c.ClaimTasks, wanted: Reads) -> None:
    wanted.agents.add(command.agent)


def _start(command: c.StartTask, wanted: Reads) -> None:
    wanted.agents.add(command.agent)
    wanted.tasks.add(command.task_id)
    wanted.around.add(command.task_id)


def _release(command: c.ReleaseTask | c.FailTask | c.RequestChanges, wanted: Reads) -> None:
    wanted.tasks.add(command.task_id)
    wanted.agents.add(command.actor)
    if command.then_claim is not None:
        _claim(command.then_claim, wanted)


def _end(command: c.CompleteTask | c.CancelTask | c.ApproveTask, wanted: Reads) -> None:
    wanted.tasks.add(command.task_id)
    wanted.around.add(command.task_id)
    wanted.agents.add(command.actor)
    if not isinstance(command, c.CancelTask) and command.then_claim is not None:
        _claim(command.then_claim, wanted)


def _handoff(command: c.HandoffTask, wanted: Reads) -> None:
    wanted.tasks.add(command.task_id)
    wanted.agents.update((command.actor, command.to_agent))


def _preempt(command: c.PreemptTask, wanted: Reads) -> None:
    wanted.tasks.add(command.task_id)
    wanted.agents.add(command.actor)


def _delete(command: c.DeleteTask, wanted: Reads) -> None:
    wanted.tasks.add(command.task_id)
    wanted.around.add(command.task_id)


def _erase(command: c.EraseRecord, wanted: Reads) -> None:
    wanted.agents.add(command.actor)
    of_kind = {"task": wanted.tasks, "entry": wanted.entries, "artifact": wanted.artifacts}
    of_kind.get(command.kind, set()).add(command.record_id)


def _rerank(command: c.RerankTasks, wanted: Reads) -> None:
    wanted.ready_after = (command.after, command.limit)


def _linked(command: c.LinkSession | c.LinkFile, wanted: Reads) -> None:
    wanted.tasks.add(command.task_id)
    wanted.linked.add(command.task_id)


def _secret(command: c.SetSecret, wanted: Reads) -> None:
    wanted.secrets.add(command.name)


def _use(command: c.UseSecret, wanted: Reads) -> None:
    wanted.tasks.add(command.task_id)
    wanted.secrets.add(command.name)


def _block(command: c.BlockTask, wanted: Reads) -> None:
    wanted.tasks.add(command.task_id)
    wanted.tasks.update(command.blocked_by)
    wanted.agents.add(command.actor)


def _edge(command: c.AddRelationship | c.RemoveRelationship, wanted: Reads) -> None:
    ends = (command.from_task_id, command.to_task_id)
    wanted.tasks.update(ends)
    wanted.around.update(ends)


def _import_edge(command: c.AddRelationship, wanted: Reads) -> None:
    _edge(command, wanted)
    if command.relationship_id is not None:
        wanted.ids.add(("relationship", command.relationship_id))


def _import_entry(command: c.ImportEntry, wanted: Reads) -> None:
    wanted.tasks.add(command.task_id)
    wanted.entries.add(command.entry_id)


def _import_item(command: c.ImportItem, wanted: Reads) -> None:
    wanted.tasks.add(command.task_id)
    wanted.items.add(command.task_id)
    wanted.ids.add(("item", command.item_id))


def _import_link(command: c.ImportSession | c.ImportFile, wanted: Reads) -> None:
    wanted.tasks.add(command.task_id)
    wanted.linked.add(command.task_id)
    if command.link_id is not None:
        wanted.ids.add(("session" if isinstance(command, c.ImportSession) else "file", command.link_id))


def _import_artifact(command: c.ImportArtifact, wanted: Reads) -> None:
    wanted.tasks.add(command.task_id)
    wanted.artifacts.add(command.artifact_id)


def _import_run(command: c.ImportRun, wanted: Reads) -> None:
    wanted.tasks.add(command.task_id)
    wanted.runs.add(command.run_id)


def _supersede(command: c.SupersedeContext, wanted: Reads) -> None:
    wanted.entries.add(command.entry_id)


def _items(command: c.AddProgress | c.CompleteProgress, wanted: Reads) -> None:
    wanted.tasks.add(command.task_id)
    wanted.items.add(command.task_id)


def _sweep(command: c.Sweep, wanted: Reads) -> None:
    wanted.overdue = max(wanted.overdue, command.limit)
    wanted.delayed = max(wanted.delayed, command.limit)


_READS: Mapping[str, Callable[[Any, Reads], None]] = {
    "project.create": _nothing,
    "project.update": _nothing,
    "queue.set": _nothing,
    "agent.register": _agent,
    "task.create": _create,
    "task.update": _task,
    "task.import": _task,
    "task.claim": _claim,
    "task.explain": _claim,
    "task.start": _start,
    "task.resume": _start,
    "lease.renew": _task,
    "leases.renew": _renewals,
    "task.release": _release,
    "task.complete": _end,
    "task.fail": _release,
    "task.cancel": _end,
    "task.block": _block,
    "task.unblock": _task,
    "task.handoff": _handoff,
    "task.approve": _end,
    "task.request_changes": _release,
    "task.preempt": _preempt,
    "task.delete": _delete,
    "record.erase": _erase,
    "project.rerank": _rerank,
    "run.usage": _task,
    "session.link": _linked,
    "file.link": _linked,
    "artifact.attach": _task,
    "secret.set": _secret,
    "secret.use": _use,
    "sweep": _sweep,
    "relationship.add": _import_edge,
    "relationship.remove": _edge,
    "context.add": _task,
    "context.supersede": _supersede,
    "progress.add": _items,
    "progress.complete": _items,
    "context.import": _import_entry,
    "progress.import": _import_item,
    "session.import": _import_link,
    "file.import": _import_link,
    "artifact.import": _import_artifact,
    "run.import": _import_run,
    "events.restore": _nothing,
}
"""What adds the needs of a command, by operation."""
