"""A server as a process of ours: one folder, one port, and an end that comes whatever happens."""

from __future__ import annotations

import os
import pwd
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from abc import ABC, abstractmethod
from collections.abc import Sequence
from importlib.util import find_spec
from pathlib import Path
from types import TracebackType
from typing import IO, Self

from arbeit.core.errors import ArbeitError, Code
from arbeit.testing.servers import reaper

HOST = "127.0.0.1"
_STARTING = 60.0
"""Seconds after which a server that is not ready never will be."""
_NOBODY = "nobody"


class MissingError(ArbeitError):
    """The program of a server is not on this machine."""


def missing(what: str, how: str) -> MissingError:
    """The error for a program that is not there, and how to come by it."""
    return MissingError(Code.STORE_UNAVAILABLE, f"there is no {what} on this machine", suggestions=(how,))


def free_port() -> int:
    """A TCP port of 127.0.0.1 that nobody listens on at this moment."""
    with socket.socket() as listening:
        listening.bind((HOST, 0))
        return int(listening.getsockname()[1])


def package_folder(package: str) -> Path | None:
    """Where an installed package lies, without importing it."""
    spec = find_spec(package)
    places = spec.submodule_search_locations if spec is not None else None
    return Path(next(iter(places))) if places else None


class Server(ABC):
    """A server process: `start` returns when it answers; `stop`, or the end of this process, removes its folder.

    Attributes:
        folder: everything it writes; temporary.
        port: where it listens on 127.0.0.1; the same after a restart.
    """

    name = "server"
    gentle = signal.SIGTERM
    """The signal that asks it to end."""
    drops_root = False
    """Whether it refuses to run as root: then it runs as nobody."""

    def __init__(self, *, port: int | None = None) -> None:
        """Nothing is started yet. The port is a free one by default."""
        self.port = free_port() if port is None else port
        self.folder = Path(tempfile.mkdtemp(prefix=f"arbeit-{self.name}-"))
        self.user = pwd.getpwnam(_NOBODY) if self.drops_root and os.geteuid() == 0 else None
        self._own(self.folder)
        self._process: subprocess.Popen[bytes] | None = None
        script = [sys.executable, "-S", "-E", str(Path(reaper.__file__)), str(self.folder)]
        self._reaper = subprocess.Popen(script, stdin=subprocess.PIPE, start_new_session=True)  # noqa: S603 - ours

    # -- what kinds of servers say -------------------------------------------------------------------------------------

    @abstractmethod
    def command(self) -> Sequence[str | Path]:
        """The command line; called before each start."""

    @abstractmethod
    def answers(self) -> bool:
        """Whether it serves by now."""

    # -- life ----------------------------------------------------------------------------------------------------------

    def start(self, *, timeout: float = _STARTING) -> Self:
        """Start it, and wait until it answers; after `kill`, on what the dead one left.

        Raises:
            RuntimeError: it ended, or does not answer after `timeout` seconds; with the end of its log.
        """
        if self.running:
            return self
        with self.log_file.open("ab") as log:
            self._process = self._popen(self.command(), log)
        (self.folder / "pid").write_text(str(self._process.pid))
        until = time.monotonic() + timeout
        while not self.answers():
            if self._process.poll() is not None or time.monotonic() > until:
                said = self.log()[-2000:]
                self._forget()
                message = f"{self.name} did not start; its log ends with:\n{said}"
                raise RuntimeError(message)
            time.sleep(0.01)
        return self

    def shut_down(self, number: int | None = None) -> None:
        """End the process by a signal that it heeds, and keep its folder for another `start`."""
        if self._process is not None:
            reaper.tell(reaper.family(self._process.pid), signal.SIGCONT)
            self._process.send_signal(self.gentle if number is None else number)
            try:
                self._process.wait(30)
            except subprocess.TimeoutExpired:
                reaper.kill(self._process.pid)
            self._forget()

    def kill(self) -> None:
        """SIGKILL for it and its children, at this moment; what it had written stays for another `start`."""
        if self._process is not None:
            reaper.kill(self._process.pid)
            self._forget()

    def restart(self) -> None:
        """An orderly end, and a new start."""
        self.shut_down()
        self.start()

    def freeze(self) -> None:
        """SIGSTOP for it and its children: connections stay, and nothing is said any more."""
        reaper.tell(reaper.family(self.pid), signal.SIGSTOP)

    def thaw(self) -> None:
        """Let it go on after `freeze`."""
        reaper.tell(reaper.family(self.pid), signal.SIGCONT)

    def stop(self) -> None:
        """End it, and remove its folder. Nothing happens the second time."""
        self.shut_down()
        if self._reaper.stdin is not None and not self._reaper.stdin.closed:
            self._reaper.stdin.close()
        self._reaper.wait(30)

    def __enter__(self) -> Self:
        try:
            return self.start()
        except BaseException:
            self.stop()
            raise

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    # -- what can be seen ----------------------------------------------------------------------------------------------

    @property
    def running(self) -> bool:
        """Whether its process lives."""
        return self._process is not None and self._process.poll() is None

    @property
    def pid(self) -> int:
        """The id of its first process, which must live."""
        assert self._process is not None, f"{self.name} does not run"
        return self._process.pid

    @property
    def log_file(self) -> Path:
        """What it writes to stdout and stderr."""
        return self.folder / "log"

    def log(self) -> str:
        """Everything it has said so far."""
        return self.log_file.read_text(errors="replace") if self.log_file.exists() else ""

    def listens(self) -> bool:
        """Whether somebody accepts connections at its port."""
        try:
            socket.create_connection((HOST, self.port), timeout=1).close()
        except OSError:
            return False
        return True

    # -- for kinds of servers ------------------------------------------------------------------------------------------

    def _popen(self, command: Sequence[str | Path], log: IO[bytes]) -> subprocess.Popen[bytes]:
        # A session of its own: Ctrl-C at a terminal is for whoever started the tests.
        arguments = [str(part) for part in command]
        user = self.user.pw_uid if self.user is not None else None
        group = self.user.pw_gid if self.user is not None else None
        return subprocess.Popen(  # noqa: S603 - programs that we found ourselves
            arguments,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            cwd=self.folder,
            user=user,
            group=group,
            extra_groups=None if user is None else [],
            start_new_session=True,
        )

    def _own(self, path: Path) -> None:
        """Give a file or folder to the user that the server runs as."""
        if self.user is not None:
            shutil.chown(path, self.user.pw_uid, self.user.pw_gid)

    def _forget(self) -> None:
        assert self._process is not None
        if self._process.poll() is None:
            reaper.kill(self._process.pid)
        self._process.wait()
        self._process = None
        (self.folder / "pid").unlink(missing_ok=True)
