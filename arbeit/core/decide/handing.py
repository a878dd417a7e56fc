"""Decisions that pass held work on: handoff and review."""

from __future__ import annotations

from arbeit.core import commands as c
from arbeit.core.decide.base import Env, Steps, fresh_id, promote, refuse_own
from arbeit.core.decide.endings import and_claim, dependents, freed, refuse_children, run_of, tenure
from arbeit.core.decide.grants import ends_by, refuse_more
from arbeit.core.errors import Code, Rejection
from arbeit.core.events import ChangesRequested, ReviewApproved, TaskHandedOver
from arbeit.core.limits import HANDED
from arbeit.core.model import Agent, Reply, Task
from arbeit.core.view import View


def handoff_task(view: View, command: c.HandoffTask, env: Env) -> Steps:
    """End one tenure and begin another in one step; the new holder takes it up with its next claim."""
    task = yield from tenure(view, env, command)
    if isinstance(task, Rejection):
        return task
    refused = _refuse_heir(view, env, command, task)
    if refused is not None:
        return refused
    ttl = env.policies.lease_length.ttl(task, command.ttl, env.entropy())
    last = ends_by(env, task)
    yield TaskHandedOver(
        task_id=task.id,
        run_id=run_of(view, task),
        to_agent=command.to_agent,
        lease_id=fresh_id(view, env, "lea"),
        new_run_id=fresh_id(view, env, "run"),
        fence=task.fence + 1,
        ttl=ttl,
        expires_at=env.now + ttl if last is None else min(last, env.now + ttl),
        ends_by=last,
        entry_id=fresh_id(view, env, "ctx"),
        note=command.note,
        forced=command.forced,
    )
    return Reply(task=view.task(task.id))


def _refuse_heir(view: View, env: Env, command: c.HandoffTask, task: Task) -> Rejection | None:
    heir = view.agent(command.to_agent)
    if heir is None or not env.policies.access.scope(command.to_agent).sees(task.queue):
        return Rejection(
            Code.AGENT_NOT_FOUND,
            f"there is no agent {command.to_agent} in this project",
            ("Register the agent, or hand over to one that is; to give the task to anybody, release it.",),
            data={"agent_id": command.to_agent},
        )
    if heir.id == task.assignee:
        return Rejection(
            Code.ALREADY_WORKING,
            f"{heir.id} holds task {task.id} already",
            ("Hand over to another agent, or go on.",),
            data={"task_id": task.id},
        )
    return _refuse_lacking(heir, task) or refuse_more(view, heir.id) or _refuse_pile(heir)


def _refuse_lacking(heir: Agent, task: Task) -> Rejection | None:
    lacking = sorted(set(task.requires) - set(heir.capabilities))
    if not lacking:
        return None
    return Rejection(
        Code.FORBIDDEN,
        f"task {task.id} requires {', '.join(lacking)}, which {heir.id} does not have",
        ("Hand over to an agent that has it, or release the task.",),
        data={"task_id": task.id, "requires": list(task.requires)},
    )


def _refuse_pile(heir: Agent) -> Rejection | None:
    if len(heir.handed) < HANDED:
        return None
    return Rejection(
        Code.LIMIT_EXCEEDED,
        f"{heir.id} has {HANDED} tasks to take up already",
        ("Release the task instead, so that anybody can claim it.",),
        data={"agent_id": heir.id, "limit": HANDED},
    )


def approve_task(view: View, command: c.ApproveTask, env: Env) -> Steps:
    """Complete what was reviewed, and make ready what waited for it."""
    task = yield from tenure(view, env, command)
    if isinstance(task, Rejection):
        return task
    refused = refuse_children(view, task) or refuse_own(command.actor, task)
    if refused is not None:
        return refused
    frees = dependents(view, task)
    yield ReviewApproved(
        task_id=task.id,
        run_id=run_of(view, task),
        fence=task.fence + 1,
        entry_id=fresh_id(view, env, "ctx") if command.note else None,
        note=command.note,
        frees=frees,
        forced=command.forced,
    )
    yield from promote(view, env, freed(task, frees))
    grants, notices = yield from and_claim(view, command, env)
    return Reply(task=view.task(task.id), grants=grants, warnings=notices)


def request_changes(view: View, command: c.RequestChanges, env: Env) -> Steps:
    """Open what was reviewed again, with all attempts to come."""
    task = yield from tenure(view, env, command)
    if isinstance(task, Rejection):
        return task
    waits = task.open_blockers or task.open_children
    yield ChangesRequested(
        task_id=task.id,
        run_id=run_of(view, task),
        fence=task.fence + 1,
        ready_at=env.now,
        rank=None if waits else env.policies.ranking.rank(task, env.now),
        entry_id=fresh_id(view, env, "ctx"),
        note=command.reasons,
        forced=command.forced,
    )
    grants, notices = yield from and_claim(view, command, env)
    return Reply(task=view.task(task.id), grants=grants, warnings=notices)
