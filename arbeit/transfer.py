"""Moves the bytes of artifacts in and out, a chunk at a time, in whatever way a session calls what may block."""

from __future__ import annotations

import os
import stat
from collections.abc import AsyncGenerator, AsyncIterable, Awaitable, Callable, Iterable, Iterator
from contextlib import AbstractContextManager, aclosing, contextmanager, suppress
from functools import cache
from pathlib import Path, PurePath
from typing import TYPE_CHECKING, Any, BinaryIO, cast

from arbeit.blobs import CHUNK, fresh_file
from arbeit.core.errors import ArbeitError, Code
from arbeit.core.limits import refuse
from arbeit.ports import Blob, BlobStore, BlobWriter

if TYPE_CHECKING:
    from mimetypes import MimeTypes

Source = bytes | bytearray | memoryview | os.PathLike[str] | BinaryIO | Iterable[bytes] | AsyncIterable[bytes]
"""Where bytes come from: themselves, a file by its path, an open file, or chunks of them."""
Call = Callable[..., Awaitable[Any]]
"""Calls a function that may block with these arguments, where it holds up nobody."""


NOTHING = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
"""The SHA-256 of no bytes at all."""
_END = object()
_UNKNOWN = "application/octet-stream"
_PACKED = {"gzip": "application/gzip", "bzip2": "application/x-bzip2", "xz": "application/x-xz"}
# Beside those that Python knows.
_KINDS = {
    ".diff": "text/x-diff",
    ".jsonl": "application/x-ndjson",
    ".log": "text/plain",
    ".ndjson": "application/x-ndjson",
    ".patch": "text/x-diff",
    ".toml": "application/toml",
    ".yaml": "application/yaml",
    ".yml": "application/yaml",
}


@cache
def _kinds() -> MimeTypes:
    # When first needed: few who import this attach anything. The machine's own tables are left out, so that a name
    # means the same everywhere.
    from mimetypes import MimeTypes  # noqa: PLC0415

    known = MimeTypes()
    for ending, kind in _KINDS.items():
        known.add_type(kind, ending)
    return known


def media_type_of(name: str) -> str:
    """The media type that the end of a name suggests; application/octet-stream where it suggests none."""
    endings = "".join(PurePath(name).suffixes[-2:]) if isinstance(name, str) else ""
    kind, packed = _kinds().guess_type(f"name{endings}")
    return _PACKED.get(packed, _UNKNOWN) if packed is not None else kind or _UNKNOWN


async def put(blobs: BlobStore, source: Source, call: Call) -> Blob:
    """Store what a source gives; nothing of it stays where the source or the store fails.

    Raises:
        ArbeitError: INVALID_INPUT for what is no source of bytes, LIMIT_EXCEEDED beyond `limits.ARTIFACT_BYTES`.
    """
    chunks = _chunks(source)
    store = call if blobs.blocking else _inline
    writer: BlobWriter = await store(blobs.write)
    try:
        if isinstance(chunks, AsyncIterable):
            async for chunk in chunks:
                await store(writer.write, chunk)
        else:
            # A file is read where that holds up nobody; what a caller's own iterable does is its own business.
            take = call if isinstance(chunks, _File) else _inline
            while (chunk := await take(next, chunks, _END)) is not _END:
                await store(writer.write, chunk)
        blob: Blob = await store(writer.commit)
    except BaseException:
        # Not awaited: whoever was cancelled waits for nothing any more.
        writer.abort()
        raise
    finally:
        if isinstance(chunks, _File):
            chunks.close()
    return blob


async def get(blobs: BlobStore, sha256: str, call: Call) -> AsyncGenerator[bytes, None]:
    """The bytes of a blob, a chunk at a time.

    Raises:
        ArbeitError: ARTIFACT_NOT_FOUND where they are not; STORE_UNAVAILABLE, instead of the last chunk, where they
            are damaged.
    """
    store = call if blobs.blocking else _inline
    chunks = await store(blobs.read, sha256, CHUNK)
    while (chunk := await store(next, chunks, None)) is not None:
        yield chunk


async def save(chunks: AsyncGenerator[bytes, None], path: str | os.PathLike[str], call: Call) -> None:
    """Write chunks into a file, which appears whole or not at all, in the place of an older one.

    Raises:
        ArbeitError: INVALID_INPUT where the file cannot be written, and whatever the chunks raise.
    """
    if not isinstance(path, str | os.PathLike):
        refuse("path", f"must be a path, not {type(path).__name__}")
    target = _Target(Path(path))
    async with aclosing(chunks):
        try:
            async for chunk in chunks:
                await call(target.write, chunk)
            await call(target.keep)
        except BaseException:
            target.forget()
            raise


async def _inline(function: Callable[..., Any], *args: object) -> Any:  # noqa: ANN401 - the function's own
    return function(*args)


def _chunks(source: Source) -> Iterator[bytes] | AsyncIterable[bytes]:
    if isinstance(source, bytes | bytearray | memoryview):
        data = memoryview(source).cast("B")
        return (bytes(data[at : at + CHUNK]) for at in range(0, len(data), CHUNK))
    if isinstance(source, os.PathLike):
        return _File(None, Path(source))
    if hasattr(source, "read"):
        return _File(cast("BinaryIO", source))
    if isinstance(source, AsyncIterable):
        return source
    if isinstance(source, Iterable) and not isinstance(source, str):
        return iter(source)
    raise ArbeitError(
        Code.INVALID_INPUT,
        f"an artifact is made of bytes, not of {type(source).__name__}",
        suggestions=("Give bytes, a pathlib.Path, a file opened in binary mode, or an iterable of bytes.",),
        data={"field": "data"},
    )


class _File:
    """The chunks of a file; one that was opened here is closed here."""

    def __init__(self, file: BinaryIO | None, path: Path | None = None) -> None:
        self._file = file
        self._path = path

    def __iter__(self) -> Iterator[bytes]:
        return self

    def __next__(self) -> bytes:
        with _refusing("the file to attach cannot be read", "data"):
            if self._file is None:
                assert self._path is not None  # noqa: S101 - one of the two was given
                self._file = _opened(self._path)
            data = self._file.read(CHUNK)
        if data == b"":
            raise StopIteration
        return data

    def close(self) -> None:
        """Close what was opened here."""
        if self._path is not None and self._file is not None:
            self._file.close()


def _opened(path: Path) -> BinaryIO:
    """A file or a pipe, open; a device may give bytes without end, or take them from another program."""
    file = path.open("rb")
    mode = os.fstat(file.fileno()).st_mode
    if stat.S_ISCHR(mode) or stat.S_ISBLK(mode):
        file.close()
        raise ArbeitError(
            Code.INVALID_INPUT,
            "a device cannot be attached",
            suggestions=("Give a file, or pipe what it gives.",),
            data={"field": "data"},
        )
    return file


class _Target:
    """A file that is written beside its place."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._beside: Path | None = None

    def write(self, chunk: bytes) -> None:
        """Append bytes."""
        with self._refusing():
            self._open().write(chunk)

    def keep(self) -> None:
        """Put what was written into its place."""
        with self._refusing():
            self._open().close()
            assert self._beside is not None  # noqa: S101 - opened by now
            self._beside.replace(self._path)

    def forget(self) -> None:
        """Delete what was written."""
        if self._beside is not None:
            with suppress(OSError):
                self._file.close()
            with suppress(OSError):
                self._beside.unlink(missing_ok=True)

    def _open(self) -> BinaryIO:
        if self._beside is None:
            number, self._beside = fresh_file(self._path.parent, ".arbeit-")
            self._file = os.fdopen(number, "wb")
        return self._file

    def _refusing(self) -> AbstractContextManager[None]:
        return _refusing(f"{self._path} cannot be written", "path")


@contextmanager
def _refusing(problem: str, field: str) -> Iterator[None]:
    try:
        yield
    except (OSError, ValueError) as error:
        said = getattr(error, "strerror", None) or type(error).__name__
        hint = "See that the path is right, and that this process may use it."
        raise ArbeitError(
            Code.INVALID_INPUT, f"{problem}: {said}", suggestions=(hint,), data={"field": field}
        ) from error
