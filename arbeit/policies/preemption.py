"""Says whose work gives way when important work waits."""

from __future__ import annotations

from collections.abc import Sequence

from arbeit.core.declare import frozen
from arbeit.core.model import PRIORITIES, SECOND, Task
from arbeit.core.policy import Holding

GRACE = 30 * SECOND


@frozen
class OnRequest:
    """Nobody gives way unless a supervisor asks."""

    grace: int = GRACE
    patience: int | None = None

    def victim(self, _waiting: Task, _holders: Sequence[Holding]) -> Holding | None:
        """Nobody."""
        return None


@frozen
class CriticalWaits:
    """Critical work that has waited for longer than `patience` (microseconds) takes the place of lesser work."""

    patience: int = 60 * SECOND
    grace: int = GRACE

    def victim(self, _waiting: Task, holders: Sequence[Holding]) -> Holding | None:
        """Of those with the least important work, who began last and so loses least; None if anybody's is critical.

        Whoever holds critical work now is asked for nothing and takes the waiting task next.
        """
        if not holders or any(held.task.priority == "critical" for held in holders):
            return None
        return max(
            holders, key=lambda held: (PRIORITIES.index(held.task.priority), held.lease.acquired_at, held.lease.id)
        )
