"""Decisions about usage, links, artifacts, secrets, and the erasure of text."""

from __future__ import annotations

from collections.abc import Generator, Mapping
from typing import TYPE_CHECKING, Any

from arbeit.core import commands as c
from arbeit.core.decide.base import Env, Need, Steps, fresh_id, refuse_subordinate
from arbeit.core.decide.notes import heard, written
from arbeit.core.errors import Code, Rejection
from arbeit.core.events import (
    ArtifactAttached,
    FileLinked,
    RecordErased,
    SecretSet,
    SecretUsed,
    SessionLinked,
    UsageReported,
)
from arbeit.core.later import Later
from arbeit.core.limits import COUNTERS, MAX_INTEGER
from arbeit.core.loads import Reads
from arbeit.core.model import FileLink, Reply, SessionLink
from arbeit.core.record import change
from arbeit.core.view import View

if TYPE_CHECKING:
    from arbeit.core import erasing
else:
    erasing = Later("arbeit.core.erasing")


def report_usage(view: View, command: c.ReportUsage, env: Env) -> Steps:
    """Add to what the run used."""
    held = written(view, env, command)
    if isinstance(held, Rejection):
        return held
    task, run_id = held
    assert run_id is not None  # noqa: S101 - a holder's write has a token
    refused = _refuse_usage(view.run(run_id).usage, command.usage)
    if refused is not None:
        return refused
    yield UsageReported(task_id=task.id, run_id=run_id, usage=command.usage)
    return Reply(task=view.task(task.id), run=view.run(run_id), warnings=heard(view, env, task, run_id))


def _refuse_usage(used: Mapping[str, Any], more: Mapping[str, Any]) -> Rejection | None:
    """Why a run can count no more: its row must not grow without end, nor a sum beyond what stores keep."""
    if len({*used, *more}) > COUNTERS:
        problem, hint = f"a run has {COUNTERS} counters at most", "Add to counters that the run has already."
    elif any(used.get(name, 0) + count > MAX_INTEGER for name, count in more.items() if name != "model"):
        problem, hint = "a counter of this run would grow beyond 63 bits", "Report further use under another name."
    else:
        return None
    return Rejection(Code.LIMIT_EXCEEDED, problem, (hint,), data={"limit": COUNTERS})


def attach_artifact(view: View, command: c.AttachArtifact, env: Env) -> Steps:
    """Record bytes that are stored already under their digest."""
    held = written(view, env, command)
    if isinstance(held, Rejection):
        return held
    task, run_id = held
    artifact_id = fresh_id(view, env, "art")
    yield ArtifactAttached(
        task_id=task.id,
        run_id=run_id,
        artifact_id=artifact_id,
        name=command.name,
        media_type=command.media_type,
        size=command.size,
        sha256=command.sha256,
        uri=f"sha256:{command.sha256}",
        fence=task.fence,
    )
    warnings = heard(view, env, task, run_id)
    return Reply(task=view.task(task.id), artifact=view.artifacts[artifact_id], warnings=warnings)


def use_secret(view: View, command: c.UseSecret, env: Env) -> Steps:
    """Say where a secret is found, and that a holder asked."""
    held = written(view, env, command)
    if isinstance(held, Rejection):
        return held
    task, run_id = held
    secret = view.secrets.get(command.name)
    if secret is None:
        return Rejection(
            Code.ENTRY_NOT_FOUND,
            f"this project has no secret {command.name}",
            ("Ask who runs the project to set it: project.set_secret(name, provider, path).",),
            data={"name": command.name},
        )
    yield SecretUsed(task_id=task.id, run_id=run_id, name=command.name)
    return Reply(task=view.task(task.id), secret=secret, warnings=heard(view, env, task, run_id))


def set_secret(view: View, command: c.SetSecret, env: Env) -> Steps:
    """Give a secret a name, or another place."""
    if env.policies.access.scope(command.actor).queues is not None:
        return Rejection(
            Code.FORBIDDEN,
            f"{command.actor} sees a part of this project, so it cannot set its secrets",
            ("Ask somebody who sees the whole project.",),
        )
    known = view.secrets.get(command.name)
    if known is None or (known.provider, known.path) != (command.provider, command.path):
        secret_id = known.id if known is not None else fresh_id(view, env, "sec")
        yield SecretSet(secret_id=secret_id, name=command.name, provider=command.provider, path=command.path)
    return Reply(secret=view.secrets[command.name])


def link_session(view: View, command: c.LinkSession, env: Env) -> Steps:
    """Note a session, once."""
    found = written(view, env, command)
    if isinstance(found, Rejection):
        return found
    task, run_id = found
    known = view.joined.get((task.id, command.session_id))
    if isinstance(known, SessionLink):
        return Reply(task=task, session=known, warnings=heard(view, env, task, run_id))
    link_id = fresh_id(view, env, "ses")
    yield SessionLinked(task_id=task.id, run_id=run_id, link_id=link_id, session_id=command.session_id)
    warnings = heard(view, env, task, run_id)
    return Reply(task=view.task(task.id), session=view.sessions[link_id], count=1, warnings=warnings)


def link_file(view: View, command: c.LinkFile, env: Env) -> Steps:
    """Note a file, once for each operation and session."""
    found = written(view, env, command)
    if isinstance(found, Rejection):
        return found
    task, run_id = found
    known = view.joined.get((task.id, command.path, command.file_operation, command.session_id))
    if isinstance(known, FileLink):
        return Reply(task=task, file=known, warnings=heard(view, env, task, run_id))
    link_id = fresh_id(view, env, "fil")
    yield FileLinked(
        task_id=task.id,
        run_id=run_id,
        link_id=link_id,
        path=command.path,
        operation=command.file_operation,
        session_id=command.session_id,
    )
    warnings = heard(view, env, task, run_id)
    return Reply(task=view.task(task.id), file=view.files[link_id], count=1, warnings=warnings)


def erase_record(view: View, command: c.EraseRecord, env: Env) -> Steps:
    """Take a record's text out of its row, out of the events that carried it, and out of stored replies."""
    refused = refuse_subordinate(view, env, command)
    if refused is not None:
        return refused
    task_id = _task_of(view, command)
    if task_id is None:
        return _no_record(command)
    yield Need(Reads(tasks={task_id}, items={task_id}, events_of={task_id}, about={command.record_id}))
    task = view.tasks.get(task_id)
    visible = task is not None and env.policies.access.scope(command.actor).sees(task.queue)
    if not visible or (command.kind == "item" and command.record_id not in view.items.get(task_id, {})):
        return _no_record(command)
    if view.new["task"].get(task_id) or view.changed["task"].get(task_id):
        msg = "an erasure must not share a batch with other changes to its task"
        raise RuntimeError(msg)
    events, runs = yield from _rewrite(view, env, command)
    if not events:
        return Reply(task=view.task(task_id), artifact=view.artifacts.get(command.record_id))
    yield RecordErased(
        task_id=task_id,
        kind=command.kind,
        record_id=command.record_id,
        reason=command.reason,
        events=events,
        runs=tuple(sorted(runs)),
    )
    return Reply(task=view.task(task_id), artifact=view.artifacts.get(command.record_id), count=len(events))


def _task_of(view: View, command: c.EraseRecord) -> str | None:
    """The task that a record belongs to, as far as it is known."""
    if command.kind == "task":
        return command.record_id
    if command.kind == "item":
        return command.task_id
    # By its kind alone: what else is loaded depends on what was asked before.
    table = view.entries if command.kind == "entry" else view.artifacts
    found = table.get(command.record_id)
    return found.task_id if found is not None else None


def _rewrite(
    view: View, env: Env, command: c.EraseRecord
) -> Generator[Need, None, tuple[tuple[tuple[int, str], ...], frozenset[str]]]:
    """Blank the events and the stored replies; (position, digest) of those changed, and the runs they noted."""
    events: list[tuple[int, str]] = []
    runs: set[str] = set()
    for event in view.events:
        fact = env.codec.fact(event)
        blanked = erasing.blank_fact(fact, command.kind, command.record_id)
        if blanked == fact:
            continue
        data = env.codec.data(blanked)
        view.erased[event.position] = data
        events.append((event.position, env.codec.digest(data)))
        noted = erasing.noted(fact, command.kind)
        runs.update([noted] if noted is not None else [])
    if runs:
        yield Need(Reads(runs=runs))
    for receipt in view.about:
        reply = env.codec.read_reply(receipt.reply)
        blanked_reply = erasing.blank_reply(reply, command.kind, command.record_id, frozenset(runs))
        if blanked_reply != reply:
            view.reissued.append(change(receipt, reply=env.codec.reply(blanked_reply)))
    return tuple(events), frozenset(runs)


def _no_record(command: c.EraseRecord) -> Rejection:
    code = {"task": Code.TASK_NOT_FOUND, "artifact": Code.ARTIFACT_NOT_FOUND}.get(command.kind, Code.ENTRY_NOT_FOUND)
    hint = "Name the task of the item too." if command.kind == "item" else "Get the task to find the ids of its parts."
    return Rejection(
        code,
        f"there is no {command.kind} {command.record_id} in this project",
        (hint,),
        data={"kind": command.kind, "record_id": command.record_id},
    )
