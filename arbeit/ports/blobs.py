"""The bytes of artifacts."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Protocol

from arbeit.core.declare import frozen


@frozen
class Blob:
    """Stored bytes: their SHA-256 in 64 lower-case hexadecimal digits, and how many they are."""

    sha256: str
    size: int


class BlobWriter(Protocol):
    """Takes the bytes of one blob; after `commit` or `abort`, `abort` does nothing and the rest is refused."""

    def write(self, chunk: bytes) -> None:
        """Append bytes. Raises LIMIT_EXCEEDED beyond `limits.ARTIFACT_BYTES`, and nothing is kept."""

    def commit(self) -> Blob:
        """Keep what was written, durably where the store is; what was there already is stored once."""

    def abort(self) -> None:
        """Forget what was written."""


class BlobStore(Protocol):
    """Keeps bytes under their SHA-256. Its methods block their caller and may be called from any thread."""

    blocking: bool
    """Its methods may wait for a disk, so an event loop calls them in a thread."""

    def write(self) -> BlobWriter:
        """Begin a blob."""

    def read(self, sha256: str, chunk: int = ...) -> Iterator[bytes]:
        """The bytes of a blob, so many at a time; the last come only once the checksum was found right.

        Raises ARTIFACT_NOT_FOUND where there is none, STORE_UNAVAILABLE where it is damaged.
        """

    def has(self, sha256: str) -> bool:
        """Whether a blob is there."""

    def delete(self, sha256: str) -> None:
        """Forget a blob, if it is there."""

    def close(self) -> None:
        """Release what is held; the store is not used afterwards."""
