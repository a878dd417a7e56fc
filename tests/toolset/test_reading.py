"""What the reading tools answer, and how much of it at most."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest

import arbeit.sync
from arbeit.queries import PARTS
from arbeit.sync import Toolset

Answer = dict[str, Any]
Call = Callable[..., Answer]
SIX = ["id", "title", "status", "intent", "created_at", "updated_at"]


def compact(value: object) -> int:
    return len(json.dumps(value, separators=(",", ":"), ensure_ascii=False).encode())


def test_a_plain_task_has_six_fields_and_others_only_where_they_say_something(ok: Call) -> None:
    assert list(ok("task_create", title="a")["task"]) == SIX
    more = ok("task_create", title="b", priority="high", labels=["x"], queue="q", max_runtime=90)["task"]
    assert list(more)[:6] == SIX
    assert {name: more[name] for name in list(more)[6:]} == {
        "priority": "high",
        "labels": ["x"],
        "queue": "q",
        "max_runtime": 90.0,
    }


@pytest.mark.parametrize("part", PARTS)
def test_an_asked_part_is_present_even_if_it_is_empty_and_no_other_is(ok: Call, part: str) -> None:
    task = ok("task_create", title="a")["task"]["id"]
    found = ok("task_get", task_id=task, include=[part])
    name = "context" if part == "context_all" else part
    assert set(found) == {"task", name}
    empty = {"parent": None, "lease": None, "progress_summary": {"total": 0, "completed": 0, "remaining": 0}}
    if part != "recent_events":
        assert found[name] == empty.get(part, [])


def test_all_parts_come_at_once_and_an_unknown_one_is_refused_with_those_there_are(ok: Call, refusal: Call) -> None:
    task = ok("task_create", title="a")["task"]["id"]
    assert set(ok("task_get", task_id=task, include="all")) == {"task", *PARTS} - {"context_all"}
    error = refusal("task_get", task_id=task, include=["contxt"])
    assert error["code"] == "INVALID_INPUT"
    assert "progress_summary" in error["suggestions"][0]


def test_both_kinds_of_context_asked_for_are_the_whole_of_it(ok: Call) -> None:
    task = ok("task_create", title="a")["task"]["id"]
    old = ok("context_add", task_id=task, type="note", content="1")["entry"]["id"]
    ok("context_supersede", entry_id=old, new_content="2")
    assert len(ok("task_get", task_id=task, include=["context"])["context"]) == 1
    assert len(ok("task_get", task_id=task, include=["context_all", "context"])["context"]) == 2


def test_depth_brings_descendants_with_their_parts_and_markdown_a_document(ok: Call) -> None:
    top = ok("task_create", title="top")["task"]["id"]
    child = ok("task_create", title="child", parent_id=top, items=["one"])["task"]["id"]
    ok("task_create", title="grandchild", parent_id=child)
    found = ok("task_get", task_id=top, include=["progress"], depth=2)
    assert found["below"][0]["progress"][0]["content"] == "one"
    assert found["below"][0]["below"][0]["task"]["title"] == "grandchild"
    text = ok("task_get", task_id=top, include=["progress"], depth=2, format="markdown")["document"]
    assert text.startswith("# top")
    assert "## child" in text


@pytest.fixture
def crowded(project: arbeit.sync.Project) -> arbeit.sync.Project:
    """A thousand tasks that say a lot."""
    commands = [
        arbeit.commands.CreateTask(actor="impl-1", title=f"Task {at:04} {'t' * 480}", intent="why " * 100)
        for at in range(1000)
    ]
    assert not [one for one in project.execute_many(commands) if isinstance(one, arbeit.ArbeitError)]
    return project


@pytest.mark.parametrize(
    ("name", "arguments"),
    [
        ("task_list", {}),
        ("task_list", {"limit": 1000}),
        ("query", {"query": "tasks", "params": {"limit": 500}}),
        ("query", {"query": "ready_tasks"}),
        ("query", {"query": "recent_activity", "params": {"limit": 200}}),
        ("events", {"limit": 1000}),
        ("search", {"text": "why", "limit": 100}),
    ],
)
def test_any_list_stays_below_8_kb_and_says_what_it_cut(
    crowded: arbeit.sync.Project, name: str, arguments: Answer
) -> None:
    answer = Toolset(crowded).call(name, arguments)
    assert answer["success"]
    assert compact(answer) < 8192
    assert next(iter(answer["data"].values())), "it is not empty"


def test_titles_of_signs_that_take_four_bytes_stay_within_the_budget_and_no_task_is_skipped(
    project: arbeit.sync.Project,
) -> None:
    names = [f"{at:02}-{'x' * 60}" for at in range(60)]
    commands = [arbeit.commands.ImportTask(task_id=name, title="🦉" * 500) for name in names]
    assert not [one for one in project.execute_many(commands) if isinstance(one, arbeit.ArbeitError)]
    found, cursor = [], None
    while True:
        answer = Toolset(project).call("query", {"query": "tasks", "params": {"limit": 50, "cursor": cursor}})
        assert compact(answer) < 8192
        found += [one["id"] for one in answer["data"]["tasks"]]
        cursor = answer["data"].get("cursor")
        if cursor is None:
            break
    assert found == names


def test_a_task_with_everything_below_it_stays_within_one_budget(ok: Call, project: arbeit.sync.Project) -> None:
    top = ok("task_create", title="top")["task"]["id"]
    commands = [
        arbeit.commands.CreateTask(actor="a", title="t" * 400, intent="i" * 900, parent_id=top) for _ in range(400)
    ]
    assert not [one for one in project.execute_many(commands) if isinstance(one, arbeit.ArbeitError)]
    found = ok("task_get", task_id=top, include=["all"], depth=1)
    assert compact(found) < 80_000
    assert found["omitted"]["below"] + len(found["below"]) == 400
    assert found["excerpts"]["children"] + found["omitted"].get("children", 0) > 300
    below = ok("query", query="descendants_of", params={"task_id": top})
    assert compact(below) < 8192
    assert below["omitted"] + len(below["tasks"]) == 400


def test_an_author_hears_no_more_of_a_long_text_than_its_beginning(ok: Call) -> None:
    task = ok("task_create", title="a")["task"]["id"]
    entry = ok("context_add", task_id=task, type="note", content="x" * 60_000)["entry"]
    assert (entry["id"][:4], len(entry["content"]) < 100) == ("ctx-", True)
    assert set(entry) == {"id", "task_id", "type", "content", "metadata", "superseded_by", "created_at"}
    assert compact(ok("progress_add", task_id=task, items=["y" * 4000] * 100)) < 8192
    ok("progress_add", task_id=task, items=["z" * 4000] * 100)
    claimed = ok("task_claim", task_id=task)
    assert compact(claimed) < 4096
    assert claimed["omitted"] + len(claimed["progress"]) == 200
    whole = ok("task_get", task_id=task, include=["context"])["context"]
    assert len(whole[0]["content"]) < 100, "32 KB are the most that a part takes"


def test_a_quiet_tasks_activity_is_found_beyond_a_thousand_events_of_others(
    crowded: arbeit.sync.Project, ok: Call
) -> None:
    first = crowded.find(limit=1).tasks[0].id
    for _ in range(11):
        crowded.execute_many([arbeit.commands.AddContext(task_id=crowded.find(limit=2).tasks[1].id, content="n")] * 100)
    events = ok("query", query="recent_activity", params={"task_id": first})["events"]
    assert [one["type"] for one in events] == ["task_created"]


def test_pages_go_on_from_their_cursor_and_bring_every_task_once(crowded: arbeit.sync.Project) -> None:
    box, cursor, titles = Toolset(crowded), None, []
    while True:
        page = box.call("task_list", {"limit": 50, "cursor": cursor})["data"]
        titles += [one["title"][:9] for one in page["tasks"]]
        cursor = page.get("cursor")
        if cursor is None:
            break
    assert titles == [f"Task {at:04}" for at in range(1000)]


def test_what_is_cut_is_counted_and_keeps_its_id(crowded: arbeit.sync.Project) -> None:
    page = Toolset(crowded).call("task_list", {"limit": 50})["data"]
    whole = [one for one in page["tasks"] if "intent" in one]
    cut = [one for one in page["tasks"] if "intent" not in one]
    assert page["excerpts"] == len(cut) > 0
    assert len(whole) + len(cut) == 50
    assert all(set(one) == {"id", "title", "status"} and one["title"].endswith("…") for one in cut)


def test_the_log_is_read_on_from_a_position(ok: Call) -> None:
    task = ok("task_create", title="a")["task"]["id"]
    ok("task_create", title="b")
    first = ok("events", limit=2)
    assert [one["type"] for one in first["events"]] == ["project_created", "task_created"]
    assert ok("events", after=first["position"])["position"] == 3
    assert ok("events", after=3) == {"events": [], "position": 3}
    assert [one["task_id"] for one in ok("events", task_id=task)["events"]] == [task]
    assert ok("events", task_id=task, types=["task_cancelled"]) == {"events": [], "position": 2}


def test_queries_take_the_parameters_of_the_first_generation(ok: Call, project: arbeit.sync.Project) -> None:
    top = ok("task_create", title="top")["task"]["id"]
    child = ok("task_create", title="child", parent_id=top)["task"]["id"]
    project.link_file(child, "src/a.py")

    def titles(query: str, **params: object) -> list[str]:
        return [one["title"] for one in ok("query", query=query, params=params)["tasks"]]

    assert titles("tasks", parent_id=None) == ["top"]
    assert titles("tasks", parent_id=top) == ["child"]
    assert titles("tasks", status="open") == ["top", "child"]
    assert titles("tasks_for_file", file_path="src/a.py") == ["child"]
    assert titles("stale_tasks", days=0) == []
    assert titles("descendants_of", task_id=top) == ["child"]
    assert ok("query", query="files_for_task", params={"task_id": child})["files"][0]["path"] == "src/a.py"
    events = ok("query", query="recent_activity", params={"task_id": child, "since": "2026-01-01T00:00:00Z"})["events"]
    assert [one["type"] for one in events] == ["file_linked", "task_created"]
    assert ok("query", query="recent_activity", params={"since": "2036-01-01T00:00:00Z"})["events"] == []


def test_a_briefing_fits_its_budget_and_says_by_which_tools_to_get_the_rest(ok: Call, refusal: Call) -> None:
    task = ok("task_create", title="a", intent="i")["task"]["id"]
    for at in range(30):
        ok("context_add", task_id=task, type="note", content=f"Note {at} {'x' * 200}")
    made = ok("briefing", task_id=task, max_tokens=600)
    assert made["tokens"] <= 600
    (left,) = made["left_out"]
    assert left.endswith(f'arbeit_task_get {{"task_id": "{task}", "include": ["context"]}}')
    assert left in made["briefing"]
    assert refusal("briefing", task_id=task, max_tokens=10)["code"] == "INVALID_INPUT"


def test_a_search_finds_and_runs_are_listed(ok: Call) -> None:
    task = ok("task_create", title="Parse the feed")["task"]["id"]
    ok("task_claim")
    ok("context_add", task_id=task, type="decision", content="Stream the feed")
    ok("task_fail", task_id=task, error="out of memory")
    hits = ok("search", text="feed")["hits"]
    assert [one["kind"] for one in hits] == ["task", "entry"]
    (run,) = ok("run_history", task_id=task)["runs"]
    assert (run["agent_id"], run["result"], run["note"]) == ("impl-1", "failed", "out of memory")
