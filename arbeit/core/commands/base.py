"""What all commands share: their header, tokens, and checks of fields that several have."""

from __future__ import annotations

from typing import ClassVar

from arbeit.core import limits
from arbeit.core.declare import field, frozen
from arbeit.core.errors import Code
from arbeit.core.limits import (
    checked_once,
    each,
    flag,
    ident,
    integer,
    one_of,
    text,
)
from arbeit.core.model import (
    INVERSE_RELATIONS,
    RELATION_TYPES,
)
from arbeit.core.record import Record

capability_names = each(limits.name, most=limits.CAPABILITIES)
idents = each(ident, most=limits.RELATIONSHIPS)
lines = each(text(size=4096), most=limits.ITEMS)
runtime = integer(1, limits.RUNTIME_SECONDS * 1_000_000, optional=True)
length_of_lease = integer(1, limits.TTL_SECONDS * 1_000_000, optional=True)
relation = one_of((*RELATION_TYPES, *INVERSE_RELATIONS), Code.INVALID_TYPE)


@frozen(weakref_slot=False, eq=False, repr=False, kw_only=True, field_transformer=checked_once)
class Command(Record):
    """What every command carries.

    Attributes:
        actor: who asks; an agent's id, or any name of a person or program.
        idempotency_key: given by the caller to make repetition safe; the reply is stored under it.
        correlation_id, causation_id, traceparent: carried into every event of the command.
    """

    operation: ClassVar[str] = ""
    urgency: ClassVar[int] = 3
    """Place inside a batch: 0 before 4. Renewals, endings, the sweep, the rest, new work."""
    alone: ClassVar[bool] = False
    """Whether it makes a transaction of its own."""
    restores: ClassVar[bool] = False
    """Whether it puts back what was recorded elsewhere, project and all."""
    carries: ClassVar[bool] = False
    """Whether it asks for nothing in its own actor's name: those of what it carries are looked at instead."""

    actor: str = field(default="anonymous", validator=limits.name)
    idempotency_key: str | None = field(default=None, validator=text(size=255, opaque=True))
    correlation_id: str | None = field(default=None, validator=text(size=255, opaque=True))
    causation_id: str | None = field(default=None, validator=text(size=255, opaque=True))
    traceparent: str | None = field(default=None, validator=limits.traceparent)

    def __attrs_post_init__(self) -> None:
        """Run the checks of every field that was given."""
        limits.run_checks(self)


HEADER_FIELDS = frozenset({"actor", "idempotency_key", "correlation_id", "causation_id", "traceparent", "token"})


@frozen(weakref_slot=False, eq=False, repr=False, kw_only=True, field_transformer=checked_once)
class HolderCommand(Command):
    """A write of a holder: its token is checked against the task's lease."""

    urgency = 1
    task_id: str = field(validator=ident)
    token: str = field(validator=text(size=255, opaque=True), repr=False)


@frozen(weakref_slot=False, eq=False, repr=False, kw_only=True, field_transformer=checked_once)
class TenureCommand(Command):
    """Ends a tenure: with its holder's token, or by a supervisor's force."""

    urgency = 1
    task_id: str = field(validator=ident)
    token: str | None = field(default=None, validator=text(size=255, opaque=True), repr=False)
    force: bool = field(default=False, validator=flag)

    @property
    def forced(self) -> bool:
        """Whether force is what it relies on: a holder that shows its token needs none."""
        return self.force and self.token is None
