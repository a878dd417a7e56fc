"""The machine's own time and randomness."""

from __future__ import annotations

import os
import time

from arbeit.ports import Clock

_ALPHABET = "0123456789abcdefghijklmnopqrstuvwxyz"
_PAIRS = tuple(first + second for first in _ALPHABET for second in _ALPHABET)
_BASE = len(_PAIRS)


class SystemClock:
    """Wall-clock time, and the operating system's randomness, which forks do not share."""

    def now(self) -> int:
        """Microseconds since 1970-01-01T00:00:00Z."""
        return time.time_ns() // 1000

    def entropy(self, count: int) -> bytes:
        """So many random bytes."""
        return os.urandom(count)

    async def sleep(self, seconds: float) -> None:
        """Come back after so many seconds."""
        # Imported here, so that synchronous callers never load an event loop.
        import anyio  # noqa: PLC0415

        await anyio.sleep(seconds)


def fresh_id(clock: Clock, prefix: str) -> str:
    """A new id: the prefix and 10 random characters of [0-9a-z] (51 bits)."""
    number = int.from_bytes(clock.entropy(8), "big")
    parts = []
    for _ in range(5):
        number, at = divmod(number, _BASE)
        parts.append(_PAIRS[at])
    return f"{prefix}-{''.join(parts)}"
