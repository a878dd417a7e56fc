"""The verbs that make tasks and change them from outside."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, cast

from arbeit.core import commands as c
from arbeit.core.limits import RUNTIME_SECONDS, UNSET, Unset, length
from arbeit.core.model import (
    Priority,
    Task,
)
from arbeit.project.base import Base, When, instant, one


class Tasks(Base):
    """Create, update, cancel, block, unblock, delete."""

    async def create_task(
        self,
        title: str,
        *,
        intent: str = "",
        description: str = "",
        priority: Priority = "normal",
        labels: Iterable[str] = (),
        queue: str = "default",
        requires: Iterable[str] = (),
        parent_id: str | None = None,
        blocked_by: Iterable[str] = (),
        max_attempts: int = 3,
        ready_at: When | None = None,
        due_at: When | None = None,
        inputs: Mapping[str, Any] | None = None,
        acceptance: Iterable[str] = (),
        metadata: Mapping[str, Any] | None = None,
        max_runtime: float | None = None,
        review: bool | None = None,
        task_id: str | None = None,
        idempotency_key: str | None = None,
    ) -> Task:
        """Add a task. A queue that does not exist is made; `ready_at` delays it; `blocked_by` are task ids.

        `max_runtime` is how many seconds one run may take, however often its lease is renewed; `review` asks for a
        reviewer, or for none, whatever the project says. Moments are aware datetimes, or microseconds since 1970.

        Raises:
            ArbeitError: PARENT_NOT_FOUND; TASK_NOT_FOUND for what is to block it; MAX_DEPTH_EXCEEDED; QUEUE_FULL;
                LIMIT_EXCEEDED; INVALID_INPUT, also for a `task_id` that is taken.
        """
        command = c.CreateTask(
            actor=self.actor,
            title=title,
            task_id=task_id,
            intent=intent,
            description=description,
            priority=priority,
            labels=labels,
            queue=queue,
            requires=requires,
            parent_id=parent_id,
            blocked_by=blocked_by,
            max_attempts=max_attempts,
            ready_at=instant("ready_at", ready_at),
            due_at=instant("due_at", due_at),
            inputs=inputs,
            acceptance=acceptance,
            metadata=metadata,
            max_runtime=length(max_runtime, "max_runtime", RUNTIME_SECONDS),
            review=review,
            idempotency_key=idempotency_key,
        )
        return one((await self.execute(command)).task)  # type: ignore[no-any-return]  # see one

    async def update_task(
        self,
        task_id: str,
        *,
        expected_version: int | None = None,
        title: str | Unset = UNSET,
        intent: str | Unset = UNSET,
        description: str | Unset = UNSET,
        priority: Priority | Unset = UNSET,
        labels: Iterable[str] | Unset = UNSET,
        queue: str | Unset = UNSET,
        requires: Iterable[str] | Unset = UNSET,
        max_attempts: int | Unset = UNSET,
        due_at: When | Unset | None = UNSET,
        acceptance: Iterable[str] | Unset = UNSET,
        metadata: Mapping[str, Any] | Unset = UNSET,
        ready_at: When | Unset = UNSET,
        max_runtime: float | Unset | None = UNSET,
        review: bool | Unset | None = UNSET,
        idempotency_key: str | None = None,
    ) -> Task:
        """Change what a task says. With `expected_version`, only if nobody changed it since (VERSION_CONFLICT).

        `ready_at` delays an open task, or ends its delay; `max_runtime` in seconds.
        """
        command = c.UpdateTask(
            actor=self.actor,
            task_id=task_id,
            expected_version=expected_version,
            title=title,
            intent=intent,
            description=description,
            priority=priority,
            labels=labels,
            queue=queue,
            requires=requires,
            max_attempts=max_attempts,
            due_at=due_at if isinstance(due_at, Unset) else instant("due_at", due_at),
            acceptance=acceptance,
            metadata=metadata,
            ready_at=ready_at if isinstance(ready_at, Unset) else cast("int", instant("ready_at", ready_at)),
            max_runtime=max_runtime
            if isinstance(max_runtime, Unset)
            else length(max_runtime, "max_runtime", RUNTIME_SECONDS),
            review=review,
            idempotency_key=idempotency_key,
        )
        return one((await self.execute(command)).task)  # type: ignore[no-any-return]  # see one

    async def delete_task(self, task_id: str, reason: str = "", *, idempotency_key: str | None = None) -> Task:
        """Take a task that nobody holds out of every list. Its events stay; HAS_CHILDREN if it has any."""
        command = c.DeleteTask(actor=self.actor, task_id=task_id, reason=reason, idempotency_key=idempotency_key)
        return one((await self.execute(command)).task)  # type: ignore[no-any-return]  # see one

    async def cancel_task(
        self, task_id: str, reason: str = "", *, force: bool = False, idempotency_key: str | None = None
    ) -> Task:
        """End a task that nobody holds, for good; supervisors may `force` it. A holder cancels through its `Work`."""
        command = c.CancelTask(
            actor=self.actor, task_id=task_id, reason=reason, force=force, idempotency_key=idempotency_key
        )
        return one((await self.execute(command)).task)  # type: ignore[no-any-return]  # see one

    async def block_task(
        self,
        task_id: str,
        reason: str,
        *,
        blocked_by: Iterable[str] = (),
        force: bool = False,
        idempotency_key: str | None = None,
    ) -> Task:
        """Set a task that nobody holds aside, and say why; supervisors may `force` it. Holders use `Work`."""
        command = c.BlockTask(
            actor=self.actor,
            task_id=task_id,
            reason=reason,
            blocked_by=blocked_by,
            force=force,
            idempotency_key=idempotency_key,
        )
        return one((await self.execute(command)).task)  # type: ignore[no-any-return]  # see one

    async def unblock_task(self, task_id: str, note: str = "", *, idempotency_key: str | None = None) -> Task:
        """Open a blocked task again, with all its attempts to come."""
        command = c.UnblockTask(actor=self.actor, task_id=task_id, note=note, idempotency_key=idempotency_key)
        return one((await self.execute(command)).task)  # type: ignore[no-any-return]  # see one
