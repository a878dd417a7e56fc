"""What the live view knows: an overview, and the events since the last one."""

from __future__ import annotations

import time
from collections import Counter, deque
from collections.abc import Sequence
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from arbeit import Agent, Event, Lease, Queue
    from arbeit.sync import Project

WINDOW = 600
"""Seconds of the past whose events are counted."""
RECENT = 200
"""Events that are kept to be shown."""
_MOST = 2_000
"""Events that are read at once; of more, the newest."""
COUNTED = {
    "task_created": "created",
    "task_claimed": "claimed",
    "task_completed": "completed",
    "review_approved": "completed",
    "task_failed": "failed",
    "task_reclaimed": "reclaimed",
}


class Frame(NamedTuple):
    """One look at a project. Times in seconds since 1970."""

    project: str
    at: float
    position: int
    statuses: dict[str, int]
    queues: Sequence[Queue]
    leases: Sequence[Lease]
    agents: Sequence[Agent]
    titles: dict[str, str]
    rates: dict[str, tuple[int, int]]
    """By kind: how many in the last minute, and in the last ten."""
    spark: Sequence[int]
    """Tasks completed in each of the last ten minutes, the oldest first."""
    events: Sequence[Event]
    """The newest last."""


class Board:
    """Follows one project: one overview and the events since, for each frame."""

    def __init__(self, project: Project, *, leases: int = 50) -> None:
        """`leases` is how many of the live leases are named with their tasks' titles."""
        self._project = project
        self._most = leases
        self._position: int | None = None
        self._events: deque[Event] = deque(maxlen=RECENT)
        self._counted: deque[tuple[float, str]] = deque()
        self._titles: dict[str, str] = {}

    def look(self) -> Frame:
        """Read what is new, and count."""
        overview = self._project.overview()
        head = overview.head.position
        after = self._position if self._position is not None else max(0, head - _MOST)
        after = max(after, head - _MOST)
        fresh = self._project.events(after=after, limit=_MOST) if head > after else []
        self._position = max(head, fresh[-1].position if fresh else head)
        now = time.time()
        for event in fresh:
            self._events.append(event)
            kind = COUNTED.get(event.type)
            if kind is not None:
                self._counted.append((event.at / 1e6, kind))
        while self._counted and self._counted[0][0] < now - WINDOW:
            self._counted.popleft()
        leases = sorted(overview.leases, key=lambda lease: lease.expires_at)
        return Frame(
            project=self._project.key,
            at=now,
            position=self._position,
            statuses=dict(overview.statuses),
            queues=sorted(overview.queues, key=lambda queue: (-queue.in_progress - queue.ready, queue.name)),
            leases=leases,
            agents=overview.agents,
            titles=self._named(leases[: self._most]),
            rates=self._rates(now),
            spark=self._minutes(now),
            events=[*self._events],
        )

    def _named(self, leases: Sequence[Lease]) -> dict[str, str]:
        """The titles of held tasks; each is read once, while it is held."""
        from arbeit import ArbeitError  # noqa: PLC0415 - loaded already

        known = {}
        for lease in leases:
            name = lease.task_id
            if name not in self._titles:
                try:
                    self._titles[name] = self._project.get(name).task.title
                except ArbeitError:
                    self._titles[name] = ""  # deleted at this moment
            known[name] = self._titles[name]
        self._titles = known
        return known

    def _rates(self, now: float) -> dict[str, tuple[int, int]]:
        lately = Counter(kind for at, kind in self._counted if at >= now - 60)
        whole = Counter(kind for _, kind in self._counted)
        return {kind: (lately[kind], whole[kind]) for kind in dict.fromkeys(COUNTED.values())}

    def _minutes(self, now: float) -> list[int]:
        minutes = WINDOW // 60
        bins = [0] * minutes
        for at, kind in self._counted:
            if kind == "completed":
                bins[minutes - 1 - min(minutes - 1, max(0, int((now - at) / 60)))] += 1
        return bins
