"""Heartbeats: held leases are renewed in the background, those that come together in one transaction."""

from __future__ import annotations

import heapq
from collections.abc import Callable

from anyio import Event

from arbeit.core import commands as c
from arbeit.core.declare import define
from arbeit.core.errors import ArbeitError, Code
from arbeit.core.model import SECOND, Lease, Reply
from arbeit.engine.lane import Pending
from arbeit.engine.pausing import sleep_or
from arbeit.ports import Clock
from arbeit.session import LOST, Held


@define(eq=False)
class Renewal:
    """A held lease, renewed every so many microseconds."""

    project: str
    held: Held
    lease: Lease
    token: str
    every: int
    at: int = 0
    """When it is due; entries of the heap that say otherwise are stale."""


class Renewals:
    """Every lease that this process holds and keeps alive."""

    def __init__(self, clock: Clock, enqueue: Callable[[str, Pending], None]) -> None:
        self._clock = clock
        self._enqueue = enqueue
        self._held: dict[Held, Renewal] = {}
        self._times: list[tuple[int, int, Renewal]] = []
        self._count = 0
        self._soon = Event()

    def hold(self, project: str, held: Held, lease: Lease, token: str) -> None:
        """Begin to renew a lease, at a third of its length."""
        renewal = Renewal(project, held, lease, token, lease.ttl // 3)
        self._held[held] = renewal
        self._plan(renewal, self._clock.now() + renewal.every)

    def let_go(self, held: Held) -> None:
        """Stop renewing."""
        self._held.pop(held, None)

    def _plan(self, renewal: Renewal, at: int) -> None:
        self._count += 1
        renewal.at = at
        heapq.heappush(self._times, (at, self._count, renewal))
        if self._times[0][2] is renewal:
            self._soon.set()

    async def run(self) -> None:
        """Renew each lease when its time comes, for ever."""
        while True:
            self._soon = Event()
            now = self._clock.now()
            while self._times and self._times[0][0] <= now:
                at, _, renewal = heapq.heappop(self._times)
                if self._held.get(renewal.held) is renewal and renewal.at == at:
                    self._plan(renewal, now + renewal.every)
                    self._renew(renewal)
            if self._times:
                await sleep_or(self._clock, self._soon, (self._times[0][0] - now) / SECOND)
            else:
                await self._soon.wait()

    def _renew(self, renewal: Renewal) -> None:
        lease = renewal.lease
        command = c.RenewLease(actor=lease.agent_id, task_id=lease.task_id, token=renewal.token, ttl=lease.ttl)

        def then(result: Reply | ArbeitError) -> None:
            if self._held.get(renewal.held) is not renewal:
                return
            if isinstance(result, Reply):
                renewal.held.renewed(result)
            elif result.code in LOST:
                self.let_go(renewal.held)
                renewal.held.lost(result)
            else:
                # The store may come back before the deadline: try sooner than usual.
                self._plan(renewal, self._clock.now() + min(SECOND, renewal.every))

        try:
            self._enqueue(renewal.project, Pending(command, then=then))
        except ArbeitError as error:
            if error.code is not Code.NOT_INITIALIZED:
                then(error)
