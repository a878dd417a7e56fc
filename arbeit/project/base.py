"""What all verbs share: a session, a project, an actor, and a way to say moments."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from arbeit.core import commands as c
from arbeit.core.errors import ArbeitError, Code
from arbeit.core.limits import MAX_INTEGER, refuse
from arbeit.core.model import Reply
from arbeit.session import Session
from arbeit.wire import micros

When = datetime | int
"""A moment: an aware datetime, or microseconds since 1970-01-01T00:00:00Z."""


def instant(name: str, at: When | None) -> int | None:
    """Microseconds since 1970, from either way to say a moment.

    Raises:
        ArbeitError: INVALID_INPUT for what is no moment, or a datetime without a time zone.
    """
    found = micros(at) if isinstance(at, datetime) else at
    if found is not None and (isinstance(found, bool) or not isinstance(found, int) or abs(found) > MAX_INTEGER):
        refuse(name, "must be a datetime with a time zone, or whole microseconds since 1970")
    return found


def one(reply_part: Any) -> Any:  # noqa: ANN401 - whichever part of a reply a command fills
    """The part of a reply that its command always fills."""
    if reply_part is None:
        hint = "Report this as a defect."
        raise ArbeitError(Code.INTERNAL, "the reply lacks what was asked for", suggestions=(hint,))
    return reply_part


def _check_command(field: str, command: object) -> None:
    if not isinstance(command, c.Command):
        refuse(field, f"must be a command, not {type(command).__name__}", "Make one with a class of arbeit.commands.")


def session_of(project: Base) -> Session:
    """What a project speaks through: for what belongs to Arbeit beside the project's own verbs."""
    return project._session  # noqa: SLF001 - of the class below


class Base:
    """A session, the project it is about, and who speaks."""

    def __init__(self, session: Session, key: str, actor: str) -> None:
        self._session = session
        self.key = key
        self.actor = actor

    def __repr__(self) -> str:
        """Name the project and who speaks."""
        return f"Project({self.key!r}, actor={self.actor!r})"

    async def execute(self, command: c.Command) -> Reply:
        """Send a command of `arbeit.commands` as it is, and get its whole reply."""
        _check_command("command", command)
        return await self._session.execute(self.key, command)

    async def execute_many(self, commands: Sequence[c.Command]) -> list[Reply | ArbeitError]:
        """Send many commands in as few transactions as fit; each succeeds or fails alone.

        Raises INVALID_INPUT for what is no list of commands, before any is sent.
        """
        if not isinstance(commands, Sequence):
            refuse("commands", f"must be a list of commands, not {type(commands).__name__}")
        for command in commands:
            _check_command("commands", command)
        return await self._session.execute_many(self.key, commands)
