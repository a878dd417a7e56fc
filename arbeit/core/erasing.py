"""What erasing a record means: which texts go, from its row and from the facts that carried them.

A fact keeps everything that the state is folded from; only what a person or an agent wrote is replaced. So a log
with erased texts still folds, and gives the rows that are stored.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, TypeVar

from arbeit.core import events as e
from arbeit.core.declare import evolve
from arbeit.core.model import (
    EMPTY,
    Artifact,
    ContextEntry,
    Frozen,
    Grant,
    ProgressItem,
    Reply,
    Run,
    Task,
)
from arbeit.core.record import change

ERASED = "[erased]"
T = TypeVar("T")

_TASK_TEXTS = ("title", "intent", "description", "labels", "inputs", "outputs", "acceptance", "metadata")
_TASK_LATER = ("inputs", "outputs", "acceptance", "metadata")
_FACTS_OF_TASK: Mapping[type[e.Fact], tuple[str, ...]] = {
    e.TaskCreated: ("title", "intent", "description", "labels", "inputs", "acceptance", "metadata"),
    e.TaskImported: ("title", "intent", "description", "labels", "block_reason", *_TASK_LATER),
    e.TaskCompleted: ("outputs",),
    e.TaskSubmitted: ("outputs",),
    e.TaskBlocked: ("reason",),
    e.TaskCancelled: ("reason",),
    e.TaskUnblocked: ("note",),
    e.TaskDeleted: ("reason",),
    e.RunImported: ("note",),
    e.PreemptRequested: ("reason",),
}
_FACTS_OF_ENTRY: Mapping[type[e.Fact], tuple[str, ...]] = {
    e.ContextAdded: ("content", "metadata", "evidence"),
    e.ContextSuperseded: ("content",),
    e.ContextImported: ("content", "metadata", "evidence"),
    e.TaskCompleted: ("outcome", "evidence"),
    e.TaskSubmitted: ("outcome", "evidence"),
    e.TaskReleased: ("note",),
    e.TaskFailed: ("note",),
    e.TaskReclaimed: ("note",),
    e.ChangesRequested: ("note",),
    e.ReviewApproved: ("note",),
    e.TaskHandedOver: ("note",),
}
_ROWS: Mapping[type, tuple[str, ...]] = {
    Task: _TASK_TEXTS,
    ContextEntry: ("content", "metadata", "evidence"),
    ProgressItem: ("content",),
    Artifact: ("name", "uri"),
    Run: ("note",),
}
_ARTIFACTS = (e.ArtifactAttached, e.ArtifactImported)
_OF_TASK = (e.TaskBlocked, e.TaskCancelled, e.RunImported)
_NOTED = (*(kind for kind, names in _FACTS_OF_ENTRY.items() if "note" in names), *_OF_TASK)
"""Facts whose text is also the note of the run they end."""


def nothing(value: Any, name: str = "") -> Any:  # noqa: ANN401 - text, a tuple of texts, or a JSON object
    """What is left of a value."""
    if isinstance(value, str):
        return ERASED if value else value
    if isinstance(value, Mapping):
        return EMPTY
    return () if name == "labels" else tuple(ERASED for _ in value)


def blank(row: T) -> T:
    """A row without its text."""
    gone = {name: nothing(getattr(row, name), name) for name in _ROWS[type(row)]}
    if isinstance(row, Task) and row.escalated_at is None:
        gone["block_reason"] = nothing(row.block_reason)
    return change(row, **gone)


def blank_fact(fact: e.Fact, kind: str, record_id: str) -> e.Fact:
    """A fact of the record's task without the record's text; the same fact if it has none."""
    if kind == "task":
        return _blank_task_fact(fact)
    if kind == "item" and isinstance(fact, e.ProgressAdded):
        items = tuple((key, ERASED if key == record_id else content) for key, content in fact.items)
        return evolve(fact, items=items)
    if kind == "item" and isinstance(fact, e.ProgressImported) and fact.item_id == record_id:
        return evolve(fact, content=nothing(fact.content))
    if kind == "artifact" and isinstance(fact, _ARTIFACTS) and fact.artifact_id == record_id:
        return evolve(fact, name=ERASED, uri=ERASED)
    if kind == "entry" and isinstance(fact, e.TaskImported) and fact.outcome_id == record_id:
        return evolve(fact, outcome=nothing(fact.outcome))
    names = _FACTS_OF_ENTRY.get(type(fact), ()) if kind == "entry" else ()
    if not names or getattr(fact, "entry_id", None) != record_id:
        return fact
    return evolve(fact, **{name: nothing(getattr(fact, name), name) for name in names})


def _blank_task_fact(fact: e.Fact) -> e.Fact:
    if isinstance(fact, e.TaskUpdated):
        changes = {name: nothing(value, name) if name in _TASK_TEXTS else value for name, value in fact.changes.items()}
        return evolve(fact, changes=Frozen(changes))
    names = _FACTS_OF_TASK.get(type(fact), ())
    return evolve(fact, **{name: nothing(getattr(fact, name), name) for name in names}) if names else fact


def noted(fact: e.Fact, kind: str) -> str | None:
    """The run whose note says what a blanked fact said, if there is one."""
    if not isinstance(fact, _NOTED) or not isinstance(fact, e.TaskFact):
        return None
    # An entry's text is the note of a tenure's end; a task's, the reason for which it was blocked or cancelled. The
    # note of a run that was taken over is in no entry, so it goes with the task's text.
    of_task = isinstance(fact, _OF_TASK)
    return fact.run_id if of_task == (kind == "task") else None


def blank_reply(reply: Reply, kind: str, record_id: str, runs: frozenset[str]) -> Reply:
    """A stored reply without the record's text."""

    def one(row: T) -> T:
        same = getattr(row, "id", None) == record_id and type(row).__name__ == _CLASSES[kind]
        return blank(row) if same or (isinstance(row, Run) and row.id in runs) else row

    return change(
        reply,
        task=one(reply.task) if reply.task is not None else None,
        run=one(reply.run) if reply.run is not None else None,
        artifact=one(reply.artifact) if reply.artifact is not None else None,
        entries=tuple(map(one, reply.entries)),
        items=tuple(map(one, reply.items)),
        grants=tuple(Grant(one(grant.task), grant.lease, one(grant.run)) for grant in reply.grants),
    )


_CLASSES = {"task": "Task", "entry": "ContextEntry", "item": "ProgressItem", "artifact": "Artifact"}
