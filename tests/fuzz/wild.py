"""Values that no caller should give, and what a refusal must look like."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

from hypothesis import strategies as st

from arbeit.core.errors import ArbeitError, Code

JUNK: list[Any] = [
    None,
    True,
    0,
    -1,
    2**70,
    -(2**63) - 1,
    1.5,
    math.nan,
    math.inf,
    "",
    " ",
    "a\0b",
    "\ud800",
    "x" * 70_000,
    "\u202e",
    b"bytes",
    [],
    [None],
    [[]],
    ["a", 1],
    ["\udfff"],
    {},
    {"k": math.nan},
    {"k": {1: 2}},
    {1: 2},
    {"k": object()},
    (),
    set(),
    object(),
    int,
    lambda: None,
]
junk = st.sampled_from(range(len(JUNK))).map(JUNK.__getitem__)


def deep(levels: int) -> Any:  # noqa: ANN401 - JSON
    """An object nested so deep."""
    value: Any = 0
    for _ in range(levels):
        value = {"k": value}
    return value


def told(call: Callable[[], object]) -> ArbeitError | None:
    """None where a call works, or its refusal, which must have a code, say why and suggest something.

    Any other exception is the test's failure.
    """
    try:
        call()
    except ArbeitError as caught:
        error = caught
    else:
        return None
    assert error.code in set(Code) - {Code.INTERNAL}, error
    assert error.message
    assert error.suggestions, error
    assert len(str(error)) < 10_000, "a message repeats what was too long"
    return error
