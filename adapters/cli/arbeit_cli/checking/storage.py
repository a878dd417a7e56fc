"""Checks of the file: its kind, its place, its permissions, its pages. Everything is opened for reading only."""

from __future__ import annotations

import os
import shutil
import sqlite3
import tempfile
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from urllib.parse import quote

from arbeit_cli.checking.findings import Finding, fail, ok, warn

OURS = 0x41524254
"""SQLite's application_id of our files: "ARBT"."""
_NETWORK = frozenset({"nfs", "nfs4", "cifs", "smb3", "smbfs", "9p", "afs", "ceph", "glusterfs", "lustre", "fuse.sshfs"})
_FLEETING = frozenset({"tmpfs", "ramfs"})
_LITTLE = 100 << 20
_RESET_BUG = ((3, 7, 0), (3, 51, 2))
_RESET_FIXED = frozenset({(3, 44, 6), (3, 50, 7)})
_OTHERS = 0o077


def library(version: tuple[int, ...] = sqlite3.sqlite_version_info) -> Finding:
    """Which SQLite this is, and whether it is one that can lose a commit at a checkpoint."""
    name = ".".join(map(str, version))
    first, last = _RESET_BUG
    if first <= version <= last and version not in _RESET_FIXED:
        said = f"{name}, which can lose a commit at a checkpoint (the WAL-reset bug); Arbeit keeps clear of it"
        return ok("sqlite", f"{said}, so let no other program write to the file")
    return ok("sqlite", name)


def server(url: str) -> Finding:
    """How the schema of a Postgres database stands."""
    from arbeit import admin  # noqa: PLC0415 - for those alone who have such a database

    found = admin.status(url)
    where = f"Postgres {found.server}, schema {found.schema} at version {found.version}"
    if found.version > found.known:
        return warn("database", f"{where}; this Arbeit knows {found.known}", "Upgrade arbeit.")
    if found.pending:
        return fail("database", f"{where}, and {found.known} is wanted", "arbeit admin migrate brings it up to date.")
    if not found.secured:
        return warn("database", f"{where}, without row level security on every table", "arbeit admin migrate")
    return ok("database", f"{where}, as role {found.role}")


def file(path: Path) -> Iterator[Finding]:
    """Everything about a database file. After a failure nothing else is looked at, for it would fail alike."""
    try:
        size = path.stat().st_size
        with path.open("rb"):
            pass
    except OSError as error:
        yield fail("database", f"{path} cannot be read: {error.strerror}", "Look at the permissions of the file.")
        return
    yield from _place(path)
    yield from _permissions(path)
    yield from _pages(path, size)


def _place(path: Path) -> Iterator[Finding]:
    mounted = file_system(path)
    if mounted is not None:
        point, kind = mounted
        if kind in _NETWORK:
            advice = "Move the file to a disk of this machine; for several machines use a server."
            yield fail("file system", f"{kind} at {point}: SQLite's locks do not hold on a network", advice)
        elif kind in _FLEETING:
            yield warn("file system", f"{kind} at {point}: gone after a restart", "Move the file to a disk.")
        else:
            yield ok("file system", f"{kind} at {point}")
    free = shutil.disk_usage(path.parent).free
    if free < _LITTLE:
        yield warn("free space", f"{free >> 20} MiB", "Make room: a full disk refuses every change.")
    else:
        yield ok("free space", f"{free >> 30} GiB" if free >> 30 else f"{free >> 20} MiB")


def file_system(path: Path, mounts: Path = Path("/proc/self/mounts")) -> tuple[str, str] | None:
    """Where the file system of a path is mounted, and its kind; None where the system does not say."""
    real = str(path.resolve())
    best: tuple[str, str] | None = None
    try:
        lines = mounts.read_text(errors="replace").splitlines()
    except OSError:
        return None
    for line in lines:
        parts = line.split(" ")
        if len(parts) < 3:  # noqa: PLR2004 - device, place, kind
            continue
        point = parts[1].replace("\\040", " ")
        inside = real == point or real.startswith(point.rstrip("/") + "/")
        if inside and (best is None or len(point) >= len(best[0])):
            best = (point, parts[2])
    return best


def _permissions(path: Path) -> Iterator[Finding]:
    if not hasattr(os, "getuid"):
        return
    places = [path, *(one for one in (Path(f"{path}-wal"), Path(f"{path}.lock")) if one.exists())]
    unwritable = [str(one) for one in (*places, path.parent) if not os.access(one, os.W_OK)]
    if unwritable:
        said = f"you may not write to {', '.join(unwritable)}"
        yield fail("permissions", said, "Reading works; for changes, ask the owner for write access.")
    mode = path.stat().st_mode
    if mode & _OTHERS:
        # Others may be let in on purpose; the key of the lease tokens is in the file.
        said = f"{path} is open to others (mode {mode & 0o777:o})"
        yield warn("permissions", said, f"Unless that is meant: chmod 600 {path}")
    elif not unwritable:
        yield ok("permissions", "for its owner alone")


def _pages(path: Path, size: int) -> Iterator[Finding]:
    try:
        with closing(sqlite3.connect(f"file:{quote(str(path))}?mode=ro", uri=True, timeout=10)) as connection:
            mark = connection.execute("PRAGMA application_id").fetchone()[0]
            version = connection.execute("PRAGMA user_version").fetchone()[0]
            found = [row[0] for row in connection.execute("PRAGMA quick_check(3)")]
    except (sqlite3.Error, UnicodeDecodeError) as error:
        yield fail("database", f"{path}: {error}", "Bring back a backup: docs/how-to/share-a-file.md.")
        return
    if mark != OURS:
        said = "has no tables yet" if not size else "is a database of another program"
        yield fail("database", f"{path} {said}", "Name another file with --db, or make a project: arbeit init.")
        return
    if found != ["ok"]:
        said = f"{path} is damaged: {'; '.join(found)}"
        yield fail("database", said, "Stop every writer, keep a copy, and bring back a backup.")
        return
    yield ok("database", f"{path}, {size / 1e6:.1f} MB, every page is sound")
    known = schema_of_this_arbeit()
    if version > known:
        yield fail("schema", f"version {version}; this Arbeit knows {known}", "Upgrade arbeit.")
    elif version < known:
        advice = "Make a backup first if older programs use the file, too."
        yield warn("schema", f"version {version}; the next command brings it up to {known}", advice)
    else:
        yield ok("schema", f"version {version}")


def schema_of_this_arbeit() -> int:
    """The schema version that this Arbeit writes, seen on a file that it makes for this."""
    import arbeit.sync  # noqa: PLC0415 - a check among others

    with tempfile.TemporaryDirectory(prefix="arbeit-doctor-") as folder:
        path = Path(folder) / "fresh.db"
        with arbeit.sync.open(f"sqlite:///{quote(str(path))}"):
            pass
        with closing(sqlite3.connect(path)) as connection:
            version: int = connection.execute("PRAGMA user_version").fetchone()[0]
    return version
