"""MCP over HTTP: who may speak, how much and how long, and who is still there."""

from __future__ import annotations

import hmac
import sys
from collections.abc import Awaitable, Callable, Generator, Mapping, MutableMapping
from contextlib import contextmanager
from hashlib import sha256
from typing import Any

import anyio
import uvicorn
from anyio import Event
from mcp.server.lowlevel import Server
from mcp.server.streamable_http_manager import StreamableHTTPSessionManager
from mcp.server.transport_security import TransportSecuritySettings

from arbeit_mcp.address import Address
from arbeit_mcp.clients import Clients
from arbeit_mcp.server import AGENT_HEADER, REQUEST_BYTES, SESSION_HEADER, connection_key

Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]

PATH = "/mcp"
_BODY_SECONDS = 30.0
"""What the body of a request may take to arrive."""
_KEEP_ALIVE_SECONDS = 75
_LAST_SECONDS = 2
_SESSIONS = 1_000
_REQUESTS = 1_000
_OK = 200


class _Uvicorn(uvicorn.Server):
    """Leaves signals to this process, which gives leases back before it stops to listen."""

    @contextmanager
    def capture_signals(self) -> Generator[None, None, None]:
        yield


class Guard:
    """Stands before the SDK's handler: path, token, time; and keeps count of which clients are there."""

    def __init__(self, inner: StreamableHTTPSessionManager, clients: Clients, token: str | None) -> None:
        self._inner = inner
        self._clients = clients
        self._expected = sha256(token.encode()).digest() if token is not None else None

    async def __call__(self, scope: MutableMapping[str, Any], receive: Receive, send: Send) -> None:
        """Serve one request."""
        if scope["type"] != "http":
            return
        headers = {name.decode("latin-1"): value.decode("latin-1") for name, value in scope["headers"]}
        if scope["path"].rstrip("/") != PATH:
            await _plain(send, 404, f"MCP is served at {PATH}")
        elif not self._is_let_in(headers.get("authorization", "")):
            await _plain(send, 401, "a bearer token is needed", (b"www-authenticate", b"Bearer"))
        else:
            await self._counted(scope, headers, receive, send)

    def _is_let_in(self, said: str) -> bool:
        if self._expected is None:
            return True
        scheme, _, token = said.partition(" ")
        # Digests are of one length: how long the comparison takes says nothing about the token.
        shown = sha256(token.strip().encode("latin-1")).digest()
        return hmac.compare_digest(shown, self._expected) and scheme.lower() == "bearer"

    async def _counted(
        self, scope: MutableMapping[str, Any], headers: Mapping[str, str], receive: Receive, send: Send
    ) -> None:
        key = connection_key(headers)
        named = SESSION_HEADER in headers or AGENT_HEADER in headers
        status = 0

        async def watched(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                if scope["method"] == "DELETE" and status == _OK:
                    # Who hears that a session has ended finds that nothing is held by it any more.
                    await self._clients.leave(key)
            await send(message)

        with self._clients.present(key if named else None, stream=scope["method"] == "GET"):
            try:
                await self._inner.handle_request(scope, _hurried(receive), watched)
            except TimeoutError:
                if not status:
                    await _plain(send, 408, f"the request did not arrive within {_BODY_SECONDS:.0f} seconds")


def _hurried(receive: Receive) -> Receive:
    """Receive a request's body, but not for ever; what comes after it (a disconnection) may take its time."""
    deadline = anyio.current_time() + _BODY_SECONDS
    arrived = False

    async def next_message() -> Message:
        nonlocal arrived
        if arrived:
            return await receive()
        with anyio.fail_after(max(0.0, deadline - anyio.current_time())):
            message = await receive()
        arrived = message["type"] != "http.request" or not message.get("more_body", False)
        return message

    return next_message


async def _plain(send: Send, status: int, text: str, *headers: tuple[bytes, bytes]) -> None:
    body = text.encode()
    kind = (b"content-type", b"text/plain; charset=utf-8")
    length = (b"content-length", str(len(body)).encode())
    await send({"type": "http.response.start", "status": status, "headers": [kind, length, *headers]})
    await send({"type": "http.response.body", "body": body})


async def serve_http(server: Server[Any], clients: Clients, address: Address, stop: Event) -> None:
    """Serve clients until `stop` is set; then give back what they hold, and close.

    Raises:
        ArbeitError: STORE_UNAVAILABLE if the address cannot be had.
    """
    listener = address.bind()
    port: int = listener.getsockname()[1]
    hosts = address.hosts(port)
    manager = StreamableHTTPSessionManager(
        app=server,
        security_settings=TransportSecuritySettings(
            allowed_hosts=hosts,
            allowed_origins=[f"{scheme}://{host}" for scheme in ("http", "https") for host in hosts],
        ),
        session_idle_timeout=max(clients.terms.idle, 1800.0),
        max_request_body_size=REQUEST_BYTES,
        max_sessions=_SESSIONS,
    )
    config = uvicorn.Config(
        Guard(manager, clients, address.token),
        http="h11",
        ws="none",
        lifespan="off",
        log_config=None,
        access_log=False,
        server_header=False,
        limit_concurrency=_REQUESTS,
        timeout_keep_alive=_KEEP_ALIVE_SECONDS,
        timeout_graceful_shutdown=_LAST_SECONDS,
    )
    listening = _Uvicorn(config)
    sys.stderr.write(f"arbeit-mcp: listening on http://{address.shown(port)}{PATH}\n")
    sys.stderr.flush()
    async with anyio.create_task_group() as group:
        async with manager.run():
            group.start_soon(listening.serve, [listener])
            await stop.wait()
            await clients.close()
        # Sessions have ended, and with them their streams: nothing is left to wait for.
        listening.should_exit = True
