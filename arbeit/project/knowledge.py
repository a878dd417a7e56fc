"""The verbs that record what is known of a task."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from arbeit.core import commands as c
from arbeit.core.model import (
    ContextEntry,
    EntryType,
    FileLink,
    FileOperation,
    ProgressItem,
    Relationship,
    SessionLink,
)
from arbeit.project.base import Base, one


class Knowledge(Base):
    """Context, checklists and relationships."""

    async def add_context(
        self,
        task_id: str,
        content: str,
        *,
        type: EntryType = "note",
        metadata: Mapping[str, Any] | None = None,
        evidence: Iterable[str] = (),
        idempotency_key: str | None = None,
    ) -> ContextEntry:
        """Record something about any task that the actor can see. A holder does it through its `Work`."""
        command = c.AddContext(
            actor=self.actor,
            task_id=task_id,
            type=type,
            content=content,
            metadata=metadata,
            evidence=evidence,
            idempotency_key=idempotency_key,
        )
        return (await self.execute(command)).entries[0]

    async def supersede_context(
        self,
        entry_id: str,
        content: str,
        *,
        type: EntryType | None = None,
        idempotency_key: str | None = None,
    ) -> tuple[ContextEntry, ContextEntry]:
        """Replace an entry; the old one, which says by what, and the new one."""
        command = c.SupersedeContext(
            actor=self.actor,
            entry_id=entry_id,
            content=content,
            type=type,
            idempotency_key=idempotency_key,
        )
        old, new = (await self.execute(command)).entries
        return old, new

    async def add_progress(
        self,
        task_id: str,
        items: Iterable[str],
        *,
        completed: bool = False,
        idempotency_key: str | None = None,
    ) -> tuple[ProgressItem, ...]:
        """Add lines to the checklist of a task that nobody holds."""
        command = c.AddProgress(
            actor=self.actor,
            task_id=task_id,
            items=items,
            completed=completed,
            idempotency_key=idempotency_key,
        )
        return (await self.execute(command)).items

    async def complete_progress(
        self, task_id: str, item_ids: Iterable[str], *, idempotency_key: str | None = None
    ) -> tuple[ProgressItem, ...]:
        """Tick lines of a checklist off, all or none."""
        command = c.CompleteProgress(
            actor=self.actor,
            task_id=task_id,
            item_ids=item_ids,
            idempotency_key=idempotency_key,
        )
        return (await self.execute(command)).items

    async def add_relationship(
        self,
        from_task_id: str,
        to_task_id: str,
        type: str,
        *,
        metadata: Mapping[str, Any] | None = None,
        idempotency_key: str | None = None,
    ) -> Relationship:
        """Join two tasks: blocks, parent_of, relates_to, duplicates, splits_from, discovered_from, or an inverse."""
        command = c.AddRelationship(
            actor=self.actor,
            from_task_id=from_task_id,
            to_task_id=to_task_id,
            type=type,
            metadata=metadata,
            idempotency_key=idempotency_key,
        )
        return one((await self.execute(command)).relationship)  # type: ignore[no-any-return]  # see one

    async def remove_relationship(
        self,
        from_task_id: str,
        to_task_id: str,
        type: str,
        *,
        idempotency_key: str | None = None,
    ) -> Relationship:
        """Take a relationship away; what it held back may become ready."""
        command = c.RemoveRelationship(
            actor=self.actor,
            from_task_id=from_task_id,
            to_task_id=to_task_id,
            type=type,
            idempotency_key=idempotency_key,
        )
        return one((await self.execute(command)).relationship)  # type: ignore[no-any-return]  # see one

    async def link_session(self, task_id: str, session_id: str, *, idempotency_key: str | None = None) -> SessionLink:
        """Note that a task was worked on in a session; noting it again changes nothing."""
        command = c.LinkSession(
            actor=self.actor, task_id=task_id, session_id=session_id, idempotency_key=idempotency_key
        )
        return one((await self.execute(command)).session)  # type: ignore[no-any-return]  # see one

    async def link_file(
        self,
        task_id: str,
        path: str,
        operation: FileOperation = "write",
        *,
        session_id: str = "",
        idempotency_key: str | None = None,
    ) -> FileLink:
        """Note that a file was read or written for a task; noting it again changes nothing."""
        command = c.LinkFile(
            actor=self.actor,
            task_id=task_id,
            path=path,
            file_operation=operation,
            session_id=session_id,
            idempotency_key=idempotency_key,
        )
        return one((await self.execute(command)).file)  # type: ignore[no-any-return]  # see one
