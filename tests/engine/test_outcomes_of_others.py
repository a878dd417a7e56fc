"""A transaction whose outcome is unknown is not taken for done because others wrote at its position meanwhile."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import pytest
from attrs import evolve

from arbeit.backends.memory import MemoryStore
from arbeit.compose import Wiring
from arbeit.core import commands as c
from arbeit.core.loads import Reads, Rows
from arbeit.core.model import Changes
from arbeit.core.policy import EVERYTHING
from arbeit.engine import Engine
from arbeit.kernel import RESOLVE_TRIES
from arbeit.ports import Job, LocalStore, OutcomeUnknown
from arbeit.session import BlockingSession
from arbeit.testing.clock import VirtualClock
from arbeit.testing.contract import KEY
from arbeit.testing.faults import PassingStore


class _Lost(Exception):  # noqa: N818 - it says what happened
    pass


class LosesForGood(PassingStore):
    """Loses the answer to one transaction, and whoever asks about it gets an error that is none of Arbeit's."""

    def __init__(self, store: LocalStore) -> None:
        super().__init__(store)
        self.armed = False
        self.asked = 0

    def transact(self, jobs: Sequence[Job]) -> list[Changes | Exception]:
        if not self.armed:
            return self._store.transact(jobs)
        self.asked += 1
        if self.asked == 1:
            raise OutcomeUnknown("the connection broke during the commit")
        return [_Lost("no answer") for _ in jobs]


class LosesOnce(PassingStore):
    """Decides a transaction, loses it at its commit, and lets somebody else write before anybody asks."""

    def __init__(self, store: LocalStore, others: BlockingSession) -> None:
        super().__init__(store)
        self._others = others
        self.armed = False

    def transact(self, jobs: Sequence[Job]) -> list[Changes | Exception]:
        if not self.armed:
            return self._store.transact(jobs)
        self.armed = False
        self._store.transact([evolve(job, decide=self._losing(job)) for job in jobs])
        self._others.run("demo", [c.CreateTask(actor="bob", title="theirs")])
        raise OutcomeUnknown("the connection broke during the commit")

    @staticmethod
    def _losing(job: Job) -> Callable[[Rows], Changes | Reads]:
        def decide(rows: Rows) -> Changes | Reads:
            wanted = job.decide(rows)
            if isinstance(wanted, Changes):
                raise _Lost
            return wanted

        return decide


def stores() -> tuple[LosesOnce, VirtualClock]:
    clock = VirtualClock(0)
    store = MemoryStore(clock)
    others = BlockingSession(Wiring(store, clock, KEY, {}))
    others.run("demo", [c.CreateProject(actor="bob", key="demo")])
    return LosesOnce(store, others), clock


def titles(store: LocalStore) -> list[str]:
    made = (event for event in store.history("demo", 0, 100, EVERYTHING) if event.type == "task_created")
    return ["ours" if event.actor == "ada" else "theirs" for event in made]


@pytest.mark.anyio
async def test_a_lost_command_is_run_again_though_others_wrote_at_its_position() -> None:
    store, clock = stores()
    async with Engine(Wiring(store, clock, KEY, {}), background=False) as engine:
        store.armed = True
        reply = await engine.execute("demo", c.CreateTask(actor="ada", title="ours"))
        assert reply.task is not None
        assert titles(store) == ["theirs", "ours"]


def test_a_lost_command_of_a_synchronous_caller_is_run_again_though_others_wrote_at_its_position() -> None:
    store, clock = stores()
    session = BlockingSession(Wiring(store, clock, KEY, {}))
    store.armed = True
    (reply,) = session.run("demo", [c.CreateTask(actor="ada", title="ours")])
    assert not isinstance(reply, Exception)
    assert titles(store) == ["theirs", "ours"]


@pytest.mark.anyio
async def test_a_look_that_fails_in_an_unknown_way_is_told_to_the_caller_and_the_engine_goes_on(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    inner, clock = stores()
    store = LosesForGood(inner)

    async def at_once(_seconds: float) -> None:
        return None

    async with Engine(Wiring(store, clock, KEY, {}), background=False) as engine:
        monkeypatch.setattr(clock, "sleep", at_once)
        store.armed = True
        with pytest.raises(OutcomeUnknown):
            await engine.execute("demo", c.CreateTask(actor="ada", title="ours"))
        assert store.asked == 1 + RESOLVE_TRIES
        store.armed = False
        await engine.execute("demo", c.CreateTask(actor="ada", title="again"))
    assert titles(store) == ["ours"]


def test_so_is_a_synchronous_caller(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("arbeit.session.time.sleep", lambda _seconds: None)
    inner, clock = stores()
    store = LosesForGood(inner)
    session = BlockingSession(Wiring(store, clock, KEY, {}))
    store.armed = True
    (told,) = session.run("demo", [c.CreateTask(actor="ada", title="ours")])
    assert isinstance(told, OutcomeUnknown)
    assert store.asked == 1 + RESOLVE_TRIES
    store.armed = False
    (reply,) = session.run("demo", [c.CreateTask(actor="ada", title="again")])
    assert not isinstance(reply, Exception)
