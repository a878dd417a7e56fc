"""Exit codes, and what errors look like."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

OK, REFUSED, USAGE, NOT_FOUND, LOST, NOTHING_READY = range(6)
INTERRUPTED = 130
"""128 and the number of SIGINT, as shells say it."""
PIPE_CLOSED = 141
"""128 and the number of SIGPIPE."""

_USAGE = frozenset({"INVALID_INPUT", "INVALID_STATUS", "INVALID_TYPE"})
_LOST = frozenset({"LEASE_LOST", "ALREADY_CLAIMED", "VERSION_CONFLICT", "NOT_READY"})


def exit_code(code: str) -> int:
    """The exit code that goes with an error's code."""
    if code in _USAGE:
        return USAGE
    if code in _LOST:
        return LOST
    return NOT_FOUND if code.endswith("_NOT_FOUND") or code == "NOT_INITIALIZED" else REFUSED


class RefusedError(Exception):
    """A command that was refused: an error as an envelope has it, to be shown once."""

    def __init__(
        self, code: str, message: str, suggestions: Iterable[str] = (), data: Mapping[str, Any] | None = None
    ) -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.suggestions = list(suggestions)
        self.data = dict(data or {})

    @property
    def envelope(self) -> dict[str, Any]:
        """The error as every tool answers it."""
        return {
            "success": False,
            "error": {"code": self.code, "message": self.message, "suggestions": self.suggestions},
        }
