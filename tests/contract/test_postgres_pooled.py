"""Postgres behind PgBouncer in transaction mode: consecutive transactions of a process meet different connections."""

from __future__ import annotations

import re
import subprocess
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import anyio
import pytest

from arbeit import sync
from arbeit.core import commands as c
from arbeit.core.errors import ArbeitError, Code
from arbeit.core.policy import EVERYTHING
from arbeit.testing.contract import WiredHub
from arbeit.testing.servers import PgBouncer, PostgresServer
from tests.contract.racing import opened
from tests.servers.fixtures import with_options

TASKS, AGENTS = 30, 6


def knows_prepared_statements(pgbouncer: PgBouncer) -> bool:
    """Whether this pooler is one that follows prepared statements: from 1.21 on."""
    told = subprocess.run([pgbouncer.command()[0], "--version"], capture_output=True, text=True, check=True).stdout
    found = re.search(r"PgBouncer (\d+)\.(\d+)", told)
    assert found, told
    return (int(found[1]), int(found[2])) >= (1, 21)


@pytest.mark.parametrize("prepared", ["yes", "no"])
def test_a_mixed_load_of_several_processes_goes_through_a_pooler(
    pgbouncer_url: str, pgbouncer: PgBouncer, prepared: str
) -> None:
    url = with_options(pgbouncer_url, prepared=prepared, listen="off", pool="4")
    assert str(pgbouncer.port) in url
    if prepared == "yes" and not knows_prepared_statements(pgbouncer):
        pytest.skip("this PgBouncer is from before 1.21")
    keys = ("first", "second")
    with sync.open(url) as hub:
        for key in keys:
            project = hub.project(key, create=True, settings={"completion": "none"})
            project.execute_many([c.CreateTask(title=f"{key} {number}") for number in range(TASKS)])

    def work(agent: str) -> list[str]:
        done: list[str] = []
        with sync.open(url) as hub:
            projects = [hub.project(key) for key in keys]
            while True:
                held = [work for project in projects if (work := project.claim(agent)) is not None]
                if not held:
                    return done
                for work in held:
                    work.note(f"{agent} was here")
                    done.append(work.task.title)
                    work.complete("done")
                # Reads of both, which must never see the other's.
                for project in projects:
                    titles = [task.title for task in project.find(limit=100).tasks]
                    assert {title.split()[0] for title in titles} == {project.key}

    with ThreadPoolExecutor(AGENTS) as pool:
        done = Counter(
            title for titles in pool.map(work, [f"a{number}" for number in range(AGENTS)]) for title in titles
        )
    assert done == {f"{key} {number}": 1 for key in keys for number in range(TASKS)}
    with sync.open(url) as hub:
        assert [hub.project(key).verify().ok for key in keys] == [True, True]


@pytest.mark.anyio
@pytest.mark.parametrize("anyio_backend", ["asyncio"])
@pytest.mark.parametrize("prepared", [True, False])
async def test_lanes_go_through_a_pooler_beside_each_other(
    pgbouncer_url: str, pgbouncer: PgBouncer, prepared: bool
) -> None:
    if prepared and not await anyio.to_thread.run_sync(knows_prepared_statements, pgbouncer):
        pytest.skip("this PgBouncer is from before 1.21")
    wiring, _ = await anyio.to_thread.run_sync(lambda: opened(pgbouncer_url, prepared=prepared, pool=4))
    async with WiredHub(wiring, background=False) as hub:
        projects = [await hub.project(f"p{number}", create=True) for number in range(8)]
        with anyio.fail_after(60):
            async with anyio.create_task_group() as group:
                for project in projects:
                    for number in range(10):
                        group.start_soon(project.create_task, f"{project.key} {number}")
        for project in projects:
            events = await anyio.to_thread.run_sync(wiring.store.history, project.key, 0, 100, EVERYTHING)
            assert [event.position for event in events] == [*range(1, 12)]
            titles = {task.title for task in (await project.find(limit=100)).tasks}
            assert titles == {f"{project.key} {number}" for number in range(10)}


def test_a_statement_that_was_prepared_elsewhere_is_an_error_that_says_what_to_do(empty_postgres_url: str) -> None:
    wiring, _ = opened(empty_postgres_url, pool=1)
    store: Any = wiring.store
    assert store.projects() == []

    async def forget() -> None:
        async with store._connections.connection() as connection:
            await connection.execute("DEALLOCATE ALL")

    # As behind a pooler, which has given this transaction another connection.
    store._call(forget())
    with pytest.raises(ArbeitError) as caught:
        store.projects()
    assert caught.value.code is Code.STORE_UNAVAILABLE
    assert "prepared=no" in caught.value.suggestions[0]
    store.close()


@pytest.mark.parametrize("prepared", [True, False])
def test_statements_are_prepared_where_that_is_allowed_and_nowhere_else(
    empty_postgres_url: str, postgres_server: PostgresServer, prepared: bool
) -> None:
    assert str(postgres_server.port) in empty_postgres_url
    wiring, _ = opened(empty_postgres_url, prepared=prepared, pool=1)
    store: Any = wiring.store
    assert store.projects() == []
    assert store.due(0, 10) == []
    assert store.standing("demo") is None

    async def left() -> int:
        async with store._connections.connection() as connection:
            # By the simple protocol, which prepares nothing itself.
            await connection.execute(
                "SELECT set_config('arbeit.left', count(*)::text, false) FROM pg_prepared_statements"
            )
            return int(await connection.fetchval("SELECT current_setting('arbeit.left')"))

    assert (store._call(left()) > 0) == prepared
    store.close()
