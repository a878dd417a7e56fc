"""What a plug-in can add: every hook Arbeit calls. Mark yours with `arbeit.hookspecs.hookimpl`."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from pluggy import HookimplMarker, HookspecMarker

from arbeit.core.model import Event
from arbeit.ports import Clock, Embedder, EventSink, LocalStore, SecretProvider

hookspec = HookspecMarker("arbeit")
hookimpl = HookimplMarker("arbeit")

BackendFactory = Callable[[str, Clock], LocalStore]
PolicyFactory = Callable[..., Any]
SinkFactory = Callable[[str], EventSink]
EmbedderFactory = Callable[[], Embedder]
SecretProviderFactory = Callable[[], SecretProvider]


@hookspec
def arbeit_backends() -> Mapping[str, BackendFactory]:  # type: ignore[empty-body]  # a specification
    """Stores by URL scheme: `factory(url, clock)` opens one."""


@hookspec
def arbeit_policies() -> Mapping[str, Mapping[str, PolicyFactory]]:  # type: ignore[empty-body]  # as above
    """Policies by kind and name: `factory(**parameters)` makes one from what a project's settings say."""


@hookspec
def arbeit_sinks() -> Mapping[str, SinkFactory]:  # type: ignore[empty-body]  # as above
    """Sinks for events by URL scheme: `factory(url)` makes one."""


@hookspec
def arbeit_embedders() -> Mapping[str, EmbedderFactory]:  # type: ignore[empty-body]  # as above
    """Embedders for semantic search by name: `factory()` makes one."""


@hookspec
def arbeit_secret_providers() -> Mapping[str, SecretProviderFactory]:  # type: ignore[empty-body]  # as above
    """Providers of secrets by the name that references carry: `factory()` makes one."""


@hookspec
def arbeit_notify(project: str, event: Event) -> None:
    """Somebody should look: called once, after the commit, by the process that committed the event."""
