"""A connection that breaks while committing: each command ends up in the log once, and its caller hears of it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from random import Random

import anyio
import pytest

from arbeit.backends.memory import MemoryStore
from arbeit.compose import Wiring
from arbeit.core import commands as c
from arbeit.core.errors import ArbeitError, Code
from arbeit.core.model import Changes, Reply
from arbeit.ports import Job, OutcomeUnknown
from arbeit.testing.clock import VirtualClock
from arbeit.testing.contract import KEY, WiredHub, WiredSyncHub
from arbeit.testing.faults import Fault, FaultyStore
from tests.engine.stores import in_memory, log, types

pytestmark = pytest.mark.anyio

LOST: list[list[Fault | None]] = [
    ["lose_reply"],
    ["lose_commit"],
    ["lose_reply", "fail"],
    ["lose_commit", "fail"],
    ["lose_reply", "lose_reply", "lose_commit"],
    ["lose_commit", "lose_commit", "lose_reply"],
    ["lose_reply", "fail", "fail", "lose_reply", "fail"],
    # The second run is lost as well.
    ["lose_commit", None, "lose_reply"],
    ["lose_commit", None, "lose_commit", None, "lose_reply", "fail"],
]
NAMES = ["-".join(str(fault) for fault in plan) for plan in LOST]
PROOF = ["pytest"]
AWAY: list[Fault] = ["fail"] * 50


@pytest.fixture(autouse=True)
def hurry(monkeypatch: pytest.MonkeyPatch) -> None:
    """The synchronous face waits in its caller's thread between two looks; here it need not."""
    monkeypatch.setattr("arbeit.session.time.sleep", lambda _seconds: None)


async def keep_moving(clock: VirtualClock) -> None:
    """Let virtual time pass for whoever waits for it."""
    while True:
        await clock.advance(1)


@pytest.mark.parametrize("plan", LOST, ids=NAMES)
async def test_an_asynchronous_command_happens_once(plan: list[Fault | None]) -> None:
    clock = VirtualClock()
    store, wiring = in_memory(clock)
    async with WiredHub(wiring, background=False) as hub, anyio.create_task_group() as group:
        group.start_soon(keep_moving, clock)
        project = await hub.project("demo", create=True)
        store.plan(*plan)
        task = await project.create_task("T")
        store.plan(*plan)
        work = await project.claim("ada")
        assert work is not None
        store.plan(*plan)
        await work.note("noted")
        store.plan(*plan)
        await work.complete("done", evidence=PROOF, idempotency_key="k")
        assert work.ended
        assert work.task.id == task.id
        group.cancel_scope.cancel()
    assert types(store)[1:] == [
        "task_created",
        "agent_registered",
        "task_claimed",
        "context_added",
        "task_completed",
    ]


@pytest.mark.parametrize("plan", LOST, ids=NAMES)
def test_a_synchronous_command_happens_once(plan: list[Fault | None]) -> None:
    store, wiring = in_memory()
    with WiredSyncHub(wiring) as hub:
        project = hub.project("demo", create=True)
        store.plan(*plan)
        task = project.create_task("T")
        store.plan(*plan)
        work = project.claim("ada")
        assert work is not None
        assert work.task.id == task.id
        store.plan(*plan)
        work.note("noted")
        store.plan(*plan)
        work.complete("done", evidence=PROOF, idempotency_key="k")
        store.planned.clear()
        assert project.verify().ok
    assert Counter(types(store)) == Counter(
        ["project_created", "task_created", "agent_registered", "task_claimed", "context_added", "task_completed"]
    )


@pytest.mark.parametrize("plan", LOST, ids=NAMES)
async def test_a_batch_of_many_happens_once(plan: list[Fault | None]) -> None:
    clock = VirtualClock()
    store, wiring = in_memory(clock)
    got: dict[str, str] = {}
    refused: list[ArbeitError] = []
    async with WiredHub(wiring, background=False) as hub, anyio.create_task_group() as outer:
        outer.start_soon(keep_moving, clock)
        project, other = await hub.project("demo", create=True), await hub.project("other", create=True)
        store.plan(*plan)

        async def create(title: str) -> None:
            task = await project.create_task(title, idempotency_key=title if title.endswith("0") else None)
            got[title] = task.id
            assert (await project.get(task.id)).task.title == title

        async def refuse() -> None:
            with pytest.raises(ArbeitError) as caught:
                await project.create_task("T", parent_id="nope")
            refused.append(caught.value)

        async def elsewhere() -> None:
            got["other"] = (await other.create_task("T")).id

        async with anyio.create_task_group() as group:
            for number in range(100):
                group.start_soon(create, f"T{number}")
            for _ in range(5):
                group.start_soon(refuse)
            group.start_soon(elsewhere)
        outer.cancel_scope.cancel()
    assert len(set(got.values())) == 101
    assert [error.code for error in refused] == [Code.PARENT_NOT_FOUND] * 5
    created = {event.task_id for event in log(store) if event.type == "task_created"}
    assert created == {task_id for title, task_id in got.items() if title != "other"}
    assert len(log(store)) == 101
    assert types(store, "other") == ["project_created", "task_created"]


async def test_a_claim_whose_reply_was_lost_is_delivered_with_a_good_token() -> None:
    clock = VirtualClock()
    store, wiring = in_memory(clock)
    async with WiredHub(wiring, background=False) as hub:
        project = await hub.project("demo", create=True)
        for title in ("first", "second"):
            await project.create_task(title)
        store.plan("lose_reply")
        work = await project.claim("ada")
        assert work is not None
        store.plan("lose_reply")
        following = await work.complete("done", evidence=PROOF, then_claim=True)
        assert following is not None
        assert following.task.title == "second"
        await following.note("works")
        assert types(store).count("task_claimed") == 2


async def test_waiting_claimers_are_woken_by_a_commit_whose_reply_was_lost() -> None:
    clock = VirtualClock()
    store, wiring = in_memory(clock)
    async with WiredHub(wiring, background=False) as hub:
        project = await hub.project("demo", create=True)
        with anyio.fail_after(10):
            async with anyio.create_task_group() as group:

                async def wait() -> None:
                    assert await project.claim("ada", wait=60) is not None

                group.start_soon(wait)
                await anyio.wait_all_tasks_blocked()
                store.plan("lose_reply")
                await project.create_task("T")


@pytest.mark.parametrize("lost", ["lose_reply", "lose_commit"])
async def test_a_store_that_stays_away_is_said_to_be_away(lost: Fault) -> None:
    clock = VirtualClock()
    store, wiring = in_memory(clock)
    async with WiredHub(wiring, background=False) as hub, anyio.create_task_group() as group:
        group.start_soon(keep_moving, clock)
        project = await hub.project("demo", create=True)
        store.plan(lost, *AWAY)
        with pytest.raises(ArbeitError) as caught:
            await project.create_task("T", idempotency_key="k")
        assert caught.value.code is Code.STORE_UNAVAILABLE
        assert caught.value.retryable
        store.planned.clear()
        # Its caller gave a key, so trying again is safe whatever has happened.
        task = await project.create_task("T", idempotency_key="k")
        assert [one.id for one in (await project.find()).tasks] == [task.id]
        group.cancel_scope.cancel()


@pytest.mark.parametrize("lost", ["lose_reply", "lose_commit"])
def test_a_store_that_stays_away_is_said_to_be_away_synchronously(lost: Fault) -> None:
    store, wiring = in_memory()
    with WiredSyncHub(wiring) as hub:
        project = hub.project("demo", create=True)
        store.plan(lost, *AWAY)
        with pytest.raises(ArbeitError) as caught:
            project.create_task("T", idempotency_key="k")
        assert caught.value.code is Code.STORE_UNAVAILABLE
        store.planned.clear()
        task = project.create_task("T", idempotency_key="k")
        assert [one.id for one in project.find().tasks] == [task.id]


class Stumbling(FaultyStore):
    """After a lost reply, the look that should find out what happened fails as one job, not as a whole."""

    def __init__(self, store: MemoryStore) -> None:
        super().__init__(store)
        self.stumbles = 0

    def transact(self, jobs: Sequence[Job]) -> list[Changes | Exception]:
        if self.stumbles and "lose_reply" not in self.planned:
            self.stumbles -= 1
            return [ArbeitError(Code.STORE_UNAVAILABLE, "a disk error", retryable=True) for _ in jobs]
        return super().transact(jobs)


@pytest.mark.parametrize("stumbles", [1, 2])
async def test_a_look_that_fails_alone_is_no_proof_of_anything(stumbles: int) -> None:
    clock = VirtualClock()
    store = Stumbling(MemoryStore(clock))
    async with WiredHub(Wiring(store, clock, KEY, {}), background=False) as hub, anyio.create_task_group() as group:
        group.start_soon(keep_moving, clock)
        project = await hub.project("demo", create=True)
        store.plan("lose_reply")
        store.stumbles = stumbles
        await project.create_task("T")
        group.cancel_scope.cancel()
    assert types(store) == ["project_created", "task_created"]


@pytest.mark.parametrize("stumbles", [1, 2])
def test_a_look_that_fails_alone_is_no_proof_of_anything_synchronously(stumbles: int) -> None:
    clock = VirtualClock()
    store = Stumbling(MemoryStore(clock))
    with WiredSyncHub(Wiring(store, clock, KEY, {})) as hub:
        project = hub.project("demo", create=True)
        store.plan("lose_reply")
        store.stumbles = stumbles
        project.create_task("T")
    assert types(store) == ["project_created", "task_created"]


@pytest.mark.parametrize("seed", range(10))
async def test_any_series_of_faults_leaves_each_command_once(seed: int) -> None:
    clock, random = VirtualClock(seed), Random(seed)
    store, wiring = in_memory(clock)
    acknowledged: list[str] = []
    failed: list[str] = []
    async with WiredHub(wiring, background=False) as hub, anyio.create_task_group() as outer:
        outer.start_soon(keep_moving, clock)
        project = await hub.project("demo", create=True)
        faults: tuple[Fault | None, ...] = (None, None, "fail", "lose_reply", "lose_commit")
        store.plan(*random.choices(faults, k=300))

        async def work(agent: str) -> None:
            for number in range(12):
                title = f"{agent}-{number}"
                try:
                    await project.execute(c.CreateTask(actor=agent, title=title, correlation_id=title))
                    acknowledged.append(title)
                except ArbeitError as error:
                    assert error.code is Code.STORE_UNAVAILABLE  # noqa: PT017 - failing is allowed, lying is not
                    if isinstance(error, OutcomeUnknown):
                        continue
                    failed.append(title)

        async with anyio.create_task_group() as group:
            for number in range(5):
                group.start_soon(work, f"agent-{number}")
        store.planned.clear()
        assert (await project.verify()).ok
        outer.cancel_scope.cancel()
    written = Counter(event.correlation_id for event in log(store) if event.type == "task_created")
    assert [title for title in acknowledged if written[title] != 1] == []
    assert [title for title in failed if written[title] != 0] == []
    assert acknowledged
    assert failed


async def test_a_lost_batch_without_events_is_run_again() -> None:
    clock = VirtualClock()
    store, wiring = in_memory(clock)
    async with WiredHub(wiring, background=False) as hub:
        project = await hub.project("demo", create=True)
        await project.create_task("T")
        work = await project.claim("ada", ttl=60)
        assert work is not None
        clock.tick(30)
        for fault in ("lose_reply", "lose_commit"):
            store.plan(fault)
            assert await work.renew() == clock.now() + 60_000_000
            (result,) = await project.execute_many([c.CancelTask(task_id="nope")])
            assert not isinstance(result, Reply)
        assert (await project.overview()).leases[0].expires_at == clock.now() + 60_000_000
