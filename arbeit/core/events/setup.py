"""Facts about projects, queues, agents and secrets."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from arbeit.core.declare import frozen
from arbeit.core.events.base import Fact
from arbeit.core.model import DEFAULT_WEIGHT, EMPTY


@frozen(weakref_slot=False, eq=False, repr=False, kw_only=True)
class ProjectCreated(Fact):
    """A project began, with its default queue."""

    tag = "project_created"
    key: str
    name: str = ""
    weight: int = DEFAULT_WEIGHT
    settings: Mapping[str, Any] = EMPTY


@frozen(weakref_slot=False, eq=False, repr=False, kw_only=True)
class ProjectUpdated(Fact):
    """Fields of a project changed to new values."""

    tag = "project_updated"
    changes: Mapping[str, Any]


@frozen(weakref_slot=False, eq=False, repr=False, kw_only=True)
class QueueSet(Fact):
    """A queue was made, or fields of it changed to new values."""

    tag = "queue_set"
    queue: str
    changes: Mapping[str, Any] = EMPTY


@frozen(weakref_slot=False, eq=False, repr=False, kw_only=True)
class AgentRegistered(Fact):
    """An agent became known, or fields of it changed to new values."""

    tag = "agent_registered"
    agent_id: str
    changes: Mapping[str, Any] = EMPTY


@frozen(weakref_slot=False, eq=False, repr=False, kw_only=True)
class TasksReranked(Fact):
    """The ranking policy changed, and with it the ranks of these ready tasks: (task id, rank)."""

    tag = "tasks_reranked"
    ranks: tuple[tuple[str, int], ...]


@frozen(weakref_slot=False, eq=False, repr=False, kw_only=True)
class SecretSet(Fact):
    """A secret got a name, or another place where it is found."""

    tag = "secret_set"
    secret_id: str
    name: str
    provider: str
    path: str
