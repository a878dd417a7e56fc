"""Tools that take tasks up, keep them and give them back."""

from __future__ import annotations

from typing import Any

from arbeit.core import commands as c
from arbeit.core.declare import frozen
from arbeit.core.errors import ArbeitError, Code
from arbeit.core.model import STATUSES, TERMINAL
from arbeit.toolset.answers import Shown, listed, plain
from arbeit.toolset.box import Call
from arbeit.toolset.moving import begin
from arbeit.toolset.registry import param, tool
from arbeit.wire import rfc3339
from arbeit.work import Work

_TODO_BYTES = 3_000
LONGEST_WAIT = 300.0
"""Seconds that one call may wait."""


async def taken(call: Call, work: Work) -> Shown:
    """What an agent hears of a task that it was just granted: the task, until when, and what is still to do."""
    # Who holds it, and since when, its new holder knows.
    task = {name: value for name, value in plain(work.task).items() if name not in {"assignee", "started_at"}}
    lease = {"fence": work.lease.fence, "expires_at": rfc3339(work.lease.expires_at)}
    shown: Shown = {"task": task, "lease": lease}
    if work.task.open_items:
        found = await call.project.get(work.task.id, include=("progress",))
        todo = [one for one in found.progress or () if not one.completed]
        shown |= listed("progress", todo, lambda one: {"id": one.id, "content": one.content}, budget=_TODO_BYTES)
    return shown


async def following(call: Call, reply: Any, command: c.Command) -> Shown:  # noqa: ANN401 - a Reply
    """The next task, where ending one was to bring it: its answer under `next`, or null if nothing was ready."""
    work = call.granted(reply, command)
    return {"next": None if work is None else await taken(call, work)}


def continuation(call: Call, wanted: bool) -> c.ClaimTasks | None:  # noqa: FBT001 - passed on from a parameter
    """The claim that goes with an ending, if it was asked for."""
    return call.claim() if wanted else None


@tool("task_claim", "Claim a task")
@frozen(kw_only=True)
class TaskClaim:
    """Claim the next ready task, or the one named. Its lease is yours alone until you complete, fail or release."""

    task_id: str | None = param(default=None)
    queues: tuple[str, ...] | None = param(default=None, rare=True)
    capabilities: tuple[str, ...] | None = param("What you can do", default=None)
    wait: float = param("Seconds", default=0.0)
    ttl: float | None = param("Seconds", default=None, rare=True)

    async def run(self, call: Call) -> Shown:
        """Claim, and keep the token."""
        able = self.capabilities if self.capabilities is not None else call.box.capabilities
        if self.task_id is not None:
            command = c.StartTask(
                actor=call.actor,
                agent=call.actor,
                task_id=self.task_id,
                capabilities=able,
                ttl=call.seconds(self.ttl),
                session_id=call.box.session_id,
            )
            work = call.granted(await call.execute(command), command)
            assert work is not None  # noqa: S101 - a start is granted or refused
            return await taken(call, work)
        ttl = self.ttl if self.ttl is not None else call.box.ttl
        found = await call.project.claim(
            capabilities=able,
            queues=self.queues,
            wait=min(self.wait, LONGEST_WAIT),
            ttl=ttl,
            session_id=call.box.session_id,
        )
        if found is None:
            return {"task": None, "waiting": await _waiting(call)}
        call.box.granted(found)
        return await taken(call, found)


async def _waiting(call: Call) -> Shown:
    """Why nothing was ready, in counts: unfinished tasks by status, and what passed over means."""
    overview = await call.project.overview()
    there = {status: overview.statuses.get(status, 0) for status in STATUSES if status not in TERMINAL}
    shown: Shown = {status: count for status, count in there.items() if count}
    passed = (await call.project.explain(call.actor, capabilities=call.box.capabilities)).passed
    if passed:
        shown["queues"] = {one.queue: one.reason for one in passed}
    return shown


@tool("task_start_work", "Start work on a task")
@frozen(kw_only=True)
class TaskStartWork:
    """Start or resume work on a task by name, and note the session."""

    task_id: str = param()
    session_id: str | None = param(default=None)

    async def run(self, call: Call) -> Shown:
        """Claim it under a long lease, unless it is held already."""
        task = (await call.project.get(self.task_id)).task
        token = call.token(task.id)
        if token is None or task.assignee != call.actor:
            task = await begin(call, task)
        else:
            # Another session of the same agent may hold it by now: then this one is told so here.
            renewal = c.RenewLease(actor=call.actor, task_id=task.id, token=token, ttl=call.long_lease())
            await call.execute(renewal)
        linked = False
        session = self.session_id or call.box.session_id
        if session:
            command = c.LinkSession(actor=call.actor, task_id=task.id, session_id=session, token=call.token(task.id))
            reply = await call.execute(command)
            task, linked = reply.task or task, reply.session is not None
        return {"task": plain(task), "session_linked": linked}


@tool("task_stop_work", "Stop work on a task")
@frozen(kw_only=True)
class TaskStopWork:
    """Give a task back that you work on, so that it can be claimed again."""

    task_id: str = param()
    note: str = param(default="")

    async def run(self, call: Call) -> Shown:
        """Release it, if it is held here."""
        files = (await call.project.get(self.task_id, include=("files",))).files or ()
        token = call.token(self.task_id)
        if token is not None:
            command = c.ReleaseTask(actor=call.actor, task_id=self.task_id, token=token, note=self.note)
            await call.ending(command, self.task_id)
        return {"stopped": token is not None, "files_tracked": len(files)}


@tool("task_resume", "Resume a blocked task")
@frozen(kw_only=True)
class TaskResume:
    """Claim a blocked task by name and go on with it."""

    task_id: str = param()
    ttl: float | None = param("Seconds", default=None, rare=True)

    async def run(self, call: Call) -> Shown:
        """Claim it."""
        command = c.ResumeTask(
            actor=call.actor,
            agent=call.actor,
            task_id=self.task_id,
            capabilities=call.box.capabilities,
            ttl=call.seconds(self.ttl),
            session_id=call.box.session_id,
        )
        work = call.granted(await call.execute(command), command)
        assert work is not None  # noqa: S101 - a resumption is granted or refused
        return await taken(call, work)


@tool("lease_renew", "Renew a lease", idempotent=True)
@frozen(kw_only=True)
class LeaseRenew:
    """Move the deadline of a task that you hold; every write of yours does so too."""

    task_id: str = param()
    ttl: float | None = param("Seconds", default=None)

    async def run(self, call: Call) -> Shown:
        """Renew it."""
        token = call.token(self.task_id)
        if token is None:
            raise await not_held(call, self.task_id)
        command = c.RenewLease(actor=call.actor, task_id=self.task_id, token=token, ttl=call.seconds(self.ttl))
        reply = await call.execute(command)
        return {"task_id": self.task_id, "expires_at": rfc3339(reply.expires_at or 0)}


@tool("lease_release", "Give a task back")
@frozen(kw_only=True)
class LeaseRelease:
    """Give a task back unfinished, at once and without counting an attempt; a note helps whoever goes on."""

    task_id: str = param()
    note: str = param(default="")
    next: bool = param("Claim the next one, too", default=False)

    async def run(self, call: Call) -> Shown:
        """Release it."""
        token = call.token(self.task_id)
        if token is None:
            raise await not_held(call, self.task_id)
        command = c.ReleaseTask(
            actor=call.actor,
            task_id=self.task_id,
            token=token,
            note=self.note,
            then_claim=continuation(call, self.next),
        )
        reply = await call.ending(command, self.task_id)
        return {"released": True} | (await following(call, reply, command) if self.next else {})


_TAKING_UP = {"open": "arbeit_task_claim", "blocked": "arbeit_task_resume", "in_review": "arbeit_task_review"}
"""What takes up a task that nobody holds."""


async def not_held(call: Call, task_id: str) -> ArbeitError:
    """The refusal of a holder's verb on a task that was not granted here; TASK_NOT_FOUND if there is none."""
    task = (await call.project.get(task_id)).task
    holder = "nobody holds it" if task.assignee is None else f"{task.assignee} holds it"
    verb = _TAKING_UP.get(task.status) if task.assignee is None else None
    named = f'{verb} with {{"task_id": "{task_id}"}}' if verb is not None else ""
    return ArbeitError(
        Code.LEASE_LOST if task.assignee is not None else Code.INVALID_TRANSITION,
        f"{call.actor} does not hold task {task_id}: it is {task.status}, and {holder}",
        suggestions=(f"Take it up first: {named}." if named else "Claim another task: arbeit_task_claim.",),
        data={"task_id": task_id},
    )
