"""Crews work through Arbeit's tools, with a scripted model in the place of a real one."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from crewai import Agent, BaseLLM, Crew, Task
from crewai.tools.tool_failure import ToolExecutionFailedError

import arbeit.sync
from arbeit.toolset import schemas
from arbeit_crewai import ArbeitAdapter, arbeit_tools, strict

# CrewAI's own agents read fields of theirs that it has deprecated.
pytestmark = pytest.mark.filterwarnings(r"ignore::DeprecationWarning:crewai\..*")

Messages = list[dict[str, Any]]
Make = Callable[..., BaseLLM]


def uses(name: str, **given: object) -> list[dict[str, Any]]:
    return [{"id": "call_0", "function": {"name": name, "arguments": json.dumps(given)}}]


def heard(messages: Messages) -> dict[str, Any]:
    """The envelope of the last answer of a tool."""
    last = next(one for one in reversed(messages) if one["role"] == "tool")
    found: dict[str, Any] = json.loads(last["content"])
    return found


def tenure() -> list[object]:
    """Claim a task, record a decision, complete it."""
    claimed: list[str] = []

    def report(messages: Messages) -> object:
        claimed.append(heard(messages)["data"]["task"]["id"])
        return uses("arbeit_context_add", task_id=claimed[0], type="decision", content="Pin the seed", evidence=None)

    def complete(_: Messages) -> object:
        return uses(
            "arbeit_task_complete", task_id=claimed[0], outcome="Seed pinned", evidence=["pytest -q: 41 passed"]
        )

    return [uses("arbeit_task_claim", task_id=None, wait=None), report, complete, "Pinned the seed."]


def drains(scripted: Make) -> BaseLLM:
    """A model that claims and completes until nothing is ready."""

    def go_on(messages: Messages) -> object:
        found = heard(messages)["data"]
        task = (found["next"] or {}).get("task") if "next" in found else found["task"]
        if task is None:
            return "Nothing is left to do."
        model.script.append(go_on)
        return uses("arbeit_task_complete", task_id=task["id"], outcome="ok", evidence=["seen"], next=True)

    model = scripted([uses("arbeit_task_claim"), go_on])
    return model


def agent(role: str, model: BaseLLM, tools: Iterable[object]) -> Agent:
    return Agent(role=role, goal="Work", backstory="Works.", llm=model, tools=list(tools))


def crew(*agents: Agent) -> Crew:
    tasks = [Task(description="Work on what is ready.", expected_output="What was done.", agent=one) for one in agents]
    return Crew(agents=list(agents), tasks=tasks)


def test_an_agent_claims_reports_and_completes(project: arbeit.sync.Project, scripted: Make) -> None:
    task = project.create_task("Fix the flaky test")
    with ArbeitAdapter(project, session_id="crew 1") as tools:
        out = crew(agent("developer", scripted(tenure()), tools)).kickoff()
    assert out.raw == "Pinned the seed."
    parts = project.get(task.id, include={"context", "runs"})
    assert parts.task.status == "completed"
    assert [(one.type, one.content, list(one.evidence)) for one in parts.context or ()] == [
        ("decision", "Pin the seed", []),
        ("outcome", "Seed pinned", ["pytest -q: 41 passed"]),
    ]
    assert [(one.agent_id, one.result, one.session_id) for one in parts.runs or ()] == [("ada", "completed", "crew 1")]
    assert project.verify().ok


def test_a_model_that_calls_tools_in_words_can_use_them(project: arbeit.sync.Project, scripted: Make) -> None:
    task = project.create_task("Fix it")

    seen: list[bool] = []  # CrewAI takes an assertion in a model for a model's failure, and asks again

    def complete(messages: Messages) -> str:
        seen.append(task.id in str(messages))
        given = {"task_id": task.id, "evidence": ["make test: ok"]}
        return f"Thought: done\nAction: arbeit_task_complete\nAction Input: {json.dumps(given)}"

    lines = ["Thought: begin\nAction: arbeit_task_claim\nAction Input: {}", complete, "Thought: done\nFinal Answer: ok"]
    out = crew(agent("developer", scripted(lines, native=False), arbeit_tools(project))).kickoff()
    assert (out.raw, seen) == ("ok", [True])
    assert project.get(task.id).task.status == "completed"


def test_a_model_reads_its_mistake_and_corrects_it(project: arbeit.sync.Project, scripted: Make) -> None:
    task = project.create_task("Fix it")

    seen: list[str] = []

    def correct(messages: Messages) -> object:
        seen.append(heard(messages)["error"]["code"])
        return uses("arbeit_task_complete", task_id=task.id, evidence="make test: ok", outputs='{"tests": 41}')

    lines = [uses("arbeit_task_claim"), uses("arbeit_task_complete", task_id=task.id), correct, "Done."]
    out = crew(agent("developer", scripted(lines), arbeit_tools(project))).kickoff()
    assert seen == ["EVIDENCE_REQUIRED"]
    (failure,) = out.tasks_output[0].tool_failures
    assert failure.failure.details["code"] == "EVIDENCE_REQUIRED"
    done = project.get(task.id).task
    assert (done.status, dict(done.outputs or {})) == ("completed", {"tests": 41})


def test_arguments_that_a_tool_does_not_take_are_explained_by_arbeit(
    project: arbeit.sync.Project, scripted: Make
) -> None:
    said: list[dict[str, Any]] = []

    def listen(messages: Messages) -> object:
        said.append(heard(messages)["error"])
        return "Sorry."

    lines = [uses("arbeit_task_create", title="Write it", prio="high"), listen]
    crew(agent("developer", scripted(lines), arbeit_tools(project))).kickoff()
    assert [one["code"] for one in said] == ["INVALID_INPUT"]
    assert any("It takes: title" in one for one in said[0]["suggestions"])
    assert project.find().tasks == ()


def test_the_same_claim_is_never_answered_from_the_crew_s_cache(project: arbeit.sync.Project, scripted: Make) -> None:
    tasks = {project.create_task(title).id for title in ("First", "Second")}
    seen: list[str] = []

    def again(messages: Messages) -> object:
        seen.append(heard(messages)["data"]["task"]["id"])
        return uses("arbeit_task_claim") if len(seen) == 1 else "Both are mine."

    made = crew(agent("developer", scripted([uses("arbeit_task_claim"), again, again]), arbeit_tools(project)))
    made.cache = True
    made.kickoff()
    assert set(seen) == tasks


def test_a_crew_of_two_shares_a_queue_and_does_each_task_once(project: arbeit.sync.Project, scripted: Make) -> None:
    tasks = [project.create_task(f"Task {number}").id for number in range(4)]

    writers = [agent(name, scripted(tenure()), arbeit_tools(project.as_(name))) for name in ("ada", "bob") * 2]
    crew(*writers).kickoff()
    runs = project.runs().items
    assert sorted(one.task_id for one in runs) == sorted(tasks)
    assert sorted(one.agent_id for one in runs) == ["ada", "ada", "bob", "bob"]
    assert all(project.get(one, include={"context"}).context[-1].evidence for one in tasks)  # type: ignore[index]


def test_crews_in_threads_share_a_queue_and_do_each_task_once(tmp_path: Path, scripted: Make) -> None:
    with arbeit.sync.open(f"sqlite:///{tmp_path}/team.db") as hub:
        project = hub.project("demo", create=True)
        tasks = [project.create_task(f"Task {number}").id for number in range(10)]

        def drain(name: str) -> str:
            with ArbeitAdapter(project.as_(name)) as tools:
                return str(crew(agent(name, drains(scripted), tools)).kickoff().raw)

        with ThreadPoolExecutor(2) as pool:
            assert list(pool.map(drain, ["ada", "bob"])) == ["Nothing is left to do."] * 2
        runs = project.runs(limit=100).items
        assert sorted(one.task_id for one in runs) == sorted(tasks)
        assert {one.result for one in runs} == {"completed"}
        assert project.verify().ok


@pytest.mark.anyio
@pytest.mark.parametrize("kickoff", ["kickoff_async", "akickoff"])
async def test_asynchronous_crews_use_the_same_tools(
    kickoff: str, project: arbeit.sync.Project, scripted: Make
) -> None:
    task = project.create_task("Fix the flaky test")
    out = await getattr(crew(agent("developer", scripted(tenure()), arbeit_tools(project))), kickoff)()
    assert out.raw == "Pinned the seed."
    assert project.get(task.id).task.status == "completed"


def test_a_crew_that_is_to_raise_failures_ends_with_the_first_refusal(
    project: arbeit.sync.Project, scripted: Make
) -> None:
    model = scripted([uses("arbeit_task_get", task_id="tkt-0000000000"), "Sorry."])
    strict_one = Agent(
        role="developer",
        goal="Work",
        backstory="Works.",
        llm=model,
        tools=arbeit_tools(project),
        tool_failure_policy="raise",
    )
    with pytest.raises(ToolExecutionFailedError, match="TASK_NOT_FOUND"):
        crew(strict_one).kickoff()


def test_a_crew_stops_an_agent_that_hears_the_same_five_times(project: arbeit.sync.Project, scripted: Make) -> None:
    model = scripted([uses("arbeit_task_claim")] * 6)
    with pytest.raises(ToolExecutionFailedError, match="5 times"):
        crew(agent("developer", model, arbeit_tools(project))).kickoff()
    assert len(model.script) == 1


@pytest.mark.parametrize("profile", ["core", "standard", "full"])
def test_models_see_the_schemas_of_the_toolset_in_strict_form(
    profile: str, project: arbeit.sync.Project, scripted: Make
) -> None:
    model = scripted(["Hello."])
    crew(agent("developer", model, arbeit_tools(project, profile))).kickoff()
    seen = {one["function"]["name"]: one["function"] for one in model.bound}
    for one in schemas("mcp", profile):
        shown = seen[one["name"]]
        assert shown["description"] == one["description"]
        assert shown["parameters"] == strict(one["inputSchema"])
        assert shown["parameters"]["required"] == list(one["inputSchema"]["properties"])
    assert len(seen) == len(schemas("mcp", profile))
