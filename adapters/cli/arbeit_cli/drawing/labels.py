"""Words of users in one line, which no terminal and no diagram reads as anything but words."""

from __future__ import annotations

ELLIPSIS = "…"


def one_line(text: str, width: int | None = None) -> str:
    """A text in one line, without control and formatting characters, cut with an ellipsis beyond so many characters."""
    words = "".join(sign if sign.isprintable() else " " for sign in text).split()
    line = " ".join(words)
    if width is None or len(line) <= width:
        return line
    return line[: max(0, width - 1)].rstrip() + ELLIPSIS


def within_bytes(text: str, most: int) -> str:
    """A text in one line, cut with an ellipsis beyond so many bytes of UTF-8."""
    line = one_line(text[: most * 4])
    if len(line.encode("utf-8", "replace")) <= most and len(text) <= most * 4:
        return line
    kept = line.encode("utf-8", "replace")[: max(0, most - len(ELLIPSIS.encode()))]
    return kept.decode("utf-8", "ignore").rstrip() + ELLIPSIS
