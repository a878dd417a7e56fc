"""What a check has found."""

from __future__ import annotations

from typing import Literal, NamedTuple

Level = Literal["ok", "warn", "fail"]


class Finding(NamedTuple):
    """One line: what was looked at, how it is, and what to do where it is not well."""

    level: Level
    what: str
    said: str
    advice: str = ""


def ok(what: str, said: str) -> Finding:
    """All is well."""
    return Finding("ok", what, said)


def warn(what: str, said: str, advice: str) -> Finding:
    """It works, but something should be seen to."""
    return Finding("warn", what, said, advice)


def fail(what: str, said: str, advice: str) -> Finding:
    """It does not work, or must not stay like this."""
    return Finding("fail", what, said, advice)
