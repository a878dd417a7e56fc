"""What all tests share."""

from __future__ import annotations

import gc

# Before the collector is told to pass by what is there: what trio gives to Hypothesis, as soon as that is imported,
# has to be seen to be referred to.
import hypothesis  # noqa: F401
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


@pytest.hookimpl(trylast=True)
def pytest_collection_finish() -> None:
    """Let the collector pass by what was imported and collected: it lasts as long as the process does.

    With twelve thousand tests in memory a tenth of the run went into looking through them again and again.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(10_000, 10, 10)
