"""What a task is to its callers, one operation at a time; told again from the specification, not from the core.

Only what callers can see is in a state: status, fence, holder, attempts, version. What happens by itself (a silent
holder's lease is taken back; a version grows because a blocker ended) may happen before any operation.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any, NamedTuple

from attrs import frozen

from arbeit.core.errors import ArbeitError
from arbeit.testing.linearizability.operations import UNKNOWN, Operation
from arbeit.testing.linearizability.refusals import fits


@frozen
class TaskAction:
    """One caller's operation on one task.

    Attributes:
        operation: the command's, as "task.complete"; "get" for a read; "" where another task's ending grants this one.
        actor: who asked.
        agent: who is to hold the task after it: the claimer, or the heir of a handoff; None otherwise.
        fence: that of the token shown; None for a token that nobody is known to have been given.
        token: whether a token was shown.
        force: whether a supervisor's force was relied on instead.
        then_claim: who goes on with a next task, which may be this very one.
        expected: the version that an optimistic edit was based on.
        status: that of an imported task.
    """

    operation: str
    actor: str = ""
    agent: str | None = None
    fence: int | None = None
    token: bool = False
    force: bool = False
    then_claim: str | None = None
    expected: int | None = None
    status: str = "open"


@frozen
class Seen:
    """What an answered operation showed of the task, right after it: fields by name, and the fence of a grant of it."""

    shown: Mapping[str, Any]
    granted: int | None = None


class TaskState(NamedTuple):
    """A task as its callers know it; `version` is the least that it can be."""

    status: str = "open"
    fence: int = 0
    holder: str | None = None
    accepted: bool = True
    attempt: int = 0
    submitted_by: str | None = None
    deleted: bool = False
    version: int = 1

    def __str__(self) -> str:
        """One line for a report."""
        held = f"held by {self.holder}" if self.holder is not None else "held by nobody"
        gone = ", deleted" if self.deleted else ""
        return f"{self.status}, {held}, fence {self.fence}, attempt {self.attempt}, version >= {self.version}{gone}"


class TaskSpecification:
    """One task of a project where everybody sees everything; None stands for a task that is not there yet.

    `reclaims=False` says that no lease ran out while the history was made, which makes the check sharper.
    """

    def __init__(self, *, reclaims: bool = True) -> None:
        self._reclaims = reclaims

    def init(self) -> TaskState | None:
        """Not there."""
        return None

    def step(self, state: TaskState | None, operation: Operation) -> Iterator[TaskState | None]:
        """The states that an operation on the task may lead to; its action is a `TaskAction`."""
        action: TaskAction = operation.action
        for before in self._by_itself(state):
            if isinstance(operation.result, ArbeitError):
                if fits(before, action, operation.result):
                    yield before
            elif operation.result is UNKNOWN:
                yield from _effects(before, action, taken=None)
            else:
                yield from _explained(before, action, operation.result)

    def _by_itself(self, state: TaskState | None) -> Iterable[TaskState | None]:
        yield state
        if not self._reclaims or state is None or state.holder is None:
            return
        back = "in_review" if state.status == "in_review" else "open"
        for status in (back, "blocked"):
            # An attempt that was asked to give way, or was never taken up, does not count.
            for attempt in (state.attempt, state.attempt - 1):
                yield _ended(state, status, attempt=attempt)


def _explained(state: TaskState | None, action: TaskAction, seen: Seen) -> Iterator[TaskState | None]:
    """The states after an operation that agree with what it answered."""
    if action.operation == "get":
        after: Iterable[TaskState | None] = (state,)
    else:
        after = _effects(state, action, taken=seen.granted is not None)
    for one in after:
        if one is None or (seen.granted is not None and one.fence != seen.granted):
            continue
        version = seen.shown.get("version", one.version)
        fields = {"status": one.status, "fence": one.fence, "assignee": one.holder, "attempt": one.attempt}
        same = all(seen.shown[name] == value for name, value in fields.items() if name in seen.shown)
        if same and version >= one.version:
            yield one._replace(version=version)


def _effects(state: TaskState | None, action: TaskAction, *, taken: bool | None) -> Iterator[TaskState | None]:
    """What an operation that is carried out leaves; `taken` says whether it was granted this task (None: who knows)."""
    if state is None or state.deleted:
        if state is None and action.operation in {"task.create", "task.import"}:
            yield TaskState(status=action.status)
        elif state is not None and action.operation == "record.erase":
            # Of what was deleted, the texts can still be taken out.
            yield from _noted(state, action)
        return
    ends = action.operation in _ENDINGS
    after = list(_EFFECTS.get(action.operation, _nothing)(state, action))
    if not ends or not taken:
        yield from after
    if ends and taken is not False and action.then_claim is not None:
        # Who gives a task back and claims may get the same one again.
        yield from (again for one in after for again in _grant(one, action.then_claim))


# -- who may -----------------------------------------------------------------------------------------------------------


def _holds(state: TaskState, action: TaskAction) -> bool:
    """Whether the token shown is that of the present holder, and shown by it."""
    return state.holder == action.actor and state.accepted and action.fence in {None, state.fence}


def _may_end(state: TaskState, action: TaskAction) -> bool:
    if action.token:
        return _holds(state, action)
    return action.force or state.holder is None


# -- effects -----------------------------------------------------------------------------------------------------------


def _ended(state: TaskState, status: str, **changes: Any) -> TaskState:  # noqa: ANN401 - fields of the state
    """The task after a tenure, if there was one; every end of a lease moves the fence on."""
    moved = state.fence + (state.holder is not None)
    ended = state._replace(status=status, holder=None, accepted=True, fence=moved, version=state.version + 1)
    return ended._replace(**changes)


def _grant(state: TaskState, agent: str | None, sources: tuple[str, ...] = ("open", "in_review")) -> list[TaskState]:
    if agent is None:
        return []
    if state.holder == agent and not state.accepted:
        return [state._replace(accepted=True, version=state.version + 1)]
    if state.holder is not None or state.status not in sources:
        return []
    reviewing = state.status == "in_review"
    if reviewing and state.submitted_by == agent:
        return []
    return [
        state._replace(
            status="in_review" if reviewing else "in_progress",
            holder=agent,
            fence=state.fence + 1,
            attempt=state.attempt + 1,
            submitted_by=state.submitted_by if reviewing else None,
            version=state.version + 1,
        )
    ]


def _nothing(_state: TaskState, _action: TaskAction) -> list[TaskState]:
    return []


def _claim(state: TaskState, action: TaskAction) -> list[TaskState]:
    return _grant(state, action.agent)


def _resume(state: TaskState, action: TaskAction) -> list[TaskState]:
    return _grant(state, action.agent, ("blocked",))


def _import(state: TaskState, _action: TaskAction) -> list[TaskState]:
    return [state]


def _complete(state: TaskState, action: TaskAction) -> list[TaskState]:
    if state.holder is None or state.status != "in_progress" or not _may_end(state, action):
        return []
    review = _ended(state, "in_review", attempt=0, submitted_by=state.holder)
    return [_ended(state, "completed"), review]


def _reopened(state: TaskState, action: TaskAction, *, counted: bool) -> list[TaskState]:
    if state.holder is None or state.status not in {"in_progress", "in_review"} or not _may_end(state, action):
        return []
    back = "in_review" if state.status == "in_review" else "open"
    if not counted:
        return [_ended(state, back, attempt=state.attempt - 1)]
    return [_ended(state, back), _ended(state, "blocked")]


def _release(state: TaskState, action: TaskAction) -> list[TaskState]:
    return _reopened(state, action, counted=False)


def _fail(state: TaskState, action: TaskAction) -> list[TaskState]:
    return _reopened(state, action, counted=True)


def _judged(state: TaskState, action: TaskAction, after: TaskState) -> list[TaskState]:
    allowed = state.holder is not None and state.status == "in_review" and _may_end(state, action)
    return [after] if allowed else []


def _approve(state: TaskState, action: TaskAction) -> list[TaskState]:
    if action.actor == state.submitted_by:
        return []
    return _judged(state, action, _ended(state, "completed"))


def _send_back(state: TaskState, action: TaskAction) -> list[TaskState]:
    return _judged(state, action, _ended(state, "open", attempt=0, submitted_by=None))


def _block(state: TaskState, action: TaskAction) -> list[TaskState]:
    allowed = state.status in {"open", "in_progress"} and _may_end(state, action)
    return [_ended(state, "blocked")] if allowed else []


def _unblock(state: TaskState, _action: TaskAction) -> list[TaskState]:
    if state.status != "blocked":
        return []
    return [_ended(state, "open" if state.submitted_by is None else "in_review", attempt=0)]


def _cancel(state: TaskState, action: TaskAction) -> list[TaskState]:
    allowed = state.status not in {"completed", "cancelled"} and _may_end(state, action)
    return [_ended(state, "cancelled")] if allowed else []


def _hand_over(state: TaskState, action: TaskAction) -> list[TaskState]:
    if state.holder is None or state.status != "in_progress" or not _may_end(state, action):
        return []
    if state.holder == action.agent:
        return []
    version = state.version + 1
    return [state._replace(holder=action.agent, accepted=False, fence=state.fence + 1, version=version)]


def _preempt(state: TaskState, _action: TaskAction) -> list[TaskState]:
    return [state] if state.holder is not None else []


def _delete(state: TaskState, _action: TaskAction) -> list[TaskState]:
    return [state._replace(deleted=True, version=state.version + 1)] if state.holder is None else []


def _update(state: TaskState, action: TaskAction) -> list[TaskState]:
    if action.expected is None:
        return [state]
    return [state._replace(version=action.expected)] if action.expected >= state.version else []


def _written(state: TaskState, action: TaskAction) -> list[TaskState]:
    """A holder's write, or anybody's remark."""
    return [state._replace(version=state.version + 1)] if not action.token or _holds(state, action) else []


def _noted(state: TaskState, action: TaskAction) -> list[TaskState]:
    """A write that may find that there is nothing to do, or that leaves no event."""
    return [state] if not action.token or _holds(state, action) else []


def _listed(state: TaskState, action: TaskAction) -> list[TaskState]:
    """A write to the checklist, which is its holder's while the task is held."""
    return [state] if _may_end(state, action) else []


_ENDINGS = frozenset({"task.complete", "task.release", "task.fail", "task.approve", "task.request_changes"})
_EFFECTS: Mapping[str, Callable[[TaskState, TaskAction], list[TaskState]]] = {
    "": _claim,
    "task.claim": _claim,
    "task.start": _claim,
    "task.resume": _resume,
    "task.import": _import,
    "task.complete": _complete,
    "task.release": _release,
    "task.fail": _fail,
    "task.approve": _approve,
    "task.request_changes": _send_back,
    "task.block": _block,
    "task.unblock": _unblock,
    "task.cancel": _cancel,
    "task.handoff": _hand_over,
    "task.preempt": _preempt,
    "task.delete": _delete,
    "task.update": _update,
    "context.add": _written,
    "context.supersede": _written,
    "artifact.attach": _written,
    "run.usage": _written,
    "secret.use": _written,
    "progress.add": _listed,
    "progress.complete": _listed,
    "session.link": _noted,
    "file.link": _noted,
    "lease.renew": _noted,
    "record.erase": _noted,
}
