"""Wake-ups over Redis: published once for all that commits of a moment have to tell, and heard by every process."""

from __future__ import annotations

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
from arbeit.wakes import Carrier, Hear, blank

log = logging.getLogger("arbeit")

GATHER = 0.01
"""Seconds for which wakes are gathered after some were sent; the first after a while goes at once."""
CHECK = 0.5
"""Seconds between two looks whether Redis is there, and whether it is the one it was."""
SILENCE = 1.5
"""Seconds without an answer on the subscription, pinged at every look, after which it is given up."""
_TEXT_LIMIT = 60_000


class RedisSignals(Carrier):
    """`Signals` over publish and subscribe."""

    def __init__(
        self,
        link: Link,
        chance: Callable[[], float],
        beside: Sequence[Callable[[], Coroutine[Any, Any, Never]]] = (),
    ) -> None:
        """`chance` gives numbers in [0, 1) that spread attempts to connect; `beside` runs while one is there."""
        super().__init__("Redis", chance, _TEXT_LIMIT)
        self._link = link
        self._beside = beside
        self._epoch: str | None = None
        self._last_heard = 0.0

    async def serve(self, heard: Hear) -> None:
        """Connect, and go on until something fails."""
        link, client = self._link, self._link.make()
        listener = client.pubsub()
        try:
            with anyio.fail_after(CONNECT_DEADLINE):
                await client.ping()
                await listener.subscribe(link.channel)
                while (said := await listener.get_message(timeout=None)) is None or said["type"] != "subscribe":
                    pass
            link.client, link.broken = client, (broken := anyio.Event())
            await self._look_at_epoch()
            # Says nothing, and shows before anybody counts on it that this user may speak.
            await self.publish(blank(self.origin))
            self._last_heard = anyio.current_time()
            self.found(heard)
            async with anyio.create_task_group() as group:
                group.start_soon(self._listen, listener, heard)
                group.start_soon(self._check, listener, heard)
                group.start_soon(self.send, GATHER)
                group.start_soon(_until, broken)
                for work in self._beside:
                    group.start_soon(work)
        finally:
            if link.client is client:
                await self.send_last(DEADLINE)
            link.break_off()
            with CancelScope(shield=True), anyio.move_on_after(DEADLINE):
                await _closed(client, listener)

    def found(self, heard: Hear) -> None:
        """It is there, and lets us do what we need."""
        self._link.mended()
        super().found(heard)

    def _lost(self, heard: Hear, error: BaseException) -> None:
        # What is wrong was said plainly: that it is "away" would only lead astray.
        self._missed = self._link.tell(error) or self._missed
        super()._lost(heard, error)

    # -- hearing ---------------------------------------------------------------------------------------

    async def _listen(self, listener: PubSub, heard: Hear) -> None:
        while True:
            message = await listener.get_message(timeout=None)
            self._last_heard = anyio.current_time()
            if message is not None and message["type"] == "message":
                self.hand_on(message["data"], heard)

    async def _check(self, listener: PubSub, heard: Hear) -> None:
        """See from time to time that both connections live, and that nothing was forgotten."""
        while True:
            slept, asked = anyio.current_time(), CHECK * (0.5 + self._chance())
            await anyio.sleep(asked)
            late = anyio.current_time() - slept - asked
            # A process that was busy or stopped itself may find its answers waiting when it comes to read them.
            if anyio.current_time() - self._last_heard - late > SILENCE:
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

    async def publish(self, text: str) -> None:
        """Send one text to whoever listens now."""
        await self._link.ask(partial(_publish, self._link.channel, text))


async def _until(broken: anyio.Event) -> None:
    await broken.wait()
    raise ConnectionError("an answer did not come in time")


async def _publish(channel: str, text: str, client: Redis) -> None:
    await client.publish(channel, text)


async def _closed(client: Redis, listener: PubSub) -> None:
    for close in (listener.aclose, client.aclose):
        try:
            await close()
        except FAILURES:
            log.debug("a connection to Redis did not close well", exc_info=True)
