"""Claims over several projects: served by weight, in an order that each process keeps for itself."""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping

from arbeit.core.errors import ArbeitError, Code, project_not_found
from arbeit.core.fairness import SCALE
from arbeit.core.limits import check_text, refuse
from arbeit.project import Project
from arbeit.project.claims import patience
from arbeit.session import Session
from arbeit.work import Work

_OF_ONE = frozenset({Code.LIMIT_EXCEEDED, Code.UNAUTHENTICATED, Code.FORBIDDEN})
"""Refusals of one project that say nothing of the others; raised where every one refuses."""
_SLICE = 0.25
"""Seconds to wait in one project before all are looked at again."""


class Turns:
    """Whose turn it is among projects: start-time fair queueing by weight, as between queues, but outside any log.

    A hint: processes do not know of each other's turns, and nothing of it is kept.
    """

    def __init__(self) -> None:
        self._tags: dict[str, int] = {}
        self._now = 0

    def order(self, keys: Iterable[str]) -> list[str]:
        """The projects in the order in which they come next."""
        return sorted(keys, key=lambda key: (max(self._tags.get(key, 0), self._now), key))

    def served(self, key: str, weight: int) -> None:
        """Count a grant for a project of this weight (1 to 1000)."""
        self._now = max(self._tags.get(key, 0), self._now)
        self._tags[key] = self._now + (1 << SCALE) // weight


async def claim_across(
    session: Session,
    turns: Turns,
    agent: str,
    projects: Iterable[str] | None,
    *,
    wait: float,
    capabilities: Iterable[str] | None,
    ttl: float | None,
    session_id: str,
) -> Work | None:
    """Claim in whichever project comes next and has something, one transaction at a time."""
    until = time.monotonic() + patience(wait)
    capabilities = None if capabilities is None else [*capabilities]
    while True:
        weights = await _weights(session, agent, projects)
        order = turns.order(weights)
        left = until - time.monotonic()
        refused: list[ArbeitError] = []
        for number, key in enumerate([*order, *order[:1]]):
            # Once round without waiting; then a moment's wait where it is longest anybody's turn.
            pause = min(left, _SLICE) if number == len(order) else 0
            if number < len(order) or pause > 0:
                try:
                    work = await Project(session, key, agent).claim(
                        agent, capabilities=capabilities, wait=pause, ttl=ttl, session_id=session_id
                    )
                except ArbeitError as error:
                    if error.code not in _OF_ONE:
                        raise
                    refused.append(error)
                    continue
                if work is not None:
                    turns.served(key, weights[key])
                    return work
        if order and len(refused) >= len(order):
            raise refused[0]
        if time.monotonic() >= until or not order:
            return None


async def _weights(session: Session, agent: str, projects: Iterable[str] | None) -> Mapping[str, int]:
    if projects is None:
        open_ones = (one for one in await session.projects() if one.archived_at is None and one.restoring is None)
        return {one.key: one.weight for one in open_ones}
    if isinstance(projects, str):
        refuse("projects", "must be a list of project keys", "For one project: project.claim(...).")
    found = {}
    for key in projects:
        check_text("projects", key)
        project = await session.standing(key, agent)
        if project is None:
            raise project_not_found(key)
        found[key] = project.weight
    return found
