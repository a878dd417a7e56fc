"""Orders the tasks inside a queue."""

from __future__ import annotations

from collections.abc import Mapping

from arbeit.core.declare import field, frozen
from arbeit.core.model import SECOND, Priority, Task

HOUR = 3600 * SECOND
HEAD_STARTS: Mapping[Priority, int] = {"critical": 24 * HOUR, "high": 4 * HOUR, "normal": HOUR, "low": 0}


@frozen
class AgedPriority:
    """Priority classes as head starts: everything that waits ages at the same rate, so nothing starves.

    A task is overtaken only by tasks that became ready within the difference of head starts (microseconds) after it.
    """

    head_starts: Mapping[Priority, int] = field(default=HEAD_STARTS)

    def rank(self, task: Task, ready_at: int) -> int:
        """The moment from which it counts as waiting."""
        return ready_at - self.head_starts[task.priority]


@frozen
class FirstReady:
    """First ready, first claimed, whatever the priority."""

    def rank(self, _task: Task, ready_at: int) -> int:
        """The moment at which it became ready."""
        return ready_at


@frozen
class EarliestDue:
    """Earliest deadline first; a task without one counts as due a week after it became ready."""

    def rank(self, task: Task, ready_at: int) -> int:
        """The moment at which it is due."""
        return task.due_at if task.due_at is not None else ready_at + 7 * 24 * HOUR
