"""Intents that grant leases, renew them, and take them back."""

from __future__ import annotations

from arbeit.core import limits
from arbeit.core.commands.base import Command, HolderCommand, capability_names, length_of_lease
from arbeit.core.declare import field, frozen
from arbeit.core.limits import (
    as_optional_names,
    as_tuple,
    checked_once,
    each,
    ident,
    integer,
    text,
)


@frozen(weakref_slot=False, eq=False, repr=False, kw_only=True, field_transformer=checked_once)
class ClaimTasks(Command):
    """Grant up to `n` ready tasks to `agent`, picked fairly. `ttl` in microseconds; None asks the policy."""

    operation = "task.claim"
    agent: str = field(validator=limits.name)
    capabilities: tuple[str, ...] | None = field(default=None, converter=as_optional_names, validator=capability_names)
    queues: tuple[str, ...] | None = field(
        default=None,
        converter=as_optional_names,
        validator=each(limits.name, most=limits.RELATIONSHIPS, least=1),
    )
    n: int = field(default=1, validator=integer(1, limits.CLAIM_TASKS))
    ttl: int | None = field(default=None, validator=length_of_lease)
    session_id: str = field(default="", validator=text(size=255, opaque=True))


@frozen(weakref_slot=False, eq=False, repr=False, kw_only=True, field_transformer=checked_once)
class ExplainClaim(ClaimTasks):
    """Say what a claim would be granted now and why, without granting it."""

    operation = "task.explain"


@frozen(weakref_slot=False, eq=False, repr=False, kw_only=True, field_transformer=checked_once)
class StartTask(Command):
    """Claim a task by name: an open one that is ready."""

    operation = "task.start"
    task_id: str = field(validator=ident)
    agent: str = field(validator=limits.name)
    capabilities: tuple[str, ...] | None = field(default=None, converter=as_optional_names, validator=capability_names)
    ttl: int | None = field(default=None, validator=length_of_lease)
    session_id: str = field(default="", validator=text(size=255, opaque=True))


@frozen(weakref_slot=False, eq=False, repr=False, kw_only=True, field_transformer=checked_once)
class ResumeTask(StartTask):
    """Claim a blocked task by name and go on with it."""

    operation = "task.resume"


continuation = limits.a(ClaimTasks, but=(ExplainClaim,))


@frozen(weakref_slot=False, eq=False, repr=False, kw_only=True, field_transformer=checked_once)
class RenewLease(HolderCommand):
    """Move a lease's deadline to `ttl` microseconds from now; liveness only, so no event tells of it."""

    operation = "lease.renew"
    urgency = 0
    ttl: int | None = field(default=None, validator=length_of_lease)


@frozen(weakref_slot=False, eq=False, repr=False, kw_only=True, field_transformer=checked_once)
class RenewLeases(Command):
    """Renew many leases at once, each as its `RenewLease` would, whoever holds it and whatever becomes of the others.

    Its actor only carries them: what each may do is judged by its own actor and token.
    """

    operation = "leases.renew"
    urgency = 0
    carries = True
    items: tuple[RenewLease, ...] = field(
        converter=as_tuple, validator=each(limits.a(RenewLease), most=limits.RENEWALS, least=1)
    )


@frozen(weakref_slot=False, eq=False, repr=False, kw_only=True, field_transformer=checked_once)
class Sweep(Command):
    """Reclaim leases past their deadline and promote delayed tasks that are due, at most `limit` of each.

    Stored replies that are older than `forget_receipts_older_than` microseconds are dropped, by the store's own clock:
    one process whose clock runs ahead must not make the keys of all others worthless.
    """

    operation = "sweep"
    urgency = 2
    limit: int = field(default=100, validator=integer(1, 1000))
    forget_receipts_older_than: int | None = field(default=None, validator=integer(0, optional=True))


Granting = ClaimTasks | StartTask | ResumeTask
