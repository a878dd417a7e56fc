"""How facts, replies and commands become text and back, without the core knowing any format."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from arbeit.core.commands import Command
from arbeit.core.events import Fact
from arbeit.core.model import Event, Reply


class Codec(Protocol):
    """Turns facts, replies and commands into canonical text and back, and text into digests."""

    def data(self, fact: Fact) -> str:
        """A fact's data as canonical JSON."""

    def fact(self, event: Event) -> Fact:
        """The fact that an event records."""

    def reply(self, reply: Reply) -> str:
        """A reply as JSON that reads back as the same reply."""

    def read_reply(self, text: str) -> Reply:
        """The reply that a stored text says."""

    def fingerprint(self, command: Command) -> str:
        """A digest of what a command asks for, without who asks and how."""

    def digest(self, text: str) -> str:
        """The hash of one record's data, in hexadecimal."""

    def chain(self, prev_hash: str, header: Sequence[object]) -> str:
        """The hash of a record: over the one before, its header, and its data's hash."""


def header_of(event: Event) -> tuple[object, ...]:
    """What of an event its hash covers, beside the hash before it; the data by its own hash."""
    return (
        event.project,
        event.position,
        event.type,
        event.version,
        event.at,
        event.actor,
        event.task_id,
        event.task_version,
        event.run_id,
        event.correlation_id,
        event.causation_id,
        event.idempotency_key,
        event.traceparent,
        event.data_hash,
    )
