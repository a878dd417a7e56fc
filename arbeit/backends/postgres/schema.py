"""The schema of a deployment: made, brought up to date, and told of."""

from __future__ import annotations

import os

import asyncpg

from arbeit.backends.postgres import statements, vectors
from arbeit.backends.postgres.connecting import Connection, alone
from arbeit.backends.postgres.settings import Settings
from arbeit.core.declare import evolve, frozen
from arbeit.core.errors import ArbeitError, Code
from arbeit.core.view import KINDS

COMPATIBLE = 1
"""The oldest schema version that this code's migrations leave usable for the code of that version."""
_VECTORS = ("vector_indexes", "vectors")
_PATIENCE = 24 * 3600.0
"""Seconds that a migration may take."""
_OPEN = ("meta", "heads", "dues", "leaders", "offsets")
"""Tables outside of row level security."""
_DOORS = ("all_projects()", "uses_blob(text)", "matching(text, text, bigint, bigint)")
"""Functions that see more than a project."""


@frozen
class Status:
    """How a schema stands to this code. `version` is 0 where there is none; `role` is what transactions run as.

    `pending` are the numbers of the migrations to run, `secured` whether that role sees one project at a time,
    `made` whether there is such a schema, with tables or without.
    """

    schema: str
    version: int
    known: int
    compatible: int
    role: str
    secured: bool
    server: str
    made: bool = True

    @property
    def pending(self) -> tuple[int, ...]:
        """The migrations that are not there yet."""
        return tuple(range(self.version + 1, self.known + 1))


async def status(settings: Settings) -> Status:
    """How the schema stands."""
    # In a transaction, so that a pooler keeps to one server meanwhile.
    async with alone(settings) as connection, connection.transaction(readonly=True):
        return await _status(connection, settings)


async def _status(connection: Connection, settings: Settings) -> Status:
    known = len(statements.migrations())
    there = await connection.fetchrow(statements.admin("there"), settings.schema)
    server = connection.get_server_version()
    name = f"{server.major}.{server.micro}"
    if there is None or not there["ours"]:
        if there is not None and there["furnished"]:
            raise ArbeitError(
                Code.INVALID_INPUT,
                f"{settings.shown} has tables of another program in schema {settings.schema}",
                suggestions=("Choose a schema for Arbeit alone: schema=NAME.",),
                data={"field": "url"},
            )
        made = there is not None and bool(there["made"])
        return Status(settings.schema, 0, known, 0, settings.role, secured=False, server=name, made=made)
    rows = await connection.fetch(statements.admin("meta", settings.schema))
    meta = {row[0]: row[1] for row in rows}
    if settings.role_named and settings.role != meta["role"]:
        raise ArbeitError(
            Code.INVALID_INPUT,
            f"schema {settings.schema} was made for role {meta['role']}, not {settings.role}",
            suggestions=("Leave role= out: it is chosen when the schema is made.",),
            data={"field": "url"},
        )
    secured = await connection.fetchval(statements.admin("secured"), settings.schema, meta["role"])
    return Status(
        settings.schema,
        int(meta["version"]),
        known,
        int(meta["compatible"]),
        meta["role"],
        secured=bool(secured),
        server=name,
    )


def plan(settings: Settings, found: Status) -> list[str]:
    """The statements that bring a schema to what this code knows."""
    known = statements.migrations()
    wanted = [statements.in_schema(known[number], settings.schema) for number in range(found.version, len(known))]
    if not wanted:
        return []
    start = [] if found.made else [f"CREATE SCHEMA {settings.schema}"]
    return [*start, *wanted, *_grants(evolve(settings, role=found.role))]


def _grants(settings: Settings) -> list[str]:
    schema, role = settings.schema, settings.role
    ruled = [*(statements.table(kind) for kind in KINDS if kind != "project"), "events", "receipts", "texts", *_VECTORS]
    mine = "(SELECT current_setting('arbeit.project', true))"
    made = []
    for table, key in [("projects", "key"), *((table, "project") for table in ruled)]:
        made += [
            f"ALTER TABLE {schema}.{table} ENABLE ROW LEVEL SECURITY",
            f"DROP POLICY IF EXISTS own_project ON {schema}.{table}",
            f"CREATE POLICY own_project ON {schema}.{table} USING ({key} = {mine}) WITH CHECK ({key} = {mine})",
        ]
    doors = ", ".join(f"{schema}.{door}" for door in _DOORS)
    writable = ", ".join(f"{schema}.{table}" for table in ("projects", *ruled, *_OPEN[1:]))
    return [
        *made,
        f"REVOKE ALL ON FUNCTION {doors} FROM PUBLIC",
        f"GRANT USAGE ON SCHEMA {schema} TO {role}",
        f"GRANT SELECT, INSERT, UPDATE, DELETE ON {writable} TO {role}",
        f"GRANT SELECT ON {schema}.meta TO {role}",
        f"GRANT EXECUTE ON FUNCTION {doors} TO {role}",
    ]


async def migrate(settings: Settings) -> Status:
    """Bring the schema up to date, one process at a time; what is up to date already is left alone.

    Servers that run the code of a version from `COMPATIBLE` on may go on meanwhile.
    """
    async with alone(settings) as connection:
        # Whatever the database's default is: each statement is to see what was committed while a lock was waited for.
        async with connection.transaction(isolation="read_committed"):
            await connection.execute("SET LOCAL statement_timeout = 0")
            await connection.execute(statements.admin("alone"), settings.schema, timeout=_PATIENCE)
            found = await _status(connection, settings)
            if found.version > found.known:
                refuse_strange(found, settings)
            settings = evolve(settings, role=found.role)
            if found.pending:
                await _have_role(connection, settings)
                # So that a migration that cannot get its locks gives way to the servers that run.
                await connection.execute("SET LOCAL lock_timeout = '5s'")
                for script in plan(settings, found):
                    await connection.execute(script, timeout=_PATIENCE)
                await _mark(connection, settings, found.known)
        await vectors.enable(connection, settings)
        async with connection.transaction(readonly=True):
            return await _status(connection, settings)


async def _mark(connection: Connection, settings: Settings, version: int) -> None:
    keep = statements.admin("keep_meta", settings.schema)
    put = statements.admin("put_meta", settings.schema)
    await connection.execute(keep, "lease_key", os.urandom(32).hex())
    await connection.execute(put, "version", str(version))
    await connection.execute(put, "compatible", str(COMPATIBLE))
    await connection.execute(put, "role", settings.role)


async def _have_role(connection: Connection, settings: Settings) -> None:
    """See that the role of the application is there, and that whoever migrates may hand it out."""
    role = settings.role
    there = await connection.fetchrow(statements.admin("role"), role)
    if there is None:
        try:
            # Roles are the whole cluster's: another database may be making the same one at this moment.
            async with connection.transaction():
                await connection.execute(f"CREATE ROLE {role} NOLOGIN")
        except (asyncpg.DuplicateObjectError, asyncpg.UniqueViolationError):
            pass
        except asyncpg.InsufficientPrivilegeError as error:
            raise ArbeitError(
                Code.STORE_UNAVAILABLE,
                f"there is no role {role}, and this user may not make one",
                suggestions=(f"Let an administrator run: CREATE ROLE {role} NOLOGIN; GRANT {role} TO <this user>;",),
            ) from error
        there = await connection.fetchrow(statements.admin("role"), role)
    owner = await connection.fetchval("SELECT current_user")
    if there is None or there["rolsuper"] or there["rolbypassrls"] or owner == role:
        raise ArbeitError(
            Code.INVALID_INPUT,
            f"role {role} could bypass row level security",
            suggestions=("Name a plain role with role=: no superuser, without BYPASSRLS, and not the tables' owner.",),
            data={"field": "url"},
        )
    if not there["mine"]:
        try:
            await connection.execute(f"GRANT {role} TO CURRENT_USER")
        except asyncpg.InsufficientPrivilegeError as error:
            raise ArbeitError(
                Code.STORE_UNAVAILABLE,
                f"this user may not take on role {role}, which somebody else made",
                suggestions=(
                    f"Let an administrator run: GRANT {role} TO <this user>;",
                    "Or name a role of this deployment's own with role=.",
                ),
            ) from error


def refuse_strange(found: Status, settings: Settings) -> None:
    """Refuse a schema that this code cannot work with.

    Raises:
        ArbeitError: SCHEMA_TOO_NEW, or NOT_INITIALIZED for one that is to be migrated first.
    """
    if found.compatible > found.known:
        raise ArbeitError(
            Code.SCHEMA_TOO_NEW,
            f"{settings.shown} has schema version {found.version}; this Arbeit knows {found.known}",
            suggestions=("Upgrade arbeit.",),
        )
    if found.version < found.known:
        what = f"has schema version {found.version}, and {found.known} is wanted" if found.version else "has no tables"
        raise ArbeitError(
            Code.NOT_INITIALIZED,
            f"{settings.shown} {what} in schema {settings.schema}",
            suggestions=("Run: arbeit admin migrate, as the owner of the schema.",),
        )


async def opened(settings: Settings) -> tuple[bytes, str | None, int]:
    """Check the schema, making it where there is none; the key of leases, the role to take on if any, the version."""
    found = await status(settings)
    if found.version == 0 and settings.create:
        found = await migrate(settings)
    refuse_strange(found, settings)
    if not found.secured:
        raise ArbeitError(
            Code.NOT_INITIALIZED,
            f"{settings.shown}: role {found.role} is not bound by row level security in schema {settings.schema}",
            suggestions=("Let another user than that role own the tables, with ENABLE ROW LEVEL SECURITY on each.",),
        )
    async with alone(settings) as connection, connection.transaction(readonly=True):
        key = await connection.fetchval(statements.admin("lease_key", settings.schema))
        own = await connection.fetchval("SELECT current_user = $1", found.role)
        return bytes.fromhex(key), None if own else found.role, connection.get_server_version().major
