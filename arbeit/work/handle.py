"""A held lease: what its holder writes, renewed in the background while it is entered."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from types import TracebackType
from typing import Any, Self

from arbeit.core import commands as c
from arbeit.core.errors import ArbeitError
from arbeit.core.limits import length, refuse
from arbeit.core.model import (
    Reply,
    Task,
)
from arbeit.work.writes import Writes

_UNFINISHED = "left without an outcome"


def storable(text: str) -> str:
    """Any text made fit to be stored: what no store can keep is escaped, and 4 KiB are enough."""
    return text.encode("utf-8", "backslashreplace").decode().replace("\0", "\\0")[:4096]


class Work(Writes):
    """One claimed task. Every write carries the lease's token, so a holder that lost it changes nothing.

    `async with work:` renews the lease; leaving by an exception is a failed attempt, leaving without an outcome
    gives the task back. If the lease is lost meanwhile, the block is cancelled and LEASE_LOST is raised.

    Every method that changes something takes `idempotency_key`: the same key with the same arguments returns the
    first reply instead of doing it twice. All raise ArbeitError, LEASE_LOST once the lease has ended.

    Attributes:
        task: the task as it was when it was granted.
        lease: the lease; its `fence` grows with every grant.
        run: this tenure.
        token: the lease's secret; keep it out of logs.
        notices: what was said beside the last renewal or write: PREEMPT_REQUESTED, LEASE_EXPIRING, STALE_CONTEXT.
    """

    # -- lifetime --------------------------------------------------------------------------------------

    async def __aenter__(self) -> Self:
        """Begin to renew."""
        # Imported here, so that synchronous callers never load an event loop.
        from anyio import CancelScope  # noqa: PLC0415

        self._scope = CancelScope()
        self._scope.__enter__()
        self.hold()
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> bool | None:
        """Stop renewing; fail or release what has no outcome yet."""
        from anyio import CancelScope  # noqa: PLC0415 - see __aenter__

        assert self._scope is not None  # noqa: S101 - entered above
        swallowed = self._scope.__exit__(kind, error, trace)
        with CancelScope(shield=True):
            await self.leave(None if swallowed else error)
        return swallowed

    def hold(self) -> None:
        """Begin to renew; `async with` does this."""
        self._session.hold(self._project, self, self.lease, self.token)

    def let_go(self) -> None:
        """Stop renewing, and hold the task until the lease runs out or a write renews it."""
        self._session.let_go(self)

    async def leave(self, error: BaseException | None) -> None:
        """Stop renewing, and end a tenure that has no outcome yet; `async with` does this.

        Raises:
            ArbeitError: LEASE_LOST if the lease was lost and no other error is under way.
        """
        self._session.let_go(self)
        if self._error is not None:
            if error is None:
                raise self._error
            return
        if self.ended:
            return
        try:
            if error is None:
                await self.release(_UNFINISHED)
            elif isinstance(error, Exception):
                await self.fail(storable(f"{type(error).__name__}: {error}"))
            else:
                # Cancelled or interrupted: the work did not fail, its worker was stopped.
                await self.release(f"stopped by {type(error).__name__}")
        except ArbeitError as refusal:
            # The caller's own exception matters more; without one, a lost lease must be heard of.
            if error is None:
                raise
            error.add_note(f"arbeit: {refusal.code}: {refusal.message}")

    # -- endings ---------------------------------------------------------------------------------------

    async def _end(self, command: c.Command) -> Reply:
        self._ending = True
        try:
            reply = await self._send(command)
            self.ended = True
        finally:
            self._ending = False
            if self._aside is not None and not self.ended:
                self.lost(self._aside)
        self._session.let_go(self)
        return reply

    def _next(self, then_claim: bool) -> c.ClaimTasks | None:  # noqa: FBT001 - passed on from a keyword
        if not isinstance(then_claim, bool):
            refuse("then_claim", "must be true or false")
        if not then_claim:
            return None
        return self._again or c.ClaimTasks(actor=self.agent, agent=self.agent)

    def _following(self, reply: Reply) -> Work | None:
        if not reply.grants:
            return None
        grant = reply.grants[0]
        token = self._session.token(self._project, grant.lease)
        return Work(self._session, self._project, grant, token, self._again)

    async def complete(
        self,
        outcome: str = "",
        *,
        evidence: Iterable[str] = (),
        outputs: Mapping[str, Any] | None = None,
        then_claim: bool = False,
        idempotency_key: str | None = None,
    ) -> Work | None:
        """Finish the task; with `then_claim`, the same transaction grants the next one, which is returned.

        Raises EVIDENCE_REQUIRED or HAS_INCOMPLETE_CHILDREN, and then the task is still held.
        """
        command = c.CompleteTask(
            actor=self.agent,
            task_id=self.task.id,
            token=self.token,
            outcome=outcome,
            evidence=evidence,
            outputs=outputs,
            then_claim=self._next(then_claim),
            idempotency_key=idempotency_key,
        )
        return self._following(await self._end(command))

    async def fail(
        self, error: str = "", *, then_claim: bool = False, idempotency_key: str | None = None
    ) -> Work | None:
        """End an attempt that did not work; the retry policy says whether and when there is another."""
        command = c.FailTask(
            actor=self.agent,
            task_id=self.task.id,
            token=self.token,
            error=error,
            then_claim=self._next(then_claim),
            idempotency_key=idempotency_key,
        )
        return self._following(await self._end(command))

    async def release(
        self, note: str = "", *, then_claim: bool = False, idempotency_key: str | None = None
    ) -> Work | None:
        """Give the task back at once; no attempt is counted."""
        command = c.ReleaseTask(
            actor=self.agent,
            task_id=self.task.id,
            token=self.token,
            note=note,
            then_claim=self._next(then_claim),
            idempotency_key=idempotency_key,
        )
        return self._following(await self._end(command))

    async def handoff(
        self, to_agent: str, note: str, *, ttl: float | None = None, idempotency_key: str | None = None
    ) -> Task:
        """Pass the task on to another agent in one step; it takes the task up with its next claim.

        `ttl` is how many seconds the new holder has for that (None: the project's policy); then the task is open again.
        Raises AGENT_NOT_FOUND, or FORBIDDEN for an agent that lacks a capability, and the task is still held.
        """
        command = c.HandoffTask(
            actor=self.agent,
            task_id=self.task.id,
            token=self.token,
            to_agent=to_agent,
            note=note,
            ttl=length(ttl, "ttl"),
            idempotency_key=idempotency_key,
        )
        await self._end(command)
        return self.task

    async def approve(
        self, note: str = "", *, then_claim: bool = False, idempotency_key: str | None = None
    ) -> Work | None:
        """Complete the task under review."""
        command = c.ApproveTask(
            actor=self.agent,
            task_id=self.task.id,
            token=self.token,
            note=note,
            then_claim=self._next(then_claim),
            idempotency_key=idempotency_key,
        )
        return self._following(await self._end(command))

    async def request_changes(
        self, reasons: str, *, then_claim: bool = False, idempotency_key: str | None = None
    ) -> Work | None:
        """Send the task under review back, and say why; its attempts are counted anew."""
        command = c.RequestChanges(
            actor=self.agent,
            task_id=self.task.id,
            token=self.token,
            reasons=reasons,
            then_claim=self._next(then_claim),
            idempotency_key=idempotency_key,
        )
        return self._following(await self._end(command))

    async def block(self, reason: str, *, blocked_by: Iterable[str] = (), idempotency_key: str | None = None) -> Task:
        """Set the task aside until somebody unblocks or resumes it."""
        command = c.BlockTask(
            actor=self.agent,
            task_id=self.task.id,
            token=self.token,
            reason=reason,
            blocked_by=blocked_by,
            idempotency_key=idempotency_key,
        )
        await self._end(command)
        return self.task

    async def cancel(self, reason: str = "", *, idempotency_key: str | None = None) -> Task:
        """End the task for good, unfinished."""
        command = c.CancelTask(
            actor=self.agent, task_id=self.task.id, token=self.token, reason=reason, idempotency_key=idempotency_key
        )
        await self._end(command)
        return self.task
