"""The pages about the command line are true: made from the parsers, and their commands run."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path

from adapters.cli.tests.conftest import CLEAN, process
from arbeit_cli.commands import COMMANDS
from arbeit_cli.failing import exit_code
from docs import commands

ROOT = Path(__file__).parents[3]


def test_the_reference_has_every_command_as_its_parser_has_it() -> None:
    page = commands.PAGE.read_text()
    assert commands.filled(page) == page, "make docs writes it anew"
    assert re.findall(r"^### arbeit (.+)$", page, re.MULTILINE) == [
        name for group in dict.fromkeys(one.group for one in COMMANDS.values())
        for name, one in COMMANDS.items() if one.group == group
    ]  # fmt: skip


def test_the_reference_tells_the_exit_codes_as_they_are() -> None:
    page = commands.PAGE.read_text()
    rows = {int(code): text for code, text in re.findall(r"^\| (\d) \| (.*) \|$", page, re.MULTILINE)}
    assert sorted(rows) == [0, 1, 2, 3, 4, 5]
    named = {code: re.findall(r"`([A-Z_]{6,})`", text) for code, text in rows.items()}
    assert all(exit_code(name) == code for code, names in named.items() for name in names)
    assert named[4]
    assert named[2]


def test_every_command_of_the_how_to_runs(tmp_path: Path) -> None:
    page = (ROOT / "docs/how-to/use-the-command-line.md").read_text()
    blocks = re.findall(r"^```sh\n(.*?)^```", page, re.MULTILINE | re.DOTALL)
    assert len(blocks) >= 7
    folder = tmp_path / "shop"
    folder.mkdir()
    binary = tmp_path / "bin" / "arbeit"
    binary.parent.mkdir()
    binary.write_text(f'#!/bin/sh\nexec "{sys.executable}" -m arbeit_cli "$@"\n')
    binary.chmod(0o755)
    done = subprocess.run(
        ["/bin/sh", "-eu", "-c", "\n".join(blocks)],
        cwd=folder,
        env={**CLEAN, "PATH": f"{binary.parent}:{os.environ['PATH']}"},
        capture_output=True,
        text=True,
        check=False,
        timeout=240,
    )
    assert done.returncode == 0, done.stderr + done.stdout[-2000:]
    assert "Traceback" not in done.stderr
    assert "Done by the loop" not in done.stderr
    assert done.stdout.splitlines()[-1].count('"status":"completed"') == 4, "all of the plan was worked off"
    listed = json.loads(process("check", "importer", "--json", cwd=folder).stdout)["data"]["progress"]
    assert [one["completed"] for one in listed] == [True, True], "the line that is ticked was open"
