from __future__ import annotations

import sqlite3
from typing import Any
from unicodedata import category

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from arbeit.core.errors import ArbeitError, Code
from arbeit.core.searching import (
    LONGEST,
    MOST_TERMS,
    Sought,
    Term,
    fold,
    may_match,
    mentions,
    parse,
    score,
    snippet,
    words,
)


def plain(*said: str) -> tuple[tuple[Term, ...], ...]:
    return tuple((Term((word,)),) for word in said)


PARSED = {
    "one": Sought(plain("one")),
    "One TWO": Sought(plain("one", "two")),
    '"one two" three': Sought(((Term(("one", "two")),), (Term(("three",)),))),
    "pre*": Sought(((Term(("pre",), prefix=True),),)),
    '"one pre"*': Sought(((Term(("one", "pre"), prefix=True),),)),
    "one or two three": Sought(((Term(("one",)), Term(("two",))), (Term(("three",)),))),
    "one OR two OR three": Sought(((Term(("one",)), Term(("two",)), Term(("three",))),)),
    "one -two": Sought(plain("one"), (Term(("two",)),)),
    'one -"two three"': Sought(plain("one"), (Term(("two", "three")),)),
    "or": Sought(plain("or")),
    "or one": Sought(plain("or", "one")),
    "one or": Sought(plain("one")),
    "one or -two": Sought(plain("one"), (Term(("two",)),)),
    '"or" one': Sought(plain("or", "one")),
    '"unclosed phrase': Sought(((Term(("unclosed", "phrase")),),)),
    "foo-bar": Sought(((Term(("foo", "bar")),),)),
    "a.b:c": Sought(((Term(("a", "b", "c")),),)),
    "!!! one ???": Sought(plain("one")),
    "Caf\u00e9 \u00dcBER": Sought(plain("cafe", "uber")),
}


@pytest.mark.parametrize("text", PARSED)
def test_the_language(text: str) -> None:
    assert parse(text) == PARSED[text]


@pytest.mark.parametrize(
    "text",
    ["", "   ", "-one", '""', "*", "ab*", "-", "x" * (LONGEST + 1), " ".join(map(str, range(MOST_TERMS + 1))), "\0"],
)
def test_what_says_nothing_is_refused(text: str) -> None:
    with pytest.raises(ArbeitError) as caught:
        parse(text)
    assert caught.value.code is Code.INVALID_INPUT


@given(st.text(max_size=60))
def test_any_text_parses_or_is_refused(text: str) -> None:
    try:
        sought: Sought | ArbeitError = parse(text)
    except ArbeitError as error:
        sought = error
    if isinstance(sought, ArbeitError):
        assert sought.code is Code.INVALID_INPUT
    else:
        terms = [*sought.without, *(term for group in sought.groups for term in group)]
        assert sought.groups
        assert all(term.words and all(word == fold(word) for word in term.words) for term in terms)


# -- words --------------------------------------------------------------------------------------------------------


def fts5(text: str) -> set[str]:
    """The words that SQLite finds in a text."""
    connection = sqlite3.connect(":memory:")
    connection.execute("CREATE VIRTUAL TABLE t USING fts5(x, tokenize = 'unicode61 remove_diacritics 2')")
    connection.execute("CREATE VIRTUAL TABLE v USING fts5vocab('t', 'row')")
    connection.execute("INSERT INTO t VALUES (?)", (text,))
    found = {row[0] for row in connection.execute("SELECT term FROM v")}
    connection.close()
    return found


RANGES = (
    (0x20, 0x24F),
    (0x300, 0x331),
    (0x386, 0x3CE),
    (0x400, 0x45F),
    (0x5D0, 0x5EA),
    (0x4E00, 0x4E40),
    (0xAC00, 0xAC40),
)
letters = st.one_of(
    *(st.integers(first, last).map(chr).filter(lambda one: category(one) != "Cn") for first, last in RANGES),
    st.sampled_from(" -_\n\ue000\U0001f600\u2028"),
)


@given(st.lists(letters, max_size=30).map("".join))
@example("Fl\u00e4che fla\u0308che \u0130stanbul stra\u00dfe \u1e9e na\u00efve \u00c5ngstr\u00f6m")
@example("under_score x1 1x \u00bd \u00b2 \u2167")
def test_words_are_those_of_the_index(text: str) -> None:
    assert set(words(text)) == fts5(text)


@given(st.lists(letters, max_size=30).map("".join))
def test_folding_twice_is_folding_once(text: str) -> None:
    assert [fold(word) for word in words(text)] == words(text)


# -- matches ------------------------------------------------------------------------------------------------------

texts = st.lists(st.sampled_from(["alpha", "beta", "alphabet", "caf\u00e9", "Gamma", ",", "-"]), max_size=8).map(
    " ".join
)
asked = st.lists(
    st.sampled_from(["alpha", "alph*", "cafe", "-beta", "or", '"beta gamma"', "gamma"]), min_size=1, max_size=4
).map(" ".join)


@given(asked, texts)
def test_a_cheap_look_never_says_wrongly_no(text: str, said: str) -> None:
    try:
        sought = parse(text)
    except ArbeitError:
        return
    if score(sought, {"content": said}) is not None:
        assert may_match(sought, said)
        assert mentions(sought, said)


@pytest.mark.parametrize(
    ("text", "said", "matches"),
    [
        ("beta gamma", "gamma then beta", True),
        ('"beta gamma"', "gamma then beta", False),
        ('"beta gamma"', "Beta-Gamma", True),
        ('"beta gam"*', "alpha beta gammas", True),
        ("alpha -beta", "alpha beta", False),
        ("alpha or beta", "only beta", True),
        ("alpha or beta gamma", "only beta", False),
        ("alp", "alpha", False),
        ("cafe", "Caf\u00e9s", False),
        ("cafe", "un CAF\u00c9", True),
    ],
)
def test_matches(text: str, said: str, matches: bool) -> None:
    assert (score(parse(text), {"content": said}) is not None) == matches


def test_a_phrase_stays_in_its_field_and_words_do_not() -> None:
    fields: dict[str, Any] = {"title": "one two", "description": "three"}
    assert score(parse("two three"), fields) is not None
    assert score(parse('"two three"'), fields) is None


def test_titles_weigh_more_and_repetition_counts_to_a_bound() -> None:
    seed = parse("seed")
    title, once = score(seed, {"title": "seed"}), score(seed, {"description": "seed"})
    often, more = score(seed, {"description": "seed " * 5}), score(seed, {"description": "seed " * 500})
    assert title is not None
    assert once is not None
    assert often is not None
    assert once < often == more
    assert often < title


@given(texts, asked)
def test_a_snippet_is_one_short_line_of_the_text(said: str, text: str) -> None:
    try:
        sought = parse(text)
    except ArbeitError:
        return
    shown = snippet(sought, said * 20)
    assert len(shown) <= 170
    assert "\n" not in shown
    assert shown.strip("\u2026") in " ".join((said * 20).split())


def test_a_snippet_shows_the_match() -> None:
    text = "x " * 300 + "needle " + "y " * 300
    assert "needle" in snippet(parse("needle"), text)
    assert snippet(parse("needle"), "the needle") == "the needle"
    assert snippet(parse("absent"), text).startswith("x x")
