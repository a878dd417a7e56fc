"""A process that relays: what a command line runs. It ends when it is told to, after handing over."""

from __future__ import annotations

import signal
from collections.abc import Callable, Iterable, Mapping
from typing import Any

import anyio

from arbeit.core.errors import ArbeitError
from arbeit.hub import Hub
from arbeit.hub import open as open_hub
from arbeit.ports import EventSink, SecretProvider
from arbeit.relay import ShadowReport


def run_relay(
    url: str,
    sinks: Iterable[str] | Mapping[str, str | EventSink],
    *,
    from_now: bool = False,
    ttl: float = 3.0,
    until_caught_up: bool = False,
    key: str | bytes | None = None,
    plugins: Iterable[object] = (),
    secrets: Mapping[str, SecretProvider] | None = None,
    opened: Callable[[], None] = lambda: None,
) -> None:
    """Publish a store's events to sinks until SIGTERM or SIGINT; then note what was published, and let others lead.

    Arguments as for `Hub.relay` and `arbeit.open`; `opened` is called once the store is open. Call it in the main
    thread. Under asyncio, as the drivers of NATS and Redis know no other loop.

    Raises:
        ArbeitError: the store cannot be opened, or the sinks are none.
    """

    async def main() -> None:
        refused: ArbeitError | None = None
        async with _opened(url, key, plugins, secrets) as hub, anyio.create_task_group() as group:
            group.start_soon(_until_told, group.cancel_scope)
            opened()
            try:
                await hub.relay(sinks, from_now=from_now, ttl=ttl, until_caught_up=until_caught_up)
            except ArbeitError as error:
                # Raised outside of the group, which would wrap it.
                refused = error
            group.cancel_scope.cancel()
        if refused is not None:
            raise refused

    anyio.run(main)


def run_shadow(
    url: str,
    sink: str | EventSink,
    *,
    name: str | None = None,
    key: str | bytes | None = None,
    plugins: Iterable[object] = (),
    secrets: Mapping[str, SecretProvider] | None = None,
) -> ShadowReport:
    """Publish to a sink that serves nobody, read it back, and report where it differs from the log.

    Arguments as for `Hub.shadow` and `arbeit.open`. `ShadowReport.as_json` is what `--json` prints, and
    `ShadowReport.same` what an exit code says.

    Raises:
        ArbeitError: the store cannot be opened, or the sink cannot be read back.
    """

    async def main() -> ShadowReport:
        async with _opened(url, key, plugins, secrets) as hub:
            return await hub.shadow(sink, name=name)

    return anyio.run(main)


def _opened(
    url: str, key: str | bytes | None, plugins: Iterable[object], secrets: Mapping[str, SecretProvider] | None
) -> Hub:
    # Reclaiming is for processes that work; this one publishes.
    given: dict[str, Any] = {"key": key, "plugins": plugins, "secrets": secrets}
    return open_hub(url, actor="relay", background=False, **given)


async def _until_told(scope: anyio.CancelScope) -> None:
    """End it all at SIGTERM or SIGINT."""
    with anyio.open_signal_receiver(signal.SIGTERM, signal.SIGINT) as signals:
        async for _ in signals:
            scope.cancel()
            return
