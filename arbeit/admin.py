"""The schema of a Postgres deployment, for those who look after it: how it stands, and bringing it up to date.

    status = arbeit.admin.status("postgresql://owner@db/team")
    if status.pending:
        arbeit.admin.migrate("postgresql://owner@db/team")

A SQLite file is brought up to date when it is opened, and needs none of this.
"""

from __future__ import annotations

from collections.abc import Coroutine
from typing import TYPE_CHECKING, Any, TypeVar

from arbeit.compose import postgres_settings
from arbeit.core.errors import ArbeitError, Code
from arbeit.core.limits import check_text

if TYPE_CHECKING:
    from arbeit.backends.postgres.schema import Status
    from arbeit.backends.postgres.settings import Settings

__all__ = ["Status", "migrate", "plan", "status"]

T = TypeVar("T")
SCHEMES = ("postgresql://", "postgres://")


def status(url: str) -> Status:
    """How the schema that a URL names stands to this version of Arbeit. Changes nothing; blocks its caller.

    Raises:
        ArbeitError: INVALID_INPUT for a URL of something else, STORE_UNAVAILABLE where the server cannot be asked.
    """
    settings = _settings(url)
    from arbeit.backends.postgres import schema  # noqa: PLC0415 - the driver is loaded when it is used

    return _wait(schema.status(settings))


def plan(url: str) -> list[str]:
    """The SQL that `migrate` would run now, script by script; empty where there is nothing to do. Changes nothing.

    Beside it, `migrate` makes the application's role where there is none, and notes the version in the table meta.

    Raises:
        ArbeitError: as `status`.
    """
    settings = _settings(url)
    from arbeit.backends.postgres import schema  # noqa: PLC0415 - as above

    return schema.plan(settings, _wait(schema.status(settings)))


def migrate(url: str) -> Status:
    """Bring the schema up to date, or leave it alone where it is; how it stands afterwards. Blocks its caller.

    An advisory lock lets one process migrate at a time; servers of an older version may go on meanwhile. It is one
    transaction: what cannot be done to the end is not done at all.

    Raises:
        ArbeitError: as `status`; SCHEMA_TOO_NEW for a schema that this version must not touch.
    """
    settings = _settings(url)
    from arbeit.backends.postgres import schema  # noqa: PLC0415 - as above

    return _wait(schema.migrate(settings))


def __getattr__(name: str) -> Any:  # noqa: ANN401 - whatever is asked for
    """`Status`, which is where the driver is."""
    if name != "Status":
        raise AttributeError(name)
    from arbeit.backends.postgres.schema import Status  # noqa: PLC0415 - the driver is loaded when it is used

    return Status


def _settings(url: str) -> Settings:
    check_text("url", url)
    if not url.startswith(SCHEMES):
        raise ArbeitError(
            Code.INVALID_INPUT,
            "only a Postgres database has a schema to look after",
            suggestions=(
                "Name one: postgresql://owner@host/database.",
                "A SQLite file is brought up to date when it is opened; arbeit doctor looks at it.",
            ),
            data={"field": "url"},
        )
    return postgres_settings(url)


def _wait(work: Coroutine[Any, Any, T]) -> T:
    from arbeit.backends.postgres.home import Home  # noqa: PLC0415 - as above

    home = Home()
    try:
        return home.call(work)
    finally:
        home.leave()
