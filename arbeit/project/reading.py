"""The verbs that read."""

from __future__ import annotations

from collections.abc import AsyncIterator, Collection, Iterable
from typing import TYPE_CHECKING, Literal

from arbeit.core.decide.base import missing
from arbeit.core.errors import ArbeitError, Code
from arbeit.core.limits import MAX_INTEGER, check_text, refuse
from arbeit.core.model import (
    STATUSES,
    ClaimStatus,
    Event,
    Priority,
    Status,
)
from arbeit.ports import PARTS, Overview, Page, Parts, Query

if TYPE_CHECKING:
    from arbeit.audit import Verification


from arbeit.kernel import project_not_found
from arbeit.project.base import Base

_PAGE = 200
_MOST_EVENTS = 10_000


def _check(**texts: str | None) -> None:
    """Refuse what no store can hold before one is asked for it."""
    for name, text in texts.items():
        if text is not None:
            check_text(name, text)


class Reading(Base):
    """Get, find, history, watch, verify."""

    async def overview(self) -> Overview:
        """The project, its head, queues, agents, live leases and task counts by status."""
        found = await self._session.overview(self.key, self.actor)
        if found is None:
            raise project_not_found(self.key)
        return found

    async def get(self, task_id: str, *, include: Collection[str] | Literal["all"] = ()) -> Parts:
        """A task, with any of `arbeit.PARTS` (or "all") beside it. Raises TASK_NOT_FOUND."""
        wanted = PARTS if include == "all" else tuple(include)
        unknown = sorted(set(wanted) - set(PARTS))
        if unknown:
            raise ArbeitError(
                Code.INVALID_INPUT,
                f"a task has no part {', '.join(unknown)}",
                suggestions=(f"Parts: {', '.join(PARTS)}, or all.",),
                data={"field": "include"},
            )
        _check(task_id=task_id)
        found = await self._session.fetch(self.key, [task_id], wanted, self.actor)
        if not found:
            raise ArbeitError.of(missing(task_id))
        return found[0]

    async def find(
        self,
        *,
        status: Status | Iterable[Status] | None = None,
        claim_status: ClaimStatus | None = None,
        queue: str | None = None,
        parent_id: str | None = None,
        assignee: str | None = None,
        priority: Priority | None = None,
        label: str | None = None,
        limit: int = 50,
        cursor: str | None = None,
    ) -> Page:
        """One page of tasks in order of creation; `parent_id=""` asks for roots, `cursor` for the next page."""
        statuses = (status,) if isinstance(status, str) else None if status is None else tuple(status)
        unknown = sorted(set(statuses or ()) - set(STATUSES))
        if unknown:
            raise ArbeitError(
                Code.INVALID_STATUS,
                f"there is no status {', '.join(unknown)}",
                suggestions=(f"Statuses: {', '.join(STATUSES)}.",),
            )
        if not 1 <= limit <= 1_000:  # noqa: PLR2004 - a page, not a table
            raise ArbeitError(Code.INVALID_INPUT, "limit must be 1 to 1000", data={"field": "limit"})
        if cursor is not None and not (cursor.isascii() and cursor.isdigit() and len(cursor) < 19):  # noqa: PLR2004
            raise ArbeitError(Code.INVALID_INPUT, "this is no cursor of ours", data={"field": "cursor"})
        _check(queue=queue, parent_id=parent_id, assignee=assignee, label=label)
        query = Query(
            self.key,
            statuses,
            claim_status,
            queue,
            parent_id,
            assignee,
            priority,
            label,
            limit,
            cursor,
        )
        return await self._session.find(query, self.actor)

    async def history(self, *, task_id: str | None = None, after: int = 0, limit: int = _PAGE) -> list[Event]:
        """Recorded events beyond a position, of the project or of one task, oldest first."""
        if not 0 <= after <= MAX_INTEGER:
            refuse("after", f"must be a position, 0 to {MAX_INTEGER}")
        if not 1 <= limit <= _MOST_EVENTS:
            refuse("limit", f"must be 1 to {_MOST_EVENTS}")
        _check(task_id=task_id)
        return await self._session.history(self.key, after, limit, self.actor, task_id)

    def watch(self, after: int = 0) -> AsyncIterator[Event]:
        """Every event beyond a position, in order, without gaps; then each as it is committed."""
        return self._session.watch(self.key, after, self.actor)

    async def verify(self) -> Verification:
        """Check the hash chain, and that folding the events gives the stored rows; names the first fault."""
        await self.overview()
        return await self._session.verify(self.key, self.actor)
