"""What an indexer embeds, in every store: what is new or reworded, and nothing that is gone."""

from __future__ import annotations

from typing import Any

import pytest

import arbeit.sync
from arbeit import ArbeitError
from arbeit.embedders import BATCH
from arbeit.indexing import PAGE, Indexer
from arbeit.meaning import vectors_of
from arbeit.ports import Vectors
from arbeit.queries import Index, Nearest, Search
from arbeit.sync import Project
from tests.meaning.toy import Toy


def store_of(hub: arbeit.sync.Hub) -> Any:  # noqa: ANN401 - private
    return hub._session._store


def kept(hub: arbeit.sync.Hub, toy: Toy, project: str = "demo") -> set[tuple[str, str]]:
    """What has a vector, whether or not a search may see it."""
    store = store_of(hub)
    vectors = vectors_of(store)
    assert vectors is not None
    rows = store.rows(project)
    keys = [(kind, name) for kind in ("task", "entry", "run") for name in rows[kind]]
    return set(vectors.digests(project, toy.name, keys))


def found(project: Project, text: str) -> set[tuple[str, str]]:
    hits = project.search(text, mode="meaning", limit=100)
    return {(hit.kind, hit.entry_id or hit.run_id or hit.task_id) for hit in hits}


def test_tasks_entries_and_notes_of_runs_are_embedded(project: Project, toy: Toy) -> None:
    task = project.create_task("Alpha", intent="beta", description="gamma")
    entry = project.add_context(task.id, "delta", type="decision")
    with project.start_task(task.id, "impl") as work:
        work.block("epsilon")
        run = work.run.id
    index = project.index()
    assert (index.model, index.dimensions, index.behind, index.vectors) == ("toy", 64, 0, 3)
    assert sorted(toy.seen) == ["Alpha\nbeta\ngamma", "Alpha\ndelta", "Alpha\nepsilon"]
    assert found(project, "gamma") == {("task", task.id)}
    assert found(project, "delta") == {("entry", entry.id)}
    assert found(project, "epsilon") == {("run", run)}
    assert found(project, "alpha") == {("task", task.id), ("entry", entry.id), ("run", run)}


def test_a_note_that_is_an_entry_is_embedded_once(project: Project, toy: Toy) -> None:
    task = project.create_task("Alpha")
    with project.start_task(task.id, "impl") as work:
        work.fail("the disk was full")
    project.index()
    assert toy.seen.count("Alpha\nthe disk was full") == 1
    assert [hit.kind for hit in project.search("disk", mode="meaning")] == ["entry"]
    project.update_task(task.id, title="Beta")
    project.index()
    assert toy.seen.count("Beta\nthe disk was full") == 1


def test_nothing_is_embedded_twice(project: Project, toy: Toy) -> None:
    task = project.create_task("Alpha")
    project.index()
    project.update_task(task.id, priority="high", labels=["x"])
    work = project.start_task(task.id, "impl")
    work.progress("step", done=True)
    work.release()
    position = project.index().position
    assert toy.seen == ["Alpha"]
    assert position == project.overview().head.position
    assert project.index().position == position


def test_what_is_reworded_is_found_as_it_is_now(project: Project, toy: Toy) -> None:
    task = project.create_task("Alpha", intent="beta")
    entry = project.add_context(task.id, "delta")
    project.index()
    project.update_task(task.id, intent="zeta")
    project.index()
    assert (found(project, "beta"), found(project, "zeta")) == (set(), {("task", task.id)})
    assert toy.seen.count("Alpha\ndelta") == 1, "an entry stands under the title alone"
    project.update_task(task.id, title="Omega")
    project.index()
    assert found(project, "alpha") == set()
    assert found(project, "omega") == {("task", task.id), ("entry", entry.id)}


def test_a_replaced_entry_is_found_only_where_that_is_asked_for(project: Project) -> None:
    task = project.create_task("Alpha")
    old, new = project.supersede_context(project.add_context(task.id, "delta").id, "zeta")
    project.index()
    assert found(project, "delta") == set()
    assert found(project, "zeta") == {("entry", new.id)}
    hits = project.search("delta", mode="meaning", superseded=True)
    assert [hit.entry_id for hit in hits] == [old.id]


def test_a_deleted_task_is_not_found_at_once_and_forgotten_with_the_next_page(
    hub: arbeit.sync.Hub, project: Project, toy: Toy
) -> None:
    tasks = [project.create_task("Alpha") for _ in range(2)]
    for task in tasks:
        project.add_context(task.id, "delta")
    project.index()
    project.delete_task(tasks[0].id)
    assert {hit.task_id for hit in project.search("alpha delta", mode="meaning")} == {tasks[1].id}
    assert len(kept(hub, toy)) == 4
    project.index()
    assert len(kept(hub, toy)) == 2
    assert ("task", tasks[1].id) in kept(hub, toy)


def test_an_erasure_forgets_without_an_indexer_and_no_indexer_brings_it_back(
    hub: arbeit.sync.Hub, project: Project, toy: Toy
) -> None:
    task = project.create_task("Alpha", intent="secret")
    entries = [project.add_context(task.id, text) for text in ("delta", "zeta")]
    project.index()
    project.erase("entry", entries[0].id)
    assert kept(hub, toy) == {("task", task.id), ("entry", entries[1].id)}
    project.index()
    assert kept(hub, toy) == {("task", task.id), ("entry", entries[1].id)}
    project.erase("task", task.id)
    assert kept(hub, toy) == set(), "its title was a part of what all of them were made of"
    toy.seen.clear()
    project.index()
    assert toy.seen == ["zeta"]
    assert kept(hub, toy) == {("entry", entries[1].id)}


def test_what_was_erased_before_it_was_read_is_never_embedded(project: Project, toy: Toy) -> None:
    task = project.create_task("Alpha", intent="secret")
    entry = project.add_context(task.id, "hidden")
    project.erase("entry", entry.id)
    project.erase("task", task.id)
    project.index()
    assert not any("secret" in text or "hidden" in text or "erased" in text for text in toy.seen)


def test_an_index_goes_on_where_it_was_stopped(hub: arbeit.sync.Hub, project: Project, toy: Toy) -> None:
    for number in range(PAGE + 10):
        project.create_task(f"task {number}")
    toy.left = 2
    with pytest.raises(ArbeitError, match="the model is gone"):
        project.index()
    assert len(kept(hub, toy)) == 2 * BATCH, "what was embedded before is kept"
    (index,) = project.indexes()
    assert (index.position, index.vectors) == (0, 2 * BATCH)
    assert index.behind == project.overview().head.position
    toy.left = None
    heard: list[Index] = []
    project.index(on_progress=heard.append)
    assert [one.behind > 0 for one in heard] == [True, False]
    assert len(toy.seen) == len(set(toy.seen)) == PAGE + 10, "nothing was embedded twice"


def test_another_model_is_built_beside_the_first_and_then_taken(
    hub: arbeit.sync.Hub, project: Project, toy: Toy
) -> None:
    task = project.create_task("Alpha")
    project.index()
    other = Toy("toy-2", dimensions=16)
    assert project.index(other).model == "toy-2"
    assert [(one.model, one.dimensions, one.vectors, one.behind) for one in project.indexes()] == [
        ("toy", 64, 1, 0),
        ("toy-2", 16, 1, 0),
    ]
    assert found(project, "alpha") == {("task", task.id)}
    assert project.drop_index("toy")
    assert found(project, "alpha") == set()
    assert [one.model for one in project.indexes()] == ["toy-2"]
    assert not project.drop_index("toy")
    project.index()
    assert kept(hub, toy) == {("task", task.id)}, "an index that was dropped is built anew"


def test_a_model_that_changes_its_dimensions_under_one_name_is_refused(project: Project) -> None:
    project.create_task("Alpha")
    project.index()
    project.create_task("Beta")
    with pytest.raises(ArbeitError, match="64 dimensions here") as caught:
        project.index(Toy("toy", dimensions=32))
    assert "drop the index" in caught.value.suggestions[0]
    (index,) = project.indexes()
    assert (index.behind, index.vectors) == (1, 1)


def test_a_text_without_a_meaning_is_passed_over(hub: arbeit.sync.Hub, project: Project, toy: Toy) -> None:
    task = project.create_task("Alpha")
    project.create_task("!!!")
    assert project.index().behind == 0
    assert kept(hub, toy) == {("task", task.id)}
    project.update_task(task.id, title="???")
    project.index()
    assert kept(hub, toy) == set()


def test_whoever_was_overtaken_writes_nothing_old(hub: arbeit.sync.Hub, project: Project) -> None:
    """A slow indexer read a text that was reworded, embedded and stored by another one meanwhile."""
    task = project.create_task("Alpha")
    store = store_of(hub)
    vectors = vectors_of(store)
    assert vectors is not None

    class Slow(Toy):
        def embed(self, texts: Any) -> list[list[float]]:  # noqa: ANN401 - as Toy's
            if self.left is None:
                self.left = 9
                project.update_task(task.id, title="Omega")
                project.index()
            return super().embed(texts)

    slow = Slow()
    indexer = Indexer(store, vectors, arbeit_model(slow))
    assert indexer.step("demo").behind == 0
    assert slow.seen == ["Alpha"]
    assert (found(project, "alpha"), found(project, "omega")) == (set(), {("task", task.id)})


def arbeit_model(toy: Toy) -> Any:  # noqa: ANN401 - a Model
    from arbeit.embedders import resolve

    return resolve(toy, lambda _: None)


def test_the_nearest_are_those_that_looking_at_each_finds(hub: arbeit.sync.Hub, project: Project, toy: Toy) -> None:
    words = ["alpha", "beta", "gamma", "delta", "zeta", "omega"]
    for number in range(60):
        chosen = [words[number % 6], words[number // 6 % 6], words[number * 7 % 5]]
        task = project.create_task(" ".join(chosen))
        project.add_context(task.id, words[number % 4])
    project.index()
    store = store_of(hub)
    vectors: Vectors = store
    model = arbeit_model(toy)
    rows = store.rows("demo")
    texts = {("task", one.id): one.title for one in rows["task"].values()}
    texts |= {("entry", one.id): f"{rows['task'][one.task_id].title}\n{one.content}" for one in rows["entry"].values()}
    from arbeit.vectors import similarity, unpack

    for word in words:
        (target,) = model.vectors([word])
        near = vectors.nearest(Nearest(Search("demo", "", ("task", "entry"), limit=25), "toy", target))
        packed = dict(zip(texts, model.vectors(list(texts.values())), strict=True))
        said = [(-similarity(unpack(target), unpack(one)), *key) for key, one in packed.items()]
        assert [(-one.similarity, one.kind, one.id) for one in near] == sorted(one for one in said if one[0] <= 0)[:25]


def test_each_project_has_an_index_of_its_own(hub: arbeit.sync.Hub, project: Project, toy: Toy) -> None:
    project.create_task("Alpha")
    twin = hub.project("twin", create=True)
    twin.create_task("Beta")
    project.index()
    twin.index()
    assert {hit.title for hit in twin.search("alpha beta", mode="meaning")} == {"Beta"}
    assert len(kept(hub, toy)) == len(kept(hub, toy, "twin")) == 1


def test_an_index_of_no_project_is_refused(hub: arbeit.sync.Hub) -> None:
    with pytest.raises(ArbeitError, match="nowhere"):
        hub.handle("nowhere").index()
    with pytest.raises(ArbeitError, match="nowhere"):
        hub.handle("nowhere").indexes()
