"""A process of the fleet whose Redis fails: it lives through all faults, in a project of its own for each.

Odd seats take tasks that only even seats make, and there are always more takers than tasks: a task that is not taken
waits for nothing but a taker's hearing of it. Beside that, callers of the rig do all that callers do, and holders renew
short leases from the beginning of a round to its end.
"""

from __future__ import annotations

import os
import struct
import time
from collections.abc import Callable
from contextlib import suppress
from multiprocessing.connection import Connection
from multiprocessing.synchronize import Semaphore
from pathlib import Path
from typing import Any, Never, Self

import anyio
from anyio import CancelScope, Event, to_thread
from attrs import evolve, frozen

from arbeit import hub
from arbeit.compose import Wiring, wire_up
from arbeit.core import commands as c
from arbeit.core.errors import ArbeitError
from arbeit.core.model import Grant, Reply
from arbeit.engine import Engine
from arbeit.ports import Signals, Wake
from arbeit.project import Project
from arbeit.testing.crash.acts import Caller
from arbeit.testing.crash.orders import KEY, SETTINGS, Order
from arbeit.testing.crash.postgres import PostgresTarget
from arbeit.testing.crash.target import RANDOM
from arbeit.testing.linearizability import Recorder

SKILL = "swift"
"""What tasks require whose pick-up is timed; and their queue, so that takers hear of nothing else."""
ECHO = struct.Struct("<iqq")
"""An echo that was heard: whose, when it was sent, and when it was heard; nanoseconds of CLOCK_MONOTONIC."""
_ECHOES = "echoes"
"""A project that does not exist: hints about it concern nobody."""
_BETWEEN = 0.05
"""Seconds between two echoes of a process."""
_BREATH = 0.15
"""Seconds that the other callers wait between two commands, at most."""
_TAKERS = 4
"""Of each odd seat."""
_PATIENCE = 120.0
"""Seconds for which takers wait: nothing but a hint or a look of their engine's helps them."""
_TERM = 3_000_000
"""Microseconds of the lease that its holder renews."""
_OTHERS, _TIMED, _KEPT = 0, 10, 90
"""Numbers of callers begin here, by what they do."""


def room_for(processes: int) -> int:
    """How many tasks there may be at a time for their takers: fewer than there are takers, by one for each process."""
    return processes // 2 * (_TAKERS - 1)


@frozen
class Seat:
    """Who a process is.

    Attributes:
        number: its place among all.
        url: the store.
        echoes: the file in which it writes what it hears.
        seed: what its callers do follows from this.
        pace: seconds between two tasks of a maker, at least and at most.
        room: shared by all; taken for each task that is made, and given back when one is done.
        prepare: called first of all.
    """

    number: int
    url: str
    echoes: Path
    seed: int
    pace: tuple[float, float]
    room: Semaphore
    prepare: Callable[[], None] | None = None


@frozen
class Round:
    """What a process is told before each fault: the project, under which name to write there, and its journal."""

    number: int
    project: str
    process: str
    journal: Path


class Echoes:
    """The engine's `Signals`, with echoes of this process's own that pass the way of all hints."""

    def __init__(self, seat: Seat, signals: Signals) -> None:
        self._seat = seat
        self._signals = signals
        self._file = os.open(seat.echoes, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)

    @property
    def healthy(self) -> bool:
        """See `Signals`."""
        return self._signals.healthy

    def wake(self, wake: Wake) -> None:
        """See `Signals`."""
        self._signals.wake(wake)

    async def run(self, heard: Callable[[Wake | None], None]) -> None:
        """See `Signals`: echoes are written down, and go no further."""

        def hear(wake: Wake | None) -> None:
            if wake is None or wake.project != _ECHOES:
                heard(wake)
                return
            now = time.monotonic_ns()
            told = (name.partition(".") for name, _, _ in wake.ready)
            os.write(self._file, b"".join(ECHO.pack(int(seat), int(sent), now) for seat, _, sent in told))

        await self._signals.run(hear)

    async def call(self) -> Never:
        """Send an echo after the other."""
        while True:
            name = f"{self._seat.number}.{time.monotonic_ns()}"
            self._signals.wake(Wake(_ECHOES, ready=((name, "", 1),)))
            await anyio.sleep(_BETWEEN)


class _Hub(hub.Hub):
    """A hub over a wiring that was changed."""

    def __init__(self, wiring: Wiring) -> None:
        super().__init__("wired:")
        self._opened = self.wired = Engine(wiring)

    async def __aenter__(self) -> Self:
        await self.wired.__aenter__()
        return self


def live(seat: Seat, pipe: Connection) -> None:
    """Live through the rounds that come through a pipe, until None comes."""
    if seat.prepare is not None:
        seat.prepare()
    anyio.run(_live, seat, pipe)


async def _live(seat: Seat, pipe: Connection) -> None:
    wiring = wire_up(seat.url, key=KEY)
    assert wiring.signals is not None
    echoes = Echoes(seat, wiring.signals)
    async with _Hub(evolve(wiring, signals=echoes)) as there, anyio.create_task_group() as group:
        group.start_soon(echoes.call)
        played: list[str] = []
        while (told := await to_thread.run_sync(pipe.recv)) is not None:
            # What is cached of earlier projects would hide what is lost track of.
            for earlier in played:
                there.wired.kernel.drop_view(earlier)
            played.append(told.project)
            project = await there.project(told.project, create=True, settings=SETTINGS)
            await _play(seat, told, project, there.wired, pipe)
        group.cancel_scope.cancel()


async def _play(seat: Seat, told: Round, project: Project, engine: Engine, pipe: Connection) -> None:
    """One round: say that all began, stop when asked to and say what was wrong; takers go on until asked again."""
    recorder = Recorder(told.journal, told.process, 1 + 100 * told.number + seat.number)
    target = PostgresTarget(seat.url)
    order = Order(
        process=told.process,
        number=seat.number,
        life=0,
        url=seat.url,
        project=told.project,
        callers=1,
        point=RANDOM,
        nth=1,
        seed=(seat.seed * 10_000 + told.number) * 100 + seat.number,
        journal=told.journal,
        target=target,
    )
    holder = _Holder(order, project, recorder)
    callers: list[Caller] = [_Other(order, _OTHERS, project, recorder), holder]
    takers: list[_Taker] = []
    if seat.number % 2 == 0:
        callers.append(_Maker(order, project, recorder, seat))
    else:
        takers = [_Taker(order, number, project, recorder, engine=engine, room=seat.room) for number in range(_TAKERS)]
    waiting = CancelScope()

    async def take() -> None:
        with waiting:
            async with anyio.create_task_group() as group:
                for taker in takers:
                    group.start_soon(taker.work)

    async with anyio.create_task_group() as both:
        both.start_soon(take)
        async with anyio.create_task_group() as group:
            for caller in callers:
                group.start_soon(caller.work)
            await holder.holds.wait()
            await to_thread.run_sync(pipe.send, "going")
            assert await to_thread.run_sync(pipe.recv) == "stop"
            for caller in callers:
                caller.over = True
            holder.enough.set()
        await to_thread.run_sync(pipe.send, holder.problems)
        assert await to_thread.run_sync(pipe.recv) == "end"
        waiting.cancel()
    recorder.close()
    await to_thread.run_sync(pipe.send, [problem for taker in takers for problem in taker.problems])


class _OverError(Exception):
    """A caller was to stop, and did."""


class _Other(Caller):
    """Does all that callers do, with pauses."""

    async def work(self) -> None:
        """Do one thing after the other, until it is over."""
        with suppress(_OverError):
            await super().work()

    async def _send(self, kind: str, command: type[c.Command], /, **given: Any) -> Reply:  # noqa: ANN401 - as `Caller`
        await anyio.sleep(self._random.uniform(0, _BREATH))
        if self.over:
            raise _OverError
        return await super()._send(kind, command, **given)


class _Maker(Caller):
    """Makes tasks for takers."""

    def __init__(self, order: Order, project: Project, recorder: Recorder, seat: Seat) -> None:
        super().__init__(order, _TIMED, project, recorder)
        self._room, self._pace = seat.room, seat.pace

    async def work(self) -> None:
        """Make one after the other, while there are takers for them."""
        while not self.over:
            await anyio.sleep(self._random.uniform(*self._pace))
            if self._room.acquire(block=False):
                await self._create(requires=(SKILL,), queue=SKILL)


class _Taker(Caller):
    """Waits for a task, and does something about it."""

    def __init__(
        self, order: Order, number: int, project: Project, recorder: Recorder, *, engine: Engine, room: Semaphore
    ) -> None:
        super().__init__(order, _TIMED + number, project, recorder)
        self._engine = engine
        self._room = room
        self.problems: list[str] = []

    async def work(self) -> None:
        """Take one after the other, for ever; now and then one is given back, or fails the first time."""
        while True:
            for grant in (await self._wait()).grants:
                try:
                    with CancelScope(shield=True):
                        await self._do(grant)
                except ArbeitError as error:
                    self.problems.append(f"{self._agent} was given {grant.task.id}, and could not work on it: {error}")

    async def _do(self, grant: Grant) -> None:
        held = self._held(grant)
        await self._send("note", c.AddContext, **held, content="taken")
        fate = self._random.random()
        if fate < 0.15:
            await self._send("release", c.ReleaseTask, **held, note="not now")
        elif fate < 0.3 and grant.run.attempt == 1:
            await self._send("fail", c.FailTask, **held, error="it broke")
        else:
            await self._finish(grant)
            self._room.release()

    async def _wait(self) -> Reply:
        given = {"actor": self._agent, "agent": self._agent, "capabilities": (SKILL,), "queues": (SKILL,)}
        made = self._command("claim", c.ClaimTasks, given)
        assert isinstance(made, c.ClaimTasks)
        number = self._recorder.sent(self._caller, self._project.key, made)
        try:
            reply = await self._engine.claim(self._project.key, made, _PATIENCE)
        except ArbeitError as error:
            self._recorder.answered(number, error)
            raise
        self._recorder.answered(number, reply)
        return reply


class _Holder(Caller):
    """Holds one task under a short lease, renewed in the background, which it must still have in the end."""

    def __init__(self, order: Order, project: Project, recorder: Recorder) -> None:
        super().__init__(order, _KEPT, project, recorder)
        self.holds = Event()
        self.enough = Event()
        self.problems: list[str] = []

    async def work(self) -> None:
        """Hold, and finish when it is enough."""
        task = await self._create(requires=("patience",))
        given: dict[str, Any] = {"actor": self._agent, "agent": self._agent, "capabilities": ("patience",)}
        reply = await self._send("start", c.StartTask, **given, task_id=task.id, ttl=_TERM)
        grant: Grant = reply.grants[0]
        work = self._handle(grant)
        work.hold()
        self.holds.set()
        await self.enough.wait()
        work.let_go()
        try:
            await self._finish(grant)
        except ArbeitError as error:
            self.problems.append(f"{self._agent} renewed all the time, and lost {task.id}: {error}")
