"""Tables: aligned and cut to the terminal for people; whole, and separated by tabs, in a pipe."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import NamedTuple

from arbeit_cli.screen import Screen, clean

GAP = "  "
_LEAST = 12
"""Columns that a column of free text keeps, however narrow the terminal."""


class Column(NamedTuple):
    """A column: its head, whether it is a number, whether it gives way, and how its cells are painted."""

    head: str
    right: bool = False
    gives: bool = False
    styles: Callable[[str], tuple[str, ...]] | tuple[str, ...] = ()


def width(text: str) -> int:
    """How many columns of a terminal a text takes."""
    if text.isascii():
        return len(text)
    from unicodedata import combining, east_asian_width  # noqa: PLC0415 - for text that needs it

    zero = "\u200b\u200c\u200d\u2060\ufe0e\ufe0f"
    return sum(0 if combining(sign) or sign in zero else 1 + (east_asian_width(sign) in "WF") for sign in text)


def cut(text: str, columns: int) -> str:
    """A text that takes no more than so many columns; what is left out shows as an ellipsis."""
    if width(text) <= columns:
        return text
    kept, used = [], 0
    for sign in text:
        used += width(sign)
        if used > columns - 1:
            break
        kept.append(sign)
    return f"{''.join(kept).rstrip()}…"


def pad(text: str, columns: int, *, right: bool = False) -> str:
    """A text filled up with spaces."""
    space = " " * (columns - width(text))
    return space + text if right else text + space


def table(screen: Screen, columns: Sequence[Column], rows: Iterable[Sequence[str]]) -> list[str]:
    """The lines of a table. In a pipe: one row a line, tabs between cells, nothing cut."""
    cells = [[clean(cell) for cell in row] for row in rows]
    heads = [column.head for column in columns]

    def painted(at: int, text: str) -> str:
        styles = columns[at].styles
        return screen.paint(text, *(styles(text) if callable(styles) else styles))

    if screen.width is None:
        return ["\t".join(heads), *("\t".join(painted(at, cell) for at, cell in enumerate(row)) for row in cells)]
    # A column that says nothing anywhere is left out.
    shown = [at for at, column in enumerate(columns) if column.gives or any(row[at] for row in cells)]
    widths = {at: max(width(row[at]) for row in ([heads, *cells])) for at in shown}
    flexible = [at for at in shown if columns[at].gives]
    spare = screen.width - sum(widths.values()) - len(GAP) * (len(shown) - 1)
    # Those that give way first; the others only where even that is not enough.
    for at in sorted(shown, key=lambda at: (at not in flexible, -widths[at])):
        taken = min(max(0, widths[at] - _LEAST), max(0, -spare))
        widths[at] -= taken
        spare += taken

    def line(row: Sequence[str], paint: Callable[[int, str], str]) -> str:
        parts = []
        for place, at in enumerate(shown):
            text = cut(row[at], widths[at])
            last = place == len(shown) - 1
            space = "" if last and not columns[at].right else " " * (widths[at] - width(text))
            parts.append(space + paint(at, text) if columns[at].right else paint(at, text) + space)
        return GAP.join(parts).rstrip()

    return [line(heads, lambda _, text: screen.paint(text, "dim")), *(line(row, painted) for row in cells)]


def pairs(
    screen: Screen, facts: Iterable[tuple[str, str]], *, indent: str = "", painted: Sequence[str] = ()
) -> list[str]:
    """Names and values, aligned; those without a value are left out. `painted`: names whose values are ours."""
    said = [(name, value if name in painted else clean(value)) for name, value in facts if value]
    widest = max((width(name) for name, _ in said), default=0)
    return [f"{indent}{screen.paint(pad(name, widest), 'dim')}{GAP}{value}" for name, value in said]


def wrap(screen: Screen, text: str, *, indent: str = "") -> list[str]:
    """The lines of a longer text, folded at the terminal's width; in a pipe as they are."""
    lines = clean(text, lines=True).split("\n")
    if screen.width is None:
        return [f"{indent}{line}".rstrip() for line in lines]
    room = max(min(screen.width, 100) - len(indent), 20)
    folded: list[str] = []
    for line in lines:
        folded += fold(line.replace("\t", "    "), room)
    return [f"{indent}{line}".rstrip() for line in folded]


def fold(line: str, room: int) -> list[str]:
    """A line in pieces of so many columns at most, broken at spaces where there are any."""
    found: list[str] = []
    while width(line) > room:
        at, used, space = 0, 0, -1
        for at, sign in enumerate(line):
            used += width(sign)
            if used > room:
                break
            if sign == " ":
                space = at
        end = space if space > room // 3 else at
        found.append(line[:end].rstrip())
        line = line[end:].lstrip()
    return [*found, line]
