"""Held work is kept alive while it is entered, and a lost lease is heard of."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from itertools import pairwise

import anyio
import pytest
from attrs import frozen

from arbeit.backends.memory import MemoryStore
from arbeit.compose import Wiring
from arbeit.core.errors import ArbeitError, Code
from arbeit.core.model import SECOND, Lease, Reply
from arbeit.project import Project
from arbeit.testing.clock import VirtualClock
from arbeit.testing.contract import KEY, WiredHub
from arbeit.testing.faults import Fault, FaultyStore
from arbeit.work import Work
from tests.engine.stores import in_memory, log, types

pytestmark = pytest.mark.anyio
PROOF = ["pytest"]
AWAY: list[Fault] = ["fail"] * 1000


@frozen
class Setting:
    """A project on a virtual clock."""

    clock: VirtualClock
    store: FaultyStore
    project: Project
    elsewhere: Project | None = None
    """The same project in another hub, where there is one."""


@asynccontextmanager
async def setting(*, background: bool = True) -> AsyncIterator[Setting]:
    """A hub that reclaims in the background, or not."""
    clock = VirtualClock()
    store, wiring = in_memory(clock)
    async with WiredHub(wiring, background=background) as hub:
        yield Setting(clock, store, await hub.project("demo", create=True))


@asynccontextmanager
async def beside_another() -> AsyncIterator[Setting]:
    """A hub whose store can be made to fail, beside one that reclaims on the same store."""
    clock = VirtualClock()
    memory = MemoryStore(clock)
    store = FaultyStore(memory)
    async with (
        WiredHub(Wiring(memory, clock, KEY, {})) as other,
        WiredHub(Wiring(store, clock, KEY, {}), background=False) as hub,
    ):
        project = await hub.project("demo", create=True)
        yield Setting(clock, store, project, await other.project("demo"))


async def test_entered_work_keeps_its_lease() -> None:
    async with setting() as s:
        task = await s.project.create_task("T")
        work = await s.project.claim("ada")
        assert work is not None
        async with work:
            for _ in range(5):
                await s.clock.advance(60)
                (lease,) = (await s.project.overview()).leases
                assert lease.id == work.lease.id
                assert s.clock.now() < lease.expires_at <= s.clock.now() + lease.ttl
            await work.complete("after five minutes", evidence=PROOF)
        assert (await s.project.get(task.id)).task.attempt == 1
        # Liveness is no history.
        assert types(s.store)[-2:] == ["task_claimed", "task_completed"]


async def test_a_lease_is_renewed_at_a_third_of_its_length() -> None:
    async with setting(background=False) as s:
        await s.project.create_task("T")
        work = await s.project.claim("ada", ttl=90)
        assert work is not None
        async with work:
            acquired = work.lease.acquired_at
            for at, beats in ((29, 0), (31, 30), (59, 30), (61, 60), (91, 90)):
                await s.clock.advance(at - (s.clock.now() - acquired) / SECOND)
                (lease,) = (await s.project.overview()).leases
                assert lease.heartbeat_at == acquired + beats * SECOND
                assert lease.expires_at == lease.heartbeat_at + 90 * SECOND


async def test_renewals_that_come_together_share_a_transaction() -> None:
    async with setting(background=False) as s:
        for number in range(50):
            await s.project.create_task(f"T{number}")
        async with anyio.create_task_group() as group:

            async def hold(work: object) -> None:
                async with work:  # type: ignore[attr-defined]  # a Work
                    await anyio.sleep_forever()

            for work in await s.project.claim_many("ada", n=50, ttl=60):
                group.start_soon(hold, work)
            await anyio.wait_all_tasks_blocked()
            before = s.store.transactions
            await s.clock.advance(21)
            assert s.store.transactions - before == 1
            group.cancel_scope.cancel()


class Beaten:
    """What a holder hears of its lease."""

    def __init__(self) -> None:
        self.deadlines: list[int | None] = []
        self.notices: list[str] = []
        self.errors: list[ArbeitError] = []

    def renewed(self, reply: Reply) -> None:
        self.deadlines.append(reply.expires_at)
        self.notices += [notice.code for notice in reply.warnings]

    def lost(self, error: ArbeitError) -> None:
        self.errors.append(error)


async def held(s: Setting, count: int, ttl: Callable[[int], float], every: float = 0.0) -> list[tuple[Work, Beaten]]:
    """Tasks claimed by agents of their own, every so many seconds another, and held."""
    session = s.project._session
    found = []
    for number in range(count):
        await s.project.create_task(f"T{number}")
        work = await s.project.claim(f"agent-{number}", ttl=ttl(number))
        assert work is not None
        session.hold("demo", beaten := Beaten(), work.lease, work.token)
        found.append((work, beaten))
        await s.clock.advance(every)
    return found


async def test_leases_whose_times_are_near_are_renewed_by_one_command() -> None:
    async with setting(background=False) as s:
        found = await held(s, 40, lambda _: 60, every=0.02)
        before = s.store.transactions
        await s.clock.advance(25)
        assert s.store.transactions - before == 1
        assert {len(beaten.deadlines) for _, beaten in found} == {1}
        # Together from now on.
        await s.clock.advance(60)
        assert s.store.transactions - before == 4
        assert {len(beaten.deadlines) for _, beaten in found} == {4}
        assert {beaten.deadlines[-1] for _, beaten in found} == {lease.expires_at for lease in await leases(s)}


async def leases(s: Setting) -> tuple[Lease, ...]:
    return (await s.project.overview()).leases


async def test_nobody_is_renewed_late_or_more_than_a_twentieth_early() -> None:
    async with setting(background=False) as s:
        found = await held(s, 16, lambda number: (4, 9, 30, 60)[number % 4], every=0.05)
        await s.clock.advance(65)
        for work, beaten in found:
            ttl = work.lease.ttl
            moments = [work.lease.acquired_at, *((deadline or 0) - ttl for deadline in beaten.deadlines)]
            assert len(moments) > 3
            assert all(ttl // 3 - min(SECOND, ttl // 20) <= other - one <= ttl // 3 for one, other in pairwise(moments))


async def test_each_hears_its_own_of_what_was_renewed_together() -> None:
    async with beside_another() as s:
        await s.project.register_agent("boss", persona="supervisor")
        found = await held(s, 4, lambda _: 60)
        assert s.elsewhere is not None
        # Another process, of which this one hears nothing but by renewing.
        boss = s.elsewhere.as_("boss")
        await boss.preempt_task(found[1][0].task.id)
        await boss.cancel_task(found[2][0].task.id, force=True)
        before = s.store.transactions
        await s.clock.advance(20.5)
        assert s.store.transactions - before == 1
        assert [len(beaten.deadlines) for _, beaten in found] == [1, 1, 0, 1]
        assert [beaten.notices for _, beaten in found] == [[], ["PREEMPT_REQUESTED"], [], []]
        assert [[error.code for error in beaten.errors] for _, beaten in found] == [[], [], [Code.LEASE_LOST], []]
        (lost,) = found[2][1].errors
        assert (lost.data["task_id"], lost.suggestions != ()) == (found[2][0].task.id, True)
        # What is lost is renewed no more, and heard of once; the grace of the one that gave no way is over.
        await s.clock.advance(20)
        assert [len(beaten.deadlines) for _, beaten in found] == [2, 1, 0, 2]
        assert [len(beaten.errors) for _, beaten in found] == [0, 1, 1, 0]


async def test_a_store_that_is_away_is_asked_once_a_second_for_all_of_them() -> None:
    async with setting(background=False) as s:
        found = await held(s, 20, lambda _: 60)
        s.store.plan(*AWAY)
        await s.clock.advance(20)
        before = s.store.transactions
        await s.clock.advance(10)
        assert s.store.transactions - before <= 21
        s.store.planned.clear()
        await s.clock.advance(2)
        assert {len(beaten.deadlines) for _, beaten in found} == {1}
        assert all(beaten.errors == [] for _, beaten in found)


async def test_projects_are_renewed_apart() -> None:
    async with setting(background=False) as s:
        found = await held(s, 2, lambda _: 60)
        session = s.project._session
        work, beaten = found[0]
        session.hold("elsewhere", gone := Beaten(), work.lease, work.token)
        await s.clock.advance(21)
        assert len(beaten.deadlines) == 1
        assert [error.code for error in gone.errors] == [Code.PROJECT_NOT_FOUND]


async def test_work_that_is_not_entered_is_reclaimed_within_two_seconds() -> None:
    async with setting() as s:
        task = await s.project.create_task("T")
        for _ in range(10):
            await s.project.update(settings={"retry": "at_once"})
            work = await s.project.claim("ada", ttl=30)
            if work is None:
                break
            await s.clock.advance(32)
            reclaimed = [event for event in log(s.store) if event.type == "task_reclaimed"][-1]
            assert 0 <= reclaimed.at - work.lease.expires_at <= 2 * SECOND
        found = (await s.project.get(task.id)).task
        assert (found.status, found.attempt) == ("blocked", 3)


async def test_due_work_is_promoted_within_two_seconds() -> None:
    async with setting() as s:
        for number in range(20):
            await s.project.create_task("T", task_id=f"t{number}", ready_at=s.clock.now() + number * 777_000)
        await s.clock.advance(20)
        readied = {event.task_id: event.at for event in log(s.store) if event.type == "task_readied"}
        tasks = {task.id: task for task in (await s.project.find()).tasks}
        assert {task.claim_status for task in tasks.values()} == {"ready"}
        late = [at - tasks[str(task_id)].ready_at for task_id, at in readied.items()]
        assert len(late) == 19
        assert all(0 <= delay <= 2 * SECOND for delay in late)


async def test_every_project_of_the_store_is_looked_after() -> None:
    clock = VirtualClock()
    store, wiring = in_memory(clock)
    async with WiredHub(wiring, background=False) as before:
        for number in range(150):
            project = await before.project(f"p{number}", create=True)
            await project.create_task("T", ready_at=clock.now() + SECOND)
        # A process that never heard of these projects.
        async with WiredHub(Wiring(store, clock, KEY, {})):
            await clock.advance(3.9)
            waiting = [number for number in range(150) if types(store, f"p{number}")[-1] != "task_readied"]
            assert waiting == []


async def test_without_background_only_claims_look_after_leases() -> None:
    clock = VirtualClock()
    store, wiring = in_memory(clock)
    async with WiredHub(wiring, background=False) as hub:
        project = await hub.project("demo", create=True)
        await project.create_task("T")
        await project.claim("ada", ttl=1)
        await clock.advance(100)
        assert "task_reclaimed" not in types(store)
        await project.claim("bob")
        assert "task_reclaimed" in types(store)


async def test_a_lost_lease_cancels_the_block_and_is_heard_of() -> None:
    async with beside_another() as s:
        await s.project.create_task("T")
        work = await s.project.claim("ada", ttl=30)
        assert work is not None
        reached: list[str] = []
        went_on = anyio.Event()

        async def block() -> None:
            async with work:
                reached.append("in")
                await anyio.sleep_forever()
                reached.append("never")

        async def holder() -> None:
            with pytest.raises(ArbeitError) as caught:
                await block()
            assert caught.value.code is Code.LEASE_LOST
            # Only the block was cancelled, not whoever runs it.
            await anyio.lowlevel.checkpoint()
            went_on.set()

        with anyio.fail_after(20):
            async with anyio.create_task_group() as group:
                group.start_soon(holder)
                await anyio.wait_all_tasks_blocked()
                # This process cannot reach the store for a while, and another one takes the task back.
                s.store.plan(*AWAY)
                await s.clock.advance(35)
                assert "task_reclaimed" in types(s.store)
                s.store.planned.clear()
                await s.clock.advance(2)
                await went_on.wait()
        assert reached == ["in"]
        assert work.is_lost
        with pytest.raises(ArbeitError) as caught:
            await work.note("too late")
        assert caught.value.code is Code.LEASE_LOST


async def test_a_holder_that_cannot_renew_keeps_trying_until_it_can() -> None:
    async with beside_another() as s:
        await s.project.create_task("T")
        work = await s.project.claim("ada", ttl=60)
        assert work is not None
        async with work:
            # The other hub would reclaim, but the store is back before the deadline.
            s.store.plan(*AWAY)
            await s.clock.advance(50)
            s.store.planned.clear()
            await s.clock.advance(60)
            await work.complete("held on", evidence=PROOF)


async def test_after_a_failure_a_lease_is_renewed_as_often_as_before() -> None:
    async with setting(background=False) as s:
        await s.project.create_task("T")
        work = await s.project.claim("ada", ttl=60)
        assert work is not None
        async with work:
            s.store.plan(*AWAY[:5])
            await s.clock.advance(30)
            s.store.planned.clear()
            before = s.store.transactions
            await s.clock.advance(60)
            assert s.store.transactions - before <= 4


async def test_a_task_group_in_the_block_is_cancelled_with_it() -> None:
    async with beside_another() as s:
        await s.project.create_task("T")
        work = await s.project.claim("ada", ttl=30)
        assert work is not None
        stopped = anyio.Event()

        async def child() -> None:
            try:
                await anyio.sleep_forever()
            finally:
                stopped.set()

        async def holder() -> None:
            with pytest.raises(ArbeitError):
                async with work, anyio.create_task_group() as inner:
                    inner.start_soon(child)

        with anyio.fail_after(20):
            async with anyio.create_task_group() as group:
                group.start_soon(holder)
                await anyio.wait_all_tasks_blocked()
                s.store.plan(*AWAY)
                await s.clock.advance(35)
                s.store.planned.clear()
                await s.clock.advance(2)
                await stopped.wait()


@pytest.mark.parametrize("known", [True, False])
async def test_an_exception_matters_more_than_a_lost_lease(known: bool) -> None:
    async with beside_another() as s:
        await s.project.create_task("T")
        work = await s.project.claim("ada", ttl=5)
        assert work is not None

        async def block() -> None:
            async with work:
                s.store.plan(*AWAY)
                with anyio.CancelScope(shield=True):
                    await s.clock.advance(10)
                    s.store.planned.clear()
                    if known:
                        await s.clock.advance(2)
                assert work.is_lost is known
                raise ZeroDivisionError

        with pytest.raises(ZeroDivisionError) as caught:
            await block()
        assert "task_reclaimed" in types(s.store)
        assert "task_failed" not in types(s.store)
        if not known:
            assert "LEASE_LOST" in str(caught.value.__notes__)


async def test_finished_work_is_renewed_no_more() -> None:
    async with setting(background=False) as s:
        for _ in range(2):
            await s.project.create_task("T")
        work = await s.project.claim("ada", ttl=30)
        assert work is not None
        async with work:
            await work.complete("done", evidence=PROOF)
            before = s.store.transactions
            await s.clock.advance(300)
            assert s.store.transactions == before
            assert not work.is_lost


async def test_a_cancelled_block_releases() -> None:
    async with setting() as s:
        task = await s.project.create_task("T")
        with anyio.CancelScope() as scope:
            work = await s.project.claim("ada")
            assert work is not None
            async with work:
                scope.cancel()
                await anyio.sleep_forever()
        assert scope.cancelled_caught
        parts = await s.project.get(task.id, include=["runs", "context"])
        assert (parts.task.claim_status, parts.task.attempt) == ("ready", 0)
        assert [run.result for run in parts.runs or ()] == ["released"]


@pytest.mark.parametrize("error", [KeyboardInterrupt, SystemExit])
async def test_an_interrupt_releases_and_goes_on(error: type[BaseException]) -> None:
    async with setting() as s:
        task = await s.project.create_task("T")
        with pytest.raises(error):
            async with await s.project.start_task(task.id, "ada"):
                raise error
        assert (await s.project.get(task.id)).task.attempt == 0


async def test_work_in_work_is_renewed_apart() -> None:
    async with setting(background=False) as s:
        for number in range(2):
            await s.project.create_task(f"T{number}")
        first, second = await s.project.claim("ada", ttl=30), await s.project.claim("ada", ttl=60)
        assert first is not None
        assert second is not None
        async with first:
            async with second:
                await s.clock.advance(100)
                await second.complete("2", evidence=PROOF)
            await s.clock.advance(100)
            await first.complete("1", evidence=PROOF)
        assert types(s.store).count("task_completed") == 2
