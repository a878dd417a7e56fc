"""The verbs of supervisors: what they may do to tasks that others hold, each with an event that says so."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Literal

from arbeit.core import commands as c
from arbeit.core.limits import length
from arbeit.core.model import Task
from arbeit.project.base import Base, one

Erasable = Literal["task", "entry", "item", "artifact"]


class Supervision(Base):
    """Preempt, act by force, erase. Whoever is no supervisor gets FORBIDDEN."""

    async def preempt_task(self, task_id: str, reason: str = "", *, idempotency_key: str | None = None) -> Task:
        """Ask the holder of a task to give it back; after a grace (30 s by default) the lease is taken back.

        The holder hears of it as PREEMPT_REQUESTED, beside its next renewal or write.
        """
        command = c.PreemptTask(actor=self.actor, task_id=task_id, reason=reason, idempotency_key=idempotency_key)
        return await self._task(command)

    async def release_task(self, task_id: str, note: str = "", *, idempotency_key: str | None = None) -> Task:
        """Take a task from its holder at once; no attempt is counted."""
        return await self._task(
            c.ReleaseTask(actor=self.actor, task_id=task_id, note=note, force=True, idempotency_key=idempotency_key)
        )

    async def fail_task(self, task_id: str, error: str = "", *, idempotency_key: str | None = None) -> Task:
        """End somebody's attempt as failed; the retry policy says whether and when there is another."""
        return await self._task(
            c.FailTask(actor=self.actor, task_id=task_id, error=error, force=True, idempotency_key=idempotency_key)
        )

    async def complete_task(
        self,
        task_id: str,
        outcome: str = "",
        *,
        evidence: Iterable[str] = (),
        outputs: Mapping[str, Any] | None = None,
        idempotency_key: str | None = None,
    ) -> Task:
        """Finish a task in its holder's place; the completion policy is asked as ever."""
        return await self._task(
            c.CompleteTask(
                actor=self.actor,
                task_id=task_id,
                outcome=outcome,
                evidence=evidence,
                outputs=outputs,
                force=True,
                idempotency_key=idempotency_key,
            )
        )

    async def handoff_task(
        self, task_id: str, to_agent: str, note: str, *, ttl: float | None = None, idempotency_key: str | None = None
    ) -> Task:
        """Pass a held task on to another agent, which takes it up with its next claim. `ttl` in seconds."""
        return await self._task(
            c.HandoffTask(
                actor=self.actor,
                task_id=task_id,
                to_agent=to_agent,
                note=note,
                ttl=length(ttl, "ttl"),
                force=True,
                idempotency_key=idempotency_key,
            )
        )

    async def approve_task(self, task_id: str, note: str = "", *, idempotency_key: str | None = None) -> Task:
        """Approve in the place of the reviewer who holds the task."""
        return await self._task(
            c.ApproveTask(actor=self.actor, task_id=task_id, note=note, force=True, idempotency_key=idempotency_key)
        )

    async def request_changes(self, task_id: str, reasons: str, *, idempotency_key: str | None = None) -> Task:
        """Send a task back in the place of the reviewer who holds it."""
        return await self._task(
            c.RequestChanges(
                actor=self.actor, task_id=task_id, reasons=reasons, force=True, idempotency_key=idempotency_key
            )
        )

    async def erase(
        self,
        kind: Erasable,
        record_id: str,
        *,
        task_id: str | None = None,
        reason: str = "",
        idempotency_key: str | None = None,
    ) -> int:
        """Remove the text of one record for good; how many events lost text. An item needs its `task_id`.

        Of an artifact the bytes go too, unless another artifact has the same ones.

        What is left says so: "[erased]". The log still verifies, for it keeps the digests of what it had.
        """
        command = c.EraseRecord(
            actor=self.actor,
            kind=kind,
            record_id=record_id,
            task_id=task_id,
            reason=reason,
            idempotency_key=idempotency_key,
        )
        reply = await self.execute(command)
        if reply.artifact is not None:
            await self._session.forget_blob(reply.artifact.sha256)
        return reply.count

    async def _task(self, command: c.Command) -> Task:
        return one((await self.execute(command)).task)  # type: ignore[no-any-return]  # see one
