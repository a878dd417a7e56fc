"""Work that nobody may take yet: retries that back off, and tasks that begin later."""

from __future__ import annotations

import time
from collections.abc import Collection
from typing import TYPE_CHECKING

from arbeit_cli.times import spell

if TYPE_CHECKING:
    from arbeit.sync import Project

PATIENCE = 3.0
"""Seconds that a claim without --wait gives to what becomes ready by itself: as long as a first retry backs off."""
_LEAST = 0.02
_PAGES, _PAGE = 5, 200
_WAITS = ((5, "5s"), (10, "10s"), (30, "30s"), (60, "1m"), (300, "5m"), (900, "15m"), (3600, "1h"))


def next_ready(
    project: Project, agent: str, capabilities: Collection[str] | None, queues: Collection[str] | None
) -> int | None:
    """When the next delayed task is ready that an agent may claim (microseconds since 1970); None if none is known.

    Args:
        project: where to look.
        agent: who would claim.
        capabilities: what it can do; None: what it registered.
        queues: where it looks; None: in all.
    """
    overview = None
    able: Collection[str] = capabilities or ()
    open_queues: set[str] = set()
    soonest: int | None = None
    cursor: str | None = None
    for _ in range(_PAGES):
        # What was touched last comes first: among thousands that are planned for later, the retries are there.
        page = project.find(status="open", claim_status="delayed", sort="updated", limit=_PAGE, cursor=cursor)
        if overview is None and page.tasks:
            overview = project.overview()
            open_queues = {one.name for one in overview.queues if not one.paused and (not queues or one.name in queues)}
            if capabilities is None:
                able = next((one.capabilities for one in overview.agents if one.id == agent), ())
        for task in page.tasks:
            fit = task.queue in open_queues and all(need in able for need in task.requires)
            if fit and (soonest is None or task.ready_at < soonest):
                soonest = task.ready_at
        cursor = page.cursor
        if cursor is None:
            break
    return soonest


def seconds_until(moment: int) -> float:
    """Seconds until a moment (microseconds since 1970); a few milliseconds where it is there already."""
    return max(_LEAST, moment / 1_000_000 - time.time())


def hint(moment: int, command: str) -> str:
    """When the next task is ready, and the command that waits for it, if that is worth it."""
    left = seconds_until(moment)
    wait = next((f": {command} --wait {said}" for most, said in _WAITS if left < most), "")
    return f"One is ready in {spell(left)}{wait}"
