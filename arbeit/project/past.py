"""The verbs that look back: what happened in a window of time, and how everything stood at a moment."""

from __future__ import annotations

from typing import TYPE_CHECKING

from arbeit.project.base import Base, When, moment

if TYPE_CHECKING:
    from arbeit.audit import Snapshot
    from arbeit.stats import Stats


class Past(Base):
    """Statistics and replay."""

    async def stats(self, *, since: When | None = None, until: When | None = None, top: int = 10) -> Stats:
        """What the project's runs amount to between two moments, by default in the last 24 hours.

        `top` is how many of the tasks that used most are named.
        """
        return await self._session.stats(self.key, moment(since), moment(until), top, self.actor)

    async def replay(self, *, position: int | None = None, at: When | None = None) -> Snapshot:
        """The whole project as it was right after an event, by its position, or at a moment; from the log alone.

        Raises FORBIDDEN to those who may not see all of it.
        """
        return await self._session.replay(self.key, position, moment(at), self.actor)
