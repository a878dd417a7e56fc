"""Intents that take over what was recorded elsewhere: ids, times, texts and authors stay those of the source.

Importing the same record twice changes nothing. All of them are new work to a lane, which runs them in the order
in which they were given; tasks must be there before what belongs to them.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from arbeit.core import limits
from arbeit.core.commands.base import Command, capability_names, lines, runtime
from arbeit.core.declare import field, frozen
from arbeit.core.errors import Code
from arbeit.core.limits import (
    a,
    as_inputs,
    as_metadata,
    as_names,
    as_outputs,
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
    PRIORITIES,
    RUN_RESULTS,
    STATUSES,
    EntryType,
    Event,
    FileOperation,
    Priority,
    RunResult,
    Status,
)

RESTORED_EVENTS = 500
"""How many events one command restores at most."""

author = text(size=255)
moment = integer(0, limits.MAX_MOMENT, optional=True)


@frozen(weakref_slot=False, eq=False, repr=False, kw_only=True, field_transformer=checked_once)
class ImportTask(Command):
    """Take a task over from elsewhere with its id, status and times; a known id changes nothing.

    `created_by` is whoever made it there, and whoever imports it where that is left out. An open task is ready at
    `ready_at`, or now where that is past: what comes from elsewhere gets no place before what waits here.
    """

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
    requires: tuple[str, ...] = field(default=(), converter=as_names, validator=capability_names)
    block_reason: str = field(default="", validator=text())
    outcome: str = field(default="", validator=text())
    acceptance: tuple[str, ...] = field(default=(), converter=as_tuple, validator=lines)
    metadata: Mapping[str, Any] = field(default=EMPTY, converter=as_metadata, validator=json_object())
    max_attempts: int = field(default=3, validator=integer(1, 1000))
    created_at: int | None = field(default=None, validator=moment)
    updated_at: int | None = field(default=None, validator=moment)
    finished_at: int | None = field(default=None, validator=moment)
    created_by: str = field(default="", validator=author)
    started_at: int | None = field(default=None, validator=moment)
    ready_at: int | None = field(default=None, validator=moment)
    due_at: int | None = field(default=None, validator=moment)
    inputs: Mapping[str, Any] = field(default=EMPTY, converter=as_inputs, validator=json_object(limits.TEXT_BYTES))
    outputs: Mapping[str, Any] = field(default=EMPTY, converter=as_outputs, validator=json_object(limits.TEXT_BYTES))
    max_runtime: int | None = field(default=None, validator=runtime)
    review: bool | None = field(default=None, validator=optional_flag)


@frozen(weakref_slot=False, eq=False, repr=False, kw_only=True, field_transformer=checked_once)
class ImportEntry(Command):
    """Take a context entry over; `superseded_by` may name one that comes later, and is kept as the source says it."""

    operation = "context.import"
    urgency = 4
    entry_id: str = field(validator=ident)
    task_id: str = field(validator=ident)
    type: EntryType = field(default="note", validator=one_of(ENTRY_TYPES, Code.INVALID_TYPE))
    content: str = field(validator=text())
    author: str = field(default="", validator=author)
    created_at: int | None = field(default=None, validator=moment)
    metadata: Mapping[str, Any] = field(default=EMPTY, converter=as_metadata, validator=json_object())
    evidence: tuple[str, ...] = field(
        default=(), converter=as_tuple, validator=each(text(size=4096, required=True), most=limits.EVIDENCE)
    )
    superseded_by: str | None = field(default=None, validator=ident)
    source_run: str | None = field(default=None, validator=ident)


@frozen(weakref_slot=False, eq=False, repr=False, kw_only=True, field_transformer=checked_once)
class ImportItem(Command):
    """Take a line of a checklist over, behind those that the task has. On a held task only its holder adds lines."""

    operation = "progress.import"
    urgency = 4
    item_id: str = field(validator=ident)
    task_id: str = field(validator=ident)
    content: str = field(validator=text(size=4096, required=True))
    completed: bool = field(default=False, validator=flag)
    created_at: int | None = field(default=None, validator=moment)
    completed_at: int | None = field(default=None, validator=moment)
    completed_by: str = field(default="", validator=author)


@frozen(weakref_slot=False, eq=False, repr=False, kw_only=True, field_transformer=checked_once)
class ImportSession(Command):
    """Take a session link over; one of the same task and session that is here already stays as it is."""

    operation = "session.import"
    urgency = 4
    task_id: str = field(validator=ident)
    session_id: str = field(validator=text(size=255, required=True, opaque=True))
    link_id: str | None = field(default=None, validator=ident)
    created_at: int | None = field(default=None, validator=moment)


@frozen(weakref_slot=False, eq=False, repr=False, kw_only=True, field_transformer=checked_once)
class ImportFile(Command):
    """Take a file link over; one of the same task, path, operation and session stays as it is."""

    operation = "file.import"
    urgency = 4
    task_id: str = field(validator=ident)
    path: str = field(validator=text(size=4096, required=True))
    file_operation: FileOperation = field(default="write", validator=one_of(FILE_OPERATIONS))
    session_id: str = field(default="", validator=text(size=255, opaque=True))
    link_id: str | None = field(default=None, validator=ident)
    created_at: int | None = field(default=None, validator=moment)


@frozen(weakref_slot=False, eq=False, repr=False, kw_only=True, field_transformer=checked_once)
class ImportArtifact(Command):
    """Take over what is known of bytes, which travel apart; `size` in bytes, `uri` where it is not stored here."""

    operation = "artifact.import"
    urgency = 4
    artifact_id: str = field(validator=ident)
    task_id: str = field(validator=ident)
    name: str = field(validator=text(characters=255, required=True))
    media_type: str = field(default="application/octet-stream", validator=limits.media_type)
    size: int = field(validator=integer(0, limits.ARTIFACT_BYTES))
    sha256: str = field(validator=limits.sha256)
    uri: str = field(default="", validator=text(size=2048))
    created_at: int | None = field(default=None, validator=moment)
    source_run: str | None = field(default=None, validator=ident)


@frozen(weakref_slot=False, eq=False, repr=False, kw_only=True, field_transformer=checked_once)
class ImportRun(Command):
    """Take over a run that has ended; nobody holds an imported task, so one that goes on cannot be taken."""

    operation = "run.import"
    urgency = 4
    run_id: str = field(validator=ident)
    task_id: str = field(validator=ident)
    agent_id: str = field(validator=limits.name)
    attempt: int = field(default=1, validator=integer(0, 1_000_000))
    session_id: str = field(default="", validator=text(size=255, opaque=True))
    started_at: int = field(validator=integer(0, limits.MAX_MOMENT))
    ended_at: int = field(validator=integer(0, limits.MAX_MOMENT))
    result: RunResult = field(validator=one_of(RUN_RESULTS))
    note: str = field(default="", validator=text())
    usage: Mapping[str, Any] = field(default=EMPTY, converter=as_usage, validator=limits.usage)


@frozen(weakref_slot=False, eq=False, repr=False, kw_only=True, field_transformer=checked_once)
class RestoreEvents(Command):
    """Put recorded events back as they are, hashes and all, behind those restored before; `upto` is the last one.

    Until that one is there, the project takes no other command. `erased` are (position, digest of what is left) of
    those among the events whose text an event of the same log has erased.
    """

    operation = "events.restore"
    urgency = 4
    alone = True
    restores = True
    events: tuple[Event, ...] = field(converter=as_tuple, validator=each(a(Event), most=RESTORED_EVENTS, least=1))
    upto: int = field(validator=integer(1))
    erased: tuple[tuple[int, str], ...] = field(
        default=(), converter=as_tuple, validator=each(limits.left, most=RESTORED_EVENTS)
    )
