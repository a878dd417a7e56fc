"""What the log says so far: a fold of events into tasks, agents and faults. Nothing else is known to the demo."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from typing import Any, ClassVar

from attrs import Factory, define, frozen

from arbeit import Event, events, fact_of
from examples.demo.plan import CONDUCTOR

SECOND = 1_000_000


@define
class Tenure:
    """One agent's time with one task; times in microseconds since 1970."""

    task_id: str
    agent: str
    run_id: str
    attempt: int
    since: int
    waited: int
    until: int | None = None
    end: str = ""


@define
class TaskLine:
    """A task, as far as the demo shows it."""

    id: str
    title: str
    max_attempts: int
    status: str
    ready_since: int | None
    tenures: list[Tenure] = Factory(list)
    open_items: int = 0

    @property
    def tenure(self) -> Tenure | None:
        """The present one."""
        last = self.tenures[-1] if self.tenures else None
        return last if last is not None and last.until is None else None


@define
class AgentLine:
    """An agent, as far as the demo shows it; `state` is working, killed or frozen."""

    id: str
    persona: str = ""
    capabilities: tuple[str, ...] = ()
    state: str = "working"
    tenures: list[Tenure] = Factory(list)

    def count(self, end: str) -> int:
        """How many of its tenures ended so."""
        return sum(tenure.end == end for tenure in self.tenures)

    def held(self, now: int) -> int:
        """For how long it held anything, in microseconds."""
        return sum((tenure.until or now) - tenure.since for tenure in self.tenures)


@frozen
class Fault:
    """What the conductor did to an agent, by its own note in the log."""

    act: str
    agent: str
    task_id: str
    run_id: str


@frozen
class Expiry:
    """A lease that ran out, and how long after its deadline the task was taken back, in microseconds."""

    tenure: Tenure
    late: int


@define
class Ledger:
    """The fold. Events must come in order, from the first."""

    tasks: dict[str, TaskLine] = Factory(dict)
    agents: dict[str, AgentLine] = Factory(dict)
    faults: list[Fault] = Factory(list)
    expiries: list[Expiry] = Factory(list)
    refused: set[str] = Factory(set)
    """Agents that were told LEASE_LOST."""
    position: int = 0
    began: int = 0
    first_claim: int | None = None
    now: int = 0
    counts: Counter[str] = Factory(Counter)

    def apply(self, event: Event) -> None:
        """Take one event in."""
        self.position, self.now = event.position, event.at
        self.began = self.began or event.at
        self.counts[event.type] += 1
        handle = self._HANDLERS.get(event.type)
        if handle is not None:
            handle(self, fact_of(event), event)

    @property
    def undone(self) -> list[TaskLine]:
        """The tasks that are left to do."""
        return [task for task in self.tasks.values() if task.status not in {"completed", "cancelled"}]

    @property
    def held(self) -> list[Tenure]:
        """The present tenures."""
        return [task.tenure for task in self.tasks.values() if task.tenure is not None]

    def reclaimed(self, run_id: str) -> bool:
        """Whether this run's lease ran out and its task was taken back."""
        return any(expiry.tenure.run_id == run_id for expiry in self.expiries)

    # -- one method per fact ---------------------------------------------------------------------------

    def _imported(self, fact: events.TaskImported, event: Event) -> None:
        ready = event.at if fact.rank is not None else None
        self.tasks[fact.task_id] = TaskLine(fact.task_id, fact.title, fact.max_attempts, fact.status, ready)

    def _linked(self, fact: events.RelationshipAdded, _event: Event) -> None:
        if fact.holds:
            waiting = fact.task_id if fact.type == "parent_of" else fact.to_task_id
            self.tasks[waiting].ready_since = None

    def _readied(self, fact: events.TaskReadied, _event: Event) -> None:
        self.tasks[fact.task_id].ready_since = fact.ready_at

    def _unblocked(self, fact: events.TaskUnblocked, event: Event) -> None:
        task = self.tasks[fact.task_id]
        task.status, task.ready_since = "open", event.at if fact.rank is not None else None

    def _registered(self, fact: events.AgentRegistered, _event: Event) -> None:
        agent = self.agents.setdefault(fact.agent_id, AgentLine(fact.agent_id))
        agent.persona = fact.changes.get("persona", agent.persona)
        agent.capabilities = tuple(fact.changes.get("capabilities", agent.capabilities))

    def _claimed(self, fact: events.TaskClaimed, event: Event) -> None:
        task, agent = self.tasks[fact.task_id], self.agents[fact.agent_id]
        waited = event.at - task.ready_since if task.ready_since is not None else 0
        tenure = Tenure(task.id, agent.id, fact.run_id or "", fact.attempt, event.at, waited)
        task.tenures.append(tenure)
        agent.tenures.append(tenure)
        agent.state = "working"
        task.status, task.ready_since = "in_progress", None
        self.first_claim = self.first_claim or event.at

    def _end(self, task_id: str, end: str, at: int) -> None:
        tenure = self.tasks[task_id].tenure
        if tenure is not None:
            tenure.until, tenure.end = at, end

    def _reopened(self, fact: events.TenureEnded, event: Event) -> None:
        tenure = self.tasks[fact.task_id].tenure
        if tenure is not None and isinstance(fact, events.TaskReclaimed):
            self.expiries.append(Expiry(tenure, event.at - fact.deadline))
        self._end(fact.task_id, event.type.removeprefix("task_"), event.at)
        task = self.tasks[fact.task_id]
        task.status = "blocked" if fact.exhausted else "open"
        task.ready_since = fact.ready_at if fact.rank is not None else None

    def _closed(self, fact: events.TaskFact, event: Event) -> None:
        end = event.type.removeprefix("task_")
        self._end(fact.task_id, end, event.at)
        self.tasks[fact.task_id].status = end
        self.tasks[fact.task_id].ready_since = None

    def _listed(self, fact: events.ProgressAdded, _event: Event) -> None:
        self.tasks[fact.task_id].open_items += 0 if fact.completed else len(fact.items)

    def _ticked(self, fact: events.ProgressCompleted, _event: Event) -> None:
        self.tasks[fact.task_id].open_items -= len(fact.item_ids)

    def _noted(self, fact: events.ContextAdded, event: Event) -> None:
        act, name = fact.metadata.get("act"), fact.metadata.get("agent", "")
        if "refused" in fact.metadata:
            self.refused.add(event.actor)
        if event.actor != CONDUCTOR or act is None:
            return
        if act in {"killed", "frozen"}:
            self.faults.append(Fault(act, name, fact.task_id, fact.metadata["run_id"]))
        self.agents[name].state = act if act in {"killed", "frozen"} else "working"

    _HANDLERS: ClassVar[dict[str, Callable[[Ledger, Any, Event], None]]] = {
        "task_imported": _imported,
        "relationship_imported": _linked,
        "task_readied": _readied,
        "task_unblocked": _unblocked,
        "agent_registered": _registered,
        "task_claimed": _claimed,
        "task_released": _reopened,
        "task_failed": _reopened,
        "task_reclaimed": _reopened,
        "task_completed": _closed,
        "task_cancelled": _closed,
        "task_blocked": _closed,
        "progress_added": _listed,
        "progress_completed": _ticked,
        "context_added": _noted,
    }
