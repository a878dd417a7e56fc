"""Ways to lean on a Redis, for processes whose Redis fails: the rig has to notice every one."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import anyio

from arbeit import announcing
from arbeit.backends.redis import limits, link, signals
from arbeit.core import commands as c
from arbeit.core.model import Reply
from arbeit.engine.waiting import Waiting
from arbeit.wakes import Backoff, Carrier, Hear

Prepare = Callable[[], None]


def never_look_without_being_told() -> None:
    """Whoever waits hears of nothing but by hints, whether they come through or not."""

    async def wait_for_ever(self: Waiting) -> bool:
        await self._missed.wait()
        self._missed = anyio.Event()
        return True

    def keep_quiet(self: Carrier, _heard: Hear, _error: BaseException) -> None:
        self.healthy = False

    waiting: Any = Waiting
    carrier: Any = Carrier
    waiting._next_look, carrier._lost = wait_for_ever, keep_quiet


def never_connect_again() -> None:
    """Whoever lost its Redis once stays without."""

    async def pause(_self: Backoff) -> None:
        await anyio.sleep_forever()

    backoff: Any = Backoff
    backoff.pause = pause


def wait_for_redis_however_long() -> None:
    """Nothing that Redis is asked has a deadline, and its silence is borne."""
    for module, name in (
        (announcing, "_ANSWER"),
        (limits, "DEADLINE"),
        (link, "DEADLINE"),
        (signals, "DEADLINE"),
        (signals, "SILENCE"),
    ):
        setattr(module, name, 60.0)
    ask: Any = link.Link.ask
    ask.__defaults__ = (60.0,)


def trust_the_hint() -> None:
    """Whoever is woken takes what was given out last, without a look at the store."""
    look, last = Waiting._look_again, dict[str, Reply]()

    async def trusting(self: Waiting, project: str, command: c.ClaimTasks) -> Reply:
        if project in last:
            return last.pop(project)
        reply = await look(self, project, command)
        if reply.grants:
            last[project] = reply
        return reply

    waiting: Any = Waiting
    waiting._look_again = trusting
