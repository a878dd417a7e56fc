"""Says what an actor sees."""

from __future__ import annotations

from collections.abc import Mapping

from attrs import field, frozen

from arbeit.core.policy import EVERYTHING, Scope


@frozen
class OpenAccess:
    """Everybody sees everything: a team that trusts itself."""

    def scope(self, _actor: str) -> Scope:
        """All queues."""
        return EVERYTHING


@frozen
class QueueAccess:
    """Named actors see some queues only; everybody else sees `others` (None: everything)."""

    queues: Mapping[str, frozenset[str]] = field(factory=dict)
    others: frozenset[str] | None = None

    def scope(self, actor: str) -> Scope:
        """The queues that were given to this actor."""
        return Scope(self.queues.get(actor, self.others))
