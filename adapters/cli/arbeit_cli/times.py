"""Lengths of time and moments, as people say them and as they read them."""

from __future__ import annotations

import argparse
import re
import time
from datetime import UTC, datetime

_UNITS = {"ms": 0.001, "s": 1, "m": 60, "min": 60, "h": 3600, "d": 86400, "w": 604800}
_LENGTH = re.compile(r"(\d+(?:\.\d+)?)\s*([a-z]*)")
_STEPS = ((60, 1, "s"), (3600, 60, "min"), (86400, 3600, "h"), (30 * 86400, 86400, "d"))


def seconds(said: str) -> float:
    """A length of time in seconds: `90`, `90s`, `15m`, `2h`, `1d`, `1h30m`."""
    rest, total = said.strip().lower(), 0.0
    while rest:
        match = _LENGTH.match(rest)
        if match is None or (match[2] or "s") not in _UNITS:
            hint = "a length of time, such as 90, 15m, 2h or 1d"
            raise argparse.ArgumentTypeError(f"{said!r} is not {hint}")
        total += float(match[1]) * _UNITS[match[2] or "s"]
        rest = rest[match.end() :].strip()
    if not said.strip():
        raise argparse.ArgumentTypeError("a length of time is missing")
    return total


def moment(said: str) -> datetime:
    """A moment: RFC 3339 (a date alone means midnight UTC), or so long from now (`+2h`), or ago (`2h ago`, `-2h`)."""
    text = said.strip()
    if text.lower() == "now":
        return datetime.now(UTC)
    ago = text.lower().endswith(" ago") or text.startswith("-")
    if ago or text.startswith("+"):
        length = seconds(text.lower().removesuffix(" ago").lstrip("+-"))
        try:
            return datetime.fromtimestamp(time.time() + (-length if ago else length), UTC)
        except (OverflowError, OSError, ValueError) as error:
            raise argparse.ArgumentTypeError(f"{said!r} is too far away") from error
    try:
        found = datetime.fromisoformat(text)
    except ValueError as error:
        message = f"{said!r} is no moment, such as 2026-01-19T13:38:24Z, 2026-01-19, +2h or '3h ago'"
        raise argparse.ArgumentTypeError(message) from error
    return found if found.tzinfo is not None else found.replace(tzinfo=UTC)


def past(said: str) -> datetime:
    """A moment, where a bare length of time (`24h`) means so long ago."""
    if _LENGTH.fullmatch(said.strip().lower()) and not said.strip().isdecimal():
        return moment(f"-{said.strip()}")
    return moment(said)


def spell(length: float) -> str:
    """A length of time in seconds, in its largest unit: `3 min`."""
    length = abs(length)
    if 0 < length < 1:
        return f"{max(1, round(length * 1000))} ms"
    for below, unit, name in _STEPS:
        if length < below:
            return f"{int(length / unit)} {name}"
    return f"{int(length / 86400)} d"


def ago(at: str | None, now: float | None = None) -> str:
    """An RFC 3339 moment as people say it: `3 min ago`, `in 2 h`; a date once it is a month away."""
    if not at:
        return ""
    distance = round((time.time() if now is None else now) - datetime.fromisoformat(at).timestamp(), 3)
    if abs(distance) >= 30 * 86400:
        return at[:10]
    if -1 < distance < 1:
        return "now"
    return f"{spell(distance)} ago" if distance > 0 else f"in {spell(distance)}"
