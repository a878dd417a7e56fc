"""Draws an object from strategies for its fields: all that it needs, and a few of the others."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, TypeVar

from hypothesis import strategies as st
from hypothesis.strategies import DrawFn, SearchStrategy

T = TypeVar("T")
Fields = Mapping[str, SearchStrategy[Any]]


def drawn(make: Callable[..., T], required: Fields, optional: Fields, *, most: int) -> SearchStrategy[T]:
    """Objects with every required field and at most so many optional ones; fewer are simpler."""
    some = st.lists(st.sampled_from(sorted(optional)), unique=True, max_size=most) if optional else st.just([])

    # A composite, because its repr is short: that of nested builds() grows to megabytes.
    @st.composite
    def build(draw: DrawFn) -> T:
        fields = {name: draw(one) for name, one in required.items()}
        return make(**fields, **{name: draw(optional[name]) for name in draw(some)})

    return build()
