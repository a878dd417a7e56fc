"""Texts, names, JSON and moments, at their edges as well as in their midst; all of them storable."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from hypothesis import strategies as st
from hypothesis.strategies import SearchStrategy

from arbeit.core import limits
from arbeit.core.model import SECOND, freeze
from arbeit.policies import BUILT_IN, OTHER_SETTINGS
from arbeit.testing.clock import START

_SIGNS = st.characters(exclude_categories=["Cs"], exclude_characters="\0")
_TELLING = (
    "done",
    "Fix the flaky test",
    " ",
    "e\u0301 and \u00e9",
    "\u202eright to left",
    "\U0001f6a7\u200d\U0001f6a7",
    "a\nb\r\n\tc\u2028d",
    "\x01\x7f\ufeff\uffff",
    "'; DROP TABLE tasks; --",
    '{"not": "json"',
    "%_*?[]\\",
    "I\u0130\u0131\u00df\ufb01",
)
"""Texts that have broken programs before: marks, directions, line ends, quotes, folding."""
_WORD = "0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
_PARAMETERS: Mapping[str, tuple[int, int]] = {
    "base": (1, 60),
    "cap": (1, 7 * 24 * 3600),
    "factor": (1, 100),
    "grace": (1, 600),
    "patience": (1, 600),
    "ttl": (1, 7200),
    "spread": (0, 90),
    "max_runtime": (1, 7200),
}
"""What the parameters of built-in policies may be, in seconds where they are times."""


def texts(
    *, characters: int | None = None, size: int = limits.TEXT_BYTES, required: bool = False, edges: bool = True
) -> SearchStrategy[str]:
    """Text that every store keeps, of at most so many characters and UTF-8 bytes.

    `required` leaves out what is blank; `edges` brings texts that just fit, which may be 64 KiB long.
    """
    most = size if characters is None else min(size, characters)
    short = st.text(_SIGNS, max_size=min(12, most // 4)).filter(lambda text: _fits(text, characters, size))
    told = [text for text in _TELLING if _fits(text, characters, size) and (text.strip() or not required)]
    small = st.one_of(st.sampled_from(told), short) if told else short
    if required:
        small = small.filter(lambda text: bool(text.strip()))
    return st.one_of(small, small, small, _edges(characters, size)) if edges else small


def _fits(text: str, characters: int | None, size: int) -> bool:
    return (characters is None or len(text) <= characters) and len(text.encode()) <= size


def _edges(characters: int | None, size: int) -> SearchStrategy[str]:
    """Texts as long as can be: of one byte a character, and of several."""
    most = size if characters is None else min(size, characters)
    wide = size // 4 if characters is None else min(size // 4, characters)
    # Made when drawn: Hypothesis prints strategies, and would print the texts.
    return st.sampled_from((("x", most), ("\U0001f6a7", wide))).map(lambda edge: edge[0] * edge[1])


def json_values(*, depth: int = 3) -> SearchStrategy[Any]:
    """JSON values nested at most so deep, as plain Python values."""
    plain = st.one_of(
        st.none(),
        st.booleans(),
        st.sampled_from((0, -1, 2**53 + 1, limits.MAX_INTEGER, -limits.MAX_INTEGER)),
        st.integers(-1000, 1000),
        st.floats(allow_nan=False, allow_infinity=False),
        texts(edges=False, size=64),
    )
    return plain if depth <= 0 else st.one_of(plain, _nested(depth))


def _nested(depth: int) -> SearchStrategy[Any]:
    inner = json_values(depth=depth - 1)
    return st.one_of(st.lists(inner, max_size=3), st.dictionaries(texts(edges=False, size=64), inner, max_size=3))


def metadata(*, edges: bool = True) -> SearchStrategy[Mapping[str, Any]]:
    """JSON objects within the limits of metadata, frozen as commands keep them; the edges are 16 KiB or 8 deep."""
    keys = texts(edges=False, size=64)
    small = st.dictionaries(keys, json_values(), max_size=3)
    told: list[dict[str, Any]] = [{}, {"k": 1}, {"deep": [1, 2.5, {"x": None}], "\u00fc": True}]
    plain = st.one_of(st.sampled_from(told), small)
    if edges:
        # {"k":"xxx"} as compact JSON has eight bytes beside the text.
        largest = st.just(limits.METADATA_BYTES - 8).map(lambda length: {"k": "x" * length})
        plain = st.one_of(plain, plain, largest, st.just(_deep(limits.JSON_DEPTH)))
    return plain.map(freeze)


def _deep(levels: int) -> dict[str, Any]:
    return {"k": _deep(levels - 1) if levels > 1 else 0}


def identifiers() -> SearchStrategy[str]:
    """Ids of tasks and other records: 1 to 64 letters, digits, dots, hyphens and underscores."""
    told = st.sampled_from(("tkt-1", "tkt-0000000000", ".", "-", "z" * 64))
    return st.one_of(told, st.text(_WORD + "._-", min_size=1, max_size=8))


def names() -> SearchStrategy[str]:
    """Names of agents, queues, capabilities: 1 to 64 characters, the first a letter or digit."""
    told = st.sampled_from(("ada", "default", "a@b.example/c#1", "9" * 64))
    return st.one_of(told, st.builds(str.__add__, st.sampled_from(_WORD), st.text(_WORD + "._:/@+#-", max_size=6)))


def moments() -> SearchStrategy[int]:
    """Times in microseconds since 1970: around where a virtual clock starts, long ago and far ahead."""
    near = st.integers(-600, 600).map(lambda seconds: START + seconds * SECOND)
    return st.one_of(near, st.sampled_from((0, START, START + 1, 2**53 + 1, limits.MAX_MOMENT)))


def settings() -> SearchStrategy[Mapping[str, Any]]:
    """Settings of a project that name built-in policies, with and without parameters."""
    policies = {kind: _policy(kind) for kind in BUILT_IN}
    others = {name: st.sampled_from(choices) for name, choices in OTHER_SETTINGS.items()}
    optional: dict[str, SearchStrategy[Any]] = {**policies, **others}
    chosen = st.lists(st.sampled_from(sorted(optional)), unique=True, max_size=3)
    return chosen.flatmap(lambda names: st.fixed_dictionaries({name: optional[name] for name in names})).map(freeze)


def _policy(kind: str) -> SearchStrategy[Any]:
    named = [_with_parameters(name, sorted(allowed)) for name, (allowed, _) in BUILT_IN[kind].items()]
    return st.one_of(st.sampled_from(list(BUILT_IN[kind])), *named)


def _with_parameters(name: str, allowed: list[str]) -> SearchStrategy[Any]:
    optional = {one: st.integers(*_PARAMETERS[one]) for one in allowed}
    return st.fixed_dictionaries({"name": st.just(name)}, optional=optional)
