"""Facts about what was taken over from elsewhere."""

from __future__ import annotations

from arbeit.core import events as e
from arbeit.core.evolve.base import Stamp, count_import
from arbeit.core.evolve.notes import unread
from arbeit.core.model import Artifact, ContextEntry, FileLink, ProgressItem, Run, SessionLink
from arbeit.core.view import View


def context_imported(view: View, fact: e.ContextImported, stamp: Stamp) -> None:
    """Store an entry as the source has it."""
    entry = ContextEntry(
        fact.entry_id,
        fact.task_id,
        fact.type,  # type: ignore[arg-type]  # facts spell literals as text
        fact.content,
        fact.author or stamp.actor,
        fact.created_at,
        fact.source_run,
        fact.metadata,
        fact.evidence,
        fact.superseded_by,
    )
    view.put("entry", entry.id, entry)
    count_import(view, fact.task_id, unread=unread(view, fact))


def progress_imported(view: View, fact: e.ProgressImported, _stamp: Stamp) -> None:
    """Store a line as the source has it."""
    done = (fact.completed, fact.completed_at, fact.completed_by)
    view.put_item(ProgressItem(fact.item_id, fact.task_id, fact.content, fact.position, fact.created_at, *done))
    open_items = view.task(fact.task_id).open_items + (not fact.completed)
    count_import(view, fact.task_id, open_items=open_items)


def session_imported(view: View, fact: e.SessionImported, _stamp: Stamp) -> None:
    """Store the link."""
    view.put_link(SessionLink(fact.link_id, fact.task_id, fact.session_id, fact.created_at))
    count_import(view, fact.task_id)


def file_imported(view: View, fact: e.FileImported, _stamp: Stamp) -> None:
    """Store the link."""
    link = FileLink(
        fact.link_id,
        fact.task_id,
        fact.path,
        fact.operation,  # type: ignore[arg-type]  # facts spell literals as text
        fact.created_at,
        fact.session_id,
    )
    view.put_link(link)
    count_import(view, fact.task_id)


def artifact_imported(view: View, fact: e.ArtifactImported, _stamp: Stamp) -> None:
    """Store what is known of the bytes, and count them for the task. No holder left them here: the fence is 0."""
    artifact = Artifact(
        fact.artifact_id,
        fact.task_id,
        fact.name,
        fact.media_type,
        fact.size,
        fact.sha256,
        fact.uri,
        0,
        fact.created_at,
        fact.source_run,
    )
    view.put("artifact", artifact.id, artifact)
    count_import(view, fact.task_id, artifacts=view.task(fact.task_id).artifacts + 1)


def run_imported(view: View, fact: e.RunImported, _stamp: Stamp) -> None:
    """Store a run that has ended. There was no lease of it here, so it names none."""
    assert fact.run_id is not None  # noqa: S101 - decide named it
    run = Run(
        fact.run_id,
        fact.task_id,
        fact.agent_id,
        "",
        fact.attempt,
        fact.started_at,
        fact.session_id,
        ended_at=fact.ended_at,
        result=fact.result,  # type: ignore[arg-type]  # facts spell literals as text
        note=fact.note,
        usage=fact.usage,
    )
    view.put("run", run.id, run)
    count_import(view, fact.task_id)
