"""What befalls processes: death, pauses, wrong clocks, lost answers; each with what the history says of it."""

from collections.abc import AsyncGenerator, Callable

import anyio
import pytest
from attrs import evolve

from arbeit.backends.memory import MemoryStore
from arbeit.core.errors import Code
from arbeit.core.model import Changes, Event
from arbeit.engine.waiting import Waiting
from arbeit.ports import LocalStore
from arbeit.testing.history import Answered, Committed, Entry, Happened, Sent
from arbeit.testing.simulation import BACKENDS, Config, Fault, Member, Run, drawn, simulate
from arbeit.testing.simulation.stores import SharedMemory
from arbeit.testing.simulation.world import World


def with_faults(seed: int, *faults: Fault, rate: float = 8.0) -> Run:
    """A run in which these faults strike often, and no others."""
    run = simulate(evolve(drawn(seed, steps=400, faults=faults, agents=10), rate=rate))
    assert run.ok, run.story
    return run


def of_process(run: Run, name: str) -> list[Entry]:
    """What a life of a process was seen doing."""
    return [entry for entry in run.history.entries if getattr(entry, "process", None) == name]


def moments(run: Run, what: str) -> list[tuple[str, int]]:
    """When something happened, to whom."""
    return [(one.process, one.at) for one in run.history.entries if isinstance(one, Happened) and one.what == what]


def test_nothing_is_heard_of_a_process_after_its_death_and_its_next_life_is_another() -> None:
    run = with_faults(1, "kill")
    deaths = moments(run, "is killed")
    assert len(deaths) > 3
    for name, at in deaths:
        assert max(entry.at for entry in of_process(run, name)) <= at
    assert {name for name, _ in moments(run, "starts")} > {name for name, _ in deaths}


def test_answers_that_died_with_their_process_are_never_heard() -> None:
    run = with_faults(2, "kill", "stall")
    answered = {entry.number for entry in run.history.entries if isinstance(entry, Answered)}
    unheard = [one for one in run.history.entries if isinstance(one, Sent) and one.number not in answered]
    assert {one.process for one in unheard} & {name for name, _ in moments(run, "is killed")}


def test_a_paused_process_does_nothing_while_time_passes_by_it() -> None:
    run = with_faults(3, "pause")
    pauses = moments(run, "stands still")
    assert len(pauses) > 3
    for name, since in pauses:
        after = [entry for entry in of_process(run, name) if entry.at >= since]
        at = next(n for n, entry in enumerate(after) if isinstance(entry, Happened) and entry.what == "stands still")
        then = after[at + 1]
        assert isinstance(then, Happened)
        assert then.what in {"goes on", "is set"}


def test_wrong_clocks_are_seen_in_commits_and_never_run_the_log_back() -> None:
    run = with_faults(4, "jump")
    commits = [entry for entry in run.history.entries if isinstance(entry, Committed)]
    off = [commit.now - commit.at for commit in commits]
    assert max(off) > 100_000
    last: dict[str, int] = {}
    for commit in commits:
        assert commit.changes.head.at >= last.get(commit.project, 0)
        last[commit.project] = commit.changes.head.at


@pytest.mark.parametrize(
    "seen",
    [
        lambda run: run.faults["partition"],
        lambda run: [one for one in run.history.entries if unavailable(one)],
    ],
)
def test_a_partition_is_heard_as_a_store_that_cannot_be_reached(seen: Callable[[Run], object]) -> None:
    run = with_faults(5, "partition")
    assert seen(run)


def unavailable(entry: Entry) -> bool:
    """Whether a caller heard that the store cannot be reached."""
    return isinstance(entry, Answered) and getattr(entry.result, "code", None) is Code.STORE_UNAVAILABLE


def test_a_lost_reply_is_resolved_and_the_caller_hears_of_its_commit() -> None:
    run = with_faults(6, "lose_reply", rate=20.0)
    lost = [at for _, at in moments(run, "lose_reply")]
    assert len(lost) > 20
    answered = {entry.number: entry for entry in run.history.entries if isinstance(entry, Answered)}
    refused = [entry for entry in answered.values() if unavailable(entry)]
    assert len(refused) < len(lost)


def test_everything_is_finished_in_the_calm() -> None:
    config: Config = drawn(7, steps=300)
    world = World(config)
    world.run()
    phases = [one.what for one in world.history.entries if isinstance(one, Happened) and one.kind == "phase"]
    assert phases == ["faults", "calm", "end"]


class Counted(SharedMemory):
    """A backend that counts how often it is opened."""

    opened = 0

    def open(self) -> LocalStore:
        """Count, and open."""
        Counted.opened += 1
        return super().open()


def test_a_backend_of_ones_own_is_simulated_too(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(BACKENDS, "mine", Counted)
    run = simulate(drawn(8, steps=200, store="mine"))
    assert run.ok, run.story
    assert Counted.opened > run.config.processes


def test_a_renewal_that_is_acknowledged_but_not_stored_is_seen(monkeypatch: pytest.MonkeyPatch) -> None:
    real = Changes
    monkeypatch.setattr("arbeit.core.batch.Changes", lambda *given, **named: evolve(real(*given, **named), beats=()))
    found = {simulate(drawn(seed, steps=300, faults=())).failure for seed in (1, 2, 3)}
    assert "acknowledged" in found


def test_a_follower_that_hears_nothing_is_seen(monkeypatch: pytest.MonkeyPatch) -> None:
    async def deaf(_self: object, *_: object) -> AsyncGenerator[Event, None]:
        await anyio.sleep_forever()
        yield  # type: ignore[misc]  # what makes it a generator; never reached

    monkeypatch.setattr(Waiting, "watch", deaf)
    config = drawn(1, steps=200, faults=())
    reader = Member("reader-x", "reader", 0, "p0")
    assert simulate(evolve(config, members=(*config.members, reader))).failure == "followers"


def test_an_overview_of_another_project_is_seen(monkeypatch: pytest.MonkeyPatch) -> None:
    config = next(one for seed in range(100) if len((one := drawn(seed, steps=300, faults=())).projects) > 1)
    real = MemoryStore.overview
    others = dict(zip(config.projects, reversed(list(config.projects)), strict=True))
    monkeypatch.setattr(MemoryStore, "overview", lambda self, project, scope: real(self, others[project], scope))
    assert simulate(config).failure == "isolation"
