"""Text from the command line, from standard input or from a file; no editor is ever opened."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import BinaryIO

from arbeit_cli.failing import RefusedError

MOST = 1024 * 1024
"""Bytes of text that are read; more is a mistake, such as a whole log piped in."""


def body(words: str | None, file: str | None = None, *, name: str = "text") -> str | None:
    """Text as it was said, or read where it says `-` (standard input) or names a file; None if nothing was said.

    Raises:
        RefusedError: INVALID_INPUT for both at once, more than 1 MiB, what is not UTF-8, or a file that cannot be read.
    """
    if words is not None and file is not None:
        raise RefusedError("INVALID_INPUT", f"{name} was given twice", ["Give it as words or as a file."])
    if file is None and words != "-":
        return words
    if file in {None, "-"}:
        return _decoded(_limited(sys.stdin.buffer, "standard input", name), "standard input", name)
    try:
        with Path(str(file)).open("rb") as source:
            return _decoded(_limited(source, str(file), name), str(file), name)
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or error
        raise RefusedError("INVALID_INPUT", f"{file} cannot be read: {reason}", ["Give a file that can."]) from error


def required(words: str | None, file: str | None = None, *, name: str = "text") -> str:
    """Text that must be there. Raises RefusedError (INVALID_INPUT) where it is not."""
    said = body(words, file, name=name)
    if said is None:
        raise RefusedError("INVALID_INPUT", f"{name} is missing", ["Say it, or pipe it in and say -."])
    return said


def _limited(source: BinaryIO, what: str, name: str) -> bytes:
    read = source.read(MOST + 1)
    if len(read) > MOST:
        hint = "Keep long text as a file: arbeit attach FILE."
        raise RefusedError("INVALID_INPUT", f"{what} has more than {MOST} bytes, too many for {name}", [hint])
    return read


def _decoded(read: bytes, what: str, name: str) -> str:
    try:
        # One line end is the shell's, not the author's.
        return read.decode("utf-8-sig").replace("\r\n", "\n").removesuffix("\n")
    except UnicodeDecodeError as error:
        hint = "Keep bytes as a file: arbeit attach FILE."
        raise RefusedError("INVALID_INPUT", f"{what} is not UTF-8 text, so it is no {name}", [hint]) from error
