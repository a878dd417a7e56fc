"""Shadow mode: what differs between a sink and the log, and what does not."""

from __future__ import annotations

import json
from collections.abc import AsyncGenerator, Callable, Sequence
from pathlib import Path

import pytest

import arbeit
import arbeit.sync
from arbeit import ArbeitError
from arbeit.core.model import Event
from arbeit.core.record import change
from arbeit.envelope import text_of
from arbeit.relay import Difference, ShadowReport, compare
from arbeit.relaying import run_relay, run_shadow
from arbeit.sinks import Arrival
from arbeit.testing.servers import RedisServer
from arbeit.wire import WIRE
from tests.sinks.receiving import ListSink, fill

pytestmark = pytest.mark.anyio


def recorded(project: str, count: int) -> list[Event]:
    data = [f'{{"title":"task {position}"}}' for position in range(1, count + 1)]
    return [
        Event(project, at, "task_created", 1, 1_000_000 * at, "ada", text, WIRE.digest(text), "p", f"h{at}", f"t{at}")
        for at, text in enumerate(data, start=1)
    ]


LOG = {"one": recorded("one", 600), "two": recorded("two", 5)}
HEADS = {project: len(events) for project, events in LOG.items()}


def arrival(event: Event, place: int = 0) -> Arrival:
    return Arrival(event.id, text_of(event), str(place))


async def compared(
    arrivals: Sequence[Arrival], upto: dict[str, int] | None = None, after: dict[str, int] | None = None
) -> ShadowReport:
    async def read(project: str, beyond: int, limit: int) -> Sequence[Event]:
        return LOG.get(project, [])[beyond : beyond + limit]

    async def come() -> AsyncGenerator[Arrival, None]:
        for one in arrivals:
            yield one

    return await compare("sink", come(), HEADS if upto is None else upto, read, after)


def everything() -> list[Arrival]:
    return [arrival(event, place) for place, event in enumerate([*LOG["one"], *LOG["two"]], start=1)]


async def test_a_sink_that_has_the_log_is_the_same() -> None:
    report = await compared(everything())
    assert report.same
    assert (report.expected, report.arrived, report.repeated) == (605, 605, 0)
    assert report.projects == HEADS


async def test_an_event_that_comes_again_under_its_id_is_no_difference_and_counted() -> None:
    found = everything()
    report = await compared([*found[:300], *found[250:]])
    assert report.same
    assert report.repeated == 50


@pytest.mark.parametrize(
    ("spoil", "counts", "first"),
    [
        (lambda found: found[:9] + found[12:], {"missing": 3}, Difference("missing", "one.10", "", "one.12")),
        (lambda found: found[:-2], {"missing": 2}, Difference("missing", "two.4", "", "two.5")),
        (lambda found: found[600:], {"missing": 600}, Difference("missing", "one.1", "", "one.600")),
        (
            lambda found: [*found[:9], found[10], found[9], *found[11:]],
            {"out_of_order": 1},
            Difference("out_of_order", "one.10", "10"),
        ),
        (
            lambda found: [*found, Arrival("other", found[3].body, "700")],
            {"other_id": 1},
            Difference("other_id", "one.4", "700"),
        ),
        (
            lambda found: [*found[:4], Arrival("one.5", found[4].body.replace(b"task 5", b"task X"), "5"), *found[5:]],
            {"different": 1},
            Difference("different", "one.5", "5"),
        ),
        (
            lambda found: [*found, arrival(recorded("three", 1)[0], 700)],
            {"unknown": 1},
            Difference("unknown", "three.1", "700"),
        ),
        (lambda found: [*found, Arrival("", b"\xff{", "700")], {"unknown": 1}, Difference("unknown", "", "700")),
        (lambda found: [*found, Arrival("x", b"[1]", "700")], {"unknown": 1}, Difference("unknown", "x", "700")),
    ],
)
async def test_each_kind_of_difference_is_found_alone(
    spoil: Callable[[list[Arrival]], list[Arrival]], counts: dict[str, int], first: Difference
) -> None:
    report = await compared(spoil(everything()))
    assert report.counts == counts
    assert report.differences[0] == first
    assert not report.same
    assert json.loads(json.dumps(report.as_json()))["counts"] == counts


async def test_a_text_that_was_erased_since_it_was_sent_is_no_difference(monkeypatch: pytest.MonkeyPatch) -> None:
    found = everything()
    erased = [*LOG["one"]]
    erased[6] = change(erased[6], data='{"title":""}')
    monkeypatch.setitem(LOG, "one", erased)
    report = await compared(found)
    assert report.same
    assert report.erased == 1
    other = [*found[:6], Arrival("one.7", found[6].body.replace(b"ada", b"bob"), "7"), *found[7:]]
    assert (await compared(other)).counts == {"different": 1}


async def test_what_came_before_the_sink_began_is_not_missed() -> None:
    report = await compared(everything()[100:600], {"one": 600}, {"one": 100})
    assert report.same
    assert report.expected == 500


async def test_a_report_lists_a_hundred_differences_and_counts_them_all() -> None:
    report = await compared([one for place, one in enumerate(everything()) if place % 2])
    assert report.counts["missing"] > 300
    assert len(report.differences) == 100
    assert len(report.as_json()["differences"]) == 100


async def test_a_sink_that_cannot_be_read_back_is_no_shadow() -> None:
    async with arbeit.open("memory://") as hub:
        with pytest.raises(ArbeitError, match="cannot be read back"):
            await hub.shadow(ListSink())


class _Lossy(ListSink):
    """Keeps all but every tenth event, and can be read back."""

    def __init__(self) -> None:
        super().__init__()
        self.lost: list[Event] = []

    async def publish(self, project: str, events: Sequence[Event]) -> None:
        await super().publish(project, events)
        self.lost += [one for one in self.events if one.position % 10 == 0]
        self.events = [one for one in self.events if one.position % 10]

    async def arrivals(self) -> AsyncGenerator[Arrival, None]:
        for place, event in enumerate(self.events):
            yield arrival(event, place)


@pytest.mark.parametrize("store", ["memory://", "sqlite"])
async def test_a_sink_that_loses_events_is_found_out_without_touching_what_serves(store: str, url: str) -> None:
    sink, serving = _Lossy(), ListSink()
    async with arbeit.open(url if store == "sqlite" else store) as hub:
        head = await fill(hub, "demo", 45)
        report = await hub.shadow(sink, name="lossy")
        await hub.relay({"lossy": serving}, until_caught_up=True)
    assert report.sink == "shadow:lossy"
    assert report.counts == {"missing": len(sink.lost)} == {"missing": 4}
    assert [one.id for one in report.differences] == [event.id for event in sink.lost]
    assert len(serving.events) == head
    assert sink.closed == 1


def test_a_command_line_s_functions_relay_and_shadow_a_store(
    tmp_path: Path, redis_url: str, redis_server: RedisServer
) -> None:
    assert redis_server.running
    store = f"sqlite:///{tmp_path}/team.db"
    with arbeit.sync.open(store) as hub:
        project = hub.project("demo", create=True)
        for number in range(20):
            project.create_task(f"task {number}")
    sink = f"{redis_url}?stream=cli"
    run_relay(store, [sink], until_caught_up=True)
    report = run_shadow(store, sink)
    assert report.same
    assert report.projects == {"demo": 21}
    assert report.arrived == 21
