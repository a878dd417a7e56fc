from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import anyio
import pytest
from attrs import frozen

from arbeit import engine as package
from arbeit.backends.memory import MemoryStore
from arbeit.backends.sqlite import SQLiteStore
from arbeit.compose import Wiring
from arbeit.core import commands as c
from arbeit.core.errors import ArbeitError, Code, Rejection
from arbeit.core.model import Changes, Reply, Task
from arbeit.core.policy import Claimed
from arbeit.ports import Job
from arbeit.project import Project
from arbeit.testing.clock import VirtualClock
from arbeit.testing.contract import KEY, WiredHub, WiredSyncHub
from arbeit.testing.faults import FaultyStore
from tests.engine.stores import CountingStore, in_memory, log, types

pytestmark = pytest.mark.anyio
PROOF = ["pytest"]


async def create_all(project: Project, titles: Sequence[str]) -> list[Task | ArbeitError]:
    """Create tasks from as many concurrent callers."""
    results: dict[str, Task | ArbeitError] = {}

    async def create(title: str) -> None:
        try:
            results[title] = await project.create_task(title)
        except ArbeitError as error:
            results[title] = error

    async with anyio.create_task_group() as group:
        for title in titles:
            group.start_soon(create, title)
    return [results[title] for title in titles]


async def test_concurrent_callers_share_transactions() -> None:
    store, wiring = in_memory()
    async with WiredHub(wiring, background=False) as hub:
        project = await hub.project("demo", create=True)
        before = store.transactions
        tasks = await create_all(project, [f"T{number}" for number in range(200)])
        assert store.transactions - before == 1
    assert len({task.id for task in tasks if isinstance(task, Task)}) == 200


async def test_callers_share_transactions_on_a_disk(tmp_path: Path) -> None:
    clock = VirtualClock()
    store = FaultyStore(SQLiteStore(tmp_path / "team.db", clock))
    async with WiredHub(Wiring(store, clock, KEY, {}), background=False) as hub:
        project = await hub.project("demo", create=True)
        before = store.transactions
        await create_all(project, [f"T{number}" for number in range(200)])
        # The first to arrive commits alone; the rest have gathered meanwhile.
        assert store.transactions - before <= 4


async def test_a_lone_caller_commits_at_once() -> None:
    store, wiring = in_memory()
    async with WiredHub(wiring, background=False) as hub:
        project = await hub.project("demo", create=True)
        for number in range(5):
            before = store.transactions
            await project.create_task(f"T{number}")
            assert store.transactions - before == 1


async def test_a_batch_is_bounded_by_commands_and_by_rows() -> None:
    store, wiring = in_memory()
    async with WiredHub(wiring, background=False) as hub:
        project = await hub.project("demo", create=True)
        before = store.transactions
        await create_all(project, [f"T{number}" for number in range(600)])
        assert store.transactions - before == 3
        before = store.transactions
        claims = [c.ClaimTasks(actor=f"a{n}", agent=f"a{n}", n=100, capabilities=()) for n in range(10)]
        await project.execute_many(claims)
        assert store.transactions - before == 4


async def test_projects_are_committed_together() -> None:
    clock = VirtualClock()
    store = CountingStore(MemoryStore(clock))
    async with WiredHub(Wiring(store, clock, KEY, {}), background=False) as hub:
        projects = [await hub.project(f"p{number}", create=True) for number in range(10)]
        store.batches.clear()
        async with anyio.create_task_group() as group:
            for project in projects:
                group.start_soon(create_all, project, ["T1", "T2", "T3"])
        assert [sorted(batch) for batch in store.batches] == [[f"p{number}" for number in range(10)]]
        assert all([len(log(store, project.key)) == 4 for project in projects])  # noqa: C419 - each is told


async def test_urgent_commands_go_first_in_a_batch() -> None:
    store, wiring = in_memory()
    async with WiredHub(wiring, background=False) as hub:
        project = await hub.project("demo", create=True)
        await project.create_task("held", task_id="held")
        work = await project.start_task("held", "ada")
        header: dict[str, Any] = {"actor": "ada", "task_id": "held", "token": work.token}
        results = await project.execute_many(
            [
                c.CreateTask(title="new", task_id="new"),
                c.ClaimTasks(actor="bob", agent="bob", capabilities=()),
                c.AddContext(task_id="held", content="remark"),
                c.CompleteTask(**header, evidence=("e",)),
                c.RenewLease(**header),
            ]
        )
    assert all(isinstance(result, Reply) for result in results)
    claimed = results[1]
    assert isinstance(claimed, Reply)
    # What is new is claimable from the next batch on: claims go before creates.
    assert claimed.grants == ()
    assert types(store)[4:] == ["task_completed", "agent_registered", "context_added", "task_created"]


async def test_a_late_holder_goes_before_the_sweep_of_its_batch() -> None:
    clock = VirtualClock()
    store, wiring = in_memory(clock)
    async with WiredHub(wiring, background=False) as hub:
        project = await hub.project("demo", create=True)
        await project.create_task("late", task_id="late")
        await project.create_task("silent", task_id="silent")
        late, _ = await project.start_task("late", "ada", ttl=1), await project.start_task("silent", "ada", ttl=1)
        clock.tick(100)
        complete = c.CompleteTask(actor="ada", task_id="late", token=late.token, evidence=("e",))
        await project.execute_many([c.ClaimTasks(actor="bob", agent="bob", capabilities=()), complete])
    ended = [event.type for event in log(store) if event.type in {"task_completed", "task_reclaimed"}]
    assert ended == ["task_completed", "task_reclaimed"]


# -- a command that raises --------------------------------------------------------------------------------------------


@frozen
class Picky:
    """A completion policy with a defect: it cannot bear one title."""

    def refuse(self, claimed: Claimed) -> Rejection | None:
        if claimed.task.title == "bad":
            raise ZeroDivisionError
        return None


async def test_a_command_that_raises_fails_alone() -> None:
    store, wiring = in_memory(policies={"completion": Picky()})
    async with WiredHub(wiring, background=False) as hub:
        project = await hub.project("demo", create=True)
        for title in ("good", "bad", "fine"):
            await project.create_task(title, task_id=title)
        works = {work.task.title: work for work in await project.claim_many("ada", n=3)}
        results = await project.execute_many(
            [
                *(c.CompleteTask(actor="ada", task_id=title, token=works[title].token) for title in works),
                c.CreateTask(title="beside"),
            ]
        )
        outcomes = dict(zip([*works, "beside"], results, strict=True))
        failed = outcomes.pop("bad")
        assert isinstance(failed, ArbeitError)
        assert failed.code is Code.INTERNAL
        assert isinstance(failed.__cause__, ZeroDivisionError)
        assert all(isinstance(result, Reply) for result in outcomes.values())
        assert types(store)[-3:].count("task_completed") == 2
        # It is still held, and its holder can do something else with it.
        await works["bad"].release()
        assert (await project.verify()).ok


async def test_a_command_that_raises_spares_other_projects() -> None:
    store, wiring = in_memory(policies={"completion": Picky()})
    async with WiredHub(wiring, background=False) as hub:
        bad, good = await hub.project("bad", create=True), await hub.project("good", create=True)
        await bad.create_task("bad")
        work = await bad.claim("ada")
        assert work is not None
        failed: list[ArbeitError] = []

        async def complete() -> None:
            with pytest.raises(ArbeitError) as caught:
                await work.complete()
            failed.append(caught.value)

        async with anyio.create_task_group() as group:
            group.start_soon(complete)
            group.start_soon(create_all, good, ["T1", "T2"])
    assert [error.code for error in failed] == [Code.INTERNAL]
    assert types(store, "good") == ["project_created", "task_created", "task_created"]


@frozen
class Sulking:
    """A retry policy with a defect: it cannot bear one title."""

    def backoff(self, task: Task, _entropy: int) -> int | None:
        if task.title == "bad":
            raise ZeroDivisionError
        return 0


@pytest.mark.parametrize("face", ["async", "sync"])
async def test_a_reclaim_that_raises_does_not_keep_others_from_working(face: str) -> None:
    clock = VirtualClock()
    _, wiring = in_memory(clock, {"retry": Sulking()})
    claim = c.ClaimTasks(actor="bob", agent="bob", capabilities=())

    def script() -> list[c.Command]:
        return [
            c.CreateProject(key="demo"),
            c.CreateTask(title="bad"),
            c.ClaimTasks(actor="ada", agent="ada", capabilities=(), ttl=1_000_000),
            c.CreateTask(title="good"),
        ]

    # The holder of the bad one falls silent, and reclaiming it fails each time.
    if face == "sync":
        with WiredSyncHub(wiring) as hub:
            for command in script():
                hub.session.run("demo", [command])
            clock.tick(100)
            (result,) = hub.session.run("demo", [claim])
            assert isinstance(result, Reply)
            reply = result
    else:
        async with WiredHub(wiring, background=False) as hub_:
            for command in script():
                await hub_.engine.execute("demo", command)
            clock.tick(100)
            reply = await hub_.engine.execute("demo", claim)
    assert [grant.task.title for grant in reply.grants] == ["good"]


# -- back-pressure and a failing store ------------------------------------------------------------------------------


async def test_a_full_lane_is_back_pressure(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(package.engine, "LANE_LIMIT", 10)
    _, wiring = in_memory()
    async with WiredHub(wiring, background=False) as hub:
        project, other = await hub.project("demo", create=True), await hub.project("other", create=True)
        results: list[Task | ArbeitError] = []
        beside: list[Task | ArbeitError] = []

        async def flood() -> None:
            results.extend(await create_all(project, [f"T{number}" for number in range(25)]))

        async def elsewhere() -> None:
            beside.extend(await create_all(other, ["T"]))

        async with anyio.create_task_group() as group:
            group.start_soon(flood)
            group.start_soon(elsewhere)
        refused = [result for result in results if isinstance(result, ArbeitError)]
        assert len(results) - len(refused) == 10
        assert {error.code for error in refused} == {Code.OVERLOADED}
        assert all(error.retryable and error.data["retry_after"] > 0 for error in refused)
        assert isinstance(beside[0], Task)
        many = await project.execute_many([c.CreateTask(title="T")] * 12)
        assert Counter(type(result) for result in many) == {Reply: 10, ArbeitError: 2}
        # Nothing waits any more, so the lane takes work again.
        await project.create_task("T")


async def test_a_failing_store_fails_its_callers_and_the_next_command_works() -> None:
    store, wiring = in_memory()
    async with WiredHub(wiring, background=False) as hub:
        project = await hub.project("demo", create=True)
        await project.create_task("before")
        store.plan("fail")
        results = await create_all(project, ["a", "b", "c"])
        assert [result.code for result in results if isinstance(result, ArbeitError)] == [Code.STORE_UNAVAILABLE] * 3
        assert all(isinstance(result, ArbeitError) and result.retryable for result in results)
        await project.create_task("after")
        assert [task.title for task in (await project.find()).tasks] == ["before", "after"]
        assert (await project.verify()).ok


async def test_a_failing_store_fails_a_synchronous_caller_and_the_next_command_works() -> None:
    store, wiring = in_memory()
    with WiredSyncHub(wiring) as hub:
        project = hub.project("demo", create=True)
        store.plan("fail")
        with pytest.raises(ArbeitError) as caught:
            project.create_task("T")
        assert caught.value.code is Code.STORE_UNAVAILABLE
        project.create_task("after")
        store.plan("fail")
        commands = [c.CreateTask(title="T")] * 3
        results = project.execute_many(commands)
        assert [result.code for result in results if isinstance(result, ArbeitError)] == [Code.STORE_UNAVAILABLE] * 3
        assert project.verify().ok


class Broken(FaultyStore):
    """Raises what no store should."""

    broken = False

    def transact(self, jobs: Sequence[Job]) -> list[Changes | Exception]:
        if self.broken:
            raise LookupError("a defect")
        return super().transact(jobs)


async def test_a_store_with_a_defect_is_an_internal_error() -> None:
    clock = VirtualClock()
    store = Broken(MemoryStore(clock))
    async with WiredHub(Wiring(store, clock, KEY, {}), background=False) as hub:
        project = await hub.project("demo", create=True)
        store.broken = True
        with pytest.raises(ArbeitError) as caught:
            await project.create_task("T")
        assert caught.value.code is Code.INTERNAL
        store.broken = False
        await project.create_task("T")


# -- idempotency across hubs ------------------------------------------------------------------------------------------


async def test_a_key_is_known_to_every_hub_on_the_store(tmp_path: Path) -> None:
    clock = VirtualClock()

    def wired() -> Wiring:
        return Wiring(SQLiteStore(tmp_path / "team.db", clock), clock, KEY, {})

    async with WiredHub(wired(), background=False) as first, WiredHub(wired(), background=False) as second:
        project, same = await first.project("demo", create=True), await second.project("demo")
        task = await project.create_task("T", idempotency_key="k")
        assert await same.create_task("T", idempotency_key="k") == task
        with pytest.raises(ArbeitError) as caught:
            await same.create_task("U", idempotency_key="k")
        assert caught.value.code is Code.IDEMPOTENCY_MISMATCH
        work = await same.claim("ada", idempotency_key="c")
        again = await project.claim("ada", idempotency_key="c")
        assert work is not None
        assert again is not None
        assert (again.token, again.lease) == (work.token, work.lease)
    with WiredSyncHub(wired()) as third:
        assert third.project("demo").create_task("T", idempotency_key="k") == task


async def test_one_key_used_by_many_at_once_is_done_once() -> None:
    store, wiring = in_memory()
    async with WiredHub(wiring, background=False) as hub:
        project = await hub.project("demo", create=True)
        seen: list[Any] = []

        async def create() -> None:
            seen.append(await project.create_task("T", idempotency_key="k"))

        async with anyio.create_task_group() as group:
            for _ in range(50):
                group.start_soon(create)
    assert len({task.id for task in seen}) == 1
    assert types(store) == ["project_created", "task_created"]
