"""Columns of many rows as array literals: one text each, made in a few passes.

The driver takes several steps for every element of an array; a text it copies. The server splits a literal about as
quickly as it reads an array of the driver's.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from arbeit.ports import RowRefused

# Neither is ever in a text: commands are refused that bring one.
_BETWEEN = "\0"
_NULL = "\ud800"


def of_texts(values: Sequence[str | None]) -> str:
    """The literal of a column of texts.

    Raises:
        RowRefused: a text has U+0000, or a lone surrogate that would be taken for NULL.
    """
    count, missing = len(values), values.count(None)
    if missing == count:
        return _repeated("NULL", count)
    told = [_NULL if value is None else value for value in values] if missing else values
    # All alike is common: of new tasks, nearly every column.
    alike = not missing and told.count(told[0]) == count
    text = told[0] if alike else _BETWEEN.join(told)  # type: ignore[arg-type]  # none is None
    assert text is not None  # noqa: S101 - as above
    if text.count(_BETWEEN) != (0 if alike else count - 1) or text.count(_NULL) != missing:
        raise RowRefused("the store refused a text: it has a character that no text may have")
    text = text.replace("\\", "\\\\").replace('"', '\\"')
    if alike:
        return _repeated(f'"{text}"', count)
    text = text.replace(_BETWEEN, '","')
    literal = f'{{"{text}"}}'
    return literal.replace(f'"{_NULL}"', "NULL") if missing else literal


def of_numbers(values: Sequence[int | None]) -> str:
    """The literal of a column of integers or booleans."""
    if values.count(values[0]) == len(values):
        return _repeated("NULL" if values[0] is None else str(values[0]), len(values))
    return "{" + str(list(values))[1:-1].replace("None", "NULL") + "}"


def _repeated(element: str, count: int) -> str:
    return "{" + ",".join([element] * count) + "}"


MAKERS: Mapping[str, Callable[[Sequence[Any]], str]] = {
    "text": of_texts,
    "json": of_texts,
    "bigint": of_numbers,
    "boolean": of_numbers,
}
"""By the type of the column."""
