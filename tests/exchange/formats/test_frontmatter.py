"""What is read of the YAML above a Markdown file, and what is refused."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from arbeit.exchange.frontmatter import FrontMatterError, Value, parse, parted


def read(text: str) -> dict[str, Value]:
    return parse(text.strip("\n").split("\n"))


# Each beside what a YAML library with texts alone (no guessed types) makes of it.
@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("k: plain text", "plain text"),
        ("k: 'it''s'", "it's"),
        ('k: "a\\tb\\u00e9\\x41\\n"', "a\tb\u00e9A\n"),
        ('k: "\\U0001F600"', "\U0001f600"),
        ("k: 2025-06-08 12:30", "2025-06-08 12:30"),
        ("k: @someone", "@someone"),
        ("k: CLI: add a flag", "CLI: add a flag"),
        ("k: value # comment", "value"),
        ("k: a#b", "a#b"),
        ("k: '# no comment'", "# no comment"),
        ("k:", None),
        ("k: ~", None),
        ("k: null", None),
        ("k: 'null'", "null"),
        ("k: []", []),
        ("k: [a, 'b, c', \"d\"]", ["a", "b, c", "d"]),
        ("k: [\n  a,\n  b\n  ]", ["a", "b"]),
        ("k: [a, ]", ["a"]),
        ("k:\n  - a\n  - 'b c'", ["a", "b c"]),
        ("k:\n- a\n- b", ["a", "b"]),
        ("k:\n  - a\n\n  # comment\n  - b", ["a", "b"]),
        ("k:\n  - a long\n    item", ["a long item"]),
        ("k:\n  -\n  - b", ["", "b"]),
        ("k: >-\n  a title that is\n  folded", "a title that is folded"),
        ("k: >\n  a\n  b\n\n  c\n", "a b\nc\n"),
        ("k: >\n  a\n    deeper\n  b", "a\n  deeper\nb\n"),
        ("k: |\n  a\n  b\n", "a\nb\n"),
        ("k: |-\n  a\n    b", "a\n  b"),
        ("k: |+\n  a\n\nl: x", "a\n\n"),
        ("k: |2-\n    a\n  b", "  a\nb"),
        ("k:\n  - >-\n    folded\n    item\n  - b", ["folded item", "b"]),
        ("k: a text\n  that goes on\n\n  below", "a text that goes on\nbelow"),
        ("k: 'one\n  two'", "one two"),
        ('k: "one\\\n  two"', "onetwo"),
        ("k:\n  on a line of its own", "on a line of its own"),
        ("'k': v", "v"),
    ],
)
def test_a_value_is_the_text_that_it_says(text: str, value: Value) -> None:
    assert read(text)["k"] == value


def test_keys_follow_each_other_whatever_their_values() -> None:
    text = "a: 1\nb:\n  - x\nc: >-\n  two\n  lines\n# comment\n\nd: [p,\n  q]\ne: 'z'"
    assert read(text) == {"a": "1", "b": ["x"], "c": "two lines", "d": ["p", "q"], "e": "z"}


@pytest.mark.parametrize(
    ("text", "line", "says"),
    [
        ("k: v\nno key", 3, "no key"),
        ("k: &anchor v", 2, "an anchor"),
        ("a: b\nk: *alias", 3, "an alias"),
        ("k: !tag v", 2, "a tag"),
        ("k: {a: b}", 2, "a mapping"),
        ("k:\n  a: b", 3, "a mapping in a mapping"),
        ("k: v\nk: w", 3, "twice"),
        ("k: 'open\nl: x", 2, "not closed"),
        ("k: [open\nl: x", 2, "not closed"),
        ("k: [[a]]", 2, "more than texts"),
        ("k:\n  - [a]", 3, "a list in a list"),
        ("k: 'a' b", 2, "more behind"),
        ('k: "\\q"', 2, "no escape"),
        ('k: "\\u12"', 2, "no escape"),
        ("  k: v", 2, "no key"),
        ("k:\n  - a\n   - b\n     - c\n  - d\n      e: f\n- x", 8, "no key"),
    ],
)
def test_what_is_no_such_header_is_refused_with_its_line(text: str, line: int, says: str) -> None:
    with pytest.raises(FrontMatterError, match=says) as caught:
        parse(text.split("\n"))
    assert caught.value.line == line


def test_a_header_without_end_is_refused_in_no_time() -> None:
    hostile = ["k: '" + "a" * 30_000, *["b' '" * 10] * 800]
    with pytest.raises(FrontMatterError):
        parse(hostile)
    with pytest.raises(FrontMatterError, match="longer than"):
        parse(["x" * 70_000])


@pytest.mark.parametrize("text", ["", "no header", "---\nk: v\n", "----\nk: v\n---\n", " ---\nk: v\n---"])
def test_without_two_fences_there_is_no_header(text: str) -> None:
    assert parted(text) is None


def test_what_is_below_the_second_fence_is_the_body() -> None:
    assert parted("\ufeff---\r\nk: v\r\n---\r\n\r\n# Body\r\n---\r\nmore") == (["k: v"], "\n# Body\n---\nmore")


_SIGNS = st.sampled_from([*"abk:-#'\"[]{},|>\\ \t@&*!%`~0é\n", "  ", "\n  ", "\n- ", "k: ", "\n  - ", "\\x"])


@given(st.lists(_SIGNS, max_size=60).map("".join))
def test_any_text_is_read_or_refused(text: str) -> None:
    try:
        found = parse(text.split("\n"))
    except FrontMatterError as error:
        assert 1 <= error.line <= text.count("\n") + 3  # noqa: PT017 - being read is as good
    else:
        assert all(isinstance(value, str | list | None) for value in found.values())


@given(st.lists(st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), max_size=30), max_size=4))
def test_texts_in_single_quotes_come_back_as_they_were(texts: list[str]) -> None:
    plain = [" ".join(text.split()) for text in texts]
    quoted = [text.replace("'", "''") for text in plain]
    assert parse([f"k{at}: '{text}'" for at, text in enumerate(quoted)]) == {
        f"k{at}": text for at, text in enumerate(plain)
    }
