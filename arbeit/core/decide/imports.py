"""Decisions about what was recorded elsewhere: it is taken over once, as its source has it."""

from __future__ import annotations

from arbeit.core import commands as c
from arbeit.core.decide.base import Env, Steps, find, fresh_id
from arbeit.core.errors import Code, Rejection
from arbeit.core.events import (
    ArtifactImported,
    ContextImported,
    FileImported,
    ProgressImported,
    RunImported,
    SessionImported,
)
from arbeit.core.model import FileLink, Reply, SessionLink, Task
from arbeit.core.view import View


def refuse_taken(field: str, taken: str, task_id: str) -> Rejection:
    """The answer to an id that another record has. Whose it is may be none of the caller's business."""
    return Rejection(
        Code.INVALID_INPUT,
        f"the id {taken} is taken in this project by a record that does not belong to {task_id}",
        ("Give the record another id, or leave it out of the import.",),
        data={"field": field, "task_id": task_id},
    )


def _when(env: Env, created_at: int | None) -> int:
    return created_at if created_at is not None else env.now


def import_entry(view: View, command: c.ImportEntry, env: Env) -> Steps:
    """Take an entry over, whether or not the one that replaces it is here by now."""
    task = find(view, env, command.actor, command.task_id)
    if isinstance(task, Rejection):
        return task
    known = view.entries.get(command.entry_id)
    if known is not None:
        if known.task_id != task.id:
            return refuse_taken("entry_id", command.entry_id, task.id)
        return Reply(task=task, entries=(known,))
    if command.superseded_by == command.entry_id:
        return Rejection(
            Code.INVALID_INPUT,
            f"entry {command.entry_id} cannot be superseded by itself",
            ("Name the entry that replaced it, or none.",),
            data={"field": "superseded_by"},
        )
    yield ContextImported(
        task_id=task.id,
        entry_id=command.entry_id,
        type=command.type,
        content=command.content,
        author=command.author,
        created_at=_when(env, command.created_at),
        metadata=command.metadata,
        evidence=command.evidence,
        superseded_by=command.superseded_by,
        source_run=command.source_run,
    )
    entry = view.entries[command.entry_id]
    assert entry is not None  # noqa: S101 - the fact has just made it
    return Reply(task=view.task(task.id), entries=(entry,), count=1)


def import_item(view: View, command: c.ImportItem, env: Env) -> Steps:
    """Take a line of a checklist over, behind those that are here."""
    task = find(view, env, command.actor, command.task_id)
    if isinstance(task, Rejection):
        return task
    items = view.items[task.id]
    if command.item_id in items:
        return Reply(task=task, items=(items[command.item_id],))
    if view.owners.get(command.item_id) is not None:
        return refuse_taken("item_id", command.item_id, task.id)
    if not command.completed and (command.completed_at is not None or command.completed_by):
        return Rejection(
            Code.INVALID_INPUT,
            f"item {command.item_id} says when or by whom it was completed, but not that it was",
            ("Give completed=True with completed_at and completed_by, or none of the three.",),
            data={"field": "completed"},
        )
    if task.lease_id is not None:
        return Rejection(
            Code.ALREADY_CLAIMED,
            f"task {task.id} is held by {task.assignee}; only its holder adds to its checklist",
            ("Import the checklist again once the task is free.",),
            data={"task_id": task.id, "assignee": task.assignee},
        )
    yield ProgressImported(
        task_id=task.id,
        item_id=command.item_id,
        content=command.content,
        position=1 + max((item.position for item in items.values()), default=-1),
        completed=command.completed,
        created_at=_when(env, command.created_at),
        completed_at=command.completed_at,
        completed_by=command.completed_by or None,
    )
    return Reply(task=view.task(task.id), items=(view.items[task.id][command.item_id],), count=1)


def _link(view: View, env: Env, command: c.ImportSession | c.ImportFile, task: Task) -> str | Rejection:
    """The id of a link that is to be made."""
    if command.link_id is None:
        return fresh_id(view, env, "ses" if isinstance(command, c.ImportSession) else "fil")
    known = (view.sessions if isinstance(command, c.ImportSession) else view.files).get(command.link_id)
    return command.link_id if known is None else refuse_taken("link_id", command.link_id, task.id)


def import_session(view: View, command: c.ImportSession, env: Env) -> Steps:
    """Take a session link over, once for each task and session."""
    task = find(view, env, command.actor, command.task_id)
    if isinstance(task, Rejection):
        return task
    known = view.joined.get((task.id, command.session_id))
    if isinstance(known, SessionLink):
        return Reply(task=task, session=known)
    link_id = _link(view, env, command, task)
    if isinstance(link_id, Rejection):
        return link_id
    created_at = _when(env, command.created_at)
    yield SessionImported(task_id=task.id, link_id=link_id, session_id=command.session_id, created_at=created_at)
    return Reply(task=view.task(task.id), session=view.sessions[link_id], count=1)


def import_file(view: View, command: c.ImportFile, env: Env) -> Steps:
    """Take a file link over, once for each task, path, operation and session."""
    task = find(view, env, command.actor, command.task_id)
    if isinstance(task, Rejection):
        return task
    known = view.joined.get((task.id, command.path, command.file_operation, command.session_id))
    if isinstance(known, FileLink):
        return Reply(task=task, file=known)
    link_id = _link(view, env, command, task)
    if isinstance(link_id, Rejection):
        return link_id
    yield FileImported(
        task_id=task.id,
        link_id=link_id,
        path=command.path,
        operation=command.file_operation,
        session_id=command.session_id,
        created_at=_when(env, command.created_at),
    )
    return Reply(task=view.task(task.id), file=view.files[link_id], count=1)


def import_artifact(view: View, command: c.ImportArtifact, env: Env) -> Steps:
    """Take over what is known of an artifact; without a `uri` its bytes are stored here, or will be."""
    task = find(view, env, command.actor, command.task_id)
    if isinstance(task, Rejection):
        return task
    known = view.artifacts.get(command.artifact_id)
    if known is not None:
        if known.task_id != task.id:
            return refuse_taken("artifact_id", command.artifact_id, task.id)
        return Reply(task=task, artifact=known)
    yield ArtifactImported(
        task_id=task.id,
        artifact_id=command.artifact_id,
        name=command.name,
        media_type=command.media_type,
        size=command.size,
        sha256=command.sha256,
        uri=command.uri or f"sha256:{command.sha256}",
        created_at=_when(env, command.created_at),
        source_run=command.source_run,
    )
    return Reply(task=view.task(task.id), artifact=view.artifacts[command.artifact_id], count=1)


def import_run(view: View, command: c.ImportRun, env: Env) -> Steps:
    """Take over a run that has ended."""
    task = find(view, env, command.actor, command.task_id)
    if isinstance(task, Rejection):
        return task
    known = view.runs.get(command.run_id)
    if known is not None:
        if known.task_id != task.id:
            return refuse_taken("run_id", command.run_id, task.id)
        return Reply(task=task, run=known)
    if command.ended_at < command.started_at:
        return Rejection(
            Code.INVALID_INPUT,
            f"run {command.run_id} ended at {command.ended_at}, before it started at {command.started_at}",
            ("Correct its times, or leave the run out of the import.",),
            data={"field": "ended_at"},
        )
    yield RunImported(
        task_id=task.id,
        run_id=command.run_id,
        agent_id=command.agent_id,
        attempt=command.attempt,
        session_id=command.session_id,
        started_at=command.started_at,
        ended_at=command.ended_at,
        result=command.result,
        note=command.note,
        usage=command.usage,
    )
    return Reply(task=view.task(task.id), run=view.run(command.run_id), count=1)
