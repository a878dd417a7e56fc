"""What all tests share."""

from __future__ import annotations

import pytest

from tests.servers.fixtures import (
    empty_postgres_url,
    nats_server,
    nats_url,
    pgbouncer,
    pgbouncer_url,
    postgres_address,
    postgres_server,
    postgres_url,
    redis_server,
    redis_url,
    schema_keeper,
)

__all__ = [
    "empty_postgres_url",
    "nats_server",
    "nats_url",
    "pgbouncer",
    "pgbouncer_url",
    "postgres_address",
    "postgres_server",
    "postgres_url",
    "redis_server",
    "redis_url",
    "schema_keeper",
]

# The contract is shipped as a library; its bare asserts should tell here, too, what they compared.
pytest.register_assert_rewrite("arbeit.testing.contract")


@pytest.fixture(params=["asyncio", "trio"])
def anyio_backend(request: pytest.FixtureRequest) -> str:
    """Both event loops; a module that needs one says so itself."""
    return str(request.param)
