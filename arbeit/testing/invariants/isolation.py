"""The invariant of isolation: nothing of a project is seen from another."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

import attrs

from arbeit.core import commands as c
from arbeit.core import events as e
from arbeit.core.errors import ArbeitError
from arbeit.core.model import Event, Reply
from arbeit.core.record import names_of, values_of
from arbeit.testing.history import Answered, Committed, Followed, Looked, Sent
from arbeit.testing.invariants.base import Checker, Terms, facts_in

_MAKES: Mapping[type[e.Fact], tuple[str, ...]] = {
    e.TaskCreated: ("task_id", "parent_edge"),
    e.TaskImported: ("task_id", "outcome_id"),
    e.TaskClaimed: ("lease_id", "run_id"),
    e.TaskHandedOver: ("lease_id", "new_run_id", "entry_id"),
    e.TaskReleased: ("entry_id",),
    e.TaskFailed: ("entry_id",),
    e.TaskReclaimed: ("entry_id",),
    e.ChangesRequested: ("entry_id",),
    e.TaskCompleted: ("entry_id",),
    e.TaskSubmitted: ("entry_id",),
    e.ReviewApproved: ("entry_id",),
    e.ContextAdded: ("entry_id",),
    e.ContextSuperseded: ("entry_id",),
    e.RelationshipAdded: ("relationship_id",),
    e.RelationshipImported: ("relationship_id",),
    e.SessionLinked: ("link_id",),
    e.FileLinked: ("link_id",),
    e.ArtifactAttached: ("artifact_id",),
    e.SecretSet: ("secret_id",),
    e.ContextImported: ("entry_id",),
    e.ProgressImported: ("item_id",),
    e.SessionImported: ("link_id",),
    e.FileImported: ("link_id",),
    e.ArtifactImported: ("artifact_id",),
    e.RunImported: ("run_id",),
}
"""The ids that a fact gives to what it makes."""
_ID = re.compile(r"\b[a-z]{3}-[0-9a-z]{10}\b")


class Isolation(Checker):
    """Projects.

    Ids are told apart by the project whose log made them; one that two projects made (by imports) tells nothing.
    """

    name = "isolation"
    promise = (
        "Nothing of one project is ever shown to who asks in another: no task, entry, run, lease or other record, "
        "neither in replies, errors and reads nor to followers, and no project's log speaks of another's tasks."
    )

    def __init__(self, terms: Terms | None = None) -> None:
        super().__init__(terms)
        self._owners: dict[str, str | None] = {}
        self._sent: dict[int, Sent] = {}
        self._projects: set[str] = set()

    def committed(self, entry: Committed) -> None:
        """Learn whose ids are whose, and judge what the log speaks of."""
        self._projects.add(entry.project)
        for event, fact in facts_in(entry):
            for made in _made(fact):
                owner = self._owners.setdefault(made, entry.project)
                if owner != entry.project:
                    self._owners[made] = None
            self._judge_event(entry.project, event, f"event {event.id}")
            for other in _ids_named(fact):
                self._judge(entry.project, other, f"event {event.id}")

    def _judge_event(self, project: str, event: Event, where: str) -> None:
        if event.project != project:
            self.say(f"{where}, of {event.project}, is shown in {project}")
        if event.task_id is not None:
            self._judge(project, event.task_id, where)

    def _judge(self, project: str, found: str, where: str) -> None:
        owner = self._owners.get(found)
        if owner is not None:
            self.judged += 1
            if owner != project:
                self.say(f"{where} shows {found} of {owner} in {project}")

    def sent(self, entry: Sent) -> None:
        """Remember in which project a command was sent."""
        self._sent[entry.number] = entry

    def answered(self, entry: Answered) -> None:
        """Look through a reply, or an error."""
        sent = self._sent.pop(entry.number, None)
        if sent is None:
            return
        where = f"the answer to {sent.command.operation} {sent.number}"
        for command, result in entry.parts(sent):
            if isinstance(result, Reply):
                self._search(sent.project, result, where)
            else:
                self._refusal(sent.project, command, result, where)

    def _refusal(self, project: str, command: c.Command, error: ArbeitError, where: str) -> None:
        """Look through an error, which may repeat what its caller had named, for the caller knew that already."""
        known = {text for _, text in _texts(command)}
        said = _ID.findall(f"{error.message} {' '.join(error.suggestions)}")
        for found in (*said, *(text for _, text in _texts(error.data))):
            if found not in known:
                self._judge(project, found, where)

    def looked(self, entry: Looked) -> None:
        """Look through what a reader was shown."""
        if entry.project in self._projects:
            self._search(entry.project, entry.shown, f"{entry.what} by {entry.caller}")

    def followed(self, entry: Followed) -> None:
        """Look at an event that a follower was given."""
        self._judge_event(entry.project, entry.event, f"event {entry.event.id} to follower {entry.follower}")

    def _search(self, project: str, shown: object, where: str) -> None:
        owners = self._owners
        for name, text in _texts(shown):
            if name == "project" and text in self._projects and text != project:
                self.say(f"{where} shows project {text} in {project}")
            # Most texts are nobody's id.
            if text in owners:
                self._judge(project, text, where)


def _made(fact: e.Fact) -> Iterator[str]:
    names = (getattr(fact, name) for name in _MAKES.get(type(fact), ()))
    yield from (name for name in names if name is not None)
    if isinstance(fact, e.ProgressAdded):
        yield from (item for item, _ in fact.items)
    elif isinstance(fact, e.TaskCreated):
        yield from (edge for edge, _, _ in fact.edges)


def _ids_named(fact: e.Fact) -> Iterator[str]:
    """The tasks that a fact speaks of beside its own."""
    if isinstance(fact, e.TaskCreated):
        yield from (blocker for _, blocker, _ in fact.edges)
        if fact.parent_id is not None:
            yield fact.parent_id
    elif isinstance(fact, e.RelationshipAdded | e.RelationshipRemoved):
        yield fact.to_task_id


def _texts(shown: Any, name: str = "") -> list[tuple[str, str]]:  # noqa: ANN401 - whatever a reader is shown
    """Every text in a value, with the name of the field that it stands in."""
    found: list[tuple[str, str]] = []
    _gather(shown, name, found)
    return found


def _gather(shown: Any, name: str, found: list[tuple[str, str]]) -> None:  # noqa: ANN401 - as above
    kind = type(shown)
    if kind is str:
        found.append((name, shown))
    elif names := _NAMES.get(kind) or _names(kind):
        for field, value in zip(names, values_of(shown), strict=True):
            if type(value) is str:
                found.append((field, value))
            elif value and type(value) is not int:
                _gather(value, field, found)
    elif kind in _LISTS:
        for value in shown:
            _gather(value, name, found)
    elif isinstance(shown, Mapping):
        for key, value in shown.items():
            _gather(key, name, found)
            _gather(value, key if isinstance(key, str) else name, found)


def _names(kind: type) -> tuple[str, ...]:
    """The fields of a class of records; none of any other."""
    found = _NAMES[kind] = names_of(kind) if kind not in _PLAIN and attrs.has(kind) else ()
    return found


_NAMES: dict[type, tuple[str, ...]] = {}
_LISTS = frozenset({list, tuple, set, frozenset})
_PLAIN = frozenset({int, bool, float, bytes, type(None)})
