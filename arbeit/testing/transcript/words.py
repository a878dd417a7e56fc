"""Commands, replies and recorded facts in one line each: what matters of them, defaults left out."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any

from attrs import frozen

from arbeit.core import commands as c
from arbeit.core.errors import ArbeitError
from arbeit.core.model import Changes, Event, Explanation, Grant, Renewal, Reply, Task
from arbeit.core.record import sparse
from arbeit.testing.transcript.names import Names

_UNSAID = frozenset({"actor", "idempotency_key", "correlation_id", "causation_id", "traceparent", "token", "sha256"})
_FIRST = ("task_id", "artifact_id", "title", "name", "entry_id")
"""Fields that need no name beside them."""

_CALLED: Mapping[str, str] = {
    "agent_id": "agent",
    "entry_id": "entry",
    "expires_at": "until",
    "file_operation": "operation",
    "idempotency_key": "key",
    "item_ids": "items",
    "lease_id": "lease",
    "new_run_id": "run",
    "old_id": "old",
    "parent_id": "parent",
    "ready_at": "ready",
    "record_id": "record",
    "session_id": "session",
    "to_agent": "to",
    "to_task_id": "to",
}
"""Fields that go by a shorter word."""

# What the scheduler keeps for itself, ids that nothing refers to, and digests.
_INNER = frozenset(
    {
        "tag_after",
        "remainder",
        "virtual_time",
        "rank",
        "ranks",
        "parent_edge",
        "relationship_id",
        "link_id",
        "trace_id",
        "sha256",
        "uri",
        "depth",
        "depths",
        "position",
        "events",
    }
)


@frozen
class Words:
    """Puts things into words, with the names of one transcript."""

    names: Names

    # -- commands --------------------------------------------------------------------------------------

    def command(self, command: c.Command, caller: str = "") -> str:
        """What was asked for, by whom where that is not its caller, with which token, under which key."""
        said = sparse(type(command), _UNSAID)(command)
        if said.get("agent") == command.actor:
            del said["agent"]
        parts = [command.operation, *self._fields(said)]
        token = getattr(command, "token", None)
        if token is not None:
            parts.append(f"with {self.names.token(token)}")
        if command.idempotency_key is not None:
            parts.append(f"key={self.names.value('key', command.idempotency_key)}")
        if command.actor != caller:
            parts.append(f"as {command.actor}")
        return " ".join(parts)

    def _fields(self, said: dict[str, Any], hidden: frozenset[str] = frozenset()) -> Iterator[str]:
        if "from_task_id" in said:
            yield f"{self.names.name(said.pop('from_task_id'))} {said.pop('type')} {self._named(said, 'to_task_id')}"
        for name in _FIRST:
            if name in said:
                yield self._named(said, name)
        for name, value in said.items():
            if name not in hidden:
                yield self._field(name, value)

    def _named(self, said: dict[str, Any], name: str) -> str:
        value = said.pop(name)
        return self.names.text(value) if name == "title" and isinstance(value, str) else self.names.value(name, value)

    def _field(self, name: str, value: object) -> str:
        called = _CALLED.get(name, name)
        if value is True:
            return called
        if isinstance(value, c.ClaimTasks):
            return f"then {self.command(value, value.actor)}"
        if isinstance(value, tuple) and value and isinstance(value[0], c.RenewLease):
            return _each(value, lambda one: f"({one.actor}: {self.command(one, one.actor)})")
        return f"{called}={self.names.value(name, value)}"

    # -- outcomes --------------------------------------------------------------------------------------

    def outcome(self, project: str, result: Reply | ArbeitError, command: c.Command | None, *, brief: bool) -> str:
        """What a caller heard: what it was given and where things stand, or the error's code."""
        if isinstance(result, ArbeitError):
            said = "" if brief else f": {self.names.plain(result.message)}"
            return f"{result.code}{said}"
        parts = [*self._reply(project, result)]
        if not result.grants and isinstance(command, c.ClaimTasks) and result.explanation is None:
            parts.append("nothing ready")
        return "ok " + "; ".join(parts) if parts else "ok"

    def _reply(self, project: str, reply: Reply) -> Iterator[str]:
        if reply.task is not None:
            yield self.task(reply.task)
        for grant in reply.grants:
            yield self._grant(project, grant)
        for name, say in _SAID.items():
            value = getattr(reply, name)
            if value is not None and value != ():
                yield say(self, value)
        if reply.count or reply.cursor is not None:
            yield f"count {reply.count}" + (", more to come" if reply.cursor is not None else "")

    def task(self, task: Task) -> str:
        """Where a task stands."""
        parts = [self.names.name(task.id), task.status]
        if task.claim_status == "held":
            parts.append(f"held by {task.assignee}")
        elif task.claim_status == "delayed":
            parts.append(f"delayed until {self.names.at(task.ready_at)}")
        elif task.claim_status != "none":
            parts.append(task.claim_status)
        if task.deleted_at is not None:
            parts.append("deleted")
        if task.block_reason:
            parts.append(f"because {self.names.value('reason', task.block_reason)}")
        return " ".join((*parts, f"v{task.version}"))

    def _grant(self, project: str, grant: Grant) -> str:
        lease = self.names.meet(project, grant.lease)
        until = self.names.at(grant.lease.expires_at)
        named = f"granted {self.names.name(grant.task.id)} {self.names.text(grant.task.title, 40)}"
        return (
            f"{named} to {grant.lease.agent_id} under {lease} {self.names.name(grant.run.id)} "
            f"fence={grant.lease.fence} until={until} attempt={grant.run.attempt}"
        )

    def renewal(self, one: Renewal) -> str:
        """What became of one lease among many."""
        if one.refused is not None:
            return f"{self.names.name(one.task_id)} {one.refused.code}"
        said = (f"warning {notice.code}" for notice in one.warnings)
        return " ".join((f"{self.names.name(one.task_id)} until={self.names.at(one.expires_at or 0)}", *said))

    def explanation(self, why: Explanation) -> str:
        """What a claim would be given, and what it was passed over for."""
        given = "nothing" if why.task_id is None else f"{self.names.name(why.task_id)} of {why.queue}"
        passed = ", ".join(f"{one.queue} ({one.reason})" for one in why.passed)
        return f"would give {given}" + (f", passing over {passed}" if passed else "")

    # -- commits ---------------------------------------------------------------------------------------

    def commit(self, project: str, changes: Changes) -> list[str]:
        """A headline, then each recorded fact; a single fact stands in the headline."""
        for lease in changes.new.get("lease", ()):
            self.names.meet(project, lease)
        facts = [self.event(event) for event in changes.events]
        if len(facts) == 1:
            return [" ".join((f"commit {facts[0]}", *self._besides(changes)))]
        where = f" @{changes.events[0].position}-{changes.events[-1].position}" if facts else ""
        return [" ".join((f"commit{where}", *self._besides(changes))), *(f"  {fact}" for fact in facts)]

    def _besides(self, changes: Changes) -> Iterator[str]:
        if changes.beats:
            beats = (
                f"{self.names.name(beat.lease_id)} until={self.names.at(beat.expires_at)}" for beat in changes.beats
            )
            yield f"[beats {', '.join(beats)}]"
        if changes.receipts:
            keys = (self.names.value("key", receipt.key) for receipt in changes.receipts)
            yield f"[receipts {', '.join(keys)}]"
        if changes.erased:
            yield f"[erased {', '.join(f'@{position}' for position, _ in changes.erased)}]"
        if changes.forget_receipts_before is not None:
            yield f"[receipts before {self.names.at(changes.forget_receipts_before)} forgotten]"

    def event(self, event: Event) -> str:
        """A recorded fact: its position, tag, task and run, what it says, and who did it."""
        about = [self.names.name(part) for part in (event.task_id, event.run_id) if part is not None]
        said = self._fields(json.loads(event.data), _INNER)
        return " ".join((f"@{event.position}", event.type, *about, *said, f"by {event.actor}"))


def _each(values: Iterable[Any], say: Callable[[Any], str]) -> str:
    return ", ".join(map(say, values))


# The order is that of what a reader looks for first.
_SAID: Mapping[str, Callable[[Words, Any], str]] = {
    "project": lambda _, it: f"project {it.key}" + (" archived" if it.archived_at is not None else ""),
    "queue": lambda _, it: f"queue {it.name} weight={it.weight}" + (" paused" if it.paused else ""),
    "agent": lambda _, it: f"agent {it.id}",
    "relationship": lambda w, it: f"{w.names.name(it.from_task_id)} {it.type} {w.names.name(it.to_task_id)}",
    "run": lambda w, it: w.names.name(it.id) + (f" {it.result}" if it.result is not None else ""),
    "session": lambda w, it: f"session {w.names.value('session', it.session_id)}",
    "file": lambda w, it: f"file {w.names.value('path', it.path)}",
    "artifact": lambda w, it: f"{w.names.name(it.id)} {w.names.value('name', it.name)}",
    "secret": lambda w, it: f"secret {w.names.value('name', it.name)}",
    "entries": lambda w, it: _each(it, lambda entry: f"{w.names.name(entry.id)} {entry.type}"),
    "items": lambda w, it: _each(it, lambda item: w.names.name(item.id) + (" done" if item.completed else "")),
    "expires_at": lambda w, it: f"until={w.names.at(it)}",
    "explanation": lambda w, it: w.explanation(it),
    "warnings": lambda _, it: _each(it, lambda notice: f"warning {notice.code}"),
    "renewals": lambda w, it: _each(it, w.renewal),
}
