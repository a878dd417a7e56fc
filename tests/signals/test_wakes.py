"""Hints as values and as text: what a commit has to tell, what two say together, and how little fits."""

from __future__ import annotations

import json

import pytest
from anyio import wait_all_tasks_blocked
from attrs import evolve
from hypothesis import given, settings
from hypothesis import strategies as st

from arbeit.backends.memory import MemoryStore
from arbeit.compose import Wiring
from arbeit.core import commands as c
from arbeit.ports import Wake
from arbeit.testing.clock import VirtualClock
from arbeit.testing.contract import KEY, WiredHub
from arbeit.testing.signals import Bus
from arbeit.wakes import Carrier, Hear, Outbox, blank, merged, read, write

quick = settings(max_examples=60, deadline=None)
NAMES = st.text(max_size=20)
COUNTS = st.integers(1, 1000)
WAKES = st.builds(
    Wake,
    NAMES,
    st.lists(st.tuples(NAMES, NAMES, COUNTS), max_size=4, unique_by=lambda one: one[:2]).map(tuple),
    st.lists(st.tuples(NAMES, COUNTS), max_size=4, unique_by=lambda one: one[0]).map(tuple),
    st.lists(NAMES, max_size=4, unique=True).map(tuple),
    st.lists(NAMES, max_size=4, unique=True).map(tuple),
) | st.builds(Wake, NAMES, anything=st.just(True))  # noqa: FBT003 - a value, not a flag


def says(wake: Wake, other: Wake) -> bool:
    """Whether whoever would be woken by the other is woken by this one."""
    ready = {(queue, group): n for queue, group, n in wake.ready}
    return wake.anything or (
        not other.anything
        and all(ready.get((queue, group), 0) >= n for queue, group, n in other.ready)
        and {queue for queue, _ in other.places} <= {queue for queue, _ in wake.places}
        and set(other.agents) <= set(wake.agents)
        and set(other.leases) <= set(wake.leases)
    )


@quick
@given(st.lists(WAKES, max_size=6), st.integers(200, 2000))
def test_what_is_written_within_a_limit_is_read_as_that_or_as_anything(wakes: list[Wake], limit: int) -> None:
    texts = write("me", wakes, limit)
    assert all(len(text.encode()) <= limit for text in texts)
    heard = [read(text) for text in texts]
    assert all(one.origin == "me" for one in heard)
    got = [wake for one in heard for wake in one.wakes or ()]
    assert len(got) == len(wakes)
    for wake, sent in zip(got, wakes, strict=True):
        assert wake == sent or (wake.anything and wake.project == sent.project)


def test_what_fits_is_written_in_full_and_in_one_text() -> None:
    wakes = [Wake(f"p{n}", (("default", "python", n),), (("docs", 2),), ("ada",)) for n in range(1, 20)]
    (text,) = write("me", wakes, 7_900)
    assert read(text).wakes == tuple(wakes)
    assert len(write("me", wakes, 700)) > 1
    assert [wake for text in write("me", wakes, 700) for wake in read(text).wakes or ()] == wakes


@quick
@given(WAKES, WAKES)
def test_two_wakes_together_say_all_that_each_says(first: Wake, second: Wake) -> None:
    second = evolve(second, project=first.project)
    both = merged(first, second)
    assert both.project == first.project
    assert says(both, first)
    assert says(both, second)


@pytest.mark.parametrize(
    "text",
    [
        *("", "x", "1", "null", "[]", "{}", '{"v":2,"o":"a","w":[]}', '{"v":1,"o":"a","w":[1]}'),
        *('{"v":1,"o":"a","x":1}', '{"v":1,"o":"a","w":[{"p":"demo","r":[["q"]]}]}'),
        *('{"v":1,"o":"a","w":[{"p":"demo","q":5}]}', "[" * 100_000),
        *(
            '{"v":1,"o":"a","w":[{"p":"demo","r":[["q","g",Infinity]]}]}',
            '{"v":1,"o":"a","w":[{"p":"d","q":[["q",1e999]]}]}',
        ),
    ],
)
def test_what_is_not_understood_means_that_anything_may_have_happened(text: str) -> None:
    assert read(text).wakes is None
    assert read(text.encode()).wakes is None


@quick
@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.text(),
        lambda inner: st.lists(inner) | st.dictionaries(st.sampled_from("vowxpqra"), inner),
    )
)
def test_reading_never_fails(value: object) -> None:
    for said in (value, {"v": 1, "o": "a", "w": value}, {"v": 1, "o": "a", "w": [value]}):
        assert read(json.dumps(said)).wakes is None or read(json.dumps(said)).origin


def test_a_greeting_says_nothing() -> None:
    assert read(blank("me")).wakes == ()


def test_what_waits_is_bounded_and_becomes_coarser() -> None:
    outbox = Outbox()
    for n in range(100):
        outbox.add(Wake("demo", ((f"q{n}", "", 1),)))
    (text,) = outbox.take("me", 60_000)
    assert read(text).wakes == (Wake("demo", anything=True),)
    assert outbox.take("me", 60_000) == []
    for n in range(2_000):
        outbox.add(Wake(f"p{n}"))
    (text,) = outbox.take("me", 60_000)
    assert read(text).wakes is None


def test_after_a_loss_the_next_text_is_that_anything_may_have_happened() -> None:
    outbox = Outbox()
    outbox.add(Wake("demo"))
    outbox.take("me", 1000)
    outbox.lost()
    assert outbox
    outbox.add(Wake("demo"))
    (text,) = outbox.take("me", 1000)
    assert read(text).wakes is None
    assert not outbox


@pytest.mark.anyio
async def test_a_commit_tells_what_became_ready_where_places_are_and_who_was_handed_something() -> None:
    clock, bus = VirtualClock(), Bus()
    async with WiredHub(Wiring(MemoryStore(clock), clock, KEY, {}, signals=bus.signals()), background=False) as hub:
        project = await hub.project("demo", create=True)
        await project.set_queue("docs", max_in_progress=1)
        for agent in ("ada", "ben"):
            await project.register_agent(agent)
        await project.execute_many(
            [c.CreateTask(title="T", requires=("b", "a")), c.CreateTask(title="U", queue="docs")]
        )
        assert bus.sent[-1] == Wake("demo", (("default", "a,b", 1), ("docs", "", 1)), (("docs", 1),))
        await project.create_task("V", queue="docs")
        work = await project.claim("ada", capabilities=[], queues=["docs"])
        assert work is not None
        # A claim makes nothing ready, and frees no place: but it left an event.
        assert bus.sent[-1] == Wake("demo")
        await work.handoff("ben", "yours")
        assert bus.sent[-1] == Wake("demo", agents=("ben",))
        ben = await project.claim("ben", capabilities=[])
        assert ben is not None
        await ben.complete("done", evidence=["e"])
        assert bus.sent[-1] == Wake("demo", places=(("docs", 1),))
        await project.register_agent("ada", capabilities=["python"])
        assert bus.sent[-1] == Wake("demo", agents=("ada",))
        before = len(bus.sent)
        assert await project.claim("ada", queues=["docs"], capabilities=[]) is not None
        assert await project.claim("ben", queues=["docs"], capabilities=[]) is None
        await wait_all_tasks_blocked()
        # Who found nothing has changed nothing, and tells nothing.
        assert len(bus.sent) == before + 1


def test_a_carrier_that_cannot_publish_is_refused_when_it_is_made() -> None:
    class Deaf(Carrier):
        async def serve(self, heard: Hear) -> None:
            """Hear nothing."""

    with pytest.raises(TypeError, match="publish"):
        Deaf("nobody", lambda: 0.5, 100)  # type: ignore[abstract]  # which is what is tried
