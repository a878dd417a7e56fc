"""Renews held leases from a thread, those of a project whose times are near by one command."""

from __future__ import annotations

import heapq
import itertools
from collections.abc import Sequence
from threading import Condition, Thread

from arbeit.core import commands as c
from arbeit.core.errors import ArbeitError
from arbeit.core.model import SECOND, Lease, Reply
from arbeit.session import LOST, BlockingSession, Held, early, heard, together


class Heart:
    """Renews held leases from one thread, started with the first of them."""

    def __init__(self, session: BlockingSession) -> None:
        self._session = session
        self._changed = Condition()
        self._held: dict[Held, tuple[str, Lease, c.RenewLease]] = {}
        self._times: list[tuple[int, int, int, Held]] = []
        """When each is due, a number, and from when on it is renewed along with others."""
        self._numbers = itertools.count()
        self._thread: Thread | None = None
        self._closed = False

    def hold(self, project: str, held: Held, lease: Lease, token: str) -> None:
        """Begin to renew."""
        command = c.RenewLease(actor=lease.agent_id, task_id=lease.task_id, token=token, ttl=lease.ttl)
        with self._changed:
            self._held[held] = (project, lease, command)
            self._plan(held, lease, self._session.kernel.clock.now(), lease.ttl // 3)
            if self._thread is None:
                self._thread = Thread(target=self._beat, name="arbeit-heart", daemon=True)
                self._thread.start()
            self._changed.notify()

    def let_go(self, held: Held) -> None:
        """Stop renewing."""
        with self._changed:
            self._held.pop(held, None)

    def _plan(self, held: Held, lease: Lease, since: int, delay: int) -> None:
        at = since + delay
        heapq.heappush(self._times, (at, next(self._numbers), at - early(lease.ttl, delay), held))

    def _beat(self) -> None:
        while True:
            with self._changed:
                if self._closed:
                    return
                now = self._session.kernel.clock.now()
                if not self._times or self._times[0][0] > now:
                    wait = (self._times[0][0] - now) / SECOND if self._times else None
                    self._changed.wait(wait)
                    continue
                due = self._due(now)
            for project, some in due.items():
                waiting = iter(some)
                for command in together([known for _, _, known in some]):
                    count = len(command.items) if isinstance(command, c.RenewLeases) else 1
                    self._renew(project, command, [next(waiting)[:2] for _ in range(count)])

    def _due(self, now: int) -> dict[str, list[tuple[Held, Lease, c.RenewLease]]]:
        """By project, what is to be renewed: where anybody's time has come, also those whose time is near."""
        due: dict[str, list[tuple[Held, Lease, c.RenewLease]]] = {}
        while self._times:
            at, _, from_, held = self._times[0]
            known = self._held.get(held)
            if known is not None and (from_ if due else at) > now:
                break
            heapq.heappop(self._times)
            if known is not None:
                due.setdefault(known[0], []).append((held, *known[1:]))
        return due

    def _renew(
        self, project: str, command: c.RenewLease | c.RenewLeases, renewed: Sequence[tuple[Held, Lease]]
    ) -> None:
        # A third of a lease after the renewal began, not after its answer came: a slow store costs no beat.
        begun = self._session.kernel.clock.now()
        try:
            result = self._session.run(project, [command], background=True)[0]
        except ArbeitError as error:
            result = error
        with self._changed:
            for (held, lease), outcome in zip(renewed, heard(command, result), strict=True):
                self._heard(held, lease, begun, outcome)

    def _heard(self, held: Held, lease: Lease, begun: int, result: Reply | ArbeitError) -> None:
        if held not in self._held:
            return
        if isinstance(result, Reply):
            held.renewed(result)
            self._plan(held, lease, begun, lease.ttl // 3)
        elif result.code in LOST:
            self._held.pop(held)
            held.lost(result)
        else:
            self._plan(held, lease, begun, min(SECOND, lease.ttl // 3))

    def close(self) -> None:
        """Stop the thread."""
        with self._changed:
            self._closed = True
            self._changed.notify()
        if self._thread is not None:
            self._thread.join()
