"""Decisions about context and checklists."""

from __future__ import annotations

from arbeit.core import commands as c
from arbeit.core.decide.base import Env, Need, Steps, find, fresh_id, holder_notices, refuse_stranger, refuse_token
from arbeit.core.errors import Code, Rejection
from arbeit.core.events import ContextAdded, ContextSuperseded, ProgressAdded, ProgressCompleted
from arbeit.core.loads import Reads
from arbeit.core.model import ContextEntry, Notice, Reply, Task
from arbeit.core.view import View


def writer(view: View, env: Env, task: Task, actor: str, token: str | None) -> str | Rejection | None:
    """The run that a write belongs to: the holder's if it shows its token, none for anybody's remark."""
    if token is None:
        return None
    refused = refuse_token(view, env, task, actor, token)
    if refused is not None:
        return refused
    assert task.lease_id is not None  # noqa: S101 - the token would have been refused
    return view.lease(task.lease_id).run_id


def written(
    view: View, env: Env, command: c.AddContext | c.LinkSession | c.LinkFile | c.HolderCommand
) -> tuple[Task, str | None] | Rejection:
    """The task of a write, and the run that it belongs to."""
    task = find(view, env, command.actor, command.task_id)
    if isinstance(task, Rejection):
        return task
    run_id = writer(view, env, task, command.actor, command.token)
    return run_id if isinstance(run_id, Rejection) else (task, run_id)


def heard(view: View, env: Env, task: Task, run_id: str | None) -> tuple[Notice, ...]:
    """Renew for a holder's write that was done, and say what it hears beside it; `task` as it was before."""
    if run_id is None or task.lease_id is None:
        return ()
    lease = view.lease(task.lease_id)
    view.beat(lease)
    return holder_notices(task, lease, env.now)


def add_context(view: View, command: c.AddContext, env: Env) -> Steps:
    """Record an entry; a holder's belongs to its run and renews its lease."""
    found = written(view, env, command)
    if isinstance(found, Rejection):
        return found
    task, run_id = found
    entry_id = fresh_id(view, env, "ctx")
    yield ContextAdded(
        task_id=task.id,
        run_id=run_id,
        entry_id=entry_id,
        type=command.type,
        content=command.content,
        metadata=command.metadata,
        evidence=command.evidence,
    )
    warnings = heard(view, env, task, run_id)
    return Reply(task=view.task(task.id), entries=_entries(view, entry_id), warnings=warnings)


def _entries(view: View, *entry_ids: str) -> tuple[ContextEntry, ...]:
    found = (view.entries[entry_id] for entry_id in entry_ids)
    return tuple(entry for entry in found if entry is not None)


def supersede_context(view: View, command: c.SupersedeContext, env: Env) -> Steps:
    """Replace a current entry; the reply has the old one, then the new one."""
    absent = Rejection(
        Code.ENTRY_NOT_FOUND,
        f"there is no context entry {command.entry_id}",
        ("Get the task with its context to find entry ids.",),
    )
    old = view.entries.get(command.entry_id)
    if old is None:
        return absent
    if old.task_id not in view.tasks:
        yield Need(Reads(tasks={old.task_id}))
    task = find(view, env, command.actor, old.task_id)
    if isinstance(task, Rejection):
        return absent
    if old.superseded_by is not None:
        return Rejection(
            Code.ALREADY_SUPERSEDED,
            f"entry {old.id} was superseded by {old.superseded_by}",
            (f"Supersede {old.superseded_by} instead.",),
            data={"superseded_by": old.superseded_by},
        )
    run_id = writer(view, env, task, command.actor, command.token)
    if isinstance(run_id, Rejection):
        return run_id
    entry_id = fresh_id(view, env, "ctx")
    yield ContextSuperseded(
        task_id=task.id,
        run_id=run_id,
        old_id=old.id,
        entry_id=entry_id,
        type=command.type or old.type,
        content=command.content,
    )
    warnings = heard(view, env, task, run_id)
    return Reply(task=view.task(task.id), entries=_entries(view, old.id, entry_id), warnings=warnings)


def _checklist(
    view: View, env: Env, command: c.AddProgress | c.CompleteProgress
) -> tuple[Task, str | None] | Rejection:
    """The task, and the run that ticks its checklist: a held task's checklist is its holder's."""
    task = find(view, env, command.actor, command.task_id)
    if isinstance(task, Rejection):
        return task
    refused = refuse_stranger(view, env, task, command)
    if refused is not None:
        return refused
    run_id = writer(view, env, task, command.actor, command.token)
    return run_id if isinstance(run_id, Rejection) else (task, run_id)


def add_progress(view: View, command: c.AddProgress, env: Env) -> Steps:
    """Append lines to the checklist."""
    found = _checklist(view, env, command)
    if isinstance(found, Rejection):
        return found
    task, run_id = found
    position = 1 + max((item.position for item in view.items[task.id].values()), default=-1)
    items = tuple((fresh_id(view, env, "prg"), content) for content in command.items)
    yield ProgressAdded(task_id=task.id, run_id=run_id, items=items, position=position, completed=command.completed)
    added = tuple(view.items[task.id][item_id] for item_id, _ in items)
    return Reply(task=view.task(task.id), items=added, warnings=heard(view, env, task, run_id))


def complete_progress(view: View, command: c.CompleteProgress, env: Env) -> Steps:
    """Tick lines off, all or none; those that are done already stay as they are."""
    found = _checklist(view, env, command)
    if isinstance(found, Rejection):
        return found
    task, run_id = found
    items = view.items[task.id]
    for item_id in command.item_ids:
        if item_id not in items:
            return Rejection(
                Code.ENTRY_NOT_FOUND,
                f"task {task.id} has no progress item {item_id}",
                ("Get the task with its progress to find item ids.",),
                data={"item_id": item_id},
            )
    fresh = tuple(item_id for item_id in command.item_ids if not items[item_id].completed)
    if fresh:
        yield ProgressCompleted(task_id=task.id, run_id=run_id, item_ids=fresh)
    done = tuple(view.items[task.id][item_id] for item_id in command.item_ids)
    return Reply(task=view.task(task.id), items=done, count=len(fresh), warnings=heard(view, env, task, run_id))
