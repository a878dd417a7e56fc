from __future__ import annotations

from pathlib import Path

import pytest

from tests.processes.conftest import context, start
from tests.servers.fixtures import with_options

__all__ = ["context", "start"]


@pytest.fixture(params=["sqlite", "postgres", "postgres and redis"])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """A store that several processes share."""
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path}/team.db?synchronous=NORMAL"
    postgres = str(request.getfixturevalue("postgres_url"))
    if request.param == "postgres":
        return postgres
    return with_options(postgres, redis=str(request.getfixturevalue("redis_url")))
