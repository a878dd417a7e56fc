"""An export of Arbeit's own as records, for a project that exists: each line is a command, or says why it is none."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

from attrs import frozen

from arbeit.core import commands as c
from arbeit.core.errors import ArbeitError
from arbeit.envelope import moment
from arbeit.exchange.draft import label, legible
from arbeit.exchange.lines import documents, header_of

_STAYS: Mapping[str, str] = {
    "project": "a project keeps its own name and settings",
    "queue": "queues keep their own settings; those that tasks name are made",
    "agent": "agents register by themselves",
    "secret": "where a secret is found is for each project to say",
    "lease": "nobody holds an imported task",
    "event": "the log of another project is kept in its export; its records are taken over",
}
"""Kinds of lines that are not taken over into another project, and why not."""


@frozen
class Record:
    """One line of an export.

    Attributes:
        line: its number in the file.
        kind: what it calls itself.
        name: its id, or another word for it.
        command: what takes it over; None where nothing does.
        reason: why nothing does.
        note: what was taken differently from how it stood there.
    """

    line: int
    kind: str
    name: str
    command: c.Command | None = None
    reason: str = ""
    note: str = ""


def records(source: str | os.PathLike[str], *, actor: str = "anonymous") -> Iterator[Record]:
    """The lines of an export after its header, in their order: tasks before what belongs to them.

    Each kind is in the order of creation there. Relationships come after all tasks, so send tasks first; commands of
    one kind in order.

    Raises:
        ArbeitError: as the file is read: INVALID_INPUT for one that is no export or is damaged, SCHEMA_TOO_NEW for
            one that a later Arbeit wrote, LIMIT_EXCEEDED for a line of more than 16 MiB.
    """
    lines = documents(Path(source))
    first = next(lines, (0, None))
    header_of(first[1], str(source))
    for number, said in lines:
        kind = said.get("kind")
        name = legible(label(said.get("id", said.get("name", said.get("key", "")))))
        if not isinstance(kind, str) or kind not in _COMMANDS:
            reason = _STAYS.get(kind) if isinstance(kind, str) else None
            yield Record(number, legible(label(kind)), name, reason=reason or "this kind of line is unknown")
            continue
        try:
            command, note = _COMMANDS[kind](said, actor)
        except ArbeitError as error:
            yield Record(number, kind, name, reason=error.message)
        except (KeyError, TypeError, ValueError) as error:
            yield Record(number, kind, name, reason=f"a field is missing or not sound: {legible(str(error))}")
        else:
            yield Record(number, kind, name, command, "" if command is not None else note, note)


Made = tuple[c.Command | None, str]


def _fields(said: Mapping[str, Any], *names: str) -> dict[str, Any]:
    """Fields that have the same name in line and command, those that are there; times in microseconds."""
    found = {name: said[name] for name in names if said.get(name) is not None}
    return {name: moment(value) if name.endswith("_at") else value for name, value in found.items()}


_SAME = (
    *("title", "intent", "description", "status", "priority", "labels", "queue", "requires", "block_reason"),
    *("acceptance", "metadata", "max_attempts", "created_at", "updated_at", "finished_at", "created_by", "started_at"),
    *("ready_at", "due_at", "inputs", "outputs", "max_runtime", "review"),
)


def _task(said: Mapping[str, Any], actor: str) -> Made:
    if said.get("deleted_at") is not None:
        return None, "it was deleted there"
    fields, note = _fields(said, *_SAME), ""
    status = said.get("status")
    if status in {"in_progress", "in_review"}:
        # Nobody holds or judges it here: what was under way is open again, what waits for a review is set aside.
        note = f"was {status} there"
        fields["status"] = "open" if status == "in_progress" else "blocked"
        kept = {"source_status": status, **_fields(said, "assignee", "submitted_by")}
        fields["metadata"] = {**kept, **(said.get("metadata") or {})}
        if status == "in_review":
            fields["block_reason"] = "awaiting review"
    return c.ImportTask(actor=actor, task_id=said["id"], **fields), note


def _relationship(said: Mapping[str, Any], actor: str) -> Made:
    fields = _fields(said, "from_task_id", "to_task_id", "type", "metadata", "created_at")
    return c.AddRelationship(actor=actor, relationship_id=said["id"], imported=True, **fields), ""


def _context(said: Mapping[str, Any], actor: str) -> Made:
    names = ("task_id", "type", "content", "author", "created_at", "metadata", "evidence", "superseded_by")
    fields = {**_fields(said, *names), "source_run": said.get("run_id")}
    return c.ImportEntry(actor=actor, entry_id=said["id"], **fields), ""


def _progress(said: Mapping[str, Any], actor: str) -> Made:
    fields = _fields(said, "task_id", "content", "completed", "created_at", "completed_at", "completed_by")
    return c.ImportItem(actor=actor, item_id=said["id"], **fields), ""


def _session(said: Mapping[str, Any], actor: str) -> Made:
    return c.ImportSession(actor=actor, link_id=said["id"], **_fields(said, "task_id", "session_id", "created_at")), ""


def _file(said: Mapping[str, Any], actor: str) -> Made:
    fields = {**_fields(said, "task_id", "path", "session_id", "created_at"), "file_operation": said["operation"]}
    return c.ImportFile(actor=actor, link_id=said["id"], **fields), ""


def _artifact(said: Mapping[str, Any], actor: str) -> Made:
    fields = _fields(said, "task_id", "name", "media_type", "size", "sha256", "uri", "created_at")
    return c.ImportArtifact(actor=actor, artifact_id=said["id"], source_run=said.get("run_id"), **fields), ""


def _run(said: Mapping[str, Any], actor: str) -> Made:
    if said.get("ended_at") is None:
        return None, "it had not ended there"
    names = ("task_id", "agent_id", "attempt", "session_id", "started_at", "ended_at", "result", "note", "usage")
    return c.ImportRun(actor=actor, run_id=said["id"], **_fields(said, *names)), ""


_COMMANDS: Mapping[str, Callable[[Mapping[str, Any], str], Made]] = {
    "task": _task,
    "relationship": _relationship,
    "context": _context,
    "progress": _progress,
    "session": _session,
    "file": _file,
    "artifact": _artifact,
    "run": _run,
}
