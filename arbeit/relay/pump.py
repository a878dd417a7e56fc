"""Publishes to one sink, for as long as this process leads it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import suppress
from functools import partial
from typing import TYPE_CHECKING, Any, Protocol, TypeVar

import anyio
from anyio import CancelScope, CapacityLimiter, Event
from anyio.abc import TaskGroup

from arbeit.core.declare import field, frozen
from arbeit.core.errors import ArbeitError
from arbeit.core.model import SECOND
from arbeit.core.model import Event as Recorded
from arbeit.core.policy import EVERYTHING
from arbeit.ports import Capabilities, EventSink, Leadership, Offsets, SinkFailure, Term
from arbeit.relay.agenda import Agenda, Backoff, Turn
from arbeit.relay.telling import Teller
from arbeit.relay.tenure import LostError, Tenure, steady

if TYPE_CHECKING:
    from arbeit.telemetry.metrics import Recorder

T = TypeVar("T")

BATCH = 256
"""Events read from a log at once, and given at once to a sink that says nothing of it."""
GRACE = 1.0
"""Seconds that a call which is under way when a relay ends has to come to its own end, within the term."""
BEGUN = ""
"""No project's key: noted for a sink once it was decided where it begins."""


class Source(Leadership, Offsets, Protocol):
    """What a relay needs of a store: its log, and both optional ports."""

    capabilities: Capabilities

    def history(self, project: str, after: int, limit: int, scope: Any, task_id: str | None = None) -> list[Recorded]:  # noqa: ANN401 - a Scope
        """Events beyond a position, in order."""


@frozen
class Pace:
    """How a relay goes about it. All times in seconds.

    Attributes:
        ttl: how long a term lasts unless it is renewed, which is done at a third of it.
        poll: the longest time between two looks for new events.
        rest: the shortest time between two looks, and between two notes of what was published.
        workers: projects that are published at the same time.
        backoff: how long a project waits whose events were not taken.
    """

    ttl: float = 3.0
    poll: float = 0.5
    rest: float = 0.02
    workers: int = 8
    backoff: Backoff = field(factory=Backoff)


@frozen
class Surroundings:
    """What a pump works with.

    Attributes:
        holder: this process's name in the roles of relays, which no other process has.
        chance: numbers in [0, 1) that spread load.
        next_commit: gives an event that is set when somebody has committed; None: `Pace.poll` alone says when to look.
        clock: steady seconds.
        recorder: what counts for metrics, if anything does.
    """

    source: Source
    holder: str
    chance: Callable[[], float]
    pace: Pace
    from_now: bool = False
    next_commit: Callable[[], Event] | None = None
    clock: Callable[[], float] = steady
    recorder: Recorder | None = None


class Pump:
    """One sink, its role among all relays, and what is published to it while this process has the role."""

    def __init__(self, name: str, sink: EventSink, around: Surroundings) -> None:
        self.name = name
        self._sink = sink
        self._around = around
        self._source, self._pace = around.source, around.pace
        self._slice = max(1, int(getattr(sink, "batch", BATCH)))
        self._tell = Teller(name, around.recorder)
        self._stir = Event()
        """Set when there may be a turn to take."""
        self._noting = Event()
        """Set when there is something to note."""
        self._flying: set[CancelScope] = set()
        """The calls of the sink that are under way."""
        self._threads: CapacityLimiter | None = None
        self._hopeless: dict[str, ArbeitError] = {}
        """The projects whose events were refused so that no other try would mend it, in this term, and why."""

    async def run(self, *, until_caught_up: bool = False) -> None:
        """Publish whenever this process leads; with `until_caught_up`, only until the sink has everything.

        Raises:
            ArbeitError: with `until_caught_up`, once all that is left was refused so that no other try would mend it.
        """
        self._threads = CapacityLimiter(2 + self._pace.workers)
        while True:
            tenure = await self._seek()
            if tenure is not None and await self._serve(tenure, until_caught_up=until_caught_up):
                for error in self._hopeless.values():
                    raise error
                return
            await anyio.sleep(self._pace.ttl / 3 * (0.5 + self._around.chance()))

    async def _call(self, function: Callable[..., T], *args: Any) -> T:  # noqa: ANN401 - the function's own
        if not self._source.capabilities.blocking:
            return function(*args)
        return await anyio.to_thread.run_sync(partial(function, *args), limiter=self._threads)

    # -- leading ---------------------------------------------------------------------------------------

    async def _lead(self) -> tuple[Term | None, float]:
        asked_at = self._around.clock()
        ttl = round(self._pace.ttl * SECOND)
        return await self._call(self._source.lead, f"relay:{self.name}", self._around.holder, ttl), asked_at

    async def _seek(self) -> Tenure | None:
        try:
            term, asked_at = await self._lead()
        except ArbeitError as error:
            self._tell.store_failed(error)
            return None
        self._tell.store_mended()
        return None if term is None else Tenure(term, self._pace.ttl, asked_at, self._around.clock)

    async def _serve(self, tenure: Tenure, *, until_caught_up: bool) -> bool:
        """Publish until the term is over; whether the sink had all that it takes, if that was waited for."""
        self._tell.leads(tenure.term)
        self._hopeless.clear()
        agenda = Agenda(self._pace.backoff, self._around.chance)
        done = False
        try:
            with CancelScope(deadline=anyio.current_time() + tenure.left()) as scope:
                async with anyio.create_task_group() as group:
                    group.start_soon(self._renew, tenure, scope)
                    group.start_soon(self._land, tenure)
                    try:
                        await self._begin(tenure)
                    except LostError:
                        scope.cancel()
                    else:
                        group.start_soon(self._note, tenure, agenda, scope)
                        group.start_soon(self._dispatch, tenure, agenda, group, scope)
                        await self._look(agenda, until_caught_up=until_caught_up)
                        done = True
                        group.cancel_scope.cancel()
        finally:
            await self._hand_over(tenure, agenda)
        return done

    async def _renew(self, tenure: Tenure, scope: CancelScope) -> None:
        pause = self._pace.ttl / 3
        while True:
            await anyio.sleep(pause)
            try:
                tenure.check()
                term, asked_at = await self._lead()
                if term is None:
                    raise LostError  # noqa: TRY301 - handled as the term's end is
                tenure.renewed(term, asked_at)
            except ArbeitError as error:
                # What is left of the term is for more tries.
                self._tell.store_failed(error)
                pause = self._pace.ttl / 12
                continue
            except LostError:
                scope.cancel()
                return
            self._tell.store_mended()
            pause = self._pace.ttl / 3
            scope.deadline = anyio.current_time() + tenure.left()

    async def _land(self, tenure: Tenure) -> None:
        """When all this ends, let nothing begin, and what is under way end by itself: so that it is not repeated."""
        try:
            await anyio.sleep_forever()
        finally:
            tenure.end()
            for flight in self._flying:
                flight.deadline = anyio.current_time() + min(GRACE, max(0.0, tenure.left()))

    async def _hand_over(self, tenure: Tenure, agenda: Agenda) -> None:
        """Note what was published, and let the next lead at once, if this term is not over yet."""
        with CancelScope(shield=True, deadline=anyio.current_time() + max(0.0, tenure.left())), suppress(ArbeitError):
            if positions := agenda.to_note():
                await self._call(self._source.advance, self.name, positions, tenure.term)
            await self._call(self._source.resign, tenure.term)
        self._tell.lost(tenure.term)

    # -- publishing ------------------------------------------------------------------------------------

    async def _begin(self, tenure: Tenure) -> None:
        """Where a sink that nothing is known of begins: with what is committed from now on, if that was wished."""
        while True:
            try:
                known = await self._call(self._source.offsets, self.name)
                if BEGUN not in known:
                    lags = await self._call(self._source.behind, self.name) if self._around.from_now else []
                    # A sink that has something has begun, whatever is wished now.
                    heads = {} if known else {lag.project: lag.head for lag in lags}
                    if not await self._call(self._source.advance, self.name, {BEGUN: 0, **heads}, tenure.term):
                        # Without its beginning, it would be published from the first event.
                        raise LostError
            except ArbeitError as error:
                self._tell.store_failed(error)
                await anyio.sleep(self._pace.ttl / 12)
            else:
                return

    async def _look(self, agenda: Agenda, *, until_caught_up: bool) -> None:
        """Learn of new events, as long as the term lasts; or until there are none that the sink lacks and may take."""
        while True:
            # Before looking, so that nothing that is committed meanwhile is missed.
            committed = self._around.next_commit() if self._around.next_commit is not None else Event()
            try:
                agenda.learn(await self._call(self._source.behind, self.name))
            except ArbeitError as error:
                self._tell.store_failed(error)
            else:
                self._tell.looked(agenda)
                if until_caught_up and agenda.idle_but(self._hopeless):
                    return
                self._stir.set()
            await anyio.sleep(self._pace.rest)
            with anyio.move_on_after(self._pace.poll if not until_caught_up else self._pace.rest):
                await committed.wait()

    async def _dispatch(self, tenure: Tenure, agenda: Agenda, group: TaskGroup, scope: CancelScope) -> None:
        while True:
            self._stir = Event()
            now = self._around.clock()
            while agenda.busy < self._pace.workers and (turn := agenda.take(now)) is not None:
                group.start_soon(self._turn, tenure, agenda, turn, scope)
            # With every worker busy, only the end of a turn makes room.
            wait = agenda.wait(now) if agenda.busy < self._pace.workers else None
            with CancelScope(deadline=anyio.current_time() + (wait if wait is not None else self._pace.ttl)):
                await self._stir.wait()

    async def _turn(self, tenure: Tenure, agenda: Agenda, turn: Turn, scope: CancelScope) -> None:
        """Publish the next events of a project."""
        try:
            events = await self._call(self._source.history, turn.project, turn.after, BATCH, EVERYTHING)
        except ArbeitError as error:
            agenda.failed(turn.project, self._around.clock())
            self._tell.store_failed(error)
            self._stir.set()
            return
        try:
            for start in range(0, len(events), self._slice):
                # Before every call, and after it by the next: who was frozen in between must not go on.
                tenure.check()
                await self._publish(agenda, turn.project, events[start : start + self._slice])
        except LostError:
            scope.cancel()
        except Exception as error:  # noqa: BLE001 - a sink's fault, whatever it raises, is no reason to stop the others
            if isinstance(error, ArbeitError) and not error.retryable:
                self._hopeless[turn.project] = error
            now = self._around.clock()
            wish = error.retry_after if isinstance(error, SinkFailure) else None
            self._tell.failed(turn.project, error, now, agenda.failed(turn.project, now, wish))
        else:
            agenda.rested(turn.project, exhausted=not events)
        self._stir.set()

    async def _publish(self, agenda: Agenda, project: str, events: Sequence[Recorded]) -> None:
        with CancelScope(shield=True) as flight:
            self._flying.add(flight)
            try:
                await self._sink.publish(project, events)
            finally:
                self._flying.discard(flight)
        if flight.cancelled_caught:
            raise LostError
        self._hopeless.pop(project, None)
        self._tell.published(len(events))
        if agenda.published(project, events[-1].position):
            self._tell.mended(project, self._around.clock(), agenda.failing())
        self._noting.set()

    async def _note(self, tenure: Tenure, agenda: Agenda, scope: CancelScope) -> None:
        """Note in the store what was published, one write for all projects, never two at once."""
        while True:
            await self._noting.wait()
            self._noting = Event()
            await anyio.sleep(self._pace.rest)
            positions = agenda.to_note()
            try:
                tenure.check()
                if not await self._call(self._source.advance, self.name, positions, tenure.term):
                    raise LostError  # noqa: TRY301 - handled as the term's end is
            except ArbeitError as error:
                self._tell.store_failed(error)
                self._noting.set()
                await anyio.sleep(self._pace.ttl / 12)
            except LostError:
                scope.cancel()
                return
            else:
                agenda.noted(positions)
