"""From a history to what each task's callers did and saw, as lists of operations that can be checked."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from attrs import define, evolve, field, frozen, has

from arbeit.core import commands as c
from arbeit.core.errors import ArbeitError, Code
from arbeit.core.leases import token_for
from arbeit.core.model import Grant, Reply, Task
from arbeit.core.record import values_of
from arbeit.testing.history import Answered, Committed, History, Looked, Sent
from arbeit.testing.linearizability.operations import UNKNOWN, Operation
from arbeit.testing.linearizability.tasks import Seen, TaskAction

Place = tuple[str, str]
"""A project's key and a task's id."""
_VISIBLE = ("status", "fence", "assignee", "attempt", "version")


def operations(history: History, *, key: bytes | None = None, witnessed: bool = False) -> dict[Place, list[Operation]]:
    """What happened to each task, by (project, task id): the input of `check_parts`.

    The history has to begin with the first command of its projects. `key` is the deployment's secret, by which
    the checker knows whose token is whose; without it, a token counts as good whenever its bearer holds the task.

    Where the history has every commit, and commands have correlation ids of their own, `witnessed` lets the log say
    what became of commands that nobody heard of: each counts for the tasks that its events speak of, and for no other.
    Without it each of them may have done anything, or nothing, which is what makes long searches.

    Repetitions of a command under its idempotency key are one operation. An answer of STORE_UNAVAILABLE leaves the
    outcome unknown. A `Looked` counts from the last thing that the same caller did: callers do one thing at a time.
    """
    calls = _merged(_calls(history))
    tokens = _tokens(calls, key)
    found = _Found(_effects(history) if witnessed else None)
    for call in calls:
        found.take(call, tokens)
    for project, at, before, entry in _looks(history):
        for task_id, shown in _pictures(entry.shown):
            name = f"{entry.process}/{entry.caller} {entry.what}: {_told(shown)}"
            action = TaskAction("get", actor=entry.caller)
            found.parts[project, task_id].append(Operation(name, action, Seen(shown), before, at))
    found.spread()
    return dict(found.parts)


@frozen(eq=False)
class _Call:
    sent: Sent
    called: int
    returned: int | None
    result: Any

    @property
    def who(self) -> str:
        return f"{self.sent.process}/{self.sent.caller}"


def _calls(history: History) -> list[_Call]:
    answers = {one.number: (at, one) for at, one in enumerate(history.entries) if isinstance(one, Answered)}
    calls: list[_Call] = []
    for at, entry in enumerate(history.entries):
        if isinstance(entry, Sent):
            returned, answer = answers.get(entry.number, (None, None))
            parts = answer.parts(entry) if answer is not None else [(one, UNKNOWN) for one in entry.parts()]
            calls += [_call(entry, command, at, returned, result) for command, result in parts]
    return calls


def _call(sent: Sent, command: c.Command, called: int, returned: int | None, result: object) -> _Call:
    if command is not sent.command:
        sent = evolve(sent, command=command)
    if isinstance(result, ArbeitError) and result.code is Code.STORE_UNAVAILABLE:
        return _Call(sent, called, None, UNKNOWN)
    return _Call(sent, called, returned, result)


def _merged(calls: Sequence[_Call]) -> list[_Call]:
    """Repetitions under one idempotency key as one call, from the first sending to the first answer.

    An answer that differs from the first stays a call of its own: no task can explain it, if it says that something
    was done a second time. But an answer that nothing was ready is never given again: the next one counts as the first.
    """
    first: dict[tuple[str, ...], int] = {}
    merged: list[_Call] = []
    for call in calls:
        command = call.sent.command
        if command.idempotency_key is None or isinstance(call.result, ArbeitError):
            merged.append(call)
            continue
        same = (call.sent.project, command.actor, command.operation, command.idempotency_key)
        if same not in first:
            first[same] = len(merged)
            merged.append(call)
            continue
        known = merged[first[same]]
        if known.returned is None:
            merged[first[same]] = _Call(known.sent, known.called, call.returned, call.result)
        elif _gist(known.result) == _NOTHING:
            first[same] = len(merged)
            merged.append(call)
        elif call.returned is not None and _gist(call.result) != _gist(known.result):
            merged.append(call)
    return merged


_NOTHING: object = (None, [])
"""The gist of an answer that nothing was done."""


def _gist(result: object) -> object:
    """What an answer says of tasks and leases; its text may differ, as an erasure takes it out of stored replies."""
    if not isinstance(result, Reply):
        return result
    task = (result.task.id, _shown(result.task)) if result.task is not None else None
    return task, [(grant.task.id, grant.lease.id, _shown(grant.task)) for grant in result.grants]


def _tokens(calls: Sequence[_Call], key: bytes | None) -> dict[tuple[str, str, str], int]:
    """The fence of every token that somebody was given, by project, task and token: for another task it is none."""
    if key is None:
        return {}
    granted = ((call.sent.project, grant) for call in calls for grant in _grants(call.result))
    return {
        (project, grant.task.id, token_for(key, project, grant.lease)): grant.lease.fence for project, grant in granted
    }


def _grants(result: object) -> tuple[Grant, ...]:
    return result.grants if isinstance(result, Reply) else ()


# -- commands ----------------------------------------------------------------------------------------------------------


Effects = Mapping[tuple[str, ...], set[Place]]
"""By correlation id, and by project, actor and idempotency key: the tasks of which events tell."""


def _effects(history: History) -> Effects:
    found: dict[tuple[str, ...], set[Place]] = defaultdict(set)
    for entry in history.entries:
        if isinstance(entry, Committed):
            for event in entry.changes.events:
                if event.task_id is not None:
                    place = (entry.project, event.task_id)
                    found[event.correlation_id or "",].add(place)
                    found[entry.project, event.actor, event.idempotency_key or ""].add(place)
    return found


@define(eq=False)
class _Found:
    effects: Effects | None
    parts: dict[Place, list[Operation]] = field(factory=lambda: defaultdict(list))
    made: set[Place] = field(factory=set)
    """Tasks whose making was heard of, or was asked for by id."""
    makers: list[tuple[_Call, Operation]] = field(factory=list)
    """Makings whose outcome nobody heard, of a task whose id nobody knows."""
    claimers: list[tuple[_Call, Operation]] = field(factory=list)
    """Claims whose outcome nobody heard, of whichever task."""

    def take(self, call: _Call, tokens: Mapping[tuple[str, str, str], int]) -> None:
        """Put a call in the lists of the tasks that it was about."""
        command, project = call.sent.command, call.sent.project
        about = _about(call)
        action = _action(project, command, tokens)
        if about is not None and self._may_concern(call, (project, about)):
            self.parts[project, about].append(_operation(call, action, about))
            if action.operation in {"task.create", "task.import"}:
                self.made.add((project, about))
        elif about is None and call.returned is None and isinstance(command, c.CreateTask):
            self.makers.append((call, _operation(call, action, None)))
        for grant in _grants(call.result):
            if grant.task.id != about:
                granted = TaskAction("", actor=command.actor, agent=grant.lease.agent_id)
                self.parts[project, grant.task.id].append(_operation(call, granted, grant.task.id))
        agent = _claimer(command)
        if call.returned is None and agent is not None:
            self.claimers.append((call, _operation(call, TaskAction("", actor=command.actor, agent=agent), None)))

    def spread(self) -> None:
        """Put what may have been about any task in the lists of those that it can concern."""
        for place, found in self.parts.items():
            last = max(one.returned if one.returned is not None else one.called for one in found)
            makers = () if place in self.made else self.makers
            found += [
                one
                for call, one in (*self.claimers, *makers)
                if call.sent.project == place[0] and one.called < last and self._may_concern(call, place)
            ]

    def _may_concern(self, call: _Call, place: Place) -> bool:
        """Whether a call may have done something to a task. Of repetitions, any may be the one that did it."""
        command = call.sent.command
        if self.effects is None or call.returned is not None:
            return True
        if command.idempotency_key is not None:
            return place in self.effects.get((call.sent.project, command.actor, command.idempotency_key), ())
        return command.correlation_id is None or place in self.effects.get((command.correlation_id,), ())


def _about(call: _Call) -> str | None:
    """The task that a command names, or that its reply says it was about; None for commands about none, or any."""
    command = call.sent.command
    named: str | None = getattr(command, "task_id", None)
    if isinstance(call.result, ArbeitError) and call.result.data.get("task_id", named) != named:
        # Said of another task: a blocker, or a parent.
        return None
    if isinstance(call.result, Reply) and call.result.task is not None:
        return call.result.task.id
    return named


def _claimer(command: c.Command) -> str | None:
    """Who may be granted a task that the command does not name."""
    if isinstance(command, c.ExplainClaim):
        return None
    if isinstance(command, c.ClaimTasks):
        return command.agent
    then: c.ClaimTasks | None = getattr(command, "then_claim", None)
    return then.agent if then is not None else None


def _action(project: str, command: c.Command, tokens: Mapping[tuple[str, str, str], int]) -> TaskAction:
    token: str | None = getattr(command, "token", None)
    then: c.ClaimTasks | None = getattr(command, "then_claim", None)
    return TaskAction(
        command.operation,
        actor=command.actor,
        agent=getattr(command, "agent", None) or getattr(command, "to_agent", None),
        fence=tokens.get((project, getattr(command, "task_id", ""), token)) if token is not None else None,
        token=token is not None,
        force=bool(getattr(command, "forced", False)),
        then_claim=then.agent if then is not None else None,
        expected=getattr(command, "expected_version", None),
        status=getattr(command, "status", "open"),
    )


def _operation(call: _Call, action: TaskAction, task_id: str | None) -> Operation:
    name = f"{call.who} {action.operation or 'claim'}"
    if isinstance(call.result, ArbeitError):
        return Operation(f"{name}: {call.result.code}", action, call.result, call.called, call.returned)
    if not isinstance(call.result, Reply):
        return Operation(f"{name}: never answered", action, UNKNOWN, call.called, None)
    grant = next((one for one in call.result.grants if one.task.id == task_id), None)
    task = call.result.task
    # A task that was ended and granted again in one command is shown as it was at the end of all.
    shown = _shown(grant.task) if grant is not None else _shown(task) if task is not None else {}
    seen = Seen(shown, grant.lease.fence if grant is not None else None)
    return Operation(f"{name}: {_told(shown)}", action, seen, call.called, call.returned)


def _shown(task: Task) -> Mapping[str, Any]:
    return {name: getattr(task, name) for name in _VISIBLE}


def _told(shown: Mapping[str, Any]) -> str:
    return ", ".join(f"{name} {shown[name]}" for name in _VISIBLE if name in shown) or "done"


# -- reads -------------------------------------------------------------------------------------------------------------


def _looks(history: History) -> Iterator[tuple[str, int, int, Looked]]:
    """Every read: its project, where it stands, and from where on it can have been made."""
    last: dict[tuple[str, str], int] = {}
    senders: dict[int, tuple[str, str]] = {}
    for at, entry in enumerate(history.entries):
        if isinstance(entry, Sent):
            senders[entry.number] = who = (entry.process, entry.caller)
        elif isinstance(entry, Answered) and entry.number in senders:
            who = senders[entry.number]
        elif isinstance(entry, Looked):
            who = (entry.process, entry.caller)
            yield entry.project, at, last.get(who, -1), entry
        else:
            continue
        last[who] = at


def _pictures(shown: object) -> list[tuple[str, Mapping[str, Any]]]:
    """Every task in what a reader was shown, however deep: itself, or a mapping with an id and a status."""
    found: list[tuple[str, Mapping[str, Any]]] = []
    left = [shown]
    while left:
        one = left.pop()
        parts: Iterable[object] = ()
        if isinstance(one, Task):
            found.append((one.id, _shown(one)))
        elif isinstance(one, list | tuple):
            parts = one
        elif isinstance(one, Mapping):
            if isinstance(one.get("id"), str) and "status" in one:
                found.append((one["id"], {name: one[name] for name in _VISIBLE if name in one}))
            parts = one.values()
        elif has(type(one)):
            parts = values_of(one)
        left += [part for part in parts if type(part) not in _PLAIN]
    return found


_PLAIN = frozenset({str, int, bool, float, bytes, type(None)})
