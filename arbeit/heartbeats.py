"""What keeping held leases alive has in common, whoever drives the store: who is told what, and when to renew."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Protocol

from arbeit.core import commands as c
from arbeit.core.batch import SWEEP_ACTOR
from arbeit.core.errors import ArbeitError, Code
from arbeit.core.limits import RENEWALS
from arbeit.core.model import SECOND, Changes, Lease, Reply

LOST = frozenset({Code.LEASE_LOST, Code.TASK_NOT_FOUND, Code.PROJECT_NOT_FOUND})
"""Answers to a renewal after which there is nothing left to renew."""


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


def is_asked(reply: Reply) -> bool:
    """Whether a renewal told its holder to give way."""
    return any(notice.code == "PREEMPT_REQUESTED" for notice in reply.warnings)


# -- what others do to held leases -------------------------------------------------------------------------------


def changed_by_others(changes: Changes) -> tuple[str, ...]:
    """The leases that somebody else than their holder changed: asked to give way, or ended."""
    acted = {(event.actor, event.task_id) for event in changes.events}
    return tuple(
        lease.id
        for lease in changes.changed.get("lease", ())
        if (lease.preempt_requested or lease.ended_at is not None) and (lease.agent_id, lease.task_id) not in acted
    )


def unlike(believed: Mapping[str, bool], stored: Iterable[Lease]) -> list[str]:
    """Of leases that are kept alive, those that are not as their holders believe: ended, gone, or to give way.

    `believed` says of each whether its holder knows that it is to give way.
    """
    live = {lease.id: lease for lease in stored if lease.ended_at is None}
    return [
        name for name, asked in believed.items() if name not in live or (live[name].preempt_requested and not asked)
    ]
