"""Real servers in processes of their own, spoken to by the SDK's client or line by line."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections.abc import AsyncGenerator, Awaitable, Callable, Generator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from typing import Any, Protocol

import httpx2
from anyio import Event
from mcp.client.client import Client
from mcp.client.stdio import StdioServerParameters, stdio_client
from mcp.client.streamable_http import streamable_http_client
from mcp_types import CallToolResult, Implementation, TextContent

import arbeit.sync

Json = Any
"""Any JSON value, and whatever else tests hand on without looking at it."""
Answer = dict[str, Any]
COMMAND = (sys.executable, "-m", "arbeit_mcp")
PATIENCE = 15.0
"""Seconds that anything may take which has to happen; what happens is not waited for any longer."""


class Speaker:
    """The SDK's client, whose answers are envelopes."""

    def __init__(self, client: Client) -> None:
        self.client = client

    async def __call__(self, tool: str, /, **arguments: Json) -> Answer:
        """Call a tool with or without its prefix; its envelope."""
        full = tool if tool.startswith("arbeit_") else f"arbeit_{tool}"
        return self._envelope(await self.client.call_tool(full, arguments))

    async def patient(self, wait: float, began: Event, said: list[Json] | None = None) -> Answer:
        """Claim and wait; `began` is set once the server says that it does."""

        async def progress(progress: float, total: float | None, message: str | None) -> None:
            if said is not None:
                said.append((progress >= 0, total, message))
            began.set()

        arguments = {"wait": wait}
        return self._envelope(await self.client.call_tool("arbeit_task_claim", arguments, progress_callback=progress))

    def _envelope(self, result: CallToolResult) -> Answer:
        assert result.structured_content is None
        (block,) = result.content
        assert isinstance(block, TextContent)
        answer: Answer = json.loads(block.text)
        assert result.is_error is not answer["success"]
        return answer

    async def data(self, tool: str, /, **arguments: Json) -> Json:
        """The data of a call that has to succeed."""
        answer = await self(tool, **arguments)
        assert answer["success"], answer
        return answer["data"]

    async def refused(self, tool: str, /, **arguments: Json) -> str:
        """The code of a call that has to be refused."""
        answer = await self(tool, **arguments)
        assert not answer["success"], answer
        assert answer["error"]["suggestions"]
        return str(answer["error"]["code"])


class Team:
    """Clients of one folder: on standard streams each has a server of its own, over HTTP they share one."""

    def __init__(self, folder: Path, transport: str) -> None:
        self.folder = folder
        self.transport = transport
        self.command = COMMAND
        self.options: tuple[str, ...] = ()
        self._server: subprocess.Popen[str] | None = None
        self._url = ""

    @property
    def url(self) -> str:
        """Where the HTTP server is; it is started when this is first asked for."""
        if self._server is None:
            self._server = subprocess.Popen(
                [*COMMAND, "--http", "127.0.0.1:0", *self.options],
                cwd=self.folder,
                env=environment(),
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.PIPE,
                text=True,
            )
            assert self._server.stderr is not None
            line = self._server.stderr.readline()
            found = re.search(r"http://\S+", line)
            assert found, line + self._server.stderr.read()
            self._url = found.group()
        return self._url

    @property
    def server(self) -> subprocess.Popen[str]:
        assert self.url
        assert self._server is not None
        return self._server

    @asynccontextmanager
    async def client(
        self,
        name: str = "tester",
        *,
        mode: str = "auto",
        options: tuple[str, ...] = (),
        headers: dict[str, str] | None = None,
        goodbye: bool = True,
        **more: Json,
    ) -> AsyncGenerator[Speaker, None]:
        """A connected client; without a goodbye, an HTTP client vanishes instead of ending its session."""
        info = Implementation(name=name, version="1")
        if self.transport == "stdio":
            words = [*COMMAND[1:], *self.options, *options]
            parameters = StdioServerParameters(command=COMMAND[0], args=words, cwd=self.folder, env=environment())
            async with Client(stdio_client(parameters), mode=mode, client_info=info, **more) as client:
                yield Speaker(client)
            return
        async with httpx2.AsyncClient(headers=headers, timeout=PATIENCE) as http:
            transport = streamable_http_client(self.url, http_client=http, terminate_on_close=goodbye)
            async with Client(transport, mode=mode, client_info=info, **more) as client:
                yield Speaker(client)

    @contextmanager
    def project(self, **settings: Json) -> Generator[arbeit.sync.Project, None, None]:
        """The project as somebody in this process sees it, made if need be."""
        (self.folder / ".arbeit").mkdir(exist_ok=True)
        with arbeit.sync.open(f"sqlite:///{self.folder}/.arbeit/arbeit.db", actor="boss") as hub:
            project = hub.project("demo", create=True, settings=settings)
            project.register_agent("boss", persona="supervisor")
            yield project

    def stop(self) -> None:
        """End the HTTP server, if there is one."""
        if self._server is not None:
            self._server.kill()
            self._server.communicate()


def environment() -> dict[str, str]:
    """The environment of a server: that of the tests, without names that it would take for its own."""
    return {name: value for name, value in os.environ.items() if not name.startswith("ARBEIT_")}


class Wire:
    """A server on standard streams, spoken to line by line."""

    def __init__(self, folder: Path, *options: str) -> None:
        self.process = subprocess.Popen(
            [*COMMAND, *options],
            cwd=folder,
            env=environment(),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        )
        self.bytes = 0
        """What requests and answers took."""
        self._next = 0

    def send(self, line: bytes) -> None:
        """Send a line as it is."""
        assert self.process.stdin is not None
        self.process.stdin.write(line + b"\n")
        self.process.stdin.flush()
        self.bytes += len(line) + 1

    def receive(self) -> Json:
        """The next message."""
        assert self.process.stdout is not None
        line = self.process.stdout.readline()
        self.bytes += len(line)
        assert line, "the server has gone"
        return json.loads(line)

    def request(self, method: str, **params: Json) -> int:
        """Send a request as a thrifty client would; its id."""
        self._next += 1
        message = {"jsonrpc": "2.0", "id": self._next, "method": method, "params": params}
        self.send(json.dumps(message, separators=(",", ":")).encode())
        return self._next

    def notify(self, method: str, **params: Json) -> None:
        message = {"jsonrpc": "2.0", "method": method, "params": params}
        self.send(json.dumps(message, separators=(",", ":")).encode())

    def ask(self, method: str, **params: Json) -> Json:
        """The result of a request."""
        number = self.request(method, **params)
        answer = self.receive()
        assert answer["id"] == number
        assert "result" in answer, answer
        return answer["result"]

    def call(self, tool: str, /, **arguments: Json) -> Answer:
        """The envelope of a call."""
        result = self.ask("tools/call", name=f"arbeit_{tool}", arguments=arguments)
        answer: Answer = json.loads(result["content"][0]["text"])
        return answer

    def begin(self, name: str = "wire") -> Json:
        """Shake hands."""
        client = {"name": name, "version": "1"}
        result = self.ask("initialize", protocolVersion="2025-11-25", capabilities={}, clientInfo=client)
        self.notify("notifications/initialized")
        return result

    def end(self) -> tuple[int, str]:
        """Close the server's input; its exit code, and what it said on the error stream."""
        _, said = self.process.communicate(timeout=PATIENCE)
        return self.process.returncode, said.decode()


class StartsWires(Protocol):
    """Starts servers that are spoken to line by line."""

    def __call__(self, *options: str) -> Wire: ...


Until = Callable[[Callable[[], Any]], Awaitable[Any]]
"""Looks until something is there."""
