"""Which projects have their old receipts dropped now, and whether it is this process that sees to it."""

from __future__ import annotations

import os
import secrets
from collections.abc import Awaitable, Callable, Container
from typing import Any

from arbeit.core.model import SECOND
from arbeit.ports import LocalStore

EVERY = 120
"""Ticks between two rounds; those that nobody here works on gather little, and are seen to in every sixtieth."""
AT_ONCE = 50
"""Projects at a tick, so that a store of many is not busy with housekeeping alone."""
TERM = 150 * SECOND
"""Microseconds for which a process has the role: one that died is followed by another a round or two later."""
ROLE = "housekeeping"


class Housekeeping:
    """Rounds through the projects of a store. Where the store can say who leads, one process at a time makes them."""

    def __init__(self, store: LocalStore, read: Callable[..., Awaitable[Any]]) -> None:
        """`read` runs a method of the store where it may block."""
        self._store = store
        self._read = read
        self._name = f"{os.getpid()}-{secrets.token_hex(8)}"
        self._ticks = 0
        self._untidy: list[str] = []
        self._tidied: dict[str, int] = {}
        """At which tick each project was seen to last."""

    async def next(self, active: Container[str]) -> set[str]:
        """The projects to see to at this tick; `active` are those that this process works on."""
        self._ticks += 1
        if self._ticks % EVERY == 0 and not self._untidy and await self._leads():
            seldom = self._ticks - EVERY * 60
            there = [project.key for project in await self._read(self._store.projects)]
            self._untidy = [key for key in there if key in active or self._tidied.get(key, seldom) <= seldom]
        chosen = {self._untidy.pop() for _ in range(min(AT_ONCE, len(self._untidy)))}
        self._tidied |= dict.fromkeys(chosen, self._ticks)
        return chosen

    def put_back(self, project: str) -> None:
        """See to a project at a later tick: it could not be done now."""
        self._tidied.pop(project, None)
        self._untidy.insert(0, project)

    async def _leads(self) -> bool:
        lead = getattr(self._store, "lead", None)
        return lead is None or await self._read(lead, ROLE, self._name, TERM) is not None
