"""What a relay tells of itself: log lines, one for each outage and not one for each try, and metrics."""

from __future__ import annotations

import logging
from collections.abc import Collection
from typing import TYPE_CHECKING

from arbeit.core.errors import ArbeitError
from arbeit.ports import SinkFailure, Term
from arbeit.relay.agenda import Agenda

if TYPE_CHECKING:
    from arbeit.telemetry.metrics import Recorder

log = logging.getLogger("arbeit.relay")


class Teller:
    """Tells of one sink."""

    def __init__(self, sink: str, recorder: Recorder | None = None) -> None:
        self.sink = sink
        self._recorder = recorder
        self._down_since: float | None = None
        self._tries = 0
        self._refused: set[str] = set()
        self._store_down = False

    def leads(self, term: Term) -> None:
        """From now on, this process publishes."""
        log.info("relay to %s: %s leads, term %d", self.sink, term.holder, term.number)

    def lost(self, term: Term) -> None:
        """The term is over, and this process has stopped to publish."""
        log.info("relay to %s: %s has stopped, term %d is over", self.sink, term.holder, term.number)
        self._down_since = None
        self._refused.clear()
        if self._recorder is not None:
            self._recorder.lags_by(self.sink, None)

    def looked(self, agenda: Agenda) -> None:
        """The store has said what the sink lacks."""
        self.store_mended()
        if self._recorder is not None:
            self._recorder.lags_by(self.sink, agenda.lag)

    def published(self, events: int) -> None:
        """A sink took so many events."""
        if self._recorder is not None:
            self._recorder.published(self.sink, events)

    def failed(self, project: str, error: Exception, now: float, delay: float) -> None:
        """A sink did not take events."""
        if self._recorder is not None:
            self._recorder.refused(self.sink)
        self._tries += 1
        if isinstance(error, SinkFailure) and error.refused:
            if project not in self._refused:
                self._refused.add(project)
                log.warning(
                    "sink %s refuses events of project %s, which waits: %s",
                    self.sink,
                    project,
                    error.message,
                    extra={"project": project},
                )
            return
        if self._down_since is not None:
            log.debug("sink %s: project %s is tried again in %.1f s", self.sink, project, delay)
            return
        self._down_since, self._tries = now, 1
        said = error.message if isinstance(error, ArbeitError) else f"{type(error).__name__}: {error}"
        # What no sink of ours raises is a plug-in's defect: its author will want to know where.
        trace = None if isinstance(error, ArbeitError) else error
        log.warning("sink %s takes no events: %s", self.sink, said, exc_info=trace, extra={"project": project})

    def mended(self, project: str, now: float, failing: Collection[str]) -> None:
        """A sink took events of a project again; `failing` are those whose events it still does not take."""
        if project in self._refused:
            self._refused.discard(project)
            log.info("sink %s takes events of project %s again", self.sink, project, extra={"project": project})
        if self._down_since is not None and self._refused.issuperset(failing):
            log.info("sink %s is back after %.1f s and %d tries", self.sink, now - self._down_since, self._tries)
            self._down_since = None

    def store_failed(self, error: ArbeitError) -> None:
        """The store did not answer."""
        if not self._store_down:
            self._store_down = True
            log.warning("relay to %s: the store does not answer: %s", self.sink, error.message)

    def store_mended(self) -> None:
        """The store answers again."""
        if self._store_down:
            self._store_down = False
            log.info("relay to %s: the store answers again", self.sink)
