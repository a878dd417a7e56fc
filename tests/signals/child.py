"""A process that creates a task for each line that it reads."""

from __future__ import annotations

import sys

import anyio

import arbeit
import arbeit.sync


def create(url: str) -> None:
    """Create through the blocking face."""
    with arbeit.sync.open(url) as hub:
        project = hub.project("demo")
        for line in sys.stdin:
            project.create_task(line.strip())
            print("created", flush=True)  # noqa: T201 - heard by the test


async def create_async(url: str) -> None:
    """Create through the asynchronous face, on an event loop that stands still while it waits for a line."""
    async with arbeit.open(url, background=False) as hub:
        project = await hub.project("demo")
        for line in sys.stdin:
            await project.create_task(line.strip())
            print("created", flush=True)  # noqa: T201 - as above


if __name__ == "__main__":
    if sys.argv[1] == "sync":
        create(sys.argv[2])
    else:
        anyio.run(create_async, sys.argv[2])
