"""Says how long a grant lasts."""

from __future__ import annotations

from arbeit.core.declare import frozen
from arbeit.core.model import SECOND, Task


@frozen
class Jittered:
    """A default length, spread by plus or minus `spread` per cent so that a fleet does not expire at once."""

    ttl_default: int = 60 * SECOND
    spread: int = 10
    longest: int | None = None
    """Microseconds that a run may take where its task does not say."""

    def ttl(self, _task: Task, requested: int | None, entropy: int) -> int:
        """What was asked for, exactly, or else the default with jitter; microseconds."""
        if requested is not None:
            return requested
        width = self.ttl_default * self.spread // 100
        return self.ttl_default - width + entropy % (2 * width + 1)

    def max_runtime(self, task: Task) -> int | None:
        """What the task says, or else the project's own limit."""
        return task.max_runtime if task.max_runtime is not None else self.longest
