"""The same worlds on a real Postgres: every promise is kept, and the history is that of every other store."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Iterator

import asyncpg
import pytest

from arbeit.core.errors import ArbeitError, Code
from arbeit.testing.servers import MissingError
from arbeit.testing.simulation import LEASE_KEY, Run, drawn, postgres, simulate
from arbeit.testing.simulation.many import command
from arbeit.testing.simulation.world import World
from arbeit.testing.transcript import Transcript

SEEDS = range(1_100, 1_103)


@pytest.fixture(autouse=True)
def _on_ours(
    postgres_address: str, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> Iterator[None]:
    monkeypatch.setenv(postgres.ADDRESS, postgres_address)
    postgres.address.cache_clear()
    with caplog.at_level(logging.CRITICAL, logger="arbeit"):
        yield
    postgres.address.cache_clear()


def told(run: Run) -> str:
    return Transcript(key=LEASE_KEY).render(run.history)


@pytest.mark.parametrize("seed", SEEDS)
def test_every_promise_is_kept_and_the_history_is_that_of_every_store(seed: int) -> None:
    run = simulate(drawn(seed, steps=120, store="postgres"))
    assert run.ok, f"{run.story}\n{command(run.config)}"
    assert run.steps >= 120
    assert told(run) == told(simulate(drawn(seed, steps=120)))


def schemas(address: str) -> int:
    """How many schemas of worlds there are."""

    async def asked() -> int:
        connection = await asyncpg.connect(address)
        try:
            return int(await connection.fetchval("SELECT count(*) FROM pg_namespace WHERE nspname LIKE 'sim\\_%'"))
        finally:
            await connection.close()

    return asyncio.run(asked())


def test_a_world_leaves_no_schema_behind(postgres_address: str) -> None:
    before = schemas(postgres_address)
    during: list[int] = []

    def look() -> bool:
        if not during:
            during.append(schemas(postgres_address))
        return False

    world = World(drawn(1, steps=5, faults=(), store="postgres"), halt=look)
    world.run()
    assert during == [before + 1]
    assert schemas(postgres_address) == before


def test_without_a_server_it_is_said_how_to_name_one(monkeypatch: pytest.MonkeyPatch) -> None:
    def missing() -> None:
        raise MissingError(Code.STORE_UNAVAILABLE, "there is no Postgres", suggestions=("Install it.",))

    monkeypatch.delenv(postgres.ADDRESS)
    monkeypatch.setattr(postgres, "PostgresServer", missing)
    with pytest.raises(ArbeitError) as caught:
        postgres.address()
    assert caught.value.code is Code.STORE_UNAVAILABLE
    assert caught.value.suggestions[0] == "Install it."
    assert postgres.ADDRESS in caught.value.suggestions[1]
