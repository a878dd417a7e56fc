"""Tools that record what was decided, tried, done and made."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Mapping
from typing import Any, Literal

from arbeit.core import commands as c
from arbeit.core.declare import frozen
from arbeit.core.errors import ArbeitError, Code
from arbeit.core.model import EntryType
from arbeit.toolset.answers import Shown, artifact, echoed, entry, item, listed
from arbeit.toolset.box import Call
from arbeit.toolset.registry import param, tool
from arbeit.toolset.working import not_held

Texts = tuple[str, ...]


@tool("context_add", "Record something about a task")
@frozen(kw_only=True)
class ContextAdd:
    """Record what whoever goes on must know: what you decided and why, tried, found."""

    task_id: str = param()
    type: EntryType = param()
    content: str = param()
    metadata: Mapping[str, Any] | None = param(default=None, rare=True)
    evidence: Texts = param(default=())
    supersede_entry_id: str | None = param("Entry it replaces", default=None)

    async def run(self, call: Call) -> Shown:
        """Add the entry, in the place of an older one if that is named."""
        token = call.token(self.task_id)
        if self.supersede_entry_id is not None:
            return await self._supersede(call, self.supersede_entry_id, token)
        command = c.AddContext(
            actor=call.actor,
            task_id=self.task_id,
            token=token,
            type=self.type,
            content=self.content,
            metadata=self.metadata,
            evidence=self.evidence,
        )
        return {"entry": echoed(entry((await call.execute(command)).entries[0]))}

    async def _supersede(self, call: Call, entry_id: str, token: str | None) -> Shown:
        if self.metadata is not None or self.evidence:
            raise ArbeitError(
                Code.INVALID_INPUT,
                "an entry that replaces another takes over its metadata and evidence",
                suggestions=("Leave metadata and evidence out, or add an entry of its own.",),
                data={"field": "metadata"},
            )
        command = c.SupersedeContext(
            actor=call.actor, entry_id=entry_id, content=self.content, type=self.type, token=token
        )
        old, new = (await call.execute(command)).entries
        return {"entry": echoed(entry(new)), "superseded": echoed(entry(old))}


@tool("context_supersede", "Replace an entry")
@frozen(kw_only=True)
class ContextSupersede:
    """Replace an entry that no longer holds; the old one stays readable."""

    entry_id: str = param()
    new_content: str = param()
    type: EntryType | None = param(default=None)

    async def run(self, call: Call) -> Shown:
        """Replace it."""
        task_id = (await call.project.entry(self.entry_id)).task_id
        command = c.SupersedeContext(
            actor=call.actor,
            entry_id=self.entry_id,
            content=self.new_content,
            type=self.type,
            token=call.token(task_id),
        )
        old, new = (await call.execute(command)).entries
        return {"old_entry": echoed(entry(old)), "new_entry": echoed(entry(new))}


@tool("progress_add", "Add to a checklist")
@frozen(kw_only=True)
class ProgressAdd:
    """Add lines to a task's checklist, to do or (completed) already done."""

    task_id: str = param()
    items: Texts = param()
    completed: bool = param(default=False)

    async def run(self, call: Call) -> Shown:
        """Add them."""
        command = c.AddProgress(
            actor=call.actor,
            task_id=self.task_id,
            token=call.token(self.task_id),
            items=self.items,
            completed=self.completed,
        )
        return listed("items", (await call.execute(command)).items, item)


@tool("progress_complete", "Tick lines off", idempotent=True)
@frozen(kw_only=True)
class ProgressComplete:
    """Tick lines of a task's checklist off, all or none."""

    item_ids: Texts = param()
    task_id: str | None = param(default=None)

    async def run(self, call: Call) -> Shown:
        """Tick them off."""
        task_id = self.task_id if self.task_id is not None else (await call.project.item(self._first())).task_id
        command = c.CompleteProgress(
            actor=call.actor, task_id=task_id, token=call.token(task_id), item_ids=self.item_ids
        )
        ticked = sorted((await call.execute(command)).items, key=lambda one: one.position)
        return listed("completed", ticked, item)

    def _first(self) -> str:
        if not self.item_ids:
            raise ArbeitError(
                Code.INVALID_INPUT,
                "item_ids is empty",
                suggestions=('The ids are in arbeit_task_get with include=["progress"].',),
                data={"field": "item_ids"},
            )
        return self.item_ids[0]


@tool("artifact_attach", "Attach a result")
@frozen(kw_only=True)
class ArtifactAttach:
    """Leave text or bytes (base64) as a result of a task that you hold."""

    task_id: str = param()
    name: str = param()
    content: str = param()
    encoding: Literal["text", "base64"] = param(default="text")
    media_type: str | None = param(default=None)

    async def run(self, call: Call) -> Shown:
        """Store the bytes and record them."""
        token = call.token(self.task_id)
        if token is None:
            raise await not_held(call, self.task_id)
        work = await call.project.held(self.task_id, token)
        made = await work.attach(self.name, self._bytes(), media_type=self.media_type)
        call.warnings += work.notices
        return {"artifact": artifact(made)}

    def _bytes(self) -> bytes:
        try:
            return self.content.encode() if self.encoding == "text" else base64.b64decode(self.content, validate=True)
        except (UnicodeEncodeError, binascii.Error, ValueError) as error:
            raise ArbeitError(
                Code.INVALID_INPUT,
                f"content is no {'text' if self.encoding == 'text' else 'base64'}",
                suggestions=("Send text as it is, other bytes in base64 with encoding=base64.",),
                data={"field": "content"},
            ) from error
