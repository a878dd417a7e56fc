from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from arbeit.core import limits
from arbeit.core.commands import CreateTask
from arbeit.core.compact import compact
from arbeit.core.errors import ArbeitError

VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=12,
)


@given(VALUES)
def test_compact_text_is_that_of_the_standard_encoder(value: object) -> None:
    assert compact(value) == json.dumps(value, ensure_ascii=False, separators=(",", ":"))


@given(st.text(max_size=40) | st.sampled_from(["a" * 20, "a" * 21, "\u00e4" * 10, "\u00e4" * 11, "a\0b", "\ud800"]))
def test_the_short_way_lets_no_text_pass_that_the_long_way_refuses(text: str) -> None:
    sound = True
    try:
        limits.check_text("title", text, characters=30, size=20)
    except ArbeitError:
        sound = False
    if limits._plain(text, 20):
        assert sound


@pytest.mark.parametrize("title", ["a" * limits.TITLE_CHARACTERS, "\u00e4" * limits.TITLE_CHARACTERS])
def test_a_title_may_be_as_long_as_is_said_and_no_longer(title: str) -> None:
    assert CreateTask(task_id="t1", title=title).title == title
    with pytest.raises(ArbeitError):
        CreateTask(task_id="t1", title=title + "a")
