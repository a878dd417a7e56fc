"""Events out: sinks, and what a store keeps for those who publish to them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Protocol

from arbeit.core.declare import frozen
from arbeit.core.errors import ArbeitError, Code
from arbeit.core.model import Event


class EventSink(Protocol):
    """Where events are published beside the log: each project's in order, at least once.

    A sink may have `batch`, the most events that it is given at once; 256 where it has none. One that confirms each
    event by itself has 1: before every call, its relay makes sure that it leads still.
    """

    async def publish(self, project: str, events: Sequence[Event]) -> None:
        """Hand events on; returning means they are safe there. `event.id` tells a repetition.

        Whatever it raises (best a `SinkFailure`) means that they may not be there: the same come again, later.
        """

    async def close(self) -> None:
        """Release what is held."""


class SinkFailure(ArbeitError):  # noqa: N818 - it says what happened; ArbeitError says that it is one
    """A sink does not take events now.

    Attributes:
        retry_after: seconds that the sink asks to be left alone for, if it does.
        refused: it is the events that it does not take, as it says; other projects' may be welcome.
        retryable: no try mends it before somebody changes something, where it was said to be `lasting`. A relay that
            only has to catch up then ends.
    """

    def __init__(
        self,
        message: str,
        *,
        retry_after: float | None = None,
        refused: bool = False,
        lasting: bool = False,
        suggestions: Sequence[str] = (),
    ) -> None:
        super().__init__(Code.STORE_UNAVAILABLE, message, suggestions=tuple(suggestions), retryable=not lasting)
        self.retry_after = retry_after
        self.refused = refused


@frozen
class Term:
    """A holder's time in a role: the how-manieth change of holders it is, and when it ends unless it is renewed.

    Attributes:
        until: by the store's clock, in microseconds since 1970.
    """

    role: str
    holder: str
    number: int
    until: int


@frozen
class Lag:
    """A project whose log goes on beyond the position that a sink has."""

    project: str
    position: int
    head: int


class Leadership(Protocol):
    """An optional port beside `LocalStore`: roles that one process at a time has, by a lease on a row.

    The clock is the store's own. A role changes hands when its term has run out, or when its holder resigned.
    """

    def lead(self, role: str, holder: str, ttl: int) -> Term | None:
        """Take a role, or renew it, for so many microseconds; None while somebody else holds it.

        `holder` is a name that no two processes share. The term's number grows by one with each change of holder.
        """

    def resign(self, term: Term) -> None:
        """Give a role up, so that another may take it at once; nothing if the term is no longer the current one."""


class Offsets(Protocol):
    """An optional port beside `Leadership`: up to which position each sink has each project's events."""

    def behind(self, sink: str) -> list[Lag]:
        """The projects whose log goes on beyond what a sink has, by key; a sink that is not known has nothing."""

    def offsets(self, sink: str) -> dict[str, int]:
        """What was noted of a sink, by project."""

    def advance(self, sink: str, positions: Mapping[str, int], term: Term) -> bool:
        """Note what a sink has now, all of it or nothing; no position ever goes back.

        False, and nothing is written, where somebody else has had the term's role since, or its holder resigned.
        """
