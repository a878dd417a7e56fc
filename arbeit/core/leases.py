"""Tokens and fences: who may still write to a held task. Never reads a clock."""

from __future__ import annotations

from typing import TYPE_CHECKING

from arbeit.core.errors import Code, Rejection
from arbeit.core.later import Later
from arbeit.core.model import Lease, Task

if TYPE_CHECKING:
    import hmac
else:
    hmac = Later("hmac")


def token_for(key: bytes, project: str, lease: Lease) -> str:
    """The lease's token: an HMAC-SHA-256 (RFC 2104) over lease, fence and principal, cut to 128 bits."""
    message = "\0".join((project, lease.id, str(lease.fence), lease.agent_id))
    return hmac.digest(key, message.encode(), "sha256").hex()[:32]


def current(task: Task, lease: Lease | None) -> bool:
    """Whether a lease is the one under which its task is held now."""
    return lease is not None and lease.ended_at is None and (task.lease_id, task.fence) == (lease.id, lease.fence)


def genuine(key: bytes, project: str, lease: Lease, actor: str, token: str) -> bool:
    """Whether a token is that of a lease, shown by the one it was granted to."""
    return hmac.compare_digest(token_for(key, project, lease).encode(), token.encode()) and lease.agent_id == actor


def lost(task: Task) -> Rejection:
    """The answer to a write whose lease is no longer the task's."""
    return Rejection(
        Code.LEASE_LOST,
        f"your lease on task {task.id} has ended, so this write changed nothing",
        (
            "Stop working on this task; somebody else may hold it now.",
            "Leave what you learned as a note without a token, so that the next holder finds it.",
            "Claim the next ready task.",
        ),
        data={"task_id": task.id, "status": task.status},
    )
