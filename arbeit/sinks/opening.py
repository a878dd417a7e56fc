"""From a URL to a sink."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from importlib import import_module
from typing import TYPE_CHECKING
from urllib.parse import parse_qsl

from arbeit.core.errors import ArbeitError, Code
from arbeit.core.limits import refuse
from arbeit.ports import EventSink, SecretProvider
from arbeit.sinks.options import need, parts_of, shown

if TYPE_CHECKING:
    from arbeit.hookspecs import SinkFactory

_HOMES = {
    "nats": ("arbeit.sinks.nats", "nats", "nats"),
    "tls": ("arbeit.sinks.nats", "nats", "nats"),
    "redis": ("arbeit.sinks.redis_streams", "redis", "redis"),
    "rediss": ("arbeit.sinks.redis_streams", "redis", "redis"),
    "unix": ("arbeit.sinks.redis_streams", "redis", "redis"),
    "http": ("arbeit.sinks.webhook", "httpx2", "webhooks"),
    "https": ("arbeit.sinks.webhook", "httpx2", "webhooks"),
}
"""By scheme: the module, what it needs, and the extra that brings it."""


def name_of(url: str) -> str:
    """What positions of a sink are kept under: its option `name`, or its URL without passwords and other options.

    Raises:
        ArbeitError: INVALID_INPUT for what is no URL.
    """
    parts = parts_of(url)
    said = parse_qsl(parts.fragment if parts.scheme in {"http", "https"} else parts.query)
    named = next((value for name, value in said if name == "name"), None)
    if named is not None:
        return named
    telling = [f"{name}={value}" for name, value in said if name in {"stream", "subject"}]
    return shown(url) + (f"?{'&'.join(telling)}" if telling else "")


def open_sink(
    url: str,
    plugged: Callable[[str], SinkFactory | None] = lambda _: None,
    secrets: Mapping[str, SecretProvider] | None = None,
) -> EventSink:
    """The sink that a URL names; nothing is connected to yet.

    Args:
        url: see docs/event-sinks.md for the forms there are.
        plugged: what plug-ins have for a scheme that is not built in.
        secrets: providers of the secrets that the URL refers to, by name.

    Raises:
        ArbeitError: INVALID_INPUT for a URL nobody knows or an option it does not have; NOT_INITIALIZED where a driver
            is missing.
    """
    parts = parts_of(url)
    if parts.scheme in _HOMES:
        home, driver, extra = _HOMES[parts.scheme]
        try:
            module = import_module(home)
        except ModuleNotFoundError as error:
            if (error.name or "").partition(".")[0] != driver:
                raise
            raise need(driver, extra) from error
        sink: EventSink = module.from_url(url, secrets or {})
        return sink
    factory = plugged(parts.scheme)
    if factory is None:
        raise ArbeitError(
            Code.INVALID_INPUT,
            f"no sink answers to {parts.scheme}://",
            suggestions=("Use nats://, redis:// or https://, or install the plug-in that has it.",),
            data={"field": "sinks"},
        )
    made = factory(url)
    if not callable(getattr(made, "publish", None)) or not callable(getattr(made, "close", None)):
        refuse("sinks", f"of {parts.scheme}:// are made by a plug-in whose {type(made).__name__} has no publish, close")
    return made
