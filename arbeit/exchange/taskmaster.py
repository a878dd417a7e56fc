"""Read Task Master's tasks.json: tagged or not, with ids, dependencies and statuses as found in the wild.

A description becomes the intent and the details become the description, so that both stay whole. Subtasks get
the id `<parent>.<n>`; tags other than `master` put `<tag>.` before it. What has no field here goes to
`metadata["taskmaster"]`, a status that has no equal to `metadata["source_status"]`.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

from attrs import Factory, define, frozen

from arbeit.core import limits
from arbeit.core.errors import ArbeitError, Code
from arbeit.core.model import TERMINAL, Priority
from arbeit.core.redacting import Redact
from arbeit.exchange.circles import Link
from arbeit.exchange.draft import ANYBODY, SECRETS, Draft, Plan, Standing, json_type, label
from arbeit.exchange.values import ID_CHARACTERS, fits_label, fitting, id_text, micros, pieces

FORMAT = "taskmaster"
MASTER = "master"
TAG_CHARACTERS = 32

_STANDINGS: Mapping[str, Standing] = {
    "pending": Standing("open"),
    "in-progress": Standing("open", same=False, begun=True),
    "done": Standing("completed", begun=True),
    "completed": Standing("completed", begun=True),
    "review": Standing("blocked", "awaiting review", same=False, begun=True),
    "deferred": Standing("blocked", "deferred", same=False),
    "cancelled": Standing("cancelled"),
    "blocked": Standing("blocked", "blocked in Task Master"),
}
_PRIORITIES: Mapping[str, Priority] = {
    "critical": "critical",
    "high": "high",
    "medium": "normal",
    "low": "low",
}
_TIMES = ("created", "updated", "lastModified", "createdAt", "updatedAt")
_PARENTS = ("parentId", "parentTaskId")
_NOTHING = frozenset({"", "undefined", "null", "none"})
_OTHER_FORMATS = frozenset({"context", "progress", "relationships", "sessions"})
_OTHER_FIELDS = frozenset({"acceptance", "blocked_by", "intent", "parent_id", "requires"})
_NUMBERS = re.compile(r"[0-9.]+")


def recognises(document: object) -> bool:
    """Whether a JSON document is a list of Task Master's: `tasks`, or tags that have `tasks` each."""
    if not isinstance(document, Mapping):
        return False
    if any(_is_tag(part) and isinstance(part["tasks"], list) for part in document.values()):
        return True
    tasks = document.get("tasks")
    # Arbeit's own shapes have `tasks` too; taken for Task Master's, they would lose their links.
    foreign = any(isinstance(document.get(key), list) for key in _OTHER_FORMATS)
    return (
        isinstance(tasks, list)
        and not foreign
        and not any(isinstance(task, Mapping) and not _OTHER_FIELDS.isdisjoint(task) for task in tasks)
    )


def parse(document: object, *, reopen: bool = False) -> Plan:
    """Turn Task Master's document into commands; `reopen` takes started and finished work as open.

    Raises:
        ArbeitError: INVALID_INPUT if the document as a whole is not Task Master's.
    """
    return draft_of(document, reopen=reopen).finish()


def draft_of(document: object, *, reopen: bool = False, actor: str = ANYBODY, redact: Redact = SECRETS.redact) -> Draft:
    """The draft of such a document, before its links are judged; raises as `parse` does."""
    if not recognises(document) or not isinstance(document, Mapping):
        raise ArbeitError(
            Code.INVALID_INPUT,
            "this is not a tasks.json of Task Master",
            suggestions=('It has a list "tasks", or tags such as "master" that have one each.',),
        )
    reader = _Reader(Draft(FORMAT, actor=actor, redact=redact), reopen=reopen)
    reader.read(document)
    return reader.draft


@frozen
class _List:
    """One list of tasks: its tag, its place in the file, and when it was made and last written."""

    tag: str
    where: str
    tasks: list[Any]
    created: int | None
    updated: int | None


@define
class _Entry:
    """A task or subtask in its place; `path` is its id inside its list, or empty if it has none."""

    where: str
    raw: Mapping[str, Any]
    tasks: _List
    parent: _Entry | None
    path: str = ""
    task_id: str = ""
    fault: str = ""
    priority: Priority = "normal"


@define
class _Reader:
    """Walks a document twice: first for the ids, then for the tasks and what they depend on."""

    draft: Draft
    reopen: bool
    entries: list[_Entry] = Factory(list)
    paths: dict[tuple[str, str], _Entry] = Factory(dict)
    taken: set[str] = Factory(set)

    def read(self, document: Mapping[str, Any]) -> None:
        """Take every task of every list."""
        for tasks in list(self._lists(document)):
            self._walk(tasks)
        for entry in self.entries:
            if entry.fault:
                self.draft.refuse(entry.where, entry.fault, label(entry.raw))
            else:
                self._take(entry)

    def _lists(self, document: Mapping[str, Any]) -> Iterator[_List]:
        tagged = {tag: part for tag, part in document.items() if _is_tag(part)}
        for tag, part in tagged.items():
            about = {key: _with_times(value) for key, value in part.items() if key != "tasks"}
            if about:
                self.draft.about(tag, tag, about)
            yield from self._list(tag, f"{tag}.tasks", part["tasks"], part.get("metadata"))
        for key, value in document.items():
            if key not in tagged and key != "tasks":
                self.draft.about(key, key, _with_times(value))
        if "tasks" in document and "tasks" not in tagged:
            # Beside tags they are left over from the time before tags, when there was one list alone: master.
            yield from self._list(MASTER, "tasks", document["tasks"], document.get("metadata"))

    def _list(self, tag: str, where: str, tasks: object, about: object) -> Iterator[_List]:
        if isinstance(tasks, list):
            times = about if isinstance(about, Mapping) else {}
            updated = _first(micros(times.get("updated")), micros(times.get("lastModified")))
            yield _List(tag, where, tasks, micros(times.get("created")), updated)
        else:
            self.draft.refuse(where, f"must be a list of tasks, not {json_type(tasks)}", label(tasks))

    def _walk(self, tasks: _List) -> None:
        # No recursion: how deep subtasks nest is the file's choice.
        ahead: list[tuple[str, Any, _Entry | None]] = []
        ahead.extend(_numbered(tasks.where, tasks.tasks, None))
        while ahead:
            where, raw, parent = ahead.pop()
            if not isinstance(raw, Mapping):
                self.draft.refuse(where, f"a task must be an object, not {json_type(raw)}", label(raw))
                continue
            entry = _Entry(where, raw, tasks, parent)
            self._place(entry)
            self.entries.append(entry)
            subtasks = raw.get("subtasks")
            if isinstance(subtasks, list):
                ahead.extend(_numbered(f"{where}.subtasks", subtasks, entry))
            elif subtasks is not None:
                reason = f"must be a list of tasks, not {json_type(subtasks)}"
                self.draft.refuse(f"{where}.subtasks", reason, label(subtasks))

    def _place(self, entry: _Entry) -> None:
        local, parent = id_text(entry.raw.get("id")), entry.parent
        if parent is not None and not parent.path:
            entry.fault = f"the task above it, at {parent.where}, has no id of its own to lie under"
            return
        if local is None:
            entry.fault = f"id must be text or a number, not {json_type(entry.raw.get('id'))}"
            return
        path = local if parent is None else _below(parent.path, local)
        first = self.paths.get((entry.tasks.tag, path))
        if first is not None:
            entry.fault = f"the id {path} already stands at {first.where}"
            return
        entry.path = path
        entry.task_id = self._task_id(entry.tasks.tag, path)
        self.paths[entry.tasks.tag, path] = entry

    def _task_id(self, tag: str, path: str) -> str:
        plain = path if tag == MASTER else f"{_prefix(tag)}.{path}"
        task_id = fitting(plain, ID_CHARACTERS)
        if task_id in self.taken:
            task_id = fitting(plain, ID_CHARACTERS, mark=f"{tag}\0{path}")
        self.taken.add(task_id)
        return task_id

    def _take(self, entry: _Entry) -> None:
        left = {key: value for key, value in entry.raw.items() if value is not None}
        for key in ("id", "dependencies", "subtasks", *_PARENTS):
            left.pop(key, None)
        stands = self._status(entry, left)
        fields = {
            "task_id": entry.task_id,
            "title": left.pop("title", None),
            "intent": self._text(entry, left, "description"),
            "description": self._text(entry, left, "details"),
            "acceptance": self._lines(left, "acceptanceCriteria") + self._lines(left, "testStrategy"),
            "priority": self._priority(entry, left),
            "labels": self._labels(entry, left),
            **self._times(entry, left, finished=stands["status"] in TERMINAL),
            **{key: value for key, value in stands.items() if key != "source_status"},
        }
        metadata = {"source_status": stands.get("source_status"), "taskmaster": _origin(entry) | left}
        fields["metadata"] = {key: value for key, value in metadata.items() if value not in (None, {})}
        if self.draft.task(entry.where, label(entry.raw), fields):
            self._parents(entry)
            self._dependencies(entry)

    def _text(self, entry: _Entry, left: dict[str, Any], key: str) -> str:
        value = left.get(key, "")
        if isinstance(value, str):
            left.pop(key, None)
            return value
        self.draft.note(f"{key} that is not text was kept in the metadata", f"{entry.where}.{key}")
        return ""

    def _lines(self, left: dict[str, Any], key: str) -> list[str]:
        value = left.get(key, [])
        texts = [value] if isinstance(value, str) else value
        if not isinstance(texts, list) or not all(isinstance(text, str) for text in texts):
            return []
        left.pop(key, None)
        return [piece for text in texts if text.strip() for piece in pieces(text, self.draft.redact)]

    def _priority(self, entry: _Entry, left: dict[str, Any]) -> Priority:
        raw = left.get("priority")
        known = _PRIORITIES.get(raw.strip().lower()) if isinstance(raw, str) else None
        if known is not None:
            left.pop("priority")
            entry.priority = known
        elif entry.parent is not None:
            entry.priority = entry.parent.priority
            if entry.priority != "normal":
                self.draft.note("without a priority of its own it took its parent's", entry.where)
        if raw is not None and known is None:
            self.draft.note(f"the unknown priority {label(raw)} was taken as {entry.priority}", entry.where)
        return entry.priority

    def _labels(self, entry: _Entry, left: dict[str, Any]) -> list[str]:
        labels = [] if entry.tasks.tag == MASTER or not fits_label(entry.tasks.tag) else [entry.tasks.tag]
        for key in ("tags", "labels"):
            value = left.get(key)
            if not isinstance(value, list) or not all(fits_label(item) for item in value):
                continue
            if len({*labels, *value}) <= limits.LABELS:
                labels += left.pop(key)
        return labels

    def _times(self, entry: _Entry, left: dict[str, Any], *, finished: bool) -> dict[str, int | None]:
        times: dict[str, int | None] = {}
        for key in ("createdAt", "updatedAt", "completedAt")[: 3 if finished else 2]:
            times[key] = micros(left.get(key))
            if times[key] is not None:
                left.pop(key)
        tasks = entry.tasks
        if None in (times["createdAt"], times["updatedAt"]) and (tasks.created, tasks.updated) != (
            None,
            None,
        ):
            self.draft.note("a time it does not tell was taken from its list", entry.where)
        return {
            "created_at": _first(times["createdAt"], tasks.created),
            "updated_at": _first(times["updatedAt"], tasks.updated),
            "finished_at": times.get("completedAt"),
        }

    def _status(self, entry: _Entry, left: dict[str, Any]) -> dict[str, Any]:
        raw = left.pop("status", "pending")
        word = raw.strip().lower().replace("_", "-").replace(" ", "-") if isinstance(raw, str) else ""
        standing = _STANDINGS.get(word)
        if standing is not None:
            return self.draft.status(entry.where, label(raw), standing, reopen=self.reopen)
        self.draft.note(f"the unknown status {label(raw)} was taken as open", entry.where)
        return {"status": "open", "source_status": raw}

    def _parents(self, entry: _Entry) -> None:
        nested = entry.parent
        if nested is not None:
            self._link(entry, entry.where, label(entry.raw), "parent_of", nested)
        said = {nested.path, id_text(nested.raw.get("id"))} if nested is not None else set()
        for key in _PARENTS:
            raw, where = entry.raw.get(key), f"{entry.where}.{key}"
            name = id_text(raw)
            if isinstance(raw, str) and raw.strip().lower() in _NOTHING:
                self.draft.note(f"{key} {raw!r} names nothing; the place in the file counts", where)
            elif raw is not None and (name is None or name not in said):
                self._named_parent(entry, where, raw, name)
                said.add(name)

    def _named_parent(self, entry: _Entry, where: str, raw: object, name: str | None) -> None:
        parent = self.paths.get((entry.tasks.tag, name)) if name is not None else None
        if entry.parent is not None:
            reason = f"names another parent than {entry.parent.path}, under which it lies"
            self.draft.refuse(where, reason, label(raw), "relationship")
        elif parent is None:
            self.draft.refuse(where, f"there is no task {label(raw)} in this list", label(raw), "relationship")
        else:
            self._link(entry, where, label(raw), "parent_of", parent)

    def _dependencies(self, entry: _Entry) -> None:
        raw, where = entry.raw.get("dependencies"), f"{entry.where}.dependencies"
        if isinstance(raw, Mapping):
            self.draft.refuse(where, "must be a list of ids, not an object", label(raw), "relationship")
            return
        if isinstance(raw, list):
            named = [(f"{where}[{index}]", item) for index, item in enumerate(raw)]
        else:
            parts = raw.split(",") if isinstance(raw, str) else [raw] if raw is not None else []
            named = [(where, part) for part in parts if not isinstance(part, str) or part.strip()]
        for place, item in named:
            blocker = self._blocker(entry, item)
            if isinstance(blocker, str):
                self.draft.refuse(place, blocker, label(item), "relationship")
            else:
                self._link(entry, place, label(item), "blocks", blocker)

    def _blocker(self, entry: _Entry, item: object) -> _Entry | str:
        """The entry that a dependency names, or why it names none."""
        name = id_text(item)
        if name is None:
            return f"a dependency must be an id, not {json_type(item)}"
        near = [f"{above}.{name}" for above in _above(entry)]
        # "5.2" means task 5's subtask, wherever it is said; "5" means a sibling first.
        names = [name, *near] if "." in name else [*near, name]
        found = (self.paths.get((entry.tasks.tag, path)) for path in names)
        return next((blocker for blocker in found if blocker is not None), f"there is no task {name} in this list")

    def _link(self, entry: _Entry, where: str, record: str, type: str, other: _Entry) -> None:
        self.draft.link(Link(where, record, type, other.task_id, entry.task_id))


def _is_tag(part: object) -> bool:
    return isinstance(part, Mapping) and "tasks" in part


def _numbered(where: str, tasks: list[Any], parent: _Entry | None) -> list[tuple[str, Any, _Entry | None]]:
    # Backwards, as they are popped from the end.
    return [(f"{where}[{index}]", tasks[index], parent) for index in reversed(range(len(tasks)))]


def _below(parent: str, local: str) -> str:
    return local if local.startswith(f"{parent}.") else f"{parent}.{local}"


def _above(entry: _Entry) -> Iterator[str]:
    parent = entry.parent
    while parent is not None:
        yield parent.path
        parent = parent.parent


def _prefix(tag: str) -> str:
    # A tag that is a number would make a task's id look like a subtask's in master.
    return fitting(f"tag-{tag}" if _NUMBERS.fullmatch(tag) else tag, TAG_CHARACTERS)


def _origin(entry: _Entry) -> dict[str, str]:
    """What the id here does not tell of the id and tag there."""
    tag = {} if entry.tasks.tag == MASTER else {"tag": entry.tasks.tag}
    path = {} if entry.path == entry.task_id else {"id": entry.path}
    return tag | path


def _first(*times: int | None) -> int | None:
    return next((time for time in times if time is not None), None)


def _with_times(value: object) -> object:
    if not isinstance(value, Mapping):
        return value
    times = {key: micros(value.get(key)) for key in _TIMES}
    return {**value, **{key: time for key, time in times.items() if time is not None}}
