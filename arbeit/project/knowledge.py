"""The verbs that record what is known of a task."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from arbeit.core import commands as c
from arbeit.core.model import (
    ContextEntry,
    EntryType,
    ProgressItem,
    Relationship,
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
