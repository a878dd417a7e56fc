"""What a transaction leaves behind: events, receipts, renewals, rows."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from arbeit.core.declare import field, frozen
from arbeit.core.model.work import Head


@frozen(weakref_slot=False)
class Event:
    """A recorded fact. `data` is canonical JSON text; `hash` chains position to position."""

    project: str
    position: int
    type: str
    version: int
    at: int
    actor: str
    data: str
    data_hash: str
    prev_hash: str
    hash: str
    task_id: str | None = None
    task_version: int | None = None
    run_id: str | None = None
    correlation_id: str | None = None
    causation_id: str | None = None
    idempotency_key: str | None = None
    traceparent: str | None = None

    @property
    def id(self) -> str:
        """Unique across projects and stable across deliveries; derived, so never stored."""
        return f"{self.project}.{self.position}"


@frozen(weakref_slot=False)
class Beat:
    """A lease's new deadline: liveness only, so no event tells of it."""

    lease_id: str
    expires_at: int
    heartbeat_at: int | None
    """The sign of life that moved it; None where there was none, and the last one known stays."""


@frozen(weakref_slot=False)
class Receipt:
    """The stored reply to a command whose caller gave an idempotency key."""

    actor: str
    operation: str
    key: str
    fingerprint: str
    reply: str
    at: int
    position: int = 0


@frozen(weakref_slot=False)
class Changes:
    """What a batch leaves behind. A store writes it without knowing what a command is.

    `new` and `changed` hold entities by kind, `gone` their keys. `erased` are (position, data) of earlier events
    whose text goes for good, `reissued` the receipts that lose it. `reworded` are the changed tasks whose title,
    intent or description is another; None where nobody looked. Empty changes mean: write nothing.

    `beats` alone move `expires_at` and `heartbeat_at` of leases that exist: renewals leave the head where it is, so
    a batch may know a lease without its latest, and what a `changed` lease says of the two is not written.
    """

    head: Head
    new: Mapping[str, list[Any]] = field(factory=dict)
    changed: Mapping[str, list[Any]] = field(factory=dict)
    gone: Mapping[str, list[Any]] = field(factory=dict)
    events: tuple[Event, ...] = ()
    receipts: tuple[Receipt, ...] = ()
    beats: tuple[Beat, ...] = ()
    erased: tuple[tuple[int, str], ...] = ()
    reissued: tuple[Receipt, ...] = ()
    forget_receipts_before: int | None = None
    reworded: tuple[str, ...] | None = None

    @property
    def empty(self) -> bool:
        """Whether there is nothing to write."""
        return not (self.events or self.beats or self.receipts or self.forget_receipts_before is not None)
