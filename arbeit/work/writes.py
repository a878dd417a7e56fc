"""What a holder records about its task."""

from __future__ import annotations

from collections.abc import Awaitable, Iterable, Mapping
from typing import TYPE_CHECKING, Any

from arbeit.core import commands as c
from arbeit.core.declare import evolve
from arbeit.core.later import Later
from arbeit.core.limits import check_text, length
from arbeit.core.model import (
    Artifact,
    ContextEntry,
    EntryType,
    FileLink,
    FileOperation,
    ProgressItem,
    Reply,
    Run,
    SessionLink,
)
from arbeit.work.tenure import Tenure

if TYPE_CHECKING:
    from arbeit import transfer
    from arbeit.secret_providers import Secret
    from arbeit.transfer import Source
else:
    transfer = Later("arbeit.transfer")


class Writes(Tenure):
    """Context, checklist, artifacts, secrets, usage, links; each renews the lease."""

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
            media_type=media_type if media_type is not None else transfer.media_type_of(name),
            size=0,
            sha256=transfer.NOTHING,
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
