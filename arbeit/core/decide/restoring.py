"""The decision that puts recorded events back as they are: the chain is checked, and each is applied like any other."""

from __future__ import annotations

from collections.abc import Generator, Sequence

from arbeit.core import commands as c
from arbeit.core.codec import header_of
from arbeit.core.decide.base import Env, Need, Restored, Steps
from arbeit.core.errors import ArbeitError, Code, Rejection
from arbeit.core.events import Fact, ProjectCreated
from arbeit.core.loads import Reads
from arbeit.core.model import SECOND, Reply
from arbeit.core.record import change
from arbeit.core.restoring import touched, unfit
from arbeit.core.sound import unsound
from arbeit.core.view import View

GRACE = 60 * SECOND
"""How long a lease that is alive in a restored log lasts at least, from the end of the restore."""


def restore_events(view: View, command: c.RestoreEvents, env: Env) -> Steps:
    """Put the next events of a log back; with the last one, the project is open to everybody."""
    refused = _refuse(view, command, env) or _refuse_chain(view, command, env)
    if refused is not None:
        return refused
    facts = _facts(command, env)
    if isinstance(facts, Rejection):
        return facts
    yield from _load(view, facts)
    for event, fact in zip(command.events, facts, strict=True):
        problem = unfit(view, fact)
        if problem is not None:
            # Only now is the state known that the events before it gave, and those are not written yet: an error of
            # the command leaves nothing of them, as one of its application does.
            raise _error(_broken(event.position, f"{problem}; nothing of its batch was restored"))
        yield Restored(event, fact)
    assert view.project is not None  # noqa: S101 - the first event of a log makes its project
    position = command.events[-1].position
    ended = position == command.upto
    if ended:
        yield Need(Reads(live=True))
        _grace(view, env)
    view.put_project(change(view.project, restoring=None if ended else command.upto))
    return Reply(project=view.project, count=len(facts))


def _refuse(view: View, command: c.RestoreEvents, env: Env) -> Rejection | None:
    """Why this log takes no restored events now, or not of this actor."""
    if env.policies.access.scope(command.actor).queues is not None:
        return Rejection(
            Code.FORBIDDEN,
            f"{command.actor} sees a part of this project, so it cannot restore it",
            ("Ask somebody who sees the whole project.",),
        )
    if view.project is None and view.head.position == 0:
        return None
    restoring = view.project.restoring if view.project is not None else None
    if restoring is None:
        return Rejection(
            Code.ALREADY_INITIALIZED,
            f"project {view.key} exists already, with {view.head.position} events; a log is restored into none",
            ("Restore it in another database.", "Or import the file, which takes its records over one by one."),
            data={"project": view.key},
        )
    if restoring != command.upto:
        return Rejection(
            Code.INVALID_INPUT,
            f"project {view.key} is being restored up to event {restoring}, not {command.upto}",
            ("Go on with the file that the restore began with.",),
            data={"field": "upto"},
        )
    return None


def _refuse_chain(view: View, command: c.RestoreEvents, env: Env) -> Rejection | None:
    """Why these events do not continue the log as it stands."""
    position, prev_hash = view.head.position, view.head.hash
    left = dict(command.erased)
    at = view.head.at
    for event in command.events:
        position += 1
        wrong = unsound(event)
        if wrong is not None:
            return _broken(position, f"has no sound {wrong}")
        digest = env.codec.digest(event.data)
        problem = None
        if event.project != view.key:
            problem = f"is of project {event.project}; restore it under that key"
        elif event.position != position:
            problem = f"stands where {position} is next"
        elif event.prev_hash != prev_hash:
            problem = "does not continue from the event before it"
        elif digest not in {event.data_hash, left.get(position)}:
            problem = "has data that does not match its hash"
        elif env.codec.chain(prev_hash, header_of(event)) != event.hash:
            problem = "has a header that does not match its hash"
        elif event.at < at:
            problem = "is older than the event before it"
        elif position > command.upto:
            problem = f"is beyond the end of the restore, {command.upto}"
        if problem is not None:
            return _broken(event.position, problem)
        prev_hash, at = event.hash, event.at
    return None


def _broken(position: int, problem: str) -> Rejection:
    return Rejection(
        Code.INVALID_INPUT,
        f"event {position} {problem}",
        ("Restore from a file that is as it was exported.",),
        data={"field": "events", "position": position},
    )


def _error(rejection: Rejection) -> ArbeitError:
    return ArbeitError(rejection.code, rejection.message, suggestions=rejection.suggestions, data=rejection.data)


def _facts(command: c.RestoreEvents, env: Env) -> Sequence[Fact] | Rejection:
    """What the events record."""
    facts: list[Fact] = []
    for event in command.events:
        try:
            fact = env.codec.fact(event)
        except ArbeitError as error:
            return Rejection(error.code, error.message, error.suggestions, error.retryable, error.data)
        except (AttributeError, KeyError, TypeError, ValueError, RecursionError) as error:
            return _broken(event.position, f"has data that is no {event.type} ({type(error).__name__})")
        wrong = unsound(fact)
        if wrong is not None:
            return _broken(event.position, f"has data that is no {event.type}: {wrong} is not sound")
        if isinstance(fact, ProjectCreated) != (event.position == 1):
            return _broken(event.position, "does not begin a log" if event.position == 1 else "begins a log anew")
        facts.append(fact)
    return facts


def _load(view: View, facts: Sequence[Fact]) -> Generator[Need, None, None]:
    """Load the rows that the facts touch, and the agents whose leases end."""
    wanted = Reads()
    for fact in facts:
        touched(fact, wanted)
    yield Need(wanted)
    held = (view.tasks[task_id] for task_id in wanted.tasks)
    leases = [view.lease(task.lease_id) for task in held if task is not None and task.lease_id is not None]
    agents = {lease.agent_id for lease in leases}
    if agents:
        yield Need(Reads(agents=agents))


def _grace(view: View, env: Env) -> None:
    """Give whoever holds a task in the restored log some time to be heard of."""
    for lease in view.leases.values():
        if lease is not None and lease.ended_at is None and lease.expires_at < env.now + GRACE:
            view.extend(lease, env.now + GRACE)
