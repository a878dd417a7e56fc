"""Decisions that renew leases: liveness alone, so the log does not grow."""

from __future__ import annotations

from arbeit.core import commands as c
from arbeit.core.decide.base import Env, Steps, find, holder_notices, refuse_token, unknown_actor
from arbeit.core.errors import Rejection
from arbeit.core.model import Notice, Renewal, Reply
from arbeit.core.view import View


def renew_lease(view: View, command: c.RenewLease, env: Env) -> Steps:
    """Move the deadline of a lease."""
    yield from ()
    renewed = _renew(view, command, env)
    if isinstance(renewed, Rejection):
        return renewed
    expires_at, notices = renewed
    return Reply(expires_at=expires_at, warnings=notices)


def renew_leases(view: View, command: c.RenewLeases, env: Env) -> Steps:
    """Move the deadlines of many, one after the other; none is refused for another's sake."""
    yield from ()
    return Reply(renewals=tuple([_outcome(view, item, env) for item in command.items]))


def _outcome(view: View, item: c.RenewLease, env: Env) -> Renewal:
    known = env.policies.access.scope(item.actor).known
    renewed = _renew(view, item, env) if known else unknown_actor(item.actor)
    if isinstance(renewed, Rejection):
        return Renewal(item.task_id, refused=renewed)
    return Renewal(item.task_id, *renewed)


def _renew(view: View, command: c.RenewLease, env: Env) -> tuple[int, tuple[Notice, ...]] | Rejection:
    """The rule of renewals: the new deadline, and what the holder hears beside it."""
    task = find(view, env, command.actor, command.task_id)
    if isinstance(task, Rejection):
        return task
    refused = refuse_token(view, env, task, command.actor, command.token)
    if refused is not None:
        return refused
    assert task.lease_id is not None  # noqa: S101 - the token would have been refused
    lease = view.lease(task.lease_id)
    return view.beat(lease, command.ttl), holder_notices(task, lease, env.now)
