"""Heartbeats: held leases are renewed in the background, those of a project whose times are near by one command."""

from __future__ import annotations

import heapq
from collections.abc import Callable, Iterable, Sequence

from anyio import Event

from arbeit.core import commands as c
from arbeit.core.declare import define
from arbeit.core.errors import ArbeitError, Code
from arbeit.core.model import SECOND, Lease, Reply
from arbeit.engine.lane import Pending
from arbeit.engine.pausing import sleep_or
from arbeit.heartbeats import LOST, Held, early, heard, is_asked, together
from arbeit.ports import Clock


@define(eq=False)
class Renewal:
    """A held lease, renewed every so many microseconds."""

    project: str
    lease: str
    held: Held
    command: c.RenewLease
    """What renews it: the same each time."""
    ttl: int
    every: int
    at: int = 0
    """When it is due; entries of the heap that say otherwise are stale."""
    from_: int = 0
    """From when on it is renewed along with others that are due."""
    asked: bool = False
    """Whether its holder knows that it is to give way."""


class Renewals:
    """Every lease that this process holds and keeps alive."""

    def __init__(self, clock: Clock, enqueue: Callable[[str, Pending], None]) -> None:
        self._clock = clock
        self._enqueue = enqueue
        self._held: dict[Held, Renewal] = {}
        self._of_lease: dict[tuple[str, str], Renewal] = {}
        self._times: list[tuple[int, int, Renewal]] = []
        self._count = 0
        self._soon = Event()

    def __bool__(self) -> bool:
        return bool(self._held)

    def hold(self, project: str, held: Held, lease: Lease, token: str) -> None:
        """Begin to renew a lease, at a third of its length."""
        command = c.RenewLease(actor=lease.agent_id, task_id=lease.task_id, token=token, ttl=lease.ttl)
        renewal = Renewal(project, lease.id, held, command, lease.ttl, max(1, lease.ttl // 3))
        self._held[held] = self._of_lease[project, lease.id] = renewal
        self._plan(renewal, renewal.every)

    def let_go(self, held: Held) -> None:
        """Stop renewing."""
        renewal = self._held.pop(held, None)
        if renewal is not None:
            self._of_lease.pop((renewal.project, renewal.lease), None)

    def hear(self, project: str, leases: Iterable[str]) -> None:
        """Renew at once what somebody else has changed: the answer tells its holder what became of it."""
        for lease in leases:
            renewal = self._of_lease.get((project, lease))
            if renewal is not None:
                self._plan(renewal, 0)

    def held(self) -> dict[str, dict[str, bool]]:
        """By project, the leases that are kept alive here, and whether their holders know that they are to give way."""
        found: dict[str, dict[str, bool]] = {}
        for (project, lease), renewal in self._of_lease.items():
            found.setdefault(project, {})[lease] = renewal.asked
        return found

    def _plan(self, renewal: Renewal, delay: int) -> None:
        self._count += 1
        renewal.at = self._clock.now() + delay
        renewal.from_ = renewal.at - early(renewal.ttl, delay)
        heapq.heappush(self._times, (renewal.at, self._count, renewal))
        if self._times[0][2] is renewal:
            self._soon.set()

    async def run(self) -> None:
        """Renew each lease when its time comes, for ever."""
        while True:
            self._soon = Event()
            now = self._clock.now()
            for project, due in self._due(now).items():
                self._renew(project, due)
            if self._times:
                await sleep_or(self._clock, self._soon, (self._times[0][0] - now) / SECOND)
            else:
                await self._soon.wait()

    def _due(self, now: int) -> dict[str, list[Renewal]]:
        """By project, what is to be renewed: where anybody's time has come, also those whose time is near."""
        due: dict[str, list[Renewal]] = {}
        while self._times:
            at, _, renewal = self._times[0]
            stale = self._held.get(renewal.held) is not renewal or renewal.at != at
            if not stale and (renewal.from_ if due else at) > now:
                break
            heapq.heappop(self._times)
            if not stale:
                self._plan(renewal, renewal.every)
                due.setdefault(renewal.project, []).append(renewal)
        return due

    def _renew(self, project: str, due: Sequence[Renewal]) -> None:
        waiting = iter(due)
        for command in together([renewal.command for renewal in due]):
            count = len(command.items) if isinstance(command, c.RenewLeases) else 1
            self._send(project, command, [next(waiting) for _ in range(count)])

    def _send(self, project: str, command: c.RenewLease | c.RenewLeases, renewals: Sequence[Renewal]) -> None:
        def then(result: Reply | ArbeitError) -> None:
            for renewal, outcome in zip(renewals, heard(command, result), strict=True):
                self._heard(renewal, outcome)

        try:
            self._enqueue(project, Pending(command, then=then))
        except ArbeitError as error:
            if error.code is not Code.NOT_INITIALIZED:
                then(error)

    def _heard(self, renewal: Renewal, result: Reply | ArbeitError) -> None:
        if self._held.get(renewal.held) is not renewal:
            return
        if isinstance(result, Reply):
            renewal.asked = is_asked(result)
            renewal.held.renewed(result)
        elif result.code in LOST:
            self.let_go(renewal.held)
            renewal.held.lost(result)
        else:
            # The store may come back before the deadline: try sooner than usual.
            self._plan(renewal, min(SECOND, renewal.every))
