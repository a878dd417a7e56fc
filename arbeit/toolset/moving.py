"""Status words of the first generation as the commands that they stand for."""

from __future__ import annotations

from arbeit.core import commands as c
from arbeit.core.errors import ArbeitError, Code
from arbeit.core.model import ContextEntry, Status, Task
from arbeit.toolset.box import Call


async def move(call: Call, task: Task, status: Status) -> Task:
    """Bring a task to a status by the command that leads there; the task as it is then.

    Raises:
        ArbeitError: what the command is refused with; INVALID_STATUS for in_review, which only completing leads to.
    """
    if task.status == status:
        return task
    if status == "in_progress":
        return await begin(call, task)
    if status == "completed":
        return await _complete(call, task)
    if status == "cancelled":
        command: c.Command = c.CancelTask(actor=call.actor, task_id=task.id, token=call.token(task.id))
    elif status == "blocked":
        reason = await _newest(call, task, "blocker")
        text = reason.content if reason is not None else "set to blocked"
        command = c.BlockTask(actor=call.actor, task_id=task.id, token=call.token(task.id), reason=text)
    elif status == "open":
        command = _opening(call, task)
    else:
        raise ArbeitError(
            Code.INVALID_STATUS,
            "a task comes to be in_review by being completed",
            suggestions=(f"Call arbeit_task_complete with task_id={task.id!r}.",),
            data={"field": "status"},
        )
    return (await call.ending(command, task.id)).task or task


def _opening(call: Call, task: Task) -> c.Command:
    token = call.token(task.id)
    if task.status == "in_progress" and token is not None:
        return c.ReleaseTask(actor=call.actor, task_id=task.id, token=token)
    return c.UnblockTask(actor=call.actor, task_id=task.id)


async def begin(call: Call, task: Task) -> Task:
    """Claim a task by name under a long lease, or go on with one that is blocked."""
    kind = c.ResumeTask if task.status == "blocked" else c.StartTask
    command = kind(
        actor=call.actor,
        agent=call.actor,
        task_id=task.id,
        capabilities=call.box.capabilities,
        ttl=call.long_lease(),
        session_id=call.box.session_id,
    )
    work = call.granted(await call.execute(command), command)
    assert work is not None  # noqa: S101 - a start is granted or refused
    return work.task


async def _newest(call: Call, task: Task, kind: str) -> ContextEntry | None:
    """The newest current entry of a type."""
    entries = (await call.project.get(task.id, include=("context",))).context or ()
    return next((entry for entry in reversed(entries) if entry.type == kind), None)


async def _complete(call: Call, task: Task) -> Task:
    """Complete with the newest outcome; what was not begun is begun for it, and given back if that is refused."""
    outcome = await _newest(call, task, "outcome")
    begun = task.status == "open" and call.token(task.id) is None
    if begun:
        await begin(call, task)
    command = c.CompleteTask(
        actor=call.actor,
        task_id=task.id,
        token=call.token(task.id),
        outcome=outcome.content if outcome is not None else "",
        evidence=outcome.evidence if outcome is not None else (),
    )
    try:
        return (await call.ending(command, task.id)).task or task
    except ArbeitError as error:
        if begun:
            token = call.token(task.id)
            await call.ending(c.ReleaseTask(actor=call.actor, task_id=task.id, token=token), task.id)
        raise with_call(error, task.id) from error


def with_call(error: ArbeitError, task_id: str) -> ArbeitError:
    """A refusal to complete, with the exact call that would not be refused."""
    if error.code is not Code.EVIDENCE_REQUIRED or "open_items" in error.data:
        return error
    hint = (
        f'Call arbeit_task_complete with {{"task_id": "{task_id}", "outcome": "what came of it", '
        '"evidence": ["command: its result"]}.'
    )
    return ArbeitError(error.code, error.message, suggestions=(hint,), retryable=error.retryable, data=error.data)
