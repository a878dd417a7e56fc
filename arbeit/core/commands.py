"""One frozen class per intent. Fields are checked when a command is made, so a lane sees only sound ones."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

from attrs import field, frozen

from arbeit.core import limits
from arbeit.core.errors import Code
from arbeit.core.limits import (
    UNSET,
    Unset,
    as_inputs,
    as_metadata,
    as_names,
    as_optional_names,
    as_outputs,
    as_settings,
    as_tuple,
    as_usage,
    checked_once,
    each,
    flag,
    ident,
    integer,
    json_object,
    one_of,
    optional_flag,
    text,
)
from arbeit.core.model import (
    DEFAULT_QUEUE,
    EMPTY,
    ENTRY_TYPES,
    FILE_OPERATIONS,
    INVERSE_RELATIONS,
    PRIORITIES,
    RELATION_TYPES,
    STATUSES,
    EntryType,
    FileOperation,
    Priority,
    Status,
)
from arbeit.core.record import Record

_names = each(limits.name, most=limits.CAPABILITIES)
_idents = each(ident, most=limits.RELATIONSHIPS)
_lines = each(text(size=4096), most=limits.ITEMS)
_runtime = integer(1, limits.RUNTIME_SECONDS * 1_000_000, optional=True)
_ttl = integer(1, limits.TTL_SECONDS * 1_000_000, optional=True)
_relation = one_of((*RELATION_TYPES, *INVERSE_RELATIONS), Code.INVALID_TYPE)


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
class CreateProject(Command):
    """Start a project's log."""

    operation = "project.create"
    key: str = field(validator=limits.project_key)
    name: str = field(default="", validator=text(characters=200))
    weight: int = field(default=100, validator=integer(1, 1000))
    settings: Mapping[str, Any] = field(default=EMPTY, converter=as_settings, validator=json_object())


@frozen(weakref_slot=False, eq=False, repr=False, kw_only=True, field_transformer=checked_once)
class UpdateProject(Command):
    """Change a project's name, weight, settings, or archive it."""

    operation = "project.update"
    name: str | Unset = field(default=UNSET, validator=text(characters=200))
    weight: int | Unset = field(default=UNSET, validator=integer(1, 1000))
    settings: Mapping[str, Any] | Unset = field(default=UNSET, converter=as_settings, validator=json_object())
    archived: bool | Unset = field(default=UNSET, validator=flag)


@frozen(weakref_slot=False, eq=False, repr=False, kw_only=True, field_transformer=checked_once)
class SetQueue(Command):
    """Make a queue, or change its weight, limits or pause."""

    operation = "queue.set"
    queue: str = field(validator=limits.name)
    weight: int | Unset = field(default=UNSET, validator=integer(1, 1000))
    paused: bool | Unset = field(default=UNSET, validator=flag)
    max_ready: int | Unset | None = field(default=UNSET, validator=integer(0, optional=True))
    max_in_progress: int | Unset | None = field(default=UNSET, validator=integer(0, optional=True))


@frozen(weakref_slot=False, eq=False, repr=False, kw_only=True, field_transformer=checked_once)
class RegisterAgent(Command):
    """Make an agent known, or change what is known of it."""

    operation = "agent.register"
    agent_id: str = field(validator=limits.name)
    name: str | Unset = field(default=UNSET, validator=text(characters=200))
    persona: str | Unset = field(default=UNSET, validator=text(characters=64))
    capabilities: tuple[str, ...] | Unset = field(default=UNSET, converter=as_names, validator=_names)
    max_leases: int | Unset | None = field(default=UNSET, validator=integer(0, optional=True))
    metadata: Mapping[str, Any] | Unset = field(default=UNSET, converter=as_metadata, validator=json_object())


@frozen(weakref_slot=False, eq=False, repr=False, kw_only=True, field_transformer=checked_once)
class CreateTask(Command):
    """Add a task, under a parent and behind blockers if given. Times in microseconds since 1970."""

    operation = "task.create"
    urgency = 4
    title: str = field(validator=text(characters=limits.TITLE_CHARACTERS, required=True))
    task_id: str | None = field(default=None, validator=ident)
    intent: str = field(default="", validator=text())
    description: str = field(default="", validator=text())
    priority: Priority = field(default="normal", validator=one_of(PRIORITIES))
    labels: tuple[str, ...] = field(default=(), converter=as_names, validator=each(text(size=100), most=limits.LABELS))
    queue: str = field(default=DEFAULT_QUEUE, validator=limits.name)
    requires: tuple[str, ...] = field(default=(), converter=as_names, validator=_names)
    parent_id: str | None = field(default=None, validator=ident)
    blocked_by: tuple[str, ...] = field(default=(), converter=as_names, validator=_idents)
    max_attempts: int = field(default=3, validator=integer(1, 1000))
    ready_at: int | None = field(default=None, validator=integer(0, optional=True))
    due_at: int | None = field(default=None, validator=integer(0, optional=True))
    inputs: Mapping[str, Any] = field(default=EMPTY, converter=as_inputs, validator=json_object(limits.TEXT_BYTES))
    acceptance: tuple[str, ...] = field(default=(), converter=as_tuple, validator=_lines)
    metadata: Mapping[str, Any] = field(default=EMPTY, converter=as_metadata, validator=json_object())
    max_runtime: int | None = field(default=None, validator=_runtime)
    review: bool | None = field(default=None, validator=flag)


@frozen(weakref_slot=False, eq=False, repr=False, kw_only=True, field_transformer=checked_once)
class UpdateTask(Command):
    """Change what a task says, or until when it is delayed. `expected_version` makes it an optimistic edit."""

    operation = "task.update"
    task_id: str = field(validator=ident)
    expected_version: int | None = field(default=None, validator=integer(1, optional=True))
    title: str | Unset = field(default=UNSET, validator=text(characters=limits.TITLE_CHARACTERS, required=True))
    intent: str | Unset = field(default=UNSET, validator=text())
    description: str | Unset = field(default=UNSET, validator=text())
    priority: Priority | Unset = field(default=UNSET, validator=one_of(PRIORITIES))
    labels: tuple[str, ...] | Unset = field(
        default=UNSET, converter=as_names, validator=each(text(size=100), most=limits.LABELS)
    )
    queue: str | Unset = field(default=UNSET, validator=limits.name)
    requires: tuple[str, ...] | Unset = field(default=UNSET, converter=as_names, validator=_names)
    max_attempts: int | Unset = field(default=UNSET, validator=integer(1, 1000))
    due_at: int | Unset | None = field(default=UNSET, validator=integer(0, optional=True))
    acceptance: tuple[str, ...] | Unset = field(default=UNSET, converter=as_tuple, validator=_lines)
    metadata: Mapping[str, Any] | Unset = field(default=UNSET, converter=as_metadata, validator=json_object())
    ready_at: int | Unset = field(default=UNSET, validator=integer(0))
    max_runtime: int | Unset | None = field(default=UNSET, validator=_runtime)
    review: bool | Unset | None = field(default=UNSET, validator=optional_flag)


_TEXT_FIELDS = ("title", "intent", "description", "priority", "labels", "queue", "requires", "max_attempts")
UPDATE_FIELDS = (*_TEXT_FIELDS, "due_at", "acceptance", "metadata", "max_runtime", "review")


@frozen(weakref_slot=False, eq=False, repr=False, kw_only=True, field_transformer=checked_once)
class ClaimTasks(Command):
    """Grant up to `n` ready tasks to `agent`, picked fairly. `ttl` in microseconds; None asks the policy."""

    operation = "task.claim"
    agent: str = field(validator=limits.name)
    capabilities: tuple[str, ...] | None = field(default=None, converter=as_optional_names, validator=_names)
    queues: tuple[str, ...] | None = field(
        default=None,
        converter=as_optional_names,
        validator=each(limits.name, most=limits.RELATIONSHIPS, least=1),
    )
    n: int = field(default=1, validator=integer(1, limits.CLAIM_TASKS))
    ttl: int | None = field(default=None, validator=_ttl)
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
    capabilities: tuple[str, ...] | None = field(default=None, converter=as_optional_names, validator=_names)
    ttl: int | None = field(default=None, validator=_ttl)
    session_id: str = field(default="", validator=text(size=255, opaque=True))


@frozen(weakref_slot=False, eq=False, repr=False, kw_only=True, field_transformer=checked_once)
class ResumeTask(StartTask):
    """Claim a blocked task by name and go on with it."""

    operation = "task.resume"


ERASABLE = ("task", "entry", "item", "artifact")
_then = limits.a(ClaimTasks, but=(ExplainClaim,))


@frozen(weakref_slot=False, eq=False, repr=False, kw_only=True, field_transformer=checked_once)
class HolderCommand(Command):
    """A write of a holder: its token is checked against the task's lease."""

    urgency = 1
    task_id: str = field(validator=ident)
    token: str = field(validator=text(size=255, opaque=True), repr=False)


@frozen(weakref_slot=False, eq=False, repr=False, kw_only=True, field_transformer=checked_once)
class RenewLease(HolderCommand):
    """Move a lease's deadline to `ttl` microseconds from now; liveness only, so no event tells of it."""

    operation = "lease.renew"
    urgency = 0
    ttl: int | None = field(default=None, validator=_ttl)


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


@frozen(weakref_slot=False, eq=False, repr=False, kw_only=True, field_transformer=checked_once)
class ReleaseTask(TenureCommand):
    """Give a held task back. `undelivered` is the engine's word for a grant that never reached its caller."""

    operation = "task.release"
    note: str = field(default="", validator=text())
    undelivered: bool = field(default=False, validator=flag)
    then_claim: ClaimTasks | None = field(default=None, validator=_then)


@frozen(weakref_slot=False, eq=False, repr=False, kw_only=True, field_transformer=checked_once)
class CompleteTask(TenureCommand):
    """Finish a held task with an outcome and what proves it."""

    operation = "task.complete"
    outcome: str = field(default="", validator=text())
    evidence: tuple[str, ...] = field(
        default=(), converter=as_tuple, validator=each(text(size=4096, required=True), most=limits.EVIDENCE)
    )
    outputs: Mapping[str, Any] = field(default=EMPTY, converter=as_outputs, validator=json_object(limits.TEXT_BYTES))
    then_claim: ClaimTasks | None = field(default=None, validator=_then)


@frozen(weakref_slot=False, eq=False, repr=False, kw_only=True, field_transformer=checked_once)
class FailTask(TenureCommand):
    """End an attempt that did not work; the retry policy says whether and when there is another."""

    operation = "task.fail"
    error: str = field(default="", validator=text())
    then_claim: ClaimTasks | None = field(default=None, validator=_then)


@frozen(weakref_slot=False, eq=False, repr=False, kw_only=True, field_transformer=checked_once)
class HandoffTask(TenureCommand):
    """Pass a held task on to another agent in one step, with a note. `ttl` in microseconds; None asks the policy."""

    operation = "task.handoff"
    to_agent: str = field(validator=limits.name)
    note: str = field(validator=text(required=True))
    ttl: int | None = field(default=None, validator=_ttl)


@frozen(weakref_slot=False, eq=False, repr=False, kw_only=True, field_transformer=checked_once)
class ApproveTask(TenureCommand):
    """Complete a task under review."""

    operation = "task.approve"
    note: str = field(default="", validator=text())
    then_claim: ClaimTasks | None = field(default=None, validator=_then)


@frozen(weakref_slot=False, eq=False, repr=False, kw_only=True, field_transformer=checked_once)
class RequestChanges(TenureCommand):
    """Send a task under review back, and say why."""

    operation = "task.request_changes"
    reasons: str = field(validator=text(required=True))
    then_claim: ClaimTasks | None = field(default=None, validator=_then)


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
class DeleteTask(Command):
    """Take a task that nobody holds out of every list; its events stay."""

    operation = "task.delete"
    task_id: str = field(validator=ident)
    reason: str = field(default="", validator=text())


@frozen(weakref_slot=False, eq=False, repr=False, kw_only=True, field_transformer=checked_once)
class BlockTask(TenureCommand):
    """Set a task aside until somebody unblocks or resumes it. A held one takes its holder's token, or force."""

    operation = "task.block"
    reason: str = field(validator=text(required=True))
    blocked_by: tuple[str, ...] = field(default=(), converter=as_names, validator=each(ident, most=limits.LABELS))


@frozen(weakref_slot=False, eq=False, repr=False, kw_only=True, field_transformer=checked_once)
class UnblockTask(Command):
    """Open a blocked task again, or its review; its attempts start anew."""

    operation = "task.unblock"
    task_id: str = field(validator=ident)
    note: str = field(default="", validator=text())


@frozen(weakref_slot=False, eq=False, repr=False, kw_only=True, field_transformer=checked_once)
class Sweep(Command):
    """Reclaim leases past their deadline and promote delayed tasks that are due, at most `limit` of each."""

    operation = "sweep"
    urgency = 2
    limit: int = field(default=100, validator=integer(1, 1000))
    forget_receipts_before: int | None = field(default=None, validator=integer(0, optional=True))


@frozen(weakref_slot=False, eq=False, repr=False, kw_only=True, field_transformer=checked_once)
class AddRelationship(Command):
    """Join two tasks by a typed edge; inverse names (child_of, blocked_by, ...) are accepted."""

    operation = "relationship.add"
    from_task_id: str = field(validator=ident)
    to_task_id: str = field(validator=ident)
    type: str = field(validator=_relation)
    metadata: Mapping[str, Any] = field(default=EMPTY, converter=as_metadata, validator=json_object())
    created_at: int | None = field(default=None, validator=integer(0, optional=True))
    imported: bool = field(default=False, validator=flag)


@frozen(weakref_slot=False, eq=False, repr=False, kw_only=True, field_transformer=checked_once)
class RemoveRelationship(Command):
    """Take a typed edge between two tasks away."""

    operation = "relationship.remove"
    from_task_id: str = field(validator=ident)
    to_task_id: str = field(validator=ident)
    type: str = field(validator=_relation)


@frozen(weakref_slot=False, eq=False, repr=False, kw_only=True, field_transformer=checked_once)
class AddContext(Command):
    """Record something about a task. With a token it is a write of the holder; without, anybody's remark."""

    operation = "context.add"
    task_id: str = field(validator=ident)
    type: EntryType = field(default="note", validator=one_of(ENTRY_TYPES, Code.INVALID_TYPE))
    content: str = field(validator=text(required=True))
    metadata: Mapping[str, Any] = field(default=EMPTY, converter=as_metadata, validator=json_object())
    evidence: tuple[str, ...] = field(
        default=(), converter=as_tuple, validator=each(text(size=4096, required=True), most=limits.EVIDENCE)
    )
    token: str | None = field(default=None, validator=text(size=255, opaque=True), repr=False)


@frozen(weakref_slot=False, eq=False, repr=False, kw_only=True, field_transformer=checked_once)
class SupersedeContext(Command):
    """Replace an entry by a new one; the old one stays readable, and says by what it was replaced."""

    operation = "context.supersede"
    entry_id: str = field(validator=ident)
    content: str = field(validator=text(required=True))
    type: EntryType | None = field(default=None, validator=one_of(ENTRY_TYPES, Code.INVALID_TYPE))
    token: str | None = field(default=None, validator=text(size=255, opaque=True), repr=False)


@frozen(weakref_slot=False, eq=False, repr=False, kw_only=True, field_transformer=checked_once)
class AddProgress(Command):
    """Add lines to a task's checklist. On a held task only its holder may."""

    operation = "progress.add"
    task_id: str = field(validator=ident)
    items: tuple[str, ...] = field(
        converter=as_tuple,
        validator=each(text(size=4096, required=True), most=limits.ITEMS, least=1),
    )
    completed: bool = field(default=False, validator=flag)
    token: str | None = field(default=None, validator=text(size=255, opaque=True), repr=False)


@frozen(weakref_slot=False, eq=False, repr=False, kw_only=True, field_transformer=checked_once)
class CompleteProgress(Command):
    """Tick lines of one task's checklist off, all or none."""

    operation = "progress.complete"
    task_id: str = field(validator=ident)
    item_ids: tuple[str, ...] = field(converter=as_names, validator=each(ident, most=limits.ITEMS, least=1))
    token: str | None = field(default=None, validator=text(size=255, opaque=True), repr=False)


@frozen(weakref_slot=False, eq=False, repr=False, kw_only=True, field_transformer=checked_once)
class RerankTasks(Command):
    """Give the ready tasks beyond the id `after` the ranks that today's policy gives, at most `limit` of them."""

    operation = "project.rerank"
    after: str = field(default="", validator=text(size=64, opaque=True))
    limit: int = field(default=500, validator=integer(1, 1000))


@frozen(weakref_slot=False, eq=False, repr=False, kw_only=True, field_transformer=checked_once)
class ReportUsage(HolderCommand):
    """Add to what a run used: tokens_in, tokens_out, cost (micro-dollars), counters of one's own; and `model`."""

    operation = "run.usage"
    usage: Mapping[str, Any] = field(converter=as_usage, validator=limits.usage)


@frozen(weakref_slot=False, eq=False, repr=False, kw_only=True, field_transformer=checked_once)
class LinkSession(Command):
    """Note that a task was worked on in a session; the same link again changes nothing."""

    operation = "session.link"
    task_id: str = field(validator=ident)
    session_id: str = field(validator=text(size=255, required=True, opaque=True))
    token: str | None = field(default=None, validator=text(size=255, opaque=True), repr=False)


@frozen(weakref_slot=False, eq=False, repr=False, kw_only=True, field_transformer=checked_once)
class LinkFile(Command):
    """Note that a file was read or written for a task; the same link again changes nothing."""

    operation = "file.link"
    task_id: str = field(validator=ident)
    path: str = field(validator=text(size=4096, required=True))
    file_operation: FileOperation = field(default="write", validator=one_of(FILE_OPERATIONS))
    session_id: str = field(default="", validator=text(size=255, opaque=True))
    token: str | None = field(default=None, validator=text(size=255, opaque=True), repr=False)


@frozen(weakref_slot=False, eq=False, repr=False, kw_only=True, field_transformer=checked_once)
class AttachArtifact(HolderCommand):
    """Record bytes that were stored under their SHA-256 as a result of a run; `size` in bytes."""

    operation = "artifact.attach"
    name: str = field(validator=text(characters=255, required=True))
    media_type: str = field(default="application/octet-stream", validator=limits.media_type)
    size: int = field(validator=integer(0, limits.ARTIFACT_BYTES))
    sha256: str = field(validator=limits.sha256)


@frozen(weakref_slot=False, eq=False, repr=False, kw_only=True, field_transformer=checked_once)
class SetSecret(Command):
    """Name a secret by where it is found; never its value."""

    operation = "secret.set"
    name: str = field(validator=limits.name)
    provider: str = field(validator=limits.name)
    path: str = field(validator=text(size=1024, required=True))


@frozen(weakref_slot=False, eq=False, repr=False, kw_only=True, field_transformer=checked_once)
class UseSecret(HolderCommand):
    """Ask for the value of a secret, which the log will say was asked for."""

    operation = "secret.use"
    name: str = field(validator=limits.name)


@frozen(weakref_slot=False, eq=False, repr=False, kw_only=True, field_transformer=checked_once)
class EraseRecord(Command):
    """Remove the text of one record for good, from rows and log; only supervisors may. An item needs its `task_id`."""

    operation = "record.erase"
    urgency = 0
    kind: str = field(validator=one_of(ERASABLE))
    record_id: str = field(validator=ident)
    task_id: str | None = field(default=None, validator=ident)
    reason: str = field(default="", validator=text())


@frozen(weakref_slot=False, eq=False, repr=False, kw_only=True, field_transformer=checked_once)
class ImportTask(Command):
    """Take a task over from elsewhere with its id, status and times; a known id changes nothing."""

    operation = "task.import"
    urgency = 4
    task_id: str = field(validator=ident)
    title: str = field(validator=text(characters=limits.TITLE_CHARACTERS, required=True))
    intent: str = field(default="", validator=text())
    description: str = field(default="", validator=text())
    status: Status = field(default="open", validator=one_of(STATUSES, Code.INVALID_STATUS))
    priority: Priority = field(default="normal", validator=one_of(PRIORITIES))
    labels: tuple[str, ...] = field(default=(), converter=as_names, validator=each(text(size=100), most=limits.LABELS))
    queue: str = field(default=DEFAULT_QUEUE, validator=limits.name)
    requires: tuple[str, ...] = field(default=(), converter=as_names, validator=_names)
    block_reason: str = field(default="", validator=text())
    outcome: str = field(default="", validator=text())
    acceptance: tuple[str, ...] = field(default=(), converter=as_tuple, validator=_lines)
    metadata: Mapping[str, Any] = field(default=EMPTY, converter=as_metadata, validator=json_object())
    max_attempts: int = field(default=3, validator=integer(1, 1000))
    created_at: int | None = field(default=None, validator=integer(0, optional=True))
    updated_at: int | None = field(default=None, validator=integer(0, optional=True))
    finished_at: int | None = field(default=None, validator=integer(0, optional=True))


Granting = ClaimTasks | StartTask | ResumeTask
