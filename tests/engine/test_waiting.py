"""Claimers that wait: what wakes them, who comes first, and that no wake-up is lost."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import anyio
import pytest
from anyio import CancelScope, wait_all_tasks_blocked

import arbeit
from arbeit.backends.sqlite import SQLiteStore
from arbeit.clock import SystemClock
from arbeit.compose import Wiring
from arbeit.core import commands as c
from arbeit.core.errors import ArbeitError, Code
from arbeit.project import Project
from arbeit.testing.clock import VirtualClock
from arbeit.testing.contract import KEY, WiredHub
from arbeit.testing.faults import FaultyStore
from arbeit.work import Work
from tests.engine.stores import gated, in_memory, types

pytestmark = pytest.mark.anyio
LONG = 60
"""Real seconds that nothing here comes near; a lost wake-up fails after `PATIENCE` instead."""
PATIENCE = 5


class Line:
    """Claimers that wait in a project, and what they got, in the order in which they got it."""

    def __init__(self, project: Project) -> None:
        self.project = project
        self.got: list[tuple[str, str]] = []
        self.works: dict[str, Work] = {}
        self.scopes: dict[str, CancelScope] = {}

    async def wait(self, agent: str, **arguments: Any) -> None:  # noqa: ANN401 - a claim's
        """Wait as an agent."""
        arguments = {"capabilities": [], "wait": LONG, **arguments}
        with CancelScope() as scope:
            self.scopes[agent] = scope
            work = await self.project.claim(agent, **arguments)
            if work is not None:
                self.got.append((agent, work.task.title))
                self.works[agent] = work


@asynccontextmanager
async def opened(
    clock: VirtualClock | None = None, *, background: bool = False
) -> AsyncIterator[tuple[Line, Any, FaultyStore]]:
    """A project, and a task group to wait in; whoever still waits at the end has lost a wake-up."""
    store, wiring = in_memory(clock)
    async with WiredHub(wiring, background=background) as hub:
        project = await hub.project("demo", create=True)
        try:
            with anyio.fail_after(PATIENCE):
                async with anyio.create_task_group() as group:
                    yield Line(project), group, store
        except ExceptionGroup as errors:
            # What a test asserted in vain should be read as it is.
            raise errors.exceptions[0] if len(errors.exceptions) == 1 else errors from None


async def line_up(line: Line, group: Any, *agents: str, **arguments: Any) -> None:  # noqa: ANN401 - a task group, a claim's
    """Have agents wait, one after the other."""
    for agent in agents:
        group.start_soon(lambda agent=agent: line.wait(agent, **arguments))
        await wait_all_tasks_blocked()


async def held(project: Project, title: str = "T", **arguments: Any) -> Work:  # noqa: ANN401 - a task's
    """A task that somebody holds."""
    task = await project.create_task(title, **arguments)
    return await project.start_task(task.id, "holder", capabilities=["python"], ttl=5)


async def test_a_new_task_wakes_one_claimer() -> None:
    async with opened() as (line, group, store):
        await line_up(line, group, "a", "b")
        before = store.transactions
        await line.project.create_task("T")
        await wait_all_tasks_blocked()
        assert line.got == [("a", "T")]
        # One for the task, one for the claim: the other claimer sleeps on.
        assert store.transactions - before == 2
        await line.project.create_task("U")
        await wait_all_tasks_blocked()
        assert line.got == [("a", "T"), ("b", "U")]


async def _complete(project: Project) -> Callable[[], Awaitable[object]]:
    work = await held(project)
    await project.create_task("woken", blocked_by=[work.task.id])
    return lambda: work.complete("done", evidence=["e"])


async def _complete_child(project: Project) -> Callable[[], Awaitable[object]]:
    parent = await project.create_task("woken")
    work = await held(project, parent_id=parent.id)
    return lambda: work.complete("done", evidence=["e"])


async def _cancel_blocker(project: Project) -> Callable[[], Awaitable[object]]:
    work = await held(project)
    await project.create_task("woken", blocked_by=[work.task.id])
    return work.cancel


async def _release(project: Project) -> Callable[[], Awaitable[object]]:
    work = await held(project, "woken")
    return work.release


async def _fail_at_once(project: Project) -> Callable[[], Awaitable[object]]:
    await project.update(settings={"retry": "at_once"})
    work = await held(project, "woken")
    return lambda: work.fail("no luck")


async def _unpause(project: Project) -> Callable[[], Awaitable[object]]:
    await project.set_queue("q", paused=True)
    await project.create_task("woken", queue="q")
    return lambda: project.set_queue("q", paused=False)


async def _raise_limit(project: Project) -> Callable[[], Awaitable[object]]:
    await project.set_queue("q", max_in_progress=1)
    await held(project, queue="q")
    await project.create_task("woken", queue="q")
    return lambda: project.set_queue("q", max_in_progress=2)


async def _free_a_place(project: Project) -> Callable[[], Awaitable[object]]:
    await project.set_queue("q", max_in_progress=1)
    work = await held(project, queue="q")
    await project.create_task("woken", queue="q")
    return lambda: work.complete("done", evidence=["e"])


async def _move(project: Project) -> Callable[[], Awaitable[object]]:
    await project.set_queue("q", paused=True)
    task = await project.create_task("woken", queue="q")
    return lambda: project.update_task(task.id, queue="default")


async def _require_less(project: Project) -> Callable[[], Awaitable[object]]:
    task = await project.create_task("woken", requires=["python"])
    return lambda: project.update_task(task.id, requires=[])


async def _unblock(project: Project) -> Callable[[], Awaitable[object]]:
    task = await project.create_task("woken")
    await project.block_task(task.id, "later")
    return lambda: project.unblock_task(task.id)


async def _remove_edge(project: Project) -> Callable[[], Awaitable[object]]:
    work = await held(project)
    task = await project.create_task("woken", blocked_by=[work.task.id])
    return lambda: project.remove_relationship(work.task.id, task.id, "blocks")


async def _import(project: Project) -> Callable[[], Awaitable[object]]:
    return lambda: project.execute(c.ImportTask(task_id="x", title="woken"))


WAKERS = {
    "a blocker is completed": _complete,
    "a child is completed": _complete_child,
    "a blocker is cancelled": _cancel_blocker,
    "it is released": _release,
    "it is tried again": _fail_at_once,
    "its queue goes on": _unpause,
    "its queue takes more": _raise_limit,
    "a place is free": _free_a_place,
    "it moves to another queue": _move,
    "it requires less": _require_less,
    "it is unblocked": _unblock,
    "nothing blocks it any more": _remove_edge,
    "it is imported": _import,
}


@pytest.mark.parametrize("waker", WAKERS)
async def test_whatever_makes_a_task_claimable_wakes_a_claimer(waker: str) -> None:
    async with opened() as (line, group, _):
        wake = await WAKERS[waker](line.project)
        await line_up(line, group, "a")
        assert line.got == []
        await wake()
        await wait_all_tasks_blocked()
        assert line.got == [("a", "woken")]


async def test_a_reclaim_by_a_tick_wakes_a_claimer() -> None:
    clock = VirtualClock()
    async with opened(clock, background=True) as (line, group, _):
        await line.project.update(settings={"retry": "at_once"})
        await held(line.project, "silent")
        await line_up(line, group, "a")
        await clock.advance(4.9)
        assert line.got == []
        await clock.advance(2.1)
        assert line.got == [("a", "silent")]


async def test_a_delayed_task_wakes_a_claimer_when_it_is_due() -> None:
    clock = VirtualClock()
    async with opened(clock, background=True) as (line, group, _):
        await line.project.create_task("later", ready_at=clock.now() + 10_000_000)
        await line_up(line, group, "a")
        await clock.advance(9.9)
        assert line.got == []
        await clock.advance(2.1)
        assert line.got == [("a", "later")]


async def test_claimers_are_served_in_the_order_in_which_they_came() -> None:
    async with opened() as (line, group, _):
        agents = [f"a{number}" for number in range(8)]
        await line_up(line, group, *agents)
        # Who is woken is decided here; in which order woken tasks then run is the event loop's business.
        for number in range(5):
            await line.project.create_task(f"T{number}")
        await wait_all_tasks_blocked()
        assert sorted(agent for agent, _ in line.got) == agents[:5]
        for agent in agents[5:]:
            line.scopes[agent].cancel()


async def test_only_who_can_take_a_task_is_woken_for_it() -> None:
    async with opened() as (line, group, store):
        await line.project.set_queue("docs")
        await line_up(line, group, "plain")
        await line_up(line, group, "coder", capabilities=["python"])
        await line_up(line, group, "writer", queues=["docs"])
        before = store.transactions
        await line.project.create_task("code", requires=["python"])
        await wait_all_tasks_blocked()
        assert (line.got, store.transactions - before) == ([("coder", "code")], 2)
        await line.project.create_task("elsewhere", requires=["python"], queue="docs")
        await wait_all_tasks_blocked()
        assert (len(line.got), store.transactions - before) == (1, 3)
        await line.project.create_task("text", queue="docs")
        await wait_all_tasks_blocked()
        # The plain claimer takes any queue, and came first.
        assert line.got[1:] == [("plain", "text")]
        await line.project.create_task("more", queue="docs")
        await wait_all_tasks_blocked()
        assert line.got[2:] == [("writer", "more")]


async def test_many_tasks_wake_as_many_claimers() -> None:
    async with opened() as (line, group, _):
        await line_up(line, group, *(f"a{number}" for number in range(20)))
        await line.project.execute_many([c.CreateTask(title="T")] * 20)
        await wait_all_tasks_blocked()
        assert len(line.got) == 20


async def test_a_queue_that_goes_on_wakes_everybody_it_has_work_for() -> None:
    async with opened() as (line, group, _):
        await line.project.set_queue("q", paused=True)
        for number in range(3):
            await line.project.create_task(f"T{number}", queue="q")
        await line_up(line, group, "a", "b", "c")
        await line.project.set_queue("q", paused=False)
        await wait_all_tasks_blocked()
        assert len(line.got) == 3


async def test_places_that_become_free_together_wake_as_many() -> None:
    async with opened() as (line, group, _):
        project = line.project
        await project.set_queue("q", max_in_progress=2)
        first, second = await held(project, queue="q"), await held(project, queue="q")
        for number in range(2):
            await project.create_task(f"T{number}", queue="q")
        await line_up(line, group, "a", "b")
        await project.execute_many(
            [
                c.CompleteTask(actor="holder", task_id=work.task.id, token=work.token, evidence=("e",))
                for work in (first, second)
            ]
        )
        await wait_all_tasks_blocked()
        assert len(line.got) == 2


async def test_a_claimer_that_found_work_by_itself_passes_its_wake_up_on() -> None:
    # One batch holds the first look of both claimers and a new task: the first finds the old task, is woken for the
    # new one as well, and has no use for it.
    async with opened() as (line, group, _):
        await line.project.create_task("old")
        group.start_soon(line.wait, "a")
        group.start_soon(line.wait, "b")
        group.start_soon(line.project.create_task, "new")
        await wait_all_tasks_blocked()
        assert sorted(title for _, title in line.got) == ["new", "old"]


async def test_a_woken_claimer_that_is_cancelled_passes_the_wake_up_on() -> None:
    clock = VirtualClock()
    store, wiring = gated(clock)
    async with WiredHub(wiring, background=False) as hub:
        project = await hub.project("demo", create=True)
        line = Line(project)
        with anyio.fail_after(PATIENCE):
            async with anyio.create_task_group() as group:
                for agent in ("a", "b"):
                    group.start_soon(line.wait, agent)
                    # The first look runs in a thread; the next command in line comes after it.
                    await wait_all_tasks_blocked()
                    await project.set_queue("idle")
                    await wait_all_tasks_blocked()
                    await project.set_queue("idle")
                await project.create_task("T")
                # It is woken, and its claim is on its way, when it is cancelled.
                store.hold("before")
                await store.reached()
                line.scopes["a"].cancel()
                await wait_all_tasks_blocked()
                store.let_go()
        assert line.got == [("b", "T")]
        assert types(store).count("task_released") <= 1


async def test_a_claimer_that_is_cancelled_in_the_instant_it_is_woken_passes_the_wake_up_on() -> None:
    async with opened() as (line, group, _):
        await line_up(line, group, "a", "b")

        async def create_and_cancel() -> None:
            await line.project.create_task("T")
            line.scopes["a"].cancel()

        group.start_soon(create_and_cancel)
        await wait_all_tasks_blocked()
        # Either the cancellation came too late, or the other one has the task now.
        assert len(line.got) == 1
        line.scopes["b"].cancel()


async def test_a_woken_claimer_that_is_refused_passes_the_wake_up_on() -> None:
    async with opened() as (line, group, _):
        await line.project.register_agent("a", max_leases=1)
        refusals: list[str] = []

        async def wait_in_vain() -> None:
            try:
                await line.project.claim("a", capabilities=[], wait=LONG)
            except ArbeitError as error:
                refusals.append(error.code)

        await line_up(line, group, "a")
        group.start_soon(wait_in_vain)
        await wait_all_tasks_blocked()
        await line_up(line, group, "b")
        await line.project.create_task("T")
        await wait_all_tasks_blocked()
        # Its agent holds all that it may by now, so the second task is for the next in line.
        await line.project.create_task("U")
        await wait_all_tasks_blocked()
        assert (line.got, refusals) == ([("a", "T"), ("b", "U")], [Code.LIMIT_EXCEEDED])


async def test_a_claimer_that_gave_up_is_not_woken_any_more() -> None:
    async with opened() as (line, group, store):
        gave_up = anyio.Event()

        async def wait_a_little() -> None:
            await line.wait("a", wait=0.01)
            gave_up.set()

        group.start_soon(wait_a_little)
        await wait_all_tasks_blocked()
        await line_up(line, group, "b")
        await gave_up.wait()
        before = store.transactions
        await line.project.create_task("T")
        await wait_all_tasks_blocked()
        assert (line.got, store.transactions - before) == ([("b", "T")], 2)


async def test_a_claimer_woken_in_vain_keeps_its_place() -> None:
    async with opened() as (line, group, _):
        await line.project.set_queue("q", paused=True)
        task = await line.project.create_task("T", queue="q")
        await line_up(line, group, "a", "b")
        # The paused task changes without becoming claimable: whoever looks finds nothing.
        await line.project.add_context(task.id, "a remark")
        await wait_all_tasks_blocked()
        await line.project.create_task("U")
        await wait_all_tasks_blocked()
        assert line.got == [("a", "U")]
        line.scopes["b"].cancel()


async def test_a_waiting_claim_with_a_key_gets_what_comes() -> None:
    async with opened() as (line, group, _):
        await line_up(line, group, "a", idempotency_key="k")
        await line.project.create_task("T")
        await wait_all_tasks_blocked()
        assert line.got == [("a", "T")]


async def test_an_agent_that_learns_something_is_woken_for_what_it_can_do_now() -> None:
    async with opened() as (line, group, _):
        await line.project.create_task("T", requires=["python"])
        await line_up(line, group, "a", capabilities=None)
        await line.project.register_agent("a", capabilities=["python"])
        await wait_all_tasks_blocked()
        assert line.got == [("a", "T")]


async def test_waiting_ends_with_nothing_when_the_time_is_over() -> None:
    async with opened() as (line, _, store):
        assert await line.project.claim("a", wait=0.05) is None
        assert await line.project.claim_many("a", n=3, wait=0.05) == []
        assert await line.project.claim("a", wait=0) is None
        assert store.transactions == 4
        await line.project.create_task("T")
        assert await line.project.claim("a", wait=LONG) is not None


async def test_what_another_process_creates_wakes_claimers(tmp_path: Path) -> None:
    def wired() -> Wiring:
        clock = SystemClock()
        return Wiring(SQLiteStore(tmp_path / "team.db", clock), clock, KEY, {})

    async with WiredHub(wired()) as hub, WiredHub(wired()) as other:
        line = Line(await hub.project("demo", create=True))
        theirs = await other.project("demo")
        with anyio.fail_after(20):
            async with anyio.create_task_group() as group:
                for agent in ("a", "b"):
                    group.start_soon(line.wait, agent)
                await theirs.execute_many([c.CreateTask(title="T")] * 2)
        assert sorted(agent for agent, _ in line.got) == ["a", "b"]


async def test_a_waiting_agent_takes_up_what_is_handed_over_to_it() -> None:
    async with opened() as (line, group, _):
        work = await held(line.project, "T")
        await line_up(line, group, "a", "b")
        await work.handoff("b", "yours")
        await wait_all_tasks_blocked()
        assert line.got == [("b", "T")]
        line.scopes["a"].cancel()


async def test_what_waits_for_a_review_wakes_a_reviewer_who_did_not_do_it() -> None:
    async with opened() as (line, group, _):
        await line.project.create_task("T", review=True)
        work = await line.project.claim("a", capabilities=["review"])
        assert work is not None
        await line_up(line, group, "a", "b", capabilities=["review"])
        await line_up(line, group, "c")
        await work.complete("done", evidence=["e"])
        await wait_all_tasks_blocked()
        assert line.got == [("b", "T")]
        for agent in ("a", "c"):
            line.scopes[agent].cancel()


async def test_a_reviewer_that_leaves_passes_its_wake_up_on_to_one_who_may_review() -> None:
    async with opened() as (line, group, _):
        await line.project.create_task("T", review=True)
        work = await line.project.claim("doer", capabilities=["review"])
        assert work is not None
        await line_up(line, group, "a", "doer", "b", capabilities=["review"])
        group.start_soon(lambda: work.complete("done", evidence=["e"]))
        # The first in line gives up in the moment in which it is woken.
        line.scopes["a"].cancel()
        await wait_all_tasks_blocked()
        assert line.got == [("b", "T")]
        line.scopes["doer"].cancel()


async def test_a_waiting_agent_hears_of_what_another_process_hands_over_to_it(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/team.db"
    got: list[str] = []

    async def wait(project: Project, agent: str) -> None:
        work = await project.claim(agent, capabilities=[], wait=LONG)
        if work is not None:
            got.append(agent)
            group.cancel_scope.cancel()

    async with arbeit.open(url) as hub, arbeit.open(url) as other:
        project = await hub.project("demo", create=True)
        elsewhere = await other.project("demo")
        await elsewhere.create_task("T")
        work = await elsewhere.claim("c")
        assert work is not None
        with anyio.fail_after(PATIENCE):
            async with anyio.create_task_group() as group:
                # Three alike: a wake-up for anybody would go to the first.
                for agent in ("a", "b", "d"):
                    await elsewhere.register_agent(agent)
                    group.start_soon(wait, project, agent)
                await wait_all_tasks_blocked()
                await work.handoff("b", "yours")
    assert got == ["b"]
