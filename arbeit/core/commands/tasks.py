"""Intents that make tasks, change what they say, and relate them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from arbeit.core import limits
from arbeit.core.commands.base import Command, capability_names, idents, lines, relation, runtime
from arbeit.core.declare import field, frozen
from arbeit.core.limits import (
    UNSET,
    Unset,
    as_inputs,
    as_metadata,
    as_names,
    as_tuple,
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
    PRIORITIES,
    Priority,
)


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
    requires: tuple[str, ...] = field(default=(), converter=as_names, validator=capability_names)
    parent_id: str | None = field(default=None, validator=ident)
    blocked_by: tuple[str, ...] = field(default=(), converter=as_names, validator=idents)
    max_attempts: int = field(default=3, validator=integer(1, 1000))
    ready_at: int | None = field(default=None, validator=integer(0, limits.MAX_MOMENT, optional=True))
    due_at: int | None = field(default=None, validator=integer(0, limits.MAX_MOMENT, optional=True))
    inputs: Mapping[str, Any] = field(default=EMPTY, converter=as_inputs, validator=json_object(limits.TEXT_BYTES))
    acceptance: tuple[str, ...] = field(default=(), converter=as_tuple, validator=lines)
    metadata: Mapping[str, Any] = field(default=EMPTY, converter=as_metadata, validator=json_object())
    max_runtime: int | None = field(default=None, validator=runtime)
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
    requires: tuple[str, ...] | Unset = field(default=UNSET, converter=as_names, validator=capability_names)
    max_attempts: int | Unset = field(default=UNSET, validator=integer(1, 1000))
    due_at: int | Unset | None = field(default=UNSET, validator=integer(0, limits.MAX_MOMENT, optional=True))
    acceptance: tuple[str, ...] | Unset = field(default=UNSET, converter=as_tuple, validator=lines)
    metadata: Mapping[str, Any] | Unset = field(default=UNSET, converter=as_metadata, validator=json_object())
    ready_at: int | Unset = field(default=UNSET, validator=integer(0, limits.MAX_MOMENT))
    max_runtime: int | Unset | None = field(default=UNSET, validator=runtime)
    review: bool | Unset | None = field(default=UNSET, validator=optional_flag)


_TEXT_FIELDS = ("title", "intent", "description", "priority", "labels", "queue", "requires", "max_attempts")
UPDATE_FIELDS = (*_TEXT_FIELDS, "due_at", "acceptance", "metadata", "max_runtime", "review")


@frozen(weakref_slot=False, eq=False, repr=False, kw_only=True, field_transformer=checked_once)
class DeleteTask(Command):
    """Take a task that nobody holds out of every list; its events stay."""

    operation = "task.delete"
    task_id: str = field(validator=ident)
    reason: str = field(default="", validator=text())


@frozen(weakref_slot=False, eq=False, repr=False, kw_only=True, field_transformer=checked_once)
class UnblockTask(Command):
    """Open a blocked task again, or its review; its attempts start anew."""

    operation = "task.unblock"
    task_id: str = field(validator=ident)
    note: str = field(default="", validator=text())


@frozen(weakref_slot=False, eq=False, repr=False, kw_only=True, field_transformer=checked_once)
class AddRelationship(Command):
    """Join two tasks by a typed edge; inverse names (child_of, blocked_by, ...) are accepted.

    `imported` says that it is taken over from elsewhere, with its id and time; one that is here changes nothing.
    """

    operation = "relationship.add"
    from_task_id: str = field(validator=ident)
    to_task_id: str = field(validator=ident)
    type: str = field(validator=relation)
    metadata: Mapping[str, Any] = field(default=EMPTY, converter=as_metadata, validator=json_object())
    created_at: int | None = field(default=None, validator=integer(0, limits.MAX_MOMENT, optional=True))
    imported: bool = field(default=False, validator=flag)
    relationship_id: str | None = field(default=None, validator=ident)


@frozen(weakref_slot=False, eq=False, repr=False, kw_only=True, field_transformer=checked_once)
class RemoveRelationship(Command):
    """Take a typed edge between two tasks away."""

    operation = "relationship.remove"
    from_task_id: str = field(validator=ident)
    to_task_id: str = field(validator=ident)
    type: str = field(validator=relation)
