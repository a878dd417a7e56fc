"""Hints between the processes of a deployment, and limits that they share."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

from arbeit.core.declare import frozen


@frozen
class Wake:
    """What a commit of one process tells whoever waits in the others: a hint. That events were committed is understood.

    ready: (queue, requirement set, how many) of tasks that became ready. places: (queue, how many) of queues that hold
    ready work and have places for it again. agents: who was handed something, or can do something else now.
    leases: those that somebody else than their holder changed: asked to give way, or ended.
    anything: more changed than is said here.
    """

    project: str
    ready: tuple[tuple[str, str, int], ...] = ()
    places: tuple[tuple[str, int], ...] = ()
    agents: tuple[str, ...] = ()
    leases: tuple[str, ...] = ()
    anything: bool = False


class Signals(Protocol):
    """Hints between the processes of a deployment. They may be lost, doubled or late, and are never the truth."""

    @property
    def healthy(self) -> bool:
        """Whether hints come through, as far as is known. While they do not, engines look by themselves, and often."""

    async def run(self, heard: Callable[[Wake | None], None]) -> None:
        """Listen and send until cancelled; what is still to be sent then has a moment to go.

        `heard` is called with what other processes announce, and with None when some of it may have been missed:
        whenever `healthy` has changed, too. Whoever is away or fails is tried again for ever; nothing is raised.
        """

    def wake(self, wake: Wake) -> None:
        """Have the other processes told soon. Blocks nobody, raises nothing; called where `run` runs."""


class Limits(Protocol):
    """How many commands an actor may send."""

    async def take(self, project: str, actor: str, cost: int = 1) -> float:
        """Count so many commands, and 0; or, where they are too many now, the seconds after which they are not.

        Answers within a fraction of a second whatever is away, and raises nothing.
        """
