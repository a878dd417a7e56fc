"""Nothing outlives `async with`, and nothing that was asked for is dropped on the way out."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import anyio
import pytest
from anyio import CancelScope, get_running_tasks, wait_all_tasks_blocked

import arbeit
from arbeit.backends.memory import MemoryStore
from arbeit.compose import Wiring
from arbeit.core import commands as c
from arbeit.core.errors import ArbeitError, Code
from arbeit.core.model import Changes, Reply
from arbeit.ports import Capabilities, Job
from arbeit.testing.clock import VirtualClock
from arbeit.testing.contract import KEY, WiredHub
from arbeit.testing.faults import FaultyStore
from tests.engine.stores import gated, in_memory, types

pytestmark = pytest.mark.anyio


@pytest.fixture(params=["memory", "sqlite"])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    return "memory://" if request.param == "memory" else f"sqlite:///{tmp_path}/team.db"


async def test_no_task_outlives_the_hub(url: str) -> None:
    before = {task.id for task in get_running_tasks()}
    async with arbeit.open(url) as hub:
        project = await hub.project("demo", create=True)
        await project.create_task("T")
        async with await _claimed(project):
            during = {task.id for task in get_running_tasks()}
        events = project.watch()
        await anext(events)
        await events.aclose()
    assert len(during) > len(before)
    assert {task.id for task in get_running_tasks()} == before


async def test_memory_needs_no_threads() -> None:
    before = set(threading.enumerate())
    async with arbeit.open("memory://") as hub:
        project = await hub.project("demo", create=True)
        await project.create_task("T")
        async with await _claimed(project) as work:
            await work.renew()
        assert (await project.verify()).ok
        assert set(threading.enumerate()) <= before


def test_threads_end_with_the_event_loop(tmp_path: Path, anyio_backend: str) -> None:
    async def main() -> None:
        async with arbeit.open(f"sqlite:///{tmp_path}/team.db") as hub:
            project = await hub.project("demo", create=True)
            await project.execute_many([c.CreateTask(title="T")] * 20)

    before = set(threading.enumerate())
    anyio.run(main, backend=anyio_backend)
    # trio keeps idle workers for a while, as daemons; asyncio's have been told to end, and do.
    for thread in set(threading.enumerate()) - before:
        if not thread.daemon:
            thread.join(10)
            assert not thread.is_alive()


async def test_queued_commands_are_committed_before_the_end() -> None:
    store, wiring = gated()
    results: list[object] = []
    entered = anyio.Event()

    async def call(project: arbeit.Project, title: str) -> None:
        results.append(await project.create_task(title))

    async with anyio.create_task_group() as group:

        async def lifetime() -> None:
            async with WiredHub(wiring) as hub:
                project = await hub.project("demo", create=True)
                store.hold("before")
                group.start_soon(project.set_queue, "first")
                await store.reached()
                for number in range(300):
                    group.start_soon(call, project, f"T{number}")
                await wait_all_tasks_blocked()
                entered.set()

        group.start_soon(lifetime)
        await entered.wait()
        await wait_all_tasks_blocked()
        assert results == []
        store.let_go()
    assert len(results) == 300
    assert types(store).count("task_created") == 300


async def test_a_closed_hub_takes_no_commands() -> None:
    _, wiring = in_memory()
    async with WiredHub(wiring) as hub:
        project = await hub.project("demo", create=True)
    for call in (lambda: project.create_task("T"), lambda: project.claim("a", wait=10)):
        with pytest.raises(ArbeitError) as caught:
            await call()
        assert caught.value.code is Code.NOT_INITIALIZED


async def test_a_claimer_that_waits_hears_of_the_end() -> None:
    _, wiring = in_memory()
    ends: list[object] = []

    async def wait(project: arbeit.Project) -> None:
        try:
            ends.append(await project.claim("a", wait=60))
        except ArbeitError as error:
            ends.append(error.code)

    with anyio.fail_after(5):
        async with anyio.create_task_group() as group, WiredHub(wiring) as hub:
            group.start_soon(wait, await hub.project("demo", create=True))
            await wait_all_tasks_blocked()
    assert ends in ([None], [Code.NOT_INITIALIZED])


async def test_an_exception_of_the_body_comes_out_as_it_is(url: str) -> None:
    async def body() -> None:
        async with arbeit.open(url) as hub:
            await hub.project("demo", create=True)
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        await body()
    with pytest.raises(ArbeitError) as caught:
        async with arbeit.open(url) as hub:
            await hub.project("nope")
    assert caught.value.code is Code.PROJECT_NOT_FOUND


async def test_an_exception_inside_held_work_comes_out_as_it_is(url: str) -> None:
    async def body() -> None:
        async with arbeit.open(url) as hub:
            project = await hub.project("demo", create=True)
            await project.create_task("T")
            async with await _claimed(project):
                raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        await body()
    if url != "memory://":
        async with arbeit.open(url) as hub:
            assert "task_failed" in [event.type for event in await (await hub.project("demo")).history()]


async def test_a_body_that_is_cancelled_from_outside_leaves_cleanly(url: str) -> None:
    inside = anyio.Event()
    left: list[BaseException | None] = []

    async def body() -> None:
        try:
            async with arbeit.open(url) as hub:
                project = await hub.project("demo", create=True)
                await project.create_task("T")
                async with await _claimed(project):
                    inside.set()
                    await anyio.sleep_forever()
        except BaseException as error:
            left.append(error)
            raise

    with anyio.fail_after(20):
        before = {task.id for task in get_running_tasks()}
        async with anyio.create_task_group() as group:
            group.start_soon(body)
            await inside.wait()
            group.cancel_scope.cancel()
        assert {task.id for task in get_running_tasks()} == before
    assert [type(error) for error in left] == [anyio.get_cancelled_exc_class()]
    if url != "memory://":
        async with arbeit.open(url) as hub:
            project = await hub.project("demo")
            assert [task.claim_status for task in (await project.find()).tasks] == ["ready"]
            assert (await project.verify()).ok


async def test_a_timeout_around_the_hub_leaves_cleanly(url: str) -> None:
    with CancelScope() as scope:
        async with arbeit.open(url) as hub:
            project = await hub.project("demo", create=True)
            scope.cancel()
            await project.claim("a", wait=60)
    assert scope.cancelled_caught


async def test_commands_of_a_cancelled_body_are_committed() -> None:
    store, wiring = gated()
    with CancelScope() as scope:
        async with WiredHub(wiring) as hub:
            project = await hub.project("demo", create=True)
            async with anyio.create_task_group() as group:
                store.hold("before")
                for number in range(20):
                    group.start_soon(project.create_task, f"T{number}")
                await store.reached()
                scope.cancel()
                store.let_go()
    assert scope.cancelled_caught
    assert types(store).count("task_created") == 20


async def test_undelivered_grants_of_a_cancelled_body_are_given_back() -> None:
    store, wiring = gated()
    with CancelScope() as scope:
        async with WiredHub(wiring) as hub:
            project = await hub.project("demo", create=True)
            await project.create_task("T")
            async with anyio.create_task_group() as group:
                store.hold("after")
                group.start_soon(lambda: project.claim("a", capabilities=[]))
                await store.reached()
                scope.cancel()
                store.let_go()
    assert scope.cancelled_caught
    assert types(store)[-2:] == ["task_claimed", "task_released"]


class Faltering(FaultyStore):
    """A shared store whose looks at other processes, and at what is due, fail for a while."""

    def __init__(self, store: MemoryStore) -> None:
        super().__init__(store)
        self.capabilities = Capabilities(durable=False, shared=True, blocking=False)
        self.failing = False
        self.failed = 0

    def _fail(self) -> None:
        if self.failing:
            self.failed += 1
            raise ArbeitError(Code.STORE_UNAVAILABLE, "a disk error")

    def pulse(self) -> int:
        self._fail()
        return super().pulse()

    def due(self, now: int, limit: int) -> list[Any]:
        self._fail()
        return super().due(now, limit)

    def transact(self, jobs: Sequence[Job]) -> list[Changes | Exception]:
        self._fail()
        return super().transact(jobs)


async def test_background_work_survives_a_store_that_is_away_for_a_while() -> None:
    clock = VirtualClock()
    store = Faltering(MemoryStore(clock))
    async with WiredHub(Wiring(store, clock, KEY, {})) as hub:
        project = await hub.project("demo", create=True)
        await project.create_task("T", ready_at=clock.now() + 10_000_000)
        answers: list[object] = []

        async def wait() -> None:
            answers.append(await project.claim("a", wait=60, capabilities=[]))

        async with anyio.create_task_group() as group:
            group.start_soon(wait)
            await wait_all_tasks_blocked()
            store.failing = True
            await clock.advance(5)
            assert store.failed > 1
            store.failing = False
            await clock.advance(7)
            group.cancel_scope.cancel()
        assert len(answers) == 1
        assert isinstance((await project.execute_many([c.SetQueue(queue="q")]))[0], Reply)


async def test_two_hubs_in_one_loop_end_apart(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/team.db"
    async with arbeit.open(url) as first:
        project = await first.project("demo", create=True)
        async with arbeit.open(url) as second:
            await (await second.project("demo")).create_task("T")
        await project.create_task("U")
        assert len(await project.history()) == 3


async def _claimed(project: arbeit.Project) -> arbeit.Work:
    work = await project.claim("ada")
    assert work is not None
    return work
