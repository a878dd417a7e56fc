"""The program of the how-to runs, with scripted models in the place of real ones."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from crewai import BaseLLM

import arbeit.sync

# CrewAI's own agents read fields of theirs that it has deprecated.
pytestmark = pytest.mark.filterwarnings(r"ignore::DeprecationWarning:crewai\..*")
PAGE = Path(__file__).parents[3] / "docs/how-to/use-with-crewai.md"
_BLOCK = re.compile(r"^```py\n(.*?)^```", re.MULTILINE | re.DOTALL)


def _line(messages: list[dict[str, Any]]) -> object:
    """What a model says that claims and completes until nothing is ready, and then reports."""
    if "Say what was done" in str(messages):
        return "All was done."
    answers = [one["content"] for one in messages if one["role"] == "tool"]
    if not answers:
        return _uses("arbeit_task_claim")
    found = json.loads(answers[-1])["data"]
    task = (found["next"] or {}).get("task") if "next" in found else found["task"]
    if task is None:
        return "Nothing is left to do."
    return _uses("arbeit_task_complete", task_id=task["id"], outcome=task["title"], evidence=["seen"], next=True)


def _uses(name: str, **given: object) -> list[dict[str, Any]]:
    return [{"id": "call_0", "function": {"name": name, "arguments": json.dumps(given)}}]


def test_every_program_of_the_page_runs(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    scripted: Callable[..., BaseLLM],
) -> None:
    def model(given: object) -> object:
        return scripted([_line] * 20) if isinstance(given, str) else given

    monkeypatch.setattr("crewai.agent.core.create_llm", model)
    monkeypatch.chdir(tmp_path)
    blocks = _BLOCK.findall(PAGE.read_text())
    for block in blocks:
        exec(compile(block, PAGE.name, "exec", dont_inherit=True), {"__name__": "__main__"})  # noqa: S102 - the test
    assert len(blocks) == 1
    said = capsys.readouterr().out
    assert "All was done." in said
    assert "ok=True" in said
    with arbeit.sync.open("sqlite:///team.db") as hub:
        project = hub.project("demo")
        assert {one.status for one in project.find().tasks} == {"completed"}
        runs = project.runs().items
        assert len(runs) == len({one.task_id for one in runs}) == 3
        assert {one.agent_id for one in runs} <= {"ada", "bob"}
