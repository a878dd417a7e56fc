"""Who lives in a simulated world, by role."""

from __future__ import annotations

from random import Random
from typing import TYPE_CHECKING

from arbeit.session import Session
from arbeit.testing.simulation.agents.base import Agent
from arbeit.testing.simulation.agents.bosses import Supervisor
from arbeit.testing.simulation.agents.doers import Doer, Reviewer, Sloth, Zombie
from arbeit.testing.simulation.agents.planners import Planner
from arbeit.testing.simulation.agents.readers import Reader
from arbeit.testing.simulation.agents.rogues import Liar, Repeater
from arbeit.testing.simulation.agents.shells import Shell
from arbeit.testing.simulation.config import Member, Role

if TYPE_CHECKING:
    from arbeit.testing.simulation.world import World

__all__ = ["Agent", "make"]

_KINDS: dict[Role, type[Agent]] = {
    "planner": Planner,
    "doer": Doer,
    "sloth": Sloth,
    "zombie": Zombie,
    "reviewer": Reviewer,
    "supervisor": Supervisor,
    "liar": Liar,
    "repeater": Repeater,
    "reader": Reader,
    "shell": Shell,
}


def make(world: World, member: Member, session: Session, random: Random) -> Agent:
    """A member of the fleet, at the beginning of its process's life."""
    return _KINDS[member.role](world, member, session, random)
