"""Vectors in memory, by project and model: found by looking at every one."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterator, Sequence
from threading import RLock

from arbeit.backends.memory.finding import sought_entries, sought_runs, sought_tasks
from arbeit.backends.memory.tables import Tables
from arbeit.core.declare import evolve
from arbeit.core.model import Changes
from arbeit.meaning import ALL, Key, forgotten
from arbeit.ports import Embedded
from arbeit.queries import Index, Near, Nearest
from arbeit.vectors import closest


class _Kept:
    """What there is of one model in one project."""

    def __init__(self, index: Index) -> None:
        self.index = index
        self.by_key: dict[Key, Embedded] = {}

    def forget(self, gone: Sequence[Key]) -> None:
        whole = {name for kind, name in gone if kind == ALL}
        for key in gone:
            self.by_key.pop(key, None)
        if whole:
            self.by_key = {key: one for key, one in self.by_key.items() if one.task_id not in whole}


class Vectoring:
    """The port `Vectors` of the memory store."""

    _lock: RLock

    def __init__(self) -> None:
        self._vectors: dict[tuple[str, str], _Kept] = {}

    @abstractmethod
    def _tables(self, project: str) -> Tables: ...

    def _forget(self, project: str, changes: Changes) -> None:
        """Take what was erased out of every index."""
        gone = forgotten(changes)
        for (key, _), kept in self._vectors.items() if gone else ():
            if key == project:
                kept.forget(gone)

    def indexes(self, project: str) -> list[Index]:
        """How far each model has come."""
        with self._lock:
            found = [kept for (key, _), kept in sorted(self._vectors.items()) if key == project]
            return [evolve(kept.index, vectors=len(kept.by_key)) for kept in found]

    def digests(self, project: str, model: str, keys: Sequence[Key]) -> dict[Key, str]:
        """The digests of those that have a vector."""
        with self._lock:
            kept = self._vectors.get((project, model))
            return {} if kept is None else {key: kept.by_key[key].digest for key in keys if key in kept.by_key}

    def put_vectors(self, project: str, index: Index, vectors: Sequence[Embedded], gone: Sequence[Key]) -> bool:
        """Store and forget, unless somebody else has written meanwhile."""
        with self._lock:
            kept = self._vectors.get((project, index.model))
            if (kept.index.revision if kept is not None else 0) != index.revision:
                return False
            if kept is None:
                kept = self._vectors[project, index.model] = _Kept(index)
            kept.index = evolve(index, revision=index.revision + 1)
            kept.forget(gone)
            kept.by_key |= {(one.kind, one.id): one for one in vectors}
            return True

    def nearest(self, query: Nearest) -> list[Near]:
        """The most similar, by looking at all of them."""
        with self._lock:
            kept = self._vectors.get((query.within.project, query.model))
            if kept is None:
                return []
            wanted = (kept.by_key.get(key) for key in _sought(self._tables(query.within.project), query))
            rows = [((one.kind, one.id, one.task_id), one.vector) for one in wanted if one is not None]
        found = closest(query.vector, rows, query.within.limit, query.floor, lambda row: row[:2])
        return [Near(*row, similarity) for similarity, row in found]

    def drop_index(self, project: str, model: str) -> bool:
        """Forget a model."""
        with self._lock:
            return self._vectors.pop((project, model), None) is not None


def _sought(tables: Tables, query: Nearest) -> Iterator[Key]:
    within = query.within
    if "task" in within.kinds:
        yield from (("task", one.id) for one in sought_tasks(tables, within) if one.id != query.apart_from)
    if "entry" in within.kinds:
        yield from (("entry", one.id) for one in sought_entries(tables, within) if one.task_id != query.apart_from)
    if "run" in within.kinds:
        yield from (("run", one.id) for one in sought_runs(tables, within) if one.task_id != query.apart_from)
