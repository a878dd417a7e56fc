"""PgBouncer in transaction mode, from the system."""

from __future__ import annotations

import os
import shutil
import signal
from collections.abc import Sequence
from pathlib import Path

from arbeit.testing.servers.base import HOST, Server, missing
from arbeit.testing.servers.postgres import DATABASE, OWNER, PostgresServer

_PLACES = os.pathsep.join((os.environ.get("PATH", ""), "/usr/sbin", "/usr/local/sbin"))


class PgBouncer(Server):
    """A pooler before a Postgres server: consecutive transactions of a client may meet different connections."""

    name = "pgbouncer"
    gentle = signal.SIGINT  # SIGTERM waits for its clients
    drops_root = True

    def __init__(self, server: PostgresServer, *, pool: int = 20, port: int | None = None) -> None:
        """`pool` is how many connections to the server there are at most.

        Raises:
            MissingError: there is no pgbouncer on the path or in /usr/sbin.
        """
        found = shutil.which("pgbouncer", path=_PLACES)
        if found is None:
            raise missing("pgbouncer", "apt-get install pgbouncer")
        self._program = found
        super().__init__(port=port)
        self._server = server
        users = self.folder / "users.txt"
        users.write_text(f'"{OWNER}" ""\n"postgres" ""\n')
        settings = {
            "listen_addr": HOST,
            "listen_port": self.port,
            "unix_socket_dir": "",
            "pool_mode": "transaction",
            "auth_type": "trust",
            "auth_file": users,
            "default_pool_size": pool,
            "max_client_conn": 1000,
        }
        lines = [f"{name} = {value}" for name, value in settings.items()]
        databases = f"{DATABASE} = host={HOST} port={server.port}"
        (self.folder / "pgbouncer.ini").write_text("\n".join(["[databases]", databases, "[pgbouncer]", *lines, ""]))

    @property
    def url(self) -> str:
        """The server's database for its owner, through the pooler."""
        return self._server.url_at(self.port)

    def command(self) -> Sequence[str | Path]:
        """See `Server`."""
        return [self._program, self.folder / "pgbouncer.ini"]

    def answers(self) -> bool:
        """Whether it listens."""
        return self.listens()
