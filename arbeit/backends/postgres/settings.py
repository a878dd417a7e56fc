"""What a URL of Postgres says: where the server is, and how this process uses it."""

from __future__ import annotations

import re
from collections.abc import Mapping
from urllib.parse import parse_qsl, urlencode, urlsplit, urlunsplit

from arbeit.core.declare import field, frozen
from arbeit.core.errors import ArbeitError, Code

_NAME = re.compile(r"[a-z_][a-z0-9_]{0,40}")
_THEIRS = frozenset(
    {
        *("host", "port", "user", "password", "passfile", "database", "dbname", "service", "servicefile"),
        *("sslmode", "sslcert", "sslkey", "sslrootcert", "sslcrl", "sslpassword", "sslnegotiation"),
        *("ssl_min_protocol_version", "ssl_max_protocol_version", "target_session_attrs", "gsslib", "krbsrvname"),
    }
)
"""Options of a connection, which the driver understands; any other would be sent to the server as a setting."""
ROLE = "arbeit_app"
"""The role under which everything but migrations runs, unless another is named when the schema is made."""


@frozen
class Settings:
    """How a store reaches its server. Times in seconds.

    dsn: for the driver, with its password. shown: the same without user and password, for messages. role: what
    transactions run as, where the schema does not say; role_named: whether the URL says so, and must be right.
    pool: connections at most. wait: how long a command waits for a server that cannot be reached. frozen: after so
    long without a word from its client, a transaction is ended by the server. prepared: whether statements are
    prepared, which poolers before PgBouncer 1.21 do not bear. create: whether a schema that is not there is made.
    """

    dsn: str = field(repr=False)
    shown: str
    schema: str = "arbeit"
    role: str = ROLE
    role_named: bool = False
    pool: int = 10
    wait: float = 10.0
    timeout: float = 10.0
    frozen: float = 5.0
    prepared: bool = True
    create: bool = True


def parse(url: str) -> Settings:
    """The settings that a URL spells.

    Raises:
        ArbeitError: INVALID_INPUT for an option that is none, or a value that is none of its option.
    """
    parts = urlsplit(url)
    given = dict(parse_qsl(parts.query, keep_blank_values=True))
    theirs = {name: given.pop(name) for name in list(given) if name in _THEIRS}
    host = parts.hostname or ""
    try:
        port = f":{parts.port}" if parts.port else ""
    except ValueError:
        raise _unreadable() from None
    if "@" in parts.path or "#" in url:
        raise _unreadable()
    dsn = urlunsplit(("postgresql", parts.netloc, parts.path, urlencode(theirs), ""))
    shown = f"postgresql://{host}{port}{parts.path}"
    made = Settings(
        dsn,
        shown,
        schema=_name("schema", given.pop("schema", "arbeit")),
        role_named="role" in given,
        role=_name("role", given.pop("role", ROLE)),
        pool=int(_number("pool", given.pop("pool", "10"), 1, 1000)),
        wait=_number("wait", given.pop("wait", "10"), 0, 3600),
        timeout=_number("timeout", given.pop("timeout", "10"), 1, 3600),
        frozen=_number("frozen", given.pop("frozen", "5"), 1, 3600),
        prepared=_flag("prepared", given.pop("prepared", "yes")),
        create=_flag("create", given.pop("create", "yes")),
    )
    _refuse_unknown(given)
    return made


def _refuse_unknown(given: Mapping[str, str]) -> None:
    if given:
        known = "schema, role, pool, wait, timeout, frozen, prepared, create, listen, redis, rate, burst, deployment"
        raise ArbeitError(
            Code.INVALID_INPUT,
            f"postgresql:// takes no option {', '.join(sorted(given))}",
            suggestions=(f"Ours are {known}, artifacts; those of a connection (sslmode and so on) go to the driver.",),
            data={"field": "url"},
        )


def _unreadable() -> ArbeitError:
    # Nothing of it is repeated: what is taken for a port or a path may be half of a password.
    return ArbeitError(
        Code.INVALID_INPUT,
        "this postgresql:// URL cannot be read: its port is no number, or a sign of a password stands for itself",
        suggestions=("Write / as %2F, # as %23, @ as %40, ? as %3F, : as %3A in user and password.",),
        data={"field": "url"},
    )


def _bad(option: str, value: str, wanted: str) -> ArbeitError:
    return ArbeitError(
        Code.INVALID_INPUT,
        f"{option} of a postgresql:// URL cannot be {value[:60]!r}",
        suggestions=(f"Give {wanted}.",),
        data={"field": "url"},
    )


def _name(option: str, value: str) -> str:
    if not _NAME.fullmatch(value):
        raise _bad(option, value, "a name of lower-case letters, digits and underscores, 41 at most")
    return value


def _number(option: str, value: str, least: float, most: float) -> float:
    try:
        number = float(value)
    except ValueError:
        number = -1.0
    if not least <= number <= most:
        raise _bad(option, value, f"a number from {least:g} to {most:g}")
    return number


def _flag(option: str, value: str) -> bool:
    if value.lower() not in {"yes", "no", "true", "false", "1", "0", "on", "off"}:
        raise _bad(option, value, "yes or no")
    return value.lower() in {"yes", "true", "1", "on"}
