"""What the first generation's agents get: records imported as they are, then read by its tools with its fields."""

from __future__ import annotations

import itertools
import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import arbeit.sync
from arbeit.exchange.importing import import_file
from arbeit.queries import PARTS
from arbeit.sync import Toolset
from arbeit.sync import run as drive

Record = dict[str, Any]
TASK = ("id", "title", "status", "intent", "created_at", "updated_at")
ENTRY = ("id", "task_id", "type", "content", "metadata", "superseded_by", "created_at")
ITEM = ("id", "task_id", "content", "completed", "created_at", "completed_at")
EDGE = ("id", "from_task_id", "to_task_id", "type", "metadata", "created_at")
SESSION = ("id", "task_id", "session_id", "created_at")


def at(hour: int) -> str:
    return f"2026-01-{1 + hour // 24:02}T{hour % 24:02}:00:00.{hour:03}Z"


def task(name: str, hour: int, status: str = "open") -> Record:
    return dict(zip(TASK, (name, f"Title of {name}", status, f"Why {name}", at(hour), at(hour + 50)), strict=True))


def entry(name: str, of: str, kind: str, hour: int, by: str | None = None, **metadata: object) -> Record:
    return dict(zip(ENTRY, (name, of, kind, f"Text of {name}", metadata, by, at(hour)), strict=True))


def item(name: str, of: str, hour: int, done: int | None = None) -> Record:
    ended = None if done is None else at(done)
    return dict(zip(ITEM, (name, of, f"Do {name}", done is not None, at(hour), ended), strict=True))


def edge(name: str, start: str, kind: str, end: str, hour: int, **metadata: object) -> Record:
    return dict(zip(EDGE, (name, start, end, kind, metadata, at(hour)), strict=True))


def link(name: str, of: str, session: str, hour: int) -> Record:
    return dict(zip(SESSION, (name, of, session, at(hour)), strict=True))


# Not in the order in which they were created: answers have to come in that order all the same.
SOURCE: dict[str, list[Record]] = {
    "tasks": [
        task("tkt-mid", 2),
        task("tkt-top", 1),
        task("tkt-low2", 5),
        task("tkt-low1", 4),
        task("tkt-done", 3, "completed"),
        task("tkt-off", 6, "cancelled"),
        task("LEGACY.1-x", 0),
    ],
    "context": [
        entry("ctx-3", "tkt-mid", "blocker", 13),
        entry("ctx-1", "tkt-mid", "decision", 11, "ctx-2", source={"file": "a.py", "lines": [1, 2]}),
        entry("ctx-2", "tkt-mid", "decision", 12),
        entry("ctx-4", "tkt-top", "user_input", 14),
    ],
    "progress": [item("prg-2", "tkt-mid", 22), item("prg-1", "tkt-mid", 21, 23), item("prg-3", "tkt-low1", 24)],
    "relationships": [
        edge("rel-3", "tkt-mid", "parent_of", "tkt-low2", 33),
        edge("rel-2", "tkt-mid", "parent_of", "tkt-low1", 32),
        edge("rel-1", "tkt-top", "parent_of", "tkt-mid", 31),
        edge("rel-5", "tkt-low1", "blocks", "LEGACY.1-x", 35, reason="schema"),
        edge("rel-4", "tkt-done", "blocks", "tkt-mid", 34),
        edge("rel-6", "tkt-off", "relates_to", "tkt-mid", 36),
    ],
    "sessions": [link("ses-2", "tkt-mid", "s-two", 42), link("ses-1", "tkt-mid", "s-one", 41)],
}


def records(kind: str, **wanted: object) -> list[Record]:
    """Records of the source with these values, in the order in which they were created."""
    found = (one for one in SOURCE[kind] if all(one[name] == value for name, value in wanted.items()))
    return sorted(found, key=lambda one: one["created_at"])


def summaries(names: list[str]) -> list[Record]:
    return [one for one in records("tasks") if one["id"] in names]


def expected(name: str, part: str) -> object:
    """What the source says of a part of a task; None for a part that it says nothing of."""
    ends = {kind: list(records("relationships", type=kind)) for kind in ("parent_of", "blocks")}
    entries = records("context", task_id=name)
    parents = [one["from_task_id"] for one in ends["parent_of"] if one["to_task_id"] == name]
    items = records("progress", task_id=name)
    done = sum(one["completed"] for one in items)
    parts: dict[str, object] = {
        "relationships": [one for one in records("relationships") if name in {one["from_task_id"], one["to_task_id"]}],
        "context": [one for one in entries if one["superseded_by"] is None],
        "context_all": entries,
        "progress": items,
        "progress_summary": {"total": len(items), "completed": done, "remaining": len(items) - done},
        "parent": summaries(parents)[0] if parents else None,
        "children": summaries([one["to_task_id"] for one in ends["parent_of"] if one["from_task_id"] == name]),
        "blocked_by": summaries([one["from_task_id"] for one in ends["blocks"] if one["to_task_id"] == name]),
        "blocking": summaries([one["to_task_id"] for one in ends["blocks"] if one["from_task_id"] == name]),
        "files": [],
        "sessions": records("sessions", task_id=name),
        "artifacts": [],
        "runs": [],
        "lease": None,
        "decisions": [one for one in entries if one["type"] == "decision"],
    }
    return parts[part]


@pytest.fixture(scope="module", params=["memory", "sqlite"])
def imported(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Toolset]:
    folder = tmp_path_factory.mktemp("imported")
    path = folder / "records.json"
    path.write_text(json.dumps(SOURCE), encoding="utf-8")
    url = "memory://" if request.param == "memory" else f"sqlite:///{folder}/team.db"
    with arbeit.sync.open(url, actor="importer") as hub:
        project = hub.project("demo", create=True)
        report = drive(import_file(project.inner, path))
        assert not report.problems
        yield Toolset(project.as_("reader"))


def data(box: Toolset, name: str, **arguments: object) -> Record:
    answer = box.call(name, arguments)
    assert answer["success"], answer
    found: Record = answer["data"]
    return found


def test_lists_have_the_imported_tasks_with_ids_and_times_in_creation_order(imported: Toolset) -> None:
    for found in (data(imported, "query", query="tasks")["tasks"], data(imported, "task_list")["tasks"]):
        assert [{name: one[name] for name in TASK} for one in found] == records("tasks")
        assert [tuple(one)[:6] for one in found] == [TASK] * 7


@pytest.mark.parametrize(
    ("query", "params", "names"),
    [
        ("root_tasks", {}, ["LEGACY.1-x", "tkt-top", "tkt-done", "tkt-off"]),
        ("tasks", {"parent_id": None}, ["LEGACY.1-x", "tkt-top", "tkt-done", "tkt-off"]),
        ("tasks", {"parent_id": "tkt-mid"}, ["tkt-low1", "tkt-low2"]),
        ("tasks", {"status": "completed"}, ["tkt-done"]),
        ("children_of", {"task_id": "tkt-mid"}, ["tkt-low1", "tkt-low2"]),
        ("descendants_of", {"task_id": "tkt-top"}, ["tkt-mid", "tkt-low1", "tkt-low2"]),
        ("ancestors_of", {"task_id": "tkt-low1"}, ["tkt-mid", "tkt-top"]),
        ("blocked_tasks", {}, ["LEGACY.1-x"]),
        ("blocking_tasks", {}, ["tkt-low1"]),
        ("ready_tasks", {}, ["tkt-low1", "tkt-low2"]),
        ("active_tasks", {}, []),
        ("escalations", {}, []),
    ],
)
def test_queries_answer_from_what_was_imported(imported: Toolset, query: str, params: Record, names: list[str]) -> None:
    found = data(imported, "query", query=query, params=params)["tasks"]
    if query == "ready_tasks":
        found = sorted(found, key=lambda one: one["created_at"])  # by rank, which the import gives anew
    assert [one["id"] for one in found] == names


def test_decisions_are_those_that_were_not_superseded(imported: Toolset) -> None:
    assert data(imported, "query", query="decisions")["entries"] == [records("context", id="ctx-2")[0]]


@pytest.mark.parametrize("name", [one["id"] for one in SOURCE["tasks"]])
@pytest.mark.parametrize("part", [part for part in PARTS if part != "recent_events"])
def test_every_part_has_exactly_the_imported_fields_in_creation_order(imported: Toolset, name: str, part: str) -> None:
    found = data(imported, "task_get", task_id=name, include=[part])
    under = "context" if part == "context_all" else part
    assert set(found) == {"task", under}
    assert found[under] == expected(name, part)
    assert {field: found["task"][field] for field in TASK} == records("tasks", id=name)[0]


def check(box: Toolset, name: str, include: list[str]) -> None:
    found = data(box, "task_get", task_id=name, include=include)
    wanted = {("context" if part == "context_all" else part): part for part in include}
    if "context_all" in include:
        wanted["context"] = "context_all"
    assert set(found) == {"task", *wanted}
    for under, part in wanted.items():
        if part != "recent_events":
            assert found[under] == expected(name, part)


def test_any_two_parts_come_together(imported: Toolset) -> None:
    pairs = list(itertools.permutations(PARTS, 2))
    for pair in pairs:
        check(imported, "tkt-mid", list(pair))
    assert len(pairs) == 240


@given(
    include=st.lists(st.sampled_from(PARTS), unique=True), name=st.sampled_from([one["id"] for one in SOURCE["tasks"]])
)
@settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_any_combination_of_parts_has_these_and_no_others(imported: Toolset, include: list[str], name: str) -> None:
    check(imported, name, include)


def test_the_log_says_who_imported_what(imported: Toolset) -> None:
    events = data(imported, "task_get", task_id="tkt-mid", include=["recent_events"])["recent_events"]
    assert {one["actor"] for one in events} == {"importer"}
    assert {one["type"] for one in events} >= {"context_imported", "progress_imported", "session_imported"}


def test_imported_work_goes_on_with_the_tools_of_the_first_generation(tmp_path: Path) -> None:
    path = tmp_path / "records.json"
    path.write_text(json.dumps(SOURCE), encoding="utf-8")
    with arbeit.sync.open("memory://", actor="impl-1") as hub:
        project = hub.project("demo", create=True)
        drive(import_file(project.inner, path))
        box = Toolset(project, session_id="s-three")
        call: Callable[..., Record] = lambda name, **arguments: data(box, name, **arguments)  # noqa: E731
        begun = call("arbeit_task_start_work", task_id="tkt-low1")
        assert (begun["task"]["status"], begun["session_linked"]) == ("in_progress", True)
        assert call("arbeit_progress_complete", item_ids=["prg-3"])["completed"][0]["id"] == "prg-3"
        call("arbeit_context_add", task_id="tkt-low1", type="outcome", content="Done", evidence=["make: ok"])
        assert call("arbeit_task_update", task_id="tkt-low1", status="completed")["task"]["status"] == "completed"
        assert project.verify().ok
