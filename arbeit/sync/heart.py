"""Renews held leases from a thread, those of a project whose times are near by one command."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Sequence
from threading import Condition, Thread

from arbeit.core import commands as c
from arbeit.core.errors import ArbeitError
from arbeit.core.model import SECOND, Lease
from arbeit.heartbeats import Beat, Heartbeats, Held, unlike
from arbeit.session import BlockingSession, log_failure

_LOOK = 1.0
"""Seconds between two looks at what other processes did to the leases that are kept alive here."""


class Heart:
    """Renews held leases from one thread, started with the first of them."""

    def __init__(self, session: BlockingSession) -> None:
        self._session = session
        self._now = session.kernel.clock.now
        self._changed = Condition()
        self._beats = Heartbeats(self._now)
        self._thread: Thread | None = None
        self._closed = False
        self._looks = session.shared
        self._next_look = 0.0
        self._pulse: int | None = None

    def hold(self, project: str, held: Held, lease: Lease, token: str) -> None:
        """Begin to renew."""
        with self._changed:
            self._beats.hold(project, held, lease, token)
            if self._thread is None:
                self._thread = Thread(target=self._run, name="arbeit-heart", daemon=True)
                self._thread.start()
            self._changed.notify()

    def let_go(self, held: Held) -> None:
        """Stop renewing."""
        with self._changed:
            self._beats.let_go(held)

    def hear(self, project: str, leases: Iterable[str]) -> None:
        """Renew at once what somebody else has changed: the answer tells its holder what became of it."""
        with self._changed:
            self._beats.hear(project, leases)
            self._changed.notify()

    # -- the thread ------------------------------------------------------------------------------------

    def _run(self) -> None:
        while (step := self._next()) is not None:
            step()

    def _next(self) -> Callable[[], None] | None:
        """Wait for what is to be done next; None once the heart is closed."""
        with self._changed:
            while not self._closed:
                due = self._beats.due()
                if due:
                    return lambda: self._renew(due)
                at = self._beats.next()
                wait = max(0, at - self._now()) / SECOND if at is not None else None
                if self._looks and self._beats:
                    until = self._next_look - time.monotonic()
                    if until <= 0:
                        return self._look
                    wait = until if wait is None else min(wait, until)
                self._changed.wait(wait)
        return None

    def _look(self) -> None:
        """Compare the leases with what is stored, if others committed, so that holders hear of changes soon."""
        self._next_look = time.monotonic() + _LOOK
        with self._changed:
            believed = self._beats.believed()
            # What was done to a lease before it was kept alive moved the pulse before.
            pulse = None if self._beats.fresh else self._pulse
            self._beats.fresh.clear()
        try:
            news = self._session.news(believed, pulse)
        except ArbeitError:
            self._pulse = None  # what renews them will say what is wrong
            return
        except Exception as error:  # noqa: BLE001 - renewals go on, whatever a store cannot tell
            self._looks = False
            log_failure("a look at held leases failed, and is not tried again", None, error)
            return
        if news is not None:
            self._pulse, leases = news
            for project, stored in leases.items():
                self.hear(project, unlike(believed[project], stored))

    def _renew(self, due: Sequence[tuple[str, c.RenewLease | c.RenewLeases, list[Beat]]]) -> None:
        for project, command, beats in due:
            try:
                result = self._session.run(project, [command], background=True)[0]
            except ArbeitError as error:
                result = error
            with self._changed:
                self._beats.answered(command, beats, result)

    def close(self) -> None:
        """Stop the thread."""
        with self._changed:
            self._closed = True
            self._changed.notify()
        if self._thread is not None:
            self._thread.join()
