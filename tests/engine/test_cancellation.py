"""A caller that is cancelled: its command happens once all the same, and what it was granted is free again."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Literal

import anyio
import pytest
from anyio import CancelScope

from arbeit.core import commands as c
from arbeit.project import Project
from arbeit.testing.contract import WiredHub
from tests.engine.stores import GateStore, gated, in_memory, log, types

pytestmark = pytest.mark.anyio
When = Literal["before", "during", "after"]
MOMENTS: tuple[When, ...] = ("before", "during", "after")
"""While the command waits in its lane, while its transaction is on its way, and when that is committed unheard of."""


async def cancel(store: GateStore, project: Project, when: When, call: Callable[[], Awaitable[object]]) -> None:
    """Call, and be cancelled at this moment; back when the store is idle again."""
    scope = CancelScope()
    returned: list[object] = []

    async def caller() -> None:
        with scope:
            returned.append(await call())

    with anyio.fail_after(20):
        async with anyio.create_task_group() as group:
            if when == "before":
                # Somebody else's transaction is under way, so this one has to wait.
                store.hold("before")
                group.start_soon(project.set_queue, "beside")
                await store.reached()
                group.start_soon(caller)
                await anyio.wait_all_tasks_blocked()
            else:
                store.hold("before" if when == "during" else "after")
                group.start_soon(caller)
                await store.reached()
            scope.cancel()
            # The caller is gone before its command has an outcome: nobody waits for the store but the store.
            await anyio.wait_all_tasks_blocked()
            assert scope.cancelled_caught
            store.let_go()
    assert returned == []
    # One transaction more than were waiting: what the cancellation left behind has been seen to.
    await project.set_queue("idle")
    await project.set_queue("idle")


@pytest.mark.parametrize("when", MOMENTS)
async def test_a_cancelled_create_happens_once(when: When) -> None:
    store, wiring = gated()
    async with WiredHub(wiring, background=False) as hub:
        project = await hub.project("demo", create=True)
        await cancel(store, project, when, lambda: project.create_task("T"))
        assert types(store).count("task_created") == 1
        assert (await project.find()).tasks[0].claim_status == "ready"


@pytest.mark.parametrize("when", MOMENTS)
@pytest.mark.parametrize("how", ["claim", "wait", "many", "start"])
async def test_an_undelivered_grant_is_free_again(when: When, how: str) -> None:
    store, wiring = gated()
    async with WiredHub(wiring, background=False) as hub:
        project = await hub.project("demo", create=True)
        for task_id in ("t1", "t2"):
            await project.create_task("T", task_id=task_id)
        calls: dict[str, Callable[[], Awaitable[object]]] = {
            "claim": lambda: project.claim("ada", capabilities=[]),
            "wait": lambda: project.claim("ada", capabilities=[], wait=30),
            "many": lambda: project.claim_many("ada", n=2, capabilities=[]),
            "start": lambda: project.start_task("t1", "ada", capabilities=[]),
        }
        before = [(await project.get(task_id)).task for task_id in ("t1", "t2")]
        await cancel(store, project, when, calls[how])
        granted = 2 if how == "many" else 1
        happened = types(store)
        assert happened.count("task_claimed") == happened.count("task_released") == granted
        released = [event for event in log(store) if event.type == "task_released"]
        assert all('"reason":"undelivered"' in event.data for event in released)
        for was in before:
            parts = await project.get(was.id, include=["runs", "lease"])
            assert (parts.task.status, parts.task.claim_status, parts.task.attempt) == ("open", "ready", 0)
            assert (parts.task.rank, parts.task.ready_at) == (was.rank, was.ready_at)
            assert [run.result for run in parts.runs or ()] in (["undelivered"], [])
        overview = await project.overview()
        assert (overview.leases, overview.agents[0].active_leases) == ((), 0)
        # It is the first in line as before, and its first attempt is still to come.
        work = await project.claim("bob")
        assert work is not None
        assert (work.task.id, work.run.attempt) == ("t1", 1)
        assert (await project.verify()).ok


@pytest.mark.parametrize("when", MOMENTS)
async def test_a_cancelled_ending_stands_and_what_it_claimed_is_free_again(when: When) -> None:
    store, wiring = gated()
    async with WiredHub(wiring, background=False) as hub:
        project = await hub.project("demo", create=True)
        for task_id in ("t1", "t2"):
            await project.create_task("T", task_id=task_id)
        work = await project.claim("ada")
        assert work is not None
        await cancel(store, project, when, lambda: work.complete("done", evidence=["e"], then_claim=True))
        assert (await project.get("t1")).task.status == "completed"
        second = (await project.get("t2")).task
        assert (second.status, second.claim_status, second.attempt, second.fence) == ("open", "ready", 0, 2)


@pytest.mark.parametrize("when", MOMENTS)
async def test_who_gave_a_key_finds_the_grant_again(when: When) -> None:
    store, wiring = gated()
    async with WiredHub(wiring, background=False) as hub:
        project = await hub.project("demo", create=True)
        await project.create_task("T")
        await cancel(store, project, when, lambda: project.claim("ada", idempotency_key="k"))
        work = await project.claim("ada", idempotency_key="k")
        assert work is not None
        await work.complete("done", evidence=["e"])
        assert types(store).count("task_claimed") == 1


@pytest.mark.parametrize("when", MOMENTS)
async def test_a_cancelled_repetition_leaves_the_first_holder_alone(when: When) -> None:
    store, wiring = gated()
    async with WiredHub(wiring, background=False) as hub:
        project = await hub.project("demo", create=True)
        await project.create_task("T")
        work = await project.claim("ada", idempotency_key="k")
        assert work is not None
        await cancel(store, project, when, lambda: project.claim("ada", idempotency_key="k"))
        await work.complete("done", evidence=["e"])


@pytest.mark.parametrize("when", MOMENTS)
async def test_a_cancelled_series_happens_once_and_gives_back_its_grants(when: When) -> None:
    store, wiring = gated()
    async with WiredHub(wiring, background=False) as hub:
        project = await hub.project("demo", create=True)
        await project.create_task("T", task_id="t1")
        commands = [
            c.CreateTask(title="U", task_id="u"),
            c.ClaimTasks(actor="ada", agent="ada", capabilities=()),
            *(c.CreateTask(title="V", task_id=f"v{number}") for number in range(300)),
        ]
        await cancel(store, project, when, lambda: project.execute_many(commands))
        found = (await project.get("t1")).task
        assert (found.claim_status, found.attempt) == ("ready", 0)
        happened = types(store)
        assert happened.count("task_claimed") == happened.count("task_released") == 1
        # The first batch was in the lane; the rest had not been sent.
        assert happened.count("task_created") == 1 + 255


async def test_a_cancelled_refusal_leaves_nothing_behind() -> None:
    store, wiring = gated()
    async with WiredHub(wiring, background=False) as hub:
        project = await hub.project("demo", create=True)
        await cancel(store, project, "during", lambda: project.start_task("nope", "ada"))
        assert types(store) == ["project_created", "queue_set"]


async def test_a_grant_that_arrived_with_the_cancellation_is_not_lost() -> None:
    # The reply is there, and in the same instant the caller is cancelled: either it holds the work, or nobody does.
    _, wiring = in_memory()
    async with WiredHub(wiring, background=False) as hub:
        project = await hub.project("demo", create=True)
        await project.create_task("T", task_id="t1")
        held: list[str] = []
        scope = CancelScope()

        async def claimer() -> None:
            with scope:
                work = await project.claim("ada", capabilities=[])
                assert work is not None
                held.append(work.task.id)
                async with work:
                    await anyio.sleep_forever()

        async def canceller() -> None:
            await project.set_queue("beside")
            scope.cancel()

        async with anyio.create_task_group() as group:
            group.start_soon(canceller)
            group.start_soon(claimer)
        await project.set_queue("idle")
        found = (await project.get("t1")).task
        assert (found.status, found.claim_status, found.attempt) == ("open", "ready", 0)


@pytest.mark.parametrize("anyio_backend", ["asyncio"])
async def test_a_grant_is_free_again_if_asyncio_cancels_between_reply_and_caller() -> None:
    # asyncio's own cancel() takes a reply away that is there already, which anyio's scopes never do.
    store, wiring = in_memory()
    async with WiredHub(wiring, background=False) as hub:
        project = await hub.project("demo", create=True)
        await project.create_task("T", task_id="t1")

        async def cancel_after_commit() -> None:
            await project.set_queue("beside")
            claiming.cancel()

        # Both are in one batch, and whoever was first in it hears of it first.
        cancelling = asyncio.create_task(cancel_after_commit())
        claiming = asyncio.create_task(project.claim("ada", capabilities=[]))
        await cancelling
        with pytest.raises(asyncio.CancelledError):
            await claiming
        await project.set_queue("idle")
        assert types(store).count("task_claimed") == types(store).count("task_released") == 1
        found = (await project.get("t1")).task
        assert (found.claim_status, found.attempt) == ("ready", 0)


async def test_a_look_that_was_begun_in_time_is_brought_to_its_end() -> None:
    store, wiring = gated()
    async with WiredHub(wiring, background=False) as hub:
        project = await hub.project("demo", create=True)
        await project.create_task("T", task_id="t1")
        store.hold("after")
        answers: list[object] = []

        async def claim() -> None:
            answers.append(await project.claim("ada", capabilities=[], wait=0.001))

        with anyio.fail_after(20):
            async with anyio.create_task_group() as group:
                group.start_soon(claim)
                await store.reached()
                # The time to wait is over; the commit is still on its way.
                await anyio.sleep(0.01)
                assert answers == []
                store.let_go()
        assert [getattr(answer, "agent", None) for answer in answers] == ["ada"]
        assert (await project.get("t1")).task.assignee == "ada"
