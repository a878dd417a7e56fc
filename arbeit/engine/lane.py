"""What waits for a project's next transaction."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from typing import TYPE_CHECKING

from anyio import Event

from arbeit.core import commands as c
from arbeit.core.declare import define, field
from arbeit.core.errors import ArbeitError
from arbeit.core.model import Reply

if TYPE_CHECKING:
    from arbeit.telemetry.spans import Call


@define(eq=False)
class Pending:
    """A command in a lane, and whoever waits for its outcome."""

    command: c.Command
    done: Event | None = None
    then: Callable[[Reply | ArbeitError], None] | None = None
    result: Reply | ArbeitError | None = None
    abandoned: bool = False
    repeated: bool = False
    call: Call | None = None
    """Its span, where somebody records."""


@define(eq=False)
class Lane:
    """What waits for one project's next transaction, in order of arrival."""

    project: str
    waiting: deque[Pending] = field(factory=deque)


def said_of(project: str, command: c.Command) -> dict[str, str | None]:
    """The fields that a log record about a command carries."""
    return {
        "project": project,
        "operation": command.operation,
        "task_id": getattr(command, "task_id", None),
        "correlation_id": command.correlation_id,
        "trace_id": command.traceparent[3:35] if command.traceparent else None,
    }
