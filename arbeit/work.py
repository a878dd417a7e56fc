"""A held lease: what its holder writes, renewed in the background while it is entered."""

from __future__ import annotations

from collections.abc import Awaitable, Iterable, Mapping
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self

from attrs import evolve

from arbeit.core import commands as c
from arbeit.core.errors import ArbeitError, Code
from arbeit.core.limits import check_text, length, refuse
from arbeit.core.model import (
    Artifact,
    ContextEntry,
    EntryType,
    FileLink,
    FileOperation,
    Grant,
    Lease,
    Notice,
    ProgressItem,
    Reply,
    Run,
    SessionLink,
    Task,
)
from arbeit.secret_providers import Secret
from arbeit.session import Held, Session
from arbeit.transfer import NOTHING, Source, media_type_of

if TYPE_CHECKING:
    from anyio import CancelScope

_UNFINISHED = "left without an outcome"


def storable(text: str) -> str:
    """Any text made fit to be stored: what no store can keep is escaped, and 4 KiB are enough."""
    return text.encode("utf-8", "backslashreplace").decode().replace("\0", "\\0")[:4096]


class Work(Held):
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

    def __init__(self, session: Session, project: str, grant: Grant, token: str, again: c.ClaimTasks | None) -> None:
        self._session = session
        self._project = project
        self._again = again
        self._scope: CancelScope | None = None
        self._error: ArbeitError | None = None
        self.task: Task = grant.task
        self.lease: Lease = grant.lease
        self.run: Run = grant.run
        self.token = token
        self.notices: tuple[Notice, ...] = ()
        self.ended = False
        """Whether this handle has ended its tenure."""

    def __repr__(self) -> str:
        """Name the task and its holder; never the token."""
        return f"Work({self.task.id!r}, agent={self.agent!r}, fence={self.lease.fence})"

    @property
    def agent(self) -> str:
        """Who holds the task."""
        return self.lease.agent_id

    @property
    def is_lost(self) -> bool:
        """Whether a renewal found that the lease is somebody else's now."""
        return self._error is not None

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

    def renewed(self, reply: Reply) -> None:
        """The lease was renewed in the background."""
        self.notices = reply.warnings

    def lost(self, error: ArbeitError) -> None:
        """The lease was lost: stop the block that believes it holds it."""
        self._error = error
        if self._scope is not None:
            self._scope.cancel()

    # -- writes of the holder --------------------------------------------------------------------------

    def _refuse_ended(self) -> None:
        if self.ended:
            raise ArbeitError(
                Code.LEASE_LOST,
                f"this work on task {self.task.id} has ended",
                suggestions=("Claim the next task.",),
                data={"task_id": self.task.id},
            )

    async def _send(self, command: c.Command) -> Reply:
        self._refuse_ended()
        reply = await self._session.execute(self._project, command)
        self.task = reply.task or self.task
        self.notices = reply.warnings
        return reply

    def _context(
        self,
        kind: EntryType,
        content: str,
        evidence: Iterable[str] = (),
        metadata: Mapping[str, Any] | None = None,
        key: str | None = None,
    ) -> Awaitable[Reply]:
        return self._send(
            c.AddContext(
                actor=self.agent,
                task_id=self.task.id,
                token=self.token,
                type=kind,
                content=content,
                evidence=evidence,
                metadata=metadata,
                idempotency_key=key,
            )
        )

    async def add_context(
        self,
        content: str,
        *,
        type: EntryType = "note",
        metadata: Mapping[str, Any] | None = None,
        evidence: Iterable[str] = (),
        idempotency_key: str | None = None,
    ) -> ContextEntry:
        """Record something about the task in this run."""
        return (await self._context(type, content, evidence, metadata, idempotency_key)).entries[0]

    async def note(self, text: str, *, idempotency_key: str | None = None) -> ContextEntry:
        """Record a note."""
        return (await self._context("note", text, key=idempotency_key)).entries[0]

    async def decide(self, decision: str, rationale: str = "", *, idempotency_key: str | None = None) -> ContextEntry:
        """Record a decision, with why as its metadata."""
        check_text("rationale", rationale)
        metadata = {"rationale": rationale} if rationale else None
        return (await self._context("decision", decision, metadata=metadata, key=idempotency_key)).entries[0]

    async def attempt(
        self, what: str, evidence: Iterable[str] = (), *, idempotency_key: str | None = None
    ) -> ContextEntry:
        """Record what was tried, so that nobody tries it again unknowingly."""
        return (await self._context("attempt", what, evidence, key=idempotency_key)).entries[0]

    async def progress(
        self, *items: str, done: bool = False, idempotency_key: str | None = None
    ) -> tuple[ProgressItem, ...]:
        """Add lines to the checklist, done or to do."""
        command = c.AddProgress(
            actor=self.agent,
            task_id=self.task.id,
            token=self.token,
            items=items,
            completed=done,
            idempotency_key=idempotency_key,
        )
        return (await self._send(command)).items

    async def done(self, *item_ids: str, idempotency_key: str | None = None) -> tuple[ProgressItem, ...]:
        """Tick lines of the checklist off."""
        command = c.CompleteProgress(
            actor=self.agent,
            task_id=self.task.id,
            token=self.token,
            item_ids=item_ids,
            idempotency_key=idempotency_key,
        )
        return (await self._send(command)).items

    async def attach(
        self, name: str, data: Source, *, media_type: str | None = None, idempotency_key: str | None = None
    ) -> Artifact:
        """Leave bytes as a result: themselves, a path, a file opened in binary mode, or chunks of them.

        They are stored first and recorded then, if the lease still holds. The media type is guessed from the name
        where None is given.

        Raises:
            ArbeitError: LEASE_LOST, and then nothing is attached; LIMIT_EXCEEDED beyond 5 GiB; INVALID_INPUT for what
                is no source of bytes, or cannot be read.
        """
        self._refuse_ended()
        command = c.AttachArtifact(
            actor=self.agent,
            task_id=self.task.id,
            token=self.token,
            name=name,
            media_type=media_type if media_type is not None else media_type_of(name),
            size=0,
            sha256=NOTHING,
            idempotency_key=idempotency_key,
        )
        blob = await self._session.store_blob(data)
        reply = await self._send(evolve(command, size=blob.size, sha256=blob.sha256))
        assert reply.artifact is not None  # noqa: S101 - what its command always fills
        return reply.artifact

    async def secret(self, name: str) -> Secret:
        """The value of a secret of the project, in a wrapper that only `reveal` opens; the log says who asked.

        Raises:
            ArbeitError: LEASE_LOST; ENTRY_NOT_FOUND where no secret has the name; STORE_UNAVAILABLE where it is not
                found, NOT_INITIALIZED where this process does not know its provider.
        """
        command = c.UseSecret(actor=self.agent, task_id=self.task.id, token=self.token, name=name)
        reference = (await self._send(command)).secret
        assert reference is not None  # noqa: S101 - what its command always fills
        return await self._session.resolve_secret(reference.provider, reference.path)

    async def report_usage(
        self,
        /,
        *,
        model: str | None = None,
        tokens_in: int | None = None,
        tokens_out: int | None = None,
        cost: int | None = None,
        idempotency_key: str | None = None,
        **counters: int,
    ) -> Run:
        """Add to what this run used; `cost` in micro-dollars, any other counter a whole number. The run so far."""
        said = {"model": model, "tokens_in": tokens_in, "tokens_out": tokens_out, "cost": cost, **counters}
        usage = {name: count for name, count in said.items() if count is not None}
        command = c.ReportUsage(
            actor=self.agent,
            task_id=self.task.id,
            token=self.token,
            usage=usage,
            idempotency_key=idempotency_key,
        )
        reply = await self._send(command)
        self.run = reply.run or self.run
        return self.run

    async def link_session(self, session_id: str, *, idempotency_key: str | None = None) -> SessionLink | None:
        """Note that the task is worked on in a session."""
        command = c.LinkSession(
            actor=self.agent,
            task_id=self.task.id,
            token=self.token,
            session_id=session_id,
            idempotency_key=idempotency_key,
        )
        return (await self._send(command)).session

    async def link_file(
        self, path: str, operation: FileOperation = "write", *, idempotency_key: str | None = None
    ) -> FileLink | None:
        """Note that a file was read or written for the task."""
        command = c.LinkFile(
            actor=self.agent,
            task_id=self.task.id,
            token=self.token,
            path=path,
            file_operation=operation,
            session_id=self.run.session_id,
            idempotency_key=idempotency_key,
        )
        return (await self._send(command)).file

    async def renew(self, ttl: float | None = None) -> int:
        """Move the deadline to `ttl` seconds from now (None: the lease's own length); the new one, in microseconds."""
        command = c.RenewLease(
            actor=self.agent,
            task_id=self.task.id,
            token=self.token,
            ttl=length(ttl, "ttl"),
        )
        return (await self._send(command)).expires_at or 0

    # -- endings ---------------------------------------------------------------------------------------

    async def _end(self, command: c.Command) -> Reply:
        reply = await self._send(command)
        self.ended = True
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
