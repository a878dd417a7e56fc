"""Renews held leases from a thread, those of a project whose times are near by one command."""

from __future__ import annotations

import heapq
import itertools
import time
from collections.abc import Callable, Iterable, Sequence
from threading import Condition, Thread

from arbeit.core import commands as c
from arbeit.core.errors import ArbeitError
from arbeit.core.model import SECOND, Lease, Reply
from arbeit.heartbeats import LOST, Held, early, heard, is_asked, together, unlike
from arbeit.session import BlockingSession

_LOOK = 1.0
"""Seconds between two looks at what other processes did to the leases that are kept alive here."""


class Beat:
    """A held lease, and what renews it."""

    def __init__(self, project: str, held: Held, lease: Lease, command: c.RenewLease) -> None:
        self.project = project
        self.held = held
        self.lease = lease
        self.command = command
        self.at = 0
        """When it is due; entries of the heap that say otherwise are stale."""
        self.asked = False
        """Whether its holder knows that it is to give way."""


class Heart:
    """Renews held leases from one thread, started with the first of them."""

    def __init__(self, session: BlockingSession) -> None:
        self._session = session
        self._changed = Condition()
        self._beats: dict[Held, Beat] = {}
        self._of_lease: dict[tuple[str, str], Beat] = {}
        self._times: list[tuple[int, int, int, Beat]] = []
        """When each is due, a number, and from when on it is renewed along with others."""
        self._numbers = itertools.count()
        self._thread: Thread | None = None
        self._closed = False
        self._next_look = 0.0
        self._pulse: int | None = None

    def hold(self, project: str, held: Held, lease: Lease, token: str) -> None:
        """Begin to renew."""
        command = c.RenewLease(actor=lease.agent_id, task_id=lease.task_id, token=token, ttl=lease.ttl)
        beat = Beat(project, held, lease, command)
        with self._changed:
            self._beats[held] = self._of_lease[project, lease.id] = beat
            self._plan(beat, self._session.kernel.clock.now(), lease.ttl // 3)
            if self._thread is None:
                self._thread = Thread(target=self._run, name="arbeit-heart", daemon=True)
                self._thread.start()
            self._changed.notify()

    def let_go(self, held: Held) -> None:
        """Stop renewing."""
        with self._changed:
            beat = self._beats.pop(held, None)
            if beat is not None:
                self._of_lease.pop((beat.project, beat.lease.id), None)

    def hear(self, project: str, leases: Iterable[str]) -> None:
        """Renew at once what somebody else has changed: the answer tells its holder what became of it."""
        with self._changed:
            for name in leases:
                beat = self._of_lease.get((project, name))
                if beat is not None:
                    self._plan(beat, self._session.kernel.clock.now(), 0)
            self._changed.notify()

    def _plan(self, beat: Beat, since: int, delay: int) -> None:
        beat.at = at = since + delay
        heapq.heappush(self._times, (at, next(self._numbers), at - early(beat.lease.ttl, delay), beat))

    # -- the thread ------------------------------------------------------------------------------------

    def _run(self) -> None:
        while (step := self._next()) is not None:
            step()

    def _next(self) -> Callable[[], None] | None:
        """Wait for what is to be done next; None once the heart is closed."""
        with self._changed:
            while not self._closed:
                now = self._session.kernel.clock.now()
                if self._times and self._times[0][0] <= now:
                    due = self._due(now)
                    return lambda: self._renew_all(due)
                wait = (self._times[0][0] - now) / SECOND if self._times else None
                if self._beats and self._session.shared:
                    until = self._next_look - time.monotonic()
                    if until <= 0:
                        return self._look_at_held
                    wait = until if wait is None else min(wait, until)
                self._changed.wait(wait)
        return None

    def _due(self, now: int) -> dict[str, list[Beat]]:
        """By project, what is to be renewed: where anybody's time has come, also those whose time is near."""
        due: dict[str, list[Beat]] = {}
        while self._times:
            at, _, from_, beat = self._times[0]
            stale = self._beats.get(beat.held) is not beat or beat.at != at
            if not stale and (from_ if due else at) > now:
                break
            heapq.heappop(self._times)
            if not stale:
                # From when this one begins, not from its answer: a slow store costs no beat.
                self._plan(beat, now, max(1, beat.lease.ttl // 3))
                due.setdefault(beat.project, []).append(beat)
        return due

    def _look_at_held(self) -> None:
        """Compare the leases with what is stored, if others committed, so that holders hear of changes soon."""
        self._next_look = time.monotonic() + _LOOK
        with self._changed:
            believed: dict[str, dict[str, bool]] = {}
            for (project, name), beat in self._of_lease.items():
                believed.setdefault(project, {})[name] = beat.asked
        try:
            news = self._session.news(believed, self._pulse)
        except ArbeitError:
            return  # what renews them will say what is wrong
        if news is not None:
            self._pulse, leases = news
            for project, stored in leases.items():
                self.hear(project, unlike(believed[project], stored))

    def _renew_all(self, due: dict[str, list[Beat]]) -> None:
        for project, beats in due.items():
            waiting = iter(beats)
            for command in together([beat.command for beat in beats]):
                count = len(command.items) if isinstance(command, c.RenewLeases) else 1
                self._renew(project, command, [next(waiting) for _ in range(count)])

    def _renew(self, project: str, command: c.RenewLease | c.RenewLeases, beats: Sequence[Beat]) -> None:
        try:
            result = self._session.run(project, [command], background=True)[0]
        except ArbeitError as error:
            result = error
        with self._changed:
            for beat, outcome in zip(beats, heard(command, result), strict=True):
                self._heard(beat, outcome)

    def _heard(self, beat: Beat, result: Reply | ArbeitError) -> None:
        if self._beats.get(beat.held) is not beat:
            return
        if isinstance(result, Reply):
            beat.asked = is_asked(result)
            beat.held.renewed(result)
        elif result.code in LOST:
            self.let_go(beat.held)
            beat.held.lost(result)
        else:
            # The store may come back before the deadline: try sooner than usual.
            self._plan(beat, self._session.kernel.clock.now(), min(SECOND, beat.lease.ttl // 3))

    def close(self) -> None:
        """Stop the thread."""
        with self._changed:
            self._closed = True
            self._changed.notify()
        if self._thread is not None:
            self._thread.join()
