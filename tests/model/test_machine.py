"""The machine passes on every backend that there is, and finds what is planted."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from attrs import evolve
from hypothesis import Phase
from hypothesis import settings as profile
from hypothesis.stateful import run_state_machine_as_test

from arbeit.backends.memory import MemoryStore
from arbeit.backends.sqlite import SQLiteStore
from arbeit.compose import Wiring, wire_up
from arbeit.core import commands as c
from arbeit.core.errors import ArbeitError, Code
from arbeit.core.loads import Reads, Rows
from arbeit.core.model import Changes, Head
from arbeit.core.record import change
from arbeit.core.view import View
from arbeit.kernel import Kernel
from arbeit.ports import Clock, Job
from arbeit.testing.contract import KEY
from arbeit.testing.faults import FaultyStore
from arbeit.testing.machine import Differs, ProjectMachine, World, checks, machine_for
from examples.json_backend.store import JsonStore
from tests.servers.fixtures import SchemaKeeper, fresh_schema, with_options

Opener = Callable[[Path, Clock], Wiring]


def open_memory(_folder: Path, clock: Clock) -> Wiring:
    return Wiring(MemoryStore(clock), clock, KEY, {})


def open_sqlite(folder: Path, clock: Clock) -> Wiring:
    # What survives the end of a process is the same, and nothing waits for the disk.
    return Wiring(SQLiteStore(folder / "team.db", clock, synchronous="NORMAL"), clock, KEY, {})


@pytest.fixture
def open_postgres(postgres_address: str, schema_keeper: SchemaKeeper) -> Iterator[Callable[..., Opener]]:
    """An empty schema for each folder: a machine has one for every example, and opens it again after a crash."""
    schemas: dict[Path, str] = {}

    def with_beside(**options: str) -> Opener:
        def open_backend(folder: Path, clock: Clock) -> Wiring:
            if folder not in schemas:
                schemas[folder] = schema_keeper.take() or fresh_schema()
            return wire_up(with_options(postgres_address, schema=schemas[folder], **options), clock=clock, key=KEY)

        return open_backend

    yield with_beside
    for schema in schemas.values():
        schema_keeper.drop(schema)


def same_on_postgres(open_backend: Opener, face: Any, examples: int) -> None:  # noqa: ANN401 - one of two words
    seen = run(machine_for(open_backend, face=face, examples=examples))
    assert seen["ok"] > 10 * examples
    assert seen["task_claimed"] > examples / 2
    assert seen["INTERNAL"] == 0


@pytest.mark.parametrize(("face", "examples"), [("sync", 8), ("async", 5)])
def test_postgres_does_what_the_core_alone_does(open_postgres: Callable[..., Opener], face: str, examples: int) -> None:
    same_on_postgres(open_postgres(), face, examples)


@pytest.mark.parametrize(("face", "examples"), [("sync", 3), ("async", 3)])
def test_postgres_with_redis_beside_it_does_what_the_core_alone_does(
    open_postgres: Callable[..., Opener], redis_url: str, face: str, examples: int
) -> None:
    same_on_postgres(open_postgres(redis=redis_url), face, examples)


def open_json(folder: Path, clock: Clock) -> Wiring:
    return Wiring(JsonStore(folder / "team.jsonl", clock), clock, KEY, {})


def run(machine: type[ProjectMachine]) -> Counter[str]:
    """Run a machine; how often each operation was sent, each code answered and each event recorded."""
    seen: Counter[str] = Counter()

    def ended(world: World) -> None:
        seen.update(world.sent)
        seen.update(event.type for event in world.reference.events)

    machine.ended = staticmethod(ended)
    run_state_machine_as_test(machine, settings=machine.TestCase.settings)
    return seen


@pytest.mark.parametrize(
    ("open_backend", "face", "examples"),
    [
        (open_memory, "sync", 40),
        (open_memory, "async", 25),
        (open_sqlite, "sync", 20),
        (open_sqlite, "async", 12),
        (open_json, "sync", 8),
    ],
    ids=["memory", "memory-async", "sqlite", "sqlite-async", "json"],
)
def test_a_store_does_what_the_core_alone_does(open_backend: Any, face: Any, examples: int) -> None:  # noqa: ANN401 - each
    seen = run(machine_for(open_backend, face=face, examples=examples))
    assert seen["ok"] > 10 * examples
    assert seen["task_claimed"] > examples / 2
    assert seen["INTERNAL"] == 0


def test_a_machine_runs_as_a_test_case_of_unittest() -> None:
    case = machine_for(open_memory, examples=2, steps=3).TestCase("runTest")
    result = case.run()
    assert result is not None
    assert result.wasSuccessful()


def test_the_environment_multiplies_the_examples(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ARBEIT_EXAMPLES", "2.5")
    found: profile = machine_for(open_memory, examples=10).TestCase.settings
    assert found.max_examples == 25


# --- what is planted is found -------------------------------------------------------------------------------


class Bent(MemoryStore):
    """A store in memory that keeps something else than it was told to, or tells something else than it has."""

    def transact(self, jobs: Sequence[Job]) -> list[Changes | Exception]:
        return super().transact([evolve(job, decide=self.bent(job.decide)) for job in jobs])

    def bent(self, decide: Any) -> Any:  # noqa: ANN401 - a decision
        def decided(rows: Rows) -> Changes | Reads:
            found: Changes | Reads = decide(self.told(rows))
            return self.kept(found) if isinstance(found, Changes) else found

        return decided

    def told(self, rows: Rows) -> Rows:
        return rows

    def kept(self, changes: Changes) -> Changes:
        return changes


class ForgetsReceipts(Bent):
    def kept(self, changes: Changes) -> Changes:
        return change(changes, receipts=())


class ForgetsRenewals(Bent):
    def kept(self, changes: Changes) -> Changes:
        return change(changes, beats=())


class ForgetsRuns(Bent):
    def kept(self, changes: Changes) -> Changes:
        return change(changes, changed={kind: rows for kind, rows in changes.changed.items() if kind != "run"})


class SeesNoDeadline(Bent):
    def told(self, rows: Rows) -> Rows:
        rows.overdue = []
        return rows


class KeepsNoErasure(Bent):
    def kept(self, changes: Changes) -> Changes:
        return change(changes, erased=())


class KeepsWhatItRefused(MemoryStore):
    """Half of a transaction stays where its job raised."""

    def transact(self, jobs: Sequence[Job]) -> list[Changes | Exception]:
        for job in jobs:
            super().transact([job])
        return super().transact(jobs)


STORES = [ForgetsReceipts, ForgetsRenewals, ForgetsRuns, SeesNoDeadline, KeepsNoErasure, KeepsWhatItRefused]


def found_by(open_backend: Any, examples: int = 200) -> str:  # noqa: ANN401 - a function that opens
    """What a machine says of a store, without looking for the shortest way there."""
    machine = machine_for(open_backend, examples=examples)
    whole = profile(machine.TestCase.settings, phases=[Phase.generate], report_multiple_bugs=False)
    with pytest.raises(Differs) as caught:
        run_state_machine_as_test(machine, settings=whole)
    return str(caught.value)


@pytest.mark.parametrize("store", STORES, ids=lambda store: store.__name__)
def test_a_store_that_keeps_or_tells_something_else_is_found(store: type[MemoryStore]) -> None:
    assert found_by(lambda _folder, clock: Wiring(store(clock), clock, KEY, {}))


def test_a_view_that_is_never_brought_up_to_date_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    stands_at = View.stands_at

    def stale(self: View, head: Head) -> bool:
        # Only a view that was used before has anything to be stale about.
        return stands_at(self, self.head if self.since is not None else head)

    monkeypatch.setattr(View, "stands_at", stale)
    assert found_by(open_sqlite)


def test_a_process_that_forgets_to_sweep_before_a_grant_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Kernel, "swept_batch", Kernel.batch)
    assert found_by(open_memory)


def test_a_core_that_miscounts_is_found_by_a_recount(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("arbeit.core.evolve.tenures.count_leases", lambda *_: None)
    assert "leases, and has" in found_by(open_memory)


# --- and so is what a machine seldom comes upon -------------------------------------------------------------


class HidesTheFirst(Bent):
    def told(self, rows: Rows) -> Rows:
        rows.windows = {group: tasks[1:] for group, tasks in rows.windows.items()}
        return rows


class KeepsErasedReceipts(Bent):
    def kept(self, changes: Changes) -> Changes:
        return change(changes, reissued=())


CREATE = c.CreateTask(actor="ada", title="T", task_id="one")
SCRIPT = (
    c.CreateProject(actor="lead", key="demo"),
    c.RegisterAgent(actor="lead", agent_id="boss", persona="supervisor"),
    CREATE,
    c.CreateTask(actor="ada", title="T", task_id="two", idempotency_key="key"),
    c.AddRelationship(actor="ada", from_task_id="one", to_task_id="two", type="relates_to"),
)


@contextmanager
def world(store: type[MemoryStore] = MemoryStore) -> Iterator[World]:
    """A world with two tasks."""
    opened = World(lambda _folder, clock: Wiring(store(clock), clock, KEY, {}), "sync")
    try:
        for command in SCRIPT:
            opened.send(command)
        yield opened
    finally:
        opened.close()


def test_a_store_that_hides_who_comes_first_is_found() -> None:
    with world(HidesTheFirst) as opened:
        opened.forget(0)
        with pytest.raises(Differs, match="ClaimTasks"):
            opened.send(c.ClaimTasks(actor="ada", agent="ada"))


def test_a_stored_reply_that_keeps_what_was_erased_is_found() -> None:
    with world(KeepsErasedReceipts) as opened:
        opened.send(c.EraseRecord(actor="boss", kind="task", record_id="two"))
        with pytest.raises(Differs, match="CreateTask"):
            opened.send(SCRIPT[3])


def test_a_lost_answer_taken_for_a_lost_commit_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Kernel, "committed", lambda *_: False)
    with world() as opened, pytest.raises(Differs, match="CreateTask"):
        opened.send(c.CreateTask(actor="ada", title="U", task_id="three"), fault="lose_reply")


def test_a_transaction_that_failed_but_stayed_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    def failing(self: FaultyStore, jobs: Sequence[Job]) -> list[Changes | Exception]:
        found = self._store.transact(jobs)
        if self.planned:
            self.planned.clear()
            raise ArbeitError(Code.STORE_UNAVAILABLE, "no")
        return found

    monkeypatch.setattr(FaultyStore, "transact", failing)
    with world() as opened, pytest.raises(Differs, match="left 1 events"):
        opened.send(c.CreateTask(actor="ada", title="U"), fault="fail")


def test_a_core_that_lets_tasks_wait_in_a_circle_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("arbeit.core.graph.path", lambda *_, **__: None)
    with world() as opened:
        for ends in (("one", "two"), ("two", "one")):
            opened.send(c.AddRelationship(actor="ada", from_task_id=ends[0], to_task_id=ends[1], type="blocks"))
        assert "circle" in next(checks.circles(opened.store().rows("demo")))
