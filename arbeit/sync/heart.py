"""Renews held leases from a thread."""

from __future__ import annotations

import heapq
import itertools
from threading import Condition, Thread

from arbeit.core import commands as c
from arbeit.core.errors import ArbeitError
from arbeit.core.model import SECOND, Lease, Reply
from arbeit.session import LOST, BlockingSession, Held


class Heart:
    """Renews held leases from one thread, started with the first of them."""

    def __init__(self, session: BlockingSession) -> None:
        self._session = session
        self._changed = Condition()
        self._held: dict[Held, tuple[str, Lease, str]] = {}
        self._times: list[tuple[int, int, Held]] = []
        self._numbers = itertools.count()
        self._thread: Thread | None = None
        self._closed = False

    def hold(self, project: str, held: Held, lease: Lease, token: str) -> None:
        """Begin to renew."""
        with self._changed:
            self._held[held] = (project, lease, token)
            self._plan(held, self._session.kernel.clock.now() + lease.ttl // 3)
            if self._thread is None:
                self._thread = Thread(target=self._beat, name="arbeit-heart", daemon=True)
                self._thread.start()
            self._changed.notify()

    def let_go(self, held: Held) -> None:
        """Stop renewing."""
        with self._changed:
            self._held.pop(held, None)

    def _plan(self, held: Held, at: int) -> None:
        heapq.heappush(self._times, (at, next(self._numbers), held))

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
                held = heapq.heappop(self._times)[2]
                known = self._held.get(held)
            if known is not None:
                self._renew(held, *known)

    def _renew(self, held: Held, project: str, lease: Lease, token: str) -> None:
        # A third of a lease after the renewal began, not after its answer came: a slow store costs no beat.
        begun = self._session.kernel.clock.now()
        command = c.RenewLease(actor=lease.agent_id, task_id=lease.task_id, token=token, ttl=lease.ttl)
        try:
            result = self._session.run(project, [command], background=True)[0]
        except ArbeitError as error:
            result = error
        with self._changed:
            if held not in self._held:
                return
            if isinstance(result, Reply):
                held.renewed(result)
                self._plan(held, begun + lease.ttl // 3)
            elif result.code in LOST:
                self._held.pop(held)
                held.lost(result)
            else:
                self._plan(held, begun + min(SECOND, lease.ttl // 3))

    def close(self) -> None:
        """Stop the thread."""
        with self._changed:
            self._closed = True
            self._changed.notify()
        if self._thread is not None:
            self._thread.join()
