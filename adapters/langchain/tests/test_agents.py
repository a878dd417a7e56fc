"""LangChain's own agents work through Arbeit's tools, with a scripted model in the place of a real one."""

from __future__ import annotations

import asyncio
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from langchain.agents import create_agent
from langchain_core.messages import AIMessage, BaseMessage, ToolMessage
from langchain_core.runnables import RunnableConfig

import arbeit.sync
from arbeit.toolset import schemas
from arbeit_langchain import ArbeitToolkit, arbeit_tools
from examples.langgraph_team.script import Line, Scripted, drains, heard, says, uses

GO: Any = {"messages": [("user", "Work.")]}


def answers(result: dict[str, Any]) -> list[ToolMessage]:
    return [one for one in result["messages"] if isinstance(one, ToolMessage)]


def tenure() -> list[Line]:
    """A whole tenure: claim a task, report on it, complete it."""
    claimed: list[str] = []

    def report(messages: list[BaseMessage]) -> AIMessage:
        claimed.append(heard(messages)["data"]["task"]["id"])
        entry = {"task_id": claimed[0], "type": "decision", "content": "Pin the seed"}
        items = {"task_id": claimed[0], "items": ["reproduce"], "completed": True}
        return uses(("arbeit_context_add", entry), ("arbeit_progress_add", items))

    def complete(_: list[BaseMessage]) -> AIMessage:
        done = {"task_id": claimed[0], "outcome": "Seed pinned", "evidence": ["pytest -q: 41 passed"]}
        return uses(("arbeit_task_complete", done))

    return [uses(("arbeit_task_claim", {})), report, complete, says("Done.")]


def proof(_: dict[str, Any]) -> dict[str, Any]:
    return {"outcome": "ok", "evidence": ["seen"]}


def test_an_agent_claims_reports_and_completes(project: arbeit.sync.Project) -> None:
    task = project.create_task("Fix the flaky test")
    with ArbeitToolkit(project) as toolkit:
        agent = create_agent(Scripted(script=tenure()), toolkit.get_tools())
        result = agent.invoke(GO)
        assert toolkit.holding() == []
    assert [one.status for one in answers(result)] == ["success"] * 4
    parts = project.get(task.id, include={"context", "progress", "runs"})
    assert (parts.task.status, parts.task.assignee) == ("completed", None)
    assert [(one.type, one.content) for one in parts.context or ()] == [
        ("decision", "Pin the seed"),
        ("outcome", "Seed pinned"),
    ]
    assert parts.context is not None
    assert list(parts.context[-1].evidence) == ["pytest -q: 41 passed"]
    assert [one.completed for one in parts.progress or ()] == [True]
    assert [(one.agent_id, one.result) for one in parts.runs or ()] == [("ada", "completed")]
    assert project.verify().ok


@pytest.mark.anyio
async def test_an_agent_works_from_an_event_loop() -> None:
    async with arbeit.open("memory://", actor="ada") as hub:
        project = await hub.project("demo", create=True)
        task = await project.create_task("Fix the flaky test")
        async with ArbeitToolkit(project) as toolkit:
            agent = create_agent(Scripted(script=tenure()), toolkit.get_tools())
            result = await agent.ainvoke(GO)
        assert [one.status for one in answers(result)] == ["success"] * 4
        assert (await project.get(task.id)).task.status == "completed"


@pytest.mark.anyio
async def test_a_synchronous_project_serves_an_event_loop_too(project: arbeit.sync.Project) -> None:
    task = project.create_task("Fix the flaky test")
    async with ArbeitToolkit(project) as toolkit:
        agent = create_agent(Scripted(script=tenure()), toolkit.get_tools())
        result = await agent.ainvoke(GO)
    assert [one.status for one in answers(result)] == ["success"] * 4
    assert project.get(task.id).task.status == "completed"


def test_a_model_reads_its_mistake_and_corrects_it(project: arbeit.sync.Project) -> None:
    def correct(messages: list[BaseMessage]) -> AIMessage:
        error = heard(messages)["error"]
        assert error["code"] == "INVALID_INPUT"
        assert "needs title" in error["message"]
        return uses(("arbeit_task_create", {"title": "Write it"}))

    lines = [uses(("arbeit_task_create", {"titel": "Write it"})), correct, says("Done.")]
    agent = create_agent(Scripted(script=lines), arbeit_tools(project))
    assert [one.status for one in answers(agent.invoke(GO))] == ["error", "success"]
    assert [one.title for one in project.find().tasks] == ["Write it"]


def test_a_model_that_forgot_its_evidence_is_shown_the_call(project: arbeit.sync.Project) -> None:
    task = project.create_task("Fix it")

    def correct(messages: list[BaseMessage]) -> AIMessage:
        error = heard(messages)["error"]
        assert error["code"] == "EVIDENCE_REQUIRED"
        assert any("arbeit_task_complete" in one for one in error["suggestions"])
        return uses(("arbeit_task_complete", {"task_id": task.id, "evidence": "make test: ok"}))

    lines = [
        uses(("arbeit_task_claim", {})),
        uses(("arbeit_task_complete", {"task_id": task.id, "outcome": "Fixed"})),
        correct,
        says("Done."),
    ]
    agent = create_agent(Scripted(script=lines), arbeit_tools(project))
    assert [one.status for one in answers(agent.invoke(GO))] == ["success", "error", "success"]
    assert project.get(task.id).task.status == "completed"


def test_agents_in_threads_share_a_queue_and_do_each_task_once(tmp_path: Path) -> None:
    with arbeit.sync.open(f"sqlite:///{tmp_path}/team.db") as hub:
        project = hub.project("demo", create=True)
        tasks = {project.create_task(f"Task {number}").id for number in range(12)}

        def drain(name: str) -> dict[str, Any]:
            with ArbeitToolkit(project.as_(name)) as toolkit:
                return create_agent(drains(proof), toolkit.get_tools()).invoke(GO)

        with ThreadPoolExecutor(3) as pool:
            results = list(pool.map(drain, ["ada", "bob", "cyd"]))
        assert all(one.status == "success" for result in results for one in answers(result))
        runs = project.runs(limit=100).items
        assert sorted(one.task_id for one in runs) == sorted(tasks)
        assert {one.result for one in runs} == {"completed"}
        assert project.verify().ok


@pytest.mark.anyio
async def test_agents_of_one_loop_share_a_queue_and_do_each_task_once() -> None:
    async with arbeit.open("memory://") as hub:
        project = await hub.project("demo", create=True)
        tasks = {(await project.create_task(f"Task {number}")).id for number in range(12)}

        async def drain(name: str) -> None:
            async with ArbeitToolkit(project.as_(name)) as toolkit:
                await create_agent(drains(proof), toolkit.get_tools()).ainvoke(GO)

        await asyncio.gather(*(drain(name) for name in ["ada", "bob", "cyd"]))
        runs = (await project.runs(limit=100)).items
        assert sorted(one.task_id for one in runs) == sorted(tasks)
        assert {one.agent_id for one in runs} == {"ada", "bob", "cyd"}


@pytest.mark.parametrize("profile", ["core", "standard", "full"])
def test_models_see_the_schemas_of_the_toolset(profile: str, project: arbeit.sync.Project) -> None:
    model = Scripted(script=[says("Hello.")])
    create_agent(model, arbeit_tools(project, profile)).invoke(GO)
    assert model.bound == schemas("openai", profile)


def test_runs_are_noted_under_the_thread_of_the_graph(project: arbeit.sync.Project) -> None:
    toolkit = ArbeitToolkit(project)
    for thread in ("thread-1", "thread-2", None):
        project.create_task("Fix it")
        config: RunnableConfig = {"configurable": {"thread_id": thread}} if thread else {}
        create_agent(Scripted(script=tenure()), toolkit.get_tools()).invoke(GO, config)
    assert sorted(one.session_id for one in project.runs().items) == ["", "thread-1", "thread-2"]


def test_a_session_that_was_named_is_noted_instead_of_the_thread(project: arbeit.sync.Project) -> None:
    project.create_task("Fix it")
    tools = arbeit_tools(project, session_id="night shift")
    create_agent(Scripted(script=tenure()), tools).invoke(GO, {"configurable": {"thread_id": "t"}})
    assert [one.session_id for one in project.runs().items] == ["night shift"]
