"""Take lists of tasks, context entries, checklist items, relationships, sessions, files and events over, as they are.

It serves the JSON object `{"tasks": [...], "context": [...], ...}` and the tables of the first generation's file. Ids,
times and texts are kept; a field that has no place goes to the metadata under the source's name.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from typing import Any

from attrs import Factory, define

from arbeit.core import limits
from arbeit.core.commands import ImportTask
from arbeit.core.errors import ArbeitError
from arbeit.core.model import FILE_OPERATIONS, INVERSE_RELATIONS, RELATION_TYPES, TERMINAL
from arbeit.core.redacting import Redact
from arbeit.exchange.circles import Link
from arbeit.exchange.draft import ANYBODY, SECRETS, Draft, Standing, json_type, label
from arbeit.exchange.gather import Gatherer, acceptance, fit, parsed, without
from arbeit.exchange.values import cleaned, fitting, id_text, moment

FORMAT = "records"
KINDS: Mapping[str, tuple[str, ...]] = {
    "task": ("tasks",),
    "context": ("context", "context_entries"),
    "progress": ("progress", "progress_items"),
    "relationship": ("relationships", "task_relationships"),
    "session": ("sessions", "session_links"),
    "file": ("files", "file_associations"),
    "event": ("events",),
    "active": ("active_work",),
}
"""What lists of records are called, by kind."""

Row = tuple[str, object]
"""A record and its place."""

_STANDINGS: Mapping[str, Standing] = {
    "open": Standing("open"),
    "in_progress": Standing("open", same=False, begun=True),
    "in_review": Standing("blocked", "awaiting review", same=False, begun=True),
    "blocked": Standing("blocked", "blocked in the source"),
    "completed": Standing("completed", begun=True),
    "cancelled": Standing("cancelled"),
    **{word: Standing("open", same=False) for word in ("todo", "pending", "new", "ready")},
    **{word: Standing("completed", same=False, begun=True) for word in ("done", "closed", "complete", "finished")},
    **{word: Standing("cancelled", same=False) for word in ("canceled", "abandoned", "deleted")},
    **{word: Standing("open", same=False, begun=True) for word in ("active", "started", "working")},
}
_TIMES = ("created_at", "updated_at", "started_at", "finished_at", "due_at", "ready_at")
_STRUCTURED = ("requires", "acceptance", "inputs", "outputs")
_SETTINGS = (*_STRUCTURED, "priority", "queue", "created_by", "max_attempts", "max_runtime", "review")
_SAME = ("title", "intent", "description")
_LINKS = ("parent_id", "blocked_by")
_EARLIER = "history-without-task"


def recognises(document: object) -> bool:
    """Whether a JSON object has lists of records beside its tasks, or tasks with the fields of such records."""
    if not isinstance(document, Mapping):
        return False
    lists = {key for key, value in document.items() if isinstance(value, list)}
    if "tasks" not in lists or "arbeit" in document:
        return False
    beside = {name for kind, names in KINDS.items() if kind != "task" for name in names}
    signs = {"created_at", "updated_at", "intent", "parent_id"}
    return not lists.isdisjoint(beside) or any(
        isinstance(task, Mapping) and not signs.isdisjoint(task) for task in document["tasks"]
    )


def parse(
    document: Mapping[str, Any], *, reopen: bool = False, actor: str = ANYBODY, redact: Redact = SECRETS.redact
) -> Draft:
    """Take a JSON object of lists; what else it says is kept with its tasks."""
    draft = Draft(FORMAT, actor=actor, redact=redact)
    names = {name: kind for kind, known in KINDS.items() for name in known}
    rows: dict[str, list[Row]] = {}
    for key, value in document.items():
        kind = names.get(key)
        if kind is None:
            draft.about(key, key, value)
        elif isinstance(value, list):
            rows.setdefault(kind, []).extend((f"{key}[{index}]", raw) for index, raw in enumerate(value))
        elif value is not None:
            reason = f"must be a list of records, not {json_type(value)}"
            draft.refuse(key, reason, label(value), kind if kind != "active" else "other")
    return take(draft, FORMAT, rows, reopen=reopen)


def take(draft: Draft, source: str, rows: Mapping[str, Iterable[Row]], *, reopen: bool) -> Draft:
    """Take rows by kind into a draft."""
    reader = _Reader(draft, Gatherer(draft, source), reopen=reopen)
    sound = {kind: reader.objects(kind, rows.get(kind, ())) for kind in KINDS}
    reader.workers(sound["active"])
    reader.relationships(sound["relationship"])
    reader.tasks(sound["task"])
    reader.contexts(sound["context"])
    reader.items(sound["progress"])
    reader.sessions(sound["session"])
    reader.files(sound["file"])
    reader.events(sound["event"])
    return draft


Rows = list[tuple[str, Mapping[str, Any]]]


@define
class _Reader:
    draft: Draft
    into: Gatherer
    reopen: bool
    active: dict[str, list[Mapping[str, Any]]] = Factory(dict)
    owners: dict[str, str] = Factory(dict)
    told: set[tuple[str, str, str]] = Factory(set)

    def objects(self, kind: str, rows: Iterable[Row]) -> Rows:
        """The rows that are objects; the others are problems."""
        found: Rows = []
        for where, raw in rows:
            if isinstance(raw, Mapping):
                found.append((where, raw))
            else:
                reason = f"a record must be an object, not {json_type(raw)}"
                self.draft.refuse(where, reason, label(raw), kind if kind != "active" else "other")
        return found

    def workers(self, rows: Rows) -> None:
        """Remember who worked on what, for the metadata of the tasks."""
        for where, raw in rows:
            task_id = self._id(raw.get("task_id"))
            if task_id is None:
                self.draft.refuse(where, "names no task", json.dumps(raw, default=str), "other")
            else:
                self.active.setdefault(task_id, []).append(without(raw, ("task_id",)))

    def tasks(self, rows: Rows) -> None:
        """Take tasks, and the links that they name themselves."""
        for where, raw in rows:
            self._task(where, raw)
        for task_id, told in self.active.items():
            if task_id in self.draft.tasks:
                self.draft.keep("other", len(told))
            else:
                for one in told:
                    self.draft.refuse("active_work", f"the task {task_id} does not exist", label(one), "other")

    def _task(self, where: str, raw: Mapping[str, Any]) -> None:
        task_id = self._id(raw.get("id"))
        left = without(raw, ("id", "title", "intent", "description", "status", "metadata", *_LINKS))
        if task_id is not None and task_id != raw.get("id"):
            left["id"] = raw["id"]
        if task_id in self.active:
            left["active_work"] = self.active[task_id]
        stands = self._status(where, raw.get("status"))
        metadata = parsed(raw.get("metadata"))
        if metadata is not None and not isinstance(metadata, Mapping):
            left["metadata"] = metadata
        fields = {
            "task_id": task_id,
            **{name: self._text(where, raw, left, name) for name in _SAME},
            **stands,
            **{name: self._time(where, left, name) for name in _TIMES},
            **self._settings(left),
            "metadata": metadata if isinstance(metadata, Mapping) else {},
        }
        if stands["status"] == "blocked" and isinstance(left.get("block_reason"), str):
            fields["block_reason"] = left.pop("block_reason")
        elif left.get("block_reason") == "":
            left.pop("block_reason")
        if fields["finished_at"] is not None and stands["status"] not in TERMINAL:
            left["finished_at"], fields["finished_at"] = raw["finished_at"], None
        if self.into.task(where, label(raw), fields, left) and task_id is not None:
            self._named_links(where, task_id, raw)

    def _id(self, raw: object) -> str | None:
        text = id_text(raw)
        return None if text is None else fitting(text)

    def _status(self, where: str, raw: object) -> dict[str, Any]:
        word = raw.strip().lower().replace("-", "_").replace(" ", "_") if isinstance(raw, str) else ""
        standing = _STANDINGS.get(word) if raw is not None else _STANDINGS["open"]
        if standing is None:
            self.draft.note(f"the unknown status {label(raw)} was taken as blocked, for somebody to decide", where)
            return {
                "status": "blocked",
                "block_reason": cleaned(f"status {self.draft.redact(label(raw))[:200]}"),
                "source_status": raw,
            }
        return self.draft.status(where, label(raw), standing, reopen=self.reopen)

    def _text(self, where: str, raw: Mapping[str, Any], left: dict[str, Any], name: str) -> object:
        value = raw.get(name)
        if name == "title" or value is None or isinstance(value, str):
            return value
        self.draft.note(f"{name} that is not text was kept in the metadata", where)
        left[name] = value
        return None

    def _time(self, where: str, left: dict[str, Any], name: str) -> int | None:
        raw = left.pop(name, None)
        found = moment(raw)
        if found is None and raw is not None:
            self.draft.note(f"{name} that is no time from 1970 to 9999 was kept in the metadata", where)
            left[name] = raw
        return found

    def _settings(self, left: dict[str, Any]) -> dict[str, Any]:
        """Fields that are taken where they are what they are here, and left where not."""
        found: dict[str, Any] = {}
        for name in _SETTINGS:
            value = left.get(name)
            value = parsed(value) if name in _STRUCTURED else value
            value = acceptance(value, self.draft.redact) if name == "acceptance" else value
            if value is not None and _sound(name, value):
                found[name] = value
                del left[name]
        labels = parsed(left.pop("labels", None))
        if isinstance(labels, list):
            found["labels"] = labels
        elif labels is not None:
            left["labels"] = labels
        return found

    def _named_links(self, where: str, task_id: str, raw: Mapping[str, Any]) -> None:
        parent = raw.get("parent_id")
        blockers = parsed(raw.get("blocked_by"))
        named = [("parent_of", f"{where}.parent_id", parent)] if parent is not None else []
        if isinstance(blockers, list):
            named += [("blocks", f"{where}.blocked_by[{at}]", one) for at, one in enumerate(blockers)]
        elif blockers is not None:
            reason = f"must be a list of ids, not {json_type(blockers)}"
            self.draft.refuse(f"{where}.blocked_by", reason, label(blockers), "relationship")
        for kind, place, one in named:
            other = self._id(one)
            if other is None:
                self.draft.refuse(place, f"must be an id, not {json_type(one)}", label(one), "relationship")
            elif (kind, other, task_id) not in self.told:
                self.told.add((kind, other, task_id))
                self.draft.link(Link(place, label(one), kind, other, task_id, owner=task_id))

    def relationships(self, rows: Rows) -> None:
        """Take relationships; what tasks say of them again, in fields of their own, adds nothing."""
        for where, raw in rows:
            start, end = self._id(raw.get("from_task_id")), self._id(raw.get("to_task_id"))
            record = f"{label(raw.get('from_task_id'))} {label(raw.get('type'))} {label(raw.get('to_task_id'))}"
            if start is None or end is None:
                self.draft.refuse(where, "names no task at one of its ends", record, "relationship")
                continue
            left = without(raw, ("id", "from_task_id", "to_task_id", "type", "metadata", "created_at"))
            left |= {name: raw[name] for name in ("from_task_id", "to_task_id") if self._id(raw[name]) != raw[name]}
            kind = str(raw.get("type"))
            if kind in INVERSE_RELATIONS:
                start, end, kind = end, start, INVERSE_RELATIONS[kind]
            elif kind not in RELATION_TYPES:
                self.draft.note(f"a relationship of type {label(kind)} was taken as relates_to", where)
                left["type"], kind = raw.get("type"), "relates_to"
            metadata = self._metadata(where, start, f"relationship {record}", raw.get("metadata"), left)
            found, created_at = self._id(raw.get("id")), self._moment(where, left, raw, "created_at")
            if found is not None:
                self.owners[found] = start
            self.told.add((kind, start, end))
            self.draft.link(Link(where, record, kind, start, end, start, found, created_at, metadata))

    def _metadata(self, where: str, task_id: str, name: str, raw: object, left: dict[str, Any]) -> dict[str, Any]:
        """A record's metadata with what has no field; what does not fit goes beside the task."""
        own = parsed(raw)
        if own is not None and not isinstance(own, Mapping):
            left["metadata"], own = own, None
        whole = {**({self.into.source: left} if left else {}), **(own or {})}
        found, rest = fit(whole, limits.METADATA_BYTES, depth=0)
        for key, value in rest.items():
            self.into.beside(where, task_id, f"{name}.{key}", value, None)
        return found

    def _moment(self, where: str, left: dict[str, Any], raw: Mapping[str, Any], name: str) -> int | None:
        found = moment(raw.get(name))
        if found is None and raw.get(name) is not None:
            self.draft.note(f"{name} that is no time from 1970 to 9999 was kept in the metadata", where)
            left[name] = raw[name]
        return found

    def contexts(self, rows: Rows) -> None:
        """Take context entries."""
        for where, raw in rows:
            task_id, entry_id = self._id(raw.get("task_id")), self._id(raw.get("id"))
            record = f"{label(raw.get('id'))} {label(raw.get('content'))}"
            if task_id is None:
                self.draft.refuse(where, "names no task", record, "context")
                continue
            left = without(raw, ("id", "task_id", "type", "content", "metadata", "superseded_by", "created_at"))
            metadata = parsed(raw.get("metadata"))
            if metadata is not None and not isinstance(metadata, Mapping):
                left["metadata"] = metadata
            if entry_id is not None:
                self.owners[entry_id] = task_id
                if entry_id != raw.get("id"):
                    left["id"] = raw["id"]
            kind, replacement = raw.get("type", "note"), self._id(raw.get("superseded_by"))
            if replacement is not None and replacement == entry_id:
                left["superseded_by"], replacement = raw["superseded_by"], None
                self.draft.note("an entry that superseded itself was taken as current", where)
            self.into.entry(
                where,
                record,
                entry_id=entry_id or fitting(f"{task_id}.entry", mark=f"{task_id}\0{raw.get('content')}"),
                task_id=task_id,
                type=kind if isinstance(kind, str) else label(kind),
                content=raw.get("content"),
                author=left.pop("author", ""),
                created_at=self._moment(where, left, raw, "created_at"),
                evidence=parsed(left.pop("evidence", None)),
                left=left,
                metadata=metadata if isinstance(metadata, Mapping) else {},
                superseded_by=replacement,
            )

    def items(self, rows: Rows) -> None:
        """Take lines of checklists."""
        for where, raw in rows:
            task_id, item_id = self._id(raw.get("task_id")), self._id(raw.get("id"))
            record = f"{label(raw.get('id'))} {label(raw.get('content'))}"
            done = _truth(raw.get("completed"))
            if task_id is None or done is None:
                reason = (
                    "names no task"
                    if task_id is None
                    else f"completed must be true or false, not {label(raw['completed'])}"
                )
                self.draft.refuse(where, reason, record, "progress")
                continue
            if item_id is not None:
                self.owners[item_id] = task_id
            left = without(raw, ("id", "task_id", "content", "completed", "position"))
            by = left.pop("completed_by", None)
            taken = self.into.item(
                where,
                record,
                item_id=item_id or fitting(f"{task_id}.item", mark=f"{task_id}\0{where}\0{raw.get('content')}"),
                task_id=task_id,
                content=raw.get("content"),
                completed=done,
                created_at=self._time(where, left, "created_at"),
                completed_at=self._time(where, left, "completed_at") if done else None,
                completed_by=by if done and isinstance(by, str) else None,
            )
            if taken and left:
                self.into.beside(where, task_id, f"{item_id or where}", left, None)

    def sessions(self, rows: Rows) -> None:
        """Take links to sessions."""
        for where, raw in rows:
            self._hung(where, raw, "session", ("session_id",))

    def files(self, rows: Rows) -> None:
        """Take links to files."""
        for where, raw in rows:
            self._hung(where, raw, "file", ("path", "file_path", "operation", "file_operation", "session_id"))

    def _hung(self, where: str, raw: Mapping[str, Any], kind: str, known: tuple[str, ...]) -> None:
        task_id, link_id = self._id(raw.get("task_id")), self._id(raw.get("id"))
        session = raw.get("session_id")
        session = str(session) if isinstance(session, int) and not isinstance(session, bool) else session
        if task_id is None:
            self.draft.refuse(where, "names no task", json.dumps(raw, default=str), kind)
            return
        left = without(raw, ("id", "task_id", *known))
        created_at = self._time(where, left, "created_at")
        if link_id is not None:
            self.owners[link_id] = task_id
        if kind == "session":
            taken = self.into.session(where, task_id, session, created_at, link_id)
        else:
            operation = raw.get("operation", raw.get("file_operation", "write"))
            if operation not in FILE_OPERATIONS:
                self.draft.note(f"the file operation {label(operation)} was taken as write", where)
                left["operation"], operation = operation, "write"
            if session is not None and not isinstance(session, str):
                left["session_id"], session = session, None
            path = raw.get("path", raw.get("file_path"))
            taken = self.into.file(
                where,
                task_id,
                path,
                operation=operation,
                session_id=session or "",
                created_at=created_at,
                link_id=link_id,
            )
        if taken and left:
            self.into.beside(where, task_id, f"{kind}.{link_id or where}", left, created_at)

    def events(self, rows: Rows) -> None:
        """Keep what an earlier log tells as entries of the tasks that it is about."""
        histories: dict[str, Rows] = {}
        orphans: Rows = []
        for where, raw in rows:
            task_id = self._about(raw)
            (orphans if task_id is None else histories.setdefault(task_id, [])).append((where, raw))
        if orphans and self.into.shelf(orphans[0][0], _EARLIER, "History of what is gone", "events name no task here"):
            histories.setdefault(_EARLIER, []).extend(orphans)
        for task_id, told in histories.items():
            text = "\n".join(json.dumps(raw, ensure_ascii=False, default=str) for _, raw in told)
            times = [moment(raw.get("timestamp", raw.get("created_at"))) for _, raw in told]
            last = max((time for time in times if time is not None), default=None)
            self.into.loose(told[0][0], task_id, "history", text, last)
            self.draft.keep("event", len(told))

    def _about(self, raw: Mapping[str, Any]) -> str | None:
        payload = parsed(raw.get("payload"))
        named = [raw.get("task_id")]
        if isinstance(payload, Mapping):
            named += [payload.get("task_id"), payload.get("from_task_id")]
        ids = [self._id(one) for one in (raw.get("entity_id"), *named)]
        found = [self.owners.get(one, one) for one in ids if one is not None]
        return next((one for one in found if one in self.draft.tasks), None)


def _truth(raw: object) -> bool | None:
    """A truth value, as JSON or SQLite says it; nothing is false, and what is none is None."""
    if raw is None or isinstance(raw, bool):
        return bool(raw)
    return bool(raw) if isinstance(raw, int) and raw in {0, 1} else None


def _sound(name: str, value: object) -> bool:
    """Whether a value can stand in a field of a task here."""
    try:
        ImportTask(task_id="task", title="Task", **{name: value})  # type: ignore[arg-type]  # that is the question
    except ArbeitError:
        return False
    return True
