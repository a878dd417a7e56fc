from __future__ import annotations

import io
import json
import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from arbeit_cli.__main__ import main

# Those who run tests in parallel, or in colour, tell their terminal's size and wishes to every child.
_TERMINAL = {"COLUMNS", "LINES", "NO_COLOR", "FORCE_COLOR"}
CLEAN = {name: value for name, value in os.environ.items() if not name.startswith("ARBEIT_") and name not in _TERMINAL}
if CLEAN.pop("PYTHONDONTWRITEBYTECODE", None):
    # Hundreds of processes: each would compile everything anew.
    _BYTECODE = tempfile.TemporaryDirectory(prefix="arbeit-bytecode-")
    CLEAN["PYTHONPYCACHEPREFIX"] = _BYTECODE.name


if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    # A shell that starts the tests in the background has them, and all that they start, deaf to Ctrl-C.
    signal.signal(signal.SIGINT, signal.default_int_handler)


class Answer(NamedTuple):
    """What a command line came to."""

    code: int
    out: str
    err: str

    @property
    def data(self) -> Any:  # noqa: ANN401 - the JSON of any command
        """The data of the envelope that is alone on standard output."""
        envelope = json.loads(self.out)
        assert envelope["success"] is True
        assert self.out.count("\n") == 1, "the envelope is one line, and alone"
        return envelope["data"]

    @property
    def error(self) -> Mapping[str, Any]:
        """The error of the envelope that is alone on standard error."""
        assert self.out == ""
        envelope = json.loads(self.err)
        assert envelope["success"] is False
        error: Mapping[str, Any] = envelope["error"]
        assert error["suggestions"], "an error says what to do next"
        return error


Say = Callable[..., Answer]
Add = Callable[..., str]
Start = Callable[..., "subprocess.Popen[bytes]"]


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty folder to work in, as an agent called ann, without anything of this machine's environment."""
    for name in [*os.environ]:
        if name.startswith("ARBEIT_") or name in _TERMINAL:
            monkeypatch.delenv(name)
    monkeypatch.setenv("ARBEIT_AGENT", "ann")
    place = tmp_path / "shop"
    place.mkdir()
    monkeypatch.chdir(place)
    return place


@pytest.fixture
def say(folder: Path, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Say:
    """Run a command line in this process; `stdin` is what is piped into it."""
    assert folder.is_dir()

    def run(*words: object, stdin: str | bytes = "") -> Answer:
        read = stdin.encode() if isinstance(stdin, str) else stdin
        monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(read), encoding="utf-8"))
        capfd.readouterr()
        code = main([str(word) for word in words])
        sys.stdout.flush()
        sys.stderr.flush()
        out, err = capfd.readouterr()
        assert "Traceback" not in err
        return Answer(code, out, err)

    return run


@pytest.fixture
def shop(folder: Path, say: Say) -> Path:
    """A folder with a project whose tasks need no evidence."""
    assert say("init", "--completion", "none").code == 0
    return folder


@pytest.fixture
def add(say: Say, shop: Path) -> Add:
    """Add a task to the project of the folder; its id."""
    assert shop.is_dir()

    def run(*words: object) -> str:
        answer = say("add", "--quiet", *words)
        assert answer.code == 0, answer.err
        return answer.out.strip()

    return run


def process(
    *words: object,
    cwd: Path,
    agent: str = "ann",
    stdin: bytes = b"",
    env: Mapping[str, str] | None = None,
    **more: Any,  # noqa: ANN401 - passed on
) -> subprocess.CompletedProcess[bytes]:
    """Run a command line as a process of its own."""
    return subprocess.run(
        [sys.executable, "-m", "arbeit_cli", *map(str, words)],
        cwd=cwd,
        env={**CLEAN, "ARBEIT_AGENT": agent, **(env or {})},
        input=stdin,
        capture_output=True,
        timeout=120,
        check=False,
        **more,
    )


@pytest.fixture
def start() -> Iterator[Start]:
    """Start a command line as a process, and see that it is gone at the end."""
    started: list[subprocess.Popen[bytes]] = []

    def begin(*words: object, cwd: Path, agent: str = "ann") -> subprocess.Popen[bytes]:
        child = subprocess.Popen(
            [sys.executable, "-m", "arbeit_cli", *map(str, words)],
            cwd=cwd,
            env={**CLEAN, "ARBEIT_AGENT": agent},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        )
        started.append(child)
        return child

    yield begin
    for child in started:
        child.kill()
        child.communicate()
