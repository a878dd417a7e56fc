"""What keeping held leases alive has in common, whoever drives the store: who is told what, and when to renew."""

from __future__ import annotations

import heapq
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Protocol

from arbeit.core import commands as c
from arbeit.core.batch import SWEEP_ACTOR
from arbeit.core.declare import define
from arbeit.core.errors import ArbeitError, Code
from arbeit.core.limits import RENEWALS
from arbeit.core.model import SECOND, Changes, Lease, Reply

LOST = frozenset({Code.LEASE_LOST, Code.TASK_NOT_FOUND, Code.PROJECT_NOT_FOUND})
"""Answers to a renewal after which there is nothing left to renew."""


_ENDINGS = frozenset(
    {
        *("task_completed", "task_failed", "task_released", "task_submitted", "task_handed_over", "task_cancelled"),
        *("task_blocked", "review_approved", "changes_requested"),
    }
)
"""Events by which a holder may end its tenure."""
_FEW = 64
"""Entries of a timetable that may be stale whatever there is besides."""
_TOLD_BEFORE = 1_000


class Held(Protocol):
    """Work whose lease is renewed in the background."""

    def renewed(self, reply: Reply) -> None:
        """The lease was renewed."""

    def lost(self, error: ArbeitError) -> None:
        """The lease is somebody else's now."""


def early(lease_ttl: int, delay: int) -> int:
    """How many microseconds before its time a lease may be renewed along with one whose time has come.

    A twentieth of its length costs few renewals more, and brings together those of many holders. Half of what was
    waited for is waited for in any case, so that what fails is not tried again with everybody else's next renewal.
    """
    return min(SECOND, lease_ttl // 20, delay // 2)


def together(renewals: Sequence[c.RenewLease]) -> Iterator[c.RenewLease | c.RenewLeases]:
    """As few commands as do for these renewals; one alone is sent as it is."""
    for start in range(0, len(renewals), RENEWALS):
        some = renewals[start : start + RENEWALS]
        yield c.RenewLeases(actor=SWEEP_ACTOR, items=tuple(some)) if len(some) > 1 else some[0]


def heard(command: c.RenewLease | c.RenewLeases, result: Reply | ArbeitError) -> list[Reply | ArbeitError]:
    """What each renewal of a command would have been answered alone, in order."""
    if isinstance(command, c.RenewLease):
        return [result]
    if isinstance(result, ArbeitError):
        return [result] * len(command.items)
    return [
        Reply(expires_at=one.expires_at, warnings=one.warnings) if one.refused is None else ArbeitError.of(one.refused)
        for one in result.renewals
    ]


@define(eq=False)
class Beat:
    """A held lease that is renewed every so many microseconds."""

    project: str
    held: Held
    command: c.RenewLease
    """What renews it: the same each time."""
    lease: str
    ttl: int
    every: int
    at: int = 0
    """When it is due; entries of the timetable that say otherwise are stale."""
    from_: int = 0
    """From when on it is renewed along with others that are due."""
    asked: bool = False
    """Whether its holder knows that it is to give way."""


class Heartbeats:
    """The leases that a process keeps alive, and when each is renewed: no thread, no event loop, no clock but `now`."""

    def __init__(self, now: Callable[[], int]) -> None:
        """`now` gives the time, in microseconds."""
        self._now = now
        self._beats: dict[Held, Beat] = {}
        self._of_lease: dict[tuple[str, str], list[Beat]] = {}
        self._told_before: dict[tuple[str, str], None] = {}
        """Leases that others changed before anybody here kept them alive, the latest last."""
        self.fresh: set[str] = set()
        """Projects with leases that nobody has looked at since they are kept alive."""
        self._times: list[tuple[int, int, Beat]] = []
        self._count = 0

    def __bool__(self) -> bool:
        return bool(self._beats)

    def hold(self, project: str, held: Held, lease: Lease, token: str) -> None:
        """Begin to renew a lease, at a third of its length; at once if others have changed it since it was granted."""
        command = c.RenewLease(actor=lease.agent_id, task_id=lease.task_id, token=token, ttl=lease.ttl)
        beat = Beat(project, held, command, lease.id, lease.ttl, max(1, lease.ttl // 3))
        self.let_go(held)
        self._beats[held] = beat
        key = project, lease.id
        self._of_lease.setdefault(key, []).append(beat)
        self.fresh.add(project)
        self._plan(beat, 0 if key in self._told_before else beat.every)

    def let_go(self, held: Held) -> None:
        """Stop renewing."""
        beat = self._beats.pop(held, None)
        if beat is None:
            return
        beat.at = -1
        beats = self._of_lease[beat.project, beat.lease]
        beats.remove(beat)
        if not beats:
            del self._of_lease[beat.project, beat.lease]
        if len(self._times) > _FEW + 2 * len(self._beats):
            # Work is done long before its next renewal: what was let go is not kept until then.
            self._times = [entry for entry in self._times if entry[2].at == entry[0]]
            heapq.heapify(self._times)

    def hear(self, project: str, leases: Iterable[str]) -> None:
        """Renew at once what somebody else has changed: the answer tells its holder what became of it."""
        for lease in leases:
            key = project, lease
            for beat in self._of_lease.get(key, ()):
                self._plan(beat, 0)
            if key not in self._of_lease:
                self._told_before[key] = None
                if len(self._told_before) > _TOLD_BEFORE:
                    del self._told_before[next(iter(self._told_before))]

    def believed(self) -> dict[str, dict[str, bool]]:
        """By project, the leases that are kept alive here, and whether all their holders know of a wish to give way."""
        found: dict[str, dict[str, bool]] = {}
        for (project, lease), beats in self._of_lease.items():
            found.setdefault(project, {})[lease] = all(beat.asked for beat in beats)
        return found

    def next(self) -> int | None:
        """When something is to be renewed next."""
        return self._times[0][0] if self._times else None

    def _plan(self, beat: Beat, delay: int) -> None:
        self._count += 1
        beat.at = self._now() + delay
        beat.from_ = beat.at - early(beat.ttl, delay)
        heapq.heappush(self._times, (beat.at, self._count, beat))

    def due(self) -> list[tuple[str, c.RenewLease | c.RenewLeases, list[Beat]]]:
        """What is to be renewed now, as few commands as do: project, command, and whose renewals it has, in order.

        Where anybody's time has come in a project, it has also those whose time is near. The next time is counted from
        now and not from the answer, so that a slow store costs no beat.
        """
        now = self._now()
        due: dict[str, list[Beat]] = {}
        while self._times:
            at, _, beat = self._times[0]
            stale = beat.at != at
            if not stale and (beat.from_ if due else at) > now:
                break
            heapq.heappop(self._times)
            if not stale:
                self._plan(beat, beat.every)
                due.setdefault(beat.project, []).append(beat)
        commands = []
        for project, beats in due.items():
            waiting = iter(beats)
            for command in together([beat.command for beat in beats]):
                count = len(command.items) if isinstance(command, c.RenewLeases) else 1
                commands.append((project, command, [next(waiting) for _ in range(count)]))
        return commands

    def answered(
        self, command: c.RenewLease | c.RenewLeases, beats: Sequence[Beat], result: Reply | ArbeitError
    ) -> None:
        """Tell each holder what became of its renewal."""
        for beat, outcome in zip(beats, heard(command, result), strict=True):
            if self._beats.get(beat.held) is not beat:
                continue
            if isinstance(outcome, Reply):
                beat.asked = any(notice.code == "PREEMPT_REQUESTED" for notice in outcome.warnings)
                beat.held.renewed(outcome)
            elif outcome.code in LOST:
                self.let_go(beat.held)
                beat.held.lost(outcome)
            else:
                # The store may come back before the deadline: try sooner than usual.
                self._plan(beat, min(SECOND, beat.every))


# -- what others do to held leases -------------------------------------------------------------------------------


def changed_by_others(changes: Changes) -> tuple[str, ...]:
    """The leases that somebody else than their holder changed: asked to give way, or ended."""
    ended = {(event.actor, event.task_id) for event in changes.events if event.type in _ENDINGS}
    return tuple(
        lease.id
        for lease in changes.changed.get("lease", ())
        if (lease.preempt_requested and lease.ended_at is None)
        or (lease.ended_at is not None and (lease.agent_id, lease.task_id) not in ended)
    )


def unlike(believed: Mapping[str, bool], stored: Iterable[Lease]) -> list[str]:
    """Of leases that are kept alive, those that are not as their holders believe: ended, gone, or to give way.

    `believed` says of each whether its holder knows that it is to give way.
    """
    live = {lease.id: lease for lease in stored if lease.ended_at is None}
    return [
        name for name, asked in believed.items() if name not in live or (live[name].preempt_requested and not asked)
    ]
