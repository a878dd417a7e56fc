from __future__ import annotations

from typing import Any

import pytest

import arbeit.sync
from adapters.mcp.tests.speaking import Speaker, Team
from arbeit.toolset import NAMES, PROFILES, schemas

pytestmark = pytest.mark.anyio


async def finish(speak: Speaker, title: str) -> str:
    made = (await speak.data("task_create", title=title, intent="To see it done", items=["look"]))["task"]
    taken = await speak.data("task_claim")
    assert taken["task"]["id"] == made["id"]
    assert taken["lease"]["fence"] > 0
    task_id: str = made["id"]
    entry = (await speak.data("context_add", task_id=task_id, type="decision", content="Go left"))["entry"]
    assert entry["content"] == "Go left"
    await speak.data("progress_add", task_id=task_id, items=["went left"], completed=True)
    done = await speak.data("task_complete", task_id=task_id, outcome="Done", evidence=["ls: it is there"])
    assert done["task"]["status"] == "completed"
    return task_id


@pytest.mark.parametrize("mode", ["legacy", "auto"])
async def test_an_agent_starts_a_project_and_works_a_task_to_its_end(team: Team, mode: str) -> None:
    async with team.client("impl", mode=mode) as speak:
        assert await speak.refused("task_claim") == "NOT_INITIALIZED"
        begun = await speak.data("init", name="A demo")
        assert begun == {"initialized": True, "path": str(team.folder / ".arbeit" / "arbeit.db")}
        assert await speak.refused("init") == "ALREADY_INITIALIZED"
        task_id = await finish(speak, "Turn left")

    assert (team.folder / ".arbeit" / ".gitignore").read_text() == "*\n"
    with arbeit_hub(team) as hub:
        (one,) = hub.projects()
        project = hub.project(one.key)
        assert project.verify().ok
        found = project.get(task_id, include={"context", "progress", "runs"})
    assert one.name == "A demo"
    assert found.task.assignee is None
    assert found.context is not None
    assert found.runs is not None
    assert [entry.type for entry in found.context] == ["decision", "outcome"]
    assert {run.result for run in found.runs} == {"completed"}
    assert {run.agent_id[:5] for run in found.runs} == {"impl-"}


async def test_every_tool_says_so_where_there_is_no_project(team: Team) -> None:
    team.options = ("--profile", "full")
    examples: dict[str, Any] = {"string": "x", "array": ["x"], "integer": 1, "number": 1, "object": {}, "boolean": True}
    async with team.client() as speak:
        for one in schemas("mcp", "full"):
            if one["name"] == "arbeit_init":
                continue
            wanted = one["inputSchema"].get("required", ())
            properties = one["inputSchema"]["properties"]
            given = {
                name: properties[name].get("enum", [None])[0] or examples[properties[name]["type"]] for name in wanted
            }
            assert await speak.refused(one["name"], **given) == "NOT_INITIALIZED", one["name"]
    assert not (team.folder / ".arbeit").exists()


async def test_a_project_that_somebody_else_starts_is_found_at_the_next_call(team: Team) -> None:
    async with team.client("first") as first, team.client("second") as second:
        assert await second.refused("task_claim") == "NOT_INITIALIZED"
        await first.data("init")
        await first.data("task_create", title="For anybody")
        assert (await second.data("task_claim"))["task"]["title"] == "For anybody"


@pytest.mark.parametrize("profile", PROFILES)
async def test_each_profile_lists_its_tools_with_their_own_schemas(team: Team, profile: str) -> None:
    team.options = ("--profile", profile)
    async with team.client() as speak:
        listed = (await speak.client.list_tools()).tools
    assert [one.name for one in listed] == list(PROFILES[profile])
    for shown, meant in zip(listed, schemas("mcp", profile), strict=True):
        assert shown.input_schema == meant["inputSchema"]
        assert shown.description == meant["description"]
        assert shown.title == meant["title"]
        assert shown.output_schema is None
        assert shown.annotations is not None
        told = shown.annotations.model_dump(by_alias=True, exclude_none=True)
        assert told == meant["annotations"]
        assert told["openWorldHint"] is False


async def test_what_no_tool_takes_is_refused_in_envelopes(team: Team) -> None:
    team.options = ("--profile", "core")
    with team.project():
        pass
    async with team.client() as speak:
        assert await speak.refused("arbeit_nonsense") == "INVALID_INPUT"
        outside = await speak("search", text="left")
        assert outside["error"]["message"] == "the tool arbeit_search is not served here"
        assert "--profile core" in outside["error"]["suggestions"][0]
        assert await speak.refused("task_get", tsk_id="x") == "INVALID_INPUT"
        assert await speak.refused("task_get", task_id="no-such-task") == "TASK_NOT_FOUND"
        assert await speak.refused("task_create", title="x" * 501) == "INVALID_INPUT"
        assert await speak.refused("query", query="ready_tasks", params={"limit": -1}) == "INVALID_INPUT"
        assert await speak.refused("context_add", task_id="x", type="opinion", content="y") == "INVALID_TYPE"
        assert await speak.refused("task_claim", wait="soon") == "INVALID_INPUT"
        assert (await speak("query", query="tasks"))["data"] == {"tasks": []}


async def test_every_tool_of_the_full_profile_answers(stdio_team: Team) -> None:
    """No tool is listed that its server does not know."""
    with stdio_team.project():
        pass
    async with stdio_team.client(options=("--profile", "full")) as speak:
        for name in NAMES:
            answer = await speak(name)
            assert answer["success"] or answer["error"]["code"] in {"INVALID_INPUT", "ALREADY_INITIALIZED"}, name


async def test_projects_are_told_apart_by_name(team: Team) -> None:
    with team.project(), arbeit_hub(team) as hub:
        hub.project("other", create=True)
    async with team.client() as speak:
        answer = await speak("task_claim")
    assert answer["error"]["code"] == "PROJECT_NOT_FOUND"
    assert "demo, other" in answer["error"]["message"]


async def test_the_project_that_is_named_is_the_one_worked_on(team: Team) -> None:
    team.options = ("--project", "other")
    with team.project(), arbeit_hub(team) as hub:
        hub.project("other", create=True).create_task("Here")
    async with team.client() as speak:
        assert (await speak.data("task_claim"))["task"]["title"] == "Here"


def arbeit_hub(team: Team) -> arbeit.sync.Hub:
    return arbeit.sync.open(f"sqlite:///{team.folder}/.arbeit/arbeit.db", actor="judge")
