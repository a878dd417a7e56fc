"""Invariants of state: what lies in the store is what the log says, and it moves only as it may."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from typing import Any

from arbeit.core import events as e
from arbeit.core.model import Event, Head, Lease
from arbeit.core.record import change
from arbeit.core.transitions import step_for
from arbeit.core.view import View
from arbeit.folding import apply
from arbeit.testing.history import Committed, Stored
from arbeit.testing.invariants.base import Bookkeeper, Checker, Terms, rows_of
from arbeit.testing.invariants.books import Book

Rows = dict[str, dict[Any, Any]]


class FoldEqualsRows(Checker):
    """State as a fold."""

    name = "fold_equals_rows"
    promise = (
        "Folding a project's events gives its stored rows, liveness excepted, and so do the changes of all its "
        "commits put together, liveness included."
    )

    def __init__(self, terms: Terms | None = None) -> None:
        super().__init__(terms)
        self._rows: dict[str, Rows] = {}
        self._heads: dict[str, Head] = {}
        self._folded: dict[str, tuple[tuple[Event, ...], View]] = {}
        """By project: the log when it was looked at last, and what it amounted to."""

    def committed(self, entry: Committed) -> None:
        """Put the changes of a transaction on top of those before."""
        rows = self._rows.setdefault(entry.project, {})
        for kind, entities in (*entry.changes.new.items(), *entry.changes.changed.items()):
            table = rows.setdefault(kind, {})
            for entity in entities:
                key = key_of(kind, entity)
                table[key] = _with_liveness(entity, table[key]) if kind == "lease" and key in table else entity
        for kind, keys in entry.changes.gone.items():
            for key in keys:
                rows.get(kind, {}).pop(key, None)
        leases = rows.get("lease", {})
        for beat in entry.changes.beats:
            if beat.lease_id in leases:
                lease = leases[beat.lease_id]
                seen = lease.heartbeat_at if beat.heartbeat_at is None else beat.heartbeat_at
                leases[lease.id] = change(lease, expires_at=beat.expires_at, heartbeat_at=seen)
        self._heads[entry.project] = entry.changes.head

    def stored(self, entry: Stored) -> None:
        """Compare the stored rows with both."""
        self.judged += 1
        stored = {kind: table for kind, table in entry.rows.items() if kind != "head"}
        self._compare(entry.project, stored, self._rows.get(entry.project, {}), "the changes committed")
        view = self._fold(entry.project, entry.events)
        self._compare(entry.project, _settled(stored), _settled(tables(view)), "the fold of the log")
        head = entry.rows.get("head", {}).get(entry.project)
        if head != view.head or head != self._heads.get(entry.project, Head()):
            self.say(f"the stored head of {entry.project} ({head}) is not what the log gives ({view.head})")

    def _fold(self, project: str, events: tuple[Event, ...]) -> View:
        """What a log amounts to; a fold goes on where the last one ended, unless an erasure has changed what was."""
        known, view = self._folded.get(project, ((), View(project, whole=True)))
        if events[: len(known)] != known:
            known, view = (), View(project, whole=True)
        for event in events[len(known) :]:
            apply(view, event)
        self._folded[project] = (events, view)
        return view

    def _compare(
        self, project: str, stored: Mapping[str, Mapping[Any, Any]], other: Mapping[str, Mapping[Any, Any]], what: str
    ) -> None:
        for kind in sorted({*stored, *other}):
            have, want = stored.get(kind, {}), other.get(kind, {})
            if have == want:
                continue
            keys = sorted((key for key in {*have, *want} if have.get(key) != want.get(key)), key=str)
            self.say(f"{len(keys)} rows of {kind} in {project}, first {keys[0]}, are not as {what} gives them")


def key_of(kind: str, entity: Any) -> Any:  # noqa: ANN401 - one entity of any kind
    """The key of a row, as `Inspection.rows` has it."""
    name = {"queue": "name", "group": "key", "secret": "name", "project": "key"}.get(kind, "id")
    return getattr(entity, name)


def tables(view: View) -> Rows:
    """A whole view's entities by kind and key."""
    found: dict[str, Mapping[Any, Any]] = {
        "project": {view.key: view.project},
        "queue": view.schedule.queues,
        "group": view.schedule.groups,
        "agent": view.agents,
        "task": view.tasks,
        "lease": view.leases,
        "run": view.runs,
        "relationship": view.relationships,
        "entry": view.entries,
        "item": {item.id: item for items in view.items.values() for item in items.values()},
        "session": view.sessions,
        "file": view.files,
        "artifact": view.artifacts,
        "secret": view.secrets,
    }
    return {kind: {key: row for key, row in table.items() if row is not None} for kind, table in found.items()}


def _with_liveness(changed: Lease, known: Lease) -> Lease:
    """A changed lease as it is stored: its deadline and its last sign of life are moved by renewals alone."""
    return change(changed, expires_at=known.expires_at, heartbeat_at=known.heartbeat_at)


def _settled(rows: Mapping[str, Mapping[Any, Any]]) -> Rows:
    """Rows without liveness, which has no history, and without kinds of which there are none."""
    return {
        kind: {
            key: change(row, expires_at=0, heartbeat_at=0) if isinstance(row, Lease) else row
            for key, row in table.items()
        }
        for kind, table in rows.items()
        if table
    }


class Counts(Checker):
    """Counters in rows."""

    name = "counts"
    promise = (
        "Every counter in a row is what it counts: ready and running tasks of queues, ready tasks of requirement sets, "
        "leases of agents, unfinished blockers, children and checklist lines of tasks."
    )

    def stored(self, entry: Stored) -> None:
        """Count anew in the rows themselves."""
        rows = {kind: entry.rows.get(kind, {}) for kind in ("task", "queue", "group", "agent", "lease", "relationship")}
        tasks = rows["task"]
        ready = [task for task in tasks.values() if task.claim_status == "ready"]
        held = [task for task in tasks.values() if task.claim_status == "held"]
        self._count("queue", rows["queue"], "ready", Counter(task.queue for task in ready))
        self._count("queue", rows["queue"], "in_progress", Counter(task.queue for task in held))
        self._count("group", rows["group"], "ready", Counter((task.queue, task.group) for task in ready))
        live = [lease for lease in rows["lease"].values() if lease.ended_at is None]
        self._count("agent", rows["agent"], "active_leases", Counter(lease.agent_id for lease in live))
        edges = rows["relationship"].values()
        blocking = [one for one in edges if one.type == "blocks" and not tasks[one.from_task_id].finished]
        self._count("task", tasks, "open_blockers", Counter(edge.to_task_id for edge in blocking))
        below = [one for one in edges if one.type == "parent_of" and not tasks[one.to_task_id].finished]
        self._count("task", tasks, "open_children", Counter(edge.from_task_id for edge in below))
        lines = (item for item in entry.rows.get("item", {}).values() if not item.completed)
        self._count("task", tasks, "open_items", Counter(item.task_id for item in lines))
        ends = Counter(edge.from_task_id for edge in edges) + Counter(edge.to_task_id for edge in edges)
        self._count("task", tasks, "relationships", ends)

    def _count(self, kind: str, table: Mapping[Any, Any], name: str, found: Counter[Any]) -> None:
        for key, row in table.items():
            self.judged += 1
            if getattr(row, name) != found[key]:
                self.say(f"{name} of {kind} {key} is {getattr(row, name)}, and there are {found[key]}")


_OPERATIONS: Mapping[type[e.Fact], str] = {
    e.TaskReleased: "task.release",
    e.TaskFailed: "task.fail",
    e.TaskReclaimed: "sweep",
    e.TaskCompleted: "task.complete",
    e.TaskSubmitted: "task.complete",
    e.TaskHandedOver: "task.handoff",
    e.PreemptRequested: "task.preempt",
    e.ReviewApproved: "task.approve",
    e.ChangesRequested: "task.request_changes",
    e.TaskCancelled: "task.cancel",
    e.TaskBlocked: "task.block",
    e.TaskUnblocked: "task.unblock",
}


class LegalTransitions(Bookkeeper):
    """Statuses."""

    name = "legal_transitions"
    promise = (
        "A task's status moves only as the table of transitions allows, in the log and in the rows; imports begin at "
        "rest, a deleted task is not held, and nothing but an erasure touches it afterwards."
    )

    def __init__(self, terms: Terms | None = None) -> None:
        super().__init__(terms)
        self._source: tuple[str, str, bool] | None = None

    def fact(self, book: Book, event: Event, fact: e.Fact) -> None:
        """Note where a task stands before a fact."""
        self._source = None
        if isinstance(fact, e.TaskCreated | e.TaskImported):
            self._judge_birth(book, event, fact)
        elif isinstance(fact, e.TaskFact):
            job = book.jobs[fact.task_id]
            if job.deleted and not isinstance(fact, e.RecordErased):
                self.say(f"event {event.id} ({event.type}) touches {job.id}, which was deleted")
            if isinstance(fact, e.TaskDeleted) and job.lease is not None:
                self.say(f"event {event.id} deletes {job.id} while {job.lease} is live")
            if isinstance(fact, e.TaskReadied) and job.status not in {"open", "in_review"}:
                self.say(f"event {event.id} readies {job.id}, which is {job.status}")
            how = f"task.{fact.how}" if isinstance(fact, e.TaskClaimed) else _OPERATIONS.get(type(fact))
            self._source = (how, job.status, job.lease is not None) if how is not None else None
            if how is not None and job.status in {"completed", "cancelled"}:
                # Said here, not looked up: it is the table's own mistake if it lets them go.
                self.say(f"event {event.id} ({event.type}) moves {job.id}, which is final: {job.status}")

    def _judge_birth(self, book: Book, event: Event, fact: e.TaskCreated | e.TaskImported) -> None:
        self.judged += 1
        if fact.task_id in book.jobs:
            self.say(f"event {event.id} makes {fact.task_id}, which there was already")
        if isinstance(fact, e.TaskImported) and fact.status in {"in_progress", "in_review"}:
            self.say(f"event {event.id} imports {fact.task_id} as {fact.status}, though nobody holds it")

    def after(self, book: Book, event: Event, fact: e.Fact) -> None:
        """Look the step up that a fact made."""
        if self._source is None or not isinstance(fact, e.TaskFact):
            return
        self.judged += 1
        operation, source, held = self._source
        step, target = step_for(operation, source), book.jobs[fact.task_id].status
        if step is None:
            self.say(f"event {event.id}: no {operation} leads out of {source}, where {fact.task_id} was")
        elif target not in step.targets:
            self.say(f"event {event.id}: {operation} brought {fact.task_id} from {source} to {target}")
        elif step.held is not None and step.held != held:
            self.say(f"event {event.id}: {operation} of {fact.task_id}, which was {'held' if held else 'not held'}")

    def left(self, book: Book, entry: Committed) -> None:
        """Compare the rows of a transaction with the book."""
        for task in rows_of(entry, "task"):
            job = book.jobs[task.id]
            if task.status != job.status or (task.deleted_at is not None) != job.deleted:
                self.say(f"the row of {task.id} is {task.status}, its events leave it {job.status}")
            if (task.claim_status == "ready") != (job.line is not None):
                self.say(f"the row of {task.id} is {task.claim_status}, its events leave it in line: {job.line}")
