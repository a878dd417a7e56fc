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

import pytest

from arbeit import sync
from arbeit.compose import wire_up
from arbeit.relay.relay import source_of
from tests.sinks.receiving import in_order

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

    def pair(self, second: str) -> subprocess.Popen[str]:
        """Start two, the first of which leads; the first."""
        first = self.start("first!")
        until(lambda: "leads, term 1" in self.log("first!"))
        self.start(second)
        return first

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
        store = wire_up(self.url).store
        try:
            return source_of(store).offsets("file").get("demo", 0)
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


@pytest.fixture(params=["sqlite", "postgres"])
def leaders(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Leaders]:
    found = Leaders(request.getfixturevalue("url" if request.param == "sqlite" else "postgres_url"), tmp_path)
    yield found
    found.end()


def until(reached: Callable[[], bool], seconds: float = 30) -> float:
    """Wait for what another process does; how long it took."""
    began = time.monotonic()
    while not reached():
        assert time.monotonic() < began + seconds, "it did not happen in time"
        time.sleep(0.01)
    return time.monotonic() - began


def write(url: str, tasks: int, due: Callable[[], bool] = lambda: True, act: Callable[[], None] = lambda: None) -> int:
    """Make tasks, and act in the midst of it, as soon as that is due; where the log stands then."""
    with sync.open(url) as hub:
        project = hub.project("demo", create=True)
        for number in range(tasks):
            if number == tasks // 2:
                until(due)
                act()
            project.create_task(f"task {number}")
        return tasks + 1


def test_when_its_leader_is_killed_another_goes_on_within_seconds_and_nothing_is_lost(leaders: Leaders) -> None:
    first = leaders.pair("second")
    head = write(leaders.url, 300, lambda: len(leaders.published()) > 50, first.kill)
    took = until(lambda: "leads, term 2" in leaders.log("second"))
    until(lambda: len(set(leaders.ids())) == head)
    # One term and half of one, and what a machine under load takes.
    assert took < 1.5 * TTL + 5
    assert in_order(leaders.ids()) == {"demo": head}
    # Once the second had begun, the first was heard of no more.
    assert [name for name, _ in groupby(name for name, _, _ in leaders.published())] == ["first!", "second"]
    repeated = len(leaders.ids()) - head
    assert 0 <= repeated < 50
    until(lambda: leaders.offset() == head)


def test_a_leader_that_is_told_to_end_notes_everything_and_hands_over_at_once(leaders: Leaders) -> None:
    first = leaders.pair("second")
    head = write(leaders.url, 300, lambda: len(leaders.published()) > 50, first.terminate)
    assert first.wait(20) == 0
    until(lambda: len(leaders.ids()) >= head)
    assert leaders.ids() == [f"demo.{position}" for position in range(1, head + 1)]
    assert [name for name, _ in groupby(name for name, _, _ in leaders.published())] == ["first!", "second"]


def test_a_frozen_leader_that_thaws_publishes_nothing_more_and_its_late_notes_are_refused(leaders: Leaders) -> None:
    first = leaders.pair("second!")

    def freeze() -> None:
        first.send_signal(signal.SIGSTOP)

    head = write(leaders.url, 300, lambda: len(leaders.published()) > 50, freeze)
    until(lambda: sum(name == "second!" for name, _, _ in leaders.published()) > 50)
    first.send_signal(signal.SIGCONT)
    thawed = time.time_ns() // 1000
    until(lambda: "is over" in leaders.log("first!"))
    until(lambda: len(set(leaders.ids())) == head)
    late = [event_id for name, event_id, at in leaders.published() if name == "first!" and at > thawed]
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
