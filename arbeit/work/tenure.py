"""What a handle of a held lease knows, and how it writes."""

from __future__ import annotations

from typing import TYPE_CHECKING

from arbeit.core import commands as c
from arbeit.core.errors import ArbeitError, Code
from arbeit.core.model import (
    Grant,
    Lease,
    Notice,
    Reply,
    Run,
    Task,
)
from arbeit.heartbeats import Held
from arbeit.session import Session

if TYPE_CHECKING:
    from anyio import CancelScope


class Tenure(Held):
    """A grant, its token, and the session that it writes through."""

    def __init__(self, session: Session, project: str, grant: Grant, token: str, again: c.ClaimTasks | None) -> None:
        self._session = session
        self._project = project
        self._again = again
        self._scope: CancelScope | None = None
        self._error: ArbeitError | None = None
        self._ending = False
        """Whether a command of this handle that ends the tenure is under way."""
        self._aside: ArbeitError | None = None
        """What was said of the lease meanwhile: most likely of that command itself."""
        self.task: Task = grant.task
        self.lease: Lease = grant.lease
        self.run: Run = grant.run
        self.token = token
        self.notices: tuple[Notice, ...] = ()
        self.ended = False
        """Whether this handle has ended its tenure."""

    def __repr__(self) -> str:
        """Name the task and its holder; never the token."""
        return f"Work({self.task.id!r}, agent={self.agent!r}, fence={self.lease.fence})"

    @property
    def agent(self) -> str:
        """Who holds the task."""
        return self.lease.agent_id

    @property
    def is_lost(self) -> bool:
        """Whether a renewal found that the lease is somebody else's now."""
        return self._error is not None

    def renewed(self, reply: Reply) -> None:
        """The lease was renewed in the background."""
        self.notices = reply.warnings

    def lost(self, error: ArbeitError) -> None:
        """The lease was lost: stop the block that believes it holds it."""
        if self._ending or self.ended:
            self._aside = error
            return
        self._error = error
        if self._scope is not None:
            self._scope.cancel()

    def _refuse_ended(self) -> None:
        if self.ended:
            raise ArbeitError(
                Code.LEASE_LOST,
                f"this work on task {self.task.id} has ended",
                suggestions=("Claim the next task.",),
                data={"task_id": self.task.id},
            )

    async def _send(self, command: c.Command) -> Reply:
        self._refuse_ended()
        reply = await self._session.execute(self._project, command)
        self.task = reply.task or self.task
        self.notices = reply.warnings
        return reply
