"""A plan in the making: every record that is put in comes out as a command or as a problem."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Mapping
from contextlib import suppress
from typing import Any, NamedTuple, TypeVar

from attrs import NOTHING, Factory, define, field, fields, frozen

from arbeit.core import limits
from arbeit.core.commands import AddRelationship, Command, ImportTask
from arbeit.core.errors import ArbeitError, Code
from arbeit.core.model import EMPTY, Frozen, Status
from arbeit.core.record import sparse
from arbeit.core.redacting import Redact
from arbeit.exchange.circles import Link, Web
from arbeit.policies import SecretPatterns

C = TypeVar("C", bound=Command)

_needed: dict[type, tuple[str, ...]] = {}

ANYBODY = "anonymous"
SECRETS = SecretPatterns()
SHOWN_CHARACTERS = 300
UNLINKED = "unlinked"
"""Where the metadata of a task keep the links that its source tells of and that could not be taken."""
ABOUT = "about_file"
"""Where the metadata of a file's first task keep what the file says of itself."""


def legible(text: str) -> str:
    """Text of a file made fit to show: without secrets, signs that do not print escaped, long text cut."""
    text = SECRETS.redact(text)  # first: what is left of a secret that was cut is one that nobody knows
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
        name, title = value.get("id"), value.get("title")
        if type(name) is str and type(title) is str:  # as nearly all have it
            return f"{name} {title}"
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
        where: its place in the file, such as `master.tasks[3].subtasks[1].dependencies[0]` or `line 17`.
        reason: why not, for a person or an agent.
        record: the record in a few words: id and title, or the value itself.
        kind: task, relationship, context, progress, session, file, event, about (what a file says of itself),
            piece (of a text that is too long), shelf (a task for what belongs to none) or other.
    """

    where: str = field(converter=legible)
    reason: str = field(converter=legible)
    record: str = field(converter=legible)
    kind: str = "task"


class Part(NamedTuple):
    """A command that takes a record over, and where the record stands in its source."""

    kind: str
    where: str
    record: str
    command: Command


@frozen
class Plan:
    """What takes a plan over. All tasks are created first, then all relationships, then what hangs on tasks.

    Attributes:
        source_format: which format the file has.
        tasks, relationships: the commands, in the order of the file; parents' links before blockers'.
        problems: every record that could not be taken.
        records: how many tasks, parent links, dependencies and other parts were found; each of them is
            a command, a part of `metadata`, or a problem.
        notes: what was taken differently from how it stood there, with counts.
        name: what the plan calls itself.
        metadata: what the file says beside its tasks; times in microseconds since 1970.
        parts: the commands for context entries, checklists, sessions and files, in the order of the file.
        read: how many records were found, by kind.
        kept: how many of them went into metadata or into a text, by kind.
        left: how many of them are of use in their source alone, by kind; notes say which.
        places: where each task and relationship stands, and the record in a few words, by `task_id` and by
            the relationship's two ends and type.
        shelves: the tasks that no source has: they hold what there belongs to no task.
    """

    source_format: str
    tasks: tuple[ImportTask, ...]
    relationships: tuple[AddRelationship, ...]
    problems: tuple[Problem, ...]
    records: int
    notes: tuple[str, ...] = ()
    name: str = ""
    metadata: Mapping[str, Any] = EMPTY
    parts: tuple[Part, ...] = ()
    read: Mapping[str, int] = EMPTY
    kept: Mapping[str, int] = EMPTY
    left: Mapping[str, int] = EMPTY
    places: Mapping[Any, tuple[str, str]] = field(default=EMPTY, repr=False)
    shelves: frozenset[str] = frozenset()


class Standing(NamedTuple):
    """Where a source's status leaves a task: `same` if that says it all, `begun` if work was done on it."""

    status: Status
    block_reason: str = ""
    same: bool = True
    begun: bool = False


@define
class Draft:
    """A plan in the making: whatever is put in comes out as a command, or as a problem.

    `redact` takes secrets out of texts before they are cut, as no half of one would be known.
    """

    source_format: str
    name: str = ""
    actor: str = ANYBODY
    redact: Redact = SECRETS.redact
    tasks: dict[str, ImportTask] = Factory(dict)
    parts: list[Part] = Factory(list)
    read: Counter[str] = Factory(Counter)
    _kept: Counter[str] = Factory(Counter)
    _left: Counter[str] = Factory(Counter)
    _places: dict[str, tuple[str, str]] = Factory(dict)
    _seen: dict[tuple[str, object], str] = Factory(dict)
    _shelves: set[str] = Factory(set)
    _links: list[Link] = Factory(list)
    _problems: list[Problem] = Factory(list)
    _notes: dict[str, tuple[int, str]] = Factory(dict)
    _metadata: dict[str, Any] = Factory(dict)

    @property
    def records(self) -> int:
        """How many records were put in."""
        return self.read.total()

    def refuse(self, where: str, reason: str, record: str, kind: str = "task") -> None:
        """Count a record that cannot be taken."""
        self.read[kind] += 1
        self._problems.append(Problem(where, reason, record, kind))

    def keep(self, kind: str, count: int = 1) -> None:
        """Count records that went into metadata, or into the text of another."""
        self.read[kind] += count
        self._kept[kind] += count

    def leave(self, kind: str, reason: str, where: str) -> None:
        """Count a record that is of use in its source alone."""
        self.read[kind] += 1
        self._left[kind] += 1
        self.note(f"{kind} was left: {reason}", where)

    def note(self, text: str, where: str) -> None:
        """Say that something was taken differently; the same said again is counted."""
        count, first = self._notes.get(text, (0, where))
        self._notes[text] = (count + 1, first)

    def task(self, where: str, record: str, fields: Mapping[str, Any], kind: str = "task") -> bool:
        """Take a task if its fields are sound and its id is new; of kind shelf if it holds what belongs to no task."""
        try:
            command = import_task(fields, self.actor)
        except ArbeitError as error:
            self.refuse(where, error.message, record, kind)
            if isinstance(fields.get("task_id"), str):
                self._places.setdefault(fields["task_id"], (where, record))
            return False
        return self.add(where, record, command, kind)

    def add(self, where: str, record: str, command: ImportTask, kind: str = "task") -> bool:
        """Take a sound task if its id is new."""
        if command.task_id in self.tasks:
            first, _ = self._places[command.task_id]
            self.refuse(where, f"the id {command.task_id} already stands at {first}", record, kind)
            return False
        self.read[kind] += 1
        if kind == "shelf":
            self._shelves.add(command.task_id)
        self.tasks[command.task_id] = command
        self._places[command.task_id] = (where, record)
        return True

    def part(
        self,
        kind: str,
        where: str,
        record: str,
        cls: type[C],
        key: object = None,
        /,
        **given: Any,  # noqa: ANN401 - the fields of its class
    ) -> C | None:
        """Take something that hangs on a task, if its fields are sound and its key, if it has one, is new."""
        lacking = next((name for name in _required(cls) if given.get(name) is None), None)
        try:
            if lacking is not None:
                limits.refuse(lacking, "is missing")
            command = cls(actor=self.actor, **{name: value for name, value in given.items() if value is not None})
        except ArbeitError as error:
            self.refuse(where, error.message, record, kind)
            return None
        return command if self.put(kind, where, record, command, key) else None

    def put(self, kind: str, where: str, record: str, command: Command, key: object = None) -> bool:
        """Take a sound command for something that hangs on a task, if its key, if it has one, is new."""
        if key is not None and (first := self._seen.setdefault((kind, key), where)) != where:
            self.refuse(where, f"says again what stands at {first}", record, kind)
            return False
        self.read[kind] += 1
        self.parts.append(Part(kind, where, record, command))
        return True

    def taken(self, kind: str, key: object) -> bool:
        """Whether something of this kind and key is here already."""
        return (kind, key) in self._seen

    def link(self, link: Link) -> None:
        """Take a parent, a blocker or another relation, once it is known which tasks there are."""
        self.read["relationship"] += 1
        self._links.append(link)

    def about(self, where: str, key: str, value: object) -> None:
        """Keep what a file says beside its tasks."""
        try:
            part = limits.as_object({key: value})
        except ArbeitError as error:
            self.refuse(where, error.message, label(value), "about")
        else:
            self.read["about"] += 1
            self._metadata.update(part)

    def status(self, where: str, raw: str, standing: Standing, *, reopen: bool) -> dict[str, Any]:
        """The fields that a source's status becomes; `source_status` goes to the metadata."""
        if reopen and standing.begun:
            self.note(f"{raw} was taken as open, to be done again", where)
            return {"status": "open", "source_status": raw}
        if not standing.same:
            why = standing.block_reason or ("nobody holds it here" if standing.begun else "")
            self.note(f"{raw} was taken as {standing.status}{why and ': '}{why}", where)
        kept = {} if standing.same else {"source_status": raw}
        return {"status": standing.status, "block_reason": standing.block_reason, **kept}

    def withdraw(self, task_id: str, reason: str) -> None:
        """Take a task out again that cannot be taken after all, and with it what hangs on it."""
        where, record = self._places[task_id]
        del self.tasks[task_id]
        self._problems.append(Problem(where, reason, record, "shelf" if task_id in self._shelves else "task"))

    def house_about(self) -> None:
        """Put what the file says of itself into the metadata of its first task, as no project has any."""
        about, self._metadata = self._metadata, {}
        first = next(iter(self.tasks.values()), None)
        for key, value in about.items():
            try:
                if first is None:
                    limits.refuse("the file", "has no task that could keep this")
                said = {**first.metadata.get(ABOUT, {}), key: value}
                first = self.tasks[first.task_id] = _with_metadata(first, {**first.metadata, ABOUT: said})
            except ArbeitError as error:
                self._problems.append(Problem(key, error.message, label(value), "about"))
                continue
            self.note(f"what the file says of itself is in {ABOUT} of the metadata of {first.task_id}", key)
            self._kept["about"] += 1

    def strangers(self) -> set[str]:
        """The tasks that links and parts name and that the file does not have."""
        named = {end for link in self._links for end in (link.from_task_id, link.to_task_id)}
        named.update(part.command.task_id for part in self.parts)  # type: ignore[attr-defined]  # each part has one
        return named - self.tasks.keys()

    def finish(self, here: Collection[str] = ()) -> Plan:
        """Check the links against each other and put the plan together; `here` are tasks of the project itself."""
        web = Web({*self.tasks, *here} if here else self.tasks, self._places)
        places: dict[Any, tuple[str, str]] = {**self._places}
        taken: list[AddRelationship] = []
        lost: list[Link] = []
        for link, reason in web.judge(self._links):
            if reason:
                self._problems.append(Problem(link.where, reason, link.record, "relationship"))
                lost.append(link)
                continue
            try:
                taken.append(_relationship(link, self.actor))
            except ArbeitError as error:
                self._problems.append(Problem(link.where, error.message, link.record, "relationship"))
                lost.append(link)
            else:
                places[link.from_task_id, link.type, link.to_task_id] = (link.where, link.record)
        self._keep_unlinked(lost)
        parts = tuple(self._in_place(here))
        return Plan(
            source_format=self.source_format,
            tasks=tuple(self.tasks.values()),
            relationships=tuple(taken),
            problems=tuple(self._problems),
            records=self.records,
            notes=tuple(_counted(text, count, first) for text, (count, first) in self._notes.items()),
            name=self.name,
            metadata=Frozen(self._metadata),
            parts=parts,
            read=Frozen(self.read),
            kept=Frozen(self._kept),
            left=Frozen(self._left),
            places=places,
            shelves=frozenset(self._shelves),
        )

    def _in_place(self, here: Collection[str]) -> Iterable[Part]:
        for part in self.parts:
            task_id: str = part.command.task_id  # type: ignore[attr-defined]  # each part has one
            if task_id in self.tasks or task_id in here:
                yield part
            else:
                gone = "could not be taken" if task_id in self._places else "does not exist in this plan"
                self._problems.append(Problem(part.where, f"the task {task_id} {gone}", part.record, part.kind))

    def _keep_unlinked(self, lost: Iterable[Link]) -> None:
        """Leave what could not become a relationship in the metadata of the task that told of it."""
        told: dict[str, list[dict[str, Any]]] = {}
        for link in lost:
            if link.owner in self.tasks:
                ends = {"type": link.type, "from_task_id": link.from_task_id, "to_task_id": link.to_task_id}
                said = {"created_at": link.created_at, "metadata": link.metadata or None}
                told.setdefault(link.owner, []).append(
                    {**ends, **{key: value for key, value in said.items() if value is not None}}
                )
        for task_id, links in told.items():
            task = self.tasks[task_id]
            with suppress(ArbeitError):  # where it is too much, the report alone has every one of them
                self.tasks[task_id] = _with_metadata(task, {**task.metadata, UNLINKED: links})


def import_task(fields: Mapping[str, Any], actor: str) -> ImportTask:
    """The command for fields of a task, of which those that are None count as left out; raises if one is not sound."""
    for required in ("task_id", "title"):
        if fields.get(required) is None:
            limits.refuse(required.removeprefix("task_"), "is missing")
    # To the command null and missing are two things; to a file they are one.
    return ImportTask(actor=actor, **{key: value for key, value in fields.items() if value is not None})


def _with_metadata(task: ImportTask, metadata: Mapping[str, Any]) -> ImportTask:
    return ImportTask(**{**sparse(ImportTask)(task), "metadata": metadata})


def _required(cls: type[Any]) -> tuple[str, ...]:
    known = _needed.get(cls)
    if known is None:
        known = _needed[cls] = tuple(item.name for item in fields(cls) if item.default is NOTHING)
    return known


def _relationship(link: Link, actor: str) -> AddRelationship:
    more = {"relationship_id": link.relationship_id, "created_at": link.created_at}
    return AddRelationship(
        actor=actor,
        from_task_id=link.from_task_id,
        to_task_id=link.to_task_id,
        type=link.type,
        imported=True,
        metadata=link.metadata,
        **{key: value for key, value in more.items() if value is not None},  # type: ignore[arg-type]  # by name
    )


def _counted(text: str, count: int, first: str) -> str:
    return legible(f"{text} ({first})" if count == 1 else f"{text} ({count} times, first at {first})")


def invalid(message: str, *hints: str, **data: int) -> ArbeitError:
    """The error of a file that holds no plan."""
    hints = hints or ("Look at the file there, correct it, and import it again.",)
    return ArbeitError(Code.INVALID_INPUT, message, suggestions=hints, data=data)
