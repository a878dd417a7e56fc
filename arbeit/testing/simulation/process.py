"""A simulated process: an event loop, an engine on it, the agents that it houses; it may die, and come back empty."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import anyio
from anyio import CancelScope

from arbeit.blobs import MemoryBlobs
from arbeit.compose import Wiring
from arbeit.core.model import SECOND
from arbeit.testing.simulation.clocks import SimClock
from arbeit.testing.simulation.config import Member
from arbeit.testing.simulation.engine import CALLER, SimEngine
from arbeit.testing.simulation.link import Link
from arbeit.testing.simulation.loop import SimLoop
from arbeit.testing.simulation.stores import LEASE_KEY, WitnessedStore

if TYPE_CHECKING:
    from arbeit.testing.simulation.world import World

_LAST_TURNS = 100_000


class Process:
    """One process of the fleet, through all its lives."""

    def __init__(self, world: World, number: int, members: Sequence[Member]) -> None:
        self.world = world
        self.number = number
        self.members = members
        self.life = 0
        self.clock = SimClock(lambda: world.elapsed, world.random(f"entropy/{number}"))
        self.blobs = MemoryBlobs()
        self.running = False
        self.paused = False
        self._buried = 0

    @property
    def name(self) -> str:
        """The name of this life of it: "p2" at first, "p2.1" after the first death."""
        return f"p{self.number}.{self.life}" if self.life else f"p{self.number}"

    # -- life and death --------------------------------------------------------------------------------

    def start(self) -> None:
        """Begin a life: a fresh loop, engine and agents."""
        world = self.world
        self.loop = SimLoop(self._time)  # type: ignore[abstract]  # the rest of a loop is of no use here
        self._scopes: list[CancelScope] = []
        self.link = Link(world.random(f"link/{self.name}"), world.chances, world.sky, self.name)
        # Opening is the operating system's business; its failures are the backends' tests'.
        raw = world.backend.open()
        self.store = WitnessedStore(raw, self.name, world.witness, self.clock)
        spread = world.random(f"spread/{self.name}")
        wiring = Wiring(
            self.store,
            self.clock,
            LEASE_KEY,
            world.policies,
            plugins=world.plugins,
            blobs=self.blobs,
            chance=spread.random,
        )
        self.engine = SimEngine(wiring, self.link, world.book, self.name)
        self.running, self.paused, self._buried = True, False, 0
        self.task = self.loop.create_task(self._live())
        self.note("starts")

    async def _live(self) -> None:
        async with self.engine, anyio.create_task_group() as group:
            for member in self.members:
                group.start_soon(self._house, member)

    async def _house(self, member: Member) -> None:
        CALLER.set(member.name)
        agent = self.world.agent(member, self.engine, self.world.random(f"{member.name}/{self.life}"))
        # A scope each, cancelled in order: those of a group are in a set, which has none.
        with CancelScope() as scope:
            self._scopes.append(scope)
            await agent.live()

    def kill(self) -> None:
        """End this life as SIGKILL does: nothing of it is heard any more, and nothing reaches the store."""
        self._raise_unawaited()
        self.note("is killed")
        self.abandon()
        self.life += 1

    def abandon(self) -> None:
        """Leave this life as it is: whatever it still does is neither heard nor stored."""
        self.running = False
        self.store.dead = self.engine.dead = self.link.dead = True
        self._bury()

    def _bury(self) -> None:
        """Let what is left of a dead process come to its end, unheard, in a time of its own."""
        if not self._scopes:
            self.task.cancel()
        self.stop()
        for _ in range(_LAST_TURNS):
            if self.task.done():
                break
            # Nothing left to run would mean that a scope holds on to its death; that is found out below.
            self._buried = max(self._buried, (self.loop.next() or 0) - self.world.elapsed)
            self.turn()
        self._forget()

    def _forget(self) -> None:
        if self.task.done() and not self.task.cancelled():
            # Retrieved, or asyncio complains; what a dead process raises, nobody hears.
            self.task.exception()
        self.loop.close()

    def _time(self) -> int:
        return self.world.elapsed + self._buried

    def stop(self) -> None:
        """Ask the process to end in good order."""
        for scope in self._scopes:
            self.loop.call_soon(scope.cancel)

    def turn(self) -> None:
        """Let the process do what it can do now."""
        self.world.acting = self
        self.loop.turn()
        if self.task.done() and self.running:
            self.running = False
            self._raise_failures()

    def _raise_failures(self) -> None:
        """A process that ends by an exception of its own is a defect: of the product, or of an agent here."""
        error = None if self.task.cancelled() else self.task.exception()
        if error is not None:
            raise error
        self._raise_unawaited()

    def _raise_unawaited(self) -> None:
        for failure in self.loop.failures:
            raise failure

    # -- what befalls it -------------------------------------------------------------------------------

    def pause(self) -> None:
        """Stand still, as under SIGSTOP: time passes by it."""
        self.paused = True
        self.note("stands still")

    def resume(self) -> None:
        """Go on, as if nothing had been."""
        if self.paused:
            self.paused = False
            self.note("goes on")

    def set_clock(self, offset: float, drift: float) -> None:
        """Set its clock off by so many seconds, and drifting by so many microseconds a second."""
        self.clock.set(round(offset * SECOND), drift)
        self.world.note("clock", "is set", self.name, f"{offset:+.3f} s, drifting {drift:+.0f} us/s")

    def note(self, what: str) -> None:
        """Record what became of it."""
        self.world.note("process", what, self.name)
