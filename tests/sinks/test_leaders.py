"""Leaders as processes that are killed, frozen, thawed and told to end: one publishes, and nothing is lost."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from itertools import groupby
from pathlib import Path

import anyio
import pytest

import arbeit
from arbeit import sync
from arbeit.backends.sqlite import SQLiteStore
from arbeit.clock import SystemClock
from tests.sinks.receiving import fill, in_order

ROOT = Path(__file__).parents[2]
TTL = 1.0
pytestmark = pytest.mark.skipif(not hasattr(signal, "SIGSTOP"), reason="signals of POSIX")


class Leaders:
    """Processes that relay one store to one file."""

    def __init__(self, url: str, folder: Path) -> None:
        self.url = url
        self.lines = folder / "lines"
        self._folder = folder
        self.processes: dict[str, subprocess.Popen[str]] = {}

    def start(self, name: str) -> subprocess.Popen[str]:
        command = [sys.executable, "-m", "tests.sinks.relaying", self.url, str(self.lines), name, str(TTL)]
        with (self._folder / f"{name}.log").open("w") as log:
            process = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=log, text=True)
        assert process.stdout is not None
        assert process.stdout.readline() == "open\n", (self._folder / f"{name}.log").read_text()
        self.processes[name] = process
        return process

    def published(self) -> list[tuple[str, str, int]]:
        if not self.lines.exists():
            return []
        parts = (line.split() for line in self.lines.read_text().splitlines())
        return [(name, event_id, int(at)) for name, event_id, at in parts]

    def ids(self) -> list[str]:
        return [event_id for _, event_id, _ in self.published()]

    def log(self, name: str) -> str:
        return (self._folder / f"{name}.log").read_text()

    def offset(self) -> int:
        store = SQLiteStore(self.url.removeprefix("sqlite:///").partition("?")[0], SystemClock())
        try:
            return store.offsets("file").get("demo", 0)
        finally:
            store.close()

    def end(self) -> None:
        for process in self.processes.values():
            if process.poll() is None:
                process.send_signal(signal.SIGCONT)
                process.kill()
            process.wait(10)
            assert process.stdout is not None
            process.stdout.close()


@pytest.fixture
def leaders(url: str, tmp_path: Path) -> Iterator[Leaders]:
    found = Leaders(url, tmp_path)
    yield found
    found.end()


def until(reached: Callable[[], bool], seconds: float = 30) -> float:
    """Wait for what another process does; how long it took."""
    began = time.monotonic()
    while not reached():
        assert time.monotonic() < began + seconds, "it did not happen in time"
        time.sleep(0.01)
    return time.monotonic() - began


def write(url: str, tasks: int) -> int:
    async def main() -> int:
        async with arbeit.open(url, background=False) as hub:
            return await fill(hub, "demo", tasks)

    return anyio.run(main)


def test_when_its_leader_is_killed_another_goes_on_within_seconds_and_nothing_is_lost(leaders: Leaders) -> None:
    head = write(leaders.url, 400)
    leaders.start("first!")
    until(lambda: len(leaders.published()) > 50)
    leaders.start("second")
    leaders.processes["first!"].kill()
    took = until(lambda: any(name == "second" for name, _, _ in leaders.published()))
    until(lambda: len(set(leaders.ids())) == head)
    assert took < TTL + TTL / 2 + 1.5
    assert in_order(leaders.ids()) == {"demo": head}
    # Once the second had begun, the first was heard of no more.
    assert [name for name, _ in groupby(name for name, _, _ in leaders.published())] == ["first!", "second"]
    repeated = len(leaders.ids()) - head
    assert 0 <= repeated < 50
    until(lambda: leaders.offset() == head)


def test_a_leader_that_is_told_to_end_notes_everything_and_hands_over_at_once(leaders: Leaders) -> None:
    head = write(leaders.url, 400)
    first = leaders.start("first!")
    until(lambda: len(leaders.published()) > 50)
    leaders.start("second")
    first.send_signal(signal.SIGTERM)
    assert first.wait(10) == 0
    sent = len(leaders.ids())
    until(lambda: len(leaders.ids()) >= head)
    assert leaders.ids() == [f"demo.{position}" for position in range(1, head + 1)]
    assert 50 < sent < head
    assert "first!" not in {name for name, _, _ in leaders.published()[sent:]}


def test_a_frozen_leader_that_thaws_publishes_nothing_more_and_its_late_notes_are_refused(leaders: Leaders) -> None:
    head = write(leaders.url, 600)
    first = leaders.start("first!")
    until(lambda: len(leaders.published()) > 50)
    first.send_signal(signal.SIGSTOP)
    frozen = len(leaders.published())
    leaders.start("second!")
    until(lambda: len(leaders.published()) > frozen + 100)
    first.send_signal(signal.SIGCONT)
    thawed = time.time_ns() // 1000
    until(lambda: "is over" in leaders.log("first!"))
    until(lambda: len(set(leaders.ids())) == head)
    late = [event_id for name, event_id, at in leaders.published()[frozen:] if name == "first!" and at > thawed]
    # At most the write that it was frozen in.
    assert len(late) <= 1
    assert in_order(leaders.ids()) == {"demo": head}
    until(lambda: leaders.offset() == head)
    assert "term 2" in leaders.log("second!")
    assert first.poll() is None


def test_a_leader_frozen_for_longer_than_its_term_goes_on_where_nobody_took_over(leaders: Leaders) -> None:
    head = write(leaders.url, 200)
    first = leaders.start("first!")
    until(lambda: len(leaders.published()) > 20)
    first.send_signal(signal.SIGSTOP)
    time.sleep(1.5 * TTL)  # the term has to run out by the machine's own clock
    first.send_signal(signal.SIGCONT)
    until(lambda: len(set(leaders.ids())) == head)
    assert in_order(leaders.ids()) == {"demo": head}
    # It took the role up again rather than publish on in a term that was over.
    assert leaders.log("first!").count("leads, term 1") == 2


def test_three_leaders_killed_in_turn_under_a_writer_lose_nothing(leaders: Leaders) -> None:
    with sync.open(leaders.url) as hub:
        project = hub.project("demo", create=True)
        for number in range(3):
            name = f"leader-{number}!"
            process = leaders.start(name)
            sent = len(leaders.published())
            for task in range(40):
                project.create_task(f"task {number}.{task}")
            until(lambda sent=sent: len(leaders.published()) > sent + 20)  # type: ignore[misc]  # bound at once
            os.kill(process.pid, signal.SIGKILL)
        head = 121
        leaders.start("last")
        until(lambda: len(set(leaders.ids())) == head)
    assert in_order(leaders.ids()) == {"demo": head}
