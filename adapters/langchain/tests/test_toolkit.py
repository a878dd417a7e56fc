"""One call of a tool, and what becomes of held tasks."""

from __future__ import annotations

import asyncio
import json
import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from typing import Any

import anyio
import pytest
from langchain_core.messages import ToolMessage

import arbeit.sync
from arbeit import ArbeitError
from arbeit.testing.clock import VirtualClock
from arbeit.toolset import schemas, tools
from arbeit_langchain import ArbeitTool, ArbeitToolkit, RefusedCall, arbeit_tools

KEPT = {"self", "config", "run_manager", "callbacks", "runtime", "args", "kwargs"}
"""Arguments that LangChain passes under these names, or lets nobody pass."""


def named(toolkit: ArbeitToolkit) -> dict[str, ArbeitTool]:
    return {one.name.removeprefix("arbeit_"): one for one in toolkit.get_tools() if isinstance(one, ArbeitTool)}


def invoked(tool: ArbeitTool, **given: object) -> ToolMessage:
    found = tool.invoke({"type": "tool_call", "id": "call_0", "name": tool.name, "args": given})
    assert isinstance(found, ToolMessage)
    return found


def test_a_message_is_the_compact_envelope_and_its_artifact_the_data(project: arbeit.sync.Project) -> None:
    said = invoked(named(ArbeitToolkit(project))["task_create"], title="Größe ändern")
    envelope = json.loads(str(said.content))
    assert envelope == {"success": True, "data": said.artifact}
    assert said.artifact["task"]["title"] == "Größe ändern"
    assert str(said.content) == json.dumps(envelope, ensure_ascii=False, separators=(",", ":"))
    assert (said.status, said.tool_call_id) == ("success", "call_0")


def test_a_refusal_is_a_message_with_the_status_of_an_error(project: arbeit.sync.Project) -> None:
    said = invoked(named(ArbeitToolkit(project))["task_get"], task_id="tkt-0000000000")
    assert (said.status, said.artifact) == ("error", None)
    assert json.loads(str(said.content))["error"]["code"] == "TASK_NOT_FOUND"


def test_a_refusal_is_raised_where_that_is_asked_for(project: arbeit.sync.Project) -> None:
    tool = named(ArbeitToolkit(project))["task_get"]
    tool.handle_tool_error = False
    with pytest.raises(RefusedCall) as caught:
        tool.invoke({"task_id": "tkt-0000000000"})
    assert (caught.value.code, bool(caught.value.suggestions)) == ("TASK_NOT_FOUND", True)
    assert "tkt-0000000000" in caught.value.message


def test_hints_of_mcp_are_the_metadata(project: arbeit.sync.Project) -> None:
    found = [one.metadata for one in ArbeitToolkit(project, profile="full").get_tools()]
    assert found == [one["annotations"] for one in schemas("mcp", "full")]
    assert any((one or {}).get("readOnlyHint") for one in found)


def test_no_argument_has_a_name_that_langchain_keeps_for_itself() -> None:
    names = {name for one in tools("full") for name in one.schema()["properties"]}
    assert "task_id" in names
    assert names & KEPT == set()


def test_a_profile_that_there_is_not_is_refused(project: arbeit.sync.Project) -> None:
    with pytest.raises(ArbeitError, match="no profile"):
        arbeit_tools(project, "cor")


def test_what_is_no_project_is_refused() -> None:
    with pytest.raises(ArbeitError, match="need a project, not str") as caught:
        ArbeitToolkit("sqlite:///team.db")  # type: ignore[arg-type]  # the mistake
    assert "arbeit.sync.open" in caught.value.suggestions[0]


# -- what is held --------------------------------------------------------------------------------------------------


def test_leaving_gives_back_what_is_held_without_counting_an_attempt(project: arbeit.sync.Project) -> None:
    task = project.create_task("Fix it")
    with ArbeitToolkit(project) as toolkit:
        invoked(named(toolkit)["task_claim"])
        assert toolkit.holding() == [task.id]
        assert project.get(task.id).task.status == "in_progress"
    left = project.get(task.id).task
    assert (left.status, left.claim_status, left.attempt) == ("open", "ready", 0)


def test_leaving_by_an_exception_is_a_failed_attempt(project: arbeit.sync.Project) -> None:
    task = project.create_task("Fix it")
    with suppress(ZeroDivisionError), ArbeitToolkit(project) as toolkit:
        invoked(named(toolkit)["task_claim"])
        raise ZeroDivisionError("no \0 way")
    parts = project.get(task.id, include={"runs"})
    assert (parts.task.status, parts.task.attempt) == ("open", 1)
    assert [one.result for one in parts.runs or ()] == ["failed"]


def test_a_review_that_an_exception_interrupts_is_given_back(project: arbeit.sync.Project) -> None:
    task = project.create_task("Fix it", review=True)
    work = project.as_("bob").claim()
    assert work is not None
    work.complete("Fixed", evidence=["seen"])
    with suppress(ZeroDivisionError), ArbeitToolkit(project, capabilities=["review"]) as toolkit:
        invoked(named(toolkit)["task_claim"], task_id=task.id)
        assert toolkit.holding() == [task.id]
        raise ZeroDivisionError
    left = project.get(task.id, include={"lease"})
    assert (left.task.status, left.lease) == ("in_review", None)


@pytest.mark.anyio
async def test_a_cancelled_agent_gives_back_what_it_holds_without_counting_an_attempt() -> None:
    async with arbeit.open("memory://", actor="ada") as hub:
        project = await hub.project("demo", create=True)
        tasks = [await project.create_task(title) for title in ("First", "Second", "Third")]
        claimed = anyio.Event()

        async def work() -> None:
            async with ArbeitToolkit(project) as toolkit:
                for _ in tasks:
                    await named(toolkit)["task_claim"].ainvoke({})
                claimed.set()
                await anyio.sleep_forever()

        async with anyio.create_task_group() as group:
            group.start_soon(work)
            await claimed.wait()
            group.cancel_scope.cancel()  # every await of a cancelled scope is cancelled, even those of giving back
        left = [(await project.get(one.id)).task for one in tasks]
        assert [(one.status, one.attempt, one.assignee) for one in left] == [("open", 0, None)] * 3


@pytest.mark.anyio
async def test_what_is_held_is_renewed_for_as_long_as_the_model_thinks(clock: VirtualClock) -> None:
    async with arbeit.open("memory://", actor="ada", clock=clock) as hub:
        project = await hub.project("demo", create=True)
        await project.create_task("Fix it")
        async with ArbeitToolkit(project, ttl=30) as toolkit:
            given = (
                await named(toolkit)["task_claim"].ainvoke({"type": "tool_call", "id": "1", "args": {}, "name": ""})
            ).artifact
            await clock.advance(90)
            done = {"task_id": given["task"]["id"], "outcome": "ok", "evidence": ["seen"]}
            assert json.loads(await named(toolkit)["task_complete"].ainvoke(done))["success"]


@pytest.mark.anyio
async def test_without_renewal_another_takes_over_and_the_first_is_told(clock: VirtualClock) -> None:
    async with arbeit.open("memory://", clock=clock) as hub:
        project = await hub.project("demo", create=True)
        task = await project.create_task("Fix it")
        slow = named(ArbeitToolkit(project.as_("slow"), ttl=30, renew=False))
        quick = named(ArbeitToolkit(project.as_("quick")))
        await slow["task_claim"].ainvoke({})
        await clock.advance(90)
        taken = json.loads(await quick["task_claim"].ainvoke({}))
        assert taken["data"]["task"]["id"] == task.id
        late = json.loads(await slow["task_complete"].ainvoke({"task_id": task.id, "evidence": ["seen"]}))
        assert late["error"]["code"] == "LEASE_LOST"
        assert (await project.get(task.id)).task.assignee == "quick"


def test_closed_tools_are_refused(project: arbeit.sync.Project) -> None:
    project.create_task("Fix it")
    toolkit = ArbeitToolkit(project)
    toolkit.close()
    with pytest.raises(ArbeitError, match="were closed"):
        named(toolkit)["task_claim"].invoke({})


def test_a_claim_that_is_under_way_while_its_tools_are_closed_leaves_nothing_held(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    with arbeit.sync.open("memory://", actor="ada") as hub, ThreadPoolExecutor(1) as pool:
        project = hub.project("demo", create=True)
        toolkit = ArbeitToolkit(project)
        begun = threading.Event()
        check = toolkit._calls._refuse_closed

        def enter() -> None:
            check()
            begun.set()

        monkeypatch.setattr(toolkit._calls, "_refuse_closed", enter)
        waiting = pool.submit(named(toolkit)["task_claim"].invoke, {"wait": 60})
        assert begun.wait(30)
        toolkit.close()
        task = project.create_task("Fix it")
        claimed = json.loads(waiting.result(30))
        assert claimed["data"]["task"]["id"] == task.id
        left = project.get(task.id).task
        assert (left.status, left.assignee, left.attempt) == ("open", None, 0)


@pytest.mark.anyio
async def test_a_claim_of_a_loop_that_is_under_way_while_its_tools_are_closed_leaves_nothing_held() -> None:
    async with arbeit.open("memory://", actor="ada") as hub:
        project = await hub.project("demo", create=True)
        toolkit = ArbeitToolkit(project)
        waiting = asyncio.create_task(named(toolkit)["task_claim"].ainvoke({"wait": 60}))
        await anyio.wait_all_tasks_blocked()
        await toolkit.aclose()
        task = await project.create_task("Fix it")
        claimed = json.loads(await waiting)
        assert claimed["data"]["task"]["id"] == task.id
        left = (await project.get(task.id)).task
        assert (left.status, left.assignee, left.attempt) == ("open", None, 0)


# -- with and without a loop ---------------------------------------------------------------------------------------


@pytest.mark.anyio
async def test_an_asynchronous_project_refuses_to_be_used_without_its_loop() -> None:
    async with arbeit.open("memory://", actor="ada") as hub:
        project = await hub.project("demo", create=True)
        toolkit = ArbeitToolkit(project)
        with pytest.raises(ArbeitError, match="belong to an asynchronous project") as caught:
            named(toolkit)["query"].invoke({"query": "ready_tasks"})
        assert "ainvoke" in caught.value.suggestions[0]
        with pytest.raises(ArbeitError, match="belong to an asynchronous project"), toolkit:
            pass
        with pytest.raises(ArbeitError, match="belong to an asynchronous project"):
            toolkit.close()
        assert json.loads(await named(toolkit)["query"].ainvoke({"query": "ready_tasks"}))["success"]


def test_a_long_thread_id_is_cut_to_what_a_run_can_carry(project: arbeit.sync.Project) -> None:
    project.create_task("Fix it")
    config: Any = {"configurable": {"thread_id": "t" * 300}}
    assert json.loads(named(ArbeitToolkit(project))["task_claim"].invoke({}, config))["success"]
    assert [one.session_id for one in project.runs().items] == ["t" * 255]


@pytest.mark.anyio
async def test_calls_of_several_threads_at_once_keep_their_own() -> None:
    async with arbeit.open("memory://", actor="ada") as hub:
        project = await hub.project("demo", create=True)
        await project.create_task("A", task_id="a")
        await project.create_task("B", task_id="b")
        claim = named(ArbeitToolkit(project))["task_claim"]

        async def take(task_id: str) -> None:
            await claim.ainvoke({"task_id": task_id}, {"configurable": {"thread_id": f"thread-{task_id}"}})

        await asyncio.gather(take("a"), take("b"))
        runs = (await project.runs()).items
        assert {one.task_id: one.session_id for one in runs} == {"a": "thread-a", "b": "thread-b"}
