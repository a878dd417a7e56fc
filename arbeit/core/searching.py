"""The language of searches, the words of a text, and how good a match is: the same for every store.

A text to search for is made of words, all of which must occur. "Several words" in double quotes must follow each
other, word* stands for every word that begins so, `or` between two terms asks for either, and -word leaves out what
has it. Words are runs of letters and digits, compared without case and diacritics.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator, Mapping, Sequence
from functools import lru_cache
from typing import NoReturn

from arbeit.core.declare import frozen
from arbeit.core.errors import ArbeitError, Code
from arbeit.core.limits import check_text

LONGEST = 1_000
"""Characters of a text to search for."""
MOST_TERMS = 32
SHORTEST_PREFIX = 3
_SNIPPET = 160
_LEAD = 40
_MOST_COUNTED = 5
WEIGHTS: Mapping[str, int] = {"title": 8, "intent": 3, "description": 1, "content": 1}
"""How much an occurrence counts in each field."""


@frozen(weakref_slot=False)
class Term:
    """Words that follow each other; the last one may be only a beginning."""

    words: tuple[str, ...]
    prefix: bool = False


@frozen(weakref_slot=False)
class Sought:
    """What must occur: of each group of terms at least one, and of `without` none."""

    groups: tuple[tuple[Term, ...], ...]
    without: tuple[Term, ...] = ()


# -- words -------------------------------------------------------------------------------------------------------
#
# As SQLite's tokenizer unicode61 with remove_diacritics 2 has it, but for characters younger than its tables, which are
# letters there: recent emoji, some scripts.

# What SQLite's unicode61 takes for a diacritic inside a word, and drops.
_MARKS = "".join(
    chr(768 + at)
    for at in range(50)
    if ((0x08029FDF >> at) & 1 if at < 32 else (0x000361F8 >> (at - 32)) & 1)  # noqa: PLR2004
)
# Letters, numbers and the private use areas, as unicode61 has it.
_LETTER = "[^\\W_]|[\ue000-\uf8ff\U000f0000-\U000ffffd\U00100000-\U0010fffd]"
_WORD = re.compile(f"(?:{_LETTER})(?:{_LETTER}|[{_MARKS}])*")

_KEPT = "\u01e0\u01e1"
_PLAIN_WORD = re.compile("[a-z0-9]+")


@lru_cache(maxsize=4096)
def _folded(letter: str) -> str:
    if letter in _MARKS:
        return ""
    base, *rest = list(unicodedata.normalize("NFD", letter))
    # As unicode61 has it, diacritics of Latin letters are of no account, those of other scripts are.
    if rest and base.isascii() and letter not in _KEPT:
        letter = base
    folded = letter.casefold()
    folded = folded if len(folded) == 1 else letter.lower()
    return folded if len(folded) == 1 else letter


def fold(word: str) -> str:
    """A word without case and diacritics."""
    return word.lower() if word.isascii() else "".join(map(_folded, word))


def words(text: str) -> list[str]:
    """The words of a text, folded, in order."""
    return _PLAIN_WORD.findall(text.lower()) if text.isascii() else [fold(word) for word in _WORD.findall(text)]


# -- the language ------------------------------------------------------------------------------------------------

_PIECE = re.compile(r'(?P<minus>-?)(?:"(?P<phrase>[^"]*)"?|(?P<word>[^\s"]+))(?P<star>\*?)')


def parse(text: str) -> Sought:
    """What a text to search for asks for.

    Raises:
        ArbeitError: INVALID_INPUT for one that is too long or says nothing to look for.
    """
    check_text("text", text)
    if len(text) > LONGEST:
        _refuse(f"a search has at most {LONGEST} characters")
    groups: list[list[Term]] = []
    without: list[Term] = []
    either = False
    for minus, said, star, quoted in _pieces(text):
        if not quoted and said.lower() == "or" and not minus and groups:
            either = True
            continue
        found = tuple(words(said))
        if not found:
            continue
        term = Term(found, prefix=star)
        if term.prefix and len(found[-1]) < SHORTEST_PREFIX:
            _refuse(f"{found[-1]}* is too short: a beginning has at least {SHORTEST_PREFIX} letters or digits")
        if minus:
            without.append(term)
        elif either:
            groups[-1].append(term)
        else:
            groups.append([term])
        either = False
    if sum(map(len, groups)) + len(without) > MOST_TERMS:
        _refuse(f"a search has at most {MOST_TERMS} terms")
    if not groups:
        _refuse("a search needs at least one word to look for")
    return Sought(tuple(map(tuple, groups)), tuple(without))


def plain(text: str) -> str:
    """What a text to search for asks for, without the signs of the language and without what is to be left out."""
    said = (one for minus, one, _, quoted in _pieces(text) if not minus and (quoted or one.lower() != "or"))
    return " ".join(one.rstrip("*") for one in said).strip()


def wordless(text: str) -> bool:
    """Whether a text says something, and none of it in words: an emoji, say. By meaning alone, it can be searched."""
    return bool(plain(text)) and not words(text)


def alternatives(*texts: str) -> str:
    """A text to search for that asks for any of the words of these texts, the first ones where they are many."""
    found = dict.fromkeys(word for text in texts for word in words(text) if len(word) >= SHORTEST_PREFIX)
    chosen: list[str] = []
    for word in list(found)[:MOST_TERMS]:
        # Quoted: a word of a text may be "or".
        if len(" or ".join([*chosen, f'"{word}"'])) > LONGEST:
            break
        chosen.append(f'"{word}"')
    return " or ".join(chosen)


def _pieces(text: str) -> Iterator[tuple[bool, str, bool, bool]]:
    for piece in _PIECE.finditer(text):
        phrase, word = piece["phrase"], piece["word"]
        star = bool(piece["star"]) or (word is not None and word.endswith("*"))
        yield bool(piece["minus"]), phrase if phrase is not None else word, star, phrase is not None


def _refuse(message: str) -> NoReturn:
    raise ArbeitError(
        Code.INVALID_INPUT,
        message,
        suggestions=('Search for words (all must occur), "a phrase", begin*, this or that, -without.',),
        data={"field": "text"},
    )


# -- matching and ranking ----------------------------------------------------------------------------------------


def _count(term: Term, found: Sequence[str]) -> int:
    if len(term.words) == 1 and not term.prefix:
        return found.count(term.words[0])
    *first, last = term.words
    at, count = len(first), 0
    for number in range(at, len(found)):
        word = found[number]
        if (word.startswith(last) if term.prefix else word == last) and list(found[number - at : number]) == first:
            count += 1
    return count


def score(sought: Sought, fields: Mapping[str, str]) -> int | None:
    """How good a match these fields are, or None if they are none."""
    found = [(WEIGHTS[name], words(text)) for name, text in fields.items() if text]
    total = 0
    for group in sought.groups:
        points = sum(weight * min(_count(term, said), _MOST_COUNTED) for term in group for weight, said in found)
        if not points:
            return None
        total += points
    if any(_count(term, said) for term in sought.without for _, said in found):
        return None
    return total


def may_match(sought: Sought, text: str) -> bool:
    """Whether a text is worth a closer look; cheap, and never wrongly no."""
    if not text.isascii():
        return True
    lower = text.lower()
    return all(any(all(word in lower for word in term.words) for term in group) for group in sought.groups)


def snippet(sought: Sought, text: str) -> str:
    """The place in a text that a search found, in one line, with … where it was cut."""
    at = _first(sought, text) or 0
    start = max(0, at - _LEAD)
    if start:
        # Not in the middle of a word, if a space is near.
        space = text.find(" ", start, at)
        start = space + 1 if space >= 0 else start
    end = min(len(text), start + _SNIPPET)
    if end < len(text):
        space = text.rfind(" ", max(at, start), end)
        end = space if space > start else end
    said = " ".join(text[start:end].split())
    return ("…" if start else "") + said + ("…" if end < len(text) else "")


def mentions(sought: Sought, text: str) -> bool:
    """Whether any of the words that are sought begins a match in a text."""
    return _first(sought, text) is not None


def _first(sought: Sought, text: str) -> int | None:
    for word in _WORD.finditer(text):
        said = fold(word[0])
        for group in sought.groups:
            for term in group:
                begins = term.prefix and len(term.words) == 1
                if said.startswith(term.words[0]) if begins else said == term.words[0]:
                    return word.start()
    return None
