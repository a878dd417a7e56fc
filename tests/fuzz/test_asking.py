"""Whatever is asked, memory and SQLite answer alike, or refuse alike with a code and a way out."""

from __future__ import annotations

import base64
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

import arbeit
import arbeit.sync
from arbeit.core import searching
from arbeit.queries import SORTS, mark, place
from arbeit.testing import strategies as a
from arbeit.testing.clock import VirtualClock
from arbeit.testing.contract import KEY
from tests.core.harness import examples
from tests.fuzz.wild import junk, told

WORDS = ("fix flaky", "caf\u00e9 done", "\u00dcber 42", "retry retried x1", "e\u0301 I\u0130\u0131")
Pair = tuple[arbeit.sync.Project, arbeit.sync.Project]


@pytest.fixture(scope="module")
def pair(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Pair]:
    """The same tasks in memory and in a file."""
    path = tmp_path_factory.mktemp("asked") / "team.db"
    # Clocks that stand still and draw alike: ranks are made of time, and ids decide between equals.
    url = f"sqlite:///{path}?synchronous=NORMAL"
    with (
        arbeit.sync.open("memory://", clock=VirtualClock(), key=KEY) as one,
        arbeit.sync.open(url, clock=VirtualClock(), key=KEY) as other,
    ):
        made = one.project("demo", create=True), other.project("demo", create=True)
        for project in made:
            for number, words in enumerate(WORDS * 3):
                project.create_task(words, task_id=f"t{number}", priority="high" if number % 2 else "low")
                project.add_context(f"t{number}", words[::-1])
        yield made


def answered(project: arbeit.sync.Project, verb: str, **given_: Any) -> Any:  # noqa: ANN401 - whatever it answers
    """What a verb answers, without times, or its refusal."""
    answers: list[Any] = []
    refused = told(lambda: answers.append(getattr(project, verb)(**given_)))
    if refused is not None:
        return refused.code, refused.message
    (found,) = answers
    if isinstance(found, list):
        return [(hit.task_id, hit.kind, hit.score, hit.snippet) for hit in found]
    return [task.id for task in found.tasks]


def alike(pair: Pair, verb: str, **given_: Any) -> Any:  # noqa: ANN401 - as above
    first, second = (answered(project, verb, **given_) for project in pair)
    assert first == second
    return first


@examples(400)
@given(text=st.one_of(a.search_texts(), st.text(max_size=40)))
@example(text='"')
@example(text='a"' * 200)
@example(text="-" * 1000)
@example(text="*" * 1000)
@example(text=" or " * 250)
@example(text='x NEAR(y) AND "z" col:w ^v {u} (t)')
@example(text="\u0345\u0345 \u1e9e \ufb03*")
@example(text="\ud800")
@example(text="x\0y")
def test_any_text_is_searched_for_alike(pair: Pair, text: str) -> None:
    found = alike(pair, "search", text=text)
    assert isinstance(found, list | tuple)


@examples(300)
@given(st.text(alphabet='ab"*- \u00e9orOR', max_size=60))
def test_a_text_says_the_same_however_it_is_spaced(text: str) -> None:
    said: list[Any] = []
    refused = [told(lambda one=one: said.append(searching.parse(one))) for one in (text, f"  {text}")]  # type: ignore[misc]  # bound now
    assert [one is None for one in refused] in ([True, True], [False, False])
    assert len(said) in {0, 2}
    assert said[:1] == said[1:]


@examples(300)
@given(
    names=st.lists(st.sampled_from(sorted(a.filters())), unique=True, max_size=3),
    data=st.data(),
    sort=st.sampled_from(SORTS),
    limit=st.sampled_from((1, 2, 50)),
)
def test_filters_are_taken_alike_whatever_they_are(
    pair: Pair, names: list[str], data: st.DataObject, sort: str, limit: int
) -> None:
    known = a.filters()
    chosen = {name: data.draw(st.one_of(known[name], junk), label=name) for name in names}
    found = alike(pair, "find", **chosen, sort=sort, limit=limit)
    assert isinstance(found, list | tuple)


@examples(300)
@given(st.sampled_from(SORTS), st.data())
def test_a_damaged_cursor_is_refused_or_a_cursor(sort: str, data: st.DataObject) -> None:
    cursor = data.draw(a.cursors(sort))
    assert place(sort, cursor) is not None
    at, bit = data.draw(st.integers(0, len(cursor) - 1)), data.draw(st.integers(0, 6))
    flipped = cursor[:at] + chr(ord(cursor[at]) ^ (1 << bit)) + cursor[at + 1 :]
    for damaged in (flipped, cursor[:at], cursor * 2, cursor[at:] + cursor[:at]):
        refused = told(lambda damaged=damaged: place(sort, damaged))  # type: ignore[misc]  # bound now
        assert refused is None or refused.data["field"] == "cursor"


@examples(200)
@given(
    st.sampled_from(SORTS), st.one_of(a.json_values(), st.lists(a.json_values(), max_size=4)), st.binary(max_size=40)
)
@example("created", [2**70], b"")
@example("created", ["created", True], b"")
@example("ready", ["ready", 1, 2, "\ud800"], b"[" * 300)
def test_a_forged_cursor_is_refused_or_asked_alike(pair: Pair, sort: str, said: Any, raw: bytes) -> None:  # noqa: ANN401 - JSON
    parts = said if isinstance(said, list) else [said]
    for cursor in (mark(sort, *parts) if "\ud800" not in parts else "=", base64.urlsafe_b64encode(raw).decode()):
        assert isinstance(alike(pair, "find", sort=sort, cursor=cursor), list | tuple)


@pytest.mark.parametrize("sort", SORTS)
def test_a_cursor_of_another_list_is_refused(pair: Pair, sort: Any) -> None:  # noqa: ANN401 - one of SORTS
    cursor = pair[0].find(sort=sort, limit=1).cursor
    assert cursor is not None
    for other in SORTS:
        found = alike(pair, "find", sort=other, cursor=cursor)
        assert isinstance(found, list) == (other == sort)
    for verb in ("runs", "search"):
        assert verb == "search" or told(lambda: pair[0].runs(cursor=cursor)) is not None
