"""The command line of the server."""

from __future__ import annotations

import argparse
import math
from collections.abc import Mapping, Sequence
from pathlib import Path

from attrs import frozen

from arbeit import ArbeitError, Code, commands
from arbeit.toolset import PROFILES
from arbeit_mcp.address import Address
from arbeit_mcp.place import Whereabouts

_LONGEST_IDLE = 24 * 3600.0
_SHORTEST_TOKEN = 16


@frozen
class Options:
    """What was asked for, checked.

    Attributes:
        whereabouts: where the database is.
        project: the project's key; None: the folder's own, or the only one.
        agent: the name that was said; None: after each client's.
        profile: which tools are served.
        capabilities: what the agents can do; None: what each registered.
        ttl: seconds that a lease lasts unless it is renewed; None: the project's policy.
        idle: seconds after which a silent HTTP client is taken for gone.
        address: where to listen; None: standard streams.
        verbose: whether the log says more than what is wrong.
    """

    whereabouts: Whereabouts
    project: str | None
    agent: str | None
    profile: str
    capabilities: tuple[str, ...] | None
    ttl: float | None
    idle: float
    address: Address | None
    verbose: bool


def parser() -> argparse.ArgumentParser:
    """The options as people write them."""
    made = argparse.ArgumentParser(
        prog="arbeit-mcp",
        description="Serves a project's tasks to MCP clients: on standard streams, or over HTTP.",
        epilog="ARBEIT_DB, ARBEIT_PROJECT and ARBEIT_AGENT stand for --db, --project and --as.",
        allow_abbrev=False,
    )
    add = made.add_argument
    add("--db", metavar="URL|PATH", help="the database (default: .arbeit/arbeit.db here or in a folder above)")
    add("--project", metavar="KEY", help="the project (default: the folder's own, or the only one)")
    add("--as", dest="agent", metavar="NAME", help="the agent's name (default: after the client's, and unique)")
    add("--profile", choices=tuple(PROFILES), default="standard", help="which tools are served (default: standard)")
    add("--capability", action="append", metavar="C", help="what the agents can do (default: what each registered)")
    add("--ttl", type=float, metavar="S", help="seconds that a lease lasts unless it is renewed")
    add("--http", metavar="HOST:PORT", help="serve streamable HTTP there instead of standard streams")
    add("--token-env", metavar="VAR", help="the variable that holds the bearer token callers must show")
    add("--allow-host", action="append", default=[], metavar="NAME", help="a name under which clients call the server")
    add("--idle", type=float, default=600.0, metavar="S", help="when a silent HTTP client is gone (default: 600)")
    add("-v", "--verbose", action="store_true", help="say on the error stream who connects and what is given back")
    return made


def read(words: Sequence[str], environment: Mapping[str, str], start: Path) -> Options:
    """The options of a command line.

    Raises:
        ArbeitError: INVALID_INPUT for a value that cannot be.
        SystemExit: argparse's, for words that it does not know, and for --help.
    """
    said = parser().parse_args(words)
    agent = said.agent if said.agent is not None else environment.get("ARBEIT_AGENT") or None
    if not 1 <= said.idle <= _LONGEST_IDLE:
        raise _bad("--idle must be 1 to 86400 seconds", "600 is the default.")
    ttl = said.ttl
    if ttl is not None and not (math.isfinite(ttl) and ttl > 0):
        raise _bad("--ttl must be a number of seconds", "60 is usual.")
    capabilities = tuple(said.capability) if said.capability else None
    _check(agent, capabilities, ttl)
    return Options(
        whereabouts=Whereabouts(said.db, environment, start),
        project=said.project if said.project is not None else environment.get("ARBEIT_PROJECT") or None,
        agent=agent,
        profile=said.profile,
        capabilities=capabilities,
        ttl=ttl,
        idle=said.idle,
        address=_address(said.http, said.token_env, tuple(said.allow_host), environment),
        verbose=said.verbose,
    )


def _check(agent: str | None, capabilities: tuple[str, ...] | None, ttl: float | None) -> None:
    """Refuse at once what every claim would be refused for."""
    name = agent if agent is not None else "mcp"
    length = round(ttl * 1_000_000) if ttl is not None else None
    commands.ClaimTasks(actor=name, agent=name, capabilities=capabilities, ttl=length)


def _address(
    said: str | None, variable: str | None, names: tuple[str, ...], environment: Mapping[str, str]
) -> Address | None:
    if said is None:
        if variable is not None or names:
            raise _bad("--token-env and --allow-host are about --http", "Add --http 127.0.0.1:8000.")
        return None
    host, colon, port = said.rpartition(":")
    if not colon or not port.isascii() or not port.isdigit() or int(port) > 65535:  # noqa: PLR2004 - the highest port
        raise _bad(f"--http {said[:80]} is not HOST:PORT", "Such as 127.0.0.1:8000, or [::1]:8000.")
    token = None
    if variable is not None:
        token = environment.get(variable, "")
        if len(token) < _SHORTEST_TOKEN or not token.isascii() or token.strip() != token:
            raise _bad(
                f"the variable {variable} holds no token of {_SHORTEST_TOKEN} ASCII characters or more",
                "Make one: python -c 'import secrets; print(secrets.token_urlsafe())'.",
            )
    return Address(host.removeprefix("[").removesuffix("]"), int(port), token, names)


def _bad(message: str, hint: str) -> ArbeitError:
    return ArbeitError(Code.INVALID_INPUT, message, suggestions=(hint,))
