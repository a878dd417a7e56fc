"""What a store promises of its transactions."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from threading import Barrier

import pytest

from arbeit import audit
from arbeit.compose import Wiring
from arbeit.core import commands as c
from arbeit.core.loads import Reads
from arbeit.core.model import SECOND, ZERO_HASH, Beat, Changes, Head, Receipt
from arbeit.core.policy import EVERYTHING
from arbeit.core.record import change
from arbeit.ports import Job, LocalStore, Query
from arbeit.session import BlockingSession
from arbeit.testing.clock import START, VirtualClock
from arbeit.testing.contract.opening import Opening
from arbeit.testing.contract.writing import (
    DEMO,
    UNICODE,
    Mishap,
    Scribe,
    do,
    furnish,
    live,
    look,
    record,
    start,
    task,
    transact,
)

_KEY = ("ada", "task.create", UNICODE)


def _receipt(at: int = 5, key: str = UNICODE) -> Receipt:
    return Receipt("ada", "task.create", key, "fingerprint", '{"count":1}', at, 7)


class Transactions(Opening):
    """All or nothing, one after the other, each job for itself."""

    def test_a_new_project_has_no_head(self, store: LocalStore) -> None:
        first, second = Scribe(events=2), Scribe()
        transact(store, first)
        transact(store, second)
        assert first.heads == [None]
        assert second.heads == [Head(2, "demo-2", 0, START)]

    def test_looking_makes_no_project(self, store: LocalStore) -> None:
        look(store, Reads())
        scribe = Scribe(events=0)
        transact(store, scribe)
        assert scribe.heads == [None]
        assert store.projects() == []
        assert store.overview(DEMO, EVERYTHING) is None
        assert store.history(DEMO, 0, 10, EVERYTHING) == []
        assert store.rows(DEMO)["head"] == {DEMO: Head()}

    def test_what_was_written_is_read_in_the_next_transaction(self, store: LocalStore) -> None:
        written = task("t1", description=UNICODE, metadata={})
        transact(store, Scribe(new={"task": [written]}))
        (rows,) = look(store, Reads(tasks={"t1", "t2"}))
        assert rows.tasks == [written]

    def test_the_result_is_what_was_decided(self, store: LocalStore) -> None:
        scribe = Scribe(new={"task": [task("t1")]})
        (result,) = transact(store, scribe)
        assert isinstance(result, Changes)
        assert result == scribe.changes(None)

    def test_time_is_read_under_the_lock(self, store: LocalStore, clock: VirtualClock) -> None:
        clock.tick(7)
        (rows,) = look(store, Reads())
        assert rows.now == clock.now()

    def test_a_need_is_answered_in_the_same_transaction(self, store: LocalStore) -> None:
        transact(store, Scribe(new={"task": [task("t1"), task("t2"), task("t3")]}))
        given = look(store, Reads(tasks={"t1"}), Reads(tasks={"t3"}), Reads(), Reads(tasks={"t2", "t9"}))
        assert [[one.id for one in rows.tasks] for rows in given] == [["t1"], ["t3"], [], ["t2"]]
        assert len({rows.now for rows in given}) == 1

    def test_a_job_that_raises_is_undone_alone(self, store: LocalStore) -> None:
        transact(store, Scribe("one", new={"task": [task("t1")]}), Scribe("two", new={"task": [task("t1")]}))
        mishap = Mishap("planned")
        results = transact(
            store,
            Scribe("one", changed={"task": [task("t1", title="changed")]}),
            Scribe("two", changed={"task": [task("t1", title="changed")]}, error=mishap),
            Scribe("three", new={"task": [task("t1")]}),
        )
        assert [type(result) for result in results] == [Changes, Mishap, Changes]
        assert results[1] is mishap
        titles = [store.rows(name)["task"]["t1"].title for name in ("one", "two", "three")]
        assert titles == ["changed", "Task t1", "Task t1"]
        assert [store.rows(name)["head"][name].position for name in ("one", "two", "three")] == [2, 1, 1]

    def test_a_job_that_raises_while_it_asks_is_undone_alone(self, store: LocalStore) -> None:
        def raises(_head: Head | None) -> Reads:
            raise Mishap

        results = store.transact([Job("bad", raises, Scribe("bad").decide), Scribe("good").job])
        assert [type(result) for result in results] == [Mishap, Changes]
        assert store.history("good", 0, 10, EVERYTHING) != []

    def test_after_a_failed_job_the_project_goes_on(self, store: LocalStore) -> None:
        transact(store, Scribe())
        transact(store, Scribe(error=Mishap()))
        after = Scribe()
        assert isinstance(transact(store, after)[0], Changes)
        assert after.heads[0] is not None
        assert after.heads[0].position == 1

    @pytest.mark.parametrize("kind", ["task", "event"])
    def test_a_duplicate_fails_only_its_job(self, store: LocalStore, kind: str) -> None:
        transact(store, Scribe("one", new={"task": [task("t1")]}), Scribe("two", new={"task": [task("t1")]}))
        doubled = Scribe("one", new={"task": [task("t0"), task("t1", title="another")]}).job
        if kind == "event":
            again = Changes(Head(1, "other"), events=(record("one", 1, data='{"other":1}'),))
            doubled = Job("one", lambda _head: Reads(), lambda _rows: again)
        results = store.transact([Scribe("three").job, doubled, Scribe("two", new={"task": [task("t2")]}).job])
        assert [isinstance(result, Exception) for result in results] == [False, True, False]
        assert {name: one.title for name, one in store.rows("one")["task"].items()} == {"t1": "Task t1"}
        assert [event.data for event in store.history("one", 0, 10, EVERYTHING)] == ["{}"]
        assert store.rows("one")["head"]["one"].position == 1
        assert set(store.rows("two")["task"]) == {"t1", "t2"}

    def test_a_reader_sees_all_of_a_transaction_or_nothing(self, store: LocalStore) -> None:
        def rows() -> object:
            stored = store.rows(DEMO)
            return [one.title for one in stored["task"].values()], stored["head"][DEMO].position

        reads: list[Callable[[], object]] = [
            rows,
            lambda: [one.title for one in store.find(Query(DEMO)).tasks],
            lambda: [event.position for event in store.history(DEMO, 0, 10, EVERYTHING)],
            lambda: [parts.task.title for parts in store.fetch(DEMO, ["t1", "t2"], (), EVERYTHING)],
        ]
        transact(store, Scribe(new={"task": [task("t1")]}))
        before = [read() for read in reads]
        with ThreadPoolExecutor(len(reads)) as pool:
            # The first job has been run, but not committed, when the second one lets readers look.
            looking: list[Future[object]] = []
            other = Scribe("other")
            other.before_writing = lambda: looking.extend(pool.submit(read) for read in reads)
            transact(
                store,
                Scribe(new={"task": [task("t2")]}, changed={"task": [task("t1", title="changed")]}, events=3),
                other,
            )
            seen = [look.result() for look in looking]
        after = [read() for read in reads]
        assert len(seen) == len(reads)
        for was, is_now, found in zip(before, after, seen, strict=True):
            assert was != is_now
            assert found in (was, is_now)

    def test_one_project_is_written_by_one_at_a_time(self, store: LocalStore) -> None:
        threads, each = 4, 10
        barrier = Barrier(threads)

        def write(name: int) -> None:
            barrier.wait()
            for number in range(each):
                (result,) = transact(store, Scribe(new={"task": [task(f"t{name}-{number}")]}, events=2))
                if isinstance(result, Exception):
                    raise result

        with ThreadPoolExecutor(threads) as pool:
            for done in [pool.submit(write, name) for name in range(threads)]:
                done.result()
        positions = [event.position for event in store.history(DEMO, 0, 1000, EVERYTHING)]
        assert positions == list(range(1, 2 * threads * each + 1))
        assert len(store.rows(DEMO)["task"]) == threads * each

    def test_empty_changes_write_nothing(self, store: LocalStore) -> None:
        transact(store, Scribe(new={"task": [task("t1")]}))
        pulse = store.pulse()
        transact(store, Scribe(events=0), Scribe("other", events=0))
        assert store.rows(DEMO)["head"][DEMO].position == 1
        assert store.rows("other")["head"]["other"] == Head()
        assert store.pulse() == pulse

    def test_what_is_gone_is_gone(self, session: BlockingSession, store: LocalStore, clock: VirtualClock) -> None:
        furnish(session, clock.now())
        edge = next(one for one in store.rows(DEMO)["relationship"].values() if one.type == "relates_to")
        do(session, c.RemoveRelationship(from_task_id=edge.from_task_id, to_task_id=edge.to_task_id, type="relates_to"))
        assert edge.id not in store.rows(DEMO)["relationship"]
        (rows,) = look(store, Reads(around={edge.from_task_id}))
        assert edge.id not in {one.id for one in rows.relationships}
        assert audit.verify(store, DEMO).ok

    def test_receipts_are_kept_until_they_are_forgotten(self, store: LocalStore) -> None:
        transact(store, Scribe(receipts=(_receipt(), _receipt(9, "later"))))
        (rows,) = look(
            store, Reads(receipts={_KEY, ("ada", "task.create", "no such"), ("bob", "task.create", UNICODE)})
        )
        assert rows.receipts == [_receipt()]
        transact(store, Scribe(events=0, forget_receipts_before=9))
        (rows,) = look(store, Reads(receipts={_KEY, ("ada", "task.create", "later")}))
        assert rows.receipts == [_receipt(9, "later")]

    def test_receipts_of_one_project_are_not_those_of_another(self, store: LocalStore) -> None:
        transact(store, Scribe("one", receipts=(_receipt(),)), Scribe("two", receipts=(_receipt(6),)))
        transact(store, Scribe("one", events=0, forget_receipts_before=100))
        assert look(store, Reads(receipts={_KEY}), project="one")[0].receipts == []
        assert look(store, Reads(receipts={_KEY}), project="two")[0].receipts == [_receipt(6)]

    def test_a_beat_moves_liveness_and_nothing_else(
        self, session: BlockingSession, store: LocalStore, clock: VirtualClock
    ) -> None:
        furnish(session, clock.now())
        before, events = store.rows(DEMO), store.history(DEMO, 0, 1000, EVERYTHING)
        first = live(store)[0]
        transact(store, Scribe(events=0, beats=(Beat(first.id, first.expires_at + 5, clock.now() + 3),)))
        after = store.rows(DEMO)
        beaten = after["lease"].pop(first.id)
        assert (beaten.expires_at, beaten.heartbeat_at) == (first.expires_at + 5, clock.now() + 3)
        assert audit.settled(beaten) == audit.settled(before["lease"].pop(first.id))
        assert after == before
        assert store.history(DEMO, 0, 1000, EVERYTHING) == events

    def test_a_change_of_a_lease_leaves_its_liveness_to_renewals(
        self, session: BlockingSession, store: LocalStore, clock: VirtualClock
    ) -> None:
        furnish(session, clock.now())
        stale, other = live(store)[:2]
        beat = Beat(stale.id, stale.expires_at + 5, clock.now() + 3)
        transact(store, Scribe(events=0, beats=(beat,)))
        transact(store, Scribe(changed={"lease": [change(stale, accepted=False), change(other, accepted=False)]}))
        rows = store.rows(DEMO)["lease"]
        assert rows[stale.id] == change(
            stale, accepted=False, expires_at=beat.expires_at, heartbeat_at=beat.heartbeat_at
        )
        assert rows[other.id] == change(other, accepted=False)

    def test_a_deadline_that_is_moved_without_a_sign_of_life_leaves_the_last_one(
        self, session: BlockingSession, store: LocalStore, clock: VirtualClock
    ) -> None:
        furnish(session, clock.now())
        first, second = live(store)[:2]
        moved = (Beat(first.id, first.expires_at + 5, None), Beat(second.id, second.expires_at + 6, None))
        transact(store, Scribe(changed={"lease": [change(first, preempt_requested=True)]}, beats=moved))
        rows = store.rows(DEMO)["lease"]
        assert rows[first.id] == change(first, preempt_requested=True, expires_at=first.expires_at + 5)
        assert rows[second.id] == change(second, expires_at=second.expires_at + 6)

    def test_a_renewed_lease_falls_due_later(
        self, session: BlockingSession, store: LocalStore, clock: VirtualClock
    ) -> None:
        do(session, c.CreateProject(key=DEMO), c.CreateTask(task_id="t1", title="T"))
        grant, token = start(session, "t1", "ada", ttl=10 * SECOND)
        clock.tick(6)
        do(session, c.RenewLease(actor="ada", task_id="t1", token=token))
        assert store.due(grant.lease.expires_at, 10) == []
        assert [due.at for due in store.due(grant.lease.expires_at + 6 * SECOND, 10)] == [clock.now() + 10 * SECOND]

    def test_a_holder_that_is_asked_to_give_way_was_last_seen_when_it_renewed(
        self, session: BlockingSession, store: LocalStore, clock: VirtualClock
    ) -> None:
        do(session, c.CreateProject(key=DEMO), c.RegisterAgent(actor="boss", agent_id="boss", persona="supervisor"))
        do(session, c.CreateTask(task_id="t1", title="T"))
        grant, token = start(session, "t1", "ada", ttl=100 * SECOND)
        clock.tick(6)
        do(session, c.RenewLease(actor="ada", task_id="t1", token=token))
        renewed = clock.now()
        clock.tick(3)
        do(session, c.PreemptTask(actor="boss", task_id="t1"))
        lease = store.rows(DEMO)["lease"][grant.lease.id]
        assert lease.heartbeat_at == renewed
        assert lease.expires_at == lease.ends_by

    def test_projects_do_not_see_each_other(
        self, session: BlockingSession, store: LocalStore, clock: VirtualClock
    ) -> None:
        furnish(session, clock.now())
        rows, page = store.rows(DEMO), store.find(Query(DEMO, limit=1000))
        events = store.history(DEMO, 0, 1000, EVERYTHING)
        do(session, c.CreateProject(key="twin"), project="twin")
        for task_id in ("t00", "t01", "t02"):
            do(session, c.CreateTask(task_id=task_id, title="Twin", labels=("red",)), project="twin")
        do(session, c.AddRelationship(from_task_id="t00", to_task_id="t01", type="parent_of"), project="twin")
        do(session, c.CancelTask(task_id="t01"), c.AddContext(task_id="t00", content="twin"), project="twin")
        assert (store.rows(DEMO), store.find(Query(DEMO, limit=1000))) == (rows, page)
        assert store.history(DEMO, 0, 1000, EVERYTHING) == events
        assert [one.title for one in store.find(Query("twin")).tasks] == ["Twin"] * 3
        assert [one.key for one in store.projects()] == [DEMO, "twin"]
        assert audit.verify(store, DEMO).ok
        assert audit.verify(store, "twin").ok

    def test_what_was_committed_is_found_again(self, tmp_path: Path, clock: VirtualClock) -> None:
        first = self.open(tmp_path, clock)
        furnish(BlockingSession(first), clock.now())
        rows, events = first.store.rows(DEMO), first.store.history(DEMO, 0, 1000, EVERYTHING)
        first.store.close()
        if not first.store.capabilities.durable:
            pytest.skip("this store is not durable")
        again = self.open(tmp_path, clock).store
        try:
            assert again.rows(DEMO) == rows
            assert again.history(DEMO, 0, 1000, EVERYTHING) == events
            assert audit.verify(again, DEMO).ok
        finally:
            again.close()

    def test_a_second_opening_sees_and_feels_the_first(
        self, wiring: Wiring, tmp_path: Path, clock: VirtualClock
    ) -> None:
        if not wiring.store.capabilities.shared:
            pytest.skip("this store is not shared")
        other = self.open(tmp_path, clock).store
        try:
            pulse = other.pulse()
            assert other.pulse() == pulse
            furnish(BlockingSession(wiring), clock.now())
            assert other.pulse() != pulse
            assert other.rows(DEMO) == wiring.store.rows(DEMO)
            scribe = Scribe(events=1)
            transact(other, scribe)
            assert scribe.heads[0] is not None
            assert scribe.heads[0].hash != ZERO_HASH
            assert wiring.store.rows(DEMO)["head"][DEMO].position == scribe.heads[0].position + 1
        finally:
            other.close()
