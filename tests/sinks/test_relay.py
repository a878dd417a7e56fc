"""The relay with sinks in memory: what is published, in which order, by whom, and what is said of it."""

from __future__ import annotations

import logging
import time
from collections.abc import Sequence
from typing import Any

import anyio
import pytest

import arbeit
from arbeit import ArbeitError, Code
from arbeit.backends.memory import MemoryStore
from arbeit.clock import SystemClock
from arbeit.compose import Wiring
from arbeit.core.model import Event
from arbeit.hookspecs import hookimpl
from arbeit.ports import SinkFailure, Term
from arbeit.relay import Backoff, Pace, Relay
from arbeit.relay.pump import Pump, Surroundings
from arbeit.relay.relay import source_of
from arbeit.sinks import open_sink
from arbeit.testing.faults import PassingStore
from tests.sinks.receiving import ListSink, fill, in_order

pytestmark = pytest.mark.anyio
BRISK = Pace(ttl=0.3, poll=0.05, rest=0.001, backoff=Backoff(base=0.01, cap=0.05))


async def test_a_sink_gets_every_event_of_every_project_once_and_in_order(url: str) -> None:
    sink = ListSink(batch=7)
    async with arbeit.open(url) as hub:
        heads = {key: await fill(hub, key, tasks) for key, tasks in {"one": 20, "two": 3, "three": 300}.items()}
        await hub.relay({"list": sink}, until_caught_up=True)
        logged = [event for key in heads for event in await (await hub.project(key)).history(limit=10_000)]
    assert in_order(event.id for event in sink.events) == heads
    assert sorted(sink.events, key=lambda one: (one.project, one.position)) == sorted(
        logged, key=lambda one: (one.project, one.position)
    )
    assert sink.closed == 1


async def test_what_a_sink_has_is_not_published_again_by_the_next_relay(url: str) -> None:
    first, second = ListSink(), ListSink()
    async with arbeit.open(url) as hub:
        head = await fill(hub, "demo", 5)
        await hub.relay({"list": first}, until_caught_up=True)
        await hub.relay({"list": second}, until_caught_up=True)
        assert second.events == []
        assert await fill(hub, "demo", 1) == head + 1
        await hub.relay({"list": second}, until_caught_up=True)
    assert second.positions("demo") == [head + 1]


async def test_a_commit_and_a_new_project_are_published_without_a_wait_for_the_next_look(url: str) -> None:
    sink = ListSink()
    async with arbeit.open(url) as hub, anyio.create_task_group() as group:
        await fill(hub, "demo", 1)
        group.start_soon(hub.relay, {"list": sink})
        await sink.until(lambda: len(sink.positions("demo")) == 2)
        head = await fill(hub, "later", 2)
        await sink.until(lambda: len(sink.positions("later")) == head)
        group.cancel_scope.cancel()
    assert sink.positions("later") == [1, 2, 3]
    assert sink.closed == 1


async def test_a_sink_may_begin_with_what_is_committed_from_now_on(url: str) -> None:
    sink = ListSink()
    async with arbeit.open(url) as hub:
        head = await fill(hub, "demo", 5)
        await hub.relay({"list": sink}, from_now=True, until_caught_up=True)
        assert sink.events == []
        await fill(hub, "demo", 1)
        later = await fill(hub, "later", 1)
        await hub.relay({"list": sink}, from_now=True, until_caught_up=True)
    assert sink.positions("demo") == [head + 1]
    assert sink.positions("later") == list(range(1, later + 1))


async def test_a_sink_that_began_with_nothing_there_begins_with_the_first_project() -> None:
    sink = ListSink()
    async with arbeit.open("memory://") as hub:
        await hub.relay({"list": sink}, from_now=True, until_caught_up=True)
        head = await fill(hub, "demo", 1)
        await hub.relay({"list": sink}, from_now=True, until_caught_up=True)
    assert sink.positions("demo") == list(range(1, head + 1))


def made(store: Any, sink: Any, holder: str | None = None) -> Relay:  # noqa: ANN401 - a store or a faulty one
    wiring = Wiring(store, SystemClock(), b"k" * 32, {})
    return Relay(wiring, {"list": sink}, pace=BRISK, holder=holder)


async def team(store: MemoryStore, **tasks: int) -> None:
    from arbeit.testing.contract import WiredHub

    async with WiredHub(Wiring(store, SystemClock(), b"k" * 32, {}), background=False) as hub:
        for key, count in tasks.items():
            await fill(hub, key, count)


async def test_a_project_whose_events_are_not_taken_holds_up_no_other() -> None:
    store, sink = MemoryStore(SystemClock()), ListSink()
    await team(store, good=4, bad=4)
    broken = True
    sink.fault = lambda project, _events: SinkFailure("no") if project == "bad" and broken else None
    async with anyio.create_task_group() as group:
        group.start_soon(made(store, sink).run)
        await sink.until(lambda: sink.positions("good") == [1, 2, 3, 4, 5])
        assert sink.positions("bad") == []
        broken = False
        await sink.until(lambda: sink.positions("bad") == [1, 2, 3, 4, 5])
        group.cancel_scope.cancel()
    assert store.offsets("list") == {"": 0, "good": 5, "bad": 5}


async def test_a_relay_that_only_catches_up_ends_with_what_no_other_try_would_mend_after_all_else_was_published() -> (
    None
):
    store, sink = MemoryStore(SystemClock()), ListSink()
    await team(store, bad=4, good=4, worse=4)
    sink.fault = lambda project, _events: SinkFailure(f"no {project}", lasting=True) if project != "good" else None
    with anyio.fail_after(20), pytest.raises(SinkFailure, match=r"no (bad|worse)") as caught:
        await made(store, sink).run(until_caught_up=True)
    assert (caught.value.code, caught.value.retryable) == (Code.STORE_UNAVAILABLE, False)
    assert sink.positions("good") == [1, 2, 3, 4, 5]
    assert store.offsets("list") == {"": 0, "good": 5}
    assert sink.closed == 1


async def test_a_refusal_for_good_by_one_sink_does_not_keep_events_from_another() -> None:
    store, good, bad = MemoryStore(SystemClock()), ListSink(batch=1), ListSink()
    await team(store, demo=40)
    bad.fault = lambda _project, _events: SinkFailure("never", lasting=True)
    wiring = Wiring(store, SystemClock(), b"k" * 32, {})
    with anyio.fail_after(20), pytest.raises(SinkFailure, match="never"):
        await Relay(wiring, {"bad": bad, "good": good}, pace=BRISK).run(until_caught_up=True)
    assert good.positions("demo") == list(range(1, 42))


async def test_a_relay_that_goes_on_tries_again_what_was_refused_for_good() -> None:
    store, sink = MemoryStore(SystemClock()), ListSink()
    await team(store, demo=4)
    broken = True
    sink.fault = lambda _project, _events: SinkFailure("never", lasting=True) if broken else None
    async with anyio.create_task_group() as group:
        group.start_soon(made(store, sink).run)
        await sink.until(lambda: sink.calls > 3)
        broken = False
        await sink.until(lambda: sink.positions("demo") == [1, 2, 3, 4, 5])
        group.cancel_scope.cancel()


async def test_what_may_pass_keeps_a_relay_that_catches_up_from_ending() -> None:
    store, sink = MemoryStore(SystemClock()), ListSink()
    await team(store, demo=4)
    sink.fault = lambda _project, _events: SinkFailure("not now") if sink.calls < 5 else None
    with anyio.fail_after(20):
        await made(store, sink).run(until_caught_up=True)
    assert sink.positions("demo") == [1, 2, 3, 4, 5]


async def test_one_sink_that_is_down_holds_up_no_other_sink() -> None:
    store, good, bad = MemoryStore(SystemClock()), ListSink(), ListSink()
    await team(store, demo=4)
    bad.fault = lambda _project, _events: OSError("nobody there")
    async with anyio.create_task_group() as group:
        wiring = Wiring(store, SystemClock(), b"k" * 32, {})
        group.start_soon(Relay(wiring, {"good": good, "bad": bad}, pace=BRISK).run)
        await bad.until(lambda: bad.calls > 2)
        await good.until(lambda: good.positions("demo") == [1, 2, 3, 4, 5])
        group.cancel_scope.cancel()
    assert bad.events == []
    assert store.offsets("bad") == {"": 0}


async def test_an_outage_is_logged_once_however_often_is_tried(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, "arbeit.relay")
    store, sink = MemoryStore(SystemClock()), ListSink()
    await team(store, one=2, two=2, three=2)
    down = True
    sink.fault = lambda _project, _events: SinkFailure("the disk is full") if down else None
    async with anyio.create_task_group() as group:
        group.start_soon(made(store, sink).run)
        await sink.until(lambda: sink.calls > 12)
        down = False
        await sink.until(lambda: len(sink.events) == 9)
        group.cancel_scope.cancel()
    warned = [record.getMessage() for record in caplog.records if record.levelno >= logging.WARNING]
    assert warned == ["sink list takes no events: the disk is full"]
    said = [record.getMessage() for record in caplog.records if "is back after" in record.getMessage()]
    assert len(said) == 1


async def test_events_that_are_refused_are_logged_once_for_each_project(caplog: pytest.LogCaptureFixture) -> None:
    store, sink = MemoryStore(SystemClock()), ListSink()
    await team(store, one=2, two=2)
    sink.fault = lambda project, _events: SinkFailure(f"no {project}", refused=True)
    async with anyio.create_task_group() as group:
        group.start_soon(made(store, sink).run)
        await sink.until(lambda: sink.calls > 12)
        group.cancel_scope.cancel()
    warned = sorted(record.getMessage() for record in caplog.records if record.levelno >= logging.WARNING)
    assert warned == [f"sink list refuses events of project {key}, which waits: no {key}" for key in ("one", "two")]


async def test_a_defect_of_a_sink_is_logged_with_its_place_and_tried_again(caplog: pytest.LogCaptureFixture) -> None:
    store, sink = MemoryStore(SystemClock()), ListSink()
    await team(store, demo=2)
    faults = iter([ValueError("a defect"), ZeroDivisionError()])
    sink.fault = lambda _project, _events: next(faults, None)
    with anyio.fail_after(20):
        await made(store, sink).run(until_caught_up=True)
    assert sink.positions("demo") == [1, 2, 3]
    assert "ValueError: a defect" in caplog.text
    assert "receiving.py" in caplog.text


async def test_of_two_relays_one_publishes_and_the_other_goes_on_when_it_closes() -> None:
    store, first, second = MemoryStore(SystemClock()), ListSink(), ListSink()
    await team(store, demo=2)
    async with anyio.create_task_group() as group:
        leading = anyio.CancelScope()

        async def lead() -> None:
            with leading:
                await made(store, first, "first").run()

        group.start_soon(lead)
        await first.until(lambda: first.positions("demo") == [1, 2, 3])
        group.start_soon(made(store, second, "second").run)
        await team(store, demo=2)
        await first.until(lambda: len(first.positions("demo")) == 5)
        assert second.calls == 0
        leading.cancel()
        await first.until(lambda: first.closed == 1)
        await team(store, demo=2)
        await second.until(lambda: len(second.events) == 2)
        group.cancel_scope.cancel()
    assert second.positions("demo") == [6, 7]


class _Usurped(PassingStore):
    """A store in which somebody else has led since, once it is told so."""

    def __init__(self, store: MemoryStore) -> None:
        super().__init__(store)
        self.store = store
        self.usurped = False
        self.refused = 0

    def lead(self, role: str, holder: str, ttl: int) -> Term | None:
        return None if self.usurped else self.store.lead(role, holder, ttl)

    def advance(self, sink: str, positions: dict[str, int], term: Term) -> bool:
        if self.usurped:
            self.store.resign(term)
        noted = self.store.advance(sink, positions, term)
        self.refused += not noted
        return noted

    def __getattr__(self, name: str) -> Any:  # noqa: ANN401 - the other methods of both ports
        return getattr(self.store, name)


async def test_who_is_told_that_another_leads_publishes_no_more(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, "arbeit.relay")
    memory, sink = MemoryStore(SystemClock()), ListSink(batch=1)
    await team(memory, demo=50)
    store = _Usurped(memory)

    def usurp(_project: str, events: Sequence[Event]) -> None:
        store.usurped = store.usurped or events[0].position == 20

    sink.fault = usurp
    async with anyio.create_task_group() as group:
        group.start_soon(made(store, sink).run)
        await sink.until(lambda: "term 1 is over" in caplog.text)
        calls = sink.calls
        await anyio.sleep(2 * BRISK.ttl)
        assert sink.calls == calls
        group.cancel_scope.cancel()
    assert memory.offsets("list").get("demo", 0) < 51
    assert store.refused


async def test_who_cannot_renew_stops_before_its_term_ends(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, "arbeit.relay")
    memory, sink = MemoryStore(SystemClock()), ListSink(batch=1)
    await team(memory, demo=50)

    class Silent(_Usurped):
        def lead(self, role: str, holder: str, ttl: int) -> Term | None:
            if self.usurped:
                raise ArbeitError(Code.STORE_UNAVAILABLE, "no answer")
            self.usurped_at = anyio.current_time()
            return self.store.lead(role, holder, ttl)

        def advance(self, sink: str, positions: dict[str, int], term: Term) -> bool:
            return self.store.advance(sink, positions, term)

    store = Silent(memory)
    published: list[float] = []

    async def slowly(_project: str, events: Sequence[Event]) -> None:
        store.usurped = True
        published.append(anyio.current_time())
        await anyio.sleep(0.02)
        sink.events += events

    sink.publish = slowly  # type: ignore[method-assign,assignment]  # this one takes its time
    async with anyio.create_task_group() as group:
        group.start_soon(made(store, sink).run)
        await sink.until(lambda: "is over" in caplog.text)
        group.cancel_scope.cancel()
    assert 2 < len(published) < 50
    assert max(published) <= store.usurped_at + BRISK.ttl


async def test_a_store_that_does_not_answer_for_a_while_ends_no_relay(caplog: pytest.LogCaptureFixture) -> None:
    memory, sink = MemoryStore(SystemClock()), ListSink()
    await team(memory, demo=2)
    faults = {"lead": 1, "behind": 2, "offsets": 1, "advance": 1, "history": 1}

    class Shaky(_Usurped):
        def __getattribute__(self, name: str) -> Any:  # noqa: ANN401 - any method
            if faults.get(name):

                def fail(*_: object) -> None:
                    faults[name] -= 1
                    raise ArbeitError(Code.STORE_UNAVAILABLE, "no answer")

                return fail
            return object.__getattribute__(self, name)

    with anyio.fail_after(20):
        await made(Shaky(memory), sink).run(until_caught_up=True)
    assert sink.positions("demo") == [1, 2, 3]
    assert not any(faults.values())
    assert "the store does not answer: no answer" in caplog.text


async def test_plug_ins_bring_sinks_of_their_own() -> None:
    sink = ListSink()
    urls: list[str] = []

    def opened(url: str) -> ListSink:
        urls.append(url)
        return sink

    class Brings:
        @hookimpl
        def arbeit_sinks(self) -> dict[str, Any]:
            return {"list": opened}

    async with arbeit.open("memory://", plugins=[Brings()]) as hub:
        head = await fill(hub, "demo", 1)
        await hub.relay(["list://somewhere?depth=3"], until_caught_up=True)
    assert urls == ["list://somewhere?depth=3"]
    assert len(sink.events) == head


@pytest.mark.parametrize(
    ("sinks", "said"),
    [
        ([], "one or more"),
        ("nats://host/S", "a list of URLs"),
        (["gopher://host"], "no sink answers to gopher://"),
        (["no url"], "is no URL"),
        (["nats://host"], "names a host and a stream"),
        (["nats://host/S?subject=a..b"], "cannot be published under"),
        (["nats://host/S?subject=arbeit&wait=1"], "takes no option wait"),
        (["nats://host/S?timeout=soon"], "timeout='soon'"),
        (["nats://host/S?password=env:X"], "a password and no user"),
        (["nats://host/S", "nats://host/S"], "a name of their own"),
        (["redis:///0"], "names no server"),
        (["redis://host/zero?stream=a"], "names no server"),
        (["redis://host:port/0"], "a port that is none"),
        (["nats://host:port/S"], "a port that is none"),
        (["https://host:port/hook#secret=env:X"], "a port that is none"),
        (["redis://host/0?stream={a}"], "without braces"),
        (["https://host/hook"], "names no secret"),
        (["https://user:word@host/hook#secret=env:X"], "a user or password"),
        (["https://host/hook#secret=whsec_c2VjcmV0"], "no reference"),
        (["https://host/hook#secret=vault:x"], "no reference"),
        ({"a": object()}, "no publish"),
        ({"": "nats://host/S"}, "a name of their own"),
    ],
)
async def test_what_is_no_sink_is_refused_before_anything_is_connected_to(sinks: Any, said: str) -> None:  # noqa: ANN401 - what callers may give
    async with arbeit.open("memory://") as hub:
        with pytest.raises(ArbeitError, match=said) as caught:
            await hub.relay(sinks, until_caught_up=True)
    assert caught.value.code is Code.INVALID_INPUT
    assert caught.value.suggestions
    assert "c2VjcmV0" not in str(caught.value)
    assert "word" not in str(caught.value).replace("password", "")


@pytest.mark.parametrize("scheme", ["redis", "nats"])
@pytest.mark.parametrize("sign", ["/", "#", "@", "?", "[", "/a=b", "?a=b", "#a=b"])
@pytest.mark.parametrize("half", ["81234", "4444", "hunter2"])
def test_of_a_password_that_breaks_its_url_nothing_is_repeated(scheme: str, sign: str, half: str) -> None:
    address = f"{scheme}://ada:{half}{sign}hunter2@host:4222/0"
    try:
        sink = open_sink(address)
    except ArbeitError as error:
        told = f"{error} {error.suggestions} {error.data} {error.__cause__} {error.__context__}"
        assert "Percent-encode" in told
    else:
        assert sign == "@"  # the last one counts
        told = repr(sink) + sink._named  # type: ignore[attr-defined]  # what its failures begin with
    assert half not in told
    assert "hunter2" not in told


class _Vault:
    """A provider that answers as it is told."""

    def __init__(self, answer: Any) -> None:  # noqa: ANN401 - what a plug-in may give
        self.answer = answer

    def resolve(self, _path: str) -> Any:  # noqa: ANN401 - as above
        if isinstance(self.answer, Exception):
            raise self.answer
        return self.answer


@pytest.mark.parametrize(
    ("answer", "said"),
    [(RuntimeError("vault answered 403 for token hvs.SECRET"), "RuntimeError"), (b"hvs.SECRET", "bytes")],
)
async def test_of_a_provider_that_fails_its_kind_alone_is_logged(
    answer: Any,  # noqa: ANN401 - as above
    said: str,
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.DEBUG)
    async with arbeit.open("memory://", secrets={"vault": _Vault(answer)}) as hub, anyio.create_task_group() as group:
        await fill(hub, "demo", 1)
        group.start_soon(hub.relay, ["https://127.0.0.1:9/hook#secret=vault:hook"])
        with anyio.fail_after(20):
            while "takes no events" not in caplog.text:  # noqa: ASYNC110 - a log line is no event
                await anyio.sleep(0.01)
        group.cancel_scope.cancel()
    assert f"the provider of secrets failed ({said}" in caplog.text or f"answered with a {said}" in caplog.text
    assert "SECRET" not in caplog.text
    assert all(record.exc_info is None for record in caplog.records if record.name == "arbeit.relay")


async def test_a_secret_that_is_not_there_ends_what_was_to_end_before_anything_is_led(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "arbeit.relay")
    monkeypatch.delenv("ARBEIT_SECRET_HOOK", raising=False)
    other = ListSink()
    async with arbeit.open("memory://") as hub:
        await fill(hub, "demo", 1)
        with anyio.fail_after(20), pytest.raises(ArbeitError, match="ARBEIT_SECRET_HOOK is not set"):
            await hub.relay({"hook": "https://127.0.0.1:9/#secret=env:HOOK", "list": other}, until_caught_up=True)
    assert "leads" not in caplog.text
    assert (other.calls, other.closed) == (0, 1)


async def test_a_sink_whose_close_fails_leaves_no_other_open(caplog: pytest.LogCaptureFixture) -> None:
    class Stuck(ListSink):
        async def close(self) -> None:
            raise OSError("token hvs.SECRET")

    last = ListSink()
    async with arbeit.open("memory://") as hub:
        head = await fill(hub, "demo", 1)
        await hub.relay({"stuck": Stuck(), "last": last}, until_caught_up=True)
    assert (len(last.events), last.closed) == (head, 1)
    assert "sink stuck did not close: OSError" in caplog.text


async def test_who_loses_its_term_before_it_has_noted_a_beginning_publishes_nothing(
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.INFO, "arbeit.relay")
    memory, sink = MemoryStore(SystemClock()), ListSink()
    await team(memory, demo=5)
    store = _Usurped(memory)

    def advance(sink: str, positions: dict[str, int], term: Term) -> bool:
        if not store.refused:
            store.refused += 1
            memory.resign(term)
            return False
        return memory.advance(sink, positions, term)

    store.advance = advance  # type: ignore[method-assign]  # somebody else leads, once
    around = Surroundings(source_of(store), "me", lambda: 0.5, BRISK, from_now=True)
    with anyio.fail_after(20):
        await Pump("list", sink, around).run(until_caught_up=True)
    assert sink.events == []
    assert "term 1 is over" in caplog.text
    assert memory.offsets("list") == {"": 0, "demo": 6}


async def test_a_store_without_leadership_is_refused_with_what_has_it() -> None:
    with pytest.raises(ArbeitError, match="keeps no roles") as caught:
        made(PassingStore(MemoryStore(SystemClock())), ListSink())
    assert caught.value.code is Code.INVALID_INPUT


@pytest.mark.parametrize("ttl", [0, -1, 0.01, 4000])
async def test_a_ttl_out_of_bounds_is_refused(ttl: float) -> None:
    async with arbeit.open("memory://") as hub:
        with pytest.raises(ArbeitError, match="ttl must be"):
            await hub.relay({"list": ListSink()}, ttl=ttl, until_caught_up=True)


async def test_who_was_frozen_for_longer_than_its_term_sends_nothing_more_in_it(
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.INFO, "arbeit.relay")
    memory, sink, jumped = MemoryStore(SystemClock()), ListSink(batch=1), [0.0]
    await team(memory, demo=50)
    store = _Usurped(memory)

    def freeze(_project: str, events: Sequence[Event]) -> None:
        if events[0].position == 5:
            jumped[0], store.usurped = 100.0, True

    sink.fault = freeze
    around = Surroundings(
        source_of(store),
        "me",
        lambda: 0.5,
        Pace(ttl=30),
        clock=lambda: time.monotonic() + jumped[0],
    )
    async with anyio.create_task_group() as group:
        group.start_soon(Pump("list", sink, around).run)
        await sink.until(lambda: "is over" in caplog.text)
        group.cancel_scope.cancel()
    assert sink.positions("demo") == [1, 2, 3, 4, 5]
