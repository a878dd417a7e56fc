"""Read task files of Claude Code: lists of tasks, one JSON file each, and the flat to-do lists of earlier releases."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from attrs import Factory, define

from arbeit.core.redacting import Redact
from arbeit.exchange.circles import Link
from arbeit.exchange.draft import ANYBODY, SECRETS, Draft, Standing, json_type, label
from arbeit.exchange.gather import Gatherer, without
from arbeit.exchange.values import fitting, id_text

FORMAT = "claude-code"

_STANDINGS: Mapping[str, Standing] = {
    "pending": Standing("open"),
    "in_progress": Standing("open", same=False, begun=True),
    "completed": Standing("completed", begun=True),
    "cancelled": Standing("cancelled"),
    "deleted": Standing("cancelled", same=False),
}
_PRIORITIES = ("high", "medium", "low")
_UUID = "[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}"
_SESSION = re.compile(_UUID)
_TODO_FILE = re.compile(f"({_UUID})-agent-({_UUID})")

Source = tuple[str, str, object]
"""The list a file belongs to, the file's place, and what it says."""


def is_task(document: object) -> bool:
    """Whether a document is one task of a list."""
    return isinstance(document, Mapping) and "subject" in document and "status" in document and "id" in document


def is_todos(document: object) -> bool:
    """Whether a document is a to-do list of an earlier release."""
    if not isinstance(document, list) or not document:
        return False
    return all(isinstance(one, Mapping) and "content" in one and "status" in one for one in document)


def read(
    sources: Sequence[Source], *, reopen: bool = False, actor: str = ANYBODY, redact: Redact = SECRETS.redact
) -> Draft:
    """Take task files and to-do lists.

    Ids of one list are kept; where there are several, the list's name comes before them, as all count from 1.
    """
    draft = Draft(FORMAT, actor=actor, redact=redact)
    lists = {name for name, _, document in sources if is_task(document)}
    reader = _Reader(draft, Gatherer(draft, FORMAT), several=len(lists) > 1, reopen=reopen)
    tasks = [source for source in sources if not isinstance(source[2], list)]
    for name, where, document in sorted(tasks, key=_order):
        reader.task(name, where, document)
    for name, where, document in sources:
        if isinstance(document, list):
            reader.todos(name, where, document)
    return draft


def _order(source: Source) -> tuple[str, int, str]:
    """Lists by name, and in each its tasks as they were made: ids count up."""
    text = id_text(source[2].get("id")) if isinstance(source[2], Mapping) else None
    number = int(text) if text is not None and text.isdecimal() and len(text) < 19 else 0  # noqa: PLR2004 - 63 bits
    return source[0], number, source[1]


@define
class _Reader:
    draft: Draft
    into: Gatherer
    several: bool
    reopen: bool
    told: set[tuple[str, str]] = Factory(set)

    def task(self, name: str, where: str, raw: object) -> None:
        if not is_task(raw) or not isinstance(raw, Mapping):
            self.draft.refuse(where, "a task must be an object with id, subject and status", label(raw))
            return
        source_id = id_text(raw.get("id"))
        if source_id is None:
            self.draft.refuse(where, f"id must be text, not {json_type(raw.get('id'))}", label(raw))
            return
        task_id = self._id(name, source_id)
        left = without(raw, ("id", "subject", "description", "status", "blocks", "blockedBy"))
        if task_id != source_id:
            left["id"] = source_id
        left |= {"list": name} if name else {}
        description = raw.get("description")
        if description is not None and not isinstance(description, str):
            left["description"], description = description, None
        own = left.pop("metadata", None)
        if own is not None and not isinstance(own, Mapping):
            left["metadata"], own = own, None
        fields = {"task_id": task_id, "title": raw["subject"], "description": description, "metadata": own}
        if self.into.task(where, f"{source_id} {label(raw['subject'])}", fields | self._status(where, raw), left):
            self._links(name, where, task_id, raw)
            if _SESSION.fullmatch(name):
                self.into.session(where, task_id, name)

    def _id(self, name: str, source_id: str) -> str:
        return fitting(f"{name}.{source_id}" if self.several else source_id)

    def _status(self, where: str, raw: Mapping[str, Any]) -> dict[str, Any]:
        said = raw.get("status")
        word = said.strip().lower().replace("-", "_") if isinstance(said, str) else ""
        standing = _STANDINGS.get(word)
        if standing is not None:
            return self.draft.status(where, label(said), standing, reopen=self.reopen)
        self.draft.note(f"the unknown status {label(said)} was taken as open", where)
        return {"status": "open", "source_status": said}

    def _links(self, name: str, where: str, task_id: str, raw: Mapping[str, Any]) -> None:
        for key in ("blocks", "blockedBy"):
            named = raw.get(key)
            if named is None:
                continue
            if not isinstance(named, list):
                reason = f"must be a list of ids, not {json_type(named)}"
                self.draft.refuse(f"{where}.{key}", reason, label(named), "relationship")
                continue
            for index, one in enumerate(named):
                self._link(f"{where}.{key}[{index}]", key, name, task_id, one)

    def _link(self, where: str, key: str, name: str, task_id: str, one: object) -> None:
        other = id_text(one)
        if other is None:
            self.draft.refuse(where, f"must be an id, not {json_type(one)}", label(one), "relationship")
            return
        found = self._id(name, other)
        ends = (task_id, found) if key == "blocks" else (found, task_id)
        if ends not in self.told:  # both ends tell of it
            self.told.add(ends)
            self.draft.link(Link(where, f"{ends[0]} blocks {ends[1]}", "blocks", *ends, owner=task_id))

    def todos(self, name: str, where: str, items: Iterable[object]) -> None:
        """Take a flat list; its items are named by the session and agent that the file is named by."""
        match = _TODO_FILE.fullmatch(name)
        session = match.group(1) if match else name if _SESSION.fullmatch(name) else None
        prefix = session if match and session == match.group(2) else name
        for index, raw in enumerate(items):
            place = f"{where}[{index}]"
            if not isinstance(raw, Mapping):
                self.draft.refuse(place, f"an item must be an object, not {json_type(raw)}", label(raw))
                continue
            source_id = id_text(raw.get("id")) or str(index + 1)
            task_id = fitting(f"{prefix}.{source_id}" if prefix else source_id)
            left = {**without(raw, ("content", "status", "priority")), "list": name}
            fields = {"task_id": task_id, "title": raw.get("content"), **self._status(place, raw)}
            priority = raw.get("priority")
            if priority in _PRIORITIES:
                fields["priority"] = "normal" if priority == "medium" else priority
            elif priority is not None:
                left["priority"] = priority
            if self.into.task(place, label(raw.get("content")), fields, left) and session is not None:
                self.into.session(place, task_id, session)
