"""Where the bytes of artifacts are kept: content-addressed, in a folder or in memory."""

from __future__ import annotations

import os
import re
import time
from abc import ABC, abstractmethod
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from hashlib import sha256 as new_hash
from pathlib import Path
from threading import Lock
from typing import NoReturn

from arbeit.core.errors import ArbeitError, Code
from arbeit.core.limits import ARTIFACT_BYTES
from arbeit.ports import Blob

CHUNK = 256 * 1024
"""Bytes read at a time, where nobody asks for another number."""
_LEFTOVER_SECONDS = 24 * 3600
_SHA256 = re.compile(r"[0-9a-f]{64}")


class _Writer(ABC):
    """Counts and hashes what is written; a subclass keeps it."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._hash = new_hash(usedforsecurity=False)
        self._size = 0
        self._ended = False

    def write(self, chunk: bytes) -> None:
        """Append bytes. Raises INVALID_INPUT for what is none, LIMIT_EXCEEDED beyond the limit."""
        self._refuse_ended()
        if not isinstance(chunk, bytes | bytearray | memoryview):
            self.abort()
            raise ArbeitError(
                Code.INVALID_INPUT,
                f"an artifact is made of bytes, not of {type(chunk).__name__}",
                suggestions=("Encode text first: text.encode().",),
                data={"field": "data"},
            )
        data = bytes(chunk)
        self._size += len(data)
        if self._size > self._limit:
            self.abort()
            raise ArbeitError(
                Code.LIMIT_EXCEEDED,
                f"an artifact may have {self._limit} bytes; this one has more",
                suggestions=("Attach it in parts, or keep it elsewhere and give its address as evidence.",),
                data={"field": "data", "limit": self._limit},
            )
        self._hash.update(data)
        self._append(data)

    def commit(self) -> Blob:
        """Keep what was written."""
        self._refuse_ended()
        blob = Blob(self._hash.hexdigest(), self._size)
        self._keep(blob.sha256)
        self._ended = True
        return blob

    def abort(self) -> None:
        """Forget what was written; after an end, nothing."""
        if not self._ended:
            self._ended = True
            self._forget()

    def _refuse_ended(self) -> None:
        if self._ended:
            msg = "this writer has ended"
            raise ValueError(msg)

    @abstractmethod
    def _append(self, data: bytes) -> None: ...

    @abstractmethod
    def _keep(self, sha256: str) -> None: ...

    @abstractmethod
    def _forget(self) -> None: ...


class MemoryBlobs:
    """Blobs in memory, gone with the process."""

    blocking = False

    def __init__(self, *, limit: int = ARTIFACT_BYTES) -> None:
        self._limit = limit
        self._blobs: dict[str, bytes] = {}

    def write(self) -> _MemoryWriter:
        """Begin a blob."""
        return _MemoryWriter(self._blobs, self._limit)

    def read(self, sha256: str, chunk: int = CHUNK) -> Iterator[bytes]:
        """The bytes of a blob, so many at a time. Raises ARTIFACT_NOT_FOUND."""
        data = self._blobs.get(_address(sha256))
        if data is None:
            _missing(sha256)
        return (data[at : at + chunk] for at in range(0, len(data), chunk))

    def has(self, sha256: str) -> bool:
        """Whether a blob is there."""
        return _address(sha256) in self._blobs

    def delete(self, sha256: str) -> None:
        """Forget a blob, if it is there."""
        self._blobs.pop(_address(sha256), None)

    def close(self) -> None:
        """Forget everything."""
        self._blobs.clear()


class _MemoryWriter(_Writer):
    def __init__(self, blobs: dict[str, bytes], limit: int) -> None:
        super().__init__(limit)
        self._blobs = blobs
        self._parts = bytearray()

    def _append(self, data: bytes) -> None:
        self._parts += data

    def _keep(self, sha256: str) -> None:
        self._blobs.setdefault(sha256, bytes(self._parts))

    def _forget(self) -> None:
        self._parts.clear()


class NoBlobs:
    """For stores that keep no artifacts."""

    blocking = False

    def write(self) -> NoReturn:
        """Refuse. Raises NOT_INITIALIZED."""
        raise ArbeitError(
            Code.NOT_INITIALIZED,
            "this store keeps no artifacts",
            suggestions=("Give the address of what proves the work as evidence instead.",),
        )

    def read(self, sha256: str, chunk: int = CHUNK) -> NoReturn:  # noqa: ARG002 - as in the other stores
        """Raises ARTIFACT_NOT_FOUND."""
        _missing(_address(sha256))

    def has(self, sha256: str) -> bool:
        """Never."""
        return not _address(sha256)

    def delete(self, sha256: str) -> None:
        """Nothing is there."""
        _address(sha256)

    def close(self) -> None:
        """Nothing is held."""


class FileBlobs:
    """Blobs in a folder of their own: `sha256/ab/cdef...`, readable by their owner alone.

    A blob is written beside its place and moved there once it is on the disk, so a crash leaves whole blobs and
    leftovers, and leftovers older than a day go when the folder is next opened. The folder is made by the first write.
    """

    blocking = True

    def __init__(self, root: str | os.PathLike[str], *, limit: int = ARTIFACT_BYTES) -> None:
        self._root = Path(root)
        self._limit = limit
        self._making = Lock()
        self._sweep()

    def write(self) -> _FileWriter:
        """Begin a blob. Raises STORE_UNAVAILABLE where the folder cannot be written."""
        with _unavailable("written"):
            unfinished = self._folder("unfinished")
            number, path = fresh_file(unfinished, "blob-")
        return _FileWriter(self, number, path, self._limit)

    def read(self, sha256: str, chunk: int = CHUNK) -> Iterator[bytes]:
        """The bytes of a blob, so many at a time; the last come only once the checksum was found right.

        Raises:
            ArbeitError: ARTIFACT_NOT_FOUND at once; STORE_UNAVAILABLE on the way, where the file is damaged.
        """
        place = self.place(sha256)
        with _unavailable("read"):
            if not place.is_file():
                _missing(sha256)
        return _read(place, sha256, chunk)

    def has(self, sha256: str) -> bool:
        """Whether a blob is there; it is not looked into."""
        with _unavailable("read"):
            return self.place(sha256).is_file()

    def delete(self, sha256: str) -> None:
        """Forget a blob, if it is there."""
        with _unavailable("deleted"):
            self.place(sha256).unlink(missing_ok=True)

    def close(self) -> None:
        """Nothing is held between calls."""

    def place(self, sha256: str) -> Path:
        """Where a blob is kept. Raises INVALID_INPUT for what is no SHA-256, before any look at the disk."""
        address = _address(sha256)
        return self._root / "sha256" / address[:2] / address[2:]

    def keep(self, unfinished: Path, sha256: str) -> None:
        """Move a file that is on the disk to its place; an older one of the same content may have been damaged."""
        place = self.place(sha256)
        folder = self._folder("sha256", sha256[:2])
        unfinished.replace(place)
        _sync_folder(folder)

    def _folder(self, *names: str) -> Path:
        folder = self._root.joinpath(*names)
        if not folder.is_dir():
            with self._making:
                self._make(folder)
        return folder

    def _make(self, folder: Path) -> None:
        if folder.is_dir():
            return
        self._make(folder.parent)
        # Another process may be making it, too.
        folder.mkdir(mode=0o700, exist_ok=True)
        _sync_folder(folder.parent)

    def _sweep(self) -> None:
        """Delete what crashed writers left behind; who cannot delete it can still read."""
        before = time.time() - _LEFTOVER_SECONDS
        with suppress(OSError):
            for leftover in self._root.joinpath("unfinished").iterdir():
                with suppress(OSError):
                    if leftover.stat().st_mtime < before:
                        leftover.unlink()


class _FileWriter(_Writer):
    def __init__(self, blobs: FileBlobs, number: int, unfinished: Path, limit: int) -> None:
        super().__init__(limit)
        self._blobs = blobs
        self._unfinished = unfinished
        self._file = os.fdopen(number, "wb", buffering=0)

    def _append(self, data: bytes) -> None:
        with _unavailable("written"):
            rest = memoryview(data)
            while rest:
                rest = rest[self._file.write(rest) :]

    def _keep(self, sha256: str) -> None:
        try:
            with _unavailable("written"):
                os.fsync(self._file.fileno())
                self._file.close()
                self._blobs.keep(self._unfinished, sha256)
        except ArbeitError:
            self.abort()
            raise

    def _forget(self) -> None:
        # Whoever aborts has an error of his own to tell of.
        with suppress(OSError):
            self._file.close()
        with suppress(OSError):
            self._unfinished.unlink(missing_ok=True)


def fresh_file(folder: Path, prefix: str) -> tuple[int, Path]:
    """A new file for its owner alone, open for writing: its descriptor, and where it is."""
    path = folder / f"{prefix}{os.urandom(8).hex()}"
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_CLOEXEC", 0) | getattr(os, "O_BINARY", 0)
    return os.open(path, flags, 0o600), path


def _read(place: Path, sha256: str, chunk: int) -> Iterator[bytes]:
    digest = new_hash(usedforsecurity=False)
    with _unavailable("read"), place.open("rb", buffering=0) as file:
        held = b""
        while data := file.read(chunk):
            if held:
                yield held
            digest.update(data)
            held = data
    if digest.hexdigest() != sha256:
        raise ArbeitError(
            Code.STORE_UNAVAILABLE,
            f"the stored bytes of artifact {sha256} are damaged",
            suggestions=("Restore the file from a backup, or attach the same content again.",),
            data={"sha256": sha256},
        )
    if held:
        yield held


@contextmanager
def _unavailable(done: str) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise ArbeitError(
            Code.STORE_UNAVAILABLE,
            f"an artifact could not be {done}: {error.strerror or type(error).__name__}",
            suggestions=("See to the disk and the rights of the folder of artifacts, then try again.",),
            retryable=True,
        ) from error


def _sync_folder(folder: Path) -> None:
    # A name is on the disk once its folder is; Windows syncs no folders.
    if os.name == "nt":  # pragma: no cover
        return
    number = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(number)
    finally:
        os.close(number)


def _address(sha256: str) -> str:
    if not isinstance(sha256, str) or not _SHA256.fullmatch(sha256):
        raise ArbeitError(
            Code.INVALID_INPUT,
            "a blob is named by a SHA-256 in 64 lower-case hexadecimal digits",
            suggestions=("Take the sha256 of an artifact.",),
            data={"field": "sha256"},
        )
    return sha256


def _missing(sha256: str) -> NoReturn:
    raise ArbeitError(
        Code.ARTIFACT_NOT_FOUND,
        f"the bytes of artifact {sha256} are not here",
        suggestions=("Open Arbeit with the folder of artifacts that they were stored in.",),
        data={"sha256": sha256},
    )
