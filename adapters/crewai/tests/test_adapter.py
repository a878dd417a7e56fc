"""One call of a tool, and what becomes of held tasks."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress

import pytest
from crewai.tools import BaseTool
from crewai.tools.tool_failure import ToolFailure

import arbeit
import arbeit.sync
from arbeit import ArbeitError
from arbeit.testing.clock import VirtualClock
from arbeit.toolset import tools
from arbeit_crewai import ArbeitAdapter, arbeit_tools, strict


def named(tools: Iterable[BaseTool]) -> dict[str, BaseTool]:
    return {one.name.removeprefix("arbeit_"): one for one in tools}


def test_an_answer_is_the_compact_envelope(project: arbeit.sync.Project) -> None:
    said = named(arbeit_tools(project))["task_create"].run(title="Größe ändern", intent=None)
    envelope = json.loads(said)
    assert envelope["data"]["task"]["title"] == "Größe ändern"
    assert said == json.dumps(envelope, ensure_ascii=False, separators=(",", ":"))


def test_a_refusal_is_a_failure_whose_message_is_the_envelope(project: arbeit.sync.Project) -> None:
    tool = named(arbeit_tools(project))["task_get"]
    said = tool.run(task_id="tkt-0000000000")
    assert isinstance(said, ToolFailure)
    assert json.loads(tool.format_output_for_agent(said))["error"] == said.details
    assert said.details["code"] == "TASK_NOT_FOUND"


@pytest.mark.anyio
async def test_a_tool_can_be_awaited(project: arbeit.sync.Project) -> None:
    said = await named(arbeit_tools(project))["task_create"].arun(title="Write it")
    assert json.loads(said)["success"]


def test_every_parameter_is_required_nullable_and_closed_in_strict_form() -> None:
    for one in tools("full"):
        plain, shown = one.schema(), strict(one.schema())
        assert shown["required"] == list(plain["properties"])
        assert shown["additionalProperties"] is False
        for name, said in shown["properties"].items():
            kinds = said.get("type", [each["type"] for each in said.get("anyOf", ())])
            assert "object" not in kinds
            assert ("null" in kinds) == (name not in plain.get("required", ()))
            assert ("enum" in said and None in said["enum"]) == ("enum" in said and "null" in kinds)


def test_a_parameter_of_several_kinds_may_be_null_too() -> None:
    several = {"anyOf": [{"type": "string"}, {"type": "number"}]}
    shown = strict({"type": "object", "properties": {"at": several}})
    assert shown["properties"]["at"] == {"anyOf": [*several["anyOf"], {"type": "null"}]}


@pytest.mark.parametrize("profile", ["core", "standard", "full"])
def test_null_for_all_that_may_be_left_out_is_the_same_as_leaving_it_out(
    profile: str, project: arbeit.sync.Project
) -> None:
    found = named(arbeit_tools(project, profile))["task_create"]
    nulls = dict.fromkeys(found.args_schema.model_json_schema()["properties"])
    said = json.loads(found.run(**{**nulls, "title": "Write it"}))
    assert said["success"]
    bare = json.loads(found.run(title="Write it"))
    assert said["data"]["task"].keys() == bare["data"]["task"].keys()


def test_a_profile_that_there_is_not_is_refused(project: arbeit.sync.Project) -> None:
    with pytest.raises(ArbeitError, match="no profile"):
        arbeit_tools(project, "cor")


@pytest.mark.anyio
async def test_an_asynchronous_project_is_refused_with_what_to_open_instead() -> None:
    async with arbeit.open("memory://") as hub:
        project = await hub.project("demo", create=True)
        with pytest.raises(ArbeitError, match="a crew needs a project of") as caught:
            arbeit_tools(project)  # type: ignore[arg-type]  # the mistake
    assert "arbeit.sync.open" in caught.value.suggestions[0]


def test_leaving_gives_back_what_is_held_without_counting_an_attempt(project: arbeit.sync.Project) -> None:
    task = project.create_task("Fix it")
    adapter = ArbeitAdapter(project)
    with adapter as found:
        named(found)["task_claim"].run()
        assert adapter.holding() == [task.id]
    left = project.get(task.id).task
    assert (left.status, left.claim_status, left.attempt) == ("open", "ready", 0)


def test_leaving_by_an_exception_is_a_failed_attempt(project: arbeit.sync.Project) -> None:
    task = project.create_task("Fix it")
    with suppress(ZeroDivisionError), ArbeitAdapter(project) as found:
        named(found)["task_claim"].run()
        raise ZeroDivisionError("no \0 way")
    parts = project.get(task.id, include={"runs"})
    assert (parts.task.status, parts.task.attempt) == ("open", 1)
    assert [one.result for one in parts.runs or ()] == ["failed"]


def test_an_interrupted_crew_gives_back_what_it_holds_without_counting_an_attempt(project: arbeit.sync.Project) -> None:
    task = project.create_task("Fix it")
    with suppress(KeyboardInterrupt), ArbeitAdapter(project) as found:
        named(found)["task_claim"].run()
        raise KeyboardInterrupt
    left = project.get(task.id).task
    assert (left.status, left.attempt) == ("open", 0)


def test_without_renewal_another_takes_over_and_the_first_is_told(
    project: arbeit.sync.Project, clock: VirtualClock
) -> None:
    task = project.create_task("Fix it")
    slow = named(arbeit_tools(project.as_("slow"), ttl=30, renew=False))
    slow["task_claim"].run()
    clock.tick(60)
    quick = named(arbeit_tools(project.as_("quick")))
    assert json.loads(quick["task_claim"].run())["data"]["task"] is None  # given up for dead; later it is ready again
    clock.tick(60)
    assert json.loads(quick["task_claim"].run())["data"]["task"]["id"] == task.id
    late = slow["task_complete"].run(task_id=task.id, evidence=["seen"])
    assert isinstance(late, ToolFailure)
    assert late.details["code"] == "LEASE_LOST"
    assert project.get(task.id).task.assignee == "quick"


def test_what_is_held_is_renewed_unless_that_is_not_wanted(project: arbeit.sync.Project) -> None:
    def hearts() -> list[threading.Thread]:
        return [one for one in threading.enumerate() if one.name == "arbeit-heart"]

    project.create_task("First")
    project.create_task("Second")
    named(arbeit_tools(project, renew=False))["task_claim"].run()
    assert hearts() == []
    named(arbeit_tools(project))["task_claim"].run()
    assert len(hearts()) == 1


def test_closed_tools_are_refused(project: arbeit.sync.Project) -> None:
    project.create_task("Fix it")
    adapter = ArbeitAdapter(project)
    adapter.close()
    with pytest.raises(ArbeitError, match="were closed"):
        named(adapter.tools)["task_claim"].run()


def test_a_claim_that_is_under_way_while_its_tools_are_closed_leaves_nothing_held(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    with arbeit.sync.open("memory://", actor="ada") as hub, ThreadPoolExecutor(1) as pool:
        project = hub.project("demo", create=True)
        adapter = ArbeitAdapter(project)
        begun = threading.Event()
        check = adapter._refuse_closed

        def enter() -> None:
            check()
            begun.set()

        monkeypatch.setattr(adapter, "_refuse_closed", enter)
        waiting = pool.submit(named(adapter.tools)["task_claim"].run, wait=60)
        assert begun.wait(30)
        adapter.close()
        task = project.create_task("Fix it")
        assert json.loads(waiting.result(30))["data"]["task"]["id"] == task.id
        left = project.get(task.id).task
        assert (left.status, left.assignee, left.attempt) == ("open", None, 0)
