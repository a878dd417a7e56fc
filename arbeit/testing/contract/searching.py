"""What a search finds, in which order: the same on every store."""

from __future__ import annotations

from typing import Any

import pytest

from arbeit.core import searching
from arbeit.core.errors import ArbeitError, Code
from arbeit.core.model import ContextEntry
from arbeit.hits import entry_fields, ranked, task_fields
from arbeit.ports import LocalStore
from arbeit.queries import CANDIDATES, Hit, Search
from arbeit.testing.clock import START
from arbeit.testing.contract.filtering import FILTERS, passes
from arbeit.testing.contract.opening import Opening
from arbeit.testing.contract.population import crowd
from arbeit.testing.contract.writing import DEMO, Scribe, task, transact

TEXTS = (
    "release",
    "BUILD",
    "build tests",
    "cafe",
    "caf\u00e9",
    "uber",
    '"build tests"',
    '"tests, build"',
    "retr*",
    "42 or x1",
    "flaky or release build",
    "build -tests",
    'build -"build build"',
    "release -retr*",
    "nowhere",
    "build nowhere",
    "x1-42",
)


def brute(store: LocalStore, query: Search) -> list[Hit]:
    """What a search finds, by looking at every row."""
    rows = store.rows(query.project)
    sought = searching.parse(query.text)
    tasks = [one for one in rows["task"].values() if passes(query, "task", one, one)]
    entries = [one for one in rows["entry"].values() if passes(query, "entry", one, rows["task"][one.task_id])]
    return ranked(query, sought, tasks, entries, rows["task"])


class Searching(Opening):
    """Words, phrases, beginnings, alternatives and exclusions; filters, scope, order."""

    @pytest.fixture
    def spoken(self, store: LocalStore) -> LocalStore:
        """The store with a crowd of tasks and entries, and another project that says the same."""
        for made in (
            *transact(store, crowd(11)),
            *transact(store, Scribe("twin", new={"task": [task("t", title="build")]})),
        ):
            assert not isinstance(made, Exception), made
        return store

    @pytest.mark.parametrize("text", TEXTS)
    def test_a_search_finds_what_matches_and_nothing_else(self, spoken: LocalStore, text: str) -> None:
        query = Search(DEMO, text, limit=1000)
        expected = brute(spoken, query)
        assert spoken.search(query) == expected
        assert bool(expected) == ("nowhere" not in text)
        assert spoken.search(Search(DEMO, text, limit=3)) == expected[:3]

    @pytest.mark.parametrize("wanted", FILTERS, ids=str)
    def test_a_search_keeps_to_its_filters(self, spoken: LocalStore, wanted: dict[str, Any]) -> None:
        query = Search(DEMO, "build or tests", limit=1000, **wanted)
        assert spoken.search(query) == brute(spoken, query)

    def test_a_search_stays_in_its_project(self, spoken: LocalStore) -> None:
        assert [hit.task_id for hit in spoken.search(Search("twin", "build"))] == ["t"]
        assert spoken.search(Search("twi", "build")) == []
        transact(spoken, Scribe("twin-two", new={"task": [task("other", title="build")]}))
        assert [hit.task_id for hit in spoken.search(Search("twin", "build"))] == ["t"]
        assert spoken.search(Search("elsewhere", "build")) == []

    def test_what_was_changed_is_found_as_it_is_now(self, store: LocalStore) -> None:
        transact(store, Scribe(new={"task": [task("t1", title="old words"), task("t2", title="old words")]}))
        transact(store, Scribe(changed={"task": [task("t1", title="new words", status="completed")]}))
        assert [hit.task_id for hit in store.search(Search(DEMO, "old"))] == ["t2"]
        assert [hit.task_id for hit in store.search(Search(DEMO, "new"))] == ["t1"]
        entry = ContextEntry("c", "t1", "note", "first thoughts", "ada", START)
        transact(store, Scribe(new={"entry": [entry]}))
        erased = ContextEntry("c", "t1", "note", "[erased]", "ada", START)
        transact(store, Scribe(changed={"entry": [erased]}))
        assert store.search(Search(DEMO, "thoughts")) == []
        assert [hit.entry_id for hit in store.search(Search(DEMO, "erased"))] == ["c"]

    def test_a_deleted_task_and_its_entries_are_not_found(self, store: LocalStore) -> None:
        entry = ContextEntry("c", "t1", "note", "words", "ada", START)
        transact(store, Scribe(new={"task": [task("t1", title="words")], "entry": [entry]}))
        assert len(store.search(Search(DEMO, "words"))) == 2
        transact(store, Scribe(changed={"task": [task("t1", title="words", deleted_at=START)]}))
        assert store.search(Search(DEMO, "words")) == []

    def test_titles_come_before_texts_and_the_newest_first(self, store: LocalStore) -> None:
        tasks = [
            task("old", title="seed", created_at=START),
            task("new", title="seed", created_at=START + 1),
            task("said", title="other", description="seed seed", created_at=START + 2),
        ]
        transact(store, Scribe(new={"task": tasks}))
        assert [hit.task_id for hit in store.search(Search(DEMO, "seed"))] == ["new", "old", "said"]

    def test_of_a_common_word_the_newest_are_ranked(self, store: LocalStore) -> None:
        best = task("t-best", title="common common common")
        crowd = [task(f"t{number:04}", title="common", created_at=START + number) for number in range(CANDIDATES)]
        transact(store, Scribe(new={"task": [best, *crowd]}))
        found = store.search(Search(DEMO, "common", limit=1000))
        assert len(found) == CANDIDATES
        assert "t-best" not in {hit.task_id for hit in found}
        assert found[0].task_id == f"t{CANDIDATES - 1:04}"

    @pytest.mark.parametrize("text", ["", " ", "-only", "***", '""', "a*", "x" * 1001, "or " * 40, '- * "'])
    def test_a_search_for_nothing_is_refused(self, store: LocalStore, text: str) -> None:
        if text.startswith("or "):
            text = " ".join(f"w{number}" for number in range(40))
        with pytest.raises(ArbeitError) as caught:
            store.search(Search(DEMO, text))
        assert caught.value.code is Code.INVALID_INPUT
        assert caught.value.suggestions

    @pytest.mark.parametrize(
        "text",
        ['") OR 1', "title:build", "build AND tests", "NEAR(build tests)", "build^", "{title}: build", "a;b", "build)"],
    )
    def test_no_text_speaks_to_the_store(self, spoken: LocalStore, text: str) -> None:
        query = Search(DEMO, text, limit=1000)
        assert spoken.search(query) == brute(spoken, query)

    def test_a_hit_shows_the_place(self, store: LocalStore) -> None:
        text = "Lorem ipsum " * 40 + "here is the needle, " + "dolor sit amet " * 40
        transact(store, Scribe(new={"task": [task("t1", description=text)]}))
        (hit,) = store.search(Search(DEMO, "needle"))
        assert (hit.kind, hit.task_id, hit.title, hit.entry_id) == ("task", "t1", "Task t1", None)
        assert "here is the needle" in hit.snippet
        assert (hit.snippet[0], hit.snippet[-1]) == ("\u2026", "\u2026")
        assert len(hit.snippet) < 200

    def test_fields_are_those_of_the_entities(self) -> None:
        assert list(task_fields(task("t"))) == ["title", "intent", "description"]
        assert list(entry_fields(ContextEntry("c", "t", "note", "x", "a", 0))) == ["content"]
