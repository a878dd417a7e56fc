"""What befalls a fleet from outside: deaths, pauses, wrong clocks, partitions, fail-overs; all drawn by seed."""

from __future__ import annotations

from collections.abc import Callable
from random import Random
from typing import TYPE_CHECKING

from arbeit.testing.simulation.config import Fault
from arbeit.testing.simulation.process import Process

if TYPE_CHECKING:
    from arbeit.testing.simulation.world import World

EVERY: dict[Fault, float] = {
    "kill": 12.0,
    "pause": 15.0,
    "jump": 20.0,
    "drift": 20.0,
    "partition": 20.0,
    "failover": 40.0,
}
"""Seconds between two of a kind, on average, in rough weather."""


class Weather:
    """Lets each kind of fault strike at random moments, each by a chance of its own."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._strikes: dict[Fault, Callable[[Random, Process], None]] = {
            "kill": self._kill,
            "pause": self._pause,
            "jump": self._jump,
            "drift": self._drift,
            "partition": self._partition,
            "failover": self._failover,
        }

    def begin(self) -> None:
        """Plan the first of each kind."""
        for fault in EVERY:
            rate = self._world.chances.get(fault, 0)
            if rate:
                self._plan(fault, rate, self._world.random(f"weather/{fault}"))

    def _plan(self, fault: Fault, rate: float, random: Random) -> None:
        def strike() -> None:
            if not self._world.sky.calm:
                self._strikes[fault](random, random.choice(self._world.processes))
                self._plan(fault, rate, random)

        self._world.after(random.expovariate(rate / EVERY[fault]), strike)

    def _kill(self, random: Random, process: Process) -> None:
        away = random.choice((0.1, 1.0, 5.0))
        if process.running:
            self._world.sky.strike("kill", process.name)
            process.kill()
            self._world.after(away, process.start)

    def _pause(self, random: Random, process: Process) -> None:
        lasting = random.choice((0.2, 1.0, 6.0, 20.0))
        if process.running and not process.paused:
            life = process.life
            self._world.sky.strike("pause", process.name, f"{lasting} s")
            process.pause()
            # Of whoever died meanwhile, the next life was never paused.
            self._world.after(lasting, lambda: process.resume() if process.life == life else None)

    def _jump(self, random: Random, process: Process) -> None:
        self._world.sky.strike("jump", process.name)
        process.set_clock(random.choice((-1, 1)) * random.choice((0.01, 0.5, 3.0, 10.0)), 0)

    def _drift(self, random: Random, process: Process) -> None:
        self._world.sky.strike("drift", process.name)
        process.set_clock(0, random.choice((-1, 1)) * random.choice((50.0, 500.0, 20_000.0)))

    def _partition(self, random: Random, process: Process) -> None:
        lasting = random.choice((0.1, 1.0, 8.0))
        if process.running and not process.link.partitioned:
            link = process.link
            link.partitioned = True
            self._world.sky.strike("partition", process.name, f"{lasting} s")

            def heal() -> None:
                link.partitioned = False

            self._world.after(lasting, heal)

    def _failover(self, random: Random, _process: Process) -> None:
        """The store is away for all; it comes back with the clock of another machine."""
        world, sky = self._world, self._world.sky
        if sky.outage:
            return
        lasting, offset = random.choice((0.3, 2.0, 5.0)), random.uniform(-1, 1)
        sky.outage = "a fail-over"
        sky.strike("failover", detail=f"{lasting} s")

        def recover() -> None:
            sky.outage = ""
            for each in world.processes:
                each.set_clock(offset, 0)

        world.after(lasting, recover)
