"""Where the demo keeps its tasks: a SQLite file, or Postgres with Redis on servers of its own."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from urllib.parse import quote, urlencode

from arbeit import ArbeitError, Code

BACKENDS = ("sqlite", "postgres")


@contextmanager
def sqlite(db: Path | None, *, keep: bool) -> Iterator[tuple[str, str]]:
    """A file: the one named, or a temporary one. Its URL, and what it is called in front of people."""
    if db is not None:
        yield sqlite_url(db), str(db)
        return
    folder = Path(tempfile.mkdtemp(prefix="arbeit-demo-"))
    db = folder / "demo.db"
    try:
        yield sqlite_url(db), f"{db}{'' if keep else ' (temporary; --keep keeps it)'}"
    finally:
        if not keep:
            shutil.rmtree(folder, ignore_errors=True)


def sqlite_url(path: Path) -> str:
    """The URL of a file, whatever signs its name has."""
    return f"sqlite:///{quote(str(path.resolve()))}"


@contextmanager
def postgres() -> Iterator[tuple[str, str]]:
    """A Postgres and a Redis that are started for this run, on ports of their own, and stopped after it.

    Raises:
        ArbeitError: NOT_INITIALIZED where the programs are not installed.
    """
    try:
        from arbeit.testing.servers import MissingError, PostgresServer, RedisServer  # noqa: PLC0415 - where asked for
    except ModuleNotFoundError as error:
        raise _missing(str(error)) from error
    with ExitStack() as stack:
        try:
            database, redis = PostgresServer(durable=True), RedisServer()
        except MissingError as error:
            raise _missing(str(error)) from error
        for server in (database, redis):
            stack.callback(server.stop)
            server.start()
        # Each agent is a process: two connections are enough for one.
        options = urlencode({"pool": 2, "redis": redis.url})
        yield (
            f"{database.url}?{options}",
            f"Postgres on port {database.port}, Redis beside it on port {redis.port} (both stop with the demo)",
        )


def _missing(what: str) -> ArbeitError:
    return ArbeitError(
        Code.NOT_INITIALIZED,
        f"the servers of the demo are not installed ({what})",
        suggestions=("make demo BACKEND=postgres installs them.", "Or: pip install 'arbeit[demo-postgres]'"),
    )
