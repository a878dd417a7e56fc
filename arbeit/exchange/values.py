"""Ids, times and texts of foreign sources, made fit to keep."""

from __future__ import annotations

import hashlib
import math
import re
from datetime import UTC, datetime, timedelta
from functools import lru_cache

from arbeit.core import limits
from arbeit.core.redacting import Redact

ID_CHARACTERS = 64
LABEL_BYTES = 100
_MOST_BYTES = 4  # of a character
LINE_BYTES = 4096  # of an acceptance line, as ImportTask checks it
_UNFIT = re.compile(r"[^0-9a-zA-Z._-]+")
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_NUMBER_UNITS = ((10**11, 1_000_000.0), (10**14, 1_000.0), (10**17, 1.0), (10**20, 0.001))
"""Up to which number a time is in seconds, milliseconds, microseconds or nanoseconds: years 1973 to 5138."""


def fitting(text: str, characters: int = ID_CHARACTERS, *, mark: str = "") -> str:
    """An id of so many characters for a text: itself if it is one, else its fitting part and a digest.

    With a `mark` there is always a digest: that of the mark.
    """
    if not mark and 0 < len(text) <= characters and not _UNFIT.search(text):
        return text
    digest = hashlib.sha256((mark or text).encode(errors="surrogatepass")).hexdigest()[:10]
    kept = _UNFIT.sub("-", text[: 4 * characters]).strip("-")[: characters - len(digest) - 1]
    return f"{kept}-{digest}" if kept else digest


def id_text(raw: object) -> str | None:
    """An id in whatever form: 5, 5.0 and " 5" are "5", 5.2 is "5.2"; None if it is none."""
    if isinstance(raw, str):
        return raw.strip() or None
    if isinstance(raw, bool) or not isinstance(raw, int | float) or not math.isfinite(raw):
        return None
    if abs(raw) > limits.MAX_INTEGER:
        return None
    return str(int(raw)) if raw == int(raw) else repr(raw)


def micros(value: object) -> int | None:
    """An ISO 8601 time of 1970 to 9999 as microseconds since 1970, UTC where it names no offset; None for all else."""
    return _micros(value) if isinstance(value, str) else None


@lru_cache(maxsize=4096)  # records that were made together tell one time, and many tell theirs twice
def _micros(text: str) -> int | None:
    try:
        time = datetime.fromisoformat(text.strip())
        since = (time if time.tzinfo else time.replace(tzinfo=UTC)) - _EPOCH
    except (ValueError, OverflowError):
        return None
    found = since // timedelta(microseconds=1)
    return found if 0 <= found <= limits.MAX_MOMENT else None


def moment(value: object) -> int | None:
    """A time as text or as a number, whose size tells its unit, in microseconds since 1970; None if it is none."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return micros(value)
    for limit, factor in _NUMBER_UNITS:
        if 0 < value < limit:
            return int(value) * int(factor) if factor >= 1 and value == int(value) else int(value * factor)
    return None


def storable(text: str, size: int = limits.TEXT_BYTES) -> bool:
    """Whether a store can keep a text as it is: within its limit, without U+0000 and half surrogates."""
    if "\0" in text:
        return False
    try:
        return len(text.encode()) <= size
    except UnicodeEncodeError:
        return False


def cleaned(text: str) -> str:
    """A text with what no store can keep replaced by U+FFFD."""
    return text.encode("utf-16", "surrogatepass").decode("utf-16", "replace").replace("\0", "\ufffd")


def split(text: str, size: int) -> list[str]:
    """A text in pieces of so many bytes at most, cut after line ends or spaces; joined they are the text."""
    rest = text.encode()
    found: list[str] = []
    start = 0
    while len(rest) - start > size:
        head = rest[start : start + size].decode(errors="ignore")
        cut = len(head[: head.rfind("\n") + 1 or head.rfind(" ") + 1 or len(head)].encode())
        found.append(rest[start : start + cut].decode())
        start += cut
    return [*found, rest[start:].decode()]


def pieces(text: str, redact: Redact) -> list[str]:
    """A text in pieces that fit acceptance lines; one that no store can keep stays whole, for its command to refuse.

    A text that has to be cut is redacted first: a half of a secret would not be known for one.
    """
    if len(text) * _MOST_BYTES <= LINE_BYTES or not storable(text):
        return [text]
    return [text] if storable(text, LINE_BYTES) else split(redact(text), LINE_BYTES)


def fits_label(value: object) -> bool:
    """Whether a value is text that can be a label."""
    return isinstance(value, str) and bool(value.strip()) and storable(value, LABEL_BYTES)
