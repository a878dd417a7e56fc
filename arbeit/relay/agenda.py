"""What a relay publishes next: pure, and told what time it is."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Collection, Iterable, Mapping

from arbeit.core.declare import frozen
from arbeit.ports import Lag

LONGEST_WISH = 3600.0
"""Seconds that a sink may ask to be left alone for; a longer wish is cut to this."""


@frozen
class Backoff:
    """How long a project waits after its events were not taken: longer each time, spread by half.

    Attributes:
        base: seconds after the first failure.
        cap: the most seconds, however often it failed.
    """

    base: float = 0.5
    factor: float = 2.0
    cap: float = 60.0

    def delay(self, failures: int, chance: float, wish: float | None = None) -> float:
        """Seconds to wait after so many failures in a row; `chance` in [0, 1), `wish` is what the sink asks for."""
        # An exponent that is bounded: after thousands of failures a float would overflow.
        ceiling = min(self.cap, self.base * self.factor ** min(failures - 1, 64))
        jittered = ceiling * (0.5 + chance / 2)
        return max(jittered, min(wish, LONGEST_WISH)) if wish is not None else jittered


@frozen
class Turn:
    """A project whose next events are to be published: those beyond this position."""

    project: str
    after: int


class _Standing:
    """How far a project is with one sink."""

    __slots__ = ("busy", "due", "failures", "head", "position")

    def __init__(self) -> None:
        self.position = 0
        self.head = 0
        self.failures = 0
        self.due = 0.0
        self.busy = False


class Agenda:
    """The projects that one sink lacks events of, in turn: one batch of each at a time, a failed one later.

    Lives as long as a term: another leader may have gone on in the meantime.
    """

    def __init__(self, backoff: Backoff, chance: Callable[[], float]) -> None:
        self._backoff = backoff
        self._chance = chance
        self._known: dict[str, _Standing] = {}
        self._line: OrderedDict[str, None] = OrderedDict()
        self._noted: dict[str, int] = {}
        self.busy = 0
        """How many turns are being taken."""

    def learn(self, lags: Iterable[Lag]) -> None:
        """Take over what the store says; what was published since it was asked stays."""
        for lag in lags:
            standing = self._known.get(lag.project)
            if standing is None:
                standing = self._known[lag.project] = _Standing()
            standing.position = max(standing.position, lag.position)
            standing.head = max(standing.head, lag.head)
            self._line_up(lag.project, standing)

    def take(self, now: float) -> Turn | None:
        """The next turn, if one is due; it ends with `published`, `failed` or `rested`."""
        for project in self._line:
            standing = self._known[project]
            if standing.due <= now:
                del self._line[project]
                standing.busy = True
                self.busy += 1
                return Turn(project, standing.position)
        return None

    def wait(self, now: float) -> float | None:
        """Seconds until a turn is due; None while none is in sight."""
        due = [self._known[project].due for project in self._line]
        return max(0.0, min(due) - now) if due else None

    def published(self, project: str, position: int) -> bool:
        """Note that a sink has a project up to this position; whether that ends a row of failures."""
        standing = self._known[project]
        standing.position = max(standing.position, position)
        self._noted[project] = standing.position
        mended, standing.failures = standing.failures > 0, 0
        return mended

    def failed(self, project: str, now: float, wish: float | None = None) -> float:
        """End a turn in which the sink failed; seconds until the next."""
        standing = self._known[project]
        standing.failures += 1
        delay = self._backoff.delay(standing.failures, self._chance(), wish)
        standing.due = now + delay
        self._end(project, standing)
        return delay

    def rested(self, project: str, *, exhausted: bool = False) -> None:
        """End a turn; `exhausted` says that the log had nothing more."""
        standing = self._known[project]
        if exhausted:
            standing.head = min(standing.head, standing.position)
        self._end(project, standing)

    def failing(self) -> list[str]:
        """The projects whose events were not taken at the last try."""
        return [project for project, standing in self._known.items() if standing.failures]

    def to_note(self) -> Mapping[str, int]:
        """What was published and not noted in the store yet."""
        return dict(self._noted)

    def noted(self, positions: Mapping[str, int]) -> None:
        """Forget what the store has now."""
        for project, position in positions.items():
            if self._noted.get(project) == position:
                del self._noted[project]

    @property
    def lag(self) -> int:
        """How many events the sink lacks, of all projects."""
        return sum(max(0, standing.head - standing.position) for standing in self._known.values())

    @property
    def idle(self) -> bool:
        """Nothing is to do, is being done, or is to be noted."""
        return self.idle_but(())

    def idle_but(self, projects: Collection[str]) -> bool:
        """Nothing is to do for others than these projects, and nothing is being done or to be noted."""
        return not self.busy and not self._noted and all(project in projects for project in self._line)

    def _end(self, project: str, standing: _Standing) -> None:
        standing.busy = False
        self.busy -= 1
        self._line_up(project, standing)

    def _line_up(self, project: str, standing: _Standing) -> None:
        if not standing.busy and standing.head > standing.position and project not in self._line:
            self._line[project] = None
