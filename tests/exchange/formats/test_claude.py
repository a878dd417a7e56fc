"""What is taken from the task files of Claude Code, and what is said of the rest."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest

import arbeit.sync
from arbeit.exchange import Report

Bring = Callable[..., Report]
SESSION = "11111111-2222-3333-4444-555555555555"
AGENT = "66666666-7777-8888-9999-000000000000"


def task(id: object, **fields: object) -> dict[str, object]:
    return {
        "id": id,
        "subject": f"Task {id}",
        "description": f"About {id}",
        "activeForm": f"Doing {id}",
        "status": "pending",
        "blocks": [],
        "blockedBy": [],
        **fields,
    }


def put(folder: Path, **documents: object) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    for name, said in documents.items():
        text = said if isinstance(said, str) else json.dumps(said)
        (folder / f"{name}.json").write_text(text, encoding="utf-8")
    return folder


def test_a_list_is_taken_with_ids_texts_links_and_its_session(
    project: arbeit.sync.Project, bring: Bring, tmp_path: Path
) -> None:
    folder = put(
        tmp_path / SESSION,
        **{
            "10": task("10", blockedBy=["2"], owner="ann", metadata={"points": 3}),
            "2": task("2", status="completed", blocks=["10"]),
            "3": task("3", status="in_progress"),
        },
    )
    (folder / ".highwatermark").write_text("10")
    (folder / ".lock").write_text("")
    report = bring(folder)
    assert (report.source_format, report.complete) == ("claude-code", True)
    assert [(one.id, one.title, one.status) for one in project.find().tasks] == [
        ("2", "Task 2", "completed"),
        ("3", "Task 3", "open"),
        ("10", "Task 10", "open"),
    ]
    parts = project.get("10", include=("blocked_by", "sessions"))
    assert [one.id for one in parts.blocked_by or ()] == ["2"]
    assert [link.session_id for link in parts.sessions or ()] == [SESSION]
    assert parts.task.description == "About 10"
    assert parts.task.metadata == {
        "claude-code": {"activeForm": "Doing 10", "owner": "ann", "list": SESSION},
        "points": 3,
    }
    assert project.get("3").task.metadata["source_status"] == "in_progress"
    assert report.counts["relationship"].read == 1, "both ends tell of one link"
    assert not bring(folder).changed


def test_ids_of_several_lists_are_told_apart_by_the_names_of_the_lists(
    project: arbeit.sync.Project, bring: Bring, tmp_path: Path
) -> None:
    put(tmp_path / "tasks" / "one", **{"1": task("1"), "2": task("2", blockedBy=["1"])})
    put(tmp_path / "tasks" / "two", **{"1": task("1")})
    bring(tmp_path / "tasks")
    assert [one.id for one in project.find().tasks] == ["one.1", "one.2", "two.1"]
    assert [one.id for one in project.get("one.2", include=("blocked_by",)).blocked_by or ()] == ["one.1"]


def test_one_file_is_one_task(project: arbeit.sync.Project, bring: Bring, tmp_path: Path) -> None:
    report = bring(put(tmp_path / "list", **{"1": task("1", blockedBy=["9"])}) / "1.json")
    assert [one.id for one in project.find().tasks] == ["1"]
    assert [one.reason for one in report.problems] == ["the task 9 does not exist in this plan"]
    assert project.get("1").task.metadata["unlinked"][0]["from_task_id"] == "9"


def test_a_to_do_list_is_taken_with_names_of_its_session(
    project: arbeit.sync.Project, bring: Bring, tmp_path: Path
) -> None:
    items = [
        {"content": "First", "status": "completed", "activeForm": "Doing first"},
        {"content": "Second", "status": "in_progress", "priority": "medium", "id": "b"},
        {"content": "Third", "status": "pending", "priority": "high"},
    ]
    folder = put(tmp_path, **{f"{SESSION}-agent-{SESSION}": items, f"{SESSION}-agent-{AGENT}": items[:1]})
    bring(folder / f"{SESSION}-agent-{SESSION}.json")
    assert [(one.id, one.title, one.status, one.priority) for one in project.find().tasks] == [
        (f"{SESSION}.1", "First", "completed", "normal"),
        (f"{SESSION}.b", "Second", "open", "normal"),
        (f"{SESSION}.3", "Third", "open", "high"),
    ]
    links = project.get(f"{SESSION}.1", include=("sessions",)).sessions or ()
    assert [link.session_id for link in links] == [SESSION]
    report = bring(folder)
    assert (report.counts["task"].there, report.counts["task"].taken) == (3, 1)


def test_a_file_that_cannot_be_read_is_listed_and_the_others_are_taken(
    project: arbeit.sync.Project, bring: Bring, tmp_path: Path
) -> None:
    folder = put(tmp_path / "list", **{"1": task("1"), "2": "{broken", "3": {"other": 1}, "4": "[]", "5": "5"})
    report = bring(folder)
    assert [one.id for one in project.find().tasks] == ["1"]
    assert {one.where for one in report.problems} == {"2.json", "3.json", "5.json"}


WRONG = [None, 5, True, [], {}, ["x"], [5], [None], {"a": 1}, "", "x", 10**30, "\ud800", "a\0"]


@pytest.mark.parametrize(
    "name", ["id", "subject", "description", "status", "blocks", "blockedBy", "owner", "metadata", "activeForm"]
)
def test_a_field_of_any_type_gives_a_report(bring: Bring, tmp_path: Path, name: str) -> None:
    broken = {f"b{at}": {**task(f"b{at}"), name: wrong} for at, wrong in enumerate(WRONG)}
    report = bring(put(tmp_path / "list", **{"1": task("1")}, **broken))
    assert report.counts["task"].read == len(WRONG) + 1
    assert report.counts["task"].taken >= 1


@pytest.mark.parametrize("name", ["id", "content", "status", "priority"])
def test_an_item_of_any_type_gives_a_report(bring: Bring, tmp_path: Path, name: str) -> None:
    broken = [{"content": "B", "status": "pending", name: wrong} for wrong in WRONG]
    items = [{"content": "A", "status": "pending"}, *broken, 5]
    report = bring(put(tmp_path, todos=items) / "todos.json", format="claude-code")
    assert report.counts["task"].taken >= 1
    assert report.counts["task"].refused >= 1
