"""What the benchmarks of Postgres count is what was there."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import anyio
import asyncpg
import pytest

import arbeit.sync
from arbeit.testing.servers import MissingError
from benchmarks import postgres, postgres_limit
from benchmarks.postgres_server import Meter, Servers, Wire
from benchmarks.workload import PROJECT

PEERS = Path(__file__).parents[2] / "benchmarks" / "postgres_peers.py"


@pytest.fixture(scope="module")
def servers() -> Iterator[Servers]:
    try:
        made = Servers()
    except MissingError as error:
        pytest.skip(error.message)
    with made:
        yield made


def test_a_statement_is_one_round_trip_and_a_commit_is_counted(servers: Servers) -> None:
    async def talk(port: int, wire: Wire) -> tuple[int, int, int]:
        connection = await asyncpg.connect(servers.postgres.url_at(port))
        wire.reset()
        for _ in range(3):
            await connection.execute("BEGIN; SELECT 1")
            await connection.execute("COMMIT")
        await connection.execute("BEGIN")
        await connection.execute("ROLLBACK")
        found = wire.trips, wire.commits, wire.rollbacks
        await connection.close()
        return found

    with Wire(servers.postgres.port) as wire:
        assert anyio.run(talk, wire.port, wire) == (8, 3, 1)


def test_a_meter_sees_the_connections_the_log_and_the_work_of_the_server(servers: Servers) -> None:
    async def load() -> tuple[int, int, float]:
        meter = Meter(servers)
        connections = [await asyncpg.connect(servers.postgres.url) for _ in range(3)]
        meter.start()
        await connections[0].execute(
            "CREATE TABLE filled AS SELECT n, repeat('x', 100) FROM generate_series(1, 200000) n"
        )
        cost = meter.stop(1)
        seen = await connections[0].fetchval(
            "SELECT count(*) FROM pg_stat_activity WHERE backend_type = 'client backend'"
        )
        await connections[0].execute("DROP TABLE filled")
        for connection in connections:
            await connection.close()
        assert cost.connections == seen
        return cost.connections, cost.wal, cost.server

    connections, wal, server = anyio.run(load)
    assert connections == 3
    assert wal > 20_000_000  # bytes, of 200,000 rows
    assert server > 0.02  # seconds of CPU


def test_the_limit_writes_what_arbeit_writes(servers: Servers) -> None:
    recorded = postgres_limit.record(20, 60, 20)
    assert [len(changes.events) for changes in recorded.batches] == [20, 20, 20]
    with servers.fresh("off") as url:
        cost, each = anyio.run(postgres_limit.replay, servers, url, recorded)
        with arbeit.sync.open(url) as hub:
            project = hub.project(PROJECT)
            assert project.verify().ok  # every hash, and every row as the events have it
    assert cost.commands == 60
    assert len(each) == 3


def test_a_batch_takes_four_round_trips_and_a_fifth_where_the_head_is_not_guessed(servers: Servers) -> None:
    def trips(variant: str) -> float:
        took = postgres._variant(variant, lambda: postgres._counted(servers, 1, 40))
        return took.trips / took.commits

    assert 3.9 < trips("both") < 4.5
    assert 4.8 < trips("head not guessed") < 5.5


def test_peers_need_no_arbeit() -> None:
    """They run in an interpreter of their own: what they print is all that is known of them."""
    code = f"import runpy, sys, json; runpy.run_path({str(PEERS)!r}); print(json.dumps(sorted(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd="/")
    loaded = json.loads(done.stdout)
    assert not [name for name in loaded if name.partition(".")[0] in {"arbeit", "pgqueuer", "procrastinate", "saq"}]
