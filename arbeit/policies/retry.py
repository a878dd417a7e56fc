"""Says whether and when a task is tried again."""

from __future__ import annotations

from arbeit.core.declare import frozen
from arbeit.core.model import SECOND, Task


@frozen
class ExponentialBackoff:
    """Exponential backoff with full jitter, after Brooker, "Exponential Backoff And Jitter" (AWS, 2015).

    Waits a random time up to min(cap, base * factor ** (attempt - 1)). Times in microseconds.
    """

    base: int = SECOND
    factor: int = 2
    cap: int = 300 * SECOND

    def backoff(self, task: Task, entropy: int) -> int | None:
        """Microseconds to wait before the next attempt, or None once `max_attempts` are used up."""
        if task.attempt >= task.max_attempts:
            return None
        # The exponent is bounded so that a task with a thousand attempts costs no thousand-bit product.
        ceiling = min(self.cap, self.base * self.factor ** min(max(task.attempt - 1, 0), 64))
        return int(entropy % (ceiling + 1))


@frozen
class AtOnce:
    """Tries again without waiting, until the attempts are used up."""

    def backoff(self, task: Task, _entropy: int) -> int | None:
        """Zero, or None once `max_attempts` are used up."""
        return None if task.attempt >= task.max_attempts else 0
