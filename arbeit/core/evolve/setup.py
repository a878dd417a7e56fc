"""Facts about projects, queues and agents."""

from __future__ import annotations

from arbeit.core import events as e
from arbeit.core.evolve.base import Stamp
from arbeit.core.model import (
    DEFAULT_QUEUE,
    Agent,
    Project,
    Queue,
)
from arbeit.core.record import change
from arbeit.core.view import View


def project_created(view: View, fact: e.ProjectCreated, stamp: Stamp) -> None:
    """Store the project and its default queue."""
    project = Project(fact.key, fact.name, stamp.at, fact.weight, fact.settings)
    view.project = view.new["project"][project.key] = project
    view.put_queue(Queue(DEFAULT_QUEUE, stamp.at))


def project_updated(view: View, fact: e.ProjectUpdated, _stamp: Stamp) -> None:
    """Store what changed."""
    assert view.project is not None  # noqa: S101 - a log begins with project_created
    view.put_project(change(view.project, **fact.changes))


def queue_set(view: View, fact: e.QueueSet, stamp: Stamp) -> None:
    """Store the queue, new or changed."""
    queue = view.schedule.queues.get(fact.queue) or Queue(fact.queue, stamp.at)
    view.put_queue(change(queue, **fact.changes))


def agent_registered(view: View, fact: e.AgentRegistered, stamp: Stamp) -> None:
    """Store the agent, new or changed."""
    agent = view.agent(fact.agent_id) or Agent(fact.agent_id, stamp.at)
    view.put("agent", agent.id, change(agent, **fact.changes))
