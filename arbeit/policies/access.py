"""Says what an actor sees."""

from __future__ import annotations

from collections.abc import Mapping

from arbeit.core.declare import field, frozen
from arbeit.core.model import Agent
from arbeit.core.policy import EVERYTHING, Scope

SUPERVISOR = "supervisor"
ANONYMOUS = "anonymous"
_NOBODY = Scope(known=False)


@frozen
class OpenAccess:
    """Everybody sees everything: a team that trusts itself. Agents registered as supervisors are supervisors."""

    def scope(self, _actor: str) -> Scope:
        """All queues."""
        return EVERYTHING

    def supervises(self, _actor: str, agent: Agent | None) -> bool:
        """Whoever registered with the persona supervisor."""
        return agent is not None and agent.persona == SUPERVISOR


@frozen
class NamedAccess(OpenAccess):
    """Everybody who says who it is sees everything; `anonymous` gets nothing."""

    def scope(self, actor: str) -> Scope:
        """All queues, for all but the anonymous."""
        return _NOBODY if actor == ANONYMOUS else EVERYTHING


@frozen
class QueueAccess(OpenAccess):
    """Named actors see some queues only; everybody else sees `others` (None: everything)."""

    queues: Mapping[str, frozenset[str]] = field(factory=dict)
    others: frozenset[str] | None = None

    def scope(self, actor: str) -> Scope:
        """The queues that were given to this actor."""
        return Scope(self.queues.get(actor, self.others))
