"""An advisory lock on a file beside the database: one writer at a time, in turn, across processes."""

# ruff: noqa: PTH120, PTH123 - pathlib would take a twentieth of a command-line call

from __future__ import annotations

import os
from threading import Lock
from types import TracebackType

from arbeit.core.errors import ArbeitError, Code

try:
    import fcntl
except ImportError:  # pragma: no cover - Windows
    fcntl = None  # type: ignore[assignment]  # its absence is handled where it is used

_NETWORK = frozenset({"nfs", "nfs4", "cifs", "smb3", "smbfs", "9p", "afs", "ceph", "glusterfs", "lustre", "fuse.sshfs"})


def refuse_network(path: str | os.PathLike[str], mounts: str = "/proc/self/mounts") -> None:
    """Refuse a file on a network file system, where locks and shared memory do not hold.

    Raises:
        ArbeitError: STORE_UNAVAILABLE. Where mounts cannot be read (not Linux), nothing is refused.
    """
    try:
        with open(mounts, encoding="utf-8", errors="replace") as file:
            lines = file.read().splitlines()
    except OSError:
        return
    best = ("", "")
    place = os.path.realpath(os.path.dirname(path) or ".") + "/"
    for line in lines:
        parts = line.split(" ")
        if len(parts) < 3:  # noqa: PLR2004 - device, mount point, type
            continue
        point, kind = parts[1].replace("\\040", " "), parts[2]
        if place.startswith(point.rstrip("/") + "/") and len(point) >= len(best[0]):
            best = (point, kind)
    if best[1] in _NETWORK:
        raise ArbeitError(
            Code.STORE_UNAVAILABLE,
            f"{path} lies on a network file system ({best[1]} at {best[0]}), where SQLite's locks do not hold",
            suggestions=(
                "Put the file on a local disk.",
                "Use Postgres where several machines share a project.",
            ),
        )


class FileLock:
    """Exclusive among processes by flock(2), and among the threads of this one.

    Waiting on the kernel's queue is what keeps writers from starving each other: SQLite's own busy handler
    polls, and under load the unlucky poll for ever. The file is never deleted, or two processes could hold
    two locks of the same name.
    """

    def __init__(self, path: str) -> None:
        self._path = path
        self._threads = Lock()
        self._fd: int | None = None
        self._pid = 0

    def __enter__(self) -> None:
        self._threads.acquire()
        try:
            if fcntl is not None:
                fcntl.flock(self._descriptor(), fcntl.LOCK_EX)
        except BaseException:
            self._threads.release()
            raise

    def __exit__(
        self, _kind: type[BaseException] | None, _error: BaseException | None, _trace: TracebackType | None
    ) -> None:
        try:
            if fcntl is not None and self._fd is not None:
                fcntl.flock(self._fd, fcntl.LOCK_UN)
        finally:
            self._threads.release()

    def _descriptor(self) -> int:
        # flock belongs to the open file, which a fork shares: a child opens its own.
        if self._fd is None or self._pid != os.getpid():
            self._fd = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
            self._pid = os.getpid()
        return self._fd

    def close(self) -> None:
        """Close the lock file; closing also gives the lock up."""
        if self._fd is not None and self._pid == os.getpid():
            os.close(self._fd)
        self._fd = None
