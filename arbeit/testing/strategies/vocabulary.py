"""The names that drawn commands use: any that are sound, or few enough that commands meet each other."""

from __future__ import annotations

from typing import Any

from attrs import evolve, field, frozen
from hypothesis import strategies as st
from hypothesis.strategies import SearchStrategy

from arbeit.testing.strategies.values import identifiers, moments, names, settings, texts

_TOKENS = ("0" * 32, "f" * 32, "", "not a token")


def _keys() -> SearchStrategy[str]:
    return texts(size=255, edges=False)


@frozen(eq=False)
class Vocabulary:
    """Strategies for what commands name; give some of your own, so that commands speak of what is there.

    `edges` says whether texts and metadata are drawn at the limits of their sizes, too.
    """

    actors: SearchStrategy[str] = field(factory=names)
    agents: SearchStrategy[str] = field(factory=names)
    tasks: SearchStrategy[str] = field(factory=identifiers)
    queues: SearchStrategy[str] = field(factory=names)
    capabilities: SearchStrategy[str] = field(factory=names)
    entries: SearchStrategy[str] = field(factory=identifiers)
    items: SearchStrategy[str] = field(factory=identifiers)
    artifacts: SearchStrategy[str] = field(factory=identifiers)
    sessions: SearchStrategy[str] = field(factory=_keys)
    paths: SearchStrategy[str] = field(factory=lambda: texts(size=4096, required=True, edges=False))
    secrets: SearchStrategy[str] = field(factory=names)
    tokens: SearchStrategy[str] = field(factory=lambda: st.sampled_from(_TOKENS))
    keys: SearchStrategy[str] = field(factory=_keys)
    """Idempotency keys."""
    moments: SearchStrategy[int] = field(factory=moments)
    settings: SearchStrategy[Any] = field(factory=settings)
    edges: bool = True

    def but(self, **others: Any) -> Vocabulary:  # noqa: ANN401 - any of the fields
        """The same vocabulary with some fields changed."""
        return evolve(self, **others)
