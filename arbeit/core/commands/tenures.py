"""Intents that end a tenure or a task, or ask for it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from arbeit.core import limits
from arbeit.core.commands.base import Command, TenureCommand, length_of_lease
from arbeit.core.commands.claims import ClaimTasks, continuation
from arbeit.core.declare import field, frozen
from arbeit.core.limits import (
    as_names,
    as_outputs,
    as_tuple,
    checked_once,
    each,
    flag,
    ident,
    json_object,
    text,
)
from arbeit.core.model import (
    EMPTY,
)


@frozen(weakref_slot=False, eq=False, repr=False, kw_only=True, field_transformer=checked_once)
class ReleaseTask(TenureCommand):
    """Give a held task back. `undelivered` is the engine's word for a grant that never reached its caller."""

    operation = "task.release"
    note: str = field(default="", validator=text())
    undelivered: bool = field(default=False, validator=flag)
    then_claim: ClaimTasks | None = field(default=None, validator=continuation)


@frozen(weakref_slot=False, eq=False, repr=False, kw_only=True, field_transformer=checked_once)
class CompleteTask(TenureCommand):
    """Finish a held task with an outcome and what proves it."""

    operation = "task.complete"
    outcome: str = field(default="", validator=text())
    evidence: tuple[str, ...] = field(
        default=(), converter=as_tuple, validator=each(text(size=4096, required=True), most=limits.EVIDENCE)
    )
    outputs: Mapping[str, Any] = field(default=EMPTY, converter=as_outputs, validator=json_object(limits.TEXT_BYTES))
    then_claim: ClaimTasks | None = field(default=None, validator=continuation)


@frozen(weakref_slot=False, eq=False, repr=False, kw_only=True, field_transformer=checked_once)
class FailTask(TenureCommand):
    """End an attempt that did not work; the retry policy says whether and when there is another."""

    operation = "task.fail"
    error: str = field(default="", validator=text())
    then_claim: ClaimTasks | None = field(default=None, validator=continuation)


@frozen(weakref_slot=False, eq=False, repr=False, kw_only=True, field_transformer=checked_once)
class HandoffTask(TenureCommand):
    """Pass a held task on to another agent in one step, with a note. `ttl` in microseconds; None asks the policy."""

    operation = "task.handoff"
    to_agent: str = field(validator=limits.name)
    note: str = field(validator=text(required=True))
    ttl: int | None = field(default=None, validator=length_of_lease)


@frozen(weakref_slot=False, eq=False, repr=False, kw_only=True, field_transformer=checked_once)
class ApproveTask(TenureCommand):
    """Complete a task under review."""

    operation = "task.approve"
    note: str = field(default="", validator=text())
    then_claim: ClaimTasks | None = field(default=None, validator=continuation)


@frozen(weakref_slot=False, eq=False, repr=False, kw_only=True, field_transformer=checked_once)
class RequestChanges(TenureCommand):
    """Send a task under review back, and say why."""

    operation = "task.request_changes"
    reasons: str = field(validator=text(required=True))
    then_claim: ClaimTasks | None = field(default=None, validator=continuation)


@frozen(weakref_slot=False, eq=False, repr=False, kw_only=True, field_transformer=checked_once)
class PreemptTask(Command):
    """Ask the holder of a task to give it back; only supervisors may."""

    operation = "task.preempt"
    urgency = 1
    task_id: str = field(validator=ident)
    reason: str = field(default="", validator=text())


@frozen(weakref_slot=False, eq=False, repr=False, kw_only=True, field_transformer=checked_once)
class CancelTask(TenureCommand):
    """End a task for good without finishing it. A held one takes its holder's token, or force."""

    operation = "task.cancel"
    reason: str = field(default="", validator=text())


@frozen(weakref_slot=False, eq=False, repr=False, kw_only=True, field_transformer=checked_once)
class BlockTask(TenureCommand):
    """Set a task aside until somebody unblocks or resumes it. A held one takes its holder's token, or force."""

    operation = "task.block"
    reason: str = field(validator=text(required=True))
    blocked_by: tuple[str, ...] = field(default=(), converter=as_names, validator=each(ident, most=limits.LABELS))
