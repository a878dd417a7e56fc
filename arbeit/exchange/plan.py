"""Read a plan from a file into the commands that take it over; what cannot be taken is listed, never dropped.

Arbeit's own plan is one JSON object, `{"arbeit": 1, "kind": "plan", "name": ..., "tasks": [...]}`, with tasks
that have the fields of Arbeit's. Other formats have a module each and share `Draft`.
"""

from __future__ import annotations

import json
import re
from collections import Counter, deque
from collections.abc import Collection, Iterator, Mapping
from contextlib import suppress
from graphlib import CycleError, TopologicalSorter
from typing import TYPE_CHECKING, Any, NamedTuple

from attrs import Factory, define, evolve, field, frozen

from arbeit.core import limits
from arbeit.core.commands import AddRelationship, ImportTask
from arbeit.core.errors import ArbeitError, Code
from arbeit.core.model import EMPTY, Frozen, Status

if TYPE_CHECKING:
    from pathlib import Path

FORMAT = "arbeit-plan"
VERSION = 1
FILE_BYTES = 64 * 1024 * 1024
KNOT_LINKS = 2_000
"""A knot of circles with more links is refused whole: untying it takes the square of their number."""
SHOWN_CHARACTERS = 300
CIRCLE_SHOWN = 8

_PLAN_FIELDS = ("arbeit", "kind", "name", "description", "tasks")
_IMPORT_FIELDS = ("title", "intent", "description", "priority", "labels", "requires", "queue", "acceptance")
_TASK_FIELDS = ("id", *_IMPORT_FIELDS, "metadata", "max_attempts", "status", "parent_id", "blocked_by")
_DOUBLED = "this name stands more than once in one object; only its last value was read"
_BARE_WORD = re.compile(r'"(?:[^"\\]|\\.)*"|-?Infinity|NaN')


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


@frozen
class Link:
    """A parent or blocker as a source names it; both ends are ids of tasks, known or not."""

    where: str
    record: str
    type: str
    from_task_id: str
    to_task_id: str


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
        web = _Web(self.tasks, self._places)
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


@define
class _Web:
    """Which links can stand together: one parent each, nothing twice, no circle over parents and blockers."""

    known: Collection[str]
    refused: Collection[str]
    parents: dict[str, str] = Factory(dict)
    heights: dict[str, int] = Factory(dict)
    waits: dict[str, list[str]] = Factory(dict)
    seen: set[tuple[str, str]] = Factory(set)
    counts: Counter[str] = Factory(Counter)

    def judge(self, links: list[Link]) -> Iterator[tuple[Link, str]]:
        """Every link with the reason why it cannot stand, if there is one."""
        for link in links:
            if link.type == "parent_of":
                yield link, self._ends(link) or self._adopt(link.from_task_id, link.to_task_id)
        sound: list[Link] = []
        for link in links:
            if link.type == "blocks":
                reason = self._ends(link) or self._blocker(link.from_task_id, link.to_task_id)
                if reason:
                    yield link, reason
                else:
                    sound.append(link)
        yield from self._without_circles(sound)

    def _ends(self, link: Link) -> str:
        ends = (link.from_task_id, link.to_task_id)
        for end in ends:
            if end not in self.known:
                gone = "could not be taken" if end in self.refused else "does not exist in this plan"
                return f"the task {end} {gone}"
        if ends[0] == ends[1]:
            return f"the task {ends[0]} names itself"
        full = next((end for end in ends if self.counts[end] >= limits.RELATIONSHIPS), None)
        if full is not None:
            return f"the task {full} has {limits.RELATIONSHIPS} relationships, which is the limit"
        self.counts.update(ends)
        return ""

    def _adopt(self, parent: str, child: str) -> str:
        if child in self.parents:
            return f"the task {child} already lies under {self.parents[child]}, and has one parent at most"
        above = [parent, *self._above(parent)]
        if child in above:
            return f"the task {child} would lie under itself"
        height = self.heights.get(child, 1)
        if len(above) + height > limits.HIERARCHY_DEPTH:
            return f"would lie deeper than {limits.HIERARCHY_DEPTH} levels; the task stands on its own"
        self.parents[child] = parent
        self.waits.setdefault(parent, []).append(child)
        for level, ancestor in enumerate(above, start=height + 1):
            self.heights[ancestor] = max(level, self.heights.get(ancestor, 1))
        return ""

    def _above(self, task: str) -> Iterator[str]:
        while task in self.parents:
            task = self.parents[task]
            yield task

    def _blocker(self, blocker: str, dependent: str) -> str:
        if (blocker, dependent) in self.seen:
            return f"says again that {dependent} waits for {blocker}"
        self.seen.add((blocker, dependent))
        if blocker in self._above(dependent):
            return f"closes a circle: {blocker} lies above {dependent}, and a parent waits for its children"
        if dependent in self._above(blocker):
            return f"is redundant: {dependent} lies above {blocker}, and a parent waits for its children anyway"
        return ""

    def _without_circles(self, links: list[Link]) -> Iterator[tuple[Link, str]]:
        knot = _knot(self.waits, links)
        inside = [link for link in links if link.from_task_id in knot and link.to_task_id in knot]
        for link in links:
            blocker, dependent = link.from_task_id, link.to_task_id
            if blocker not in knot or dependent not in knot:
                yield link, ""
            elif len(inside) > KNOT_LINKS:
                yield (
                    link,
                    f"is one of {len(inside)} dependencies between {len(knot)} tasks that wait in circles",
                )
            elif circle := _way(self.waits, blocker, dependent, knot):
                yield link, f"closes a circle: {_arrows([dependent, *circle])}, each waiting for the next"
            else:
                self.waits.setdefault(dependent, []).append(blocker)
                yield link, ""


def _knot(waits: Mapping[str, list[str]], links: list[Link]) -> set[str]:
    """The tasks that lie on circles, or between two of them."""
    forth = {task: list(blockers) for task, blockers in waits.items()}
    for link in links:
        forth.setdefault(link.to_task_id, []).append(link.from_task_id)
    stuck = _stuck(forth)
    back: dict[str, list[str]] = {task: [] for task in stuck}
    for task in stuck:
        for blocker in forth[task]:
            if blocker in stuck:
                back[blocker].append(task)
    return _stuck(back)


def _stuck(waits: Mapping[str, list[str]]) -> set[str]:
    """The tasks that wait, however far ahead, for a circle."""
    sorter = TopologicalSorter(waits)
    with suppress(CycleError):  # what no circle holds up is still handed out
        sorter.prepare()
    stuck = set(waits)
    while ready := sorter.get_ready():
        stuck.difference_update(ready)
        sorter.done(*ready)
    return stuck


def _way(waits: Mapping[str, list[str]], start: str, goal: str, inside: set[str]) -> list[str]:
    """A shortest way of waiting from one task to another, both named; empty if there is none."""
    came: dict[str, str | None] = {start: None}
    ahead = deque([start])
    while ahead and goal not in came:
        task = ahead.popleft()
        for blocker in waits.get(task, ()):
            if blocker in inside and blocker not in came:
                came[blocker] = task
                ahead.append(blocker)
    way: list[str] = []
    step = goal if goal in came else None
    while step is not None:
        way.append(step)
        step = came[step]
    return way[::-1]


def _arrows(tasks: list[str]) -> str:
    shown = tasks if len(tasks) <= CIRCLE_SHOWN else [*tasks[:5], "...", *tasks[-2:]]
    return " -> ".join(shown)


# --- Arbeit's own plan --------------------------------------------------------------------------------------

_STANDINGS: Mapping[str, Standing] = {
    "open": Standing("open"),
    "in_progress": Standing("open", same=False, begun=True),
    "in_review": Standing("blocked", "awaiting review", same=False, begun=True),
    "blocked": Standing("blocked", "blocked in the plan"),
    "completed": Standing("completed", begun=True),
    "cancelled": Standing("cancelled"),
}


def parse(document: object, *, reopen: bool = False) -> Plan:
    """Turn a plan in Arbeit's own shape into commands.

    Raises:
        ArbeitError: INVALID_INPUT if the document as a whole is not such a plan, SCHEMA_TOO_NEW if it is of a
            later version.
    """
    entries = _entries(document)
    draft = Draft(FORMAT)
    for key, value in entries.items():
        if key == "name" and isinstance(value, str):
            draft.name = value
        elif key == "description":
            draft.about(key, key, value)
        elif key == "name":
            draft.refuse(key, f"must be text, not {json_type(value)}", label(value))
        elif key not in _PLAN_FIELDS:
            known = ", ".join(_PLAN_FIELDS)
            draft.refuse(key, f"is not a field of a plan; a plan has {known}", label(value))
    for index, raw in enumerate(entries["tasks"]):
        _take(draft, f"tasks[{index}]", raw, reopen=reopen)
    return draft.finish()


def _entries(document: object) -> Mapping[str, Any]:
    if not isinstance(document, Mapping) or document.get("kind") != "plan":
        kind = document.get("kind") if isinstance(document, Mapping) else document
        raise _invalid(
            f"this is not a plan: its kind is {legible(label(kind))}",
            'A plan begins with "arbeit": 1, "kind": "plan".',
        )
    version, tasks = document.get("arbeit"), document.get("tasks")
    if isinstance(version, int) and not isinstance(version, bool) and version > VERSION:
        raise ArbeitError(
            Code.SCHEMA_TOO_NEW,
            f"this plan is of version {legible(label(version))}; this Arbeit reads version {VERSION}",
            suggestions=("Upgrade Arbeit, or write the plan in the older version.",),
        )
    if version != VERSION or isinstance(version, bool) or not isinstance(tasks, list):
        raise _invalid(
            f'a plan has "arbeit": {VERSION} and a list "tasks"; this one has '
            f'"arbeit": {legible(label(version))} and as "tasks" {json_type(tasks)}',
            'Write {"arbeit": 1, "kind": "plan", "name": "...", "tasks": [...]}.',
        )
    return document


def _take(draft: Draft, where: str, raw: object, *, reopen: bool) -> None:
    record = label(raw)
    if not isinstance(raw, Mapping):
        draft.refuse(where, f"a task must be an object, not {json_type(raw)}", record)
        return
    if unknown := [key for key in raw if key not in _TASK_FIELDS]:
        fields = ", ".join(_TASK_FIELDS)
        draft.refuse(where, f"has unknown fields ({', '.join(unknown)}); a task has {fields}", record)
        return
    status, metadata = raw.get("status"), raw.get("metadata")
    standing = _STANDINGS.get(status) if isinstance(status, str) else None
    if status is not None and standing is None:
        draft.refuse(where, f"status must be one of {', '.join(_STANDINGS)}, not {label(status)}", record)
        return
    stands = draft.status(where, str(status), standing, reopen=reopen) if standing else {}
    if "source_status" in stands and isinstance(metadata, Mapping | None):
        # A status that an earlier import kept is the older truth, so it stays.
        metadata = {"source_status": stands["source_status"], **(metadata or {})}
    fields_given = {
        **{key: raw.get(key) for key in (*_IMPORT_FIELDS, "max_attempts")},
        **{key: value for key, value in stands.items() if key != "source_status"},
        "task_id": raw.get("id"),
        "metadata": metadata,
    }
    if draft.task(where, record, fields_given):
        _take_links(draft, where, raw)


def _take_links(draft: Draft, where: str, raw: Mapping[str, Any]) -> None:
    own, parent, blockers = raw["id"], raw.get("parent_id"), raw.get("blocked_by")
    if isinstance(parent, str):
        draft.link(Link(f"{where}.parent_id", parent, "parent_of", parent, own))
    elif parent is not None:
        draft.refuse(f"{where}.parent_id", f"must be an id, not {json_type(parent)}", label(parent))
    if not isinstance(blockers, list | None):
        draft.refuse(f"{where}.blocked_by", f"must be a list of ids, not {json_type(blockers)}", label(blockers))
        return
    for index, blocker in enumerate(blockers or ()):
        place = f"{where}.blocked_by[{index}]"
        if isinstance(blocker, str):
            draft.link(Link(place, blocker, "blocks", blocker, own))
        else:
            draft.refuse(place, f"must be an id, not {json_type(blocker)}", label(blocker))


# --- files --------------------------------------------------------------------------------------------------


def read_plan(path: Path, *, reopen: bool = False) -> Plan:
    """Read a plan from a file whose format is told by its content.

    Args:
        path: the file: Arbeit's own plan or Task Master's tasks.json.
        reopen: take work that was started or finished as open, with the source's status in `source_status`
            of its metadata; blocked, deferred and cancelled work stays what it is.

    Raises:
        ArbeitError: INVALID_INPUT if the file cannot be read, is not JSON or holds no plan; LIMIT_EXCEEDED
            if it is longer than 64 MiB or nested too deep; SCHEMA_TOO_NEW if a later Arbeit wrote it.
    """
    document, doubled = _loaded(_text(path), str(path))
    plan = _parsed(document, str(path), reopen=reopen)
    return evolve(plan, problems=(*plan.problems, *doubled), records=plan.records + len(doubled))


def _parsed(document: object, name: str, *, reopen: bool) -> Plan:
    # The formats build on this module, so it can name them only once it is complete.
    from arbeit.exchange import taskmaster  # noqa: PLC0415

    if isinstance(document, dict) and "arbeit" in document:
        return parse(document, reopen=reopen)
    if taskmaster.recognises(document):
        return taskmaster.parse(document, reopen=reopen)
    raise _invalid(
        f"{name} is JSON, but no plan that Arbeit knows",
        'A plan of Arbeit\'s own begins with "arbeit": 1, "kind": "plan" and has a list "tasks".',
        'Task Master\'s tasks.json has a list "tasks", or tags such as "master" that have one each.',
    )


def _text(path: Path) -> str:
    try:
        with path.open("rb") as stream:
            content = stream.read(FILE_BYTES + 1)
    except (OSError, ValueError) as error:  # ValueError: U+0000 in the name
        reason = (error.strerror if isinstance(error, OSError) else None) or str(error)
        raise _invalid(
            f"cannot read {path}: {reason}",
            "Check the path; Task Master keeps its plan in .taskmaster/tasks/tasks.json or tasks/tasks.json.",
        ) from error
    if len(content) > FILE_BYTES:
        raise ArbeitError(
            Code.LIMIT_EXCEEDED,
            f"{path} is longer than {FILE_BYTES} bytes, the most a plan may have",
            suggestions=("Split the plan into several files.",),
            data={"limit": FILE_BYTES},
        )
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise _invalid(
            f"{path} is not UTF-8 text: byte {error.object[error.start]:#04x} at offset {error.start}",
            "Save the file as UTF-8.",
            offset=error.start,
        ) from error


def _loaded(text: str, name: str) -> tuple[object, list[Problem]]:
    doubled: list[Problem] = []

    def united(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        whole = dict(pairs)
        if len(whole) < len(pairs):
            lost = Counter(key for key, _ in pairs) - Counter(whole.keys())
            doubled.extend(Problem(f'"{key}"', _DOUBLED, label(whole)) for key in lost.elements())
        return whole

    def refused(word: str) -> float:
        places = (match.start() for match in _BARE_WORD.finditer(text) if match.group() == word)
        raise json.JSONDecodeError(f"{word} is not a JSON value", text, next(places))

    try:
        return json.loads(text, object_pairs_hook=united, parse_constant=refused), doubled
    except json.JSONDecodeError as error:
        raise _not_json(error, text, name) from error
    except RecursionError as error:
        raise ArbeitError(
            Code.LIMIT_EXCEEDED,
            f"{name} is nested too deep to be a plan",
            suggestions=(f"Tasks nest at most {limits.HIERARCHY_DEPTH} levels.",),
        ) from error
    except ValueError as error:
        raise _invalid(f"{name} holds a whole number of too many digits") from error


def _not_json(error: json.JSONDecodeError, text: str, name: str) -> ArbeitError:
    # Lines end where the decoder counts them, which is at fewer signs than splitlines() knows.
    line = text.split("\n")[error.lineno - 1].strip()
    hints = [f"Line {error.lineno} reads: {legible(line)}" if line else f"Line {error.lineno} is empty."]
    if not text.strip():
        hints = ["The file is empty: write a plan into it first."]
    elif line.startswith(("<<<<<<<", "=======", ">>>>>>>")):
        hints.append("It is a merge conflict: settle it first.")
    elif error.msg == "Extra data":
        hints.append("One JSON object per line is JSON Lines; a plan is one object.")
    message = f"{name} is not JSON: {error.msg} at line {error.lineno}, column {error.colno}"
    return _invalid(message, *hints, line=error.lineno, column=error.colno)


def _invalid(message: str, *hints: str, **data: int) -> ArbeitError:
    return ArbeitError(Code.INVALID_INPUT, message, suggestions=hints, data=data)
