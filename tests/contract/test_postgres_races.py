"""Two processes on one Postgres, held up between two statements of a transaction: who sees what, and who waits."""

from __future__ import annotations

import time
from collections import Counter
from typing import Any, cast

import anyio
import pytest
from anyio import CancelScope, to_thread

from arbeit.backends.postgres.store import PostgresStore
from arbeit.core import commands as c
from arbeit.core.errors import ArbeitError, Code
from arbeit.core.policy import EVERYTHING
from arbeit.ports import Job, OutcomeUnknown
from arbeit.session import BlockingSession
from arbeit.testing.clock import VirtualClock
from arbeit.testing.contract import WiredHub
from tests.contract.racing import Doing, Seam, opened, until_waiting
from tests.contract.test_postgres import ask

NOTHING_PROVED = {"completion": "none"}


class Process:
    """One of several processes: its session, and the seam of its store."""

    def __init__(self, url: str, clock: VirtualClock, **settings: Any) -> None:  # noqa: ANN401 - as `opened`
        self.wiring, self.seam = opened(url, clock, **settings)
        self.session = BlockingSession(self.wiring)
        self.name = "p"

    def run(self, *commands: c.Command, project: str = "demo") -> list[Any]:
        return list(self.session.run(project, commands))

    def claim(self, agent: str) -> str | None:
        """The title of the task that it gets, if there is one."""
        (reply,) = self.run(c.ClaimTasks(actor=agent, agent=agent))
        return reply.grants[0].task.title if reply.grants else None

    def add(self, title: str, **values: Any) -> None:  # noqa: ANN401 - fields of a task
        (reply,) = self.run(c.CreateTask(actor="lead", title=title, **values))
        assert reply.task.title == title

    def types(self) -> list[str]:
        """The types of the project's events, each position by its number."""
        events = self.wiring.store.history("demo", 0, 10_000, EVERYTHING)
        assert [event.position for event in events] == [*range(1, len(events) + 1)]
        return [event.type for event in events]

    def close(self) -> None:
        self.wiring.store.close()


@pytest.fixture
def clock() -> VirtualClock:
    return VirtualClock()


Two = tuple[Process, Process]


@pytest.fixture
def strangers(empty_postgres_url: str, clock: VirtualClock) -> Any:  # noqa: ANN401 - a generator of two processes
    """Two processes, and no project yet."""
    both = tuple(Process(empty_postgres_url, clock) for _ in range(2))
    yield both
    for process in both:
        assert not process.seam.open
        process.close()


@pytest.fixture
def two(strangers: Two) -> Two:
    """Two processes, and a project."""
    strangers[0].run(c.CreateProject(actor="lead", key="demo", settings=NOTHING_PROVED))
    return strangers


# -- the guess of the head --------------------------------------------------------------------------------------------


def loads(seam: Seam) -> int:
    """How often it loaded since it was asked last."""
    found = Counter(seam.points)["load"]
    seam.points.clear()
    return found


def test_a_guess_that_holds_saves_a_load_and_one_that_does_not_is_read_anew(two: Two) -> None:
    first, second = two
    first.add("one")
    loads(first.seam)
    first.add("two")
    assert loads(first.seam) == 1
    second.add("urgent", priority="critical")
    loads(first.seam)
    first.add("three")
    assert loads(first.seam) == 2
    first.add("four")
    assert loads(first.seam) == 1
    second.add("more urgent", priority="critical")
    # What the other wrote is served first, so it was seen.
    assert [first.claim(f"a{number}") for number in range(3)] == ["urgent", "more urgent", "one"]
    assert second.claim("cyd") == "two"
    assert first.types() == second.types()


def test_settings_that_another_process_changed_count_at_once(two: Two) -> None:
    first, second = two
    first.add("one")
    second.run(c.SetQueue(actor="lead", queue="default", paused=True))
    assert first.claim("ada") is None
    second.run(c.SetQueue(actor="lead", queue="default", paused=False))
    assert first.claim("ada") == "one"


def test_processes_that_alternate_with_warm_caches_claim_each_task_once(two: Two) -> None:
    first, second = two
    titles = [f"T{number}" for number in range(30)]
    first.run(*(c.CreateTask(actor="lead", title=title) for title in titles))
    got = [two[number % 2].claim(f"a{number}") for number in range(30)]
    assert got == titles
    assert first.claim("late") is None
    assert second.claim("late") is None
    assert first.session.kernel.store.rows("demo") == second.session.kernel.store.rows("demo")


# -- the lock ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("point", ["lock", "load", "save"])
def test_who_comes_second_waits_and_then_sees_what_the_first_did(two: Two, empty_postgres_url: str, point: Any) -> None:  # noqa: ANN401 - a Point
    first, second = two
    first.run(*(c.CreateTask(actor="lead", title=title) for title in ("one", "two")))
    assert second.claim("warm") == "one"
    held = first.seam.hold("after", point)
    claiming = Doing(lambda: first.claim("ada"))
    held.wait()
    late = Doing(lambda: second.claim("bob"))
    until_waiting(empty_postgres_url)
    assert "load" not in second.seam.points[-1:]
    held.let_go()
    assert (claiming.result(), late.result()) == ("two", None)
    assert first.types().count("task_claimed") == 2


def test_of_two_creators_of_one_project_one_is_told_that_it_is_there(strangers: Two, empty_postgres_url: str) -> None:
    first, second = strangers
    held = first.seam.hold("after", "save")
    creating = Doing(lambda: first.run(c.CreateProject(actor="ada", key="demo", name="Ada's")))
    held.wait()
    late = Doing(lambda: second.run(c.CreateProject(actor="bob", key="demo", name="Bob's")))
    until_waiting(empty_postgres_url)
    # It has decided nothing: its transaction waits where the first one's name is locked.
    assert "save" not in second.seam.points
    held.let_go()
    assert creating.result()[0].project.name == "Ada's"
    (refused,) = late.result()
    assert isinstance(refused, ArbeitError)
    assert refused.code is Code.ALREADY_INITIALIZED
    # Refused for what it saw, not because the server refused its rows.
    assert "save" not in second.seam.points
    assert first.types() == ["project_created"]


def test_who_found_no_head_and_then_finds_one_begins_again_and_locks_it(strangers: Two) -> None:
    first, second = strangers
    held = second.seam.hold("before", "look")
    late = Doing(lambda: second.run(c.CreateProject(actor="bob", key="demo", name="Bob's")))
    held.wait()
    first.run(c.CreateProject(actor="ada", key="demo", settings=NOTHING_PROVED))
    # As a command of the same process would have it, which was there first.
    own, others = (cast(PostgresStore, process.session.kernel.store) for process in (second, first))
    own._heads.update(others._heads)
    held.let_go()
    (refused,) = late.result()
    assert refused.code is Code.ALREADY_INITIALIZED
    # Not decided by what it held no lock for.
    assert second.seam.points[:5] == ["lock", "look", "load", "rollback", "lock"]


def test_a_deadline_that_comes_up_while_the_next_one_is_looked_for_is_not_lost(
    two: Two, empty_postgres_url: str, clock: VirtualClock
) -> None:
    first, second = two
    first.add("one")
    second.add("long")
    assert second.claim("ada") == "one"
    clock.tick(100_000)
    # Everything is long overdue, so the next look has to say anew what comes next.
    second.run(c.Sweep(actor="lead"))
    clock.tick(100_000)
    second.run(c.Sweep(actor="lead"))
    held = first.seam.hold("after", "deadline")
    looking = Doing(lambda: first.wiring.store.due(clock.now(), 10))
    held.wait()
    claiming = Doing(lambda: second.claim("bob"))
    until_waiting(empty_postgres_url)
    held.let_go()
    assert looking.result() == []
    assert claiming.result() is not None
    clock.tick(100_000)
    assert [due.project for due in first.wiring.store.due(clock.now(), 10)] == ["demo"]


# -- time-outs --------------------------------------------------------------------------------------------------------


def test_who_waits_too_long_for_the_lock_may_try_again(
    two: Two, empty_postgres_url: str, clock: VirtualClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    first, _ = two
    monkeypatch.setattr("arbeit.backends.postgres.connecting._PATIENCE", 0.5)
    hasty = Process(empty_postgres_url, clock, frozen=0.5, timeout=0.5)
    held = first.seam.hold("after", "load")
    slow = Doing(lambda: first.run(c.CreateTask(actor="ada", title="slow")))
    held.wait()
    (refused,) = hasty.run(c.CreateTask(actor="bob", title="hasty"))
    assert isinstance(refused, ArbeitError)
    assert refused.code is Code.STORE_UNAVAILABLE
    assert refused.retryable
    assert not isinstance(refused, OutcomeUnknown)
    assert "lock" in refused.suggestions[0]
    held.let_go()
    slow.result()
    hasty.add("again")
    assert hasty.types() == ["project_created", "task_created", "task_created"]
    hasty.close()


def test_a_process_that_stands_still_in_a_transaction_holds_the_others_up_no_longer_than_it_may(
    empty_postgres_url: str, clock: VirtualClock
) -> None:
    frozen, other = Process(empty_postgres_url, clock, frozen=0.3), Process(empty_postgres_url, clock)
    other.run(c.CreateProject(actor="lead", key="demo", settings=NOTHING_PROVED))
    held = frozen.seam.hold("after", "load")
    late = Doing(lambda: frozen.run(c.CreateTask(actor="ada", title="late")))
    held.wait()
    # It never lets go, and yet:
    began = time.monotonic()
    other.add("meanwhile")
    assert time.monotonic() - began < 10
    assert other.types() == ["project_created", "task_created"]
    held.let_go()
    # The server ended its transaction, which is found out, and the command runs again.
    (reply,) = late.result()
    assert reply.task.title == "late"
    assert other.types() == ["project_created", "task_created", "task_created"]
    for process in (frozen, other):
        process.close()


# -- cancellation -----------------------------------------------------------------------------------------------------


@pytest.mark.anyio
@pytest.mark.parametrize("anyio_backend", ["asyncio"])
@pytest.mark.parametrize("point", ["lock", "load", "save", "commit"])
async def test_the_command_of_a_cancelled_caller_is_committed(empty_postgres_url: str, point: Any) -> None:  # noqa: ANN401 - a Point
    wiring, seam = opened(empty_postgres_url)
    async with WiredHub(wiring, background=False) as hub:
        project = await hub.project("demo", create=True)
        await project.create_task("one")
        scope, held = CancelScope(), seam.hold("after", point)
        with anyio.fail_after(20):
            async with anyio.create_task_group() as group:

                async def caller() -> None:
                    with scope:
                        await project.create_task("two")

                group.start_soon(caller)
                await to_thread.run_sync(held.wait)
                scope.cancel()
                await anyio.wait_all_tasks_blocked()
                assert scope.cancelled_caught
                held.let_go()
        # Whatever comes after it in the lane comes after its commit.
        await project.create_task("three")
        assert [task.title for task in (await project.find()).tasks] == ["one", "two", "three"]
        assert (await project.verify()).ok


# -- connections ------------------------------------------------------------------------------------------------------


def test_a_transaction_leaves_nothing_behind_for_the_next_user_of_its_connection(
    empty_postgres_url: str, clock: VirtualClock
) -> None:
    process = Process(empty_postgres_url, clock, pool=1)
    settings = """
        SELECT current_setting('arbeit.project', true), current_setting('role'), current_setting('lock_timeout'),
            current_setting('statement_timeout'), current_setting('idle_in_transaction_session_timeout'),
            current_setting('enable_seqscan'), current_setting('transaction_timeout', true),
            current_user = session_user, pg_backend_pid()
    """

    async def look() -> list[Any]:
        async with process.wiring.store._connections.connection() as connection:  # type: ignore[attr-defined]
            return list(await connection.fetchrow(settings))

    store: Any = process.wiring.store
    *before, pid = store._call(look())
    process.run(c.CreateProject(actor="lead", key="demo"))
    process.run(c.CreateTask(actor="lead", title="T"))
    # Refused, and failed within.
    process.run(c.CancelTask(actor="lead", task_id="no-such"))
    (failed,) = store.transact([Job("demo", _broken, _broken)])
    assert isinstance(failed, ZeroDivisionError)
    assert store.rows("demo")["task"]
    *after, same_pid = store._call(look())
    assert same_pid == pid
    assert [value or "" for value in after] == [value or "" for value in before]
    assert ask(empty_postgres_url, ("SELECT count(*) FROM pg_locks WHERE pid = $1", [pid]))[0][0] == 0
    process.close()


def _broken(_: object) -> Any:  # noqa: ANN401 - it never answers
    return 1 // 0
