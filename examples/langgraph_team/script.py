"""A chat model that follows a script, for graphs and agents that are tested without a real one."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from typing import Any, TypeAlias

from langchain_core.callbacks import CallbackManagerForLLMRun
from langchain_core.language_models import BaseChatModel
from langchain_core.messages import AIMessage, BaseMessage, ToolMessage
from langchain_core.outputs import ChatGeneration, ChatResult
from langchain_core.runnables import Runnable
from langchain_core.utils.function_calling import convert_to_openai_tool

Line: TypeAlias = AIMessage | Callable[[list[BaseMessage]], AIMessage]
"""What a model says next: at once, or once it has read what was said before."""


class Scripted(BaseChatModel):
    """Says one line of its script after the other.

    Attributes:
        script: the lines that are left.
        bound: the tools it was given, in OpenAI's shape.
    """

    script: list[Any]  # of Line: pydantic would make messages of functions
    bound: list[dict[str, Any]] = []  # noqa: RUF012 - pydantic copies it

    @property
    def _llm_type(self) -> str:
        return "scripted"

    def bind_tools(self, tools: Sequence[Any], **_: Any) -> Runnable[Any, AIMessage]:  # noqa: ANN401 - the base's own
        """Remember the tools."""
        self.bound = [convert_to_openai_tool(one) for one in tools]
        return self

    def _generate(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,  # noqa: ARG002 - the base's own
        run_manager: CallbackManagerForLLMRun | None = None,  # noqa: ARG002 - as above
        **_: Any,  # noqa: ANN401 - as above
    ) -> ChatResult:
        line = self.script.pop(0)
        said = line if isinstance(line, AIMessage) else line(messages)
        return ChatResult(generations=[ChatGeneration(message=said)])


def says(text: str) -> AIMessage:
    """A line without a call: an agent's last word."""
    return AIMessage(content=text)


def uses(*calls: tuple[str, dict[str, Any]]) -> AIMessage:
    """A line that calls tools, all at once."""
    return AIMessage(
        content="",
        tool_calls=[
            {"name": name, "args": given, "id": f"call_{at}", "type": "tool_call"}
            for at, (name, given) in enumerate(calls)
        ],
    )


def heard(messages: list[BaseMessage]) -> dict[str, Any]:
    """The envelope of the last answer of a tool."""
    last = messages[-1]
    if not isinstance(last, ToolMessage):
        raise TypeError(f"the last message is no answer of a tool but {last!r}")
    found: dict[str, Any] = json.loads(last.text)
    return found


def drains(work: Callable[[dict[str, Any]], dict[str, Any]]) -> Scripted:
    """A model that claims tasks and completes them with what `work` returns, until nothing is ready.

    Args:
        work: makes the arguments of `arbeit_task_complete`, but for the task's id, from a claimed task.
    """

    def go_on(messages: list[BaseMessage]) -> AIMessage:
        found = heard(messages)["data"]
        if messages[-1].name == "arbeit_task_complete":
            found = found["next"] or {}
        task = found.get("task")
        if task is None:
            return says("Nothing is left to do.")
        model.script.append(go_on)
        return uses(("arbeit_task_complete", {"task_id": task["id"], "next": True, **work(task)}))

    model = Scripted(script=[uses(("arbeit_task_claim", {})), go_on])
    return model
