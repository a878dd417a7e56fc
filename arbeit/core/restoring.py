"""Recorded facts put back: which rows each touches, which it makes, and why it may not be applied."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any

from arbeit.core import events as e
from arbeit.core.errors import ArbeitError
from arbeit.core.evolve import Stamp, evolve
from arbeit.core.limits import legible
from arbeit.core.loads import Reads
from arbeit.core.model import Event, Head
from arbeit.core.sound import unsound
from arbeit.core.view import View

_CHUNK = 5_000
"""After how many events a whole view forgets what changed, which nobody writes."""


def touched(fact: e.Fact, wanted: Reads) -> None:
    """Add what applying a fact needs loaded; agents whose lease it ends are known once its task is."""
    if isinstance(fact, e.TaskFact):
        wanted.tasks.add(fact.task_id)
    also = _ALSO.get(type(fact))
    if also is not None:
        also(fact, wanted)
    for kind, record_id in _made(fact):
        if kind in _ROWS:
            getattr(wanted, _ROWS[kind]).add(record_id)
        elif kind != "lease":
            # A lease has no load of its own: it is known while it is alive, and its run tells of it afterwards.
            wanted.ids.add((kind, record_id))


def put_back(view: View, event: Event, fact: e.Fact) -> str | None:
    """Apply the next recorded fact to a whole view; why it cannot be applied, or None."""
    wrong = unsound(fact)
    if wrong is not None:
        return f"has data that is no {event.type}: {wrong} is not sound"
    if isinstance(fact, e.ProjectCreated) != (event.position == 1):
        return "does not begin a log" if event.position == 1 else "begins a log anew"
    if event.at < view.head.at:
        return "is older than the event before it"
    problem = unfit(view, fact)
    if problem is not None:
        return problem
    try:
        evolve(view, fact, Stamp(event.position, event.at, event.actor, event.traceparent or ""))
        version = view.task(fact.task_id).version if isinstance(fact, e.TaskFact) else None
    except (ArbeitError, ArithmeticError, AssertionError, AttributeError, LookupError, TypeError, ValueError) as error:
        return f"cannot be applied ({type(error).__name__})"
    if version != event.task_version:
        return f"says version {event.task_version} of its task, which is at {version}"
    view.head = Head(event.position, event.hash, view.schedule.virtual_time, event.at)
    if event.position % _CHUNK == 0:
        view.begin()
    return None


def unfit(view: View, fact: e.Fact) -> str | None:
    """Why a fact does not follow from the state that the facts before it gave, as far as its ids tell; or None.

    A whole view knows every id; another knows those that `touched` had loaded.
    """
    if isinstance(fact, e.ProjectCreated) and fact.key != view.key:
        return f"creates project {legible([fact.key])}"
    met = set()
    for kind, record_id in _made(fact):
        if (kind, record_id) in met or _table(view, kind).get(record_id) is not None:
            return f"makes {kind} {legible([record_id])}, which is there"
        met.add((kind, record_id))
    return None


def _table(view: View, kind: str) -> Mapping[str, Any]:
    # By checklist line, a view of some rows knows its task.
    table: Mapping[str, Any] = view.owners if kind == "item" else getattr(view, _TABLES[kind])
    return table


_ROWS = {"task": "tasks", "entry": "entries", "artifact": "artifacts", "run": "runs"}
"""What `Reads` calls the rows of a kind."""
_TABLES = {**_ROWS, "lease": "leases", "relationship": "relationships", "session": "sessions", "file": "files"}


def _made(fact: e.Fact) -> Iterator[tuple[str, str]]:
    """The records that a fact makes, by kind and id."""
    if isinstance(fact, _MAKE_TASKS) and isinstance(fact, e.TaskFact):
        yield "task", fact.task_id
    for name, kind in _MADE.get(type(fact), _ENTRY).items():
        record_id = getattr(fact, name, None)
        if record_id is not None:
            yield kind, record_id
    if isinstance(fact, e.TaskCreated):
        for edge_id, _, _ in fact.edges:
            yield "relationship", edge_id
    elif isinstance(fact, e.ProgressAdded):
        for item_id, _ in fact.items:
            yield "item", item_id


_MAKE_TASKS = (e.TaskCreated, e.TaskImported)
_ENTRY: Mapping[str, str] = {"entry_id": "entry"}
"""What any fact may make, whatever else it says."""
_MADE: Mapping[type[e.Fact], Mapping[str, str]] = {
    e.TaskCreated: {"parent_edge": "relationship"},
    e.TaskImported: {"outcome_id": "entry"},
    e.TaskClaimed: {"run_id": "run", "lease_id": "lease"},
    e.TaskHandedOver: {**_ENTRY, "new_run_id": "run", "lease_id": "lease"},
    e.RelationshipAdded: {"relationship_id": "relationship"},
    e.RelationshipImported: {"relationship_id": "relationship"},
    e.SessionLinked: {"link_id": "session"},
    e.SessionImported: {"link_id": "session"},
    e.FileLinked: {"link_id": "file"},
    e.FileImported: {"link_id": "file"},
    e.ProgressImported: {"item_id": "item"},
    e.ArtifactAttached: {"artifact_id": "artifact"},
    e.ArtifactImported: {"artifact_id": "artifact"},
    e.RunImported: {"run_id": "run"},
}
"""Fields that name what a fact makes."""


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
