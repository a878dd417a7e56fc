"""Performs golden histories: a script and what comes of it, in one text that can be reviewed.

Lines that begin with `$` are the script, and the indented lines below each are what came of it; `#` is a comment.

    $ lead: project.create review=required     WHO: OPERATION, the field that needs no name, NAME=VALUE ...
    $ lead: task.create "Write it" task_id=a ready_at=+60s requires=python,sql labels='["one label"]'
    $ ada: task.claim
    $ ada: task.complete a evidence=tested then_claim     with the token of the last lease on it that ada was granted
    $ bob: task.complete a token=L1                       ... with that of lease L1; token=forged, token=none
    $ wait 61s
    $ lead: import
    | {"tasks": []}                            lines that belong to the step above them
"""

from __future__ import annotations

import json
import shlex
from collections.abc import Iterator, Sequence
from typing import Any

import attrs
from attrs import define, field, frozen

from arbeit import sync
from arbeit.core import commands as c
from arbeit.core.errors import ArbeitError
from arbeit.core.leases import token_for
from arbeit.core.model import SECOND, Changes, Lease
from arbeit.exchange import taskmaster
from arbeit.ports import Job, LocalStore
from arbeit.testing.clock import VirtualClock
from arbeit.testing.faults import PassingStore
from arbeit.testing.history import Answered, Committed, Entry, Sent
from arbeit.testing.transcript import Transcript
from tests.core.harness import sendable

KEY = b"golden histories have no secrets"
PROJECT = "demo"
KINDS = {kind.operation: kind for kind in sendable()}
FIRST = {
    "project.create": "key",
    "queue.set": "queue",
    "agent.register": "agent_id",
    "task.create": "title",
    "context.supersede": "entry_id",
    "record.erase": "record_id",
    "secret.set": "name",
}
"""The field that needs no name, where it is not the task's id."""


@frozen
class Step:
    """One line of a script: what it says, and the lines that belong to it."""

    said: str
    body: str


class WatchedStore(PassingStore):
    """Notes what each transaction left behind."""

    def __init__(self, store: LocalStore) -> None:
        super().__init__(store)
        self.committed: list[tuple[str, Changes]] = []

    def transact(self, jobs: Sequence[Job]) -> list[Changes | Exception]:
        results = super().transact(jobs)
        left = zip(jobs, results, strict=True)
        self.committed += [(job.project, it) for job, it in left if isinstance(it, Changes) and not it.empty]
        return results


@define
class Stage:
    """A hub on a virtual clock, and what happened on it so far."""

    hub: sync.Hub
    clock: VirtualClock
    store: WatchedStore
    transcript: Transcript = field(factory=lambda: Transcript(key=KEY))
    tokens: dict[str, str] = field(factory=dict)
    """By lease."""
    latest: dict[tuple[str, str], str] = field(factory=dict)
    """The token of the last lease on a task that somebody was granted, by task and agent."""
    sent: int = 0

    def perform(self, step: Step) -> list[str]:
        """What comes of a step, as lines."""
        self.transcript.names.at(self.clock.now())
        if step.said.startswith("wait "):
            self.clock.tick(_micros(step.said.removeprefix("wait ")) / SECOND)
            return []
        caller, _, said = step.said.partition(": ")
        if said == "import":
            plan = taskmaster.parse(json.loads(step.body))
            commands = [attrs.evolve(command, actor=caller) for command in (*plan.tasks, *plan.relationships)]
            problems = [f"not taken: {problem.where} {problem.reason}" for problem in plan.problems]
            return [line for command in commands for line in self._send(caller, command)] + problems
        return self._send(caller, self.command(caller, said))

    def _send(self, caller: str, command: c.Command) -> list[str]:
        self.sent += 1
        self._line(Sent(self.clock.now(), self.sent, "", caller, PROJECT, command))
        answer = self._ask(command)
        said = [
            self._line(Committed(self.clock.now(), project, "", changes, self.clock.now()))
            for project, changes in self.store.committed
        ]
        self._learn()
        said.append(self._line(answer).replace(f"#{self.sent} < ", "", 1))
        return [line.strip() for text in said for line in text.split("\n")]

    def _ask(self, command: c.Command) -> Answered:
        try:
            result = sync.run(self.hub._session.execute(PROJECT, command))
        except ArbeitError as error:
            return Answered(self.clock.now(), self.sent, error)
        return Answered(self.clock.now(), self.sent, result)

    def _line(self, entry: Entry) -> str:
        line = self.transcript.line(entry)
        assert line is not None
        return line

    def _learn(self) -> None:
        for project, changes in self.store.committed:
            leases: list[Lease] = changes.new.get("lease", [])
            for lease in leases:
                token = token_for(KEY, project, lease)
                self.tokens[lease.id] = token
                self.latest[lease.task_id, lease.agent_id] = token
        self.store.committed.clear()

    # -- reading the script ----------------------------------------------------------------------------

    def command(self, caller: str, said: str) -> c.Command:
        """The command that a line of the script stands for."""
        operation, *words = shlex.split(said)
        kind = KINDS[operation]
        fields = dict(self._fields(kind, words))
        known = attrs.fields_dict(kind)
        if "agent" in known:
            fields.setdefault("agent", caller)
        if fields.pop("then_claim", None):
            fields["then_claim"] = c.ClaimTasks(actor=caller, agent=caller)
        if "token" in known:
            fields["token"] = self._token(fields.get("token"), fields.get("task_id", ""), caller)
        return kind(actor=caller, **fields)

    def _token(self, said: str | None, task_id: str, caller: str) -> str | None:
        if said is None:
            return self.latest.get((task_id, caller))
        # That of a lease which does not exist is a forged one.
        return None if said == "none" else self.tokens.get(said, "f" * 32)

    def _fields(self, kind: type[c.Command], words: list[str]) -> Iterator[tuple[str, Any]]:
        known = attrs.fields_dict(kind)
        if "from_task_id" in known:
            yield from zip(("from_task_id", "type", "to_task_id"), words, strict=False)
            words = words[3:]
        for word in words:
            name, between, value = word.partition("=")
            if between and name in known:
                yield name, self._value(str(known[name].type), value)
            elif word in known:
                yield word, True
            else:
                yield FIRST.get(kind.operation, "task_id"), self._id(word)

    def _value(self, declared: str, value: str) -> Any:  # noqa: ANN401 - whatever its field takes
        if value.startswith(("{", "[")):
            return json.loads(value)
        if "tuple" in declared:
            return tuple(self._id(part) for part in value.split(","))
        if "int" in declared and not value.isdigit():
            return self.clock.now() + _micros(value[1:]) if value.startswith("+") else _micros(value)
        if "int" in declared:
            return int(value)
        return value == "yes" if "bool" in declared else self._id(value)

    def _id(self, word: str) -> str:
        """The id of what the transcript calls so; the word itself where it calls nothing so."""
        return self.transcript.names.ids.get(word, word)


def _micros(length: str) -> int:
    return round(float(length.removesuffix("s")) * SECOND)


def perform(text: str, hub: sync.Hub, clock: VirtualClock) -> str:
    """A golden history with what comes of its script now."""
    session = hub._session
    store = session._store = session.kernel.store = WatchedStore(session.kernel.store)
    stage = Stage(hub, clock, store)
    lines = []
    for part in parts(text):
        if isinstance(part, Step):
            lines += [f"$ {part.said}", *(f"| {line}" for line in part.body.splitlines())]
            lines += [f"    {line}".rstrip() for line in stage.perform(part)]
        else:
            lines.append(part)
    return "\n".join(lines) + "\n"


def parts(text: str) -> Iterator[Step | str]:
    """The steps of a golden history, and its comments and empty lines; what came of the steps is left out."""
    said: str | None = None
    body: list[str] = []
    for line in [*text.splitlines(), None]:
        if line is not None and line.startswith("| "):
            body.append(line[2:])
        elif line is None or not line.startswith("    "):
            if said is not None:
                yield Step(said, "\n".join(body))
            said, body = (line[2:], []) if line is not None and line.startswith("$ ") else (None, [])
            if line is not None and said is None:
                yield line
