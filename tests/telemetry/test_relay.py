"""What relays count: by sink, while they lead it."""

from __future__ import annotations

import anyio
import pytest

from arbeit.backends.memory import MemoryStore
from arbeit.clock import SystemClock
from arbeit.compose import Wiring
from arbeit.ports import SinkFailure
from arbeit.relay import Backoff, Pace, Relay
from arbeit.testing.contract import WiredHub
from tests.sinks.receiving import ListSink, fill
from tests.telemetry.conftest import Recorded

pytestmark = pytest.mark.anyio
BRISK = Pace(ttl=0.3, poll=0.05, rest=0.001, backoff=Backoff(base=0.01, cap=0.05))


def wired() -> Wiring:
    return Wiring(MemoryStore(SystemClock()), SystemClock(), b"k" * 32, {})


async def test_what_a_sink_took_refused_and_lacks_is_counted_by_its_name(recorded: Recorded) -> None:
    wiring, good, half = wired(), ListSink(), ListSink()
    half.fault = lambda project, _events: SinkFailure("no") if project == "bad" else None
    async with WiredHub(wiring, background=False) as hub:
        for project, tasks in (("demo", 4), ("bad", 2)):
            await fill(hub, project, tasks)
        relay = Relay(wiring, {"good": good, "half": half}, pace=BRISK)

        def lags() -> dict[object, int]:
            return {at["arbeit.sink"]: value for at, value in recorded.metrics().get("arbeit.relay.lag", [])}

        async with anyio.create_task_group() as group:
            group.start_soon(relay.run)
            await half.until(lambda: half.calls > 3 and lags() == {"good": 0, "half": 3})
            group.cancel_scope.cancel()
    found = recorded.metrics()
    published = {at["arbeit.sink"]: value for at, value in found["arbeit.relay.published"]}
    assert published == {"good": 8, "half": 5}
    ((refused_by, refused),) = found["arbeit.relay.refused"]
    assert (refused_by, refused >= 2) == ({"arbeit.sink": "half"}, True)
    assert lags() == {}, "whoever does not lead any more does not know"


async def test_a_relay_without_a_provider_of_metrics_counts_nothing() -> None:
    wiring, sink = wired(), ListSink()
    async with WiredHub(wiring, background=False) as hub:
        await fill(hub, "demo", 1)
        relay = Relay(wiring, {"list": sink}, pace=BRISK)
        assert relay._telemetry is None
        await relay.run(until_caught_up=True)
    assert len(sink.events) == 2
