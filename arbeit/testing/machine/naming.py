"""Names that stand for what is there when a command is sent: `held-0` is the task held last, `right` its token.

Strategies are built once and cannot know what a run has made. So commands are drawn with stand-ins, each of which is
a sound id by itself, and what they stand for is put in before a command is sent. A stand-in for which there is
nothing yet stays as it is, and names something that does not exist.
"""

from __future__ import annotations

import re
from typing import Any

from attrs import define, evolve, field
from hypothesis import strategies as st

from arbeit.core import commands as c
from arbeit.core.leases import token_for
from arbeit.core.model import Grant, Reply, Task
from arbeit.core.record import names_of
from arbeit.testing.clock import START
from arbeit.testing.machine.reference import Reference
from arbeit.testing.strategies import Vocabulary

AGENTS = ("ada", "bob", "cyd", "boss")
BOSS = "boss"
QUEUES = ("default", "docs", "ops")
SKILLS = ("python", "review", "sql")
FORGED = "f" * 32
RIGHT, STALE, BORROWED = "right", "stale", "borrowed"
"""Tokens that are put in when a command is sent: the holder's, one that has ended, one shown by another."""
_STAND_IN = re.compile(r"(task|held|judged|entry|item|artifact)-(\d)")
_SECOND = 1_000_000


def _numbered(word: str, most: int) -> list[str]:
    return [f"{word}-{number}" for number in range(most)]


TASKS = st.sampled_from([*_numbered("task", 6), "nowhere"])
HELD = st.sampled_from([*_numbered("held", 3), "held-0", "task-0"])
JUDGED = st.sampled_from(["judged-0", "judged-0", "judged-1", "held-0"])
WORDS = Vocabulary(
    actors=st.sampled_from(AGENTS),
    agents=st.sampled_from(AGENTS),
    tasks=TASKS,
    queues=st.sampled_from(QUEUES),
    capabilities=st.sampled_from(SKILLS),
    entries=st.sampled_from([*_numbered("entry", 4), "nowhere"]),
    items=st.sampled_from([*_numbered("item", 4), "nowhere"]),
    artifacts=st.sampled_from([*_numbered("artifact", 2), "nowhere"]),
    sessions=st.sampled_from(("s-1", "s-2")),
    paths=st.sampled_from(("a.py", "b.py")),
    secrets=st.sampled_from(("github", "vault")),
    tokens=st.sampled_from((RIGHT, RIGHT, STALE, BORROWED, FORGED)),
    keys=st.sampled_from(("key-1", "key-2", "k\u00e9y")),
    moments=st.integers(0, 120).map(lambda seconds: START + seconds * _SECOND),
    edges=False,
)
"""Few enough names that the commands of a run meet each other."""


@define
class Known:
    """What a run has made so far, the latest last."""

    project: str
    key: bytes
    tasks: list[str] = field(factory=list)
    entries: list[str] = field(factory=list)
    items: list[tuple[str, str]] = field(factory=list)
    artifacts: list[str] = field(factory=list)
    tokens: dict[str, list[tuple[str, str]]] = field(factory=dict)
    """By task: (agent, token) of every grant that was ever told, the latest last."""

    def learn(self, reply: Reply) -> None:
        """Note what a reply tells of."""
        if reply.task is not None and reply.task.id not in self.tasks:
            self.tasks.append(reply.task.id)
        self.entries += [one.id for one in reply.entries if one.id not in self.entries]
        self.items += [(one.task_id, one.id) for one in reply.items if (one.task_id, one.id) not in self.items]
        if reply.artifact is not None and reply.artifact.id not in self.artifacts:
            self.artifacts.append(reply.artifact.id)
        for grant in reply.grants:
            self._granted(grant)

    def _granted(self, grant: Grant) -> None:
        told = self.tokens.setdefault(grant.task.id, [])
        shown = (grant.lease.agent_id, token_for(self.key, self.project, grant.lease))
        if shown not in told:
            told.append(shown)

    # -- stand-ins -------------------------------------------------------------------------------------

    def spoken(self, command: c.Command, reference: Reference) -> c.Command:
        """A command with what its stand-ins stand for."""
        changes: dict[str, Any] = {}
        for name in names_of(type(command)):
            value = getattr(command, name)
            if isinstance(value, str) and name != "token":
                changes[name] = self._named(value, reference)
            elif isinstance(value, tuple) and name in {"blocked_by", "item_ids"}:
                changes[name] = tuple(sorted({self._named(one, reference) for one in value}))
            elif isinstance(command, c.RenewLeases) and name == "items":
                changes[name] = tuple(self.spoken(one, reference) for one in command.items)
        made = evolve(command, **changes)
        return self._proven(self._of_one_task(made), reference)

    def _named(self, word: str, reference: Reference) -> str:
        match = _STAND_IN.fullmatch(word)
        if match is None:
            return word
        there = self._there(match[1], reference)
        at = int(match[2])
        return there[-1 - at] if at < len(there) else word

    def _there(self, kind: str, reference: Reference) -> list[str]:
        lists = {"task": self.tasks, "entry": self.entries, "artifact": self.artifacts}
        if kind in lists:
            return lists[kind]
        if kind == "item":
            return [item for _, item in self.items]
        tasks: list[Task] = [task for task in reference.rows["task"].values() if task.lease_id is not None]
        wanted = [task for task in tasks if kind != "judged" or task.status == "in_review"]
        # Where nobody holds any, whatever is there is written to with a token that is none.
        return [one.id for one in sorted(wanted, key=lambda one: (one.updated_at, one.version, one.id))] or self.tasks

    def _of_one_task(self, command: c.Command) -> c.Command:
        """Lines of a checklist belong to one task, so a command about them names it."""
        if isinstance(command, c.CompleteProgress):
            of = [task for task, item in self.items if item in command.item_ids]
            return evolve(command, task_id=of[0]) if of and command.task_id != "nowhere" else command
        if isinstance(command, c.EraseRecord) and command.kind == "item" and command.task_id is not None:
            of = [task for task, item in self.items if item == command.record_id]
            return evolve(command, task_id=of[0]) if of else command
        return command

    def _proven(self, command: c.Command, reference: Reference) -> c.Command:
        """Put a token in where one is asked for, and let its holder speak."""
        shown: dict[str, Any] = {}
        token = getattr(command, "token", None)
        if token in {RIGHT, STALE, BORROWED}:
            agent, real = self._token(str(getattr(command, "task_id", "")), token, reference)
            shown = {"token": real, "actor": command.actor if token == BORROWED else agent or command.actor}
        then = getattr(command, "then_claim", None)
        if then is not None:
            actor = shown.get("actor", command.actor)
            shown["then_claim"] = evolve(then, actor=actor, agent=actor)
        return evolve(command, **shown) if shown else command

    def _token(self, task_id: str, wanted: str, reference: Reference) -> tuple[str, str]:
        told = self.tokens.get(task_id, [])
        task = reference.rows["task"].get(task_id)
        if wanted == STALE and len(told) > 1:
            return told[-2]
        if wanted == RIGHT and task is not None and task.lease_id is not None:
            # Also that of a task which was handed over, whose new holder has not been told.
            lease = reference.rows["lease"][task.lease_id]
            return lease.agent_id, token_for(self.key, self.project, lease)
        return told[-1] if told else ("", FORGED)
