"""A project's books: what its facts amount to, kept by hand, so that no invariant rests on the code that it judges."""

from __future__ import annotations

from bisect import bisect_left, insort
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from attrs import define, field

from arbeit.core import events as e
from arbeit.core.model import Beat, Event

Key = tuple[int, int, str]
"""(rank, position, task id) of a task in line."""
UNCOUNTED = frozenset({"released", "undelivered", "preempted"})
"""How a tenure ends without counting as an attempt."""

ENDS = (
    e.TenureEnded,
    e.TaskCompleted,
    e.TaskSubmitted,
    e.ReviewApproved,
    e.TaskCancelled,
    e.TaskBlocked,
    e.TaskHandedOver,
)
"""Facts that end a tenure, if there is one."""


@define(eq=False)
class Job:
    """A task, as far as invariants speak of it."""

    id: str
    created_at: int
    status: str = "open"
    queue: str = "default"
    requires: tuple[str, ...] = ()
    priority: str = "normal"
    parent: str | None = None
    lease: str | None = None
    fence: int = 0
    attempt: int = 0
    max_attempts: int = 3
    submitted_by: str | None = None
    deleted: bool = False
    reason: str = ""
    ready_at: int = 0
    rank: int | None = None
    """Its rank while it is in line; None while it is not."""
    place: int = 0
    line: tuple[str, str] | None = None
    """The line in which it stands now: queue and requirement set."""

    @property
    def finished(self) -> bool:
        """Whether nothing waits for it any more."""
        return self.deleted or self.status in {"completed", "cancelled"}

    @property
    def group(self) -> str:
        """What a claimer must meet, as one text; `!name` keeps one out."""
        if self.status == "in_review":
            return "review" if self.submitted_by is None else f"review,!{self.submitted_by}"
        return ",".join(self.requires)


@define(eq=False)
class Tenure:
    """A lease with its run."""

    id: str
    task: str
    agent: str
    run: str
    fence: int
    since: int
    expires_at: int
    ends_by: int | None
    accepted: bool = True
    ended_at: int | None = None


@define(eq=False)
class Share:
    """A queue."""

    weight: int = 100
    paused: bool = False
    max_ready: int | None = None
    max_in_progress: int | None = None
    tag: int = 0
    remainder: int = 0


@define(eq=False)
class Worker:
    """An agent."""

    capabilities: tuple[str, ...] = ()
    max_leases: int | None = None
    persona: str = ""


@define(eq=False)
class Book:
    """One project, fact by fact."""

    project: str
    settings: Mapping[str, Any] = field(factory=dict)
    jobs: dict[str, Job] = field(factory=dict)
    tenures: dict[str, Tenure] = field(factory=dict)
    live: dict[str, Tenure] = field(factory=dict)
    queues: dict[str, Share] = field(factory=lambda: {"default": Share()})
    agents: dict[str, Worker] = field(factory=dict)
    edges: dict[str, tuple[str, str, str]] = field(factory=dict)
    """By id: the end that comes earlier, the end that waits for it, and the kind."""
    earlier: dict[str, dict[str, str]] = field(factory=dict)
    """By task, by id of the edge: what it waits for."""
    later: dict[str, dict[str, str]] = field(factory=dict)
    lines: dict[str, dict[str, list[Key]]] = field(factory=dict)
    """Who is ready, by queue and requirement set, first to last."""
    virtual_time: int = 0
    _entries: dict[type, Callable[[Event, Any], None]] = field(init=False)

    def __attrs_post_init__(self) -> None:
        """Know which fact goes where."""
        self._entries = {kind: getattr(self, name) for kind, name in _WHERE.items()}

    # -- questions -------------------------------------------------------------------------------------

    def waits_for(self, task_id: str) -> list[str]:
        """The unfinished blockers and children of a task."""
        return sorted({one for one in self.earlier.get(task_id, {}).values() if not self.jobs[one].finished})

    def unfinished_children(self, task_id: str) -> list[str]:
        """The unfinished children of a task."""
        edges = self.earlier.get(task_id, {}).items()
        return sorted(one for edge, one in edges if self.edges[edge][2] == "parent_of" and not self.jobs[one].finished)

    def in_progress(self, queue: str) -> int:
        """How many tasks of a queue are held."""
        return sum(self.jobs[tenure.task].queue == queue for tenure in self.live.values())

    def holding(self, agent: str) -> int:
        """How many tasks an agent holds."""
        return sum(tenure.agent == agent for tenure in self.live.values())

    def open_to_claims(self, queue: str) -> bool:
        """Whether a queue's ready tasks may be claimed at all."""
        share = self.queues[queue]
        return not share.paused and (share.max_in_progress is None or self.in_progress(queue) < share.max_in_progress)

    def suits(self, agent: str, group: str) -> bool:
        """Whether an agent meets a requirement set."""
        has = self.agents[agent].capabilities if agent in self.agents else ()
        needs = group.split(",") if group else ()
        return all(need[1:] != agent if need.startswith("!") else need in has for need in needs)

    def heads(self, queue: str, agent: str) -> list[Key]:
        """The first of each line of a queue that an agent may take from."""
        lines = self.lines.get(queue, {}).items()
        return [keys[0] for group, keys in lines if keys and self.suits(agent, group)]

    def ready(self, queue: str) -> int:
        """How many tasks of a queue are ready."""
        return sum(map(len, self.lines.get(queue, {}).values()))

    # -- entries ---------------------------------------------------------------------------------------

    def apply(self, event: Event, fact: e.Fact) -> None:
        """Enter a fact."""
        entry = self._entries.get(type(fact))
        if entry is not None:
            entry(event, fact)

    def renew(self, beats: Iterable[Beat]) -> None:
        """Enter the renewals of a transaction."""
        for beat in beats:
            if beat.lease_id in self.tenures:
                self.tenures[beat.lease_id].expires_at = beat.expires_at

    def _line_up(self, job: Job, rank: int | None, place: int | None = None) -> None:
        """Put a task in line by a rank, or take it out of line."""
        self._leave(job)
        job.rank = rank
        if place is not None:
            job.place = place
        if rank is not None:
            job.line = (job.queue, job.group)
            insort(self.lines.setdefault(job.queue, {}).setdefault(job.group, []), (rank, job.place, job.id))

    def _leave(self, job: Job) -> None:
        if job.line is not None and job.rank is not None:
            keys = self.lines[job.line[0]][job.line[1]]
            del keys[bisect_left(keys, (job.rank, job.place, job.id))]
        job.line = job.rank = None

    def _join(self, edge: str, kind: str, start: str, end: str) -> None:
        """Enter an edge, if it holds work back, and take who waits now out of line."""
        if kind not in {"blocks", "parent_of"}:
            return
        first, then = (start, end) if kind == "blocks" else (end, start)
        self.edges[edge] = (first, then, kind)
        self.earlier.setdefault(then, {})[edge] = first
        self.later.setdefault(first, {})[edge] = then
        if kind == "parent_of":
            self.jobs[end].parent = start
        job = self.jobs[then]
        if job.status == "open" and not self.jobs[first].finished:
            self._leave(job)

    def _end(self, job: Job, event: Event, fence: int) -> None:
        if job.lease is not None:
            self.live.pop(job.lease).ended_at = event.at
        job.lease, job.fence = None, fence

    def _begin(self, job: Job, tenure: Tenure) -> None:
        self.tenures[tenure.id] = self.live[tenure.id] = tenure
        job.lease, job.fence = tenure.id, tenure.fence

    def _project(self, _event: Event, fact: e.ProjectCreated) -> None:
        self.settings = fact.settings

    def _project_changed(self, _event: Event, fact: e.ProjectUpdated) -> None:
        self.settings = fact.changes.get("settings", self.settings)

    def _queue(self, _event: Event, fact: e.QueueSet) -> None:
        share = self.queues.setdefault(fact.queue, Share())
        for name, value in fact.changes.items():
            setattr(share, name, value)

    def _agent(self, _event: Event, fact: e.AgentRegistered) -> None:
        worker = self.agents.setdefault(fact.agent_id, Worker())
        worker.capabilities = tuple(fact.changes.get("capabilities", worker.capabilities))
        worker.max_leases = fact.changes.get("max_leases", worker.max_leases)
        worker.persona = fact.changes.get("persona", worker.persona)

    def _created(self, event: Event, fact: e.TaskCreated) -> None:
        job = Job(fact.task_id, event.at, queue=fact.queue, requires=fact.requires, priority=fact.priority)
        job.max_attempts, job.ready_at = fact.max_attempts, fact.ready_at
        self.jobs[job.id] = job
        if fact.parent_id is not None and fact.parent_edge is not None:
            self._join(fact.parent_edge, "parent_of", fact.parent_id, job.id)
        for edge, blocker, _ in fact.edges:
            self._join(edge, "blocks", blocker, job.id)
        self._line_up(job, None if self.waits_for(job.id) else fact.rank, event.position)

    def _imported(self, event: Event, fact: e.TaskImported) -> None:
        job = Job(fact.task_id, fact.created_at, fact.status, fact.queue, fact.requires, fact.priority)
        job.max_attempts, job.ready_at, job.reason = fact.max_attempts, fact.ready_at, fact.block_reason
        self.jobs[job.id] = job
        self._line_up(job, fact.rank if fact.status == "open" else None, event.position)

    def _updated(self, event: Event, fact: e.TaskUpdated) -> None:
        job = self.jobs[fact.task_id]
        was_ready = job.rank is not None
        rank = fact.rank if fact.rank is not None else job.rank
        self._leave(job)
        for name in ("queue", "priority", "max_attempts", "ready_at"):
            setattr(job, name, fact.changes.get(name, getattr(job, name)))
        job.requires = tuple(fact.changes.get("requires", job.requires))
        self._line_up(job, None if fact.delayed else rank, None if was_ready else event.position)

    def _readied(self, event: Event, fact: e.TaskReadied) -> None:
        job = self.jobs[fact.task_id]
        job.ready_at = fact.ready_at
        self._line_up(job, fact.rank, event.position)

    def _reranked(self, _event: Event, fact: e.TasksReranked) -> None:
        for task_id, rank in fact.ranks:
            self._line_up(self.jobs[task_id], rank)

    def _claimed(self, event: Event, fact: e.TaskClaimed) -> None:
        job = self.jobs[fact.task_id]
        self._leave(job)
        if job.status != "in_review":
            job.status, job.submitted_by = "in_progress", None
        job.attempt, job.reason = fact.attempt, ""
        self._begin(job, _tenure(event, fact, fact.agent_id, fact.run_id or ""))
        share = self.queues[job.queue]
        share.tag, share.remainder = fact.tag_after, fact.remainder
        self.virtual_time = fact.virtual_time

    def _handed(self, event: Event, fact: e.TaskHandedOver) -> None:
        job = self.jobs[fact.task_id]
        self._end(job, event, fact.fence)
        self._begin(job, _tenure(event, fact, fact.to_agent, fact.new_run_id))
        self.live[fact.lease_id].accepted = False

    def _accepted(self, _event: Event, fact: e.HandoffAccepted) -> None:
        self.tenures[fact.lease_id].accepted = True

    def _preempting(self, _event: Event, fact: e.PreemptRequested) -> None:
        tenure = self.tenures[fact.lease_id]
        tenure.ends_by = tenure.expires_at = fact.ends_by

    def _reopened(self, event: Event, fact: e.TenureEnded) -> None:
        """A tenure ended: the task, or its review, opens again, or is set aside."""
        job = self.jobs[fact.task_id]
        reason = getattr(fact, "reason", "")
        sent_back = isinstance(fact, e.ChangesRequested)
        self._end(job, event, fact.fence)
        if sent_back:
            job.attempt, job.submitted_by = 0, None
        elif reason in UNCOUNTED:
            job.attempt -= 1
        stays = job.status == "in_review" and not sent_back
        job.status = "blocked" if fact.exhausted else "in_review" if stays else "open"
        job.reason, job.ready_at = "retries_exhausted" if fact.exhausted else "", fact.ready_at
        waits = job.status == "open" and self.waits_for(job.id)
        rank = None if fact.exhausted or waits else fact.rank
        self._line_up(job, rank, None if reason == "undelivered" else event.position)

    def _completed(self, event: Event, fact: e.TaskCompleted | e.ReviewApproved) -> None:
        job = self.jobs[fact.task_id]
        self._end(job, event, fact.fence)
        job.status = "completed"

    def _submitted(self, event: Event, fact: e.TaskSubmitted) -> None:
        job = self.jobs[fact.task_id]
        self._end(job, event, fact.fence)
        job.status, job.submitted_by, job.attempt, job.ready_at = "in_review", fact.by, 0, fact.ready_at
        self._line_up(job, fact.rank, event.position)

    def _cancelled(self, event: Event, fact: e.TaskCancelled) -> None:
        job = self.jobs[fact.task_id]
        self._end(job, event, fact.fence)
        self._leave(job)
        job.status, job.reason = "cancelled", ""

    def _blocked(self, event: Event, fact: e.TaskBlocked) -> None:
        job = self.jobs[fact.task_id]
        self._end(job, event, fact.fence)
        self._leave(job)
        job.status, job.reason = "blocked", fact.reason

    def _unblocked(self, event: Event, fact: e.TaskUnblocked) -> None:
        job = self.jobs[fact.task_id]
        job.status = "in_review" if job.submitted_by is not None else "open"
        job.reason, job.attempt, job.ready_at = "", 0, fact.ready_at
        waits = job.status == "open" and self.waits_for(job.id)
        self._line_up(job, None if waits else fact.rank, event.position)

    def _deleted(self, _event: Event, fact: e.TaskDeleted) -> None:
        job = self.jobs[fact.task_id]
        self._leave(job)
        job.deleted = True

    def _related(self, _event: Event, fact: e.RelationshipAdded) -> None:
        self._join(fact.relationship_id, fact.type, fact.task_id, fact.to_task_id)

    def _unrelated(self, _event: Event, fact: e.RelationshipRemoved) -> None:
        first, then, kind = self.edges.pop(fact.relationship_id, ("", "", ""))
        if kind:
            del self.earlier[then][fact.relationship_id]
            del self.later[first][fact.relationship_id]
        if kind == "parent_of":
            self.jobs[first].parent = None


def _tenure(event: Event, fact: e.TaskClaimed | e.TaskHandedOver, agent: str, run: str) -> Tenure:
    return Tenure(fact.lease_id, fact.task_id, agent, run, fact.fence, event.at, fact.expires_at, fact.ends_by)


_WHERE: Mapping[type[e.Fact], str] = {
    e.ProjectCreated: "_project",
    e.ProjectUpdated: "_project_changed",
    e.QueueSet: "_queue",
    e.AgentRegistered: "_agent",
    e.TaskCreated: "_created",
    e.TaskImported: "_imported",
    e.TaskUpdated: "_updated",
    e.TasksReranked: "_reranked",
    e.TaskReadied: "_readied",
    e.TaskClaimed: "_claimed",
    e.TaskHandedOver: "_handed",
    e.HandoffAccepted: "_accepted",
    e.PreemptRequested: "_preempting",
    e.TaskReleased: "_reopened",
    e.TaskFailed: "_reopened",
    e.TaskReclaimed: "_reopened",
    e.ChangesRequested: "_reopened",
    e.TaskCompleted: "_completed",
    e.ReviewApproved: "_completed",
    e.TaskSubmitted: "_submitted",
    e.TaskCancelled: "_cancelled",
    e.TaskBlocked: "_blocked",
    e.TaskUnblocked: "_unblocked",
    e.TaskDeleted: "_deleted",
    e.RelationshipAdded: "_related",
    e.RelationshipImported: "_related",
    e.RelationshipRemoved: "_unrelated",
}
