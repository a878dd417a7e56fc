"""The verbs that look back: what happened in a window of time, and how everything stood at a moment."""

from __future__ import annotations

from typing import TYPE_CHECKING

from arbeit.core.limits import refuse
from arbeit.project.base import Base, When, instant
from arbeit.project.reading import MOST_ROWS

if TYPE_CHECKING:
    from arbeit.audit import Snapshot
    from arbeit.stats import Stats


class Past(Base):
    """Statistics and replay."""

    async def stats(self, *, since: When | None = None, until: When | None = None, top: int = 10) -> Stats:
        """What the project's runs amount to between two moments, by default in the last 24 hours.

        `top` is how many of the tasks that used most are named, 0 to 1,000. Raises INVALID_INPUT for a window that
        ends before it begins.
        """
        if isinstance(top, bool) or not isinstance(top, int) or not 0 <= top <= MOST_ROWS:
            refuse("top", f"must be 0 to {MOST_ROWS}")
        return await self._session.stats(self.key, instant("since", since), instant("until", until), top, self.actor)

    async def replay(self, *, position: int | None = None, at: When | None = None) -> Snapshot:
        """The whole project as it was right after an event, by its position, or at a moment; from the log alone.

        Raises FORBIDDEN to those who may not see all of it.
        """
        return await self._session.replay(self.key, position, instant("at", at), self.actor)
