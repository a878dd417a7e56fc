"""When a refusal tells the truth: what each error code says of the task that it was given for."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING

from arbeit.core.errors import ArbeitError, Code

if TYPE_CHECKING:
    from arbeit.testing.linearizability.tasks import TaskAction, TaskState

_SOURCES: Mapping[str, frozenset[str]] = {
    "task.start": frozenset({"open", "in_review"}),
    "task.resume": frozenset({"blocked"}),
    "task.complete": frozenset({"in_progress"}),
    "task.handoff": frozenset({"in_progress"}),
    "task.release": frozenset({"in_progress", "in_review"}),
    "task.fail": frozenset({"in_progress", "in_review"}),
    "task.preempt": frozenset({"in_progress", "in_review"}),
    "task.approve": frozenset({"in_review"}),
    "task.request_changes": frozenset({"in_review"}),
    "task.block": frozenset({"open", "in_progress"}),
    "task.unblock": frozenset({"blocked"}),
    "task.cancel": frozenset({"open", "in_progress", "blocked", "in_review"}),
}
"""From where an operation leads on (section "Lifecycle" of the documentation)."""
_NEEDS_HOLDER = frozenset(
    {
        "task.complete",
        "task.handoff",
        "task.release",
        "task.fail",
        "task.preempt",
        "task.approve",
        "task.request_changes",
    }
)


def fits(state: TaskState | None, action: TaskAction, error: ArbeitError) -> bool:
    """Whether a task in this state may have been refused so. An error that does not name the task always fits."""
    if action.operation == "task.create" and error.data.get("field") == "task_id":
        return state is not None
    if "task_id" not in error.data:
        return True
    if error.code is Code.TASK_NOT_FOUND:
        return state is None or state.deleted
    if state is None or state.deleted:
        return False
    says = _SAYS.get(error.code)
    return says is None or says(state, action, error)


def _lost(state: TaskState, action: TaskAction, _error: ArbeitError) -> bool:
    # With a token whose grant nobody heard of, there is no telling.
    return action.fence is None or state.fence != action.fence or state.holder != action.actor


def _claimed(state: TaskState, _action: TaskAction, error: ArbeitError) -> bool:
    return state.holder is not None and state.holder == error.data.get("assignee", state.holder)


def _working(state: TaskState, action: TaskAction, _error: ArbeitError) -> bool:
    return state.holder == action.agent


def _illegal(state: TaskState, action: TaskAction, error: ArbeitError) -> bool:
    if "status" not in error.data or action.operation not in _SOURCES:
        return True
    legal = state.status in _SOURCES[action.operation]
    unheld = action.operation in _NEEDS_HOLDER and state.holder is None
    return bool(error.data["status"] == state.status) and (not legal or unheld)


def _conflict(state: TaskState, action: TaskAction, error: ArbeitError) -> bool:
    found = error.data.get("version", 0)
    return bool(found >= state.version and found != action.expected)


_SAYS: Mapping[Code, Callable[[TaskState, TaskAction, ArbeitError], bool]] = {
    Code.LEASE_LOST: _lost,
    Code.ALREADY_CLAIMED: _claimed,
    Code.ALREADY_WORKING: _working,
    Code.INVALID_TRANSITION: _illegal,
    Code.VERSION_CONFLICT: _conflict,
}
