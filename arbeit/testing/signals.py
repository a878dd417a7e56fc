"""Signals between engines of one process, which lose, double and hold back what a test says."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from typing import Literal

import anyio

from arbeit.ports import Wake
from arbeit.wakes import read, write

Fate = Literal["lose", "double", "hold"]
"""lose: nobody hears of it. double: everybody hears it twice. hold: it is heard once `release` is called."""
Hear = Callable[[Wake | None], None]


class Bus:
    """What lies between engines: `signals()` for each of them.

    Wakes travel as text, at once, and to every engine but the one that sends them.
    """

    def __init__(self) -> None:
        self.planned: deque[Fate | None] = deque()
        """What befalls the next wakes, one each; None lets one pass."""
        self.sent: list[Wake] = []
        self._ends: list[BusSignals] = []
        self._held: list[tuple[BusSignals, Wake]] = []

    def signals(self) -> BusSignals:
        """One more engine's."""
        end = BusSignals(self)
        self._ends.append(end)
        return end

    def carry(self, sender: BusSignals, wake: Wake) -> None:
        """Take a wake over from an engine."""
        self.sent.append(wake)
        fate = self.planned.popleft() if self.planned else None
        if fate == "hold":
            self._held.append((sender, wake))
        else:
            for _ in range({"lose": 0, "double": 2}.get(fate or "", 1)):
                self._deliver(sender, wake)

    def release(self) -> None:
        """Deliver what was held back."""
        held, self._held = self._held, []
        for sender, wake in held:
            self._deliver(sender, wake)

    def _deliver(self, sender: BusSignals, wake: Wake) -> None:
        for text in write("bus", [wake], 1000):
            for end in self._ends:
                if end is not sender and end.healthy and end.heard is not None:
                    for said in read(text).wakes or (None,):
                        end.heard(said)

    def fail(self) -> None:
        """Be away: nothing is heard until `heal`, and every engine knows it."""
        for end in self._ends:
            end.turn(healthy=False)

    def heal(self) -> None:
        """Be there again."""
        for end in self._ends:
            end.turn(healthy=True)


class BusSignals:
    """`Signals` of one engine on a bus."""

    def __init__(self, bus: Bus) -> None:
        self.healthy = False
        self.heard: Hear | None = None
        self._bus = bus

    async def run(self, heard: Hear) -> None:
        """Be on the bus until cancelled."""
        self.heard = heard
        self.turn(healthy=True)
        try:
            await anyio.sleep_forever()
        finally:
            self.heard = None

    def wake(self, wake: Wake) -> None:
        """Tell the others."""
        self._bus.carry(self, wake)

    def turn(self, *, healthy: bool) -> None:
        """Say that hints come through from now on, or that they do not."""
        self.healthy = healthy
        if self.heard is not None:
            self.heard(None)
