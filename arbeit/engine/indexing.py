"""The background work that keeps a hub's own model in step with every project's log."""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable
from typing import Any, cast

from anyio import CancelScope, CapacityLimiter

from arbeit.clock import fresh_id
from arbeit.core.errors import ArbeitError
from arbeit.core.model import SECOND
from arbeit.indexing import Indexer
from arbeit.kernel import Kernel
from arbeit.meaning import vectors_of
from arbeit.ports import Leadership, Term

log = logging.getLogger("arbeit")

PAUSE = 1.0
"""Seconds between two looks at what was committed."""
LONGEST_PAUSE = 300.0
"""Seconds between two tries of an embedder that keeps failing."""
ROLE = "indexer"
TERM = 30 * SECOND
"""How long a process may be silent before another takes the work over."""


async def keep_up(
    kernel: Kernel, off: Callable[..., Awaitable[Any]], limiter: CapacityLimiter, closing: Callable[[], bool]
) -> None:
    """Embed what is new until cancelled, if there is a model and a store that keeps vectors.

    `off` calls a function in a thread of a limiter.
    """
    vectors, model = vectors_of(kernel.store), kernel.model
    if vectors is not None and model is not None:
        indexer = Indexer(kernel.store, vectors, model, stop=closing)
        await Indexing(kernel, indexer, lambda function: off(function, limiter)).run()


class Indexing:
    """Embeds what is new, a page of each project in turn, in one process at a time where the store has roles.

    A failure is logged once; it is tried again after a second, then two, then four, until it succeeds.
    """

    def __init__(self, kernel: Kernel, indexer: Indexer, off: Callable[[Callable[[], Any]], Awaitable[Any]]) -> None:
        """`off` calls a function where it may block."""
        self._kernel = kernel
        self._store = kernel.store
        self._indexer = indexer
        self._off = off
        self._holder = fresh_id(kernel.clock, "idx")
        self._done: dict[str, int] = {}
        """Up to which position each project is known to be embedded."""
        self._failures = 0
        self._term: Term | None = None
        self._asked = 0
        """When the role was last asked for."""

    async def run(self) -> None:
        """Until it is cancelled; then another process may take over at once."""
        try:
            while True:
                if not await self.round():
                    await self._kernel.clock.sleep(self._kernel.jitter(self.pause))
        finally:
            with CancelScope(shield=True):
                await self._off(self._resign)

    @property
    def pause(self) -> float:
        """Seconds until the next look, where the last one found nothing to do or failed."""
        return min(PAUSE * 2.0 ** min(self._failures, 20), LONGEST_PAUSE)

    async def round(self) -> bool:
        """Read one page of each project that has one; whether any had."""
        try:
            moved: bool = await self._off(self._round)
        except ArbeitError as error:
            self._failures += 1
            if self._failures == 1:
                log.warning("nothing new is embedded for search by meaning until this is mended: %s", error.message)
            return False
        if self._failures:
            log.info("what is new is embedded again")
        self._failures = 0
        return moved

    def _round(self) -> bool:
        behind = [
            project.key
            for project in self._store.projects()
            if (standing := self._store.standing(project.key)) is not None
            and standing[1].position > self._done.get(project.key, 0)
        ]
        if not behind or not self._leads():
            return False
        for project in behind:
            self._done[project] = self._indexer.step(project).position
        return True

    def _leads(self) -> bool:
        """Whether this process has the role; it is renewed, or asked for again, a few times in a term."""
        lead = getattr(self._store, "lead", None)
        if lead is None:
            return True
        now = self._kernel.clock.now()
        if not self._asked <= now < self._asked + TERM // 3:
            self._asked = now
            self._term = lead(ROLE, self._holder, TERM)
        return self._term is not None

    def _resign(self) -> None:
        if self._term is not None:
            try:
                cast("Leadership", self._store).resign(self._term)
            except ArbeitError as error:
                log.info("the role %s runs out by itself: %s", ROLE, error.message)
