"""Relays of synchronous callers: in an event loop of their own, until they are done or told to stop."""

from __future__ import annotations

import signal
import threading
from collections.abc import AsyncGenerator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from arbeit import ArbeitError, Code, sync
from arbeit.core.model import Event
from arbeit.envelope import text_of
from arbeit.hookspecs import SinkFactory, hookimpl
from arbeit.sinks import Arrival

PATIENCE = 20


class Kept:
    """A sink that keeps what it is given, and says how much it has to whoever waits in another thread."""

    def __init__(self) -> None:
        self.events: list[Event] = []
        self.closed = 0
        self.interrupts = False
        self._moved = threading.Condition()

    async def publish(self, project: str, events: Sequence[Event]) -> None:
        assert {event.project for event in events} == {project}
        with self._moved:
            self.events += events
            self._moved.notify_all()
        if self.interrupts:
            signal.raise_signal(signal.SIGINT)

    async def arrivals(self) -> AsyncGenerator[Arrival, None]:
        for event in self.events:
            yield Arrival(event.id, text_of(event), event.id)

    async def close(self) -> None:
        self.closed += 1

    def wait_for(self, count: int) -> None:
        with self._moved:
            assert self._moved.wait_for(lambda: len(self.events) >= count, PATIENCE)


class Brings:
    """A plug-in with that sink."""

    def __init__(self, sink: Kept) -> None:
        self._sink = sink

    @hookimpl
    def arbeit_sinks(self) -> Mapping[str, SinkFactory]:
        return {"kept": lambda _url: self._sink}


@pytest.fixture(params=["memory", "sqlite"])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    return "memory://" if request.param == "memory" else f"sqlite:///{tmp_path}/team.db?synchronous=NORMAL"


def fill(hub: sync.Hub, tasks: int) -> list[Event]:
    project = hub.project("demo", create=True, actor="ada")
    for number in range(tasks):
        project.create_task(f"task {number}")
    return project.history(limit=1_000)


def test_a_relay_of_a_synchronous_hub_gives_a_sink_of_a_plug_in_everything_once(url: str) -> None:
    sink = Kept()
    with sync.open(url, plugins=[Brings(sink)]) as hub:
        first = fill(hub, 5)
        hub.relay(["kept://here"], until_caught_up=True)
        assert sink.events == first
        both = fill(hub, 3)
        hub.relay(["kept://here"], until_caught_up=True)
    assert sink.events == both
    assert sink.closed == 2


def test_leaving_the_hub_ends_a_relay_in_another_thread_after_it_has_handed_over(url: str) -> None:
    sink = Kept()
    with ThreadPoolExecutor(1) as threads, sync.open(url) as hub:
        relayed = threads.submit(hub.relay, {"kept": sink})
        count = len(fill(hub, 4))
        sink.wait_for(count)
        running = not relayed.done()
        hub.__exit__(None, None, None)
        assert running
        assert relayed.result(0) is None
        assert sink.closed == 1
        if url.startswith("sqlite"):
            with sync.open(url) as again:
                again.relay({"kept": sink}, until_caught_up=True)
        assert len(sink.events) == count, "what was published was noted when the relay was ended"


def test_what_the_end_of_the_hub_cut_short_is_not_taken_for_done() -> None:
    class Refusing(Kept):
        async def publish(self, project: str, events: Sequence[Event]) -> None:
            await super().publish(project, events)
            msg = "no"
            raise OSError(msg)

    sink, shadow = Refusing(), Refusing()
    with ThreadPoolExecutor(2) as threads, sync.open("memory://") as hub:
        fill(hub, 1)
        relayed = threads.submit(hub.relay, {"kept": sink}, until_caught_up=True)
        compared = threads.submit(hub.shadow, shadow, name="kept")
        sink.wait_for(2)
        shadow.wait_for(2)
        hub.__exit__(None, None, None)
        for error in (relayed.exception(0), compared.exception(0)):
            assert isinstance(error, ArbeitError)
            assert error.code is Code.NOT_INITIALIZED
        with pytest.raises(ArbeitError, match="closed"):
            hub.relay({"kept": Kept()})


def test_an_interrupt_ends_a_relay_of_the_main_thread_after_it_has_handed_over(url: str) -> None:
    sink = Kept()
    with sync.open(url) as hub:
        logged = fill(hub, 3)
        sink.interrupts = True
        with pytest.raises(KeyboardInterrupt):
            hub.relay({"kept": sink})
        sink.interrupts = False
        assert sink.closed == 1
        hub.relay({"kept": sink}, until_caught_up=True)
    assert sink.events == logged


def test_a_synchronous_shadow_says_where_a_sink_differs_from_the_log(url: str) -> None:
    sink = Kept()
    with sync.open(url) as hub:
        logged = fill(hub, 4)
        assert hub.shadow(sink).as_json() == {
            "sink": "shadow:Kept",
            "same": True,
            "projects": {"demo": len(logged)},
            "expected": len(logged),
            "arrived": len(logged),
            "repeated": 0,
            "erased": 0,
            "counts": {},
            "differences": [],
        }
        sink.events.pop(1)
        assert hub.shadow(sink).counts == {"missing": 1}


def test_a_hub_that_is_not_open_and_what_is_no_sink_are_refused() -> None:
    with pytest.raises(ArbeitError, match="not open yet"):
        sync.open("memory://").relay(["kept://here"])
    with sync.open("memory://") as hub, pytest.raises(ArbeitError, match="no sink answers"):
        hub.relay(["kept://here"])
