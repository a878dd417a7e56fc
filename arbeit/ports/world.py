"""Time, randomness and secrets: what comes from outside of any store."""

from __future__ import annotations

from typing import Protocol


class Clock(Protocol):
    """Where time and randomness come from."""

    def now(self) -> int:
        """Microseconds since 1970-01-01T00:00:00Z."""

    def entropy(self, count: int) -> bytes:
        """So many random bytes."""

    async def sleep(self, seconds: float) -> None:
        """Come back after so many seconds of this clock."""


class SecretProvider(Protocol):
    """Where secrets are kept; Arbeit keeps references to them alone."""

    def resolve(self, path: str) -> str:
        """The secret at a path of this provider. Blocks its caller; what it raises never holds the value."""
