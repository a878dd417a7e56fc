"""Short stable names for opaque ids, tokens by their lease, times from the start of a run."""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Mapping
from typing import Any

from arbeit.core.leases import token_for
from arbeit.core.model import Lease

LETTERS: Mapping[str, str] = {
    "tkt": "T",
    "lea": "L",
    "run": "R",
    "ctx": "C",
    "prg": "P",
    "rel": "E",
    "art": "A",
    "ses": "S",
    "fil": "F",
    "sec": "K",
}
"""The letter that stands for each kind of generated id. An id that somebody chose stays as it is."""

LONGEST = 72
"""Characters of a text that are shown."""
MOST = 8
"""Items of a list that are shown."""

_ID = re.compile(rf"\b({'|'.join(LETTERS)})-[0-9a-z]{{10}}\b")
_DIGEST = re.compile(r"\b[0-9a-f]{32,}\b")
_WORD = re.compile(r"[\w.:/@!+-]{1,72}")
_SPANS = frozenset({"ttl", "max_runtime", "waited", "forget_receipts_older_than"})
_TIMES = frozenset({"ends_by", "deadline"})


class Names:
    """What things are called in one transcript: the first task seen is T1, the first lease L1.

    `key` is the deployment's secret, under which tokens are told apart; without it a token is "some token".

    Attributes:
        start: the moment that times count from, in microseconds since 1970; the first that is named, unless set.
        ids: the ids by their short names.
    """

    def __init__(self, key: bytes | None = None) -> None:
        self.start: int | None = None
        self.ids: dict[str, str] = {}
        self._key = key
        self._short: dict[str, str] = {}
        self._counts: Counter[str] = Counter()
        self._tokens: dict[str, str] = {}
        self._leases: set[tuple[str, str]] = set()

    def name(self, made: str) -> str:
        """The short name of a generated id; any other text as it is."""
        known = self._short.get(made)
        if known is not None:
            return known
        if _ID.fullmatch(made) is None:
            return made
        letter = LETTERS[made[:3]]
        self._counts[letter] += 1
        short = self._short[made] = f"{letter}{self._counts[letter]}"
        self.ids[short] = made
        return short

    def meet(self, project: str, lease: Lease) -> str:
        """Name a lease, and know its token from now on."""
        if (project, lease.id) not in self._leases:
            self._leases.add((project, lease.id))
            if self._key is not None:
                self._tokens[token_for(self._key, project, lease)] = self.name(lease.id)
        return self.name(lease.id)

    def token(self, shown: str) -> str:
        """Which lease a token belongs to, or that it belongs to none that was seen."""
        if self._key is None:
            return "some token"
        lease = self._tokens.get(shown)
        return "forged token" if lease is None else f"token of {lease}"

    def at(self, moment: int) -> str:
        """A time since the start, in seconds: +12.345s. The first time that is asked for is the start."""
        if self.start is None:
            self.start = moment
        return f"{'-' if moment < self.start else '+'}{_seconds(abs(moment - self.start), 3)}s"

    def text(self, said: str, longest: int = LONGEST) -> str:
        """A text in quotes, with its ids named, its digests left out, its end cut off where it is long."""
        return json.dumps(shortened(self.plain(said), longest), ensure_ascii=False)

    def plain(self, said: str) -> str:
        """A text with its ids named and its digests left out."""
        return _DIGEST.sub("(digest)", _ID.sub(lambda found: self.name(found.group()), said))

    def value(self, name: str, value: Any) -> str:  # noqa: ANN401 - any JSON value
        """A field's value in short words; its name tells times and lengths of time from numbers."""
        match value:
            case None:
                return "none"
            case bool():
                return "yes" if value else "no"
            case int() if name in _SPANS:
                return f"{_seconds(value, 0)}s"
            case int() if name.endswith("_at") or name in _TIMES:
                return self.at(value)
            case str():
                return self._word(value)
            case dict() if "name" in value:
                # A policy as people set it: its lengths are in seconds.
                return "{" + " ".join(f"{key}={value[key]}" for key in sorted(value, key=str)) + "}"
            case dict():
                return "{" + " ".join(f"{key}={self.value(key, value[key])}" for key in sorted(value, key=str)) + "}"
            case set() | frozenset():
                return self._many(name, sorted(value, key=str), ",")
            case list() | tuple() if any(isinstance(item, list | tuple) for item in value):
                return self._many(name, value, "; ")
            case list() | tuple():
                return self._many(name, value, ",")
            case int() | float():
                return str(value)
            case _:
                # Never a repr, which may hold an address.
                return type(value).__name__

    def _word(self, value: str) -> str:
        named = self.name(value)
        return named if _WORD.fullmatch(named) and not _DIGEST.fullmatch(named) else self.text(value)

    def _many(self, name: str, values: list[Any] | tuple[Any, ...], between: str) -> str:
        shown = between.join(self.value(name, item) for item in values[:MOST])
        return f"{shown}{between}... {len(values)} in all" if len(values) > MOST else f"({shown})" if shown else "()"


def shortened(said: str, longest: int) -> str:
    """A text of at most so many characters."""
    return said if len(said) <= longest else f"{said[: longest - 3]}..."


def printable(said: str) -> str:
    """A text on one line, without signs that would do something to a terminal."""
    if said.isprintable():
        return said
    return "".join(sign if sign.isprintable() else f"\\u{ord(sign):04x}" for sign in said)


def _seconds(length: int, least: int) -> str:
    """Microseconds in seconds: none, three or six decimals, as it takes, and at least so many."""
    whole, rest = divmod(length, 1_000_000)
    decimals = 6 if rest % 1000 else 3 if rest else least
    return f"{whole}.{f'{rest:06}'[:decimals]}" if decimals else str(whole)
