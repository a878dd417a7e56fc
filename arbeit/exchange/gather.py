"""Puts what a foreign source tells of tasks into a draft, whole: what does not fit where it belongs goes beside it."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from typing import Any

from attrs import define

from arbeit.core import limits
from arbeit.core.commands import ImportEntry, ImportFile, ImportItem, ImportSession, ImportTask
from arbeit.core.errors import ArbeitError
from arbeit.core.model import EMPTY, ENTRY_TYPES, TERMINAL
from arbeit.core.redacting import Redact
from arbeit.exchange.draft import Draft, import_task, json_type, label
from arbeit.exchange.values import cleaned, fits_label, fitting, pieces, split, storable

PIECE_BYTES = 60_000
"""Of a text that is too long for one entry; the limit less room for what a redaction puts in."""
METADATA_BYTES = limits.METADATA_BYTES - 2_048
"""What a source's leftovers may take, so that links which could not be taken have room beside them."""
LINE_BYTES = 4_000
AUTHOR_BYTES = 255
_FEW, _SHORT = 4, 250
"""How many texts of how many characters fit without being measured."""
_TEXTS = ("intent", "description", "block_reason")
_compact = json.JSONEncoder(ensure_ascii=False, separators=(",", ":")).encode


@define
class Gatherer:
    """Takes tasks and what hangs on them for one source, whose name is the key of its leftovers in `metadata`."""

    draft: Draft
    source: str

    def task(self, where: str, record: str, fields: Mapping[str, Any], left: Mapping[str, Any]) -> bool:
        """Take a task; `left` is what has no field of its own.

        Texts, titles and leftovers that are too large, or that no store can keep, go whole into context entries.
        """
        command = self._plain(fields, left)
        if command is not None:
            return self.draft.add(where, record, command)
        sound, beside = dict(fields), {}
        for name in _TEXTS:
            text = sound.get(name)
            if isinstance(text, str) and not storable(text):
                beside[name] = text
                sound[name] = self._head(text, limits.TEXT_BYTES)
        title = sound.get("title")
        if isinstance(title, str) and (len(title) > limits.TITLE_CHARACTERS or not storable(title)):
            beside["title"] = title
            sound["title"] = self._head(title, limits.TEXT_BYTES, limits.TITLE_CHARACTERS)
        left = dict(left)
        sound["labels"] = self._labels(sound.get("labels"), left)
        own, rest = fit(sound.get("metadata") or {}, limits.METADATA_BYTES, depth=0)
        beside |= {f"metadata.{key}": value for key, value in rest.items()}
        kept, rest = fit(left, METADATA_BYTES - (len(_compact(own).encode()) if own else 0))
        beside |= {f"{self.source}.{key}": value for key, value in rest.items()}
        sound["metadata"] = self._told(sound.pop("source_status", None), kept, own)
        if not self.draft.task(where, record, sound):
            return False
        for name, value in beside.items():
            self.beside(where, sound["task_id"], name, value, sound.get("created_at"))
        return True

    def _plain(self, fields: Mapping[str, Any], left: Mapping[str, Any]) -> ImportTask | None:
        """The command of a task whose fields all fit, as nearly all do; None if one does not."""
        labels = fields.get("labels")
        if labels is not None and not (isinstance(labels, list) and all(map(fits_label, labels))):
            return None
        metadata = self._told(fields.get("source_status"), left, fields.get("metadata") or {})
        told = {key: value for key, value in fields.items() if key != "source_status"}
        try:
            return import_task({**told, "metadata": metadata}, self.draft.actor)
        except ArbeitError:
            return None

    def _told(self, status: object, left: Mapping[str, Any], own: Mapping[str, Any]) -> dict[str, Any]:
        """The metadata of a task: its own ones, its source's status, and what is left, under the source's name."""
        name = self.source if self.source not in own else f"{self.source}_import"
        found = {**({"source_status": status} if status is not None else {}), **own}
        return {**found, name: left} if left else found

    def _head(self, text: str, size: int, characters: int | None = None) -> str:
        """The beginning of a text, marked as cut where it is; what is secret in the whole is not in it."""
        text = self.draft.redact(cleaned(text))
        if len(text.encode()) <= size and (characters is None or len(text) <= characters):
            return text
        if characters is not None:
            return text[: characters - 3] + "..."
        return text.encode()[: size - 3].decode(errors="ignore") + "..."

    def shelf(self, where: str, task_id: str, title: str, why: str) -> bool:
        """Make a task, completed, for what belongs to no task of the source; once it is there it stays."""
        if task_id in self.draft.tasks:
            return True
        self.draft.note(f"{why}: the task {task_id} has them as context entries", where)
        about = "Made by the import: its context entries are what the source keeps beside its tasks."
        fields = {"task_id": task_id, "title": title, "description": about, "status": "completed"}
        return self.draft.task(where, title, fields, "shelf")

    def loose(self, where: str, task_id: str, name: str, text: str, created_at: int | None) -> None:
        """Keep a text that is no record of its own with a task, as entries of type reference named by its content."""
        entry_id = fitting(f"{task_id}.{name}", mark=f"{task_id}\0{name}\0{text}")
        self.entry(
            where,
            f"{task_id} {name}",
            entry_id=entry_id,
            task_id=task_id,
            type="reference",
            content=text,
            created_at=created_at,
            metadata={"field": name},
            kind="piece",
        )

    def _labels(self, labels: object, left: dict[str, Any]) -> list[str]:
        if labels is None:
            return []
        if not isinstance(labels, list):
            left["labels"] = labels
            return []
        fit_ones = list(dict.fromkeys(one for one in labels if fits_label(one)))[: limits.LABELS]
        lost = [one for one in labels if one not in fit_ones]
        if lost:
            left["labels"] = lost
        return fit_ones

    def beside(self, where: str, task_id: str, name: str, value: object, created_at: int | None) -> None:
        """Keep a value that does not fit where it belongs in context entries of type reference."""
        what = f"{name} does not fit its field: the whole of it is in context entries of type reference"
        self.draft.note(what, where)
        as_json = not isinstance(value, str) or not storable(value, limits.MAX_INTEGER)
        text = json.dumps(value) if as_json else str(value)
        text, name = self.draft.redact(text), self.draft.redact(name)
        parts = split(text, PIECE_BYTES)
        for number, content in enumerate(parts, start=1):
            about = {"field": name, "part": number, "parts": len(parts), "json": as_json or None}
            self.draft.part(
                "piece",
                where,
                f"{task_id} {name}",
                ImportEntry,
                entry_id=fitting(f"{task_id}.{name}.part-{number}", mark=f"{task_id}\0{name}\0{number}"),
                task_id=task_id,
                type="reference",
                content=content,
                created_at=created_at,
                metadata={self.source: {key: item for key, item in about.items() if item is not None}},
            )

    def entry(
        self,
        where: str,
        record: str,
        *,
        entry_id: str,
        task_id: str,
        type: str,
        content: object,
        author: object = "",
        created_at: int | None = None,
        left: Mapping[str, Any] = EMPTY,
        metadata: Mapping[str, Any] = EMPTY,
        superseded_by: str | None = None,
        evidence: object = None,
        kind: str = "context",
    ) -> bool:
        """Take a context entry; a longer text than one may have goes on in entries of its own."""
        if not isinstance(content, str):
            reason = "is missing" if content is None else f"must be text, not {json_type(content)}"
            self.draft.refuse(where, f"content {reason}", record, kind)
            return False
        if self.draft.taken(kind, entry_id):
            self.draft.refuse(where, f"the id {entry_id} stands here before", record, kind)
            return False
        more = dict(left)
        told = self._attributes(where, type, author, evidence, more)
        evidence = told.pop("evidence")
        shared = {"task_id": task_id, "created_at": created_at, **told}
        own, rest = self._metadata(metadata, more)
        whole = content if storable(content, limits.MAX_INTEGER) else cleaned(content)
        parts = [whole] if storable(whole) else split(self.draft.redact(whole), PIECE_BYTES)
        command = self.draft.part(
            kind,
            where,
            record,
            ImportEntry,
            entry_id,
            entry_id=entry_id,
            content=parts[0],
            metadata=own or None,
            superseded_by=superseded_by,
            evidence=evidence,
            **shared,
        )
        if command is None:
            return False
        if whole != content:
            rest["content"] = content
        self._go_on(where, record, entry_id, parts, shared)
        for name, value in rest.items():
            self.beside(where, task_id, f"{entry_id}.{name}", value, created_at)
        return True

    def _attributes(
        self, where: str, type: str, author: object, evidence: object, more: dict[str, Any]
    ) -> dict[str, Any]:
        """What an entry has fields for; what does not fit them goes into `more`."""
        if type not in ENTRY_TYPES:
            self.draft.note(f"the unknown type {label(type)} of an entry was taken as note", where)
            more["type"], type = type, "note"
        if not isinstance(author, str) or not storable(author, AUTHOR_BYTES):
            more["author"], author = author, ""
        if evidence is not None and not _is_evidence(evidence):
            more["evidence"], evidence = evidence, None
        return {"type": type, "author": author or None, "evidence": evidence}

    def _metadata(self, own: Mapping[str, Any], left: Mapping[str, Any]) -> tuple[dict[str, Any], dict[str, Any]]:
        """The metadata of an entry, its source's leftovers among them; and what of both does not fit there."""
        fit_own, rest = fit(own, limits.METADATA_BYTES, depth=0)
        kept, also = fit(left, METADATA_BYTES - (len(_compact(fit_own).encode()) if fit_own else 0))
        return fit_own | ({self.source: kept} if kept else {}), rest | also

    def _go_on(self, where: str, record: str, entry_id: str, parts: Sequence[str], shared: Mapping[str, Any]) -> None:
        """Take the rest of a text that is longer than one entry may have."""
        if len(parts) > 1:
            self.draft.note("a text is too long for one entry: it goes on in the next ones", where)
        for number, piece in enumerate(parts[1:], start=2):
            self.draft.part(
                "piece",
                where,
                record,
                ImportEntry,
                entry_id=fitting(f"{entry_id}.part-{number}"),
                content=piece,
                metadata={self.source: {"part_of": entry_id, "part": number, "parts": len(parts)}},
                **shared,
            )

    def item(
        self,
        where: str,
        record: str,
        *,
        item_id: str,
        task_id: str,
        content: object,
        completed: bool,
        created_at: int | None = None,
        completed_at: int | None = None,
        completed_by: str | None = None,
    ) -> bool:
        """Take a line of a checklist; one that is too long is cut, and its whole text goes beside the task."""
        if not isinstance(content, str):
            reason = "is missing" if content is None else f"must be text, not {json_type(content)}"
            self.draft.refuse(where, f"content {reason}", record, "progress")
            return False
        short = storable(content, LINE_BYTES)
        taken = self.draft.part(
            "progress",
            where,
            record,
            ImportItem,
            item_id,
            item_id=item_id,
            task_id=task_id,
            content=content if short else self._head(content, LINE_BYTES),
            completed=completed,
            created_at=created_at,
            completed_at=completed_at,
            completed_by=completed_by,
        )
        if taken is not None and not short:
            self.beside(where, task_id, item_id, content, created_at)
        return taken is not None

    def session(
        self, where: str, task_id: str, session_id: object, created_at: int | None = None, link_id: str | None = None
    ) -> bool:
        """Take the link of a task to a session."""
        key = (task_id, session_id) if isinstance(session_id, str) else None
        given = {"task_id": task_id, "session_id": session_id, "created_at": created_at, "link_id": link_id}
        return self.draft.part("session", where, label(session_id), ImportSession, key, **given) is not None

    def file(
        self,
        where: str,
        task_id: str,
        path: object,
        *,
        operation: str = "write",
        session_id: str = "",
        created_at: int | None = None,
        link_id: str | None = None,
    ) -> bool:
        """Take the link of a task to a file that was read or written for it."""
        key = (task_id, path, operation, session_id) if isinstance(path, str) else None
        taken = self.draft.part(
            "file",
            where,
            label(path),
            ImportFile,
            key,
            task_id=task_id,
            path=path,
            file_operation=operation,
            session_id=session_id,
            created_at=created_at,
            link_id=link_id,
        )
        return taken is not None


def fit(
    left: Mapping[str, Any], room: int = METADATA_BYTES, *, depth: int = 1
) -> tuple[dict[str, Any], dict[str, Any]]:
    """What of a JSON object fits into so many bytes of metadata, so deep in them, and what does not.

    The largest parts give way.
    """

    def size(value: Mapping[str, Any]) -> int:
        return len(_compact(limits.as_object({"": value} if depth else dict(value))).encode())

    if not left:
        return {}, {}
    if len(left) <= _FEW and all(
        type(value) is str and len(value) < _SHORT and value.isprintable() for value in left.values()
    ):
        return dict(left), {}
    with suppress(ArbeitError):
        if size(left) <= room:
            return dict(left), {}
    sized = []
    for key, value in left.items():
        with suppress(ArbeitError):
            sized.append((size({key: value}), key))
    kept = set()
    for length, key in sorted(sized):
        room -= length
        if room >= 0:
            kept.add(key)
    found = {key: value for key, value in left.items() if key in kept}
    return found, {key: value for key, value in left.items() if key not in kept}


def acceptance(value: object, redact: Redact) -> list[str] | None:
    """Acceptance lines from a text or a list of texts, without secrets; None for what is neither, or too much."""
    texts = [value] if isinstance(value, str) else value
    if not isinstance(texts, list) or not all(isinstance(text, str) and storable(text) for text in texts):
        return None
    found = [piece for text in texts if text.strip() for piece in pieces(text, redact)]
    return found if len(found) <= limits.ITEMS else None


def parsed(value: object) -> object:
    """JSON that stands in a text; a text that is no JSON stays one, an empty one is nothing."""
    if not isinstance(value, str):
        return value
    try:
        return json.loads(value) if value.strip() else None
    except (ValueError, RecursionError):
        return value


def finished_at(status: str, *times: int | None) -> int | None:
    """The first known of some times for a task that is finished."""
    return next((time for time in times if time is not None), None) if status in TERMINAL else None


def without(raw: Mapping[str, Any], names: Iterable[str]) -> dict[str, Any]:
    """What a record says beyond some of its fields; null is the same as nothing."""
    gone = names if isinstance(names, frozenset) else frozenset(names)
    return {key: value for key, value in raw.items() if value is not None and key not in gone}


def _is_evidence(value: object) -> bool:
    texts = isinstance(value, list) and all(isinstance(one, str) and one and storable(one, 4096) for one in value)
    return texts and len(value) <= limits.EVIDENCE  # type: ignore[arg-type]  # a list if texts
