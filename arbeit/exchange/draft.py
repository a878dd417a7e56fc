"""A plan in the making: every record that is put in comes out as a command or as a problem."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

from attrs import Factory, define, field, frozen

from arbeit.core import limits
from arbeit.core.commands import AddRelationship, ImportTask
from arbeit.core.errors import ArbeitError, Code
from arbeit.core.model import EMPTY, Frozen, Status
from arbeit.exchange.circles import Link, Web

SHOWN_CHARACTERS = 300


def legible(text: str) -> str:
    """Text of a file made fit to show: control characters and half surrogates escaped, long text cut."""
    cut = text if len(text) <= SHOWN_CHARACTERS else text[: SHOWN_CHARACTERS - 3] + "..."
    return "".join(sign if sign.isprintable() else sign.encode("unicode_escape").decode() for sign in cut)


def json_type(value: object) -> str:
    """What JSON calls a value."""
    if value is None or isinstance(value, bool):
        return {None: "null", True: "true", False: "false"}[value]
    kinds = {str: "text", int: "a number", float: "a number", list: "a list", dict: "an object"}
    return next((name for kind, name in kinds.items() if isinstance(value, kind)), type(value).__name__)


def label(value: object) -> str:
    """A record in a few words: an object by its id and title, text and numbers as they stand."""
    if isinstance(value, Mapping):
        named = [label(value[key]) for key in ("id", "title") if isinstance(value.get(key), str | int | float)]
        return " ".join(named) or "an object without id and title"
    if isinstance(value, str):
        return value
    whole = isinstance(value, int) and not isinstance(value, bool) and abs(value) <= limits.MAX_INTEGER
    return repr(value) if whole or isinstance(value, float) else json_type(value)


@frozen
class Problem:
    """A record that could not be taken.

    Attributes:
        where: its place in the file, such as `master.tasks[3].subtasks[1].dependencies[0]`.
        reason: why not, for a person or an agent.
        record: the record in a few words: id and title, or the value itself.
    """

    where: str = field(converter=legible)
    reason: str = field(converter=legible)
    record: str = field(converter=legible)


@frozen
class Plan:
    """What takes a plan over. All tasks are created first, then all relationships.

    Attributes:
        source_format: which format the file has.
        tasks, relationships: the commands, in the order of the file; parents' links before blockers'.
        problems: every record that could not be taken.
        records: how many tasks, parent links, dependencies and other parts were found; each of them is
            a command, a part of `metadata`, or a problem.
        notes: what was taken differently from how it stood there, with counts.
        name: what the plan calls itself.
        metadata: what the file says beside its tasks; times in microseconds since 1970.
    """

    source_format: str
    tasks: tuple[ImportTask, ...]
    relationships: tuple[AddRelationship, ...]
    problems: tuple[Problem, ...]
    records: int
    notes: tuple[str, ...] = ()
    name: str = ""
    metadata: Mapping[str, Any] = EMPTY


class Standing(NamedTuple):
    """Where a source's status leaves a task: `same` if that says it all, `begun` if work was done on it."""

    status: Status
    block_reason: str = ""
    same: bool = True
    begun: bool = False


@define
class Draft:
    """A plan in the making: whatever is put in comes out as a command, or as a problem."""

    source_format: str
    name: str = ""
    tasks: dict[str, ImportTask] = Factory(dict)
    records: int = 0
    _places: dict[str, str] = Factory(dict)
    _links: list[Link] = Factory(list)
    _problems: list[Problem] = Factory(list)
    _notes: dict[str, tuple[int, str]] = Factory(dict)
    _metadata: dict[str, Any] = Factory(dict)

    def refuse(self, where: str, reason: str, record: str) -> None:
        """Count a record that cannot be taken."""
        self.records += 1
        self._problems.append(Problem(where, reason, record))

    def note(self, text: str, where: str) -> None:
        """Say that something was taken differently; the same said again is counted."""
        count, first = self._notes.get(text, (0, where))
        self._notes[text] = (count + 1, first)

    def task(self, where: str, record: str, fields: Mapping[str, Any]) -> bool:
        """Take a task if its fields are sound and its id is new."""
        try:
            command = _import_task(fields)
        except ArbeitError as error:
            self.refuse(where, error.message, record)
            if isinstance(fields.get("task_id"), str):
                self._places.setdefault(fields["task_id"], where)
            return False
        if command.task_id in self.tasks:
            self.refuse(where, f"the id {command.task_id} already stands at {self._places[command.task_id]}", record)
            return False
        self.records += 1
        self.tasks[command.task_id] = command
        self._places[command.task_id] = where
        return True

    def link(self, link: Link) -> None:
        """Take a parent or a blocker, once it is known which tasks there are."""
        self.records += 1
        self._links.append(link)

    def about(self, where: str, key: str, value: object) -> None:
        """Keep what a file says beside its tasks."""
        try:
            part = limits.as_object({key: value})
        except ArbeitError as error:
            self.refuse(where, error.message, label(value))
        else:
            self.records += 1
            self._metadata.update(part)

    def status(self, where: str, raw: str, standing: Standing, *, reopen: bool) -> dict[str, Any]:
        """The fields that a source's status becomes; `source_status` goes to the metadata."""
        if reopen and standing.begun:
            self.note(f"{raw} was taken as open, to be done again", where)
            return {"status": "open", "source_status": raw}
        if not standing.same:
            why = standing.block_reason or "nobody holds it here"
            self.note(f"{raw} was taken as {standing.status}: {why}", where)
        kept = {} if standing.same else {"source_status": raw}
        return {"status": standing.status, "block_reason": standing.block_reason, **kept}

    def finish(self) -> Plan:
        """Check the links against each other and put the plan together."""
        web = Web(self.tasks, self._places)
        taken = []
        for link, reason in web.judge(self._links):
            if reason:
                self._problems.append(Problem(link.where, reason, link.record))
            else:
                taken.append(link)
        return Plan(
            source_format=self.source_format,
            tasks=tuple(self.tasks.values()),
            relationships=tuple(_relationship(link) for link in taken),
            problems=tuple(self._problems),
            records=self.records,
            notes=tuple(_counted(text, count, first) for text, (count, first) in self._notes.items()),
            name=self.name,
            metadata=Frozen(self._metadata),
        )


def _import_task(fields: Mapping[str, Any]) -> ImportTask:
    for required in ("task_id", "title"):
        if fields.get(required) is None:
            limits.refuse(required.removeprefix("task_"), "is missing")
    # To the command null and missing are two things; to a file they are one.
    return ImportTask(**{key: value for key, value in fields.items() if value is not None})


def _relationship(link: Link) -> AddRelationship:
    return AddRelationship(from_task_id=link.from_task_id, to_task_id=link.to_task_id, type=link.type, imported=True)


def _counted(text: str, count: int, first: str) -> str:
    return legible(f"{text} ({first})" if count == 1 else f"{text} ({count} times, first at {first})")


def invalid(message: str, *hints: str, **data: int) -> ArbeitError:
    """The error of a file that holds no plan."""
    hints = hints or ("Look at the file there, correct it, and import it again.",)
    return ArbeitError(Code.INVALID_INPUT, message, suggestions=hints, data=data)
