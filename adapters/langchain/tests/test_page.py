"""The programs of the how-to run, with a scripted model in the place of a real one."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

import arbeit.sync
from examples.langgraph_team.script import Scripted, drains

PAGE = Path(__file__).parents[3] / "docs/how-to/use-with-langchain.md"
_BLOCK = re.compile(r"^```py\n(.*?)^```", re.MULTILINE | re.DOTALL)


def test_every_program_of_the_page_runs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def model(_: str) -> Scripted:
        return drains(lambda task: {"outcome": task["title"], "evidence": ["pytest -q: ok"]})

    monkeypatch.setattr("langchain.agents.factory.init_chat_model", model)
    monkeypatch.chdir(tmp_path)
    blocks = _BLOCK.findall(PAGE.read_text())
    known: dict[str, Any] = {"__name__": "__main__"}
    for block in blocks:
        exec(compile(block, PAGE.name, "exec", dont_inherit=True), known)  # noqa: S102 - running the page is the test
    assert len(blocks) == 3
    assert capsys.readouterr().out.startswith("TASK_NOT_FOUND [")
    with arbeit.sync.open("sqlite:///team.db") as hub:
        project = hub.project("demo")
        assert {one.title: one.status for one in project.find().tasks} == dict.fromkeys(
            ("Write the parser", "Write the printer", "Write the manual"), "completed"
        )
        assert project.verify().ok
