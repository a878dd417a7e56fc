"""`python -m examples.langgraph_team`: a planner, two workers and a reviewer reach a goal, with scripts or a model."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from uuid import uuid4

from langchain.chat_models import init_chat_model
from langchain_core.runnables import RunnableConfig
from langgraph.checkpoint.memory import InMemorySaver
from langgraph.types import Command

import arbeit.sync
from examples.langgraph_team.cast import cast
from examples.langgraph_team.graph import Models, team_graph

GOAL = "A parser and a printer for our configuration files"


def main(argv: Sequence[str] | None = None) -> int:
    """Run the graph to its end; print what it says and what the project knows."""
    parser = argparse.ArgumentParser(prog="python -m examples.langgraph_team", description=__doc__)
    parser.add_argument("--goal", default=GOAL, help="what to reach (the scripts ignore it)")
    parser.add_argument("--model", help="a model for init_chat_model, such as openai:gpt-5.5 (default: scripts)")
    parser.add_argument("--db", default="memory://", help="where the project is kept, such as sqlite:///team.db")
    parser.add_argument("--yes", action="store_true", help="do not ask whether the plan is good")
    given = parser.parse_args(argv)
    models: Models = cast if given.model is None else lambda _: init_chat_model(given.model)
    with arbeit.sync.open(given.db) as hub:
        project = hub.project("langgraph-team", create=True)
        graph = team_graph(project, models, ["ada", "bob"], InMemorySaver())
        thread: RunnableConfig = {"configurable": {"thread_id": uuid4().hex}}
        seen = graph.invoke({"goal": given.goal}, thread)
        for title in seen["__interrupt__"][0].value["plan"]:
            print(f"planned: {title}")
        seen = graph.invoke(Command(resume="go" if given.yes else asked()), thread)
        print(*seen["reports"], sep="\n")
        for task in project.find().tasks:
            print(f"{task.status:12} {task.title}")
        print(project.verify())
    return 0


def asked() -> str:
    """What whoever sits there says of the plan; nobody there is no."""
    try:
        return input("Shall they begin? (go / stop) ").strip()
    except EOFError:
        return "stop"


if __name__ == "__main__":
    raise SystemExit(main())
