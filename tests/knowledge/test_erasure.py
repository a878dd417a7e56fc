"""What was erased is nowhere: not in a row, an event, a stored reply, an index, or a byte of any file."""

from __future__ import annotations

import hashlib
from pathlib import Path

import pytest

import arbeit
import arbeit.sync

NAMES = (
    "title",
    "intent",
    "description",
    "label",
    "metadata",
    "input",
    "acceptance",
    "entry",
    "evidence",
    "old",
    "new",
)
MORE = ("item", "outcome", "proof", "output", "artifact", "bytes", "attempt", "reason", "handoff", "reply", "cancelled")
WORDS = {name: f"{hashlib.sha256(name.encode()).hexdigest()[:20]}{name}" for name in (*NAMES, *MORE)}
"""A word for each place that text can be in, found nowhere else, and no secret by any pattern."""


def left_in(folder: Path, *names: str) -> list[str]:
    """Which of these words are in any byte below a folder, in whatever case and cut as an index may cut them."""
    texts = [file.read_bytes().lower() for file in folder.rglob("*") if file.is_file()]
    return [name for name in names if any(WORDS[name].encode() in text for text in texts)]


def fill(project: arbeit.sync.Project) -> tuple[str, dict[str, str]]:
    """One task with a word in every place; its id, and the ids of its records."""
    word = WORDS
    task = project.create_task(
        word["title"],
        intent=f"because {word['intent']}",
        description=f"{word['description']} and more",
        labels=[word["label"]],
        metadata={"key": [word["metadata"]]},
        inputs={"in": word["input"]},
        acceptance=[word["acceptance"]],
        idempotency_key="made once",
    )
    work = project.claim("ada")
    assert work is not None
    ids = {"entry": work.add_context(word["entry"], metadata={"m": 1}, evidence=[word["evidence"]]).id}
    ids["old"] = work.note(word["old"]).id
    ids["new"] = project.supersede_context(ids["old"], word["new"])[1].id
    ids["item"] = work.progress(f"do {word['item']}")[0].id
    ids["artifact"] = work.attach(f"{word['artifact']}.txt", word["bytes"].encode() * 9).id
    ids["reply"] = project.add_context(task.id, word["reply"], idempotency_key="said once").id
    work.fail(word["attempt"])
    project.unblock_task(project.block_task(task.id, word["reason"]).id)
    work = project.start_task(task.id, "ada")
    project.register_agent("bob")
    work.handoff("bob", word["handoff"])
    work = project.start_task(task.id, "bob")
    work.complete(word["outcome"], evidence=[word["proof"]], outputs={"out": word["output"]})
    said = {entry.content: entry.id for entry in project.get(task.id, include=["context_all"]).context_all or ()}
    ids |= {name: said[word[name]] for name in ("attempt", "handoff", "outcome")}
    return task.id, ids


ERASURES = {
    "task": ("title", "intent", "description", "label", "metadata", "input", "acceptance", "output", "reason"),
    "entry": ("entry", "evidence"),
    "old": ("old",),
    "new": ("new",),
    "item": ("item",),
    "artifact": ("artifact", "bytes"),
    "reply": ("reply",),
    "attempt": ("attempt",),
    "handoff": ("handoff",),
    "outcome": ("outcome", "proof"),
}
"""What to erase, and the words that go with it."""


@pytest.mark.parametrize("record", ERASURES)
def test_no_byte_of_any_file_has_what_was_erased_and_the_log_still_verifies(record: str, tmp_path: Path) -> None:
    with arbeit.sync.open(f"sqlite:///{tmp_path}/team.db") as hub:
        project = hub.project("demo", create=True, settings={"retry": "at_once"})
        project.register_agent("boss", persona="supervisor")
        task_id, ids = fill(project)
        everything = [name for names in ERASURES.values() for name in names]
        assert left_in(tmp_path, *everything) == everything
        kind = record if record in {"task", "item", "artifact"} else "entry"
        boss = project.as_("boss")
        assert boss.erase(kind, ids.get(record, task_id), task_id=task_id, reason="asked for") > 0  # type: ignore[arg-type]
        # While the file is open, and other connections with it.
        gone = ERASURES[record]
        assert left_in(tmp_path, *gone) == []
        assert left_in(tmp_path, *everything) == [name for name in everything if name not in gone]
        assert project.verify().ok
        assert project.search(WORDS[gone[0]]) == []
    assert left_in(tmp_path, *gone) == []
    with arbeit.sync.open(f"sqlite:///{tmp_path}/team.db") as hub:
        assert hub.project("demo").verify().ok


def test_when_all_is_erased_nothing_is_left_but_that_it_was(tmp_path: Path) -> None:
    with arbeit.sync.open(f"sqlite:///{tmp_path}/team.db") as hub:
        project = hub.project("demo", create=True, settings={"retry": "at_once"})
        project.register_agent("boss", persona="supervisor")
        task_id, ids = fill(project)
        boss = project.as_("boss")
        for record in ERASURES:
            kind = record if record in {"task", "item", "artifact"} else "entry"
            boss.erase(kind, ids.get(record, task_id), task_id=task_id)  # type: ignore[arg-type]
        assert left_in(tmp_path, *WORDS) == []
        assert project.verify().ok
        found = project.get(task_id, include="all")
        assert (found.task.title, found.task.status) == ("[erased]", "completed")
        assert {entry.content for entry in found.context_all or ()} == {"[erased]"}
        # Who repeats an old request gets the old reply, without the text.
        with pytest.raises(arbeit.ArbeitError, match="different request"):
            project.create_task("another", idempotency_key="made once")
        events = project.history(task_id=task_id, limit=200)
        assert sum(event.type == "record_erased" for event in events) == len(ERASURES)
        assert project.replay(position=events[0].position).tasks[0].title == "[erased]"
        with pytest.raises(arbeit.ArbeitError) as caught:
            list(project.read_artifact(ids["artifact"]))
        assert caught.value.code == "ARTIFACT_NOT_FOUND"


@pytest.mark.parametrize("backend", ["memory", "sqlite"])
def test_bytes_stay_while_another_artifact_has_the_same(backend: str, tmp_path: Path) -> None:
    url = "memory://" if backend == "memory" else f"sqlite:///{tmp_path}/team.db?synchronous=NORMAL"
    with arbeit.sync.open(url) as hub:
        project = hub.project("demo", create=True)
        project.register_agent("boss", persona="supervisor")
        project.create_task("T")
        work = project.claim("ada")
        assert work is not None
        first, second = (work.attach(name, b"the same bytes") for name in ("a", "b"))
        boss = project.as_("boss")
        boss.erase("artifact", first.id)
        assert b"".join(project.read_artifact(second.id)) == b"the same bytes"
        boss.erase("artifact", second.id)
        assert boss.erase("artifact", second.id) == 0
        for one in (first, second):
            with pytest.raises(arbeit.ArbeitError) as caught:
                list(project.read_artifact(one.id))
            assert caught.value.code == "ARTIFACT_NOT_FOUND"
        assert project.verify().ok


def test_only_a_supervisor_erases(tmp_path: Path) -> None:
    with arbeit.sync.open(f"sqlite:///{tmp_path}/team.db") as hub:
        project = hub.project("demo", create=True)
        task = project.create_task("T")
        with pytest.raises(arbeit.ArbeitError) as caught:
            project.erase("task", task.id)
        assert caught.value.code == "FORBIDDEN"
        assert project.get(task.id).task.title == "T"
