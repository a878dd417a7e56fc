"""On a terminal `arbeit setup` asks before it changes anything."""

from __future__ import annotations

import os
import pty
import select
import subprocess
import sys
import time
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from adapters.cli.tests.larger.conftest import Folder


@pytest.mark.parametrize(("answer", "code", "changed"), [("y\n", 0, True), ("n\n", 2, False), ("\n", 2, False)])
def test_it_shows_the_diff_asks_and_does_as_it_is_told(folder: Folder, answer: str, code: int, changed: bool) -> None:
    master, slave = pty.openpty()
    process = subprocess.Popen(
        [sys.executable, "-m", "arbeit_cli", "setup", "claude-code", "--mcp"],
        cwd=folder.path,
        env={**folder.environment, "NO_COLOR": "1"},
        stdin=slave,
        stdout=slave,
        stderr=slave,
    )
    seen = b""
    until = time.monotonic() + 30
    while b"[y/N]" not in seen:
        assert select.select([master], [], [], max(0.0, until - time.monotonic()))[0], seen
        seen += os.read(master, 4096)
    assert b'+    "arbeit": {' in seen
    assert not (folder.path / ".mcp.json").exists()
    os.write(master, answer.encode())
    assert process.wait(30) == code
    os.close(slave)
    os.close(master)
    assert (folder.path / ".mcp.json").exists() == changed


def test_mcp_hands_its_words_and_names_on_to_the_server(folder: Folder) -> None:
    pytest.importorskip("arbeit_mcp")
    folder.begin()
    done = folder.run("--as", "impl-9", "mcp", "--", "--help")
    assert (done.returncode, "arbeit-mcp" in done.stdout) == (0, True)
    wrong = folder.run("mcp", "--", "--no-such-option")
    assert wrong.returncode == 2


def test_without_the_server_mcp_says_what_to_install(folder: Folder) -> None:
    folder.begin()
    blocked = folder.path / "blocked"
    blocked.mkdir()
    (blocked / "sitecustomize.py").write_text("import sys\nsys.modules['arbeit_mcp'] = None\n")
    path = os.pathsep.join(filter(None, (str(blocked), os.environ.get("PYTHONPATH", ""))))
    done = folder.run("mcp", environment={"PYTHONPATH": path})
    assert (done.returncode, "pip install arbeit-mcp" in done.stderr) == (1, True)
