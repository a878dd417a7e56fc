"""The recipes for other frameworks run as their pages have them, with scripted models in the place of real ones.

The frameworks are no dependencies of the tests: where one is not installed, its page is skipped.
"""

from __future__ import annotations

import itertools
import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import arbeit.sync
from arbeit.toolset import schemas

PAGES = Path(__file__).parents[2] / "docs/how-to"
_BLOCK = re.compile(r"^```py\n(.*?)^```", re.MULTILINE | re.DOTALL)

Calls = list[tuple[str, dict[str, Any]]]
"""Tools to call, by name."""


def run_page(name: str, folder: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """Run every program of a page, one after the other, in a folder of its own; what it defines."""
    monkeypatch.chdir(folder)
    blocks = _BLOCK.findall((PAGES / name).read_text())
    assert blocks
    known: dict[str, Any] = {"__name__": "__main__"}
    for block in blocks:
        exec(compile(block, name, "exec", dont_inherit=True), known)  # noqa: S102 - running the page is the test
    return known


def next_calls(tool: str | None, envelope: dict[str, Any]) -> Calls:
    """What an agent does that makes a mistake first, then claims and completes until nothing is ready.

    Args:
        tool: what was called last; None at first.
        envelope: what it answered.
    """
    if tool is None:
        return [("arbeit_task_get", {"task_id": "tkt-0000000000"})]
    if tool == "arbeit_task_get":
        assert envelope["error"]["code"] == "TASK_NOT_FOUND"
        return [("arbeit_task_claim", {})]
    found = envelope["data"] if tool == "arbeit_task_claim" else envelope["data"]["next"]
    if not found or found["task"] is None:
        return []
    done = {"task_id": found["task"]["id"], "outcome": "Written", "evidence": ["pytest -q: ok"], "next": True}
    return [("arbeit_task_complete", done)]


def check_team(path: Path) -> None:
    """Every task was done once, by one of the two."""
    with arbeit.sync.open(f"sqlite:///{path}") as hub:
        project = hub.project("demo")
        assert {one.status for one in project.find().tasks} == {"completed"}
        runs = project.runs().items
        assert len(runs) == len({one.task_id for one in runs}) == 3
        assert {one.agent_id for one in runs} <= {"impl-1", "impl-2"}
        assert project.verify().ok


def test_the_page_about_pydantic_ai_runs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    pydantic_ai = pytest.importorskip("pydantic_ai")
    messages = pytest.importorskip("pydantic_ai.messages")
    function = pytest.importorskip("pydantic_ai.models.function")
    bound: list[list[dict[str, Any]]] = []

    def answer(history: list[Any], info: Any) -> Any:  # noqa: ANN401 - a framework that may be absent
        bound.append([_shown(one) for one in info.function_tools])
        last = history[-1].parts[-1]
        if not isinstance(last, messages.ToolReturnPart):
            calls = next_calls(None, {})
        elif last.outcome == "failed":
            calls = next_calls(last.tool_name, {"error": json.loads(str(last.content))})
        else:
            calls = next_calls(last.tool_name, last.content)
        if not calls:
            return messages.ModelResponse(parts=[messages.TextPart("Nothing is left.")])
        return messages.ModelResponse(parts=[messages.ToolCallPart(name, given) for name, given in calls])

    monkeypatch.setattr(pydantic_ai.models, "infer_model", lambda *_, **__: function.FunctionModel(answer))
    run_page("use-with-pydantic-ai.md", tmp_path, monkeypatch)
    assert "ok=True" in capsys.readouterr().out
    check_team(tmp_path / "team.db")
    assert bound[0] == [
        {"name": one["name"], "description": one["description"], "schema": one["inputSchema"]}
        for one in schemas("mcp", "core")
    ]


def _shown(one: Any) -> dict[str, Any]:  # noqa: ANN401 - as above
    return {"name": one.name, "description": one.description, "schema": one.parameters_json_schema}


def test_the_page_about_the_openai_agents_sdk_runs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    agents = pytest.importorskip("agents")
    said: list[list[dict[str, Any]]] = []
    model = _scripted_model(agents, said)
    monkeypatch.setattr("agents.models.multi_provider.MultiProvider.get_model", lambda *_: model())
    agents.set_tracing_disabled(True)
    try:
        run_page("use-with-openai-agents.md", tmp_path, monkeypatch)
    finally:
        agents.set_tracing_disabled(False)
    assert "ok=True" in capsys.readouterr().out
    check_team(tmp_path / "team.db")
    assert said[0] == [one["function"] for one in schemas("openai", "core")]


def _scripted_model(agents: Any, bound: list[list[dict[str, Any]]]) -> Callable[[], Any]:  # noqa: ANN401 - as above
    """The class of a model that does what `next_calls` says."""
    responses = pytest.importorskip("openai.types.responses")

    numbers = itertools.count()  # the SDK wants each call's id only once in a run

    class Scripted(agents.Model):  # type: ignore[misc]  # as above
        async def get_response(self, *, input: Any, tools: list[Any], **_: Any) -> Any:  # noqa: A002, ANN401 - as above
            bound.append(
                [
                    {"name": one.name, "description": one.description, "parameters": one.params_json_schema}
                    for one in tools
                ]
            )
            tool, envelope = None, {}
            if isinstance(input, list) and input[-1].get("type") == "function_call_output":
                envelope = json.loads(input[-1]["output"])
                tool = next(one["name"] for one in reversed(input) if one.get("type") == "function_call")
            output = [self._call(name, given) for name, given in next_calls(tool, envelope)] or [self._word()]
            return agents.ModelResponse(output=output, usage=agents.Usage(), response_id=None)

        def _call(self, name: str, given: dict[str, Any]) -> Any:  # noqa: ANN401 - as above
            return responses.ResponseFunctionToolCall(
                type="function_call", name=name, arguments=json.dumps(given), call_id=f"call_{next(numbers)}"
            )

        def _word(self) -> Any:  # noqa: ANN401 - as above
            text = responses.ResponseOutputText(type="output_text", text="Nothing is left.", annotations=[])
            return responses.ResponseOutputMessage(
                id="message", type="message", role="assistant", status="completed", content=[text]
            )

        def stream_response(self, *_: Any, **__: Any) -> Any:  # noqa: ANN401 - as above
            raise NotImplementedError

    return Scripted
