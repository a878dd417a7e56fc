"""Consume a relay's events from NATS JetStream.

    python -m examples.consumers.from_nats nats://127.0.0.1:4222 EVENTS counts.db

The relay beside it: hub.relay(["nats://127.0.0.1:4222/EVENTS"]).
"""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Callable

import nats
from nats.errors import TimeoutError as NoMessageError
from nats.js.api import ConsumerConfig

from arbeit.sinks import read_event
from examples.consumers.book import Book


async def consume(url: str, stream: str, book: Book, enough: Callable[[], bool] = lambda: False) -> int:
    """Count events until there are enough; how many arrived a second time."""
    repeated = 0
    client = await nats.connect(url)
    try:
        # One message at a time, so that one that comes again after a crash is not overtaken by those behind it.
        config = ConsumerConfig(max_ack_pending=1, ack_wait=10)
        waiting = await client.jetstream().pull_subscribe("", durable="counts", stream=stream, config=config)
        while not enough():
            try:
                (message,) = await waiting.fetch(1, timeout=0.5)
            except NoMessageError:
                continue
            event = read_event(message.data)
            repeated += not book.apply(event)
            # After the effect: a crash in between brings the message again, and the book knows it.
            await message.ack_sync()
    finally:
        await client.close()
    return repeated


if __name__ == "__main__":
    asyncio.run(consume(sys.argv[1], sys.argv[2], Book(sys.argv[3])))
