"""Intents that record what is known of a task, or erase it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from arbeit.core import limits
from arbeit.core.commands.base import Command, HolderCommand
from arbeit.core.declare import field, frozen
from arbeit.core.errors import Code
from arbeit.core.limits import (
    as_metadata,
    as_names,
    as_tuple,
    as_usage,
    checked_once,
    each,
    flag,
    ident,
    integer,
    json_object,
    one_of,
    text,
)
from arbeit.core.model import (
    EMPTY,
    ENTRY_TYPES,
    FILE_OPERATIONS,
    EntryType,
    FileOperation,
)

ERASABLE = ("task", "entry", "item", "artifact")


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
class UseSecret(HolderCommand):
    """Ask for the value of a secret, which the log will say was asked for."""

    operation = "secret.use"
    name: str = field(validator=limits.name)


@frozen(weakref_slot=False, eq=False, repr=False, kw_only=True, field_transformer=checked_once)
class EraseRecord(Command):
    """Remove the text of one record for good, from rows and log; only supervisors may. An item needs its `task_id`."""

    operation = "record.erase"
    alone = True
    urgency = 0
    kind: str = field(validator=one_of(ERASABLE))
    record_id: str = field(validator=ident)
    task_id: str | None = field(default=None, validator=ident)
    reason: str = field(default="", validator=text())
