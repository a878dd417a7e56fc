"""Which rows a fact touches: what must be loaded before recorded facts are applied to a part of a project."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from arbeit.core import events as e
from arbeit.core.loads import Reads


def touched(fact: e.Fact, wanted: Reads) -> None:
    """Add what applying a fact needs loaded; agents whose lease it ends are known once its task is."""
    if isinstance(fact, e.TaskFact):
        wanted.tasks.add(fact.task_id)
    also = _ALSO.get(type(fact))
    if also is not None:
        also(fact, wanted)


def _registered(fact: e.AgentRegistered, wanted: Reads) -> None:
    wanted.agents.add(fact.agent_id)


def _created(fact: e.TaskCreated, wanted: Reads) -> None:
    wanted.tasks.update(blocker for _, blocker, _ in fact.edges)
    if fact.parent_id is not None:
        wanted.tasks.add(fact.parent_id)


def _reranked(fact: e.TasksReranked, wanted: Reads) -> None:
    wanted.tasks.update(task_id for task_id, _ in fact.ranks)


def _ended(fact: e.TaskFact, wanted: Reads) -> None:
    # Its parent and what it blocked, which no longer wait for it.
    wanted.around.add(fact.task_id)


def _claimed(fact: e.TaskClaimed, wanted: Reads) -> None:
    wanted.agents.add(fact.agent_id)


def _handed(fact: e.TaskHandedOver, wanted: Reads) -> None:
    wanted.agents.add(fact.to_agent)


def _related(fact: e.RelationshipAdded | e.RelationshipRemoved, wanted: Reads) -> None:
    wanted.tasks.add(fact.to_task_id)
    wanted.tasks.update(task_id for task_id, _ in fact.depths)
    wanted.ids.add(("relationship", fact.relationship_id))


def _superseded(fact: e.ContextSuperseded, wanted: Reads) -> None:
    wanted.entries.add(fact.old_id)


def _items(fact: e.ProgressAdded | e.ProgressCompleted | e.ProgressImported, wanted: Reads) -> None:
    wanted.items.add(fact.task_id)


def _used(fact: e.UsageReported | e.RunImported, wanted: Reads) -> None:
    if fact.run_id is not None:
        wanted.runs.add(fact.run_id)


def _secret(fact: e.SecretSet, wanted: Reads) -> None:
    wanted.secrets.add(fact.name)


def _erased(fact: e.RecordErased, wanted: Reads) -> None:
    of_kind = {"entry": wanted.entries, "artifact": wanted.artifacts}
    of_kind.get(fact.kind, set()).add(fact.record_id)
    if fact.kind == "item":
        wanted.items.add(fact.task_id)
    wanted.runs.update(fact.runs)


_ALSO: Mapping[type[e.Fact], Callable[[Any, Reads], None]] = {
    e.AgentRegistered: _registered,
    e.TaskCreated: _created,
    e.TasksReranked: _reranked,
    e.TaskDeleted: _ended,
    e.TaskCompleted: _ended,
    e.ReviewApproved: _ended,
    e.TaskCancelled: _ended,
    e.TaskClaimed: _claimed,
    e.TaskHandedOver: _handed,
    e.RelationshipAdded: _related,
    e.RelationshipImported: _related,
    e.RelationshipRemoved: _related,
    e.ContextSuperseded: _superseded,
    e.ProgressAdded: _items,
    e.ProgressCompleted: _items,
    e.ProgressImported: _items,
    e.UsageReported: _used,
    e.RunImported: _used,
    e.SecretSet: _secret,
    e.RecordErased: _erased,
}
