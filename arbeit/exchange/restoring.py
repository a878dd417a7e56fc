"""An export of Arbeit's own put back where there is nothing: its log as it was, and the state that the log gives."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from attrs import define, field, frozen

from arbeit.core.commands import RESTORED_EVENTS, RestoreEvents
from arbeit.core.errors import ArbeitError, Code
from arbeit.core.events import RecordErased
from arbeit.core.model import ZERO_HASH, Event
from arbeit.core.restoring import put_back
from arbeit.core.view import View
from arbeit.exchange.draft import invalid, label, legible
from arbeit.exchange.exporting import Progress
from arbeit.exchange.lines import SHAPES, Header, documents, event_of, header_of
from arbeit.project.base import session_of
from arbeit.wire import WIRE, check_hashes, fact_of

if TYPE_CHECKING:
    from arbeit.project import Project
    from arbeit.session import Session

_LINES = 500
"""How many lines are looked at in one step."""


@frozen
class Restored:
    """What a restore brought.

    Attributes:
        project: its key.
        position: the last event.
        hash: that event's hash, which is also the head's.
        continued: after which event it went on, where an earlier restore of the file had been cut short; else 0.
        records: how many lines of each kind the file has.
        missing: artifacts by id whose bytes were to be brought along and are not in the folder.
    """

    project: str
    position: int
    hash: str
    continued: int
    records: Mapping[str, int]
    missing: tuple[str, ...] = ()


async def restore(
    project: Project,
    source: str | os.PathLike[str],
    *,
    artifacts: str | os.PathLike[str] | None = None,
    progress: Progress | None = None,
) -> Restored:
    """Put an export back into a project that is not there yet: its log verbatim, and the state that the log gives.

    The whole file is checked before anything is written: its end is where its first line says, every hash matches,
    and the log folds, which takes the memory of the project's rows. Until the last event is there, the project takes
    no other command; a restore that was cut short goes on where it ended when it is called again with the same file.
    Leases that are alive get 60 seconds from then on; their tokens hold under the deployment key that they were
    derived with, and under no other.

    Args:
        project: a handle of the key that the export was made of: `hub.handle(key)`.
        source: the file.
        artifacts: the folder with the bytes of artifacts, each under its SHA-256.
        progress: called now and then with what is done.

    Raises:
        ArbeitError: ALREADY_INITIALIZED where the project exists; INVALID_INPUT for a file of another project, one
            that is damaged or cut short, or another one than the restore began with; SCHEMA_TOO_NEW for one that a
            later Arbeit wrote; LIMIT_EXCEEDED for a line of more than 16 MiB; FORBIDDEN.
    """
    if not isinstance(source, str | os.PathLike):
        raise invalid(f"source must be a path, not {type(source).__name__}")
    session, path = session_of(project), Path(source)
    done = await _standing(session, project)
    survey = _Survey(path, project.key, progress, project.actor)
    steps = survey.steps()
    while await session.beside(next, steps, None) is not None:
        pass
    missing = await _bring(session, survey, Path(artifacts), progress) if artifacts is not None else ()
    batches = survey.batches(done)
    while (command := await session.beside(next, batches, None)) is not None:
        await project.execute(command)
        if progress is not None:
            progress(command.events[-1].position, survey.header.position, "events")
    return Restored(project.key, survey.header.position, survey.header.hash, done, dict(survey.records), missing)


async def _standing(session: Session, project: Project) -> int:
    """The position after which to go on."""
    found = await session.overview(project.key, project.actor)
    if found is None:
        return 0
    if found.project.restoring is not None:
        return found.head.position
    raise ArbeitError(
        Code.ALREADY_INITIALIZED,
        f"project {project.key} exists already, with {found.head.position} events; a log is restored into none",
        suggestions=("Restore it in another database.", "Or import the file, which takes its records over one by one."),
        data={"project": project.key},
    )


@define
class _Survey:
    """A first look at the whole file, and then its events."""

    path: Path
    key: str
    progress: Progress | None
    actor: str
    header: Header = field(factory=lambda: Header("", 0, ZERO_HASH))
    records: Counter[str] = field(factory=Counter)
    blobs: dict[str, str] = field(factory=dict)
    """Digests of artifacts' bytes, each with the first such artifact."""
    _view: View = field(factory=lambda: View(""))
    """What the events looked at so far give; let go of once all were."""
    _position: int = 0
    _hash: str = ZERO_HASH
    _erased: dict[int, str] = field(factory=dict)
    """By position, the digest of what stands where an event's data was erased."""
    _left: dict[int, str] = field(factory=dict)
    """The same, as the erasures say it."""

    def steps(self) -> Iterator[bool]:
        """Look at the file, some lines at a time.

        Raises:
            ArbeitError: as `restore` does, for what is wrong with the file.
        """
        for at, (number, said) in enumerate(documents(self.path)):
            if at == 0:
                self._begin(said)
            else:
                self._look(number, said)
            if at % _LINES == 0:
                self._tell()
                yield True
        self._end()

    def _begin(self, said: Mapping[str, Any]) -> None:
        self._view = View(self.key, whole=True)
        self.header = header_of(said, str(self.path))
        if self.header.project != self.key:
            raise invalid(
                f"this is an export of project {legible(self.header.project)}, not of {self.key}",
                f"Restore it under the key {legible(self.header.project)}: hashes cover the key of their project.",
                "Or import the file, which takes its records over one by one.",
            )

    def _look(self, number: int, said: Mapping[str, Any]) -> None:
        kind = said.get("kind")
        if not isinstance(kind, str) or kind not in SHAPES:
            raise invalid(
                f"line {number} is of an unknown kind, {legible(label(kind))}", "Export it anew.", line=number
            )
        self.records[kind] += 1
        if kind == "artifact" and isinstance(said.get("sha256"), str) and said.get("uri") == f"sha256:{said['sha256']}":
            self.blobs.setdefault(said["sha256"], str(said.get("id")))
        if kind == "event":
            self._check(event_of(said, self.key), number)

    def _check(self, event: Event, number: int) -> None:
        self._position += 1
        if event.position != self._position:
            raise invalid(
                f"event {event.position} stands on line {number}, where {self._position} is next",
                "Export it anew: an event is missing, or stands in another place.",
                line=number,
            )
        digest = WIRE.digest(event.data)
        if digest != event.data_hash:
            self._erased[event.position] = digest
        wrong = check_hashes(event, self._hash, self._erased)
        if wrong is not None:
            raise invalid(f"event {event.position} on line {number} {wrong}", "Export it anew.", line=number)
        try:
            fact = fact_of(event)
        except (AttributeError, KeyError, TypeError, ValueError, RecursionError) as error:
            problem = f"event {event.position} on line {number} has data that is no {legible(event.type)}"
            raise invalid(problem, "Export it anew.", line=number) from error
        unfit = put_back(self._view, event, fact)
        if unfit is not None:
            # Found only when its batch is written, it would leave the batches before it there for good: a project that
            # takes nothing but the rest of a log which never comes.
            raise invalid(f"event {event.position} on line {number} {unfit}", "Export it anew.", line=number)
        if isinstance(fact, RecordErased):
            self._left.update(dict(fact.events))
        self._hash = event.hash

    def _end(self) -> None:
        self._view = View(self.key)
        if not self.header.position:
            raise invalid(f"{self.path} is empty", "Export it anew.")
        if (self._position, self._hash) != (self.header.position, self.header.hash):
            raise invalid(
                f"{self.path} has {self._position} events, and its first line says {self.header.position}",
                "Export it anew: this file was cut short, or put together from several.",
            )
        for position, digest in self._erased.items():
            if self._left.get(position) != digest:
                raise invalid(f"event {position} has data that does not match its hash", "Export it anew.")

    def _tell(self) -> None:
        if self.progress is not None:
            self.progress(self.records.total(), None, "lines checked")

    def batches(self, after: int) -> Iterator[RestoreEvents]:
        """The events beyond a position, as commands."""
        events: list[Event] = []
        for _, said in documents(self.path):
            if said.get("kind") != "event":
                continue
            event = event_of(said, self.key)
            if event.position <= after:
                continue
            events.append(event)
            if len(events) == RESTORED_EVENTS:
                yield self._command(events)
                events = []
        if events:
            yield self._command(events)

    def _command(self, events: list[Event]) -> RestoreEvents:
        erased = ((one.position, self._erased[one.position]) for one in events if one.position in self._erased)
        return RestoreEvents(actor=self.actor, events=tuple(events), upto=self.header.position, erased=tuple(erased))


async def _bring(session: Session, survey: _Survey, folder: Path, progress: Progress | None) -> tuple[str, ...]:
    """Store the bytes of artifacts that are in a folder; those that are not there, by artifact."""
    missing = []
    for done, (sha256, artifact_id) in enumerate(survey.blobs.items(), start=1):
        place = folder / sha256
        if not await session.beside(place.is_file):
            missing.append(artifact_id)
            continue
        stored = await session.store_blob(place)
        if stored.sha256 != sha256:
            await session.forget_blob(stored.sha256)
            raise invalid(
                f"{place} does not hold the bytes of artifact {artifact_id}: its SHA-256 is {stored.sha256}",
                "Bring the folder that was written with the export.",
            )
        if progress is not None:
            progress(done, len(survey.blobs), "artifact bytes")
    return tuple(missing)
