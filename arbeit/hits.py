"""What a search answers, given the candidates that a store found: the same on every store."""

from __future__ import annotations

import heapq
import math
from collections.abc import Hashable, Iterable, Mapping, Sequence
from operator import itemgetter
from typing import TypeVar

from arbeit.core.declare import evolve
from arbeit.core.model import ContextEntry, Run, Task
from arbeit.core.searching import Sought, mentions, score, snippet
from arbeit.queries import Hit, Near, Search

K = TypeVar("K", bound=Hashable)
RANK_CONSTANT = 60
"""The k of reciprocal rank fusion, as its inventors measured it (Cormack, Clarke and Buettcher 2009)."""
POINTS = 10**9
"""What a merged score of 1 is shown as."""
_ANYTHING = Sought(())


def task_fields(task: Task) -> Mapping[str, str]:
    """What of a task is searched."""
    return {"title": task.title, "intent": task.intent, "description": task.description}


def entry_fields(entry: ContextEntry) -> Mapping[str, str]:
    """What of an entry is searched."""
    return {"content": entry.content}


def ranked(
    query: Search, sought: Sought, tasks: Iterable[Task], entries: Iterable[ContextEntry], around: Mapping[str, Task]
) -> list[Hit]:
    """The best of these candidates: most and weightiest occurrences first, then the newest, then by id.

    `around` are the tasks of the entries. What does not match after all is left out, so that an index may be coarse.
    """
    said: list[tuple[str, Task | ContextEntry, Mapping[str, str]]] = [
        *(("task", task, task_fields(task)) for task in tasks),
        *(("entry", entry, entry_fields(entry)) for entry in entries),
    ]
    found = [
        ((-points, -row.created_at, kind, row.id), row)
        for kind, row, fields in said
        if (points := score(sought, fields)) is not None
    ]
    best = heapq.nsmallest(query.limit, found, key=itemgetter(0))
    return [_hit(sought, -key[0], row, around) for key, row in best]


def _hit(sought: Sought, points: int, row: Task | ContextEntry, around: Mapping[str, Task]) -> Hit:
    if isinstance(row, ContextEntry):
        shown = snippet(sought, row.content)
        return Hit("entry", row.task_id, around[row.task_id].title, shown, points, row.created_at, row.id, row.type)
    texts = [text for text in (row.description, row.intent) if text]
    said = next((text for text in texts if mentions(sought, text)), (row.intent or row.description))
    return Hit("task", row.id, row.title, snippet(sought, said), points, row.created_at)


# -- by meaning, and both --------------------------------------------------------------------------------------------


def near_hits(
    sought: Sought, found: Iterable[Near], rows: Mapping[tuple[str, str], Task | ContextEntry | Run]
) -> list[Hit]:
    """Hits for what is near, in the same order: those whose rows are there and say nothing that is to be left out.

    `rows` has the records by kind and id, and the tasks that they belong to.
    """
    hits = [
        _near_hit(one, row, around)
        for one in found
        if (row := rows.get((one.kind, one.id))) is not None
        and isinstance(around := rows.get(("task", one.task_id)), Task)
        and not _left_out(sought, row)
    ]
    return sorted(hits, key=lambda hit: (-hit.score, -hit.created_at, *_key(hit)))


def _near_hit(one: Near, row: Task | ContextEntry | Run, task: Task) -> Hit:
    if isinstance(row, ContextEntry):
        shown = snippet(_ANYTHING, row.content)
        hit = Hit("entry", task.id, task.title, shown, one.similarity, row.created_at, row.id, row.type)
    elif isinstance(row, Run):
        at = row.ended_at if row.ended_at is not None else row.started_at
        hit = Hit("run", task.id, task.title, snippet(_ANYTHING, row.note), one.similarity, at, run_id=row.id)
    else:
        shown = snippet(_ANYTHING, row.intent or row.description)
        hit = Hit("task", row.id, row.title, shown, one.similarity, row.created_at)
    return evolve(hit, similarity=one.similarity)


def _left_out(sought: Sought, row: Task | ContextEntry | Run) -> bool:
    if not sought.without:
        return False
    if isinstance(row, Run):
        fields: Mapping[str, str] = {"content": row.note}
    else:
        fields = entry_fields(row) if isinstance(row, ContextEntry) else task_fields(row)
    # With nothing asked for, only what is to be left out decides.
    return score(Sought((), sought.without), fields) is None


def _key(hit: Hit) -> tuple[str, str]:
    return (hit.kind, hit.entry_id or hit.run_id or hit.task_id)


def fused(lists: Sequence[Sequence[K]], constant: int = RANK_CONSTANT) -> tuple[dict[K, int], int]:
    """Reciprocal rank fusion: for each key the sum of 1 / (constant + rank) over the lists that have it, ranks from 1.

    Exact: numerators over one denominator, which comes second. A key that a list has twice counts where it is first.
    """
    longest = max(map(len, lists), default=0)
    whole = math.lcm(*range(constant + 1, constant + longest + 1))
    sums: dict[K, int] = {}
    for ranked_keys in lists:
        for rank, key in enumerate(dict.fromkeys(ranked_keys), 1):
            sums[key] = sums.get(key, 0) + whole // (constant + rank)
    return sums, whole


def merged(said: Sequence[Hit], near: Sequence[Hit], limit: int) -> list[Hit]:
    """Hits by words and hits by meaning in one list; ties: the newest first, then by id. Scores are in `POINTS`.

    What both found shows the place of the words.
    """
    sums, whole = fused([list(map(_key, said)), list(map(_key, near))])
    alike = {_key(hit): hit.similarity for hit in near}
    hits = {_key(hit): hit for hit in (*near, *said)}
    best = heapq.nsmallest(limit, hits.items(), key=lambda one: (-sums[one[0]], -one[1].created_at, *one[0]))
    return [evolve(hit, score=sums[key] * POINTS // whole, similarity=alike.get(key)) for key, hit in best]
