"""A TCP proxy that fails on request: what lies between a client and a server is part of a test."""

from __future__ import annotations

import asyncio
import socket
import struct
import threading
from collections.abc import Callable, Coroutine
from contextlib import suppress
from types import TracebackType
from typing import Any, Self, TypeVar

from arbeit.testing.servers.base import HOST, free_port

T = TypeVar("T")
_CHUNK = 65_536
_AT_ONCE = struct.pack("ii", 1, 0)
"""SO_LINGER that makes a close a reset, as a connection that broke."""


class TcpProxy:
    """Passes bytes to a port of this machine, from a thread of its own; all methods may be called from any thread.

    Attributes:
        port: where it listens on 127.0.0.1.
    """

    def __init__(self, target: int, *, port: int | None = None) -> None:
        """`target` is the port that it passes to."""
        self.port = free_port() if port is None else port
        self._target = target
        self._delay = 0.0
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="tcp-proxy", daemon=True)
        self._listening: asyncio.Server | None = None
        self._ends: set[asyncio.StreamWriter] = set()
        self._tasks: set[asyncio.Task[None]] = set()
        self._open = asyncio.Event()
        self._open.set()
        self._heard = asyncio.Event()
        self._heard.set()

    def __enter__(self) -> Self:
        self._thread.start()
        self._do(self._listen())
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._do(self._end())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    @property
    def connections(self) -> int:
        """How many clients are connected at this moment."""
        return len(self._ends) // 2

    def cut(self) -> None:
        """Break the connections there are; new ones are served."""
        self._do(self._cut())

    def freeze(self) -> None:
        """A partition: connections are accepted and stay, and nothing passes, in no direction."""
        self._call(self._open.clear)

    def mute(self) -> None:
        """Hold back what the server says, while what clients say still arrives there."""
        self._call(self._heard.clear)

    def delay(self, seconds: float) -> None:
        """Let every piece wait for so long, in each direction."""
        self._delay = seconds

    def refuse(self) -> None:
        """Break the connections there are, and refuse new ones."""
        self._do(self._refuse())

    def heal(self) -> None:
        """Accept and pass everything again, at once; what was held back arrives."""
        self._delay = 0.0
        self._call(self._open.set)
        self._call(self._heard.set)
        self._do(self._listen())

    # -- in the loop ---------------------------------------------------------------------------------------------------

    def _do(self, work: Coroutine[Any, Any, T]) -> T:
        return asyncio.run_coroutine_threadsafe(work, self._loop).result(30)

    def _call(self, function: Callable[[], None]) -> None:
        async def call() -> None:
            function()

        self._do(call())

    async def _listen(self) -> None:
        if self._listening is None:
            self._listening = await asyncio.start_server(self._accept, HOST, self.port)

    async def _refuse(self) -> None:
        if self._listening is not None:
            self._listening.close()
            self._listening = None
        await self._cut()

    async def _cut(self) -> None:
        for end in list(self._ends):
            connection = end.get_extra_info("socket")
            with suppress(OSError):
                connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _AT_ONCE)
            end.transport.abort()
        tasks = list(self._tasks)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _end(self) -> None:
        await self._refuse()
        await self._loop.shutdown_asyncgens()

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        self._ends.add(writer)
        there: asyncio.StreamWriter | None = None
        try:
            await self._open.wait()
            answers, there = await asyncio.open_connection(HOST, self._target)
            self._ends.add(there)
            # Either side's end is the end of both.
            ways = ((reader, there, self._open), (answers, writer, self._heard))
            pumps = [asyncio.ensure_future(self._pump(*way)) for way in ways]
            try:
                await asyncio.wait(pumps, return_when=asyncio.FIRST_COMPLETED)
            finally:
                for pump in pumps:
                    pump.cancel()
                await asyncio.gather(*pumps, return_exceptions=True)
        except (OSError, asyncio.CancelledError):
            pass
        finally:
            for end in (writer, there):
                if end is not None:
                    self._ends.discard(end)
                    end.close()
            self._tasks.discard(task)

    async def _pump(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, way: asyncio.Event) -> None:
        with suppress(OSError):
            while piece := await reader.read(_CHUNK):
                if self._delay:
                    await asyncio.sleep(self._delay)
                await self._open.wait()
                await way.wait()
                writer.write(piece)
                await writer.drain()
