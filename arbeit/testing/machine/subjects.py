"""What a machine drives: an open store behind one of the two faces, one step at a time."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Literal, Protocol

from arbeit.compose import Wiring
from arbeit.core import commands as c
from arbeit.core.errors import ArbeitError
from arbeit.core.model import Reply
from arbeit.kernel import Kernel
from arbeit.sync.driving import run
from arbeit.testing.contract.hubs import WiredHub, WiredSyncHub

Face = Literal["sync", "async"]
Result = Reply | ArbeitError


class Subject(Protocol):
    """One process that uses the store."""

    @property
    def kernel(self) -> Kernel:
        """What it remembers between transactions."""

    def execute(self, project: str, commands: Sequence[c.Command]) -> list[Result]:
        """Send commands, and wait for what they come to."""

    def close(self) -> None:
        """End the process in good order; the store is closed with it."""


class SyncSubject:
    """A process that uses `arbeit.sync`."""

    def __init__(self, wiring: Wiring) -> None:
        self._hub = WiredSyncHub(wiring)
        self._hub.__enter__()

    @property
    def kernel(self) -> Kernel:
        """What it remembers between transactions."""
        return self._hub.session.kernel

    def execute(self, project: str, commands: Sequence[c.Command]) -> list[Result]:
        """Send commands, and wait for what they come to."""
        return run(self._hub.session.execute_many(project, commands))

    def close(self) -> None:
        """Close the hub."""
        self._hub.__exit__(None, None, None)


_Step = tuple[str, Sequence[c.Command], "asyncio.Future[list[Result]]"]


class AsyncSubject:
    """A process that uses the asynchronous hub, on an event loop that runs only while a step is under way."""

    def __init__(self, wiring: Wiring) -> None:
        self._loop = asyncio.new_event_loop()
        self._steps: asyncio.Queue[_Step | None] = asyncio.Queue()
        self._hub = WiredHub(wiring, background=False)
        self._host = self._loop.create_task(self._serve())

    async def _serve(self) -> None:
        # A task group is entered and left by one task, so one task does everything.
        async with self._hub:
            while (step := await self._steps.get()) is not None:
                project, commands, answer = step
                try:
                    answer.set_result(await self._hub.engine.execute_many(project, commands))
                except Exception as error:  # noqa: BLE001 - it is the caller's
                    answer.set_exception(error)

    @property
    def kernel(self) -> Kernel:
        """What it remembers between transactions."""
        return self._hub.engine.kernel

    def execute(self, project: str, commands: Sequence[c.Command]) -> list[Result]:
        """Send commands, and wait for what they come to."""
        answer: asyncio.Future[list[Result]] = self._loop.create_future()
        self._steps.put_nowait((project, commands, answer))
        return self._loop.run_until_complete(answer)

    def close(self) -> None:
        """Close the hub, then its loop."""
        self._steps.put_nowait(None)
        self._loop.run_until_complete(self._host)
        self._loop.run_until_complete(self._loop.shutdown_default_executor())
        self._loop.close()


SUBJECTS: dict[Face, type[SyncSubject | AsyncSubject]] = {"sync": SyncSubject, "async": AsyncSubject}
