"""Decisions that make tasks and change what they say."""

from __future__ import annotations

from collections.abc import Generator, Iterable

from arbeit.core import commands as c
from arbeit.core import graph
from arbeit.core.decide.base import Env, Need, Steps, find, fresh_id, missing
from arbeit.core.decide.setup import differing, given
from arbeit.core.errors import Code, Rejection
from arbeit.core.events import QueueSet, TaskCreated, TaskImported, TasksReranked, TaskUpdated
from arbeit.core.limits import HIERARCHY_DEPTH, RELATIONSHIPS, Unset
from arbeit.core.loads import Reads
from arbeit.core.model import Queue, Reply, Task
from arbeit.core.policy import Scope
from arbeit.core.record import change
from arbeit.core.view import View

_SEARCHES = 40
"""How often a path is sought: anew for edges that were not loaded, and past deleted tasks."""


def refuse_full(queue: Queue | None) -> Rejection | None:
    """Why a queue takes no new work, if it does not."""
    if queue is None or queue.max_ready is None or queue.ready < queue.max_ready:
        return None
    return Rejection(
        Code.QUEUE_FULL,
        f"queue {queue.name} holds {queue.ready} ready tasks; its limit is {queue.max_ready}",
        ("Try again after some of them are claimed.", "Use another queue, or raise max_ready."),
        retryable=True,
        data={"queue": queue.name, "retry_after": 5},
    )


def _refuse_parent(view: View, env: Env, actor: str, parent_id: str | None) -> Rejection | None:
    if parent_id is None:
        return None
    parent = find(view, env, actor, parent_id)
    if isinstance(parent, Rejection):
        return missing(parent_id, Code.PARENT_NOT_FOUND)
    if parent.finished:
        return Rejection(
            Code.INVALID_TRANSITION,
            f"parent {parent_id} is {parent.status}, so it takes no more children",
            ("Create the task without a parent and relate it with splits_from.",),
            data={"parent_id": parent_id},
        )
    return refuse_depth(parent.depth + 1) or refuse_edges([parent])


def refuse_depth(depth: int) -> Rejection | None:
    """Why a hierarchy may not go this deep, if it may not."""
    if depth < HIERARCHY_DEPTH:
        return None
    return Rejection(
        Code.MAX_DEPTH_EXCEEDED,
        f"tasks nest {HIERARCHY_DEPTH} levels deep at most",
        ("Put the task under a higher ancestor.",),
        data={"limit": HIERARCHY_DEPTH},
    )


def refuse_edges(tasks: Iterable[Task]) -> Rejection | None:
    """Why one of these tasks can take no more relationships, if so."""
    for task in tasks:
        if task.relationships >= RELATIONSHIPS:
            return Rejection(
                Code.LIMIT_EXCEEDED,
                f"task {task.id} has {RELATIONSHIPS} relationships, the most a task can have",
                ("Group the tasks under parents, and relate those.",),
                data={"task_id": task.id, "limit": RELATIONSHIPS},
            )
    return None


def _refuse_own_edges(command: c.CreateTask) -> Rejection | None:
    if len(command.blocked_by) + (command.parent_id is not None) <= RELATIONSHIPS:
        return None
    return Rejection(
        Code.LIMIT_EXCEEDED,
        f"a task can have {RELATIONSHIPS} relationships at most",
        ("Group the tasks it waits for under parents, and wait for those.",),
        data={"limit": RELATIONSHIPS},
    )


def refuse_cycle(view: View, scope: Scope, path: list[str]) -> Rejection:
    """The answer to an edge that would make tasks wait for each other; what the actor may not see is left out."""
    seen = {task_id for task_id in path if (task := view.tasks.get(task_id)) is not None and scope.sees(task.queue)}
    if scope.queues is not None:
        path = [task_id if task_id in seen else "…" for task_id in path]
    shown = " → ".join(path if len(path) <= 8 else [*path[:4], "…", *path[-3:]])  # noqa: PLR2004 - a line's worth
    return Rejection(
        Code.CIRCULAR_DEPENDENCY,
        f"this would make tasks wait for each other: {shown} must already end in this order",
        ("Remove one of these relationships first.", "Use relates_to where no order is meant."),
        data={"path": path},
    )


def graph_too_large() -> Rejection:
    """The answer where a cycle cannot be ruled out within the limit."""
    return Rejection(
        Code.LIMIT_EXCEEDED,
        "more tasks wait behind this edge than can be searched for a cycle",
        ("Split the dependency chain.",),
    )


def refuse_path(view: View, scope: Scope, start: str, goals: frozenset[str]) -> Generator[Need, None, Rejection | None]:
    """Why none of the goals may come to wait for `start`: one must already end after it. Loads what it searches."""
    deleted: frozenset[str] = frozenset()
    for _ in range(_SEARCHES):
        try:
            path = graph.path(view, start, goals, deleted)
        except graph.Unknown as unknown:
            yield Need(Reads(after=unknown.task_ids))
            continue
        except graph.TooLarge:
            break
        if path is None:
            return None
        if not view.tasks.keys() >= set(path):
            yield Need(Reads(tasks=set(path)))
        gone = {step for step in path if view.task(step).deleted_at is not None}
        if not gone:
            return refuse_cycle(view, scope, [path[-1], *path])
        # Nothing waits for a deleted task, and nobody could take its relationships away.
        deleted |= gone
    return graph_too_large()


def create_task(view: View, command: c.CreateTask, env: Env) -> Steps:
    """Add a task; it is ready at once unless something holds it back."""
    if command.task_id is not None and view.tasks.get(command.task_id) is not None:
        return _refuse_id(command.task_id)
    blockers: list[Task] = []
    for blocker_id in command.blocked_by:
        blocker = find(view, env, command.actor, blocker_id)
        if isinstance(blocker, Rejection):
            return blocker
        blockers.append(blocker)
    refused = (
        _refuse_queue(view, env, command.actor, command.queue)
        or _refuse_parent(view, env, command.actor, command.parent_id)
        or refuse_edges(blockers)
        or _refuse_own_edges(command)
    )
    if refused is not None:
        return refused
    scope = env.policies.access.scope(command.actor)
    if command.parent_id is not None and command.blocked_by:
        refused = yield from refuse_path(view, scope, command.parent_id, frozenset(command.blocked_by))
        if refused is not None:
            return refused
    if command.queue not in view.schedule.queues:
        yield QueueSet(queue=command.queue)
    parent = view.task(command.parent_id) if command.parent_id is not None else None
    task_id = command.task_id or fresh_id(view, env, "tkt")
    ready_at = max(command.ready_at or 0, env.now)
    edges = tuple((fresh_id(view, env, "rel"), blocker.id, not blocker.finished) for blocker in blockers)
    held_back = any(holds for _, _, holds in edges)
    yield TaskCreated(
        task_id=task_id,
        title=command.title,
        intent=command.intent,
        description=command.description,
        priority=command.priority,
        labels=command.labels,
        queue=command.queue,
        requires=command.requires,
        parent_id=command.parent_id,
        parent_edge=fresh_id(view, env, "rel") if parent is not None else None,
        depth=parent.depth + 1 if parent is not None else 0,
        edges=edges,
        max_attempts=command.max_attempts,
        max_runtime=command.max_runtime,
        review=command.review,
        ready_at=ready_at,
        rank=None if held_back or ready_at > env.now else _rank(env, command, ready_at),
        due_at=command.due_at,
        inputs=command.inputs,
        acceptance=command.acceptance,
        metadata=command.metadata,
    )
    return Reply(task=view.task(task_id))


def _refuse_id(task_id: str) -> Rejection:
    return Rejection(
        Code.INVALID_INPUT,
        f"the id {task_id} is taken in this project",
        ("Leave the id out to get a fresh one, or choose another.",),
        data={"field": "task_id"},
    )


def _refuse_queue(view: View, env: Env, actor: str, name: str, *, importing: bool = False) -> Rejection | None:
    if not env.policies.access.scope(actor).sees(name):
        return Rejection(Code.FORBIDDEN, f"{actor} may not add work to queue {name}", ("Use a queue of your own.",))
    # A full queue refuses new work, not a record of what exists elsewhere.
    return None if importing else refuse_full(view.schedule.queues.get(name))


def _rank(env: Env, command: c.CreateTask | c.ImportTask, ready_at: int) -> int:
    draft = Task(
        "", command.title, env.now, env.now, priority=command.priority, queue=command.queue, due_at=command.due_at
    )
    return env.policies.ranking.rank(draft, ready_at)


def update_task(view: View, command: c.UpdateTask, env: Env) -> Steps:
    """Change what differs, unless the task has moved on since the caller read it."""
    task = find(view, env, command.actor, command.task_id)
    if isinstance(task, Rejection):
        return task
    if command.expected_version is not None and command.expected_version != task.version:
        return Rejection(
            Code.VERSION_CONFLICT,
            f"task {task.id} is at version {task.version}, not {command.expected_version}",
            ("Read it again and repeat your change on what you find.",),
            retryable=True,
            data={"task_id": task.id, "version": task.version, "expected_version": command.expected_version},
        )
    wanted = given(command, *c.UPDATE_FIELDS)
    if not isinstance(command.ready_at, Unset):
        refused = _refuse_delay(task)
        if refused is not None:
            return refused
        if task.claim_status != "ready" or command.ready_at > env.now:
            # What is ready already keeps its place in line.
            wanted["ready_at"] = max(command.ready_at, env.now)
    changes = differing(task, wanted)
    queue = changes.get("queue")
    if queue is not None:
        refused = _refuse_queue(view, env, command.actor, queue)
        if refused is not None:
            return refused
        if queue not in view.schedule.queues:
            yield QueueSet(queue=queue)
    if changes:
        rank = None
        ready_at = changes.get("ready_at", task.ready_at)
        delayed = "ready_at" in changes and ready_at > env.now and task.claim_status in {"ready", "delayed"}
        due = task.claim_status == "ready" or ("ready_at" in changes and task.claim_status == "delayed")
        if due and not delayed:
            rank = env.policies.ranking.rank(change(task, **changes), ready_at)
        yield TaskUpdated(task_id=task.id, changes=changes, rank=rank, delayed=delayed)
    return Reply(task=view.task(task.id))


def _refuse_delay(task: Task) -> Rejection | None:
    if task.status == "open":
        return None
    hint = "Unblock it first." if task.status == "blocked" else "Leave ready_at out: only open tasks have one."
    return Rejection(
        Code.INVALID_TRANSITION,
        f"task {task.id} is {task.status}, so it cannot be delayed",
        (hint,),
        data={"task_id": task.id, "status": task.status},
    )


def rerank_tasks(view: View, command: c.RerankTasks, env: Env) -> Steps:
    """Rank one slice of the ready tasks anew; the reply counts the slice and says where the next begins."""
    if view.ready_asked != (command.after, command.limit):
        # Another slice of the same batch was loaded instead.
        yield Need(Reads(ready_after=(command.after, command.limit)))
    tasks, cursor = _slice(view, command)
    ranks = ((task, env.policies.ranking.rank(task, task.ready_at)) for task in tasks)
    moved = tuple((task.id, rank) for task, rank in ranks if rank != task.rank)
    if moved:
        yield TasksReranked(ranks=moved)
    return Reply(count=len(tasks), cursor=cursor)


def _slice(view: View, command: c.RerankTasks) -> tuple[list[Task], str | None]:
    """The ready tasks of one slice, those of this batch among them, and where the next slice begins."""
    bound = view.ready[-1] if len(view.ready) == command.limit else None
    touched = (*view.new["task"], *view.changed["task"])
    names = {*view.ready, *(name for name in touched if name > command.after and (bound is None or name <= bound))}
    ready = [task for name in sorted(names) if (task := view.task(name)).claim_status == "ready"]
    if len(ready) >= command.limit or bound is None:
        ready = ready[: command.limit]
        return ready, ready[-1].id if ready else None
    return ready, bound


def import_task(view: View, command: c.ImportTask, env: Env) -> Steps:
    """Take a task over with its source's times; one that is here already stays as it is."""
    known = view.tasks.get(command.task_id)
    if known is not None and env.policies.access.scope(command.actor).sees(known.queue):
        return Reply(task=known)
    if known is not None:
        return _refuse_id(command.task_id)
    refused = _refuse_queue(view, env, command.actor, command.queue, importing=True)
    if refused is not None:
        return refused
    if command.status in {"in_progress", "in_review"}:
        return Rejection(
            Code.INVALID_STATUS,
            f"a task cannot be imported as {command.status}: nobody would hold it",
            ("Import it as open or blocked.",),
            data={"field": "status"},
        )
    if command.queue not in view.schedule.queues:
        yield QueueSet(queue=command.queue)
    created_at = command.created_at if command.created_at is not None else env.now
    finished = command.status in {"completed", "cancelled"}
    finished_at = command.finished_at if command.finished_at is not None else command.updated_at
    ready_at = max(command.ready_at or 0, env.now)
    due = command.status == "open" and ready_at <= env.now
    yield TaskImported(
        task_id=command.task_id,
        title=command.title,
        intent=command.intent,
        description=command.description,
        status=command.status,
        priority=command.priority,
        labels=command.labels,
        queue=command.queue,
        requires=command.requires,
        block_reason=command.block_reason,
        outcome=command.outcome,
        outcome_id=fresh_id(view, env, "ctx") if command.outcome else None,
        max_attempts=command.max_attempts,
        acceptance=command.acceptance,
        metadata=command.metadata,
        created_at=created_at,
        updated_at=command.updated_at if command.updated_at is not None else created_at,
        finished_at=(finished_at if finished_at is not None else env.now) if finished else None,
        ready_at=ready_at,
        rank=_rank(env, command, ready_at) if due else None,
        created_by=command.created_by,
        started_at=command.started_at,
        due_at=command.due_at,
        inputs=command.inputs,
        outputs=command.outputs,
        max_runtime=command.max_runtime,
        review=command.review,
    )
    return Reply(task=view.task(command.task_id), count=1)
