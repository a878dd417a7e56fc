"""Real command lines in folders of their own."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

import arbeit.sync

ARBEIT = (sys.executable, "-m", "arbeit_cli")


class Folder:
    """A project in a folder, spoken to by command lines and, to see what came of them, by Python."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.url = f"sqlite:///{path}/.arbeit/arbeit.db"
        self._started: list[subprocess.Popen[str]] = []
        self.environment = {
            **{name: value for name, value in os.environ.items() if not name.startswith("ARBEIT_")},
            "ARBEIT_AGENT": "impl-1",
            "HOME": str(path / "home"),
            "XDG_STATE_HOME": str(path / "home" / "state"),
        }

    def begin(self, **settings: object) -> arbeit.sync.Project:
        """Make the project; an open hub is closed with the test."""
        (self.path / ".arbeit").mkdir(exist_ok=True)
        (self.path / "home").mkdir(exist_ok=True)
        self._hub = arbeit.sync.open(self.url, actor="tester")
        self.hub = self._hub.__enter__()
        return self.hub.project("demo", create=True, settings=settings)

    def close(self) -> None:
        for process in self._started:
            if process.poll() is None:  # a test that failed
                process.terminate()
                process.communicate(timeout=20)
        hub = getattr(self, "_hub", None)
        if hub is not None:
            hub.__exit__(None, None, None)

    def run(
        self,
        *words: str,
        text: str | None = None,
        environment: Mapping[str, str] | None = None,
        cwd: Path | None = None,
        timeout: float = 60,
    ) -> subprocess.CompletedProcess[str]:
        """Run a command line to its end."""
        return subprocess.run(
            [*ARBEIT, *words],
            cwd=cwd or self.path,
            env={**self.environment, **(environment or {})},
            input=text,
            stdin=subprocess.DEVNULL if text is None else None,
            capture_output=True,
            text=True,
            timeout=timeout,
            check=False,
        )

    def start(self, *words: str, environment: Mapping[str, str] | None = None) -> subprocess.Popen[str]:
        """Start a command line, and leave it running."""
        process = subprocess.Popen(
            [*ARBEIT, *words],
            cwd=self.path,
            env={**self.environment, **(environment or {})},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        self._started.append(process)
        return process

    def fifo(self, name: str) -> Path:
        """A pipe with a name: whoever reads it waits for whoever writes it."""
        path = self.path / name
        os.mkfifo(path)
        return path


@pytest.fixture
def folder(tmp_path: Path) -> Iterator[Folder]:
    made = Folder(tmp_path)
    yield made
    made.close()
