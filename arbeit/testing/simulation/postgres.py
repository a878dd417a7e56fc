"""A schema of a real Postgres for each simulated world: on somebody's server, or on one of this process's own."""

from __future__ import annotations

import atexit
import os
from functools import cache
from uuid import uuid4

import asyncpg

from arbeit.backends.postgres import PostgresStore
from arbeit.backends.postgres.home import Home
from arbeit.backends.postgres.settings import parse
from arbeit.core.declare import evolve
from arbeit.core.errors import ArbeitError
from arbeit.ports import Clock, LocalStore
from arbeit.testing.servers import MissingError, PostgresServer

ADDRESS = "ARBEIT_TEST_POSTGRES_URL"
"""The environment variable that names a database, where somebody else runs the server."""


@cache
def address() -> str:
    """The URL of the database: the one that is named, or that of a server which ends with this process.

    Raises:
        ArbeitError: STORE_UNAVAILABLE where none is named and none can be started.
    """
    if named := os.environ.get(ADDRESS):
        return named
    try:
        server = PostgresServer()
    except MissingError as error:
        hints = (*error.suggestions, f"Or name a database of yours in {ADDRESS}.")
        raise ArbeitError(error.code, error.message, suggestions=hints) from error
    atexit.register(server.stop)
    return server.start().url


class SharedPostgres:
    """One schema, opened by each process for itself, and dropped when the world ends."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._settings = evolve(parse(address()), schema=f"sim_{uuid4().hex[:12]}", pool=2)

    def open(self) -> LocalStore:
        """A store of its own on the same schema."""
        return PostgresStore(self._settings, self._clock)

    def close(self) -> None:
        """Drop the schema."""
        home = Home()
        try:
            home.call(self._drop())
        finally:
            home.leave()

    async def _drop(self) -> None:
        connection = await asyncpg.connect(self._settings.dsn)
        try:
            await connection.execute(f"DROP SCHEMA IF EXISTS {self._settings.schema} CASCADE")
        finally:
            await connection.close()
