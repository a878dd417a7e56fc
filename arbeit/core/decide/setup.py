"""Decisions about projects, queues and agents."""

from __future__ import annotations

from typing import Any

from arbeit.core import commands as c
from arbeit.core.decide.base import Env, Steps
from arbeit.core.errors import Code, Rejection
from arbeit.core.events import AgentRegistered, ProjectCreated, ProjectUpdated, QueueSet
from arbeit.core.limits import UNSET, Unset
from arbeit.core.model import Agent, Reply
from arbeit.core.view import View


def given(command: object, *names: str) -> dict[str, Any]:
    """The fields of a command that are set."""
    return {name: value for name in names if (value := getattr(command, name)) is not UNSET}


def differing(entity: object, wanted: dict[str, Any]) -> dict[str, Any]:
    """What of these values an entity does not have yet."""
    return {name: value for name, value in wanted.items() if getattr(entity, name) != value}


def create_project(view: View, command: c.CreateProject, _env: Env) -> Steps:
    """Start the log, once."""
    if view.project is not None:
        return Rejection(
            Code.ALREADY_INITIALIZED,
            f"project {view.key} exists already",
            ("Open it without create, or choose another key.",),
        )
    if command.key != view.key:
        return Rejection(
            Code.INVALID_INPUT,
            f"a project called {command.key} cannot be made in the log of {view.key}",
            ("Send the command to the project that it makes: hub.project(key, create=True) does.",),
            data={"field": "key"},
        )
    yield ProjectCreated(
        key=command.key, name=command.name or command.key, weight=command.weight, settings=command.settings
    )
    return Reply(project=view.project)


def update_project(view: View, command: c.UpdateProject, env: Env) -> Steps:
    """Change what differs."""
    wanted = given(command, "name", "weight", "settings")
    assert view.project is not None  # noqa: S101 - the batch refuses commands to a project that is not there
    if not isinstance(command.archived, Unset):
        already = view.project.archived_at is not None
        if command.archived != already:
            wanted["archived_at"] = env.now if command.archived else None
    changes = differing(view.project, wanted)
    if not changes:
        return Reply(project=view.project)
    before = view.project.settings.get("ranking")
    yield ProjectUpdated(changes=changes)
    # Whoever asked for another ranking has the ready tasks ranked anew, in slices.
    reranks = view.project.settings.get("ranking") != before
    return Reply(project=view.project, count=int(reranks))


def set_queue(view: View, command: c.SetQueue, env: Env) -> Steps:
    """Make the queue, or change what differs."""
    if not env.policies.access.scope(command.actor).sees(command.queue):
        return Rejection(
            Code.FORBIDDEN, f"{command.actor} may not change queue {command.queue}", ("Use a queue of your own.",)
        )
    queue = view.schedule.queues.get(command.queue)
    changes = given(command, "weight", "paused", "max_ready", "max_in_progress")
    if queue is not None:
        changes = differing(queue, changes)
    if queue is None or changes:
        yield QueueSet(queue=command.queue, changes=changes)
    return Reply(queue=view.schedule.queues[command.queue])


def register_agent(view: View, command: c.RegisterAgent, _env: Env) -> Steps:
    """Make the agent known, or change what differs."""
    agent = view.agent(command.agent_id)
    changes = given(command, "name", "persona", "capabilities", "max_leases", "metadata")
    changes = differing(agent or Agent(command.agent_id, 0), changes)
    if agent is None or changes:
        yield AgentRegistered(agent_id=command.agent_id, changes=changes)
    return Reply(agent=view.agent(command.agent_id))
