"""Tools that end a tenure, or a task."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal

from arbeit.core import commands as c
from arbeit.core.declare import frozen
from arbeit.core.errors import ArbeitError
from arbeit.core.limits import length
from arbeit.core.model import Reply
from arbeit.toolset.answers import Shown, plain, summary
from arbeit.toolset.box import Call
from arbeit.toolset.moving import with_call
from arbeit.toolset.registry import param, tool
from arbeit.toolset.working import continuation, following, not_held

Texts = tuple[str, ...]


async def ended(call: Call, command: c.Command, task_id: str, *, after: bool = False) -> Shown:
    """Send a command that ends a tenure: the task as it stands then, and the next one where that was asked for."""
    reply: Reply = await call.ending(command, task_id)
    task = reply.task if reply.task is not None else (await call.project.get(task_id)).task
    # Of finished work its author knows everything else.
    shown = plain(task)
    if task.status in {"completed", "in_review"}:
        shown = {name: value for name, value in shown.items() if name in {*summary(task), "outputs"}}
    return {"task": shown} | (await following(call, reply, command) if after else {})


@tool("task_complete", "Complete a task")
@frozen(kw_only=True)
class TaskComplete:
    """Finish a task that you hold: what came of it, and what proves it."""

    task_id: str = param()
    outcome: str = param(default="")
    evidence: Texts = param("Such as: pytest -q: 41 passed", default=())
    outputs: Mapping[str, Any] | None = param("For tasks that follow", default=None, rare=True)
    next: bool = param("Claim the next one, too", default=False)

    async def run(self, call: Call) -> Shown:
        """Complete it."""
        token = call.token(self.task_id)
        if token is None:
            raise await not_held(call, self.task_id)
        command = c.CompleteTask(
            actor=call.actor,
            task_id=self.task_id,
            token=token,
            outcome=self.outcome,
            evidence=self.evidence,
            outputs=self.outputs,
            then_claim=continuation(call, self.next),
        )
        try:
            return await ended(call, command, self.task_id, after=self.next)
        except ArbeitError as error:
            raise with_call(error, self.task_id) from error


@tool("task_fail", "Fail an attempt")
@frozen(kw_only=True)
class TaskFail:
    """End your attempt at a task that did not work; it is tried again later, or escalated."""

    task_id: str = param()
    error: str = param("What went wrong", default="")
    next: bool = param("Claim the next one, too", default=False)

    async def run(self, call: Call) -> Shown:
        """Fail it."""
        token = call.token(self.task_id)
        if token is None:
            raise await not_held(call, self.task_id)
        command = c.FailTask(
            actor=call.actor,
            task_id=self.task_id,
            token=token,
            error=self.error,
            then_claim=continuation(call, self.next),
        )
        return await ended(call, command, self.task_id, after=self.next)


@tool("task_handoff", "Hand a task over")
@frozen(kw_only=True)
class TaskHandoff:
    """Hand a task that you hold over to another agent, with a note of what it needs to know."""

    task_id: str = param()
    to_agent: str = param()
    note: str = param()
    ttl: float | None = param("Seconds it has to take it up", default=None, rare=True)

    async def run(self, call: Call) -> Shown:
        """Hand it over."""
        token = call.token(self.task_id)
        if token is None:
            raise await not_held(call, self.task_id)
        command = c.HandoffTask(
            actor=call.actor,
            task_id=self.task_id,
            token=token,
            to_agent=self.to_agent,
            note=self.note,
            ttl=length(self.ttl, "ttl"),
        )
        return await ended(call, command, self.task_id)


@tool("task_block", "Set a task aside")
@frozen(kw_only=True)
class TaskBlock:
    """Set a task aside that cannot go on, and say what it waits for."""

    task_id: str = param()
    reason: str = param()
    blocked_by: Texts = param("Ids of tasks it waits for", default=())
    force: bool = param("For supervisors", default=False, rare=True)

    async def run(self, call: Call) -> Shown:
        """Block it."""
        command = c.BlockTask(
            actor=call.actor,
            task_id=self.task_id,
            token=call.token(self.task_id),
            reason=self.reason,
            blocked_by=self.blocked_by,
            force=self.force,
        )
        return await ended(call, command, self.task_id)


@tool("task_cancel", "Cancel a task", destructive=True)
@frozen(kw_only=True)
class TaskCancel:
    """End a task for good, unfinished."""

    task_id: str = param()
    reason: str = param(default="")
    force: bool = param("For supervisors", default=False)

    async def run(self, call: Call) -> Shown:
        """Cancel it."""
        command = c.CancelTask(
            actor=call.actor,
            task_id=self.task_id,
            token=call.token(self.task_id),
            reason=self.reason,
            force=self.force,
        )
        return await ended(call, command, self.task_id)


@tool("task_review", "Review a task")
@frozen(kw_only=True)
class TaskReview:
    """Review a finished task that somebody else submitted: approve it, or request changes with reasons."""

    task_id: str = param()
    verdict: Literal["approve", "request_changes"] = param()
    reasons: str = param(default="")

    async def run(self, call: Call) -> Shown:
        """Claim the review unless it is held, then give the verdict; give it back if the verdict is refused."""
        begun = call.token(self.task_id) is None
        if begun:
            await self._claim(call)
        token = call.token(self.task_id)
        command: c.Command
        try:
            if self.verdict == "approve":
                command = c.ApproveTask(actor=call.actor, task_id=self.task_id, token=token, note=self.reasons)
            else:
                command = c.RequestChanges(actor=call.actor, task_id=self.task_id, token=token, reasons=self.reasons)
            return await ended(call, command, self.task_id)
        except ArbeitError:
            if begun:
                await call.ending(c.ReleaseTask(actor=call.actor, task_id=self.task_id, token=token), self.task_id)
            raise

    async def _claim(self, call: Call) -> None:
        command = c.StartTask(
            actor=call.actor,
            agent=call.actor,
            task_id=self.task_id,
            capabilities=(*(call.box.capabilities or ()), "review"),
            ttl=call.seconds(None),
            session_id=call.box.session_id,
        )
        call.granted(await call.execute(command), command)
