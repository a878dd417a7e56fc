"""Keeps the vectors of a model in step with a project's log: a page of events at a time, whoever does it.

Vectors are derived from what is stored now, and events say what to look at again: so a page may be read twice, by one
process after a kill or by two at once, and comes to the same. What is written is refused where somebody else has
written meanwhile (`Vectors.put_vectors`), so that nothing late overwrites what is newer.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from arbeit.core.declare import evolve
from arbeit.core.errors import ArbeitError, Code, project_not_found
from arbeit.core.model import Event
from arbeit.core.policy import EVERYTHING
from arbeit.embedders import BATCH, Model
from arbeit.meaning import ALL, Document, Key, entry_text, family, run_text, task_text, touched
from arbeit.ports import Embedded, LocalStore, Vectors
from arbeit.queries import Index

PAGE = 256
"""Events that one step reads."""
_NUMBER = 4
"""Bytes of a number in a packed vector."""


def indexes(store: LocalStore, vectors: Vectors, project: str) -> list[Index]:
    """How far each model has come in a project, and how far it is behind."""
    head = _head(store, project)
    return [evolve(one, behind=max(0, head - one.position)) for one in vectors.indexes(project)]


def _head(store: LocalStore, project: str) -> int:
    standing = store.standing(project)
    if standing is None:
        raise project_not_found(project)
    return standing[1].position


class Indexer:
    """One model in one store. Its methods block; they may be called from any thread, and by several processes."""

    def __init__(
        self, store: LocalStore, vectors: Vectors, model: Model, *, stop: Callable[[], bool] = lambda: False
    ) -> None:
        """`stop` is asked between two calls of the embedder; what was embedded until then is kept."""
        self._stop = stop
        self._store = store
        self._vectors = vectors
        self._model = model

    def standing(self, project: str) -> Index:
        """How far this model has come in a project. Raises PROJECT_NOT_FOUND."""
        head = _head(self._store, project)
        name = self._model.name
        found = next((one for one in self._vectors.indexes(project) if one.model == name), Index(name, 0, 0))
        return evolve(found, behind=max(0, head - found.position))

    def step(self, project: str) -> Index:
        """Read one page of events beyond the index, embed what they changed, and say how far it has come.

        Raises:
            ArbeitError: what the embedder raises, INVALID_INPUT where its vectors have another size than those there
                are; what was embedded before is kept.
        """
        index = self.standing(project)
        events = self._store.history(project, index.position, PAGE, EVERYTHING)
        if not events:
            return index
        documents, gone = self._documents(project, events)
        known = self._vectors.digests(project, index.model, [one.key for one in documents])
        fresh = [one for one in documents if known.get(one.key) != one.digest]
        end = events[-1].position
        # What is gone goes first: "all" of a task would take what was just embedded anew.
        for start in range(0, len(fresh) or 1, BATCH):
            if self._stop():
                break
            chunk = fresh[start : start + BATCH]
            made, empty = self._embedded(chunk, index)
            position = end if start + BATCH >= len(fresh) else index.position
            size = len(made[0].vector) // _NUMBER if made else index.dimensions
            moved = evolve(index, position=position, dimensions=size)
            out = [*(gone if start == 0 else ()), *empty]
            if not self._vectors.put_vectors(project, moved, made, out):
                break  # Somebody else is at it: what they have written is looked at by the next step.
            index = evolve(moved, revision=index.revision + 1)
        return self.standing(project)

    def _embedded(self, documents: Sequence[Document], index: Index) -> tuple[list[Embedded], list[Key]]:
        packed = self._model.vectors([one.text for one in documents]) if documents else []
        made = [
            Embedded(one.kind, one.id, one.task_id, one.digest, vector)
            for one, vector in zip(documents, packed, strict=True)
            if vector is not None
        ]
        sizes = {len(one.vector) // _NUMBER for one in made} | ({index.dimensions} if index.dimensions else set())
        if len(sizes) > 1:
            raise ArbeitError(
                Code.INVALID_INPUT,
                f"the vectors of {index.model} have {index.dimensions} dimensions here, and it makes others now",
                suggestions=("Give the other model a name of its own, or drop the index and build it anew.",),
                data={"field": "embedder", "model": index.model},
            )
        return made, [one.key for one, vector in zip(documents, packed, strict=True) if vector is None]

    def _documents(self, project: str, events: Sequence[Event]) -> tuple[list[Document], list[Key]]:
        look = touched(events)
        store = self._store
        found: dict[Key, Document] = {}
        gone: list[Key] = []
        whole = {one.task.id: one for one in store.fetch(project, look.whole, ("context_all", "runs"), EVERYTHING)}
        gone += [(ALL, name) for name in look.whole if name not in whole]
        for parts in whole.values():
            made = family(parts.task, parts.context_all or (), parts.runs or ())
            found |= {one.key: one for one in made}
            theirs = {("task", parts.task.id), *(("entry", one.id) for one in parts.context_all or ())}
            theirs |= {("run", one.id) for one in parts.runs or ()}
            gone += sorted(theirs - {one.key for one in made})
        entries = store.lookup(project, "entry", look.entries, EVERYTHING)
        runs = store.lookup(project, "run", look.runs, EVERYTHING)
        names = dict.fromkeys([*look.tasks, *(one.task_id for one in (*entries, *runs))])
        tasks = {one.task.id: one.task for one in store.fetch(project, list(names), (), EVERYTHING)}
        # A task may be deleted between two reads; the event that says so comes later in the log.
        entries, runs = ([one for one in rows if one.task_id in tasks] for rows in (entries, runs))
        texts = [
            *(Document("task", one, one, task_text(tasks[one])) for one in look.tasks if one in tasks),
            *(Document("entry", one.id, one.task_id, entry_text(one, tasks[one.task_id])) for one in entries),
            *(Document("run", one.id, one.task_id, run_text(one, tasks[one.task_id])) for one in runs),
        ]
        found |= {one.key: one for one in texts if one.text}
        asked = {("task", one) for one in look.tasks} | {("entry", one) for one in look.entries}
        asked |= {("run", one) for one in look.runs}
        gone += sorted(asked - found.keys())
        return list(found.values()), gone
