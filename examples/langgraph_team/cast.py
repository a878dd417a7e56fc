"""Who plays the team when no real model does: every part is a script."""

from __future__ import annotations

from langchain_core.messages import AIMessage, BaseMessage, SystemMessage

from examples.langgraph_team.script import Scripted, drains, heard, says, uses

PARTS = ("Write the parser", "Write the printer", "Show that printing what was parsed gives the same text")


def cast(name: str) -> Scripted:
    """The model of an agent: of "planner", "reviewer", or a worker."""
    return {"planner": planner, "reviewer": reviewer}.get(name, worker)()


def worker() -> Scripted:
    """Completes what it claims."""
    return drains(lambda task: {"outcome": f"Done: {task['title']}", "evidence": ["pytest -q: 12 passed"]})


def planner() -> Scripted:
    """Makes three tasks, the last of which needs the others, but for those that are there already."""
    made: dict[str, str] = {}

    def look(messages: list[BaseMessage]) -> AIMessage:
        return uses(("arbeit_task_get", {"task_id": _goal(messages), "include": ["children"]}))

    def plan(messages: list[BaseMessage]) -> AIMessage:
        found = heard(messages)["data"]
        made.update({one["title"]: one["id"] for one in (*found.get("children", ()), found["task"])})
        missing = next((title for title in PARTS if title not in made), None)
        if missing is None:
            return says("Three tasks; the last one needs the others.")
        model.script.append(plan)
        before = [made[title] for title in PARTS[:2]] if missing == PARTS[2] else []
        call = {"title": missing, "parent_id": _goal(messages), "blocked_by": before}
        return uses(("arbeit_task_create", call))

    model = Scripted(script=[look, plan])
    return model


def reviewer() -> Scripted:
    """Wants the result explained, and approves it once it was changed."""

    def judge(messages: list[BaseMessage]) -> AIMessage:
        found = heard(messages)["data"]
        changed = sum(one["type"] == "outcome" for one in found["context"]) > 1
        verdict = {"verdict": "approve"} if changed else {"verdict": "request_changes", "reasons": "Say how to run it."}
        return uses(("arbeit_task_review", {"task_id": found["task"]["id"], **verdict}))

    def read(messages: list[BaseMessage]) -> AIMessage:
        return uses(("arbeit_task_get", {"task_id": _goal(messages), "include": ["context"]}))

    return Scripted(script=[read, judge, says("Reviewed.")])


def _goal(messages: list[BaseMessage]) -> str:
    """The id of the goal, which the instructions name."""
    first = messages[0]
    if not isinstance(first, SystemMessage):
        raise TypeError("the first message has the instructions")
    return next(word.strip(",:;.") for word in first.text.split() if word.startswith("tkt-"))
