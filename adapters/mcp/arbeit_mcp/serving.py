"""A server from its start to its end: the database, the clients, a transport, and signals."""

from __future__ import annotations

import signal
from secrets import token_hex

import anyio
from anyio import Event

from arbeit_mcp.clients import Clients, Terms
from arbeit_mcp.home import at_home
from arbeit_mcp.options import Options
from arbeit_mcp.server import REQUEST_BYTES, Face
from arbeit_mcp.stdio import standard_streams


async def serve(options: Options) -> None:
    """Serve until the client of standard streams goes, or a signal comes; then give back what is held.

    Raises:
        ArbeitError: STORE_UNAVAILABLE if there is to be an HTTP server and its address cannot be had.
    """
    terms = Terms(
        profile=options.profile,
        agent=options.agent,
        capabilities=options.capabilities,
        ttl=options.ttl,
        idle=options.idle,
    )
    async with at_home(options.whereabouts, options.project) as home:
        clients = Clients(home, terms)
        stop = Event()
        async with anyio.create_task_group() as group:
            await group.start(_await_signals, stop)
            group.start_soon(clients.watch)
            try:
                if options.address is None:
                    await _serve_streams(clients, stop)
                else:
                    # Who is on standard streams loads no HTTP server.
                    from arbeit_mcp.streamable import serve_http  # noqa: PLC0415

                    await serve_http(Face(clients, None).server, clients, options.address, stop)
            finally:
                await clients.close()
                group.cancel_scope.cancel()


async def _serve_streams(clients: Clients, stop: Event) -> None:
    """Serve the one client of standard streams until it goes, or `stop` is set."""
    server = Face(clients, token_hex()).server
    async with standard_streams(REQUEST_BYTES) as (incoming, outgoing), anyio.create_task_group() as group:

        async def end() -> None:
            await stop.wait()
            group.cancel_scope.cancel()

        group.start_soon(end)
        await server.run(incoming, outgoing, server.create_initialization_options())
        group.cancel_scope.cancel()


async def _await_signals(stop: Event, *, task_status: anyio.abc.TaskStatus[None]) -> None:
    """Set `stop` when a signal asks for an end; where loops cannot wait for signals, they interrupt what runs."""
    try:
        with anyio.open_signal_receiver(signal.SIGINT, signal.SIGTERM) as signals:
            task_status.started()
            # The first asks for an orderly end; whoever sends more of them gets what the first asked for.
            async for _ in signals:
                stop.set()
    except NotImplementedError:  # Windows
        task_status.started()
