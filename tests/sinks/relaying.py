"""A process that relays to a file, for tests that kill it, freeze it, and let it go on.

    python -m tests.sinks.relaying URL LINES NAME TTL

Each event is appended to LINES as "NAME ID MICROSECONDS" in one write. Where NAME ends in "!", every write is followed
by a short pause, so that there is something to interrupt.
"""

from __future__ import annotations

import logging
import os
import sys
import time
from collections.abc import Sequence

import anyio

from arbeit.core.model import Event
from arbeit.relaying import run_relay


class FileSink:
    batch = 1

    def __init__(self, path: str, name: str) -> None:
        self._file = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
        self._name = name

    async def publish(self, project: str, events: Sequence[Event]) -> None:
        for event in events:
            assert event.project == project
            os.write(self._file, f"{self._name} {event.id} {time.time_ns() // 1000}\n".encode())
            await anyio.sleep(0.002 if self._name.endswith("!") else 0)

    async def close(self) -> None:
        os.close(self._file)


def main(url: str, lines: str, name: str, ttl: str) -> None:
    logging.basicConfig(level=logging.INFO, format="%(message)s", stream=sys.stderr)
    run_relay(url, {"file": FileSink(lines, name)}, ttl=float(ttl), opened=lambda: print("open", flush=True))  # noqa: T201 - told to the test


if __name__ == "__main__":
    main(*sys.argv[1:])
