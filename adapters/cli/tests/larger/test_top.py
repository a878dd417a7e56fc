"""The live view: one frame as text, many on a terminal, and the terminal as it was afterwards."""

from __future__ import annotations

import json
import os
import pty
import select
import signal
import struct
import subprocess
import sys
import termios
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

import pyte
import pytest

from arbeit_cli.live.board import Board

if TYPE_CHECKING:
    from adapters.cli.tests.larger.conftest import ARBEIT, Folder
    from arbeit.sync import Project
else:
    ARBEIT = (sys.executable, "-m", "arbeit_cli")


def team(project: Project) -> str:
    """A queue that is paused, a task that is held, one that is done; the held one."""
    project.set_queue("later", weight=10, paused=True)
    project.create_task("Not now", queue="later")
    done = project.claim("nobody", queues=["later"])
    assert done is None
    project.create_task("Quick", priority="high")
    held = project.create_task(
        "Mow\x1b[31m the lawn and everything that grows beside it, in all four gardens", priority="low"
    )
    quick = project.claim("ada")
    assert quick is not None
    with quick:
        quick.complete("done", evidence=["x"])
    work = project.claim("ben", ttl=600)
    assert work is not None
    assert work.task.id == held.id
    return held.id


class Terminal:
    """A terminal of its own, with a program in it, and what its screen shows."""

    def __init__(self, columns: int, lines: int) -> None:
        self.screen = pyte.Screen(columns, lines)
        self.raw = b""
        self._stream = pyte.ByteStream(self.screen)
        self.master, self.slave = pty.openpty()
        size = struct.pack("HHHH", lines, columns, 0, 0)
        import fcntl

        fcntl.ioctl(self.slave, termios.TIOCSWINSZ, size)

    def read_until(self, seen: Callable[[], bool], seconds: float = 30) -> bool:
        """Take in what comes until something is seen."""
        until = time.monotonic() + seconds
        while not seen():
            left = until - time.monotonic()
            if left <= 0 or not select.select([self.master], [], [], left)[0]:
                return False
            try:
                data = os.read(self.master, 65536)
            except OSError:  # the program has ended
                return seen()
            self.raw += data
            self._stream.feed(data)
        return True

    def shows(self, text: str) -> bool:
        return any(text in line for line in self.screen.display)


@contextmanager
def terminal(columns: int = 80, lines: int = 24) -> Iterator[Terminal]:
    made = Terminal(columns, lines)
    try:
        yield made
    finally:
        os.close(made.master)
        os.close(made.slave)


def test_a_frame_names_queues_leases_throughput_and_events(folder: Folder) -> None:
    held = team(folder.begin())
    done = folder.run("top", "--once")
    assert (done.returncode, done.stderr) == (0, "")
    lines = done.stdout.splitlines()
    assert lines[0].startswith("arbeit top  demo")
    assert "1 open" in done.stdout
    assert "1 in progress" in done.stdout
    assert "minute: 1 completed  0 failed  0 reclaimed  3 created   10 min: 1 " in done.stdout
    [later] = [line for line in lines if line.startswith("later")]
    assert later.split() == ["later", "1", "0", "10", "paused"]
    [lease] = [line for line in lines if line.startswith("ben")]
    assert held in lease
    assert "Mow [31m the lawn" in lease
    assert "10 min" in lease
    assert any("task completed" in line and "ada" in line for line in lines)
    assert "\x1b" not in done.stdout
    assert max(map(len, lines)) <= 100


def test_as_json_it_says_the_same(folder: Folder) -> None:
    held = team(folder.begin())
    said = json.loads(folder.run("top", "--json").stdout)["data"]
    assert said["statuses"] == {"open": 1, "in_progress": 1, "completed": 1}
    assert [lease["task_id"] for lease in said["leases"]] == [held]
    assert said["per_minute"]["completed"] == 1
    assert {queue["name"]: queue["paused"] for queue in said["queues"]} == {"default": False, "later": True}


def test_an_empty_project_has_a_frame_too(folder: Folder) -> None:
    folder.begin()
    done = folder.run("top", "--once")
    assert (done.returncode, "nobody holds a task" in done.stdout) == (0, True)


def test_each_frame_reads_an_overview_and_the_new_events_alone(folder: Folder) -> None:
    project = folder.begin()
    team(project)
    asked: list[tuple[str, object]] = []

    class Counting:
        key = project.key

        def overview(self) -> object:
            asked.append(("overview", None))
            return project.overview()

        def events(self, *, after: int, limit: int) -> object:
            asked.append(("events", after))
            return project.events(after=after, limit=limit)

        def get(self, task_id: str) -> object:
            asked.append(("get", task_id))
            return project.get(task_id)

    board = Board(Counting())  # type: ignore[arg-type]  # as much of a project as it asks for
    first = board.look()
    asked.clear()
    second = board.look()
    assert asked == [("overview", None)]
    assert second.events == first.events
    task = project.create_task("New")
    asked.clear()
    third = board.look()
    assert asked == [("overview", None), ("events", second.position)]
    assert third.events[-1].task_id == task.id
    assert third.rates["created"][0] == second.rates["created"][0] + 1


@pytest.mark.parametrize("key", [b"q", b"\x03"])
def test_on_a_terminal_it_follows_and_leaves_the_terminal_as_it_was(folder: Folder, key: bytes) -> None:
    project = folder.begin()
    team(project)
    with terminal() as screen:
        before = termios.tcgetattr(screen.slave)
        process = subprocess.Popen(
            [*ARBEIT, "top", "--interval", "0.2"],
            cwd=folder.path,
            env={**folder.environment, "TERM": "xterm-256color"},
            stdin=screen.slave,
            stdout=screen.slave,
            stderr=screen.slave,
            start_new_session=True,
            preexec_fn=_own_terminal,  # noqa: PLW1509 - one system call
        )
        try:
            # A frame comes in pieces: all of it is waited for.
            wanted = ("arbeit top  demo", "later", "Mow [31m the lawn and everything", "10 min: 1 ")
            assert screen.read_until(lambda: all(map(screen.shows, wanted))), screen.screen.display
            assert all(len(line.rstrip()) <= 80 for line in screen.screen.display)
            project.create_task("While you look")
            assert screen.read_until(lambda: screen.shows("2 open")), screen.screen.display
            os.write(screen.master, key)
            assert screen.read_until(lambda: b"\x1b[?1049l" in screen.raw and b"\x1b[?25h" in screen.raw)
            assert process.wait(20) == 0
        finally:
            if process.poll() is None:
                process.send_signal(signal.SIGKILL)
                process.wait(20)
        assert termios.tcgetattr(screen.slave) == before
        assert screen.raw.count(b"\x1b[?1049h") == screen.raw.count(b"\x1b[?1049l") == 1
        assert screen.raw.rfind(b"\x1b[?25h") > screen.raw.rfind(b"\x1b[?25l")


def _own_terminal() -> None:
    """Make the terminal the one that Ctrl-C speaks to."""
    import fcntl

    fcntl.ioctl(0, termios.TIOCSCTTY, 0)


def test_without_rich_it_says_what_to_install(folder: Folder) -> None:
    folder.begin()
    blocked = folder.path / "blocked"
    blocked.mkdir()
    (blocked / "sitecustomize.py").write_text("import sys\nsys.modules['rich'] = None\n")
    path = os.pathsep.join(filter(None, (str(blocked), os.environ.get("PYTHONPATH", ""))))
    done = folder.run("top", "--once", environment={"PYTHONPATH": path})
    assert done.returncode == 1
    assert "pip install 'arbeit-cli[top]'" in done.stderr
    assert folder.run("top", "--json", environment={"PYTHONPATH": path}).returncode == 0


@pytest.mark.parametrize("said", ["0", "-1", "x", "inf", "nan"])
def test_an_interval_that_is_none_is_a_usage_error(folder: Folder, said: str) -> None:
    folder.begin()
    assert folder.run("top", "--interval", said).returncode == 2
