"""What of a project has a meaning to be found by, and which events change that: the same for every store and model."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, cast

from arbeit.core.declare import field, frozen
from arbeit.core.erasing import ERASED
from arbeit.core.model import Changes, ContextEntry, Event, Run, Task
from arbeit.ports import LocalStore, Vectors
from arbeit.queries import HitKind

LONGEST = 8_000
"""Characters of a text that an embedder is given: of a longer one, the beginning."""
ALL = "all"
"""Among what is gone: everything that belongs to the task of this id."""
Key = tuple[str, str]
"""A kind and an id."""


@frozen
class Document:
    """The text by which a record is found."""

    kind: HitKind
    id: str
    task_id: str
    text: str = field(repr=False)

    @property
    def key(self) -> Key:
        """What identifies its vector in a project and model."""
        return (self.kind, self.id)

    @property
    def digest(self) -> str:
        """What tells whether a vector was made of this text."""
        return hashlib.sha256(self.text.encode()).hexdigest()[:32]


def task_text(task: Task) -> str:
    """What a task says, empty where that was erased."""
    return _joined(task.title, task.intent, task.description)


def entry_text(entry: ContextEntry, task: Task) -> str:
    """What an entry says, under the title of its task: "Pin the seed" alone could be about anything."""
    return _joined(task.title, entry.content) if _joined(entry.content) else ""


def run_text(run: Run, task: Task) -> str:
    """What was said as a run ended, under the title of its task."""
    return _joined(task.title, run.note) if _joined(run.note) else ""


def _joined(*texts: str) -> str:
    return "\n".join(text for text in texts if text and text != ERASED)[:LONGEST]


def family(task: Task, entries: Iterable[ContextEntry], runs: Iterable[Run]) -> list[Document]:
    """Everything of a task that says something. A run whose note is an entry, too, is left to that."""
    entries = list(entries)
    said = {(entry.run_id, entry.content) for entry in entries}
    found = [
        Document("task", task.id, task.id, task_text(task)),
        *(Document("entry", one.id, task.id, entry_text(one, task)) for one in entries),
        *(Document("run", one.id, task.id, run_text(one, task)) for one in runs if (one.id, one.note) not in said),
    ]
    return [one for one in found if one.text]


def vectors_of(store: LocalStore) -> Vectors | None:
    """The store's vectors, if it keeps any."""
    return cast("Vectors", store) if getattr(store, "put_vectors", None) is not None else None


# -- what events change --------------------------------------------------------------------------------------------


@frozen
class Touched:
    """Records whose text may be another now. `whole`: tasks with all that belongs to them."""

    tasks: Sequence[str]
    whole: Sequence[str]
    entries: Sequence[str]
    runs: Sequence[str]


_BEGAN = frozenset({"task_created", "task_imported"})
_ENDED = frozenset({"task_deleted", "record_erased"})
_NOTED = frozenset({"task_blocked", "task_cancelled", "run_imported"})
"""Facts whose text becomes the note of a run and no entry."""
_WORDS = frozenset({"title", "intent", "description"})


def touched(events: Iterable[Event]) -> Touched:
    """What these events may have changed the text of, each once, in order."""
    tasks: dict[str, None] = {}
    whole: dict[str, None] = {}
    entries: dict[str, None] = {}
    runs: dict[str, None] = {}
    for event in events:
        if event.task_id is None:
            continue
        if event.type in _BEGAN:
            tasks[event.task_id] = None
        elif event.type in _ENDED:
            whole[event.task_id] = None
        elif event.type == "task_updated":
            changed = _WORDS & json.loads(event.data).get("changes", {}).keys()
            if "title" in changed:
                whole[event.task_id] = None
            elif changed:
                tasks[event.task_id] = None
        elif event.type in _NOTED and event.run_id is not None:
            runs[event.run_id] = None
        # Most events carry no entry, and are not parsed to find that out.
        if '"entry_id"' in event.data or '"outcome_id"' in event.data:
            data: Mapping[str, Any] = json.loads(event.data)
            entries.update(dict.fromkeys(one for name in ("entry_id", "outcome_id") if (one := data.get(name))))
    return Touched([one for one in tasks if one not in whole], list(whole), list(entries), list(runs))


def forgotten(changes: Changes) -> list[Key]:
    """What an erasure in these changes takes out of every index at once, whether or not anybody embeds any more."""
    if not changes.erased:
        return []
    found: list[Key] = []
    for kind, entities in changes.changed.items():
        if kind == "task":
            # Its title was part of what its entries' vectors were made of, too.
            found += [(ALL, one.id) for one in entities if one.title == ERASED]
        elif kind == "entry":
            found += [(kind, one.id) for one in entities if one.content == ERASED]
        elif kind == "run":
            found += [(kind, one.id) for one in entities if one.note == ERASED]
    return found
