"""The life of a task as data: one table that decisions, error messages, docs and tests read."""

from __future__ import annotations

from arbeit.core.declare import frozen
from arbeit.core.errors import Code, Rejection


@frozen(weakref_slot=False)
class Transition:
    """From a status, by a command, to one of some statuses. `held` says whether a lease is needed (None: either)."""

    operation: str
    verb: str
    source: str
    targets: tuple[str, ...]
    held: bool | None = None


_BACK = ("in_review",)
TRANSITIONS: tuple[Transition, ...] = (
    Transition("task.claim", "claim", "open", ("in_progress",), held=False),
    Transition("task.start", "start", "open", ("in_progress",), held=False),
    Transition("task.block", "block", "open", ("blocked",), held=False),
    Transition("task.cancel", "cancel", "open", ("cancelled",), held=False),
    Transition("task.complete", "complete", "in_progress", ("completed", "in_review"), held=True),
    Transition("task.release", "release", "in_progress", ("open",), held=True),
    Transition("task.fail", "fail", "in_progress", ("open", "blocked"), held=True),
    Transition("sweep", "reclaim", "in_progress", ("open", "blocked"), held=True),
    Transition("task.handoff", "handoff", "in_progress", ("in_progress",), held=True),
    Transition("task.preempt", "preempt", "in_progress", ("in_progress",), held=True),
    Transition("task.block", "block", "in_progress", ("blocked",), held=True),
    Transition("task.cancel", "cancel", "in_progress", ("cancelled",), held=True),
    Transition("task.resume", "resume", "blocked", ("in_progress",), held=False),
    Transition("task.unblock", "unblock", "blocked", ("open", "in_review"), held=False),
    Transition("task.cancel", "cancel", "blocked", ("cancelled",), held=False),
    Transition("task.claim", "claim", "in_review", _BACK, held=False),
    Transition("task.start", "start", "in_review", _BACK, held=False),
    Transition("task.approve", "approve", "in_review", ("completed",), held=True),
    Transition("task.request_changes", "request_changes", "in_review", ("open",), held=True),
    Transition("task.release", "release", "in_review", _BACK, held=True),
    Transition("task.fail", "fail", "in_review", ("in_review", "blocked"), held=True),
    Transition("sweep", "reclaim", "in_review", ("in_review", "blocked"), held=True),
    Transition("task.preempt", "preempt", "in_review", _BACK, held=True),
    Transition("task.cancel", "cancel", "in_review", ("cancelled",)),
)

_LEGAL = {(step.operation, step.source): step for step in TRANSITIONS}


def step_for(operation: str, status: str) -> Transition | None:
    """The transition that a command makes from a status, if there is one."""
    return _LEGAL.get((operation, status))


def verbs_from(status: str) -> tuple[str, ...]:
    """What can be done with a task in this status, in the table's order."""
    return tuple(dict.fromkeys(step.verb for step in TRANSITIONS if step.source == status))


def illegal(operation: str, task_id: str, status: str) -> Rejection | None:
    """Why a command does not apply in a status, or None if it does."""
    if (operation, status) in _LEGAL:
        return None
    verb = operation.rpartition(".")[2].replace("_", " ")
    verbs = verbs_from(status)
    hint = (
        f"From {status} you can: {', '.join(verbs)}."
        if verbs
        else f"{status} is final: create a new task and relate it with splits_from."
    )
    return Rejection(
        Code.INVALID_TRANSITION,
        f"task {task_id} is {status}, so it cannot {verb}",
        (hint,),
        data={"task_id": task_id, "status": status, "allowed": list(verbs)},
    )
