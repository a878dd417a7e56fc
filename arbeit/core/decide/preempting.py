"""Decisions that ask a holder to give way."""

from __future__ import annotations

from collections.abc import Generator

from arbeit.core import commands as c
from arbeit.core import events as e
from arbeit.core.decide.base import Env, Need, Steps, find, refuse_step, refuse_subordinate
from arbeit.core.errors import Code, Rejection
from arbeit.core.fairness import lacking, pickable
from arbeit.core.loads import Reads
from arbeit.core.model import Reply, Task
from arbeit.core.policy import Holding
from arbeit.core.view import View

_URGENT = 20
"""Critical tasks that one sweep looks at."""


def preempt_task(view: View, command: c.PreemptTask, env: Env) -> Steps:
    """Ask a holder to give way within the grace; asking twice changes nothing."""
    task = find(view, env, command.actor, command.task_id)
    if isinstance(task, Rejection):
        return task
    refused = refuse_subordinate(view, env, command) or refuse_step(command.operation, task)
    if refused is None and task.lease_id is None:
        refused = Rejection(
            Code.INVALID_TRANSITION,
            f"nobody holds task {task.id}, so nobody can be asked to give it back",
            ("Claim it, or raise its priority.",),
            data={"task_id": task.id, "status": task.status},
        )
    if refused is not None:
        return refused
    assert task.lease_id is not None  # noqa: S101 - refused above
    if not view.lease(task.lease_id).preempt_requested:
        yield preempting(view, env, task, command.reason)
    return Reply(task=view.task(task.id), expires_at=view.lease(task.lease_id).ends_by)


def preempting(view: View, env: Env, task: Task, reason: str) -> e.PreemptRequested:
    """The fact that a holder was asked to give way."""
    assert task.lease_id is not None  # noqa: S101 - only held tasks are preempted
    lease = view.lease(task.lease_id)
    last = env.now + env.policies.preemption.grace
    return e.PreemptRequested(
        task_id=task.id,
        run_id=lease.run_id,
        lease_id=lease.id,
        ends_by=last if lease.ends_by is None else min(last, lease.ends_by),
        reason=reason,
    )


def critical_preemptions(view: View, env: Env) -> Generator[Need | e.PreemptRequested, None, None]:
    """Ask holders of lesser work to give way to critical work that has waited for too long, one for each."""
    patience = env.policies.preemption.patience
    if patience is None:
        return
    if view.urgent is None:
        yield Need(Reads(urgent=_URGENT))
    matched: set[str] = set()
    for task_id in view.urgent or ():
        waiting = view.task(task_id)
        if waiting.claim_status != "ready" or env.now - waiting.ready_at < patience:
            continue
        suitable = [held for held in _holdings(view, env, waiting) if held.lease.id not in matched]
        giving_way = [held for held in suitable if held.lease.preempt_requested]
        victim = giving_way[0] if giving_way else env.policies.preemption.victim(waiting, suitable)
        if victim is None:
            continue
        matched.add(victim.lease.id)
        if not giving_way:
            yield preempting(view, env, victim.task, f"critical task {waiting.id} waits")


def _holdings(view: View, env: Env, waiting: Task) -> list[Holding]:
    """Who holds something now and could do the waiting task instead, in the order of their leases' ids."""
    queue = view.schedule.queues[waiting.queue]
    found = []
    for _, lease in sorted(view.leases.items()):
        if lease is None or lease.ended_at is not None or not lease.accepted:
            continue
        task, agent = view.tasks.get(lease.task_id), view.agents.get(lease.agent_id)
        if task is None or agent is None or task.lease_id != lease.id:
            continue
        sees = env.policies.access.scope(agent.id).sees(waiting.queue)
        # Where no more may be in progress, only what gives way there makes room.
        room = pickable(queue) or (not queue.paused and task.queue == queue.name)
        if sees and room and not lacking(waiting.group, agent.id, agent.capabilities):
            found.append(Holding(task, lease, agent))
    return found
