"""Decisions that grant leases."""

from __future__ import annotations

from collections import Counter
from collections.abc import Generator

from arbeit.core import commands as c
from arbeit.core.decide.base import (
    Env,
    Need,
    Steps,
    blocker_notices,
    find,
    fresh_id,
    refuse_own,
    refuse_step,
)
from arbeit.core.decide.setup import differing
from arbeit.core.errors import Code, Rejection
from arbeit.core.events import (
    AgentRegistered,
    Fact,
    HandoffAccepted,
    TaskClaimed,
)
from arbeit.core.fairness import MissingWindows, Pick, charge, lacking, pickable
from arbeit.core.loads import Reads
from arbeit.core.model import Agent, Grant, Reply, Task
from arbeit.core.record import change
from arbeit.core.view import View

_WINDOW_ROWS = 64
"""Ready tasks worth loading ahead for one need, over all its windows."""


def claim_tasks(view: View, command: c.ClaimTasks, env: Env) -> Steps:
    """Grant up to n ready tasks, picked fairly; nothing ready is an empty answer, not a refusal."""
    grants = yield from claim(view, command, env)
    if isinstance(grants, Rejection):
        return grants
    return Reply(grants=grants)


def claim(view: View, command: c.ClaimTasks, env: Env) -> Generator[Fact | Need, None, tuple[Grant, ...] | Rejection]:
    """Grant what was handed over to the agent, then pick one task at a time, so that each pick sees the one before."""
    queues = _queues_in_scope(view, env, command)
    grants = yield from _take_up(view, command, queues)
    refused = refuse_more(view, command.agent) if not grants else None
    if refused is not None:
        return refused
    known = yield from _register(view, command.agent, command.capabilities)
    while len(grants) < command.n and refuse_more(view, command.agent) is None:
        # Looked up for each pick: the first sight of a group may be what shuts this agent out of it.
        capabilities = view.schedule.claimer(command.agent, known)
        pick = yield from _pick(view, env, capabilities, queues)
        if pick is None:
            break
        task = view.task(pick.task_id)
        grants.append((yield from _grant(view, env, task, command, pick, how="claim", queues=queues)))
    return tuple(grants)


def _take_up(
    view: View, command: c.ClaimTasks, queues: tuple[str, ...] | None
) -> Generator[Fact | Need, None, list[Grant]]:
    """Grant what was handed over to an agent and waits for it, oldest first."""
    agent = view.agent(command.agent)
    grants: list[Grant] = []
    handed = agent.handed if agent is not None else ()
    unknown = {name for name in handed if name not in view.tasks or view.task(name).lease_id not in view.leases}
    if unknown:
        yield Need(Reads(tasks=unknown))
    for task_id in handed:
        task = view.task(task_id)
        if len(grants) < command.n and (queues is None or task.queue in queues):
            grants.append((yield from _accept(view, task, command)))
    return grants


def _accept(view: View, task: Task, command: c.Granting) -> Generator[Fact, None, Grant]:
    assert task.lease_id is not None  # noqa: S101 - an agent is handed held tasks alone
    lease = view.lease(task.lease_id)
    yield HandoffAccepted(
        task_id=task.id,
        run_id=lease.run_id,
        lease_id=lease.id,
        session_id=command.session_id,
        trace_id=trace_id(command),
    )
    expires_at = view.beat(lease, command.ttl)
    taken = change(view.lease(lease.id), expires_at=expires_at, heartbeat_at=view.now)
    return Grant(view.task(task.id), taken, view.run(lease.run_id))


def trace_id(command: c.Command) -> str:
    """The trace that a command belongs to (W3C Trace Context), or nothing."""
    return command.traceparent[3:35] if command.traceparent else ""


def explain_claim(view: View, command: c.ExplainClaim, env: Env) -> Steps:
    """Make the pick that a claim would make now, and say why; grants nothing."""
    agent = view.agent(command.agent)
    known = agent.capabilities if agent is not None else ()
    had = frozenset(command.capabilities if command.capabilities is not None else known)
    capabilities = view.schedule.claimer(command.agent, had)
    queues = _queues_in_scope(view, env, command)
    yield from _pick(view, env, capabilities, queues)
    explanation = view.schedule.explain(capabilities, queues)
    visible = env.policies.access.scope(command.actor)
    passed = tuple(one for one in explanation.passed if visible.sees(one.queue))
    return Reply(explanation=change(explanation, passed=passed))


def _queues_in_scope(view: View, env: Env, command: c.ClaimTasks) -> tuple[str, ...] | None:
    # Who asks on another agent's behalf learns of no queue that either of them may not see.
    queues = command.queues
    for name in {command.actor, command.agent}:
        if (visible := env.policies.access.scope(name).queues) is not None:
            queues = tuple(sorted(visible.intersection(queues if queues is not None else view.schedule.queues)))
    return queues


def _register(view: View, agent_id: str, capabilities: tuple[str, ...] | None) -> Generator[Fact, None, frozenset[str]]:
    """Make a claiming agent known, with the capabilities it says it has."""
    agent = view.agent(agent_id)
    wanted = {} if capabilities is None else {"capabilities": capabilities}
    changes = differing(agent or Agent(agent_id, 0), wanted)
    if agent is None or changes:
        yield AgentRegistered(agent_id=agent_id, changes=changes)
        agent = view.agent(agent_id)
    return frozenset(agent.capabilities if agent is not None else ())


def refuse_more(view: View, agent_id: str) -> Rejection | None:
    """Why an agent may hold no more tasks, if it may not."""
    agent = view.agent(agent_id)
    if agent is None or agent.max_leases is None or agent.active_leases < agent.max_leases:
        return None
    return Rejection(
        Code.LIMIT_EXCEEDED,
        f"agent {agent_id} holds {agent.active_leases} tasks; its max_leases is {agent.max_leases}",
        ("Complete, fail or release one of your tasks first.",),
        data={"agent_id": agent_id, "limit": agent.max_leases},
    )


def _pick(
    view: View, env: Env, capabilities: frozenset[str], queues: tuple[str, ...] | None
) -> Generator[Need, None, Pick | None]:
    schedule = view.schedule
    while True:
        chosen = schedule.next_queue(capabilities, queues)
        if chosen is None:
            return None
        best = schedule.head(chosen[1], capabilities)
        if not isinstance(best, MissingWindows) and best[2] not in view.tasks:
            # A window may outlive the rows it was made from: only its order is known to be still true.
            yield Need(Reads(tasks={best[2]}))
        elif not isinstance(best, MissingWindows):
            weighting = env.policies.weighting
            queue = schedule.queues[chosen[1]]
            cost = weighting.cost(view.task(best[2]))
            tag, remainder = charge(queue, chosen[0], cost, weighting.weight(queue))
            return Pick(best[2], queue.name, tag, remainder, chosen[0])
        else:
            ahead = schedule.upcoming(capabilities, queues, env.claims)
            yield Need(Reads(windows=window_sizes(view, (*best.groups, *ahead))))


def window_sizes(view: View, groups: tuple[tuple[str, str], ...]) -> dict[tuple[str, str], int]:
    """How many rows to load of each group: past those that this batch has already taken."""
    groups = tuple(dict.fromkeys(groups))
    taken = Counter((task.queue, task.group) for task in view.changed["task"].values())
    each = max(4, _WINDOW_ROWS // len(groups))
    return {group: each + taken[group] for group in groups}


def _grant(
    view: View,
    env: Env,
    task: Task,
    command: c.Granting,
    pick: Pick,
    *,
    how: str,
    queues: tuple[str, ...] | None = None,
) -> Generator[Fact, None, Grant]:
    ttl = env.policies.lease_length.ttl(task, command.ttl, env.entropy())
    last = ends_by(env, task)
    lease_id, run_id = fresh_id(view, env, "lea"), fresh_id(view, env, "run")
    yield TaskClaimed(
        task_id=task.id,
        run_id=run_id,
        lease_id=lease_id,
        agent_id=command.agent,
        fence=task.fence + 1,
        ttl=ttl,
        expires_at=env.now + ttl if last is None else min(last, env.now + ttl),
        attempt=task.attempt + 1,
        tag_after=pick.tag,
        remainder=pick.remainder,
        virtual_time=pick.virtual_time,
        how=how,
        queues=queues,
        session_id=command.session_id,
        trace_id=trace_id(command),
        ends_by=last,
    )
    return Grant(view.task(task.id), view.lease(lease_id), view.run(run_id))


def ends_by(env: Env, task: Task) -> int | None:
    """The moment at which a run that begins now has to end, if there is one."""
    longest = env.policies.lease_length.max_runtime(task)
    return env.now + longest if longest is not None else None


def start_task(view: View, command: c.StartTask, env: Env) -> Steps:
    """Claim by name: the same grant, charged to the task's queue, for a task that is ready or blocked."""
    task = find(view, env, command.actor, command.task_id)
    if isinstance(task, Rejection):
        return task
    if task.assignee == command.agent and _handed(view, task):
        grant = yield from _accept(view, task, command)
        return Reply(grants=(grant,), warnings=blocker_notices(task))
    refused = _refuse_start(command, task) or refuse_step(command.operation, task)
    refused = refused or _refuse_not_ready(view, env, command, task)
    refused = refused or refuse_more(view, command.agent) or _refuse_unable(view, command, task)
    if refused is not None:
        return refused
    yield from _register(view, command.agent, command.capabilities)
    queue, weighting = view.schedule.queues[task.queue], env.policies.weighting
    begin = max(queue.tag, view.schedule.virtual_time)
    tag, remainder = charge(queue, begin, weighting.cost(task), weighting.weight(queue))
    # The virtual time stays: a task taken out of turn must not cost the other queues theirs.
    pick = Pick(task.id, queue.name, tag, remainder, view.schedule.virtual_time)
    how = command.operation.rpartition(".")[2]
    grant = yield from _grant(view, env, task, command, pick, how=how)
    return Reply(grants=(grant,), warnings=blocker_notices(task))


def _handed(view: View, task: Task) -> bool:
    """Whether a held task was handed over and waits for its holder to take it up."""
    return task.lease_id is not None and not view.lease(task.lease_id).accepted


def _refuse_start(command: c.StartTask, task: Task) -> Rejection | None:
    if task.lease_id is None:
        return None
    data = {"task_id": task.id, "assignee": task.assignee}
    if task.assignee == command.agent:
        hint = "Go on with the lease token that your claim returned."
        return Rejection(Code.ALREADY_WORKING, f"you hold task {task.id} already", (hint,), data=data)
    hint = "Claim the next ready task instead."
    return Rejection(
        Code.ALREADY_CLAIMED,
        f"task {task.id} is held by {task.assignee}",
        (hint,),
        retryable=True,
        data=data,
    )


def _refuse_not_ready(view: View, env: Env, command: c.StartTask, task: Task) -> Rejection | None:
    queue = view.schedule.queues[task.queue]
    why, hint = "", "Claim the next ready task instead."
    if task.open_blockers and task.status != "in_review":
        why, hint = f"waits for {_blockers(view, env, command.actor, task)}", "Finish what blocks it first."
    elif task.open_children and task.status != "in_review":
        why, hint = f"has {task.open_children} unfinished children", "Finish its children first."
    elif task.claim_status == "delayed" and task.ready_at > view.now:
        # Rounded up: who waits for as long as it says finds the task ready.
        seconds = -(-(task.ready_at - view.now) // 1_000_000)
        why, hint = f"is delayed for another {seconds} s", "Try again then, or claim another task."
    elif not pickable(queue):
        why = f"is in queue {queue.name}, which is " + ("paused" if queue.paused else "at max_in_progress")
    if not why:
        return None
    return Rejection(Code.NOT_READY, f"task {task.id} {why}", (hint,), retryable=True, data={"task_id": task.id})


def _blockers(view: View, env: Env, actor: str, task: Task) -> str:
    """The unfinished tasks that block this one, those by name that the actor can see."""
    scope = env.policies.access.scope(actor)
    ends = (edge.from_task_id for edge in view.edges(task.id) if edge.type == "blocks" and edge.to_task_id == task.id)
    blockers = [blocker for end in ends if (blocker := view.tasks.get(end)) is not None and not blocker.finished]
    names = sorted(blocker.id for blocker in blockers if scope.sees(blocker.queue))[:10]
    others = len(blockers) - len(names)
    return ", ".join([*names, *([f"{others} more"] if others else [])])


def _refuse_unable(view: View, command: c.StartTask, task: Task) -> Rejection | None:
    agent = view.agent(command.agent)
    has = command.capabilities if command.capabilities is not None else (agent.capabilities if agent else ())
    missing = lacking(task.group, command.agent, has)
    if not missing:
        return None
    if f"!{command.agent}" in missing:
        return refuse_own(command.agent, task)
    return Rejection(
        Code.FORBIDDEN,
        f"task {task.id} requires {' and '.join(missing)}, which {command.agent} does not have",
        ("Claim without naming a task to get one that suits you.",),
        data={"task_id": task.id, "requires": missing},
    )
