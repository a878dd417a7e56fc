"""The screens themselves, through a terminal that a test can read."""

from __future__ import annotations

import os
import pty
import re
import select
import signal
import struct
import subprocess
import sys
import termios
import time
from collections.abc import Iterator
from fcntl import ioctl
from pathlib import Path

import pyte
import pytest

import arbeit.sync
from adapters.cli.tests.conftest import CLEAN, process
from arbeit_cli.tables import width


class Window:
    """A terminal of 80 columns and 24 lines, and what stands on it."""

    def __init__(self, columns: int = 80, lines: int = 24) -> None:
        self.screen = pyte.Screen(columns, lines)
        self.stream = pyte.ByteStream(self.screen)
        self.master, self.slave = pty.openpty()
        ioctl(self.slave, termios.TIOCSWINSZ, struct.pack("HHHH", lines, columns, 0, 0))
        self.raw = b""

    def start(self, *words: object, cwd: Path, **environment: str) -> subprocess.Popen[bytes]:
        return subprocess.Popen(
            [sys.executable, "-m", "arbeit_cli", *map(str, words)],
            cwd=cwd,
            env={**CLEAN, "ARBEIT_AGENT": "ann", "TERM": "xterm-256color", **environment},
            stdin=self.slave,
            stdout=self.slave,
            stderr=self.slave,
            start_new_session=True,
        )

    def show(self, *words: object, cwd: Path, **environment: str) -> list[str]:
        """Run a command line, and get what stands on the screen at its end."""
        self.screen.reset()
        self.raw = b""
        child = self.start(*words, cwd=cwd, **environment)
        while child.poll() is None:
            self.read(0.05)
        self.read(0)
        return self.lines()

    def read(self, patience: float) -> None:
        while select.select([self.master], [], [], patience)[0]:
            read = os.read(self.master, 65536)
            self.raw += read
            self.stream.feed(read)
            patience = 0

    def wait_for(self, word: str, limit: float = 30) -> None:
        until = time.monotonic() + limit
        while word not in "\n".join(self.screen.display):
            assert time.monotonic() < until, f"{word!r} did not come: {self.lines()}"
            self.read(0.1)

    def lines(self) -> list[str]:
        return [line.rstrip() for line in self.screen.display if line.strip()]

    def close(self) -> None:
        os.close(self.master)
        os.close(self.slave)


@pytest.fixture
def window() -> Iterator[Window]:
    made = Window()
    yield made
    made.close()


@pytest.fixture(scope="module")
def team(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A project that the tests of this file only read, but for those that add to its end."""
    place = tmp_path_factory.mktemp("terminal") / "team"
    place.mkdir()
    for words in (
        ("init", "--completion", "none"),
        ("add", "Fix the flaky test in the longest module of the whole continuous integration suite", "-p", "critical"),
        ("add", "設計を見直す: 全角文字の幅を端末で正しく数えるために必要な変更をすべて行う"),
        ("add", "Third", "-p", "low", "--id", "my-very-long-identifier-of-a-task"),
        ("claim",),
    ):
        done = process(*words, cwd=place)
        assert done.returncode == 0, done.stderr
    return place


def test_a_list_on_a_terminal_is_one_aligned_line_a_task(team: Path, window: Window) -> None:
    lines = window.show("list", cwd=team)
    assert len(lines) == 4, "nothing wraps"
    assert lines[0].split() == ["ID", "STATUS", "PRIORITY", "TITLE", "WHO"]
    assert "…" in lines[1], "long titles are cut"
    assert lines[1].rstrip().endswith("ann")
    at = lines[0].index("STATUS")
    assert lines[1][at:].startswith("in_progress")
    assert lines[2][at:].startswith("open")
    assert b"\x1b[1;31m" in window.raw or b"\x1b[31;1m" in window.raw, "critical is red"


@pytest.mark.parametrize("environment", [{"NO_COLOR": "1"}, {"TERM": "dumb"}])
def test_without_colours_a_terminal_gets_none(team: Path, window: Window, environment: dict[str, str]) -> None:
    window.show("list", cwd=team, **environment)
    assert b"\x1b" not in window.raw
    assert len(window.lines()) == 4


def test_a_wide_terminal_says_when_tasks_were_changed(team: Path) -> None:
    wide = Window(columns=140)
    lines = wide.show("list", cwd=team)
    wide.close()
    assert lines[0].endswith("UPDATED")
    assert lines[1].endswith("ago") or lines[1].endswith("now")


def test_in_a_pipe_nothing_is_cut_and_times_are_exact(team: Path) -> None:
    out = process("list", cwd=team).stdout.decode()
    rows = [line.split("\t") for line in out.splitlines()]
    assert [len(row) for row in rows] == [6] * 4
    assert rows[1][3] == "Fix the flaky test in the longest module of the whole continuous integration suite"
    assert rows[1][5].endswith("Z")
    assert "\x1b" not in out


@pytest.mark.parametrize("word", ["show", "stats", "agents", "queues", "runs", "events", "held", "verify", "explain"])
def test_every_screen_fits_into_80_columns(team: Path, window: Window, word: str) -> None:
    window.show(word, cwd=team)
    lines = re.sub(r"\x1b\[[0-9;]*m", "", window.raw.decode()).splitlines()
    assert lines
    assert [line for line in lines if width(line) > 80] == []


def test_an_error_is_short_and_says_what_to_do(team: Path, window: Window) -> None:
    lines = window.show("show", "nope", cwd=team)
    assert lines[0].startswith("error: there is no task nope")
    assert 2 <= len(lines) <= 4


def test_an_interrupt_ends_a_wait_at_once_and_without_a_word(team: Path, window: Window) -> None:
    child = window.start("events", "--follow", "--after", "0", cwd=team)
    window.wait_for("task_claimed")
    child.send_signal(signal.SIGINT)
    assert child.wait(timeout=30) == 130
    window.read(0)
    assert "Traceback" not in window.raw.decode(errors="replace")


def test_an_interrupt_ends_a_waiting_claim_and_nothing_is_held(tmp_path: Path, window: Window) -> None:
    assert process("init", cwd=tmp_path).returncode == 0
    child = window.start("--as", "waiter", "claim", "--wait", cwd=tmp_path)
    with arbeit.sync.open(f"sqlite:///{tmp_path}/.arbeit/arbeit.db") as hub:
        project = hub.project(hub.projects()[0].key)
        # It is known to the store once its first claim found nothing.
        until = time.monotonic() + 60
        while not project.agents():
            assert time.monotonic() < until
            assert child.poll() is None
        child.send_signal(signal.SIGINT)
        assert child.wait(timeout=30) == 130
        task = project.create_task("late")
        assert project.get(task.id).task.status == "open"
    assert not list(tmp_path.rglob("held/**/*.json"))


def test_a_waiting_claim_gets_what_another_process_adds(tmp_path: Path, window: Window) -> None:
    assert process("init", cwd=tmp_path).returncode == 0
    child = window.start("--as", "waiter", "claim", "--wait", "60", "--quiet", cwd=tmp_path)
    added = process("add", "--quiet", "late", cwd=tmp_path).stdout.decode().strip()
    assert child.wait(timeout=60) == 0
    window.wait_for(added)
