"""What may be asked of a store: lists of tasks with their cursors, and searches."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final, get_args

from hypothesis import strategies as st
from hypothesis.strategies import DrawFn, SearchStrategy

from arbeit.core.model import ENTRY_TYPES, PRIORITIES, STATUSES, ClaimStatus
from arbeit.queries import HIT_KINDS, SORTS, Query, Search, mark
from arbeit.testing.strategies.values import identifiers, moments, names, texts
from arbeit.testing.strategies.vocabulary import Vocabulary

_CURSORS: Final[Mapping[str, tuple[type, ...]]] = {
    "created": (int,),
    "-created": (int,),
    "updated": (int,),
    "priority": (int, int),
    "due": (int, int, int),
    "ready": (int, int, str),
}
"""What a cursor of each sort is made of."""
_WORDS = ("fix", "flaky", "caf\u00e9", "\u00dcber", "42", "x1", "done", "retr*")
_GLUE = (" ", "  ", " or ", " OR ", " -", ' "', '" ', "\t", "-", '"', "*")


def cursors(sort: str) -> SearchStrategy[str]:
    """Cursors of a sort of tasks, such as a page of it may end with; an unknown sort is a LookupError."""
    number = st.one_of(st.integers(0, 100), st.sampled_from((-1, 2**63 - 1, -(2**63))))
    parts = [identifiers() if kind is str else number for kind in _CURSORS[sort]]
    return st.tuples(*parts).map(lambda values: mark(sort, *values))


def filters(vocabulary: Vocabulary | None = None) -> Mapping[str, SearchStrategy[Any]]:
    """A strategy for each filter of a `Query`, by its name."""
    words = vocabulary or Vocabulary()
    flag = st.booleans()
    return {
        "status": st.lists(st.sampled_from(STATUSES), min_size=1, max_size=3, unique=True).map(tuple),
        "claim_status": st.sampled_from(get_args(ClaimStatus)),
        "queue": words.queues,
        "parent_id": st.one_of(st.just(""), words.tasks),
        "assignee": words.agents,
        "priority": st.sampled_from(PRIORITIES),
        "label": texts(size=100, edges=False),
        "created_by": names(),
        "requires": st.lists(words.capabilities, max_size=2, unique=True).map(tuple),
        "due_before": moments(),
        "updated_before": moments(),
        "updated_after": moments(),
        "blocked": flag,
        "blocking": flag,
        "escalated": flag,
        "root": flag,
        "file": words.paths,
    }


def queries(project: str = "demo", vocabulary: Vocabulary | None = None) -> SearchStrategy[Query]:
    """Questions for tasks of a project: up to three filters, any sort, now and then from a cursor on."""
    known = filters(vocabulary)
    chosen = st.lists(st.sampled_from(sorted(known)), unique=True, max_size=3)

    @st.composite
    def build(draw: DrawFn) -> Query:
        sort = draw(st.sampled_from(SORTS))
        after = draw(st.one_of(st.none(), st.none(), cursors(sort)))
        limit = draw(st.sampled_from((1, 2, 50, 1000)))
        asked = {name: draw(known[name]) for name in draw(chosen)}
        return Query(project, **asked, sort=sort, after=after, limit=limit)  # type: ignore[arg-type]  # one of SORTS

    return build()


def search_texts() -> SearchStrategy[str]:
    """Texts in the language of searches, most of which say something to look for; a refusal is INVALID_INPUT."""
    pieces = st.one_of(st.sampled_from(_WORDS), st.sampled_from(_WORDS), texts(edges=False, size=32))
    parts = st.lists(st.tuples(pieces, st.sampled_from(_GLUE)), min_size=1, max_size=6)
    return parts.map(lambda found: "".join(piece + glue for piece, glue in found))


def searches(project: str = "demo") -> SearchStrategy[Search]:
    """Searches of a project."""
    return st.builds(
        Search,
        st.just(project),
        search_texts(),
        st.lists(st.sampled_from(HIT_KINDS), min_size=1, unique=True).map(tuple),
        types=st.one_of(st.none(), st.lists(st.sampled_from(ENTRY_TYPES), max_size=2).map(tuple)),
        status=st.one_of(st.none(), st.lists(st.sampled_from(STATUSES), max_size=2).map(tuple)),
        superseded=st.booleans(),
        limit=st.sampled_from((1, 20, 100)),
    )
