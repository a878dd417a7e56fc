"""A project as JSON Lines: everything that is known of it as of one moment, its log verbatim among it."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import AsyncGenerator, Callable, Mapping
from contextlib import aclosing
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO, Protocol

from attrs import define, field, frozen

from arbeit import transfer
from arbeit.core.errors import ArbeitError, Code, project_not_found
from arbeit.core.limits import refuse
from arbeit.core.model import Artifact, Head
from arbeit.exchange.lines import OF_KIND, header, writer
from arbeit.project.base import session_of

if TYPE_CHECKING:
    from arbeit.project import Project
    from arbeit.session import Session

Progress = Callable[[int, int | None, str], None]
"""Told how much is done, of how much if that is known, and of what."""


class Sink(Protocol):
    """A file that is open for writing bytes."""

    def write(self, data: bytes, /) -> Any:  # noqa: ANN401 - how much was written, which nobody asks here
        """Take bytes."""


@frozen
class Exported:
    """What an export holds.

    Attributes:
        project: its key.
        position: the last event in it; everything else is as it was right after that.
        hash: that event's hash.
        records: how many lines of each kind there are.
        missing: artifacts by id whose bytes were asked for and are not stored.
    """

    project: str
    position: int
    hash: str
    records: Mapping[str, int]
    missing: tuple[str, ...] = ()


async def export(
    project: Project,
    target: str | os.PathLike[str] | BinaryIO | Sink,
    *,
    artifacts: str | os.PathLike[str] | None = None,
    progress: Progress | None = None,
) -> Exported:
    """Write a project as JSON Lines: a header, then one object a line; see docs/reference/export.md.

    All of it is as of one position of the log. The same state gives the same bytes. Memory does not grow with the
    project where the store streams (SQLite does).

    Args:
        project: whose records; its actor must see all of it.
        target: a path, where the file appears whole or not at all; or a file that is open for writing bytes.
        artifacts: a folder for the bytes of artifacts, each under its SHA-256; what is there already stays.
        progress: called now and then with what is done.

    Raises:
        ArbeitError: PROJECT_NOT_FOUND; FORBIDDEN to those who do not see all of it; INVALID_TRANSITION while it is
            being restored; INVALID_INPUT where the file or folder cannot be written.
    """
    session, export_ = session_of(project), _Export(project.key, progress)
    lines = export_.lines(session, project.actor)
    if isinstance(target, str | os.PathLike):
        await transfer.save(lines, Path(target), session.beside)
    elif callable(getattr(target, "write", None)):
        async with aclosing(lines):
            async for chunk in lines:
                target.write(chunk)
    else:
        await lines.aclose()
        refuse("target", f"must be a path or a file that is open for writing bytes, not {type(target).__name__}")
    missing = await export_.save(session, Path(artifacts)) if artifacts is not None else ()
    return Exported(project.key, export_.head.position, export_.head.hash, dict(export_.records), missing)


@define
class _Export:
    project: str
    progress: Progress | None
    head: Head = field(factory=Head)
    records: Counter[str] = field(factory=Counter)
    bytes_of: dict[str, str] = field(factory=dict)
    """Digests of bytes that artifacts stand for, each with the first such artifact."""

    async def lines(self, session: Session, actor: str) -> AsyncGenerator[bytes, None]:
        """The whole export, some lines at a time."""
        chunks = session.dump(self.project, actor)
        async with aclosing(chunks):
            async for kind, entities in chunks:
                yield await session.beside(self._written, kind, entities)
        if not self.head.position:
            raise project_not_found(self.project)

    def _written(self, kind: str, entities: list[Any]) -> bytes:
        if kind == "head":
            self.head = entities[0]
            return header(self.project, self.head)
        if kind == "project" and entities[0].restoring is not None:
            raise ArbeitError(
                Code.INVALID_TRANSITION,
                f"project {self.project} is being restored, so it is not whole yet",
                suggestions=("Export it once that has ended.",),
                data={"project": self.project},
            )
        if kind == "artifact":
            self._remember(entities)
        text = b"".join(map(writer(kind), entities))
        self.records[OF_KIND[kind]] += len(entities)
        self._tell(self.records[OF_KIND[kind]], self.head.position if kind == "event" else None, OF_KIND[kind])
        return text

    def _remember(self, artifacts: list[Artifact]) -> None:
        for one in artifacts:
            if one.uri == f"sha256:{one.sha256}":
                self.bytes_of.setdefault(one.sha256, one.id)

    def _tell(self, done: int, total: int | None, what: str) -> None:
        if self.progress is not None:
            self.progress(done, total, what)

    async def save(self, session: Session, folder: Path) -> tuple[str, ...]:
        """Put the bytes of artifacts into a folder; those that are not stored, by artifact."""
        await session.beside(_make, folder)
        missing = []
        for done, (sha256, artifact_id) in enumerate(self.bytes_of.items(), start=1):
            place = folder / sha256
            if not await session.beside(place.exists):
                try:
                    await session.save_blob(sha256, place)
                except ArbeitError as error:
                    if error.code is not Code.ARTIFACT_NOT_FOUND:
                        raise
                    missing.append(artifact_id)
            self._tell(done, len(self.bytes_of), "artifact bytes")
        return tuple(missing)


def _make(folder: Path) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except (OSError, ValueError) as error:
        reason = (error.strerror if isinstance(error, OSError) else None) or str(error)
        refuse("artifacts", f"cannot be used as a folder: {reason}")
