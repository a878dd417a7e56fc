"""The synchronous face in the threads of its callers."""

from __future__ import annotations

import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from threading import Barrier, Condition, Event
from typing import TypeVar

import pytest
from attrs import frozen

from arbeit import sync
from arbeit.backends.memory import MemoryStore
from arbeit.backends.sqlite import SQLiteStore
from arbeit.clock import SystemClock
from arbeit.compose import Wiring
from arbeit.core import commands as c
from arbeit.core.errors import ArbeitError, Code
from arbeit.core.model import Changes, Reply
from arbeit.core.model import Event as Recorded
from arbeit.hookspecs import hookimpl
from arbeit.ports import Clock, Job, LocalStore
from arbeit.session import BlockingSession
from arbeit.sync import heart
from arbeit.testing.clock import VirtualClock
from arbeit.testing.contract import KEY, WiredSyncHub
from arbeit.testing.faults import Fault, FaultyStore

T = TypeVar("T")
PATIENCE = 20
PROOF = ["pytest"]
AWAY: list[Fault] = ["fail"] * 10_000


class Beating(FaultyStore):
    """Counts the heartbeats that were committed."""

    def __init__(self, store: LocalStore) -> None:
        super().__init__(store)
        self.beats = 0
        self._beaten = Condition()

    def transact(self, jobs: Sequence[Job]) -> list[Changes | Exception]:
        try:
            results = super().transact(jobs)
        finally:
            with self._beaten:
                self._beaten.notify_all()
        with self._beaten:
            self.beats += sum(len(result.beats) for result in results if isinstance(result, Changes))
            self._beaten.notify_all()
        return results

    def wait_for_transactions(self, count: int) -> None:
        """Come back once so many have ended, well or badly."""
        with self._beaten:
            assert self._beaten.wait_for(lambda: self.transactions >= count, PATIENCE)

    def wait_for_beats(self, count: int) -> None:
        """Come back once there were so many."""
        with self._beaten:
            assert self._beaten.wait_for(lambda: self.beats >= count, PATIENCE)


@pytest.fixture(params=["memory", "sqlite"])
def open_store(request: pytest.FixtureRequest, tmp_path: Path) -> Callable[[Clock], LocalStore]:
    if request.param == "memory":
        return MemoryStore
    return lambda clock: SQLiteStore(tmp_path / "team.db", clock)


@pytest.fixture
def wiring(open_store: Callable[[Clock], LocalStore]) -> Wiring:
    """A store on the machine's own clock."""
    clock = SystemClock()
    return Wiring(FaultyStore(open_store(clock)), clock, KEY, {})


@frozen
class Pulse:
    """A project whose hearts beat as a virtual clock says: they look at it every 0.1 real seconds."""

    clock: VirtualClock
    store: Beating
    hub: WiredSyncHub
    project: sync.Project

    def claim(self, title: str = "T") -> sync.Work:
        """A new task, claimed for 0.3 virtual seconds."""
        work = self.project.start_task(self.project.create_task(title).id, "ada", ttl=0.3)
        assert work.lease.ttl == 300_000
        return work

    def beat(self, count: int = 1) -> None:
        """Let a third of a lease pass, and so many heartbeats."""
        beats = self.store.beats
        self.clock.tick(0.1)
        self.store.wait_for_beats(beats + count)


@pytest.fixture
def pulse(open_store: Callable[[Clock], LocalStore]) -> Iterator[Pulse]:
    clock = VirtualClock()
    store = Beating(open_store(clock))
    with WiredSyncHub(Wiring(store, clock, KEY, {})) as hub:
        project = hub.project("demo", create=True, settings={"retry": "at_once"})
        yield Pulse(clock, store, hub, project)


def test_no_event_loop_is_loaded(tmp_path: Path) -> None:
    script = f"""
import sys
import arbeit.sync
with arbeit.sync.open("sqlite:///{tmp_path}/team.db") as hub:
    project = hub.project("demo", create=True)
    project.create_task("T")
    with project.claim("ada") as work:
        work.complete("done", evidence=["e"])
    assert project.verify().ok
print(sorted({{"asyncio", "anyio", "trio", "multiprocessing", "sqlalchemy"}} & set(sys.modules)))
"""
    root = Path(__file__).parents[2]
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True, cwd=root)
    assert done.stdout == "[]\n"


def test_threads_share_a_hub(wiring: Wiring) -> None:
    threads, each = 8, 15
    barrier = Barrier(threads)
    with WiredSyncHub(wiring) as hub:
        project = hub.project("demo", create=True)

        def work(number: int) -> list[str]:
            finished = []
            barrier.wait()
            for turn in range(each):
                project.create_task(f"T{number}-{turn}")
                claimed = project.claim(f"agent-{number}")
                assert claimed is not None
                with claimed:
                    claimed.note("mine")
                    claimed.complete("done", evidence=PROOF)
                finished.append(claimed.task.id)
            return finished

        with ThreadPoolExecutor(threads) as pool:
            finished = [task_id for part in pool.map(work, range(threads)) for task_id in part]
        assert len(finished) == len(set(finished)) == threads * each
        assert project.overview().statuses == {"completed": threads * each}
        assert project.verify().ok


def test_a_waiting_claimer_is_woken_by_another_thread(wiring: Wiring) -> None:
    with WiredSyncHub(wiring) as hub, ThreadPoolExecutor(1) as pool:
        project = hub.project("demo", create=True)
        waiting = _when_waiting(hub, lambda: pool.submit(project.claim, "ada", wait=PATIENCE))
        task = project.create_task("T")
        work = waiting.result(PATIENCE)
        assert work is not None
        assert work.task.id == task.id


def test_a_claimer_that_waits_in_vain_gets_nothing(wiring: Wiring) -> None:
    with WiredSyncHub(wiring) as hub:
        project = hub.project("demo", create=True)
        began = time.monotonic()
        assert project.claim("ada", wait=0.2) is None
        assert time.monotonic() - began >= 0.2
        assert project.claim_many("ada", n=2, wait=0) == []


def test_claimers_that_wait_leave_the_store_alone(wiring: Wiring) -> None:
    assert isinstance(wiring.store, FaultyStore)
    with WiredSyncHub(wiring) as hub, ThreadPoolExecutor(3) as pool:
        project = hub.project("demo", create=True)
        for number in range(3):
            project.register_agent(f"agent-{number}")
        before = wiring.store.transactions
        waiting = [pool.submit(project.claim, f"agent-{number}", wait=0.8) for number in range(3)]
        assert [one.result(PATIENCE) for one in waiting] == [None] * 3
        # A look at the start, and one a second by the clock; not one for every look of the others.
        assert wiring.store.transactions - before <= 12


def test_a_task_that_falls_due_reaches_a_waiting_claimer(wiring: Wiring) -> None:
    with WiredSyncHub(wiring) as hub:
        project = hub.project("demo", create=True)
        project.create_task("T", ready_at=SystemClock().now() + 300_000)
        assert project.claim("ada", wait=PATIENCE) is not None


def test_what_another_process_creates_reaches_a_waiting_claimer(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/team.db"
    with sync.open(url) as hub, sync.open(url) as other, ThreadPoolExecutor(1) as pool:
        project = hub.project("demo", create=True)
        waiting = pool.submit(project.claim, "ada", wait=PATIENCE)
        other.project("demo").create_task("T")
        assert waiting.result(PATIENCE) is not None


def test_entered_work_is_renewed_from_one_thread(pulse: Pulse) -> None:
    before = set(threading.enumerate())
    first, second, third = pulse.claim(), pulse.claim(), pulse.claim()
    assert set(threading.enumerate()) <= before
    with first, second:
        (heart,) = set(threading.enumerate()) - before
        assert heart.name == "arbeit-heart"
        for _ in range(8):
            pulse.beat(2)
        first.complete("1", evidence=PROOF)
        second.complete("2", evidence=PROOF)
    # Nobody renewed the third one, and whoever claims next takes it back.
    again = pulse.project.claim("bob")
    assert again is not None
    assert again.task.id == third.task.id
    with pytest.raises(ArbeitError) as caught:
        third.complete("3", evidence=PROOF)
    assert caught.value.code is Code.LEASE_LOST


def test_a_lost_lease_is_heard_of_on_leaving(pulse: Pulse) -> None:
    work, heard = pulse.claim(), Event()
    inner = work.inner.lost

    def lost(error: ArbeitError) -> None:
        inner(error)
        heard.set()

    work.inner.lost = lost  # type: ignore[method-assign]  # only to know when

    def lose() -> None:
        pulse.beat()
        # The hub cannot reach the store for a while; another one can, and takes the task back.
        pulse.store.plan(*AWAY)
        pulse.clock.tick(100)
        other = BlockingSession(Wiring(pulse.store._store, pulse.clock, KEY, {}))
        (reply,) = other.run("demo", [c.ClaimTasks(actor="bob", agent="bob", capabilities=())])
        assert isinstance(reply, Reply)
        assert [grant.task.id for grant in reply.grants] == [work.task.id]
        pulse.store.planned.clear()
        pulse.clock.tick(100)
        assert heard.wait(PATIENCE)
        assert work.is_lost

    with pytest.raises(ArbeitError) as caught, work:
        lose()
    assert caught.value.code is Code.LEASE_LOST
    with pytest.raises(ArbeitError):
        work.note("too late")


def test_leaving_by_an_exception_fails_the_attempt(wiring: Wiring) -> None:
    with WiredSyncHub(wiring) as hub:
        project = hub.project("demo", create=True)
        task = project.create_task("T")
        work = project.claim("ada")
        assert work is not None
        with pytest.raises(ZeroDivisionError), work:
            raise ZeroDivisionError
        assert project.get(task.id).task.attempt == 1
        again = project.start_task(project.create_task("U").id, "ada")
        with pytest.raises(KeyboardInterrupt), again:
            raise KeyboardInterrupt
        assert project.get(again.task.id).task.attempt == 0


class Told:
    """What the holder of some work hears of its lease, and an event that is set once it did."""

    def __init__(self, work: sync.Work) -> None:
        self.heard: list[str] = []
        self.event = Event()
        renewed, lost = work.inner.renewed, work.inner.lost

        def on_renewal(reply: Reply) -> None:
            renewed(reply)
            self.heard.append(",".join(notice.code for notice in reply.warnings))
            self.event.set()

        def on_loss(error: ArbeitError) -> None:
            lost(error)
            self.heard.append(error.code)
            self.event.set()

        work.inner.renewed, work.inner.lost = on_renewal, on_loss  # type: ignore[method-assign]  # only to know


@pytest.mark.parametrize("ending", ["preempt", "cancel"])
@pytest.mark.parametrize("other", [False, True], ids=["same-process", "another-process"])
def test_a_holder_hears_at_once_what_others_do_to_its_lease(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, ending: str, other: bool
) -> None:
    monkeypatch.setattr(heart, "_LOOK", 0.02)
    url = f"sqlite:///{tmp_path}/team.db"
    with sync.open(url) as hub, sync.open(url) as elsewhere:
        project = hub.project("demo", create=True)
        project.create_task("T")
        project.register_agent("boss", persona="supervisor")
        work = project.claim("ada", ttl=3600)
        assert work is not None
        told = Told(work)
        work.inner.hold()
        boss = (elsewhere if other else hub).project("demo").as_("boss")
        if ending == "preempt":
            boss.preempt_task(work.task.id)
        else:
            boss.cancel_task(work.task.id, force=True)
        assert told.event.wait(PATIENCE)
        assert told.heard == ["PREEMPT_REQUESTED" if ending == "preempt" else "LEASE_LOST"]
        assert work.is_lost == (ending == "cancel")
        # What it knows is no news, whatever else is committed.
        told.event.clear()
        boss.create_task("U")
        assert not told.event.wait(0.1)
        work.let_go()


def test_a_holder_whose_own_ending_is_slow_to_return_has_lost_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(heart, "_LOOK", 0.01)
    looked = Event()

    class Chat:
        """Tells somebody of an escalation, which takes until the heart has seen that the lease ended."""

        @hookimpl
        def arbeit_notify(self) -> None:
            assert looked.wait(PATIENCE)

    with sync.open(f"sqlite:///{tmp_path}/team.db", plugins=[Chat()]) as hub:
        project = hub.project("demo", create=True)
        project.create_task("T", max_attempts=1)
        work = project.claim("ada", ttl=3600)
        assert work is not None
        inner = work.inner.lost

        def lost(error: ArbeitError) -> None:
            inner(error)
            looked.set()

        work.inner.lost = lost  # type: ignore[method-assign]  # only to know when
        with work:
            work.fail("it broke")
        assert looked.is_set()
        assert not work.is_lost


def test_a_loss_that_is_heard_of_during_an_ending_that_fails_counts(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with sync.open(f"sqlite:///{tmp_path}/team.db") as hub:
        project = hub.project("demo", create=True)
        project.create_task("T")
        work = project.claim("ada", ttl=3600)
        assert work is not None
        lost = ArbeitError(Code.LEASE_LOST, "taken back", suggestions=("Claim the next task.",))

        async def away(_key: str, _command: c.Command) -> Reply:
            work.inner.lost(lost)  # as a renewal hears it meanwhile
            raise ArbeitError(Code.STORE_UNAVAILABLE, "away", suggestions=("Try again.",))

        monkeypatch.setattr(work.inner._session, "execute", away)
        with pytest.raises(ArbeitError) as caught:
            work.complete("done", evidence=PROOF)
        assert caught.value.code is Code.STORE_UNAVAILABLE
        assert work.is_lost


def test_the_heart_stops_with_the_hub_even_while_work_is_entered(open_store: Callable[[Clock], LocalStore]) -> None:
    before = set(threading.enumerate())
    clock = VirtualClock()
    store = Beating(open_store(clock))
    with WiredSyncHub(Wiring(store, clock, KEY, {})) as hub:
        pulse = Pulse(clock, store, hub, hub.project("demo", create=True))
        work = pulse.claim()
        work.__enter__()
        pulse.beat()
        assert set(threading.enumerate()) - before
    assert set(threading.enumerate()) <= before
    with pytest.raises(ArbeitError) as caught:
        work.note("too late")
    assert caught.value.code is Code.NOT_INITIALIZED


@pytest.mark.parametrize("fault", ["fail", "lose_reply", "lose_commit"])
def test_a_heartbeat_that_fails_is_tried_again(pulse: Pulse, fault: Fault) -> None:
    work = pulse.claim()
    with work:
        pulse.beat()
        pulse.store.plan(fault)
        beats, transactions = pulse.store.beats, pulse.store.transactions
        pulse.clock.tick(0.1)
        # The heart looks at the clock at least every 0.1 s, and the lease lasts three times as long.
        pulse.store.wait_for_transactions(transactions + 1)
        if fault == "fail":
            pulse.clock.tick(0.1)
        pulse.store.wait_for_beats(beats + 1)
        for _ in range(5):
            pulse.beat()
        assert not work.is_lost
        work.complete("held on", evidence=PROOF)


def test_a_watcher_in_a_thread_sees_everything(wiring: Wiring) -> None:
    with WiredSyncHub(wiring) as hub, ThreadPoolExecutor(1) as pool:
        project = hub.project("demo", create=True)

        def watch() -> list[int]:
            seen: list[int] = []
            for event in project.watch():
                seen.append(event.position)
                if len(seen) == 30:
                    return seen
            return seen

        watching = _when_waiting(hub, lambda: pool.submit(watch))
        for number in range(29):
            project.create_task(f"T{number}")
        assert watching.result(PATIENCE) == list(range(1, 31))


def test_verify_is_right_while_others_write(wiring: Wiring) -> None:
    with WiredSyncHub(wiring) as hub, ThreadPoolExecutor(2) as pool:
        project = hub.project("demo", create=True)
        enough = Event()

        def write(agent: str) -> None:
            while not enough.is_set():
                project.create_task("T")
                work = project.claim(agent)
                assert work is not None
                work.complete("done", evidence=PROOF)

        writing = [pool.submit(write, agent) for agent in ("a", "b")]
        try:
            found = [project.verify()]
            # The first writes of a process import what they need, and may come after thirty looks.
            while len(found) < 30 or found[-1].events == found[0].events:
                assert not any(one.done() for one in writing)
                found.append(project.verify())
        finally:
            enough.set()
        for one in writing:
            one.result(PATIENCE)
        assert [one.problem for one in found if not one.ok] == []
        assert found[-1].events > found[0].events


def test_a_command_under_way_is_finished_before_the_hub_closes(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/team.db"
    errors: list[BaseException] = []
    created: list[str] = []
    busy = Event()
    with ThreadPoolExecutor(1) as pool:
        with sync.open(url) as hub:
            project = hub.project("demo", create=True)

            def create() -> None:
                try:
                    while True:
                        created.append(project.create_task("T").id)
                        busy.set()
                except ArbeitError as error:
                    errors.append(error)

            writing = pool.submit(create)
            assert busy.wait(PATIENCE)
        writing.result(PATIENCE)
    assert [getattr(error, "code", None) for error in errors] == [Code.NOT_INITIALIZED]
    with sync.open(url) as hub:
        project = hub.project("demo")
        events: list[Recorded] = []
        while page := project.history(after=len(events), limit=1000):
            events += page
    assert [event.task_id for event in events if event.type == "task_created"] == created


def _when_waiting(hub: WiredSyncHub, submit: Callable[[], Future[T]]) -> Future[T]:
    """Submit, and come back once somebody waits for a commit."""
    session = hub.session
    inner, waits = session._wait_for_commit, Event()

    def wait(events: int, pulse: int, until: float) -> bool:
        waits.set()
        return inner(events, pulse, until)

    session._wait_for_commit = wait  # type: ignore[method-assign]  # only to know when
    submitted = submit()
    assert waits.wait(PATIENCE)
    return submitted
