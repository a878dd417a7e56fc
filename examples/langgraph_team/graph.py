"""The graph. It says who works when; what there is to do, who holds it and what came of it stands in the project.

So a graph that is run again from its last checkpoint plans nothing twice and does nothing twice: every node looks at
the project first, and a worker that is gone holds nothing for longer than its lease.
"""

from __future__ import annotations

import operator
from collections.abc import Callable, Sequence
from typing import Annotated, Any, Literal, TypedDict

from langchain.agents import create_agent
from langchain_core.language_models import BaseChatModel
from langchain_core.messages import HumanMessage
from langchain_core.runnables import RunnableConfig
from langgraph.graph import START, StateGraph
from langgraph.graph.state import CompiledStateGraph
from langgraph.types import Checkpointer, Command, Send, interrupt

import arbeit.sync
from arbeit_langchain import ArbeitToolkit

Models = Callable[[str], BaseChatModel]
"""The model of an agent: of "planner", "reviewer", or a worker by name."""
ROUNDS = 3
"""How often a result is sent back before the graph ends without it."""

PLANNER = (
    "Split the goal, which is the task {goal}, into two to five tasks with arbeit_task_create: parent_id {goal}, a "
    "title, an intent, what must be true in the end as acceptance, and blocked_by where one needs another's result. "
    "Look first (arbeit_task_get {goal}, include children): if some are there already, add only what is missing."
)
WORKER = (
    "Claim a task with arbeit_task_claim and read it with arbeit_task_get. Record what you decide and try with "
    "arbeit_context_add as you go. Complete it with evidence and next=true, which claims the next one; stop when there "
    "is none. A task with children is there to put their results together."
)
REVIEWER = (
    "Review the task {goal} with arbeit_task_get (include everything), then arbeit_task_review: approve it, or request "
    "changes and say what is missing."
)


class Team(TypedDict, total=False):
    """What the graph itself remembers.

    Attributes:
        goal: what is to be reached, in one line.
        goal_id: the task that stands for it; the parts of the plan are its children.
        rounds: how often workers were sent out.
        reports: the last words of agents.
    """

    goal: str
    goal_id: str
    rounds: int
    reports: Annotated[list[str], operator.add]


class Errand(TypedDict):
    """What one worker is sent out with."""

    worker: str


def team_graph(
    project: arbeit.sync.Project, models: Models, workers: Sequence[str], checkpointer: Checkpointer
) -> CompiledStateGraph[Team, None, Team, Team]:
    """A graph that plans, asks whether the plan is good, lets workers share it, and reviews what comes out.

    Args:
        project: where the work is; every agent speaks to it under its own name.
        models: who thinks for whom.
        workers: their names; as many work at once.
        checkpointer: where the graph keeps its state, for it stops before the work begins: resume it with
            `Command(resume="go")`, or with anything else to call the plan off.
    """

    def agent(name: str, instructions: str, profile: str) -> str:
        with ArbeitToolkit(project.as_(name), profile=profile) as toolkit:
            made = create_agent(models(name), toolkit.get_tools(), system_prompt=instructions, name=name)
            result = made.invoke({"messages": [HumanMessage("Go.")]})
        return f"{name}: {result['messages'][-1].text}"

    def plan(state: Team, config: RunnableConfig) -> Team:
        # A key per thread: whoever plans again after a crash finds the goal, and what was planned of it.
        key = f"goal of {config['configurable']['thread_id']}"
        goal = project.create_task(state["goal"], review=True, idempotency_key=key)
        report = agent("planner", PLANNER.format(goal=goal.id), "standard")
        return {"goal_id": goal.id, "rounds": 0, "reports": [report]}

    def confirm(state: Team) -> Command[Literal["send", "__end__"]]:
        parts = project.find(parent_id=state["goal_id"]).tasks
        if interrupt({"plan": [one.title for one in parts]}) == "go":
            return Command(goto="send")
        for one in (*parts, project.get(state["goal_id"]).task):
            project.cancel_task(one.id, reason="the plan was not confirmed")
        return Command(goto="__end__")

    def send(state: Team) -> Command[Literal["work"]]:
        errands = [Send("work", Errand(worker=name)) for name in workers]
        return Command(update={"rounds": state["rounds"] + 1}, goto=errands)

    def work(state: Errand) -> Team:
        return {"reports": [agent(state["worker"], WORKER, "core")]}

    def review(state: Team) -> Command[Literal["send", "__end__"]]:
        report: dict[str, Any] = {}
        if project.get(state["goal_id"]).task.status == "in_review":
            report["reports"] = [agent("reviewer", REVIEWER.format(goal=state["goal_id"]), "standard")]
        finished = project.get(state["goal_id"]).task.status in ("completed", "cancelled")
        return Command(update=report, goto="__end__" if finished or state["rounds"] >= ROUNDS else "send")

    graph = StateGraph(Team)
    graph.add_node("plan", plan)
    graph.add_node("confirm", confirm)
    graph.add_node("send", send)
    graph.add_node("work", work, input_schema=Errand)
    graph.add_node("review", review)
    graph.add_edge(START, "plan")
    graph.add_edge("plan", "confirm")
    graph.add_edge("work", "review")
    return graph.compile(checkpointer=checkpointer)
