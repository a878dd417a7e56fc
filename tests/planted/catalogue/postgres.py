"""Bugs in the Postgres store: locks, guesses, lost connections, settings of a session, rows of other projects."""

from __future__ import annotations

from tests.planted.bug import Bug, Suite

POSTGRES = "arbeit/backends/postgres"
RACES = "tests/contract/test_postgres_races.py"
LOST = "tests/contract/test_postgres_lost.py"
TENANTS = "tests/contract/test_postgres_tenants.py"
POOLED = "tests/contract/test_postgres_pooled.py"
CONTRACT = "tests/contract/test_postgres.py::TestPostgres"


def _races(test: str) -> Suite:
    return Suite((f"{RACES}::{test}",))


def _contract(test: str) -> Suite:
    return Suite((f"{CONTRACT}::{test}",))


_LEFT_BEHIND = _races("test_a_transaction_leaves_nothing_behind_for_the_next_user_of_its_connection")
_BLOCKING = f"{LOST}::test_a_blocking_caller_hears_that_its_command_happened_once"
_APART = Suite((f"{TENANTS}::test_nothing_of_another_project_is_read_or_written_in_any_table",))

BUGS = (
    Bug(
        name="snapshot-before-the-lock",
        harm="Whoever waited for the project's lock is refused, or decides on what was true before it waited.",
        mistake="an isolation level that sounds safer",
        file=f"{POSTGRES}/connecting.py",
        old='_READ_COMMITTED = " ISOLATION LEVEL READ COMMITTED READ WRITE"\n',
        new='_READ_COMMITTED = " ISOLATION LEVEL REPEATABLE READ READ WRITE"\n',
        caught_by="races",
        check=_races("test_who_comes_second_waits_and_then_sees_what_the_first_did[load]"),
    ),
    Bug(
        name="head-read-without-its-lock",
        harm="Two processes decide at the same position, and one of them on what is no longer so.",
        mistake="a lock left to the write that follows",
        file=f"{POSTGRES}/connecting.py",
        old="{quoted(project)} FOR NO KEY UPDATE)",
        new="{quoted(project)})",
        caught_by="races",
        check=_races("test_who_comes_second_waits_and_then_sees_what_the_first_did[load]"),
    ),
    Bug(
        name="guessed-head-trusted",
        harm="A process does not see what another one has changed, and answers by what it remembers.",
        mistake="a cache that is not held against the log",
        file=f"{POSTGRES}/store.py",
        old="        if guess is None or head != guess:\n",
        new="        if guess is None:\n",
        caught_by="races",
        check=_races("test_settings_that_another_process_changed_count_at_once"),
    ),
    Bug(
        name="liveness-written-from-memory",
        harm="A lease that is changed falls back to the deadline and the sign of life that some process remembers.",
        mistake="a row written whole, though renewals move two of its columns without anybody else's knowing",
        file=f"{POSTGRES}/saving.py",
        old="        expires_at = beat.expires_at if beat is not None else lease.expires_at if adds else None\n",
        new="        expires_at = beat.expires_at if beat is not None else lease.expires_at\n",
        caught_by="contract",
        check=_contract("test_a_change_of_a_lease_leaves_its_liveness_to_renewals"),
    ),
    Bug(
        name="head-not-moved",
        harm="The second command of a project finds its position taken, and so does every one after it.",
        mistake="a row written when it is made, and never again",
        file=f"{POSTGRES}/saving.py",
        old='            made.part("first_head" if first else "head", head',
        new='            if first:\n                made.part("first_head", head',
        caught_by="races",
        check=_races("test_processes_that_alternate_with_warm_caches_claim_each_task_once"),
    ),
    Bug(
        name="next-deadline-noted-without-the-lock",
        harm="A lease that was granted at that moment is never reclaimed if its holder dies.",
        mistake="read, then write, and nothing that keeps others out in between",
        file=f"{POSTGRES}/store.py",
        old='                if await connection.fetchval(self._sql["lock_if_free"], project):\n',
        new="                if project:\n",
        caught_by="races",
        check=_races("test_a_deadline_that_comes_up_while_the_next_one_is_looked_for_is_not_lost"),
    ),
    Bug(
        name="deadlines-not-brought-forward",
        harm="What is put off or leased after the first deadline is never looked at by anybody's tick.",
        mistake="a bound that is only set once",
        file=f"{POSTGRES}/saving.sql",
        old="UPDATE {schema}.dues SET at = %1::bigint WHERE project = $1 AND at > %1::bigint",
        new="UPDATE {schema}.dues SET at = %1::bigint WHERE project = $1 AND at < %1::bigint",
        caught_by="contract",
        check=_contract("test_due_sees_deadlines_and_delays_and_forgets_what_was_seen_to"),
    ),
    Bug(
        name="project-made-without-a-lock",
        harm="Two that create a project at once both decide that it is not there.",
        mistake="a lock on a row that is not there yet",
        file=f"{POSTGRES}/connecting.py",
        old="SELECT pg_advisory_xact_lock(hashtextextended({name}, 0)),",
        new="SELECT hashtextextended({name}, 0),",
        caught_by="races",
        check=_races("test_of_two_creators_of_one_project_one_is_told_that_it_is_there"),
    ),
    Bug(
        name="seconds-of-patience-not-set",
        harm="Callers wait for a lock as long as its holder pleases, and are not told to try again.",
        mistake="a time-out left at the server's default, which is none",
        file=f"{POSTGRES}/connecting.py",
        old='_milliseconds("lock_timeout", settings.timeout + settings.frozen + _PATIENCE)',
        new='_milliseconds("lock_timeout", 0)',
        caught_by="races",
        check=_races("test_who_waits_too_long_for_the_lock_may_try_again"),
    ),
    Bug(
        name="frozen-holder-never-ended",
        harm="A process that stands still in a transaction stops its project for ever.",
        mistake="a time-out left at the server's default, which is none",
        file=f"{POSTGRES}/connecting.py",
        old="{_milliseconds('idle_in_transaction_session_timeout', settings.frozen)}",
        new="{_milliseconds('idle_in_transaction_session_timeout', 0)}",
        caught_by="races",
        check=_races("test_a_process_that_stands_still_in_a_transaction_holds_the_others_up_no_longer_than_it_may"),
    ),
    Bug(
        name="lost-commit-told-as-a-failure",
        harm="A caller is told that nothing happened, although it did, and does it again.",
        mistake="an error taken for a failure",
        file=f"{POSTGRES}/store.py",
        old="            if begun and is_lost(error):\n",
        new="            if not begun and is_lost(error):\n",
        caught_by="lost connections",
        check=Suite((f"{_BLOCKING}[unheard-commit]",)),
    ),
    Bug(
        name="lost-commit-told-as-done",
        harm="A caller is told that its task is there, and it is not.",
        mistake="an error that is taken for nothing to worry about",
        file=f"{POSTGRES}/store.py",
        old='            await connection.execute("COMMIT")\n            self._remember(job.project, result.head)\n',
        new="            try:\n"
        '                await connection.execute("COMMIT")\n'
        "            except Exception as error:\n"
        "                if not is_lost(error):\n"
        "                    raise\n"
        "            self._remember(job.project, result.head)\n",
        caught_by="lost connections",
        check=Suite((f"{_BLOCKING}[before-commit]",)),
    ),
    Bug(
        name="lost-transaction-simply-repeated",
        harm="A command that was committed is run once more, against its own rows.",
        mistake="a retry without a look",
        file=f"{POSTGRES}/store.py",
        old="                raise unknown(error, self.settings) from error\n",
        new="                return None\n",
        caught_by="lost connections",
        check=Suite((f"{_BLOCKING}[unheard-commit]",)),
    ),
    Bug(
        name="row-level-security-left-out",
        harm="One forgotten WHERE shows every project's rows.",
        mistake="policies made, and never switched on",
        file=f"{POSTGRES}/schema.py",
        old='ALTER TABLE {schema}.{table} ENABLE ROW LEVEL SECURITY"',
        new='ALTER TABLE {schema}.{table} DISABLE ROW LEVEL SECURITY"',
        caught_by="tenants",
        check=_APART,
    ),
    Bug(
        name="row-level-security-for-reading-alone",
        harm="Rows can be written into another project's log.",
        mistake="a policy that looks at what is read, not at what is written",
        file=f"{POSTGRES}/schema.py",
        old="WITH CHECK ({key} = {mine})",
        new="WITH CHECK (true)",
        caught_by="tenants",
        check=_APART,
    ),
    Bug(
        name="role-never-taken-on",
        harm="Row level security binds nobody: the owner of tables is above it.",
        mistake="rules made for a role that nothing runs as",
        file=f"{POSTGRES}/store.py",
        old="version=version, role=role)\n",
        new="version=version, role=None)\n",
        caught_by="tenants",
        check=Suite((f"{TENANTS}::test_what_a_store_asks_is_asked_as_the_role_and_in_one_project",)),
    ),
    Bug(
        name="project-kept-by-the-session",
        harm="The next user of a connection, or of a pooler's, sees the last one's project.",
        mistake="SET where SET LOCAL was meant",
        file=f"{POSTGRES}/connecting.py",
        old="set_config('arbeit.project', {quoted(project)}, true)",
        new="set_config('arbeit.project', {quoted(project)}, false)",
        caught_by="races",
        check=_LEFT_BEHIND,
    ),
    Bug(
        name="role-kept-by-the-session",
        harm="Migrations that come over the same connection run without the rights of the owner.",
        mistake="SET where SET LOCAL was meant",
        file=f"{POSTGRES}/connecting.py",
        old="set_config('role', {quoted(self._role)}, true)",
        new="set_config('role', {quoted(self._role)}, false)",
        caught_by="races",
        check=_LEFT_BEHIND,
    ),
    Bug(
        name="statements-prepared-though-told-not-to",
        harm="Behind an older pooler every second command fails: its statement was prepared elsewhere.",
        mistake="an option that is read, and not used",
        file=f"{POSTGRES}/connecting.py",
        old='"statement_cache_size": 200 if settings.prepared else 0,',
        new='"statement_cache_size": 200,',
        caught_by="pooler",
        check=Suite((f"{POOLED}::test_statements_are_prepared_where_that_is_allowed_and_nowhere_else",)),
    ),
    Bug(
        name="rows-of-a-batch-with-one-number",
        harm="Pages of a list leave tasks out that were created together.",
        mistake="a number for the batch where one for each row was meant",
        file=f"{POSTGRES}/statements.py",
        old='    number = ", $2::bigint + u.n" if kind in SEQUENCED else ""\n',
        new='    number = ", $2::bigint" if kind in SEQUENCED else ""\n',
        caught_by="contract",
        check=_contract("test_pages_visit_each_task_exactly_once"),
    ),
    Bug(
        name="lists-and-objects-never-updated",
        harm="A label that was added is gone when the task is read again.",
        mistake="a column type that an update passes over",
        file=f"{POSTGRES}/statements.py",
        old="for name, value in told_values if name not in keys)\n",
        new='for name, value in told_values if name not in keys and not value.endswith("::json"))\n',
        caught_by="contract",
        check=Suite(("tests/contract/test_postgres.py::TestPostgresThroughTheFaces",)),
    ),
    Bug(
        name="renewals-wait-for-an-event",
        harm="A holder that only renews loses its lease.",
        mistake="liveness written with the log, which it is no part of",
        file=f"{POSTGRES}/saving.py",
        old="        if beats:\n            due",
        new="        if beats and changes.events:\n            due",
        caught_by="contract",
        check=_contract("test_a_beat_moves_liveness_and_nothing_else"),
    ),
    Bug(
        name="ended-leases-among-the-overdue",
        harm="What was given back long ago is looked at again and again, and what is overdue waits behind it.",
        mistake="a condition taken for a part of the index alone",
        file=f"{POSTGRES}/loading.sql",
        old="WHERE project = $1 AND ended_at IS NULL AND expires_at <= (SELECT now FROM moment)",
        new="WHERE project = $1 AND expires_at <= (SELECT now FROM moment)",
        caught_by="contract",
        check=_contract("test_the_overdue_come_by_deadline_with_their_tasks_runs_and_agents"),
    ),
)
