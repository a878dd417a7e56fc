"""What must be true of a project's rows at every moment, recounted from the rows themselves."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping
from typing import Any

from arbeit import audit
from arbeit.core.errors import ArbeitError
from arbeit.core.model import Relationship, Reply, Task
from arbeit.core.view import View
from arbeit.wire import WIRE

Rows = Mapping[str, Mapping[Any, Any]]


def spoken(result: Reply | ArbeitError) -> str:
    """A result as its caller is told, to the last byte."""
    if isinstance(result, Reply):
        # An explanation is never stored, so there is no wire text of it.
        return WIRE.reply(result) if result.explanation is None else repr(result)
    data = sorted(result.data.items(), key=repr)
    return repr((result.code, result.message, result.suggestions, result.retryable, data))


def differences(found: Rows, wanted: Rows) -> Iterator[str]:
    """Every row that is not what it should be, in words."""
    for kind, table in wanted.items():
        have = found[kind]
        if have == table:
            continue
        for key in sorted(table.keys() | have.keys(), key=str):
            mine, theirs = have.get(key), table.get(key)
            if mine != theirs:
                yield f"{kind} {key} is {mine}, and should be {theirs}"


def unlike_the_fold(rows: Rows, fold: View) -> Iterator[str]:
    """Every row that the log does not give."""
    for kind, table in audit.tables(fold).items():
        have = rows[kind]
        if have == table:
            continue
        for key in sorted(table.keys() | have.keys(), key=str):
            mine, theirs = audit.settled(have.get(key)), audit.settled(table.get(key))
            if mine != theirs:
                yield f"{kind} {key} is stored as {mine}, and the log gives {theirs}"


def circles(rows: Rows) -> Iterator[str]:
    """Every task that waits, however far ahead, for itself."""
    later: defaultdict[str, set[str]] = defaultdict(set)
    waiting: Counter[str] = Counter()
    edges: list[Relationship] = list(rows["relationship"].values())
    for edge in edges:
        if edge.type in {"blocks", "parent_of"}:
            first, last = edge.from_task_id, edge.to_task_id
            if edge.type == "parent_of":
                first, last = last, first
            later[first].add(last)
    for ends in later.values():
        waiting.update(ends)
    free = [task for task in rows["task"] if not waiting[task]]
    seen = 0
    while free:
        seen += 1
        for task in later[free.pop()]:
            waiting[task] -= 1
            if not waiting[task]:
                free.append(task)
    if seen != len(rows["task"]):
        yield f"tasks wait for each other in a circle: {sorted(task for task, count in waiting.items() if count)}"


def miscounts(rows: Rows) -> Iterator[str]:
    """Every counter that a recount does not give."""
    tasks: Mapping[str, Task] = rows["task"]
    blockers, children, items = Counter[str](), Counter[str](), Counter[str]()
    for edge in rows["relationship"].values():
        blockers[edge.to_task_id] += edge.type == "blocks" and not tasks[edge.from_task_id].finished
        children[edge.from_task_id] += edge.type == "parent_of" and not tasks[edge.to_task_id].finished
    items.update(item.task_id for item in rows["item"].values() if not item.completed)
    held, ready, running = Counter[str](), Counter[str](), Counter[str]()
    for task in tasks.values():
        counted = (task.open_blockers, task.open_children, task.open_items)
        recounted = (blockers[task.id], children[task.id], items[task.id])
        if counted != recounted:
            yield f"task {task.id} counts {counted} blockers, children and lines, and has {recounted}"
        ready[task.queue] += task.claim_status == "ready"
        running[task.queue] += task.claim_status == "held"
        held[task.assignee or ""] += task.claim_status == "held"
        if (task.lease_id is not None) != (task.claim_status == "held"):
            yield f"task {task.id} is {task.claim_status} with the lease {task.lease_id}"
    for queue in rows["queue"].values():
        if (queue.ready, queue.in_progress) != (ready[queue.name], running[queue.name]):
            yield f"queue {queue.name} counts {queue.ready} ready and {queue.in_progress} in progress"
    for agent in rows["agent"].values():
        if agent.active_leases != held[agent.id]:
            yield f"agent {agent.id} counts {agent.active_leases} leases, and has {held[agent.id]}"
