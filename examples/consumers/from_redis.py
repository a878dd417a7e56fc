"""Consume a relay's events from a stream of Redis.

    python -m examples.consumers.from_redis redis://127.0.0.1:6379/0 arbeit counts.db

The relay beside it: hub.relay(["redis://127.0.0.1:6379/0?stream=arbeit"]).
"""

from __future__ import annotations

import asyncio
import contextlib
import sys
from collections.abc import Callable
from typing import Any

from redis.asyncio import Redis
from redis.exceptions import ResponseError

from arbeit.sinks import read_event
from examples.consumers.book import Book

GROUP, CONSUMER = "counts", "one"


async def consume(url: str, stream: str, book: Book, enough: Callable[[], bool] = lambda: False) -> int:
    """Count events until there are enough; how many arrived a second time."""
    repeated = 0
    client = Redis.from_url(url)
    try:
        with contextlib.suppress(ResponseError):  # the group is there already
            await client.xgroup_create(stream, GROUP, id="0", mkstream=True)
        # First what was given to this consumer before it crashed, then what is new.
        after = "0"
        while not enough():
            answer: Any = await client.xreadgroup(GROUP, CONSUMER, {stream: after}, count=100, block=500)
            entries = answer[0][1] if answer else []
            if not entries:
                after = ">"
            for place, fields in entries:
                event = read_event(fields[b"event"])
                repeated += not book.apply(event)
                # After the effect: a crash in between brings the entry again, and the book knows it.
                await client.xack(stream, GROUP, place)
                after = place if after != ">" else after
    finally:
        await client.aclose()
    return repeated


if __name__ == "__main__":
    asyncio.run(consume(sys.argv[1], sys.argv[2], Book(sys.argv[3])))
