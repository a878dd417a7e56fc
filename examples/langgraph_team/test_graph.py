"""The graph reaches its goal, and goes on after whatever interrupts it. `pytest examples/langgraph_team`."""

from __future__ import annotations

import signal
import subprocess
import sys
from collections.abc import Iterator
from itertools import count
from pathlib import Path

import pytest
from langchain_core.language_models import BaseChatModel
from langchain_core.messages import AIMessage, BaseMessage
from langchain_core.runnables import RunnableConfig
from langgraph.checkpoint.memory import InMemorySaver
from langgraph.types import Command

import arbeit.sync
from arbeit.testing.clock import VirtualClock
from examples.langgraph_team.__main__ import main
from examples.langgraph_team.cast import PARTS, cast
from examples.langgraph_team.graph import Models, team_graph
from examples.langgraph_team.script import uses

THREAD: RunnableConfig = {"configurable": {"thread_id": "thread-1"}}
GOAL = "A parser and a printer"
KILLED_AT_WORK = """
import os, signal, sys
import arbeit.sync
from arbeit_langchain import ArbeitToolkit
from examples.langgraph_team.script import Scripted, uses
from langchain.agents import create_agent

def dies(messages):
    os.kill(os.getpid(), signal.SIGKILL)

with arbeit.sync.open(sys.argv[1], actor="dora") as hub, ArbeitToolkit(hub.project("demo"), ttl=1) as toolkit:
    model = Scripted(script=[uses(("arbeit_task_claim", {})), dies])
    create_agent(model, toolkit.get_tools()).invoke({"messages": [("user", "Go.")]})
"""


@pytest.fixture
def clock() -> VirtualClock:
    return VirtualClock()


@pytest.fixture
def project(clock: VirtualClock) -> Iterator[arbeit.sync.Project]:
    with arbeit.sync.open("memory://", clock=clock) as hub:
        yield hub.project("demo", create=True)


def statuses(project: arbeit.sync.Project) -> dict[str, str]:
    return {one.title: one.status for one in project.find().tasks}


def titles(project: arbeit.sync.Project) -> list[str]:
    return sorted(one.title for one in project.find().tasks)


def results(project: arbeit.sync.Project) -> list[tuple[str, str | None]]:
    names = {one.id: one.title for one in project.find().tasks}
    return sorted((names[one.task_id], one.result) for one in project.runs(limit=100).items)


def failing_once(agent: str, lines: int) -> Models:
    """The cast, in which an agent's model breaks once, after so many lines."""
    times = count()

    def breaks(_: list[BaseMessage]) -> AIMessage:
        raise ConnectionError("the model is down")

    def models(name: str) -> BaseChatModel:
        model = cast(name)
        if name == agent and next(times) == 0:
            model.script.insert(lines, breaks)
        return model

    return models


def test_the_team_plans_is_asked_works_and_is_reviewed(project: arbeit.sync.Project) -> None:
    graph = team_graph(project, cast, ["ada", "bob"], InMemorySaver())
    asked = graph.invoke({"goal": GOAL}, THREAD)
    assert sorted(asked["__interrupt__"][0].value["plan"]) == sorted(PARTS)
    assert set(statuses(project).values()) == {"open"}

    done = graph.invoke(Command(resume="go"), THREAD)
    assert set(statuses(project).values()) == {"completed"}
    assert results(project) == sorted(
        [
            *((title, "completed") for title in PARTS),
            *((GOAL, one) for one in ("submitted", "changes_requested", "submitted", "approved")),
        ]
    )
    assert done["rounds"] == 2
    assert {one.session_id for one in project.runs(limit=100).items} == {"thread-1"}
    last = project.get(next(one.id for one in project.find().tasks if one.title == PARTS[2]), include={"blocked_by"})
    starts = {one.title: one.started_at or 0 for one in project.find().tasks}
    assert {one.title for one in last.blocked_by or ()} == set(PARTS[:2])
    assert starts[PARTS[2]] >= max(starts[title] for title in PARTS[:2])
    assert project.verify().ok


def test_a_plan_that_is_not_confirmed_is_called_off(project: arbeit.sync.Project) -> None:
    graph = team_graph(project, cast, ["ada"], InMemorySaver())
    graph.invoke({"goal": GOAL}, THREAD)
    graph.invoke(Command(resume="stop"), THREAD)
    assert set(statuses(project).values()) == {"cancelled"}
    assert project.runs().items == ()


def test_a_graph_that_broke_while_planning_plans_on(project: arbeit.sync.Project) -> None:
    graph = team_graph(project, failing_once("planner", 2), ["ada"], InMemorySaver())
    with pytest.raises(ConnectionError):
        graph.invoke({"goal": GOAL}, THREAD)
    assert titles(project) == sorted([GOAL, PARTS[0]])
    graph.invoke(None, THREAD)
    assert titles(project) == sorted([GOAL, *PARTS])


def test_a_graph_that_broke_at_work_goes_on_where_it_was(project: arbeit.sync.Project, clock: VirtualClock) -> None:
    graph = team_graph(project, failing_once("ada", 1), ["ada"], InMemorySaver())
    graph.invoke({"goal": GOAL}, THREAD)
    with pytest.raises(ConnectionError):
        graph.invoke(Command(resume="go"), THREAD)
    assert [result for _, result in results(project)] == ["failed"]
    clock.tick(5)  # until it may be tried again
    graph.invoke(None, THREAD)
    assert set(statuses(project).values()) == {"completed"}
    ends = [result for title, result in results(project) if title in PARTS]
    assert sorted(str(one) for one in ends) == ["completed", "completed", "completed", "failed"]


def test_a_worker_that_is_killed_loses_its_lease_and_another_takes_over(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/team.db"

    def patient(name: str) -> BaseChatModel:
        model = cast(name)
        if name == "ada":
            model.script[0] = uses(("arbeit_task_claim", {"wait": 30}))
        return model

    with arbeit.sync.open(url) as hub:
        project = hub.project("demo", create=True)
        graph = team_graph(project, patient, ["ada"], InMemorySaver())
        graph.invoke({"goal": GOAL}, THREAD)
        killed = subprocess.run(  # noqa: S603 - this interpreter
            [sys.executable, "-c", KILLED_AT_WORK, url], check=False, cwd=Path(__file__).parents[2], timeout=60
        )
        assert killed.returncode == -signal.SIGKILL
        (held,) = project.find(status="in_progress").tasks
        assert held.assignee == "dora"
        graph.invoke(Command(resume="go"), THREAD)
        assert set(statuses(project).values()) == {"completed"}
        mine = project.get(held.id, include={"runs"}).runs or ()
        assert sorted((one.agent_id, str(one.result)) for one in mine) == [("ada", "completed"), ("dora", "expired")]
        assert project.verify().ok


def test_the_command_line_tells_what_happened(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--yes"]) == 0
    said = capsys.readouterr().out
    assert [line for line in said.splitlines() if line.startswith("planned: ")] != []
    assert said.count("\ncompleted ") == 4
