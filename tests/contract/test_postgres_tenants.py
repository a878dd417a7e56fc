"""Row level security: whatever is asked in a project's transaction, nothing of another is read or written."""

# ruff: noqa: S608 - the names that statements are made of are those of tables
from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path
from typing import Any, TypeVar
from urllib.parse import urlsplit

import asyncpg
import pytest
from attrs import evolve

from arbeit import sync
from arbeit.backends.postgres import PostgresStore
from arbeit.backends.postgres.settings import parse
from arbeit.clock import SystemClock
from arbeit.testing.servers import PostgresServer
from arbeit.testing.servers.postgres import OWNER
from tests.contract.test_postgres import ask
from tests.servers.fixtures import with_options

T = TypeVar("T")
OPEN = {"meta", "heads", "dues", "leaders", "offsets"}
"""Tables that are nobody's: they tell of a project no more than that it is there, and how far its log goes."""
PROJECTS = ("mine", "theirs")


@pytest.fixture
def url(empty_postgres_url: str, tmp_path: Path) -> str:
    """Two projects with something in every table."""
    with sync.open(with_options(empty_postgres_url, artifacts=str(tmp_path), listen="off")) as hub:
        for key in PROJECTS:
            fill(hub.project(key, create=True, settings={"completion": "none"}))
    schema = parse(empty_postgres_url).schema
    vector = (
        f"INSERT INTO {schema}.vectors SELECT $1, 'm', 'task', 'id', 'task', 'digest', '\\x00'::bytea",
        f"INSERT INTO {schema}.vector_indexes SELECT $1, 'm', 1, 1, 1",
    )
    for key in PROJECTS:
        ask(empty_postgres_url, *((sql, [key]) for sql in vector))
    return empty_postgres_url


def fill(project: sync.Project) -> None:
    """A row in each table."""
    task = project.create_task("Title", intent="words", idempotency_key="k")
    other = project.create_task("Other")
    project.add_relationship(task.id, other.id, "relates_to")
    project.set_secret("key", "env", "KEY")
    work = project.claim("ada")
    assert work is not None
    work.decide("so", rationale="why not")
    work.progress("an item")
    work.link_session("s-1")
    work.link_file("a.py")
    work.attach("log", b"bytes")
    work.complete("done")


async def as_role(url: str, project: str, act: Callable[[Any], Awaitable[T]]) -> T:
    """Do something in a transaction such as a store begins, and commit it."""
    settings = parse(url)
    connection = await asyncpg.connect(settings.dsn)
    try:
        async with connection.transaction():
            await connection.execute(f"SET LOCAL ROLE {settings.role}")
            await connection.execute("SELECT set_config('arbeit.project', $1, true)", project)
            return await act(connection)
    finally:
        await connection.close()


def run(url: str, project: str, sql: str, *parameters: object) -> list[Any]:
    return asyncio.run(as_role(url, project, lambda connection: connection.fetch(sql, *parameters)))


def tables(url: str) -> list[tuple[str, str]]:
    """Every table that has projects' rows, and the column that says whose."""
    schema = parse(url).schema
    found = ask(url, ("SELECT tablename FROM pg_tables WHERE schemaname = $1 ORDER BY 1", [schema]))
    return [(name, "key" if name == "projects" else "project") for (name,) in found if name not in OPEN]


def everything(url: str, project: str) -> dict[str, list[str]]:
    """All rows of a project, as the owner sees them."""
    schema = parse(url).schema
    return {
        table: [
            row[0]
            for row in ask(url, (f"SELECT t::text FROM {schema}.{table} t WHERE {key} = $1 ORDER BY 1", [project]))
        ]
        for table, key in tables(url)
    }


def test_nothing_of_another_project_is_read_or_written_in_any_table(url: str) -> None:
    schema, before = parse(url).schema, everything(url, "theirs")
    assert [table for table, rows in before.items() if not rows] == []
    assert len(before) == 19
    for table, key in tables(url):
        name = f"{schema}.{table}"
        assert {row[0] for row in run(url, "mine", f"SELECT {key} FROM {name}")} == {"mine"}, table
        assert run(url, "mine", f"SELECT * FROM {name} WHERE {key} = 'theirs'") == [], table
        assert run(url, "", f"SELECT * FROM {name}") == [], table
        for sql in (
            f"UPDATE {name} SET {key} = {key} WHERE {key} = 'theirs' RETURNING 1",
            f"DELETE FROM {name} WHERE {key} = 'theirs' RETURNING 1",
        ):
            assert run(url, "mine", sql) == [], sql
        for sql in (
            f'INSERT INTO {name} SELECT (jsonb_populate_record(t, \'{{"{key}": "theirs"}}\')).* FROM {name} AS t',
            f"UPDATE {name} SET {key} = 'theirs'",
        ):
            with pytest.raises(asyncpg.InsufficientPrivilegeError, match="row-level security"):
                run(url, "mine", sql)
    assert everything(url, "theirs") == before


def test_the_role_cannot_put_the_rules_aside(url: str) -> None:
    schema = parse(url).schema
    for sql in (
        f"ALTER TABLE {schema}.tasks DISABLE ROW LEVEL SECURITY",
        f"DROP POLICY own_project ON {schema}.tasks",
        f"CREATE POLICY mine ON {schema}.tasks USING (true)",
        f"TRUNCATE {schema}.tasks",
        f"UPDATE {schema}.meta SET value = '0'",
        f"CREATE TABLE {schema}.mine (id int)",
        f"ALTER FUNCTION {schema}.all_projects() SECURITY INVOKER",
    ):
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            run(url, "mine", sql)

    async def unguarded(connection: Any) -> Any:  # noqa: ANN401 - a connection of the driver
        await connection.execute("SET LOCAL row_security = off")
        return await connection.fetch(f"SELECT * FROM {schema}.tasks")

    with pytest.raises(asyncpg.InsufficientPrivilegeError, match="row-level security"):
        asyncio.run(as_role(url, "mine", unguarded))
    (role,) = ask(
        url, ("SELECT rolsuper, rolbypassrls, rolcreaterole FROM pg_roles WHERE rolname = $1", [parse(url).role])
    )
    assert tuple(role) == (False, False, False)


def test_what_a_store_asks_is_asked_as_the_role_and_in_one_project(url: str) -> None:
    store, settings = PostgresStore(parse(url), SystemClock()), parse(url)
    asked = f"SELECT current_user, array(SELECT key FROM {settings.schema}.projects ORDER BY 1)"

    async def reading() -> list[Any]:
        async with store.reading("mine") as reader:
            return list(await reader.connection.fetchrow(asked) or ())

    async def writing() -> list[Any]:
        async with store._connections.locking("mine") as (connection, _):
            return list(await connection.fetchrow(asked) or ())

    assert store._call(reading()) == [settings.role, ["mine"]]
    assert store._call(writing()) == [settings.role, ["mine"]]
    assert {row[0] for row in ask(url, (f"SELECT key FROM {settings.schema}.projects", []))} == set(PROJECTS)
    store.close()


def test_the_doors_tell_of_projects_and_of_bytes_in_use_and_of_words_within_a_project(url: str) -> None:
    schema = parse(url).schema
    doors = ask(
        url,
        ("SELECT proname FROM pg_proc WHERE prosecdef AND pronamespace = $1::regnamespace ORDER BY 1", [schema]),
    )
    assert [name for (name,) in doors] == ["all_projects", "matching", "uses_blob"]
    assert [row["key"] for row in run(url, "mine", f"SELECT key FROM {schema}.all_projects()")] == ["mine", "theirs"]
    # Whatever words are asked for: those of the transaction's project alone are looked through.
    asked = f"SELECT count(*) FROM {schema}.matching('task', $1, 9223372036854775807, 100)"
    everybody = "'in:mine' | 'in:theirs'"
    (mine,) = [row[0] for row in run(url, "mine", asked, everybody)]
    (both,) = ask(url, (f"SELECT count(*) FROM {schema}.texts WHERE kind = 'task'", []))[0]
    assert 0 < mine < both
    public = """
        SELECT count(*) FROM information_schema.role_table_grants WHERE table_schema = $1 AND grantee = 'PUBLIC'
    """
    assert ask(url, (public, [schema]))[0][0] == 0


@pytest.fixture
def tenant(postgres_url: str, postgres_server: PostgresServer) -> Iterator[str]:
    """A URL for a user that is the application's role itself, and owns nothing."""
    role = f"{parse(postgres_url).schema}_app"
    postgres_server.sql(f"CREATE ROLE {role} LOGIN; GRANT {role} TO {OWNER}")
    with sync.open(with_options(postgres_url, role=role, listen="off")):
        pass
    parts = urlsplit(with_options(postgres_url, role=role, create="no"))
    yield parts._replace(netloc=parts.netloc.replace("arbeit@", f"{role}@")).geturl()
    postgres_server.sql(f"DROP OWNED BY {role}; DROP ROLE {role}")


def test_an_application_that_logs_in_as_the_role_works_and_has_nothing_to_go_back_to(
    tenant: str, tmp_path: Path
) -> None:
    with sync.open(with_options(tenant, artifacts=str(tmp_path), listen="off")) as hub:
        for key in PROJECTS:
            fill(hub.project(key, create=True, settings={"completion": "none"}))
        assert [project.verify().ok for project in map(hub.project, PROJECTS)] == [True, True]
    settings = parse(tenant)

    async def reset() -> list[Any]:
        connection = await asyncpg.connect(settings.dsn)
        try:
            await connection.execute("RESET ROLE; SET SESSION AUTHORIZATION DEFAULT")
            return list(await connection.fetch(f"SELECT * FROM {settings.schema}.tasks"))
        finally:
            await connection.close()

    assert asyncio.run(reset()) == []
    assert evolve(settings, create=True).role == settings.role
