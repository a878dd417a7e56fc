"""Shadow mode: publish to a sink that serves nobody, read back what arrived, and say where it differs from the log."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import AsyncIterable, Awaitable, Callable, Mapping, Sequence
from functools import partial
from typing import Any, Literal, TypeVar, cast

import anyio

from arbeit.compose import Wiring
from arbeit.core.declare import frozen
from arbeit.core.errors import ArbeitError, Code
from arbeit.core.model import Event
from arbeit.core.policy import EVERYTHING
from arbeit.envelope import said_of, text_of
from arbeit.ports import EventSink
from arbeit.relay.pump import Pace, Source
from arbeit.relay.relay import Relay, opened, source_of
from arbeit.sinks.reading import Arrival, Readable
from arbeit.wire import WIRE

T = TypeVar("T")
Kind = Literal["missing", "out_of_order", "other_id", "different", "unknown"]

SHOWN = 100
"""Differences that a report lists; the rest is counted."""
_PAGE = 256
_CACHED = 64


@frozen
class Difference:
    """One thing that is not as the log has it.

    Attributes:
        kind: missing (the log has it, the sink not), out_of_order (it came before one that precedes it), other_id (the
            message says another id than its event has), different (other bytes), unknown (no such event in the log).
        id: of the event.
        place: where its message stands in the sink, if there is one.
        last: the last of a row of missing events.
    """

    kind: Kind
    id: str
    place: str = ""
    last: str = ""

    def as_json(self) -> dict[str, str]:
        """The difference as JSON values."""
        said = {"kind": self.kind, "id": self.id, "place": self.place, "last": self.last}
        return {name: value for name, value in said.items() if value}


@frozen
class ShadowReport:
    """How a sink compares with the log.

    Attributes:
        sink: its name.
        projects: up to which position each was compared.
        expected: events that the log has up to there.
        arrived: messages that were read.
        repeated: messages that came again under the same id with the same bytes: consumers are to expect them.
        erased: messages whose text was erased from the log since they were sent.
        counts: differences by kind, all of them.
        differences: the first hundred.
    """

    sink: str
    projects: Mapping[str, int]
    expected: int
    arrived: int
    repeated: int
    erased: int
    counts: Mapping[str, int]
    differences: Sequence[Difference]

    @property
    def same(self) -> bool:
        """Whether there is no difference."""
        return not self.counts

    def as_json(self) -> dict[str, Any]:
        """The report as JSON values."""
        return {
            "sink": self.sink,
            "same": self.same,
            "projects": dict(self.projects),
            "expected": self.expected,
            "arrived": self.arrived,
            "repeated": self.repeated,
            "erased": self.erased,
            "counts": dict(self.counts),
            "differences": [one.as_json() for one in self.differences],
        }


Log = Callable[[str, int, int], Awaitable[Sequence[Event]]]
"""Events of a project beyond a position, so many at most."""


class _Log:
    """The log, a page at a time; arrivals come nearly in its order, so that few pages are enough."""

    def __init__(self, read: Log) -> None:
        self._read = read
        self._pages: dict[tuple[str, int], Sequence[Event]] = {}

    async def event(self, project: str, position: int) -> Event | None:
        number, at = divmod(position - 1, _PAGE)
        page = self._pages.pop((project, number), None)
        if page is None:
            page = await self._read(project, number * _PAGE, _PAGE)
        self._pages[project, number] = page
        if len(self._pages) > _CACHED:
            del self._pages[next(iter(self._pages))]
        return page[at] if at < len(page) else None


class _Seen:
    """Which positions of a project have arrived: a mark, and what is beyond or missing before it."""

    def __init__(self, first: int) -> None:
        self.mark = first - 1
        self.missing: set[int] = set()

    def add(self, position: int) -> Literal["new", "late", "again"]:
        if position > self.mark:
            self.missing.update(range(self.mark + 1, position))
            self.mark = position
            return "new"
        if position in self.missing:
            self.missing.discard(position)
            return "late"
        return "again"


class Comparison:
    """Compares arrivals, one by one, with the log."""

    def __init__(self, sink: str, upto: Mapping[str, int], log: Log, after: Mapping[str, int] | None = None) -> None:
        """`upto` says, by project, which events must have arrived, and `after` which need not."""
        self._sink = sink
        self._upto = dict(upto)
        self._after = dict(after or {})
        self._log = _Log(log)
        self._seen: dict[str, _Seen] = {}
        self._counts: Counter[str] = Counter()
        self._found: list[Difference] = []
        self._arrived = self._repeated = self._erased = 0

    async def take(self, arrival: Arrival) -> None:
        """Look at one message."""
        self._arrived += 1
        said = _spoken(arrival.body)
        inside = str(said.get("id", ""))
        project, _, number = inside.rpartition(".")
        position = int(number) if number.isascii() and number.isdecimal() and len(number) < 19 else 0  # noqa: PLR2004 - 64 bits
        event = await self._log.event(project, position) if position else None
        if event is None:
            self._differ("unknown", inside or arrival.id, arrival.place)
            return
        if arrival.id != event.id:
            self._differ("other_id", event.id, arrival.place)
        same = self._compare(event, arrival, said)
        self._upto.setdefault(project, 0)
        seen = self._seen.setdefault(project, _Seen(self._after.get(project, 0) + 1))
        order = seen.add(position)
        if order == "late":
            self._differ("out_of_order", event.id, arrival.place)
        elif order == "again" and same and position > self._after.get(project, 0):
            self._repeated += 1

    def finish(self) -> ShadowReport:
        """What came of it, once everything was looked at."""
        expected = 0
        for project, upto in sorted(self._upto.items()):
            first = self._after.get(project, 0) + 1
            seen = self._seen.get(project) or _Seen(first)
            lacking = sorted(one for one in seen.missing if one <= upto)
            expected += max(0, upto - first + 1)
            for start, end in [*_rows(lacking), *([(max(seen.mark + 1, first), upto)] if seen.mark < upto else [])]:
                self._differ("missing", f"{project}.{start}", last=f"{project}.{end}", count=end - start + 1)
        projects = {project: upto for project, upto in sorted(self._upto.items()) if upto}
        return ShadowReport(
            self._sink,
            projects,
            expected,
            self._arrived,
            self._repeated,
            self._erased,
            dict(self._counts),
            tuple(self._found),
        )

    def _compare(self, event: Event, arrival: Arrival, said: Mapping[str, Any]) -> bool:
        wanted = text_of(event)
        if arrival.body == wanted:
            return True
        mine = said_of(event)
        data = said.get("data")
        if isinstance(data, str) and WIRE.digest(data) == event.data_hash and {**mine, "data": data} == dict(said):
            # The text that was hashed into the chain, which an erasure has taken out of the log since.
            self._erased += 1
            return True
        self._differ("different", event.id, arrival.place)
        return False

    def _differ(self, kind: Kind, event_id: str, place: str = "", last: str = "", count: int = 1) -> None:
        self._counts[kind] += count
        if len(self._found) < SHOWN:
            self._found.append(Difference(kind, event_id, place, last if last != event_id else ""))


async def compare(
    sink: str,
    arrivals: AsyncIterable[Arrival],
    upto: Mapping[str, int],
    log: Log,
    after: Mapping[str, int] | None = None,
) -> ShadowReport:
    """Compare what arrived with the log, from the beginning of both.

    Args:
        sink: what the report calls it.
        arrivals: every message in the order of its arrival; of a webhook, what its receiver has kept.
        upto: which events must have arrived: up to this position, by project.
        log: reads the log.
        after: which need not have arrived: up to this position, by project.
    """
    comparison = Comparison(sink, upto, log, after)
    async for arrival in arrivals:
        await comparison.take(arrival)
    return comparison.finish()


class Shadow:
    """A sink that is published to beside what serves, under a name of its own, and then compared with the log."""

    def __init__(
        self, wiring: Wiring, sinks: Mapping[str, str | EventSink] | Sequence[str], *, pace: Pace | None = None
    ) -> None:
        """One sink, which can be read back.

        Raises:
            ArbeitError: INVALID_INPUT for more sinks, or one that cannot be read back.
        """
        self._source: Source = source_of(wiring.store)
        made = opened(wiring, sinks)
        if len(made) != 1:
            raise _unfit("shadow mode takes one sink at a time", "Run it once for each.")
        (name, sink) = next(iter(made.items()))
        if not callable(getattr(sink, "arrivals", None)):
            hint = "Compare what its receiver has kept, with arbeit.relay.compare."
            raise _unfit(f"sink {name} cannot be read back", hint)
        self.name = f"shadow:{name}"
        self._sink = cast("Readable", sink)
        self._relay = Relay(wiring, {self.name: _Kept(self._sink)}, pace=pace)

    @classmethod
    def named(cls, wiring: Wiring, sink: str | EventSink, name: str | None) -> Shadow:
        """One sink under a name; None: the name that its URL says, or its class.

        Raises:
            ArbeitError: as the class does.
        """
        if name is None and not isinstance(sink, str):
            name = type(sink).__name__
        return cls(wiring, {name: sink} if name is not None else [str(sink)])

    async def run(self) -> ShadowReport:
        """Give the sink everything that it lacks, read it back, and compare; closes the sink."""
        try:
            await self._relay.run(until_caught_up=True)
            upto = await self._call(self._source.offsets, self.name)
            upto = {project: position for project, position in upto.items() if project}
            return await compare(self.name, self._sink.arrivals(), upto, self._read)
        finally:
            with anyio.CancelScope(shield=True, deadline=anyio.current_time() + 5):
                await self._sink.close()

    async def _read(self, project: str, after: int, limit: int) -> Sequence[Event]:
        return await self._call(self._source.history, project, after, limit, EVERYTHING)

    async def _call(self, function: Callable[..., T], *args: Any) -> T:  # noqa: ANN401 - the function's own
        if not self._source.capabilities.blocking:
            return function(*args)
        return await anyio.to_thread.run_sync(partial(function, *args))


class _Kept:
    """A sink that stays open when its relay ends, to be read back."""

    def __init__(self, sink: EventSink) -> None:
        self._sink = sink
        self.batch = getattr(sink, "batch", _PAGE)

    async def ensure_usable(self) -> None:
        ensure = getattr(self._sink, "ensure_usable", None)
        if callable(ensure):
            await ensure()

    async def publish(self, project: str, events: Sequence[Event]) -> None:
        await self._sink.publish(project, events)

    async def close(self) -> None:
        """Stay open."""


def _spoken(body: bytes) -> Mapping[str, Any]:
    try:
        said = json.loads(body)
    except (ValueError, RecursionError):
        return {}
    return said if isinstance(said, dict) else {}


def _rows(positions: Sequence[int]) -> list[tuple[int, int]]:
    """Sorted positions as rows without a gap: first and last of each."""
    rows: list[tuple[int, int]] = []
    for position in positions:
        if rows and rows[-1][1] == position - 1:
            rows[-1] = (rows[-1][0], position)
        else:
            rows.append((position, position))
    return rows


def _unfit(problem: str, hint: str) -> ArbeitError:
    return ArbeitError(Code.INVALID_INPUT, problem, suggestions=(hint,), data={"field": "sinks"})
