"""What a sink holds, read back: to compare it with the log."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from typing import Protocol

from arbeit.core.declare import frozen
from arbeit.ports import EventSink


@frozen
class Arrival:
    """A message as a consumer sees it.

    Attributes:
        id: what the message says its event's id is, beside its body; it tells a repetition.
        body: the bytes of the event.
        place: where the message stands in the sink: a sequence number, an entry's id.
    """

    id: str
    body: bytes
    place: str


class Readable(EventSink, Protocol):
    """A sink that can be read back."""

    def arrivals(self) -> AsyncGenerator[Arrival, None]:
        """Everything that is there now and was published by this sink's settings, in the order of its arrival."""
