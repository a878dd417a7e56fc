"""The world: time, chance, the order in which processes act, and what befalls them."""

from __future__ import annotations

import heapq
import itertools
from collections.abc import Callable, Mapping
from contextlib import closing
from random import Random
from typing import TYPE_CHECKING, Any

from arbeit.core.model import SECOND
from arbeit.core.policy import EVERYTHING
from arbeit.plugins import Plugins
from arbeit.session import Session
from arbeit.testing.clock import START
from arbeit.testing.history import Happened, History, Kind, Stored
from arbeit.testing.simulation.agents import Agent, make
from arbeit.testing.simulation.clocks import ActingClock
from arbeit.testing.simulation.config import Config, Fault, Member
from arbeit.testing.simulation.engine import Book
from arbeit.testing.simulation.link import Sky
from arbeit.testing.simulation.process import Process
from arbeit.testing.simulation.stores import Witness, backend
from arbeit.testing.simulation.weather import Weather

if TYPE_CHECKING:
    from contextlib import AbstractContextManager

    from arbeit.testing.simulation.stores import Backend

LATEST = 3 * 3600 * SECOND
"""Microseconds after which a world of a thousand steps that has not come to its end is given up."""
DRAIN = 900 * SECOND
"""Microseconds that the calm may take to finish everything."""
_LOOK = 2 * SECOND


class Stuck(Exception):  # noqa: N818 - it says what happened
    """Nothing can happen any more, or too much time passes."""


class Halted(Exception):  # noqa: N818 - as above
    """Whoever watches has seen enough."""


class World:
    """One run of one config. `run` takes it from its beginning to its end, once."""

    def __init__(
        self,
        config: Config,
        history: History | None = None,
        policies: Mapping[str, Any] | None = None,
        *,
        halt: Callable[[], bool] = lambda: False,
    ) -> None:
        self.config = config
        self._halt = halt
        self.history = history if history is not None else History()
        self.policies = policies or {}
        self.plugins = Plugins()
        """Looked for once, not in each life of each process."""
        self.elapsed = 0
        """Microseconds since the world began."""
        self.sky = Sky(self.history, lambda: self.now)
        self.book = Book(self.history, lambda: self.now)
        several = config.processes > 1 or any(member.role == "shell" for member in config.members)
        self.witness = Witness(self.history, lambda: self.now, several=several)
        self.chances: dict[Fault, float] = dict.fromkeys(config.faults, config.rate)
        self.rumours: dict[str, list[str]] = {project: [] for project in config.projects}
        """Ids of tasks that everybody has heard of, by project, in the order in which they were heard."""
        self.leaks: list[tuple[str, str, str, str]] = []
        """Leases that were somebody's: project, task, agent, token."""
        self._events: list[tuple[int, int, Callable[[], None]]] = []
        self._numbers = itertools.count()
        self._order = self.random("order")
        self.processes = [
            Process(self, number, [member for member in config.members if member.process == number])
            for number in range(config.processes)
        ]
        self.acting = self.processes[0]
        self._alone: Process | None = None
        """The only one that can do something now."""
        self._opened: AbstractContextManager[Backend] = backend(config.store, ActingClock(lambda: self.acting.clock))

    @property
    def now(self) -> int:
        """The observer's time: microseconds since 1970."""
        return START + self.elapsed

    # -- what everybody asks of it ---------------------------------------------------------------------

    def random(self, name: str) -> Random:
        """Chance for one purpose: what one draws does not change what another does."""
        return Random(f"{self.config.seed}/{name}")

    def agent(self, member: Member, session: Session, random: Random) -> Agent:
        """A member of the fleet, at the beginning of its process's life."""
        return make(self, member, session, random)

    def at(self, elapsed: int, act: Callable[[], None]) -> None:
        """Do something at a moment, in microseconds since the world began."""
        heapq.heappush(self._events, (elapsed, next(self._numbers), act))

    def after(self, seconds: float, act: Callable[[], None]) -> None:
        """Do something after so many seconds."""
        self.at(self.elapsed + round(seconds * SECOND), act)

    def note(self, kind: Kind, what: str, process: str = "", detail: str = "") -> None:
        """Record something that happened."""
        self.history.add(Happened(self.now, kind, what, process, detail))

    # -- time ------------------------------------------------------------------------------------------

    def step(self) -> None:
        """Let one process do what it can, or let time pass to the next thing that happens."""
        alone = self._alone
        if alone is not None and alone.loop.ready and alone.running:
            # Nobody else can have become ready by what it did: processes meet in the store alone.
            alone.turn()
            return
        moments: list[int] = []
        busy: list[Process] = []
        for process in self.processes:
            if process.running and not process.paused:
                moment = process.loop.next()
                if moment is not None:
                    moments.append(moment)
                    if moment <= self.elapsed:
                        busy.append(process)
        if busy:
            self._alone = busy[0] if len(busy) == 1 else None
            (self._alone or self._order.choice(busy)).turn()
            return
        self._alone = None
        if self._events:
            moments.append(self._events[0][0])
        if not moments or min(moments) > LATEST * max(1, self.config.steps // 1_000):
            raise Stuck("nothing can happen any more" if not moments else "hours have passed")
        self.elapsed = max(self.elapsed, min(moments))
        while self._events and self._events[0][0] <= self.elapsed:
            heapq.heappop(self._events)[2]()

    def run_until(self, done: Callable[[], bool]) -> None:
        """Step until something is so."""
        self._alone = None
        while not done():
            if self._halt():
                raise Halted
            self.step()

    def wait(self, seconds: float) -> None:
        """Let so many seconds pass."""
        until = self.elapsed + round(seconds * SECOND)
        self.at(until, lambda: None)
        self.run_until(lambda: self.elapsed >= until)

    # -- a run -----------------------------------------------------------------------------------------

    def run(self) -> History:
        """From the beginning to the end: faults, then calm, then everything looked at.

        Raises:
            Stuck: when it does not come to an end.
            Halted: when whoever watches has seen enough.
        """
        with self._opened as self.backend, closing(self.backend.open()) as self._eye:
            try:
                self._begin()
                self.run_until(lambda: self.book.asked >= self.config.steps)
                self._look()
                self._calm_down()
                self._drain()
                self._end()
            finally:
                for process in self.processes:
                    if process.running:
                        process.abandon()
        return self.history

    def _begin(self) -> None:
        self.note("phase", "faults")
        weather = Weather(self)
        for process in self.processes:
            process.start()
        weather.begin()

    def _calm_down(self) -> None:
        """End the faults, set every clock right, raise the dead; then let time catch up with the fastest clock."""
        self.sky.calm = True
        self.sky.outage = ""
        self._events.clear()
        for process in self.processes:
            process.set_clock(0, 0)
            process.resume()
            if not process.running:
                process.start()
            process.link.partitioned = False
        ahead = max(head.at for _, head in self._heads()) - self.now
        self.wait(max(0, ahead) / SECOND + 1)
        self.note("phase", "calm")

    def _drain(self) -> None:
        """Let everything come to its end, looking now and then whether it has."""
        until = self.elapsed + DRAIN
        while not self._drained() and self.elapsed < until:
            self.wait(_LOOK / SECOND)

    def _drained(self) -> bool:
        for project in self.config.projects:
            found = self._eye.overview(project, EVERYTHING)
            if found is not None and (found.leases or set(found.statuses) - {"completed", "cancelled"}):
                return False
        return True

    def _end(self) -> None:
        """Let followers hear the last of it, then stop every process in good order, and look at everything."""
        self.wait(2)
        self._look()
        self.note("phase", "end")
        for process in self.processes:
            process.stop()
        self.run_until(lambda: not any(process.running for process in self.processes))

    def _look(self) -> None:
        """Record what lies in the store."""
        for project, head in self._heads():
            events = tuple(self._eye.history(project, 0, head.position + 1, EVERYTHING))
            self.history.add(Stored(self.now, project, self._eye.rows(project), events))

    def _heads(self) -> list[tuple[str, Any]]:
        found = ((project, self._eye.standing(project)) for project in self.config.projects)
        return [(project, standing[1]) for project, standing in found if standing is not None]
