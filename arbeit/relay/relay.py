"""The relay of a process: one pump for each sink, and the sinks' lifetime."""

from __future__ import annotations

import os
import socket
from collections.abc import Callable, Iterable, Mapping
from typing import cast

import anyio
from anyio import CancelScope, Event

from arbeit import telemetry
from arbeit.compose import Wiring
from arbeit.core.errors import ArbeitError, Code
from arbeit.core.limits import check_text, refuse
from arbeit.ports import EventSink, LocalStore
from arbeit.relay.pump import Pace, Pump, Source, Surroundings
from arbeit.relay.telling import log
from arbeit.sinks.opening import name_of, open_sink

SHORTEST_TTL, LONGEST_TTL = 0.05, 3600.0
_CLOSING = 5.0
"""Seconds that sinks have to let go."""

Sinks = Iterable[str] | Mapping[str, "str | EventSink"]


class Relay:
    """Publishes a store's events to sinks, each as long as this process leads it.

    Any number of processes may run one for the same sinks: one of them publishes to each, and another goes on within
    seconds once it is gone.
    """

    def __init__(
        self,
        wiring: Wiring,
        sinks: Sinks,
        *,
        pace: Pace | None = None,
        from_now: bool = False,
        holder: str | None = None,
        next_commit: Callable[[], Event] | None = None,
    ) -> None:
        """Nothing is connected to yet.

        Args:
            wiring: the store, and what the URLs of sinks are opened with.
            sinks: URLs; or by a name of your choice, which positions are kept under, URLs or sinks.
            pace: how long terms last, and how often is looked and tried.
            from_now: a sink that nothing is known of begins with what is committed from now on; a project that is made
                later is published from its first event in any case.
            holder: this process's name in the roles of relays, which no other process may have; None: one is made.
            next_commit: gives an event that is set when somebody commits.

        Raises:
            ArbeitError: INVALID_INPUT for a URL nobody knows, a name twice, a bad pace, or a store that has no
                leadership.
        """
        pace = pace or Pace()
        if not SHORTEST_TTL <= pace.ttl <= LONGEST_TTL:
            refuse("ttl", f"must be {SHORTEST_TTL} to {LONGEST_TTL:.0f} seconds")
        if pace.workers < 1:
            refuse("workers", "must be 1 or more")
        self._telemetry = telemetry.connect()
        around = Surroundings(
            source_of(wiring.store),
            holder or made_holder(wiring.clock.entropy(6)),
            wiring.chance,
            pace,
            from_now=from_now,
            next_commit=next_commit,
            recorder=self._telemetry.recorder if self._telemetry is not None else None,
        )
        check_text("holder", around.holder)
        self._sinks = opened(wiring, sinks)
        self._pumps = [Pump(name, sink, around) for name, sink in self._sinks.items()]

    async def run(self, *, until_caught_up: bool = False) -> None:
        """Publish until cancelled; then note what was published, and let others lead at once.

        With `until_caught_up`, it ends once this process has led each sink and given it everything there was. Sinks
        that were opened here, and those that were given, are closed at the end.

        Raises:
            ArbeitError: before anything is led, what a sink says that no later try can mend: INVALID_INPUT for a driver
                that does not know this event loop; with `until_caught_up`, a secret that is not there. With
                `until_caught_up`, also what a sink refuses for good, once all sinks have what they take.
        """
        refusals: list[ArbeitError] = []
        try:
            for sink in self._sinks.values():
                await _ensure_usable(sink, until_caught_up=until_caught_up)
            async with anyio.create_task_group() as group:
                for pump in self._pumps:
                    group.start_soon(_run, pump, until_caught_up, refusals)
        finally:
            with CancelScope(shield=True, deadline=anyio.current_time() + _CLOSING):
                async with anyio.create_task_group() as group:
                    for name, sink in self._sinks.items():
                        group.start_soon(_close, name, sink)
            if self._telemetry is not None:
                self._telemetry.close()
        if refusals:
            raise refusals[0]


async def _ensure_usable(sink: EventSink, *, until_caught_up: bool) -> None:
    ensure = getattr(sink, "ensure_usable", None)
    if not callable(ensure):
        return
    try:
        await ensure()
    except ArbeitError as error:
        # What is not there may come, and who relays for ever tries again.
        if not error.retryable and (until_caught_up or error.code is not Code.STORE_UNAVAILABLE):
            raise


async def _close(name: str, sink: EventSink) -> None:
    try:
        await sink.close()
    except Exception as error:  # noqa: BLE001 - whatever it raises, the other sinks are closed as well
        log.warning("sink %s did not close: %s", name, type(error).__name__)


async def _run(pump: Pump, until_caught_up: bool, refusals: list[ArbeitError]) -> None:  # noqa: FBT001 - task groups pass arguments by position
    try:
        await pump.run(until_caught_up=until_caught_up)
    except ArbeitError as error:
        # Raised when the other sinks have what they lack, and outside of the group, which would wrap it.
        refusals.append(error)


def source_of(store: LocalStore) -> Source:
    """A store as what a relay needs.

    Raises:
        ArbeitError: INVALID_INPUT for one that has no leadership.
    """
    if not all(callable(getattr(store, name, None)) for name in ("lead", "resign", "behind", "offsets", "advance")):
        raise ArbeitError(
            Code.INVALID_INPUT,
            f"{type(store).__name__} keeps no roles and no positions of sinks, which a relay needs",
            suggestions=("Use memory://, sqlite:// or postgresql://, or give the store Leadership and Offsets.",),
            data={"field": "url"},
        )
    return cast("Source", store)


def opened(wiring: Wiring, sinks: Sinks) -> dict[str, EventSink]:
    """Sinks by name.

    Raises:
        ArbeitError: INVALID_INPUT for what is no sink, or a name twice.
    """
    if isinstance(sinks, str) or not isinstance(sinks, Iterable):
        refuse("sinks", f"must be a list of URLs, or URLs and sinks by name, not {type(sinks).__name__}")
    given = list(sinks.items()) if isinstance(sinks, Mapping) else [(None, sink) for sink in sinks]
    if not given:
        refuse("sinks", "must be one or more")
    found: dict[str, EventSink] = {}
    for wanted, given_sink in given:
        if isinstance(given_sink, str):
            name = wanted if wanted is not None else name_of(given_sink)
            sink = open_sink(given_sink, wiring.plugins.sink, wiring.secrets)
        else:
            name, sink = wanted or "", given_sink
            if not callable(getattr(sink, "publish", None)) or not callable(getattr(sink, "close", None)):
                refuse("sinks", f"have a {type(sink).__name__} that has no publish(project, events) and close()")
        check_text("sinks", name)
        if not name or name in found:
            refuse("sinks", f"need a name of their own each: {name!r}", "Give them by name: {'orders': 'https://...'}.")
        found[name] = sink
    return found


def made_holder(entropy: bytes) -> str:
    """A name that no other process has, and that says where to look for this one."""
    return f"{socket.gethostname()[:64]}-{os.getpid()}-{entropy.hex()}"
