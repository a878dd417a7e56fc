"""MCP over standard streams: one JSON-RPC message a line, its length limited before it is parsed.

The SDK's own transport reads lines of any length, says nothing to one that it cannot parse, and cannot be interrupted
while it reads.
"""

from __future__ import annotations

import os
import re
import sys
import threading
from collections.abc import AsyncGenerator, Iterator
from contextlib import asynccontextmanager, contextmanager

import anyio
import mcp_types as types
from anyio import from_thread, to_thread
from anyio.lowlevel import EventLoopToken, current_token
from anyio.streams.memory import MemoryObjectReceiveStream, MemoryObjectSendStream
from attrs import frozen
from mcp.shared.message import SessionMessage
from pydantic import ValidationError

Inbound = SessionMessage | Exception
_CHUNK = 64 * 1024
_LAST_WORDS = 1.0
"""Seconds that a client has to read what was answered before the end."""
_END = 256
"""Bytes that are kept of either end of a line that is too long, to find out whom to answer."""
_ID = rb'"id"\s*:\s*(\d{1,18}|"[^"\\]{1,64}")'
# The first fields and the last one of a line belong to its outermost object, whatever lies between them.
_AT_BEGINNING = re.compile(rb'\A\s*\{\s*(?:"jsonrpc"\s*:\s*"2\.0"\s*,\s*)?' + _ID)
_AT_END = re.compile(rb"[,{]\s*" + _ID + rb"\s*\}\s*\Z")


@frozen
class Overlong:
    """A line that was not kept: how long it was, and its two ends."""

    size: int
    head: bytes
    tail: bytes


class Lines:
    """Cuts what arrives into lines of at most `limit` bytes; of a longer one it keeps the ends alone."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._part = bytearray()
        self._size = 0
        self._head = b""

    def feed(self, data: bytes) -> Iterator[bytes | Overlong]:
        """The lines that are complete now, without their ends."""
        *ended, rest = data.split(b"\n")
        for piece in ended:
            self._add(piece)
            if self._size > self._limit:
                yield Overlong(self._size, self._head, bytes(self._part))
            elif self._part.strip():
                yield bytes(self._part)
            self._part = bytearray()
            self._size = 0
        self._add(rest)

    def _add(self, piece: bytes) -> None:
        self._size += len(piece)
        was_whole = self._size - len(piece) == len(self._part)
        self._part += piece
        if self._size > self._limit:
            if was_whole:
                self._head = bytes(self._part[:_END])
            del self._part[:-_END]


def answerable(head: bytes, tail: bytes) -> types.RequestId | None:
    """The id of a request that was not parsed, by the ends of its line; None if that cannot be said for sure."""
    found = _AT_BEGINNING.search(head) or _AT_END.search(tail)
    if found is None:
        return None
    said = found.group(1)
    try:
        return said[1:-1].decode() if said.startswith(b'"') else int(said)
    except UnicodeDecodeError:
        return None


def understood(line: bytes | Overlong, limit: int) -> SessionMessage | types.JSONRPCError:
    """The message of a line, or the error to answer it with."""
    if isinstance(line, Overlong):
        message = f"the message takes {line.size} bytes; {limit} are allowed"
        hint = "Send long text as several entries or artifacts."
        return _error(
            answerable(line.head, line.tail), types.INVALID_REQUEST, message, code="LIMIT_EXCEEDED", hint=hint
        )
    try:
        return SessionMessage(types.jsonrpc_message_adapter.validate_json(line, by_name=False))
    except ValidationError as error:
        broken = any(one["type"] == "json_invalid" for one in error.errors(include_url=False, include_input=False))
        code = types.PARSE_ERROR if broken else types.INVALID_REQUEST
        message = "the line is no JSON" if broken else "the line is no JSON-RPC 2.0 request, notification or response"
        return _error(
            answerable(line[:_END], line[-_END:]), code, message, code="INVALID_INPUT", hint="Send one message a line."
        )


def _error(request: types.RequestId | None, number: int, message: str, *, code: str, hint: str) -> types.JSONRPCError:
    data = types.ErrorData(code=number, message=message, data={"code": code, "suggestions": [hint]})
    return types.JSONRPCError(jsonrpc="2.0", id=request, error=data)


@asynccontextmanager
async def standard_streams(
    limit: int,
) -> AsyncGenerator[tuple[MemoryObjectReceiveStream[Inbound], MemoryObjectSendStream[SessionMessage]], None]:
    """The messages of this process's client, and where to answer; they end when the client closes either stream.

    While the block runs, whatever else this process prints goes to the error stream.
    """
    arrived, incoming = anyio.create_memory_object_stream[Inbound](0)
    outgoing, to_send = anyio.create_memory_object_stream[SessionMessage](0)
    refusals = outgoing.clone()
    written = anyio.Event()

    async def write(sink: int) -> None:
        async with to_send:
            async for one in to_send:
                text = one.message.model_dump_json(by_alias=True, exclude_unset=True)
                try:
                    await to_thread.run_sync(_write, sink, text.encode() + b"\n", abandon_on_cancel=True)
                except OSError:
                    # Nobody reads any more: that ends the connection as much as the end of what is read.
                    arrived.close()
                    break
        written.set()

    with _claimed() as (source, sink):
        async with anyio.create_task_group() as group:
            group.start_soon(write, sink)
            # A thread that waits for input cannot be interrupted: as a daemon it does not hold the process up.
            reading = (source, limit, arrived, refusals, current_token())
            threading.Thread(target=_read, args=reading, daemon=True, name="arbeit-mcp-stdin").start()
            try:
                yield incoming, outgoing
            finally:
                for stream in (incoming, outgoing, refusals):
                    stream.close()
                with anyio.move_on_after(_LAST_WORDS, shield=True):
                    await written.wait()
                group.cancel_scope.cancel()


def _read(
    source: int,
    limit: int,
    arrived: MemoryObjectSendStream[Inbound],
    refusals: MemoryObjectSendStream[SessionMessage],
    token: EventLoopToken,
) -> None:
    """Hand messages to the event loop, one at a time, until the input or the connection ends."""
    lines = Lines(limit)
    try:
        try:
            while data := os.read(source, _CHUNK):
                for line in lines.feed(data):
                    one = understood(line, limit)
                    if isinstance(one, SessionMessage):
                        from_thread.run(arrived.send, one, token=token)
                    else:
                        from_thread.run(refusals.send, SessionMessage(one), token=token)
        except OSError:
            pass
        from_thread.run(arrived.aclose, token=token)
    except (RuntimeError, anyio.BrokenResourceError, anyio.ClosedResourceError):
        # The connection, or the whole loop, has ended on the other side.
        return


def _write(sink: int, data: bytes) -> None:
    view = memoryview(data)
    while view:
        view = view[os.write(sink, view) :]


@contextmanager
def _claimed() -> Iterator[tuple[int, int]]:
    """Private copies of standard input and output; meanwhile others read nothing, and write to the error stream."""
    sys.stdout.flush()
    source, sink = os.dup(0), os.dup(1)
    nothing = os.open(os.devnull, os.O_RDONLY)
    os.dup2(nothing, 0)
    os.close(nothing)
    try:
        os.dup2(2, 1)
    except OSError:  # there is no error stream
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
    try:
        yield source, sink
    finally:
        sys.stdout.flush()
        os.dup2(sink, 1)
        # Standard input stays away: a thread may still wait on it, and nobody else may read what is left.
