"""The same commands give the same replies, refusals, events, hashes and rows, whatever the store and the face."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from random import Random
from typing import Any

import anyio
import attrs
import pytest
from anyio import to_thread
from attrs import frozen

from arbeit import audit, sync
from arbeit.compose import Wiring, wire_up
from arbeit.core import commands as c
from arbeit.core.errors import ArbeitError
from arbeit.core.events import FACTS
from arbeit.core.model import Reply
from arbeit.core.policy import EVERYTHING
from arbeit.engine import Engine
from arbeit.ports import LocalStore
from arbeit.session import BlockingSession
from arbeit.testing.clock import VirtualClock
from arbeit.testing.contract import KEY
from arbeit.wire import WIRE
from tests.contract.script import TICKS, Author, Step
from tests.servers.fixtures import with_options

COMMANDS = 10_000
EARLY = 4_000
"""As many for two processes: each loads anew what the other wrote, which takes three times as long."""
BATCHED = 2_000
SEED = 20_260_119
PROJECTS = ("demo", "side")

Run = Callable[[Step], Reply | ArbeitError]


@frozen
class Outcome:
    """What a script left behind: what was said, the logs, and the rows, liveness included."""

    said: list[str]
    logs: dict[str, list[Any]]
    rows: dict[str, Any]


@frozen
class Written:
    """A script, and what came of it: after its first part, and at the end."""

    script: list[Step]
    early: Outcome
    late: Outcome


def wired(url: str) -> tuple[Wiring, VirtualClock]:
    clock = VirtualClock(SEED)
    return wire_up(url, clock=clock, key=KEY), clock


def spoken(result: Reply | ArbeitError) -> str:
    """A result as its caller is told, to the last byte."""
    if isinstance(result, Reply):
        # An explanation is never stored, so there is no wire text of it.
        return WIRE.reply(result) if result.explanation is None else repr(result)
    return repr((result.code, result.message, result.suggestions, result.retryable, sorted(result.data.items())))


def outcome(store: LocalStore, said: list[str]) -> Outcome:
    logs = {key: list(map(attrs.astuple, store.history(key, 0, 10**6, EVERYTHING))) for key in PROJECTS}
    assert [audit.verify(store, key).problem for key in PROJECTS] == [None, None]
    return Outcome(list(said), logs, {key: store.rows(key) for key in PROJECTS})


def perform(session: BlockingSession, step: Step) -> Reply | ArbeitError:
    try:
        return session.run(step.project, [step.command])[0]
    except ArbeitError as error:
        return error


def same(found: Outcome, baseline: Outcome, script: list[Step]) -> None:
    """Fail at the first difference, with what led to it."""
    for number, (step, mine, wanted) in enumerate(zip(script, found.said, baseline.said, strict=True)):
        assert mine == wanted, (number, step)
    for key in PROJECTS:
        for mine, wanted in zip(found.logs[key], baseline.logs[key], strict=False):
            assert mine == wanted
        assert found.logs[key] == baseline.logs[key]
        for kind in baseline.rows[key]:
            assert found.rows[key][kind] == baseline.rows[key][kind], kind


@pytest.fixture(scope="module")
def written() -> Written:
    """The script, and what it does to a store in memory, driven synchronously."""
    wiring, clock = wired("memory://")
    session, random = BlockingSession(wiring), Random(SEED)
    authors = {key: Author(key, random) for key in PROJECTS}
    script: list[Step] = []
    said: list[str] = []
    early = None
    while len(script) < COMMANDS:
        author = authors[random.choices(PROJECTS, (9, 1))[0]]
        tick = random.choices((0.0, *TICKS), (60, 10, 10, 8, 6, 4, 1, 0.5, 0.1, 0.02))[0]
        step = Step(tick, author.project, author.next())
        clock.tick(step.tick)
        result = perform(session, step)
        author.learn(step.command, result)
        script.append(step)
        said.append(spoken(result))
        if len(script) == EARLY:
            early = outcome(wiring.store, said)
    assert early is not None
    return Written(script, early, outcome(wiring.store, said))


def test_the_script_uses_everything(written: Written) -> None:
    script, result = written.script, written.late
    used = Counter(type(step.command) for step in script)
    kinds = {
        kind
        for kind in (getattr(c, name) for name in c.__all__)
        if isinstance(kind, type) and issubclass(kind, c.Command) and kind.operation
    }
    assert kinds - set(used) == set()
    events = Counter(event[2] for event in result.logs["demo"])
    assert set(FACTS) - set(events) == set()
    refusals = Counter(text.split(":")[0] for text in result.said if text.startswith("(<Code."))
    replies = sum(not text.startswith("(<Code.") for text in result.said)
    assert len(refusals) >= 15
    assert [text for text in result.said if "INTERNAL" in text] == []
    assert 0.5 < replies / len(result.said) < 0.9


def test_memory_driven_asynchronously(written: Written) -> None:
    script, baseline = written.script, written.late
    same(anyio.run(_drive, script, "memory://", backend="trio"), baseline, script)


def test_sqlite_driven_synchronously(written: Written, tmp_path: Path) -> None:
    _synchronously(written, f"sqlite:///{tmp_path}/team.db?synchronous=NORMAL")


@pytest.mark.timeout(900)
def test_postgres_driven_synchronously(written: Written, empty_postgres_url: str) -> None:
    _synchronously(written, empty_postgres_url)


def _synchronously(written: Written, url: str) -> None:
    script, baseline = written.script, written.late
    wiring, clock = wired(url)
    session, said = BlockingSession(wiring), []
    for step in script:
        clock.tick(step.tick)
        said.append(spoken(perform(session, step)))
    same(outcome(wiring.store, said), baseline, script)
    session.close()


@pytest.mark.timeout(900)
def test_postgres_with_redis_driven_asynchronously(written: Written, empty_postgres_url: str, redis_url: str) -> None:
    script, baseline = written.script, written.late
    url = with_options(empty_postgres_url, redis=redis_url)
    same(anyio.run(_drive, script, url, backend="asyncio"), baseline, script)


def test_sqlite_driven_asynchronously(written: Written, tmp_path: Path) -> None:
    script, baseline = written.script, written.late
    url = f"sqlite:///{tmp_path}/team.db?synchronous=NORMAL"
    same(anyio.run(_drive, script, url, backend="asyncio"), baseline, script)


def test_two_hubs_on_one_file_that_forget_at_random(written: Written, tmp_path: Path) -> None:
    _from_two_hubs(written, f"sqlite:///{tmp_path}/team.db?synchronous=NORMAL")


@pytest.mark.timeout(900)
def test_two_hubs_on_one_postgres_that_forget_at_random(written: Written, empty_postgres_url: str) -> None:
    _from_two_hubs(written, empty_postgres_url)


def _from_two_hubs(written: Written, url: str) -> None:
    script, random = written.script[:EARLY], Random(SEED)
    wiring, clock = wired(url)
    sessions = [BlockingSession(wiring), BlockingSession(wire_up(url, clock=clock, key=KEY))]
    # When a process last swept is its own affair, and moves reclaims by up to a second; here both share it.
    sessions[1].kernel._swept = sessions[0].kernel._swept
    said = []
    for step in script:
        clock.tick(step.tick)
        session = random.choice(sessions)
        if random.random() < 0.1:
            session.kernel.drop_view(step.project)
        said.append(spoken(perform(session, step)))
    same(outcome(wiring.store, said), written.early, script)
    for session in sessions:
        session.close()


@pytest.mark.timeout(900)
def test_batches_are_the_same_on_both_faces_and_all_stores(
    written: Written, tmp_path: Path, empty_postgres_url: str
) -> None:
    # Batched, the script takes another course: ids are drawn in another order, and many of its tokens are stale.
    batches = list(_batches(written.script[:BATCHED]))
    script = [Step(0, project, command) for _, project, commands in batches for command in commands]
    wiring, clock = wired("memory://")
    session, said = BlockingSession(wiring), []
    for tick, project, commands in batches:
        clock.tick(tick)
        said += [spoken(result) for result in sync.run(session.execute_many(project, commands))]
    baseline = outcome(wiring.store, said)
    sqlite = f"sqlite:///{tmp_path}/team.db?synchronous=NORMAL"
    for backend, url in (("trio", "memory://"), ("asyncio", sqlite), ("trio", empty_postgres_url)):
        same(anyio.run(_drive_batches, batches, url, backend=backend), baseline, script)


def _batches(script: list[Step]) -> Iterator[tuple[float, str, list[c.Command]]]:
    """Up to 40 commands of one project at a time, after as much time as lies between them."""
    random = Random(SEED)
    while script:
        taken, script = script[: (size := random.randint(1, 40))], script[size:]
        tick = sum(step.tick for step in taken)
        for project in PROJECTS:
            commands = [step.command for step in taken if step.project == project]
            if commands:
                yield tick, project, commands
                tick = 0.0


async def _drive_batches(batches: list[tuple[float, str, list[c.Command]]], url: str) -> Outcome:
    wiring, clock = wired(url)
    said: list[str] = []
    async with Engine(wiring, background=False) as engine:
        for tick, project, commands in batches:
            clock.tick(tick)
            said += [spoken(result) for result in await engine.execute_many(project, commands)]
        return await to_thread.run_sync(outcome, wiring.store, said)


async def _drive(script: list[Step], url: str) -> Outcome:
    wiring, clock = wired(url)
    said: list[str] = []
    async with Engine(wiring, background=False) as engine:
        for step in script:
            clock.tick(step.tick)
            try:
                said.append(spoken(await engine.execute(step.project, step.command)))
            except ArbeitError as error:
                said.append(spoken(error))
        # Off the event loop: a store may live on it.
        return await to_thread.run_sync(outcome, wiring.store, said)
