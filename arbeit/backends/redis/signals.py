"""Wake-ups over Redis: published once for all that commits of a moment have to tell, and heard by every process."""

from __future__ import annotations

import asyncio
import logging
import secrets
from collections.abc import Callable, Coroutine, Sequence
from functools import partial
from typing import Any, Never

import anyio
from anyio import CancelScope
from redis.asyncio import Redis
from redis.asyncio.client import PubSub

from arbeit.backends.redis.link import CONNECT_DEADLINE, DEADLINE, FAILURES, Link
from arbeit.ports import Wake
from arbeit.wakes import Backoff, Health, Outbox, read

log = logging.getLogger("arbeit")

GATHER = 0.01
"""Seconds for which wakes are gathered after some were sent; the first after a while goes at once."""
CHECK = 0.5
"""Seconds between two looks whether Redis is there, and whether it is the one it was."""
_TEXT_LIMIT = 60_000

Hear = Callable[[Wake | None], None]


class RedisSignals:
    """`Signals` over publish and subscribe. On trio, for which Redis has no client, it never comes to be healthy."""

    def __init__(
        self, link: Link, chance: Callable[[], float], beside: Sequence[Callable[[], Coroutine[Any, Any, Never]]] = ()
    ) -> None:
        """`chance` gives numbers in [0, 1) that spread attempts to connect; `beside` runs while one is there."""
        self._link = link
        self._chance = chance
        self._beside = beside
        self._origin = secrets.token_hex(8)
        self._outbox = Outbox()
        self._health = Health("Redis")
        self._epoch: str | None = None
        self._last_heard = 0.0

    @property
    def healthy(self) -> bool:
        """Whether Redis answers."""
        return self._health.up

    def wake(self, wake: Wake) -> None:
        """Have the other processes told soon."""
        self._outbox.add(wake)

    async def run(self, heard: Hear) -> None:
        """Listen and send until cancelled, through every loss of the connection."""
        try:
            asyncio.get_running_loop()
        except RuntimeError:
            log.warning("Redis needs asyncio: on this event loop, engines look by themselves")
            await anyio.sleep_forever()
        backoff = Backoff(self._chance)
        while True:
            try:
                await self._connected(heard, backoff)
            except Exception as error:  # noqa: BLE001 - whatever befalls hints, engines go on without
                self._health.lost(heard, _first(error))
            await backoff.pause()

    async def _connected(self, heard: Hear, backoff: Backoff) -> None:
        """Connect, and go on until something fails."""
        link, client = self._link, self._link.make()
        listener = client.pubsub()
        try:
            with anyio.fail_after(CONNECT_DEADLINE):
                await client.ping()
                await listener.subscribe(link.channel)
                while (said := await listener.get_message(timeout=None)) is None or said["type"] != "subscribe":
                    pass
            link.client, link.broken = client, anyio.Event()
            await self._look_at_epoch()
            self._last_heard = anyio.current_time()
            backoff.reset()
            self._health.found(heard)
            async with anyio.create_task_group() as group:
                group.start_soon(self._listen, listener, heard)
                group.start_soon(self._check, listener, heard)
                group.start_soon(self._send)
                group.start_soon(self._until_broken)
                for work in self._beside:
                    group.start_soon(work)
        finally:
            with CancelScope(shield=True), anyio.move_on_after(DEADLINE):
                await self._send_rest()
            link.break_off()
            with CancelScope(shield=True), anyio.move_on_after(DEADLINE):
                await _closed(client, listener)

    async def _until_broken(self) -> None:
        await self._link.broken.wait()
        raise ConnectionError("an answer did not come in time")

    # -- hearing ---------------------------------------------------------------------------------------

    async def _listen(self, listener: PubSub, heard: Hear) -> None:
        while True:
            message = await listener.get_message(timeout=None)
            self._last_heard = anyio.current_time()
            if message is None or message["type"] != "message":
                continue
            said = read(message["data"])
            if said.origin == self._origin:
                continue
            for wake in (None,) if said.wakes is None else said.wakes:
                heard(wake)

    async def _check(self, listener: PubSub, heard: Hear) -> None:
        """See from time to time that both connections live, and that nothing was forgotten."""
        while True:
            await anyio.sleep(CHECK * (0.5 + self._chance()))
            if anyio.current_time() - self._last_heard > 2 * CHECK + DEADLINE:
                raise TimeoutError("the subscription is silent")
            await listener.ping()
            if await self._look_at_epoch():
                log.info("Redis has forgotten what was there")
                heard(None)

    async def _look_at_epoch(self) -> bool:
        """Whether this Redis has another epoch than the one that was seen before; one without any gets one."""

        async def look(client: Redis) -> str:
            await client.set(self._link.epoch, secrets.token_hex(8), nx=True)
            return repr(await client.get(self._link.epoch))

        before, self._epoch = self._epoch, await self._link.ask(look)
        return before is not None and before != self._epoch

    # -- sending ---------------------------------------------------------------------------------------

    async def _send(self) -> None:
        while True:
            await self._outbox.filled()
            await self._send_rest()
            await anyio.sleep(GATHER)

    async def _send_rest(self) -> None:
        """Publish what waits. What is lost on the way is what looks at the store are for."""
        for text in self._outbox.take(self._origin, _TEXT_LIMIT) if self._link.client is not None else ():
            await self._link.ask(partial(_publish, self._link.channel, text))


async def _publish(channel: str, text: str, client: Redis) -> None:
    await client.publish(channel, text)


async def _closed(client: Redis, listener: PubSub) -> None:
    for close in (listener.aclose, client.aclose):
        try:
            await close()
        except FAILURES:
            log.debug("a connection to Redis did not close well", exc_info=True)


def _first(error: BaseException) -> BaseException:
    """The failure that a group of failures began with."""
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    return error
