"""Pages for agents and for those who set them up are true: every command in them runs, and ends as the page says."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from adapters.cli.tests.larger.conftest import Folder

ROOT = Path(__file__).parents[4]
PAGES = ("docs/agents.md", "docs/how-to/set-up-a-coding-agent.md", "docs/how-to/run-commands-as-work.md")
_BLOCK = re.compile(r"^```console\n(.*?)^```", re.MULTILINE | re.DOTALL)
_CODE = re.compile(r"\s+# exit code (\d+)")


def commands(page: str) -> list[tuple[str, int]]:
    """The commands of a page in order, each with the exit code that it says."""
    lines = [line for block in _BLOCK.findall((ROOT / page).read_text()) for line in block.splitlines()]
    assert all(line.startswith("$ ") for line in lines), "a block has commands alone, one a line"
    return [(line[2:], int(found[1]) if (found := _CODE.search(line)) else 0) for line in lines]


@pytest.mark.parametrize("page", PAGES)
def test_every_command_of_the_page_runs_and_ends_as_it_says(folder: Folder, page: str) -> None:
    programs = folder.path / "home" / "bin"
    programs.mkdir(parents=True)
    for name, module in (("arbeit", "arbeit_cli"), ("arbeit-mcp", "arbeit_mcp")):
        program = programs / name
        program.write_text(f'#!/bin/sh\nexec "{sys.executable}" -m {module} "$@"\n')
        program.chmod(0o755)
    project = folder.path / "project"
    project.mkdir()
    said = commands(page)
    assert said
    for command, code in said:
        done = subprocess.run(
            [shutil.which("bash") or "bash", "--norc", "-c", command],
            cwd=project,
            env={**folder.environment, "PATH": f"{programs}:{os.environ['PATH']}"},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        assert done.returncode == code, f"{command}\n{done.stdout}{done.stderr}"
        assert "Traceback" not in done.stderr


def test_what_the_page_for_agents_says_of_the_next_task_is_so(folder: Folder) -> None:
    folder.begin()
    for words in (["Mow", "--id", "mow"], ["Sweep", "--id", "sweep", "--blocked-by", "mow"]):
        assert folder.run("add", *words).returncode == 0
    assert folder.run("claim", "--quiet").stdout == "mow\n"
    assert folder.run("claim").returncode == 5
    assert folder.run("done", "-m", "Mown", "-e", "seen").returncode == 0
    assert folder.run("claim", "--quiet").stdout == "sweep\n"


def test_every_error_of_the_table_has_the_exit_code_that_it_says() -> None:
    from arbeit_cli.failing import exit_code

    rows = re.findall(r"^\| (`[A-Z_`, ]+`) \| (\d) \|", (ROOT / "docs/agents.md").read_text(), re.MULTILINE)
    assert len(rows) >= 10
    for codes, number in rows:
        assert {exit_code(code) for code in re.findall(r"[A-Z_]+", codes)} == {int(number)}, codes


def test_the_index_for_agents_names_pages_that_are_there() -> None:
    text = (ROOT / "llms.txt").read_text()
    assert text.startswith("# Arbeit\n\n> ")
    links = re.findall(r"^- \[[^\]]+\]\(([^)]+)\): \S", text, re.MULTILINE)
    assert len(links) == len(re.findall(r"\]\(", text)) == len(set(links))
    assert [link for link in links if not (ROOT / link).is_file()] == []
    pages = {str(path.relative_to(ROOT)) for path in ROOT.glob("docs/**/*.md")}
    assert pages - set(links) == set(), "every page of the documentation stands in the index"
