"""Intents about projects, queues, agents and secrets."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from arbeit.core import limits
from arbeit.core.commands.base import Command, capability_names
from arbeit.core.declare import field, frozen
from arbeit.core.limits import (
    UNSET,
    Unset,
    as_metadata,
    as_names,
    as_settings,
    checked_once,
    flag,
    integer,
    json_object,
    text,
)
from arbeit.core.model import (
    EMPTY,
)


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
    capabilities: tuple[str, ...] | Unset = field(default=UNSET, converter=as_names, validator=capability_names)
    max_leases: int | Unset | None = field(default=UNSET, validator=integer(0, optional=True))
    metadata: Mapping[str, Any] | Unset = field(default=UNSET, converter=as_metadata, validator=json_object())


@frozen(weakref_slot=False, eq=False, repr=False, kw_only=True, field_transformer=checked_once)
class RerankTasks(Command):
    """Give the ready tasks beyond the id `after` the ranks that today's policy gives, at most `limit` of them."""

    operation = "project.rerank"
    after: str = field(default="", validator=text(size=64, opaque=True))
    limit: int = field(default=500, validator=integer(1, 1000))


@frozen(weakref_slot=False, eq=False, repr=False, kw_only=True, field_transformer=checked_once)
class SetSecret(Command):
    """Name a secret by where it is found; never its value."""

    operation = "secret.set"
    name: str = field(validator=limits.name)
    provider: str = field(validator=limits.name)
    path: str = field(validator=text(size=1024, required=True))
