"""Strategies for the fields of records, from their names and the types that they are declared with."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import NoneType, UnionType
from typing import Any, Final, Literal, Union, get_args, get_origin, get_type_hints

import attrs
from hypothesis import strategies as st
from hypothesis.strategies import SearchStrategy

from arbeit.core.limits import MAX_INTEGER
from arbeit.core.model import PRIORITIES, STATUSES
from arbeit.testing.strategies.drawing import Fields, drawn
from arbeit.testing.strategies.values import identifiers, metadata, moments, names, settings, texts

Nested = Callable[[type], SearchStrategy[Any]]

_COUNT = st.one_of(st.integers(0, 5), st.sampled_from((2**53 + 1, MAX_INTEGER)))
_SHORT = texts(edges=False)
_DIGEST = st.integers(0, 2**256 - 1).map("{:064x}".format)
_LENGTH = st.integers(1, 10**9)
BY_NAME: Final[Mapping[str, SearchStrategy[Any]]] = {
    "key": names(),
    "project": st.sampled_from(("demo", "0", "a-b")),
    "agent_id": names(),
    "assignee": names(),
    "author": names(),
    "actor": names(),
    "queue": names(),
    "provider": names(),
    "requires": st.lists(names(), max_size=2, unique=True).map(sorted).map(tuple),
    "capabilities": st.lists(names(), max_size=2, unique=True).map(sorted).map(tuple),
    "status": st.sampled_from(STATUSES),
    "priority": st.sampled_from(PRIORITIES),
    "settings": settings(),
    "sha256": _DIGEST,
    "hash": _DIGEST,
    "data_hash": _DIGEST,
    "prev_hash": _DIGEST,
    "media_type": st.sampled_from(("text/plain", "application/json")),
    "ttl": _LENGTH,
    "max_runtime": _LENGTH,
    "weight": st.integers(1, 1000),
    "fence": st.integers(1, 100),
    "version": st.integers(1, 100),
    "depth": st.integers(0, 16),
    "max_attempts": st.integers(1, 1000),
    "attempt": st.integers(0, 3),
    "max_ready": _COUNT,
    "max_leases": _COUNT,
    "trace": st.sampled_from(("", f"00-{'a' * 32}-{'b' * 16}-01")),
}
"""Fields whose name says more than their type."""
_MOST = 4
"""Fields with defaults that one record is given at most."""
_MOMENTS = frozenset({"at", "ends_by", "deadline"})


def field_of(name: str, hint: Any, nested: Nested) -> SearchStrategy[Any]:  # noqa: ANN401 - a type as it is written
    """A strategy for a field of this name and declared type; `nested` makes records.

    Raises:
        LookupError: for a type that nothing is known of.
    """
    origin = get_origin(hint)
    if origin in {Union, UnionType}:
        others = [one for one in get_args(hint) if one is not NoneType]
        inner = [field_of(name, one, nested) for one in others]
        return st.one_of(st.none(), *inner) if len(others) < len(get_args(hint)) else st.one_of(inner)
    if origin is Literal:
        return st.sampled_from(get_args(hint))
    if name in BY_NAME and not attrs.has(hint):
        return BY_NAME[name]
    if origin is tuple:
        return _tuple(name, get_args(hint), nested)
    if origin is not None and issubclass(origin, Mapping):
        return metadata(edges=False)
    return _plain(name, hint, nested)


def _tuple(name: str, inner: tuple[Any, ...], nested: Nested) -> SearchStrategy[Any]:
    if inner[-1] is Ellipsis:
        one = field_of(name.removesuffix("s"), inner[0], nested)
        return st.lists(one, max_size=2).map(tuple)
    return st.tuples(*(field_of(name, each, nested) for each in inner))


def _plain(name: str, hint: Any, nested: Nested) -> SearchStrategy[Any]:  # noqa: ANN401 - as above
    if hint is bool:
        return st.booleans()
    if hint is int:
        return moments() if name.endswith("_at") or name in _MOMENTS else _COUNT
    if hint is str:
        return identifiers() if name == "id" or name.endswith("_id") else _SHORT
    if isinstance(hint, type) and attrs.has(hint):
        return nested(hint)
    msg = f"no strategy is known for {name}: {hint}"
    raise LookupError(msg)


def fields_of(kind: type, nested: Nested, own: Fields) -> Fields:
    """A strategy for each field of a class; `own` are those that are not made from name and type."""
    hints = get_type_hints(kind)
    found: Any = attrs.fields(kind)
    return {
        one.name: own[one.name] if one.name in own else field_of(one.name, hints[one.name], nested) for one in found
    }


def record_of(kind: type, nested: Nested, own: Fields) -> SearchStrategy[Any]:
    """Records of a class: what it needs, what is `own`, and a few of the fields that have defaults."""
    fields = fields_of(kind, nested, own)
    found: Any = attrs.fields(kind)
    needed = {one.name for one in found if one.default is attrs.NOTHING} | own.keys()
    required = {name: one for name, one in fields.items() if name in needed}
    optional = {name: one for name, one in fields.items() if name not in needed}
    return drawn(kind, required, optional, most=_MOST)
