"""Facts about usage, links, artifacts, secrets, and the erasure of text."""

from __future__ import annotations

from typing import TYPE_CHECKING

from arbeit.core import events as e
from arbeit.core.evolve.base import Stamp, touch
from arbeit.core.later import Later
from arbeit.core.model import Artifact, FileLink, SecretRef, SessionLink, freeze
from arbeit.core.record import change
from arbeit.core.view import View

if TYPE_CHECKING:
    from arbeit.core import erasing
else:
    erasing = Later("arbeit.core.erasing")


def usage_reported(view: View, fact: e.UsageReported, stamp: Stamp) -> None:
    """Add to what the run used."""
    assert fact.run_id is not None  # noqa: S101 - usage is a holder's write
    run = view.run(fact.run_id)
    used = dict(run.usage)
    for name, count in fact.usage.items():
        used[name] = count if name == "model" else used.get(name, 0) + count
    view.put("run", run.id, change(run, usage=freeze(used)))
    touch(view, fact.task_id, stamp)


def session_linked(view: View, fact: e.SessionLinked, stamp: Stamp) -> None:
    """Store the link."""
    view.put_link(SessionLink(fact.link_id, fact.task_id, fact.session_id, stamp.at))
    touch(view, fact.task_id, stamp)


def file_linked(view: View, fact: e.FileLinked, stamp: Stamp) -> None:
    """Store the link."""
    link = FileLink(
        fact.link_id,
        fact.task_id,
        fact.path,
        fact.operation,  # type: ignore[arg-type]  # facts spell literals as text
        stamp.at,
        fact.session_id,
    )
    view.put_link(link)
    touch(view, fact.task_id, stamp)


def artifact_attached(view: View, fact: e.ArtifactAttached, stamp: Stamp) -> None:
    """Store what is known of the bytes, and count them for the task."""
    artifact = Artifact(
        fact.artifact_id,
        fact.task_id,
        fact.name,
        fact.media_type,
        fact.size,
        fact.sha256,
        fact.uri,
        fact.fence,
        stamp.at,
        fact.run_id,
    )
    view.put("artifact", artifact.id, artifact)
    touch(view, fact.task_id, stamp, artifacts=view.task(fact.task_id).artifacts + 1)


def secret_set(view: View, fact: e.SecretSet, stamp: Stamp) -> None:
    """Store where the secret is found."""
    known = view.secrets.get(fact.name)
    secret = known or SecretRef(fact.secret_id, fact.name, fact.provider, fact.path, stamp.at)
    view.put("secret", secret.name, change(secret, provider=fact.provider, path=fact.path))


def secret_used(view: View, fact: e.SecretUsed, stamp: Stamp) -> None:
    """Count the event; the log says who asked."""
    touch(view, fact.task_id, stamp)


def record_erased(view: View, fact: e.RecordErased, stamp: Stamp) -> None:
    """Take the text out of the rows; what is folded from the erased log never had it."""
    if fact.kind == "entry":
        entry = view.entries[fact.record_id]
        assert entry is not None  # noqa: S101 - decide found it
        view.put("entry", entry.id, erasing.blank(entry))
    elif fact.kind == "item":
        view.put_item(erasing.blank(view.items[fact.task_id][fact.record_id]))
    elif fact.kind == "artifact":
        artifact = view.artifacts[fact.record_id]
        assert artifact is not None  # noqa: S101 - decide found it
        view.put("artifact", artifact.id, erasing.blank(artifact))
    else:
        task = view.task(fact.task_id)
        view.put_task(task, erasing.blank(task))
    for run_id in fact.runs:
        view.put("run", run_id, erasing.blank(view.run(run_id)))
    touch(view, fact.task_id, stamp)
