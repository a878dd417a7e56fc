"""Columns as literals: what the server makes of one is what was put in."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any

import asyncpg
import pytest
from hypothesis import given
from hypothesis import strategies as st

from arbeit.backends.postgres.literals import MAKERS, of_numbers, of_texts
from arbeit.ports import RowRefused

ODD = st.sampled_from(
    ["", " ", "NULL", "null", '"', "\\", '\\"', "{", "}", "{}", ",", "'", "\n", "\t", "a\r\nb", "\x1f", "ü", "🐘"]
)
TEXTS = ODD | st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]))


async def _as_split(url: str, columns: Sequence[tuple[str, str]]) -> list[Any]:
    connection = await asyncpg.connect(url)
    try:
        return [await connection.fetchval(f"SELECT $1::text::{kind}[]", literal) for kind, literal in columns]
    finally:
        await connection.close()


def split(url: str, *columns: tuple[str, Sequence[object]]) -> list[Any]:
    """What the server makes of the literals of some columns, each with its type."""
    return asyncio.run(_as_split(url, [(kind, MAKERS[kind](values)) for kind, values in columns]))


@given(
    texts=st.lists(TEXTS | st.none(), min_size=1, max_size=20),
    alike=st.tuples(TEXTS | st.none(), st.integers(1, 5)),
    numbers=st.lists(st.integers(-(2**63), 2**63 - 1) | st.none(), min_size=1, max_size=20),
    flags=st.lists(st.booleans() | st.none(), min_size=1, max_size=20),
)
def test_the_server_reads_from_a_literal_what_was_written(
    postgres_address: str,
    texts: list[str | None],
    alike: tuple[str | None, int],
    numbers: list[int | None],
    flags: list[bool | None],
) -> None:
    repeated = [alike[0]] * alike[1]
    found = split(postgres_address, ("text", texts), ("text", repeated), ("bigint", numbers), ("boolean", flags))
    assert found == [texts, repeated, numbers, flags]


def test_json_is_as_it_was_written(postgres_address: str) -> None:
    written = ['{"a":"\\"\\\\\\n"}', None, '["ü\\u0001"]']
    assert split(postgres_address, ("json", written)) == [written]


@pytest.mark.parametrize(
    "values", [["a\0b"], ["a\0b", "c"], ["a\0b"] * 2, ["\0", None], ["\ud800", None], ["\ud800"] * 2]
)
def test_a_text_with_a_character_that_no_text_may_have_is_refused_and_moves_no_other(values: list[str | None]) -> None:
    with pytest.raises(RowRefused):
        of_texts(values)


def test_a_column_that_is_all_alike_is_written_once_for_each_row() -> None:
    assert of_texts(["x", "x", "x"]) == '{"x","x","x"}'
    assert of_texts([None, None]) == "{NULL,NULL}"
    assert of_numbers([None, None]) == "{NULL,NULL}"
    assert of_numbers([7, 7]) == "{7,7}"
