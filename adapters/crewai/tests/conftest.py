"""Crews without a network: a model that follows a script, and no word to anybody."""

from __future__ import annotations

import atexit
import os
import shutil
import socket
import tempfile
import warnings
from collections.abc import Callable, Iterator
from typing import Any, NoReturn

_FILES = tempfile.mkdtemp(prefix="arbeit-crewai-")
atexit.register(shutil.rmtree, _FILES, ignore_errors=True)
# Read by CrewAI when it is imported: telemetry and traces off, and its own files out of the checkout and of the home.
os.environ |= {
    "CREWAI_DISABLE_TELEMETRY": "true",
    "CREWAI_DISABLE_TRACKING": "true",
    "CREWAI_DISABLE_VERSION_CHECK": "true",
    "CREWAI_STORAGE_DIR": _FILES,
    "CREWAI_TESTING": "true",
    "CREWAI_TRACING_ENABLED": "false",
    "HOME": _FILES,  # CrewAI makes a key of its own there, asked or not
    "OTEL_SDK_DISABLED": "true",
}

import pytest  # noqa: E402 - CrewAI reads the above when it is imported

with warnings.catch_warnings():
    # crewai.rag is a module that replaces itself, so its children cannot be set on it: of no consequence.
    warnings.filterwarnings("ignore", r"Cannot set an attribute on 'crewai\.rag'", ImportWarning)
    from crewai import BaseLLM

import arbeit.sync  # noqa: E402 - as above
from arbeit.testing.clock import VirtualClock  # noqa: E402 - as above


class Scripted(BaseLLM):  # type: ignore[misc]  # CrewAI is in an environment of its own
    """Says one line of its script after the other; a line may look at what was said before.

    Attributes:
        script: the lines that are left: text, calls of tools, or what makes either from the messages.
        native: whether it calls tools as such, or in words ("Action: ...").
        bound: the tools it was last shown, in OpenAI's shape.
        heard: the messages of its last call.
    """

    script: list[Any] = []  # noqa: RUF012 - pydantic copies it
    native: bool = True
    bound: list[dict[str, Any]] = []  # noqa: RUF012 - as above
    heard: list[dict[str, Any]] = []  # noqa: RUF012 - as above

    def call(self, messages: list[dict[str, Any]], tools: list[dict[str, Any]] | None = None, **_: object) -> object:
        self.bound, self.heard = tools or [], list(messages)
        line = self.script.pop(0)
        return line(messages) if callable(line) else line

    async def acall(self, messages: list[dict[str, Any]], tools: Any = None, **_: object) -> object:  # noqa: ANN401
        return self.call(messages, tools)

    def supports_function_calling(self) -> bool:
        return self.native

    def get_context_window_size(self) -> int:
        return 100_000


@pytest.fixture
def scripted() -> Callable[..., Scripted]:
    """Makes a model of a script."""
    return lambda script, **more: Scripted(model="scripted", script=script, **more)


@pytest.fixture(autouse=True)
def offline(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Fails a test in which anything reached for the network, even if it took no for an answer."""
    reached: list[object] = []

    def refuse(*where: object, **_: object) -> NoReturn:
        reached.append(where)
        raise OSError("the tests have no network")

    monkeypatch.setattr(socket, "getaddrinfo", refuse)
    monkeypatch.setattr(socket.socket, "connect", refuse)
    monkeypatch.setattr(socket.socket, "connect_ex", refuse)
    yield
    assert reached == []


@pytest.fixture
def clock() -> VirtualClock:
    return VirtualClock()


@pytest.fixture
def project(clock: VirtualClock) -> Iterator[arbeit.sync.Project]:
    """A project in memory, as "ada"."""
    with arbeit.sync.open("memory://", actor="ada", clock=clock) as hub:
        yield hub.project("demo", create=True)


@pytest.fixture
def anyio_backend() -> str:
    """CrewAI is built on asyncio."""
    return "asyncio"
