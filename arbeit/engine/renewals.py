"""Renews held leases from an event loop, those of a project whose times are near by one command."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

from anyio import Event

from arbeit.core import commands as c
from arbeit.core.errors import ArbeitError, Code
from arbeit.core.model import SECOND, Lease, Reply
from arbeit.engine.lane import Pending
from arbeit.engine.pausing import sleep_or
from arbeit.heartbeats import Beat, Heartbeats, Held
from arbeit.ports import Clock


class Renewals:
    """Every lease that this process holds and keeps alive."""

    def __init__(self, clock: Clock, enqueue: Callable[[str, Pending], None]) -> None:
        self._clock = clock
        self._enqueue = enqueue
        self._soon = Event()
        self.beats = Heartbeats(clock.now)

    def hold(self, project: str, held: Held, lease: Lease, token: str) -> None:
        """Begin to renew a lease, at a third of its length."""
        self.beats.hold(project, held, lease, token)
        self._soon.set()

    def let_go(self, held: Held) -> None:
        """Stop renewing."""
        self.beats.let_go(held)

    def hear(self, project: str, leases: Iterable[str]) -> None:
        """Renew at once what somebody else has changed: the answer tells its holder what became of it."""
        if leases:
            self.beats.hear(project, leases)
            self._soon.set()

    async def run(self) -> None:
        """Renew each lease when its time comes, for ever."""
        while True:
            self._soon = Event()
            for project, command, beats in self.beats.due():
                self._send(project, command, beats)
            at = self.beats.next()
            if at is None:
                await self._soon.wait()
            else:
                await sleep_or(self._clock, self._soon, max(0, at - self._clock.now()) / SECOND)

    def _send(self, project: str, command: c.RenewLease | c.RenewLeases, beats: Sequence[Beat]) -> None:
        def then(result: Reply | ArbeitError) -> None:
            self.beats.answered(command, beats, result)
            self._soon.set()

        try:
            self._enqueue(project, Pending(command, then=then))
        except ArbeitError as error:
            if error.code is not Code.NOT_INITIALIZED:
                then(error)
