"""Tools that make tasks and change what they say."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any, Literal

from arbeit.core import commands as c
from arbeit.core.declare import frozen
from arbeit.core.errors import ArbeitError, Code
from arbeit.core.limits import RUNTIME_SECONDS, UNSET, Unset, length
from arbeit.core.model import Notice, Priority, Status, Task
from arbeit.toolset.answers import Shown, relationship, whole
from arbeit.toolset.box import Call
from arbeit.toolset.moving import move
from arbeit.toolset.registry import param, tool
from arbeit.wire import micros

Texts = tuple[str, ...]
_CLEARED = "none"


def instant(name: str, text: str | None) -> int | None:
    """A moment in microseconds since 1970, from RFC 3339 text.

    Raises:
        ArbeitError: INVALID_INPUT for other text, or a time without a zone.
    """
    if text is None:
        return None
    try:
        return micros(datetime.fromisoformat(text.strip()))
    except (ValueError, OverflowError) as error:
        raise ArbeitError(
            Code.INVALID_INPUT,
            f"{name} must be a time such as 2026-01-19T13:38:24Z, not {text[:40]!r}",
            suggestions=("Write it as RFC 3339, with Z or an offset.",),
            data={"field": name},
        ) from error


@tool("init", "Start a project", idempotent=False)
@frozen(kw_only=True)
class Init:
    """Start the project here. Call once, before any other tool."""

    name: str | None = param("For people.", default=None)
    completion: Literal["evidence", "checklist", "none"] | None = param("What completing a task takes.", default=None)

    async def run(self, call: Call) -> Shown:
        """Make the project."""
        begin = call.box.begin
        if begin is None:
            if call.box.project is not None:
                raise ArbeitError(
                    Code.ALREADY_INITIALIZED,
                    f"the project {call.box.project.key} is there already",
                    suggestions=("Go on: arbeit_task_claim, arbeit_task_create, arbeit_query.",),
                )
            raise ArbeitError(
                Code.NOT_INITIALIZED,
                "this server was started without a place for projects",
                suggestions=("Run `arbeit init` where it should be.",),
            )
        settings: dict[str, Any] = {"completion": self.completion} if self.completion is not None else {}
        project, path = await begin(settings)
        call.box.project = project
        if self.name is not None:
            await project.update(name=self.name)
        return {"initialized": True, "path": path}


@tool("task_create", "Create a task")
@frozen(kw_only=True)
class TaskCreate:
    """Create a task."""

    title: str = param("What, in one line")
    intent: str = param("Why", default="")
    description: str = param(default="")
    parent_id: str | None = param(default=None)
    blocked_by: Texts = param("Ids of tasks to finish first", default=())
    priority: Priority = param(default="normal")
    acceptance: Texts = param("Done when", default=())
    requires: Texts = param("Capabilities", default=())
    items: Texts = param("Checklist", default=())
    labels: Texts = param(default=(), rare=True)
    queue: str = param(default="default", rare=True)
    status: Status = param(default="open", rare=True)
    due_at: str | None = param("RFC 3339", default=None, rare=True)
    ready_at: str | None = param("Not before", default=None, rare=True)
    max_attempts: int = param(default=3, rare=True)
    max_runtime: float | None = param("Seconds of a run", default=None, rare=True)
    review: bool | None = param(default=None, rare=True)
    inputs: Mapping[str, Any] | None = param(default=None, rare=True)
    metadata: Mapping[str, Any] | None = param(default=None, rare=True)
    task_id: str | None = param(default=None, rare=True)
    idempotency_key: str | None = param("Makes repetition safe", default=None, rare=True)

    async def run(self, call: Call) -> Shown:
        """Create it, write its checklist, and move it on if it is not to be open."""
        _refuse_begin(self.status)
        command = c.CreateTask(
            actor=call.actor,
            title=self.title,
            intent=self.intent,
            description=self.description,
            parent_id=self.parent_id,
            blocked_by=self.blocked_by,
            priority=self.priority,
            acceptance=self.acceptance,
            requires=self.requires,
            labels=self.labels,
            queue=self.queue,
            due_at=instant("due_at", self.due_at),
            ready_at=instant("ready_at", self.ready_at),
            max_attempts=self.max_attempts,
            max_runtime=length(self.max_runtime, "max_runtime", RUNTIME_SECONDS),
            review=self.review,
            inputs=self.inputs,
            metadata=self.metadata,
            task_id=self.task_id,
            idempotency_key=self.idempotency_key,
        )
        items = None
        if self.items:
            # Checked before anything is made: a task without its checklist would be half of what was asked for.
            items = c.AddProgress(actor=call.actor, task_id="tkt-0", items=self.items)
        task = (await call.execute(command)).task
        assert task is not None  # noqa: S101 - what its command always fills
        if items is not None:
            added = c.AddProgress(
                actor=call.actor, task_id=task.id, items=self.items, idempotency_key=_derived(self.idempotency_key)
            )
            task = (await call.execute(added)).task or task
        return {"task": whole(await self._moved(call, task))}

    async def _moved(self, call: Call, task: Task) -> Task:
        """The task brought to its status; it is there by now, so that what cannot be is a warning and no refusal."""
        if call.token(task.id) is not None:
            # The same call once more, under its key: it was moved then.
            return (await call.project.get(task.id)).task
        try:
            return await move(call, task, self.status)
        except ArbeitError as error:
            call.warnings.append(Notice(str(error.code), f"the task is {task.status}: {error.message}"))
            return task


def _derived(key: str | None) -> str | None:
    """The key of a call's second command; as long as any key may be, whatever the first one's length."""
    if key is None:
        return None
    from hashlib import sha256  # noqa: PLC0415 - few calls have a key

    return f"items:{sha256(key.encode('utf-8', 'surrogatepass')).hexdigest()}"


def _refuse_begin(status: Status) -> None:
    """Refuse a beginning that has no way: a task is reviewed or finished by whoever worked on it."""
    if status in {"completed", "in_review"}:
        raise ArbeitError(
            Code.INVALID_STATUS,
            f"a task cannot begin as {status}",
            suggestions=("Create it open; then claim and complete it. To take finished tasks over, import them.",),
            data={"field": "status"},
        )


@tool("task_update", "Change a task")
@frozen(kw_only=True)
class TaskUpdate:
    """Change what a task says, or its status (in_progress claims it, open gives it back or unblocks it)."""

    task_id: str = param()
    title: str | None = param(default=None)
    status: Status | None = param(default=None)
    intent: str | None = param(default=None)
    description: str | None = param(default=None)
    priority: Priority | None = param(default=None)
    labels: Texts | None = param(default=None, rare=True)
    queue: str | None = param(default=None, rare=True)
    requires: Texts | None = param(default=None, rare=True)
    acceptance: Texts | None = param(default=None)
    metadata: Mapping[str, Any] | None = param(default=None, rare=True)
    due_at: str | None = param("RFC 3339, or none", default=None)
    ready_at: str | None = param(default=None, rare=True)
    max_attempts: int | None = param(default=None, rare=True)
    max_runtime: float | None = param(default=None, rare=True)
    review: bool | None = param(default=None, rare=True)
    expected_version: int | None = param("Change it only if nobody else did", default=None, rare=True)

    async def run(self, call: Call) -> Shown:
        """Change its fields in one step, then its status."""
        changes = self._changes()
        task: Task | None = None
        if changes or self.expected_version is not None:
            command = c.UpdateTask(
                actor=call.actor, task_id=self.task_id, expected_version=self.expected_version, **changes
            )
            task = (await call.execute(command)).task
        if task is None:
            task = (await call.project.get(self.task_id)).task
        if self.status is not None:
            task = await move(call, task, self.status)
        return {"task": whole(task)}

    def _changes(self) -> dict[str, Any]:
        names = ("title", "intent", "description", "priority", "labels", "queue", "requires", "acceptance", "metadata")
        given: dict[str, Any] = {name: getattr(self, name) for name in (*names, "max_attempts", "review")}
        given["max_runtime"] = length(self.max_runtime, "max_runtime", RUNTIME_SECONDS)
        given["ready_at"] = instant("ready_at", self.ready_at)
        changes = {name: value for name, value in given.items() if value is not None}
        due: int | Unset | None = UNSET
        if self.due_at is not None:
            due = None if self.due_at.strip().lower() == _CLEARED else instant("due_at", self.due_at)
        return changes if isinstance(due, Unset) else changes | {"due_at": due}


@tool("task_delete", "Delete a task", destructive=True, idempotent=True)
@frozen(kw_only=True)
class TaskDelete:
    """Take a task that nobody holds and that has no children out of every list; its history stays."""

    task_id: str = param()
    reason: str = param(default="")

    async def run(self, call: Call) -> Shown:
        """Delete it."""
        await call.execute(c.DeleteTask(actor=call.actor, task_id=self.task_id, reason=self.reason))
        return {"deleted": True}


@tool("relationship_add", "Relate two tasks")
@frozen(kw_only=True)
class RelationshipAdd:
    """Relate two tasks.

    Types: parent_of, blocks, relates_to, duplicates, splits_from, discovered_from, or an inverse: child_of, blocked_by,
    duplicated_by, split_into.
    """

    from_task_id: str = param()
    to_task_id: str = param()
    type: str = param()
    metadata: Mapping[str, Any] | None = param(default=None, rare=True)

    async def run(self, call: Call) -> Shown:
        """Add the edge."""
        command = c.AddRelationship(
            actor=call.actor,
            from_task_id=self.from_task_id,
            to_task_id=self.to_task_id,
            type=self.type,
            metadata=self.metadata,
        )
        added = (await call.execute(command)).relationship
        assert added is not None  # noqa: S101 - what its command always fills
        return {"relationship": relationship(added)}


@tool("relationship_remove", "Part two tasks", destructive=True)
@frozen(kw_only=True)
class RelationshipRemove:
    """Take a relationship between two tasks away."""

    from_task_id: str = param()
    to_task_id: str = param()
    type: str = param()

    async def run(self, call: Call) -> Shown:
        """Remove the edge."""
        command = c.RemoveRelationship(
            actor=call.actor, from_task_id=self.from_task_id, to_task_id=self.to_task_id, type=self.type
        )
        await call.execute(command)
        return {"removed": True}
