"""The Postgres backend: the truth of a fleet, complete by itself."""

from arbeit.backends.postgres.store import PostgresStore

__all__ = ["PostgresStore"]
