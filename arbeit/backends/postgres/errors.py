"""The driver's errors as ours: none escapes, and none shows a password."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator
from contextlib import contextmanager

import asyncpg

from arbeit.backends.postgres.settings import Settings
from arbeit.core.errors import ArbeitError, Code
from arbeit.ports import OutcomeUnknown, RowRefused

LOST = (
    OSError,
    TimeoutError,
    asyncio.IncompleteReadError,
    asyncpg.PostgresConnectionError,
    asyncpg.InterfaceError,
    asyncpg.InternalClientError,
    asyncpg.OperatorInterventionError,
    asyncpg.CannotConnectNowError,
    asyncpg.TooManyConnectionsError,
    asyncpg.IdleInTransactionSessionTimeoutError,
    asyncpg.TransactionTimeoutError,
)
"""What says that a connection, or the server behind it, is gone or not there yet."""
_REFUSED = (
    asyncpg.IntegrityConstraintViolationError,
    asyncpg.DataError,
    asyncpg.exceptions.ProgramLimitExceededError,
    OverflowError,
)
_POOLED = "Add prepared=no to the URL: between here and the server is a pooler that does not know prepared statements."
_HINTS: tuple[tuple[type[Exception], str], ...] = (
    (asyncpg.LockNotAvailableError, "Another process holds the project's lock for long; try again."),
    (asyncpg.QueryCanceledError, "The server is slow or overloaded; try again."),
    (asyncpg.DiskFullError, "Free some disk space on the server."),
    (asyncpg.ReadOnlySQLTransactionError, "Name the primary server: this one is a standby, or read-only."),
    (asyncpg.InvalidAuthorizationSpecificationError, "Check user and password."),
    (asyncpg.InvalidCatalogNameError, "Create the database, or name another."),
    (asyncpg.UndefinedTableError, "Bring the schema up to date: arbeit admin migrate."),
    (
        asyncpg.InsufficientPrivilegeError,
        "GRANT the application's role to this user, or let the owner of the schema run: arbeit admin migrate.",
    ),
    (asyncpg.InsufficientResourcesError, "Give the server more memory, disk or connections."),
    (asyncpg.InvalidSQLStatementNameError, _POOLED),
    (asyncpg.DuplicatePreparedStatementError, _POOLED),
    (asyncpg.DeadlockDetectedError, "Another program locks Arbeit's tables; try again."),
    (OSError, "See that the server runs and can be reached from here."),
)
_RETRYABLE = (*LOST, asyncpg.LockNotAvailableError, asyncpg.QueryCanceledError, asyncpg.TransactionRollbackError)


def is_lost(error: BaseException) -> bool:
    """Whether an error says that the connection or the server is gone, rather than that a statement was refused."""
    return isinstance(error, LOST) and not isinstance(error, asyncpg.QueryCanceledError) and not _unsent(error)


def _unsent(error: BaseException) -> bool:
    """Whether a value was refused by the driver: what it raises then is an InterfaceError and a ValueError."""
    return isinstance(error, asyncpg.InterfaceError) and isinstance(error, ValueError)


def as_arbeit(error: Exception, settings: Settings) -> Exception:
    """An error of the driver as ours; any other as it is."""
    if isinstance(error, ArbeitError):
        return error
    if isinstance(error, asyncpg.ClientConfigurationError):
        return ArbeitError(
            Code.INVALID_INPUT,
            f"{settings.shown}: an option of the connection is none ({_said(error)})",
            suggestions=("Correct sslmode, target_session_attrs or whatever it names, as libpq has them.",),
            data={"field": "url"},
        )
    if isinstance(error, _REFUSED) or _unsent(error):
        return RowRefused(f"the store refused a row ({_said(error)})")
    if isinstance(error, (asyncpg.PostgresError, *LOST)):
        hint = next((hint for kind, hint in _HINTS if isinstance(error, kind)), "Try again; see the server's log.")
        return ArbeitError(
            Code.STORE_UNAVAILABLE,
            f"{settings.shown}: {_said(error)}",
            suggestions=(hint,),
            retryable=isinstance(error, _RETRYABLE),
        )
    if isinstance(error, json.JSONDecodeError):
        hint = "Restore the database from a back-up."
        return ArbeitError(Code.STORE_UNAVAILABLE, f"{settings.shown} is damaged: {error}", suggestions=(hint,))
    return error


def unknown(error: BaseException, settings: Settings) -> OutcomeUnknown:
    """The error of a transaction that may or may not have been committed."""
    return OutcomeUnknown(f"{settings.shown}: the connection was lost in a transaction ({_said(error)})")


def _said(error: BaseException) -> str:
    text = " ".join(str(error).split("\n")[0].split())
    return text[:300] or type(error).__name__


@contextmanager
def mapped(settings: Settings) -> Iterator[None]:
    """Let no error of the driver out as it is."""
    try:
        yield
    except Exception as error:
        ours = as_arbeit(error, settings)
        if ours is error:
            raise
        raise ours from error
