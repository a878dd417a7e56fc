"""Limits of commands by actor: buckets in Redis, shared by every process; buckets of this process while it is away."""

from __future__ import annotations

from collections import OrderedDict, deque
from contextlib import suppress
from functools import partial
from typing import Any, Never

import anyio
from anyio import Event
from redis.asyncio import Redis
from redis.exceptions import NoPermissionError, NoScriptError

from arbeit.backends.redis import bucket
from arbeit.backends.redis.bucket import TAKE, Rate
from arbeit.backends.redis.link import DEADLINE, Link
from arbeit.core.declare import define, field
from arbeit.ports import Clock

_LOCAL = 10_000
"""Buckets that this process keeps for itself, those used last."""
_BATCH = 256


@define(eq=False)
class _Ask:
    """Somebody who waits to hear how long to wait."""

    key: str
    cost: int
    answered: Event = field(factory=Event)
    wait: int | None = None
    """Microseconds; None where Redis had no answer."""


class RedisLimits:
    """`Limits` by token buckets, one for each actor of a project.

    While Redis is away each process counts for itself, so that an actor has as many buckets as there are processes that
    it speaks to: more than it should, and still not any number.
    """

    def __init__(self, link: Link, rate: Rate, clock: Clock) -> None:
        self._link = link
        self._rate = rate
        self._clock = clock
        self._asking: deque[_Ask] = deque()
        self._asked: Event | None = None
        self._own: OrderedDict[tuple[str, str], int] = OrderedDict()
        self._hash: str | None = None

    async def take(self, project: str, actor: str, cost: int = 1) -> float:
        """See `Limits`."""
        if self._link.client is None:
            return self._take_here(project, actor, cost)
        ask = _Ask(self._link.key(project, "rate", actor), cost)
        self._asking.append(ask)
        if self._asked is not None:
            self._asked.set()
        broken = self._link.broken
        try:
            with anyio.move_on_after(DEADLINE) as patience:
                await ask.answered.wait()
        finally:
            if not ask.answered.is_set():
                # Nobody waits for it any more: asked later, it would be counted once more.
                with suppress(ValueError):
                    self._asking.remove(ask)
        if patience.cancelled_caught and self._link.broken is broken:
            self._link.break_off()
        return self._take_here(project, actor, cost) if ask.wait is None else ask.wait / bucket.SECOND

    def _take_here(self, project: str, actor: str, cost: int) -> float:
        full_at = self._own.pop((project, actor), 0)
        full_at, wait = bucket.take(self._rate, full_at, self._clock.now(), cost)
        self._own[project, actor] = full_at
        if len(self._own) > _LOCAL:
            self._own.popitem(last=False)
        return wait / bucket.SECOND

    async def serve(self) -> Never:
        """Ask for whoever waits, for all of them together, until cancelled; then nobody waits any more."""
        try:
            while True:
                while not self._asking:
                    self._asked = Event()
                    await self._asked.wait()
                asks = [self._asking.popleft() for _ in range(min(_BATCH, len(self._asking)))]
                try:
                    answers = await self._link.ask(partial(self._put, asks))
                    for ask, answer in zip(asks, answers, strict=True):
                        ask.wait = answer if isinstance(answer, int) else None
                finally:
                    for ask in asks:
                        ask.answered.set()
        finally:
            for ask in self._asking:
                ask.answered.set()
            self._asking.clear()

    async def _put(self, asks: list[_Ask], client: Redis) -> list[Any]:
        try:
            answers = await self._try(asks, client)
        except NoPermissionError as error:
            # Wakes may pass nevertheless; without an answer, each is counted here.
            answers = [error] * len(asks)
        for answer in answers:
            if isinstance(answer, NoPermissionError):
                self._link.tell(answer)
        if any(isinstance(answer, NoScriptError) for answer in answers):
            # Another server, or one that was restarted.
            self._hash = None
            answers = await self._try(asks, client)
        return answers

    async def _try(self, asks: list[_Ask], client: Redis) -> list[Any]:
        if self._hash is None:
            self._hash = str(await client.script_load(TAKE))
        pipeline = client.pipeline(transaction=False)
        for ask in asks:
            _ = pipeline.evalsha(self._hash, 1, ask.key, str(self._rate.interval), str(self._rate.burst), str(ask.cost))
        answers: list[Any] = await pipeline.execute(raise_on_error=False)
        return answers
