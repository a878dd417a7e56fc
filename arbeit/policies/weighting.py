"""Shares service between queues."""

from __future__ import annotations

from arbeit.core.declare import frozen
from arbeit.core.model import Queue, Task


@frozen
class QueueWeight:
    """Each queue by its own weight, each task at the same cost."""

    def weight(self, queue: Queue) -> int:
        """The weight set on the queue."""
        return queue.weight

    def cost(self, _task: Task) -> int:
        """One, whatever the task."""
        return 1
