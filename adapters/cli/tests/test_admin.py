"""`arbeit admin`: how a Postgres schema stands, and bringing it up to date."""

from __future__ import annotations

import asyncio
import threading

import asyncpg
import pytest

from adapters.cli.tests.conftest import Say
from arbeit import admin, sync
from arbeit_cli.commands import COMMANDS, FAMILIES
from tests.servers.fixtures import postgres_address, postgres_server, postgres_url, schema_keeper, with_options

__all__ = ["postgres_address", "postgres_server", "postgres_url", "schema_keeper"]


def test_a_schema_is_made_once_and_used_from_then_on(say: Say, postgres_url: str) -> None:
    before = say("--db", postgres_url, "admin", "status", "--json")
    assert (before.code, before.data["version"]) == (1, 0)
    assert before.data["pending"] == list(range(1, before.data["known"] + 1))
    told = say("--db", postgres_url, "admin", "status")
    assert (told.code, "No schema yet. arbeit admin migrate makes it" in told.out) == (1, True)
    refused = say("--db", with_options(postgres_url, create="no"), "projects", "--json")
    assert (refused.code, refused.error["code"]) == (3, "NOT_INITIALIZED")
    made = say("--db", postgres_url, "admin", "migrate", "--json")
    assert (made.code, made.data["ran"], made.data["pending"]) == (0, before.data["pending"], [])
    assert made.data["secured"] is True
    again = say("--db", postgres_url, "admin", "migrate", "--json")
    assert (again.code, again.data["ran"]) == (0, [])
    assert again.data["version"] == again.data["known"] == made.data["version"]
    after = say("--db", postgres_url, "admin", "status")
    assert (after.code, "Up to date." in after.out) == (0, True)
    assert say("--db", with_options(postgres_url, create="no"), "projects", "--json").data == {"projects": []}


def test_a_dry_run_prints_the_sql_and_changes_nothing(say: Say, postgres_url: str) -> None:
    shown = say("--db", postgres_url, "admin", "migrate", "--dry-run")
    assert shown.code == 0
    schema = postgres_url.partition("schema=")[2]
    assert f"CREATE SCHEMA {schema};" in shown.out
    assert f"CREATE TABLE {schema}.heads" in shown.out
    assert "ENABLE ROW LEVEL SECURITY" in shown.out
    assert say("--db", postgres_url, "admin", "status", "--json").data["version"] == 0
    assert say("--db", postgres_url, "admin", "migrate").code == 0
    assert say("--db", postgres_url, "admin", "migrate", "--dry-run", "--json").data == {"sql": []}


def test_processes_that_migrate_at_once_make_one_schema(postgres_url: str) -> None:
    found: list[admin.Status | Exception] = []

    def migrate() -> None:
        try:
            found.append(admin.migrate(postgres_url))
        except Exception as error:  # noqa: BLE001 - shown by the assertion
            found.append(error)

    threads = [threading.Thread(target=migrate) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found == [admin.status(postgres_url)] * 4
    with sync.open(with_options(postgres_url, create="no")) as hub:
        assert hub.project("demo", create=True).create_task("T").version == 1


@pytest.mark.parametrize("verb", ["status", "migrate"])
def test_a_file_needs_no_administrator(say: Say, verb: str) -> None:
    say("init")
    refused = say("admin", verb, "--json")
    assert (refused.code, refused.error["code"]) == (2, "INVALID_INPUT")
    assert "brought up to date when it is opened" in str(refused.error["suggestions"])


def test_a_server_that_is_not_there_is_told_of(say: Say) -> None:
    refused = say("--db", "postgresql://nobody:secret@127.0.0.1:9/none", "admin", "status", "--json")
    assert (refused.code, refused.error["code"]) == (1, "STORE_UNAVAILABLE")
    assert "secret" not in refused.err


def test_doctor_looks_at_the_schema_and_opens_nothing_that_is_not_there(say: Say, postgres_url: str) -> None:
    before = say("--db", postgres_url, "doctor")
    assert before.code == 1
    assert "arbeit admin migrate brings it up to date" in before.out
    assert say("--db", postgres_url, "admin", "status", "--json").data["version"] == 0
    assert say("--db", postgres_url, "init", "web").code == 0
    after = say("--db", postgres_url, "doctor", "--deep")
    assert (after.code, "as role arbeit_app" in after.out) == (0, True), after.out
    assert "WAL-reset" not in after.out


def test_a_password_is_in_nothing_that_is_printed(say: Say) -> None:
    url = "postgresql://ada:hush-hush@127.0.0.1:9/team?sslpassword=hush-hush"
    for command in (["init", "web"], ["list"], ["doctor"], ["admin", "status"], ["admin", "migrate", "--json"]):
        ran = say("--db", url, *command)
        assert ran.code != 0
        assert "hush" not in ran.out + ran.err, command


def sql(url: str, *statements: str) -> list[object]:
    async def run() -> list[object]:
        connection = await asyncpg.connect(url.partition("?")[0])
        try:
            return [await connection.fetchval(one) for one in statements]
        finally:
            await connection.close()

    return asyncio.run(run())


def test_what_another_program_keeps_in_a_schema_is_left_as_it_is(say: Say, postgres_url: str) -> None:
    schema = postgres_url.partition("schema=")[2]
    sql(
        postgres_url,
        f"CREATE SCHEMA {schema}",
        f"CREATE FUNCTION {schema}.theirs() RETURNS int LANGUAGE sql AS 'SELECT 1'",
    )
    asked = f"SELECT proacl::text FROM pg_proc WHERE oid = '{schema}.theirs()'::regprocedure"  # noqa: S608 - a name of ours
    before = sql(postgres_url, asked)
    assert say("--db", postgres_url, "admin", "migrate").code == 0
    assert sql(postgres_url, asked) == before


def test_a_schema_with_tables_of_another_program_is_refused(say: Say, postgres_url: str) -> None:
    schema = postgres_url.partition("schema=")[2]
    sql(postgres_url, f"CREATE SCHEMA {schema}", f"CREATE TABLE {schema}.meta (id int)")
    for command in (["init", "web"], ["admin", "migrate"], ["admin", "status"]):
        refused = say("--db", postgres_url, *command, "--json")
        assert refused.error["code"] == "INVALID_INPUT", refused.err
        assert "another program" in refused.error["message"]
    assert sql(postgres_url, f"SELECT count(*) FROM pg_tables WHERE schemaname = '{schema}'") == [1]  # noqa: S608 - as above


def test_the_role_is_chosen_once(say: Say, postgres_url: str) -> None:
    assert say("--db", postgres_url, "admin", "migrate").code == 0
    other = say("--db", with_options(postgres_url, role="somebody"), "admin", "migrate", "--json")
    assert other.error["code"] == "INVALID_INPUT"
    assert "arbeit_app" in other.error["message"]
    assert say("--db", with_options(postgres_url, role="arbeit_app"), "projects").code == 0


@pytest.mark.parametrize(
    "url",
    [
        "postgresql://ada:hunt/er2@127.0.0.1:9/team",
        "postgresql://ada:hunt#er2@127.0.0.1:9/team",
        "postgresql://ada:12/er2hunt@127.0.0.1/team",
        "postgresql://ada:hu[nter2@127.0.0.1/team",
    ],
)
def test_no_part_of_a_password_that_was_not_encoded_is_repeated(say: Say, url: str) -> None:
    refused = say("--db", url, "list", "--json")
    assert refused.error["code"] == "INVALID_INPUT"
    assert "hu" not in refused.out + refused.err
    assert "%2F" in refused.error["suggestions"][0]


def test_looking_into_a_schema_that_is_not_there_does_not_make_it(say: Say, postgres_url: str) -> None:
    refused = say("--db", postgres_url, "list", "--json")
    assert refused.error["code"] == "NOT_INITIALIZED"
    assert say("--db", postgres_url, "admin", "status", "--json").data["version"] == 0


@pytest.mark.parametrize("words", [["admin", "--help"], ["help", "admin"], ["admin", "-h", "--json"]])
def test_help_on_admin_says_what_it_is_about_and_names_its_commands(say: Say, words: list[str]) -> None:
    ran = say(*words)
    assert (ran.code, ran.err) == (0, "")
    assert "The schema of a Postgres database." in ran.out
    assert "  status " in ran.out
    assert "  migrate " in ran.out
    assert "status or migrate: the schema of a Postgres database" in say("--help").out
    assert say("admin").code == 2
    assert set(FAMILIES) == {name.split()[0] for name in COMMANDS if " " in name and name.split()[0] not in COMMANDS}
