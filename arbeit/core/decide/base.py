"""What every decision is made with: the environment, the need for more rows, and common refusals."""

from __future__ import annotations

from collections.abc import Callable, Generator
from typing import TYPE_CHECKING

from arbeit.core.codec import Codec
from arbeit.core.commands import Command, TenureCommand
from arbeit.core.declare import field, frozen
from arbeit.core.errors import Code, Rejection
from arbeit.core.events import Fact, TaskReadied
from arbeit.core.leases import current, genuine, lost
from arbeit.core.loads import Reads
from arbeit.core.model import Event, Lease, Notice, Reply, Task
from arbeit.core.policy import Policies
from arbeit.core.transitions import illegal
from arbeit.core.view import View

if TYPE_CHECKING:
    from arbeit.core.commands import AddProgress, CompleteProgress


@frozen(weakref_slot=False)
class Env:
    """What a decision may not find out by itself.

    Attributes:
        now: the store's clock under the lock, microseconds since 1970, never below the last event's time.
        new_id: makes a fresh id with a prefix.
        entropy: gives a random integer of 64 bits.
        policies: those in force in the project.
        lease_key: the deployment's secret under which lease tokens are derived.
        codec: reads and writes recorded text, for erasures.
        claims: how many claims this batch holds; how far ahead windows are worth loading.
    """

    now: int
    new_id: Callable[[str], str]
    entropy: Callable[[], int]
    policies: Policies
    lease_key: bytes = field(repr=False)
    codec: Codec
    claims: int = 1


@frozen(weakref_slot=False)
class Need:
    """More rows are needed before this decision can go on."""

    reads: Reads


@frozen(weakref_slot=False)
class Restored:
    """An event that was recorded already, to be kept as it is, and the fact in it."""

    event: Event
    fact: Fact


Steps = Generator[Fact | Restored | Need, None, Reply | Rejection]
"""A decision: yields facts, each applied before it goes on, and needs; ends with a reply or a refusal.

A refusal after a fact would leave half a command behind, so it is never made.
"""


_TABLES = {
    "tkt": "tasks",
    "lea": "leases",
    "run": "runs",
    "rel": "relationships",
    "ctx": "entries",
    "ses": "sessions",
    "fil": "files",
    "art": "artifacts",
}
_KINDS = {"prg": "item", "sec": "secret"}


def fresh_id(view: View, env: Env, prefix: str) -> str:
    """A new id that nothing known here has. What is not loaded is the store's to refuse; see `RowRefused`."""
    known = getattr(view, _TABLES[prefix]) if prefix in _TABLES else view.new[_KINDS[prefix]]
    while True:
        made = env.new_id(prefix)
        if known.get(made) is None:
            return made


def find(view: View, env: Env, actor: str, task_id: str) -> Task | Rejection:
    """A task that this actor can see; what it cannot see does not exist for it."""
    task = view.tasks.get(task_id)
    if task is None or task.deleted_at is not None or not env.policies.access.scope(actor).sees(task.queue):
        return missing(task_id)
    return task


def missing(task_id: str, code: Code = Code.TASK_NOT_FOUND) -> Rejection:
    """The answer for a task that does not exist, or that the caller may not see."""
    return Rejection(
        code,
        f"there is no task {task_id} in this project",
        ("List the tasks to find its id.",),
        data={"task_id": task_id},
    )


def refuse_step(operation: str, task: Task) -> Rejection | None:
    """Why the state machine forbids this operation now, if it does."""
    return illegal(operation, task.id, task.status)


def refuse_token(view: View, env: Env, task: Task, actor: str, token: str) -> Rejection | None:
    """Why this token does not let this actor write to the task, if it does not."""
    lease = view.leases.get(task.lease_id) if task.lease_id is not None else None
    if lease is None or not current(task, lease):
        return lost(task)
    return None if genuine(env.lease_key, view.key, lease, actor, token) else lost(task)


def refuse_stranger(
    view: View, env: Env, task: Task, command: TenureCommand | AddProgress | CompleteProgress
) -> Rejection | None:
    """Why only the holder may do this to a held task, if the caller is neither it nor a supervisor who insists."""
    if command.token is not None:
        return refuse_token(view, env, task, command.actor, command.token)
    if isinstance(command, TenureCommand) and command.force:
        return refuse_subordinate(view, env, command)
    if task.lease_id is None:
        return None
    return Rejection(
        Code.ALREADY_CLAIMED,
        f"task {task.id} is held by {task.assignee}; only its holder can do this",
        ("Add a note for its holder, or wait until it is free.",),
        data={"task_id": task.id, "assignee": task.assignee},
    )


def refuse_subordinate(view: View, env: Env, command: Command) -> Rejection | None:
    """Why this actor may not do what only supervisors may, if it may not; its agent is loaded."""
    if env.policies.access.supervises(command.actor, view.agent(command.actor)):
        return None
    return Rejection(
        Code.FORBIDDEN,
        f"{command.actor} is not a supervisor of this project, so it cannot {command.operation.rpartition('.')[2]}",
        ("Leave a note on the task, and ask a supervisor.",),
        data={"actor": command.actor},
    )


def refuse_own(actor: str, task: Task) -> Rejection | None:
    """Why somebody may not judge a task under review: it did the work."""
    if actor != task.submitted_by:
        return None
    return Rejection(
        Code.FORBIDDEN,
        f"{actor} finished task {task.id}, so somebody else must review it",
        ("Leave it to another reviewer.", "Claim the next ready task."),
        data={"task_id": task.id},
    )


def unknown_actor(actor: str) -> Rejection:
    """The answer to somebody who has not said who it is, where that is asked for."""
    return Rejection(
        Code.UNAUTHENTICATED,
        f"this project asks who you are, and {actor!r} is nobody",
        ('Say who you are: arbeit.open(url, actor="your-name") or project.as_("your-name").',),
    )


def need_holder(view: View, task: Task) -> Generator[Need, None, None]:
    """Load the agent that holds a task: its count of leases will change."""
    if task.lease_id is not None:
        agent_id = view.lease(task.lease_id).agent_id
        if agent_id not in view.agents:
            yield Need(Reads(agents={agent_id}))


def promote(view: View, env: Env, task_ids: list[str]) -> Generator[Fact, None, None]:
    """Make ready what nothing holds back any more, oldest first."""
    due = [
        task
        for task in (view.task(task_id) for task_id in dict.fromkeys(task_ids))
        if task.claim_status == "delayed" and task.ready_at <= env.now
    ]
    for task in sorted(due, key=lambda task: (task.created_at, task.id)):
        rank = env.policies.ranking.rank(task, env.now)
        yield TaskReadied(task_id=task.id, ready_at=env.now, rank=rank)


def rank_if_due(env: Env, task: Task, ready_at: int) -> int | None:
    """The rank of a task that opens again, or its review, or None while it is delayed or waits."""
    # What a task waits for holds its work back; a review is of work that is done.
    waits = task.submitted_by is None and (task.open_blockers or task.open_children)
    if ready_at > env.now or waits:
        return None
    return env.policies.ranking.rank(task, ready_at)


def holder_notices(task: Task, lease: Lease, now: int) -> tuple[Notice, ...]:
    """What a holder should hear beside the success of a write."""
    notices = []
    if lease.preempt_requested:
        notices.append(Notice("PREEMPT_REQUESTED", "more important work waits: leave a note and release this task"))
    elif lease.ends_by is not None and lease.ends_by - now < lease.ttl:
        seconds = max(0, lease.ends_by - now) // 1_000_000
        notices.append(Notice("LEASE_EXPIRING", f"this run ends in {seconds} s, and renewing does not help: finish up"))
    if task.unread:
        notices.append(Notice("STALE_CONTEXT", f"others added {task.unread} entries since your last one: read them"))
    return tuple(notices)


def blocker_notices(task: Task) -> tuple[Notice, ...]:
    """What a holder should know about unfinished work around its task."""
    notices = []
    if task.open_blockers:
        notices.append(Notice("HAS_BLOCKERS", f"{task.open_blockers} tasks that block this one are unfinished"))
    if task.open_children:
        notices.append(Notice("HAS_INCOMPLETE_CHILDREN", f"{task.open_children} children are unfinished"))
    return tuple(notices)
