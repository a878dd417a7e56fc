"""Facts of every class, as a log records them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from hypothesis import strategies as st
from hypothesis.strategies import SearchStrategy

from arbeit.core import events as e
from arbeit.core.model import freeze
from arbeit.testing.strategies.fields import record_of
from arbeit.testing.strategies.values import metadata, names, texts

_LABELS = st.lists(texts(size=100, edges=False), max_size=2)
_LIMIT = st.one_of(st.none(), st.integers(0, 9))
_CHANGES: Mapping[type[e.Fact], Mapping[str, SearchStrategy[Any]]] = {
    e.ProjectUpdated: {"name": texts(characters=200, edges=False), "weight": st.integers(1, 1000)},
    e.QueueSet: {"weight": st.integers(1, 1000), "paused": st.booleans(), "max_ready": _LIMIT},
    e.AgentRegistered: {"persona": names(), "max_leases": _LIMIT, "metadata": metadata(edges=False)},
    e.TaskUpdated: {"title": texts(required=True, edges=False), "labels": _LABELS, "metadata": metadata(edges=False)},
}
"""Fields that these facts change."""


def fact(kind: type[e.Fact]) -> SearchStrategy[Any]:
    """Facts of one class of `arbeit.core.events`.

    Raises:
        LookupError: for a class with a field that nothing is known of.
    """
    changes = st.fixed_dictionaries({}, optional=_CHANGES.get(kind, {})).map(freeze)
    own = {"changes": changes} if kind in _CHANGES else {}
    return record_of(kind, _no_record, own)


def facts() -> SearchStrategy[e.Fact]:
    """Any fact."""
    return st.one_of([fact(kind) for kind in e.FACTS.values()])


def _no_record(kind: type) -> SearchStrategy[Any]:
    msg = f"a fact holds no {kind.__name__}: its data is JSON"
    raise LookupError(msg)
