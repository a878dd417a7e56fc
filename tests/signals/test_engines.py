"""Engines that hear of each other: who is woken by what another process commits, and what a lost hint costs."""

from __future__ import annotations

import gc
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any

import anyio
import pytest
from anyio import wait_all_tasks_blocked

from arbeit.backends.memory import MemoryStore
from arbeit.compose import Wiring
from arbeit.core import commands as c
from arbeit.core.errors import ArbeitError
from arbeit.core.model import Changes, Reply
from arbeit.ports import Capabilities, Job, LocalStore, Wake
from arbeit.project import Project
from arbeit.testing.clock import VirtualClock
from arbeit.testing.contract import KEY, WiredHub
from arbeit.testing.faults import FaultyStore
from arbeit.testing.signals import Bus
from arbeit.work import Work
from tests.engine.test_waiting import PATIENCE, WAKERS, Line, held, line_up

pytestmark = pytest.mark.anyio


class SharedStore(FaultyStore):
    """A store in memory as one of several processes sees it; what another committed shows in its pulse."""

    commits = 0

    def __init__(self, store: LocalStore) -> None:
        super().__init__(store)
        self.capabilities = Capabilities(durable=False, shared=True, blocking=False)
        self.looks = 0

    def transact(self, jobs: Sequence[Job]) -> list[Changes | Exception]:
        results = super().transact(jobs)
        SharedStore.commits += any(isinstance(result, Changes) and not result.empty for result in results)
        return results

    def pulse(self) -> int:
        self.looks += 1
        return SharedStore.commits


class Two:
    """Two processes on one store: work is made in one, and waited for in the other."""

    def __init__(self, clock: VirtualClock, bus: Bus, there: Project, here: Line, store: SharedStore) -> None:
        self.clock = clock
        self.bus = bus
        self.there = there
        self.here = here
        self.store = store


@asynccontextmanager
async def two(*, signals: bool = True) -> AsyncIterator[tuple[Two, Any]]:
    """Two processes, and a task group to wait in."""
    clock, bus = VirtualClock(), Bus()
    memory = MemoryStore(clock)
    store = SharedStore(memory)
    async with AsyncExitStack() as stack:
        hubs = [
            await stack.enter_async_context(
                WiredHub(Wiring(one, clock, KEY, {}, signals=bus.signals() if signals else None), background=False)
            )
            for one in (SharedStore(memory), store)
        ]
        there = await hubs[0].project("demo", create=True)
        here = Line(await hubs[1].project("demo"))
        await clock.advance(0.2)
        with anyio.fail_after(PATIENCE):
            async with anyio.create_task_group() as group:
                yield Two(clock, bus, there, here, store), group
                group.cancel_scope.cancel()


@pytest.mark.parametrize("waker", WAKERS)
async def test_whatever_makes_a_task_claimable_wakes_a_claimer_in_another_process(waker: str) -> None:
    async with two() as (s, group):
        wake = await WAKERS[waker](s.there)
        await line_up(s.here, group, "a")
        assert s.here.got == []
        await wake()
        await wait_all_tasks_blocked()
        # No time has passed, so nobody has looked: it was the hint.
        assert s.here.got == [("a", "woken")]


async def test_a_hint_wakes_one_claimer_for_each_task_and_nobody_who_cannot_take_it() -> None:
    async with two() as (s, group):
        await line_up(s.here, group, "plain", "other")
        await line_up(s.here, group, "coder", capabilities=["python"])
        before = s.store.transactions
        await s.there.create_task("T", requires=["python"])
        await wait_all_tasks_blocked()
        assert (s.here.got, s.store.transactions - before) == ([("coder", "T")], 1)
        await s.there.execute_many([c.CreateTask(title="U")] * 2)
        await wait_all_tasks_blocked()
        assert sorted(s.here.got[1:]) == [("other", "U"), ("plain", "U")]
        assert s.store.transactions - before == 2


async def test_of_two_processes_one_gets_the_task_and_one_claimer_of_the_other_looks_in_vain() -> None:
    async with two() as (s, group):
        line = Line(s.there)
        await line_up(s.here, group, "a", "b", "c")
        await line_up(line, group, "d", "e")
        before = s.store.transactions
        await s.there.create_task("T")
        await wait_all_tasks_blocked()
        # Which process is first is the event loop's to say (trio draws lots); of the three that wait here, one looked.
        assert line.got + s.here.got in ([("d", "T")], [("a", "T")])
        assert s.store.transactions - before == 1


async def test_who_looks_in_vain_passes_the_hint_on_to_one_that_is_not_like_it() -> None:
    async with two() as (s, group):
        await line_up(s.here, group, "a", "b")
        await line_up(s.here, group, "c", "d", capabilities=["python"])
        before = s.store.transactions
        # What the hint says is not there, as if somebody else had taken it.
        s.bus.carry(s.bus.signals(), Wake("demo", ready=(("default", "", 1),)))
        await wait_all_tasks_blocked()
        assert (s.here.got, s.store.transactions - before) == ([], 2)
        # Everybody has kept its place.
        await s.there.create_task("T")
        await wait_all_tasks_blocked()
        assert s.here.got == [("a", "T")]


async def test_what_is_handed_over_in_another_process_wakes_the_one_it_is_for() -> None:
    async with two() as (s, group):
        work = await held(s.there)
        for agent in ("a", "b"):
            await s.there.register_agent(agent)
        await line_up(s.here, group, "a", "b")
        await work.handoff("b", "yours")
        await wait_all_tasks_blocked()
        assert s.here.got == [("b", "T")]


async def test_what_an_agent_learns_in_another_process_wakes_it_for_what_it_can_do_now() -> None:
    async with two() as (s, group):
        await s.there.create_task("T", requires=["python"])
        await line_up(s.here, group, "a", capabilities=None)
        await s.there.register_agent("a", capabilities=["python"])
        await wait_all_tasks_blocked()
        assert s.here.got == [("a", "T")]


async def test_a_watcher_hears_of_events_of_another_process_at_once() -> None:
    async with two() as (s, group):
        seen: list[str] = []

        async def watch() -> None:
            async for event in s.here.project.watch():
                seen.append(event.type)  # noqa: PERF401 - it is looked at meanwhile

        group.start_soon(watch)
        await wait_all_tasks_blocked()
        assert seen == ["project_created"]
        await s.there.create_task("T")
        await wait_all_tasks_blocked()
        assert seen[-1] == "task_created"


@pytest.mark.parametrize("signals", [True, False])
async def test_a_hint_that_is_lost_costs_the_time_to_the_next_look(signals: bool) -> None:
    async with two(signals=signals) as (s, group):
        await line_up(s.here, group, "a")
        s.bus.planned.append("lose")
        await s.there.create_task("T")
        await wait_all_tasks_blocked()
        assert s.here.got == []
        # A look every second at most, give or take half, where hints come through; every 50 ms where there are none.
        await s.clock.advance(1.6 if signals else 0.08)
        assert s.here.got == [("a", "T")]


async def test_hints_that_come_twice_or_late_change_nothing() -> None:
    async with two() as (s, group):
        await line_up(s.here, group, "a", "b")
        s.bus.planned.extend(["double", "hold"])
        await s.there.create_task("T")
        await s.there.create_task("U")
        await wait_all_tasks_blocked()
        # The second of the doubled hint has found the task whose own hint is late.
        assert sorted(title for _, title in s.here.got) == ["T", "U"]
        await line_up(s.here, group, "c")
        s.bus.release()
        await wait_all_tasks_blocked()
        assert len(s.here.got) == 2
        await s.there.create_task("V")
        await wait_all_tasks_blocked()
        assert s.here.got[2:] == [("c", "V")]


async def test_engines_look_every_second_while_hints_come_through_and_every_50_ms_while_they_do_not() -> None:
    async with two() as (s, group):
        await line_up(s.here, group, "a")

        async def looks(seconds: float) -> int:
            before = s.store.looks
            await s.clock.advance(seconds)
            return s.store.looks - before

        assert 2 <= await looks(4) <= 8
        s.bus.fail()
        assert 6 <= await looks(0.5) <= 20
        s.bus.heal()
        assert 2 <= await looks(4) <= 9


async def test_an_engine_looks_at_once_when_hints_stop_or_come_back() -> None:
    async with two() as (s, group):
        await line_up(s.here, group, "a", "b")
        for turn, title in ((s.bus.fail, "T"), (s.bus.heal, "U")):
            s.bus.planned.append("lose")
            await s.there.create_task(title)
            turn()
            await s.clock.advance(0.08)
            assert s.here.got[-1][1] == title


async def test_however_often_hints_may_have_been_missed_looks_stay_apart() -> None:
    async with two() as (s, group):
        await line_up(s.here, group, "a")
        before = s.store.looks
        for _ in range(40):
            s.bus.heal()
            await s.clock.advance(0.005)
        # 200 ms in steps of 5: between two looks are 25 ms at least.
        assert 2 <= s.store.looks - before <= 9


async def test_an_engine_that_closes_has_announced_its_last_commit() -> None:
    clock, bus = VirtualClock(), Bus()
    async with WiredHub(Wiring(MemoryStore(clock), clock, KEY, {}, signals=bus.signals()), background=False) as hub:
        project = await hub.project("demo", create=True)
        with anyio.CancelScope() as scope:
            scope.cancel()
            await project.create_task("T")
    assert bus.sent[-1] == Wake("demo", ready=(("default", "", 1),))


# --- what holders hear --------------------------------------------------------------------------------------


class News:
    """What a holder hears of its lease."""

    def __init__(self) -> None:
        self.told: list[str] = []

    def renewed(self, reply: Reply) -> None:
        self.told += [notice.code for notice in reply.warnings] or ["renewed"]

    def lost(self, error: ArbeitError) -> None:
        self.told.append(error.code)


async def holding(s: Two, *, ttl: float = 3600) -> tuple[Work, News]:
    """A task that is held in one process, where a supervisor in the other may concern itself with it."""
    await s.there.create_task("T")
    await s.there.register_agent("boss", persona="supervisor")
    work = await s.here.project.claim("ada", ttl=ttl)
    assert work is not None
    s.here.project._session.hold("demo", news := News(), work.lease, work.token)
    await wait_all_tasks_blocked()
    return work, news


@pytest.mark.parametrize("where", ["here", "there"])
async def test_a_holder_hears_at_once_that_it_is_to_give_way(where: str) -> None:
    async with two() as (s, _):
        work, news = await holding(s)
        boss = (s.there if where == "there" else s.here.project).as_("boss")
        await boss.preempt_task(work.task.id)
        await wait_all_tasks_blocked()
        assert news.told == ["PREEMPT_REQUESTED"]
        # Once: what it knows already is no news.
        await s.clock.advance(10)
        assert news.told == ["PREEMPT_REQUESTED"]


@pytest.mark.parametrize("where", ["here", "there"])
async def test_a_holder_hears_at_once_that_its_task_was_taken_from_it(where: str) -> None:
    async with two() as (s, _):
        work, news = await holding(s)
        boss = (s.there if where == "there" else s.here.project).as_("boss")
        await boss.cancel_task(work.task.id, force=True)
        await wait_all_tasks_blocked()
        assert news.told == ["LEASE_LOST"]


async def test_what_a_holder_does_itself_is_no_news_to_it() -> None:
    async with two() as (s, _):
        work, news = await holding(s)
        before = s.store.transactions
        await work.attempt("a try")
        await s.there.as_("ada").add_context(work.task.id, "from elsewhere, in the same name")
        await wait_all_tasks_blocked()
        await s.clock.advance(10)
        assert (news.told, s.store.transactions - before) == ([], 1)
        await work.complete("done", evidence=["seen"])
        await wait_all_tasks_blocked()
        assert news.told == []


@pytest.mark.parametrize("ending", ["preempt", "cancel", "delete"])
async def test_without_hints_a_holder_hears_by_a_look_within_two_seconds(ending: str) -> None:
    async with two(signals=False) as (s, _):
        work, news = await holding(s)
        boss = s.there.as_("boss")
        await s.clock.advance(3)
        if ending == "preempt":
            await boss.preempt_task(work.task.id)
        else:
            await boss.cancel_task(work.task.id, force=True)
        if ending == "delete":
            await boss.delete_task(work.task.id)
        assert news.told == []
        await s.clock.advance(2)
        assert len(news.told) == 1
        assert news.told[0] in {"PREEMPT_REQUESTED", "LEASE_LOST", "TASK_NOT_FOUND"}


async def test_without_hints_holders_are_looked_at_once_a_second_however_much_others_commit() -> None:
    async with two(signals=False) as (s, _):
        _, news = await holding(s)
        looks: list[str] = []
        lookup = s.store.lookup

        def counted(project: str, kind: Any, keys: Sequence[str], scope: Any) -> list[Any]:  # noqa: ANN401 - the store's own
            looks.append(kind)
            return lookup(project, kind, keys, scope)

        s.store.lookup = counted  # type: ignore[method-assign]  # to count
        for number in range(50):
            await s.there.create_task(f"T{number}")
            await s.clock.advance(0.1)
        assert news.told == []
        assert 3 <= looks.count("lease") <= 6


async def test_hints_that_were_missed_cost_a_holder_two_seconds() -> None:
    async with two() as (s, _):
        work, news = await holding(s)
        s.bus.planned.append("lose")
        await s.there.as_("boss").preempt_task(work.task.id)
        await s.clock.advance(5)
        assert news.told == []
        # Its carrier was away for a moment, and says so.
        s.bus.fail()
        s.bus.heal()
        await s.clock.advance(2)
        assert news.told == ["PREEMPT_REQUESTED"]


async def test_a_hint_that_names_nobody_has_holders_looked_at() -> None:
    async with two() as (s, _):
        work, news = await holding(s)
        s.bus.planned.append("lose")
        await s.there.as_("boss").preempt_task(work.task.id)
        s.bus.carry(s.bus.signals(), Wake("demo", anything=True))
        await s.clock.advance(3)
        assert news.told == ["PREEMPT_REQUESTED"]


@pytest.mark.parametrize("where", ["here", "there"])
async def test_a_wish_that_shares_its_commit_with_a_note_of_the_holder_is_heard(where: str) -> None:
    async with two() as (s, _):
        work, news = await holding(s)
        note = c.AddContext(actor="ada", task_id=work.task.id, content="still at it")
        project = s.there if where == "there" else s.here.project
        await project.execute_many([note, c.PreemptTask(actor="boss", task_id=work.task.id)])
        await wait_all_tasks_blocked()
        assert [told for told in news.told if told != "STALE_CONTEXT"] == ["PREEMPT_REQUESTED"]


@pytest.mark.parametrize("signals", [True, False], ids=["hints", "no-hints"])
@pytest.mark.parametrize("where", ["here", "there"])
async def test_what_is_done_to_a_lease_before_it_is_kept_alive_is_heard(where: str, signals: bool) -> None:
    async with two(signals=signals) as (s, _):
        await s.there.create_task("T")
        await s.there.register_agent("boss", persona="supervisor")
        work = await s.here.project.claim("ada", ttl=3600)
        assert work is not None
        await s.clock.advance(3)
        await (s.there if where == "there" else s.here.project).as_("boss").preempt_task(work.task.id)
        await s.clock.advance(3)
        s.here.project._session.hold("demo", news := News(), work.lease, work.token)
        await s.clock.advance(2)
        assert news.told == ["PREEMPT_REQUESTED"]


async def test_a_doubt_that_comes_while_leases_are_looked_at_is_not_forgotten() -> None:
    async with two() as (s, _):
        _, news = await holding(s)
        lookup = s.store.lookup
        looks = 0

        def looked(project: str, kind: Any, keys: Sequence[str], scope: Any) -> list[Any]:  # noqa: ANN401 - the store's own
            nonlocal looks
            looks += kind == "lease"
            found = lookup(project, kind, keys, scope)
            if kind == "lease" and looks == 1:
                # The hint that names nobody comes after this look was made, and before its answer is used.
                s.bus.carry(s.bus.signals(), Wake("demo", anything=True))
            return found

        s.store.lookup = looked  # type: ignore[method-assign]  # to come in between
        s.bus.carry(s.bus.signals(), Wake("demo", anything=True))
        await s.clock.advance(5)
        assert (looks, news.told) == (2, [])


async def test_a_store_that_cannot_look_leases_up_costs_nobody_a_renewal(caplog: pytest.LogCaptureFixture) -> None:
    async with two(signals=False) as (s, _):
        _, news = await holding(s, ttl=30)

        def unknown(*_: object) -> list[Any]:
            raise KeyError("lease")

        s.store.lookup = unknown  # type: ignore[method-assign,assignment]  # an older store of somebody's
        await s.there.create_task("U")
        await s.clock.advance(35)
        assert news.told == ["renewed"] * 3
        assert [record.message for record in caplog.records if record.exc_info] == [
            "a look at held leases failed, and is not tried again"
        ]


async def test_of_two_that_keep_one_lease_alive_the_one_that_is_left_hears_what_others_do() -> None:
    async with two() as (s, _):
        work, first = await holding(s)
        session = s.here.project._session
        for again in (News(), News()):
            session.hold("demo", again, work.lease, work.token)
            session.let_go(again)
        await s.there.as_("boss").preempt_task(work.task.id)
        await wait_all_tasks_blocked()
        assert first.told == ["PREEMPT_REQUESTED"]


async def test_work_that_is_done_is_not_kept_in_mind_until_its_next_renewal() -> None:
    async with two() as (s, _):
        work, _news = await holding(s)
        session = s.here.project._session
        for _ in range(2_000):
            session.hold("demo", done := News(), work.lease, work.token)
            session.let_go(done)
        referents = [one for one in gc.get_objects() if isinstance(one, News)]
        assert len(referents) < 100
