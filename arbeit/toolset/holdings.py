"""Where the tokens of granted leases are kept between two calls of a tool."""

from __future__ import annotations

from typing import Protocol

from arbeit.work import Work


class Holdings(Protocol):
    """What one agent holds, by task. A token is kept as it was granted, and never looked up in its place.

    So a worker that lost its lease stays fenced: its old token is refused for as long as it is here.
    """

    def keep(self, work: Work) -> None:
        """Remember a lease that was just granted, in the place of an older one of the same task."""

    def token(self, task_id: str) -> str | None:
        """The token of the last lease of a task that was granted here; None if none was."""

    def forget(self, task_id: str) -> None:
        """The lease was ended by its holder."""

    def tasks(self) -> list[str]:
        """The tasks whose tokens are kept, in the order in which they were granted."""


class MemoryHoldings:
    """Keeps what is held for as long as the process runs."""

    def __init__(self) -> None:
        self._tokens: dict[str, str] = {}

    def keep(self, work: Work) -> None:
        """Remember a lease that was just granted."""
        self._tokens.pop(work.task.id, None)
        self._tokens[work.task.id] = work.token

    def token(self, task_id: str) -> str | None:
        """The token of the last lease of a task."""
        return self._tokens.get(task_id)

    def forget(self, task_id: str) -> None:
        """Drop a token."""
        self._tokens.pop(task_id, None)

    def tasks(self) -> list[str]:
        """The tasks whose tokens are kept, in the order in which they were granted."""
        return list(self._tokens)
