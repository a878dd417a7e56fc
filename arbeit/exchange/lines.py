"""The lines of an export: one JSON object each, with `kind`, an entity's fields, and times as RFC 3339."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, BinaryIO

from attrs import frozen

from arbeit import envelope
from arbeit.core import model
from arbeit.core.errors import ArbeitError, Code
from arbeit.core.limits import MAX_MOMENT
from arbeit.core.record import names_of, sparse
from arbeit.envelope import is_position
from arbeit.exchange.draft import invalid, label, legible
from arbeit.wire import rfc3339

VERSION = 1
LINE_BYTES = 16 * 1024 * 1024
"""The longest line of an export that is read: a fact of all the text that a command may carry, escaped twice, fits."""
LIVENESS = frozenset({"expires_at", "heartbeat_at", "last_seen_at"})
"""Fields that have no history, and that no line has."""
_TIMES = frozenset({"ends_by"})
_OBJECTS = frozenset({"metadata", "inputs", "outputs", "settings", "usage"})


@frozen
class Shape:
    """How one kind of entity stands on a line.

    Attributes:
        kind: what the store calls it.
        cls: its class.
        always: the fields that every line of the kind has, in this order; others stand there where they differ from
            their defaults.
        without: the fields that no line has: liveness, which has no history, and what is counted from other records.
    """

    kind: str
    cls: type
    always: tuple[str, ...]
    without: frozenset[str] = frozenset()


_SCHEDULED = frozenset({"tag", "remainder", "ready", "in_progress"})
_COUNTED = frozenset({"active_leases", "handed"})
SHAPES: Mapping[str, Shape] = {
    "project": Shape("project", model.Project, ("key", "name", "weight", "settings", "created_at")),
    "queue": Shape("queue", model.Queue, ("name", "weight", "paused", "created_at"), _SCHEDULED),
    "agent": Shape("agent", model.Agent, ("id", "name", "persona", "capabilities", "created_at"), LIVENESS | _COUNTED),
    "secret": Shape("secret", model.SecretRef, ("id", "name", "provider", "path", "created_at")),
    "task": Shape(
        "task",
        model.Task,
        ("id", "title", "status", "intent", "created_at", "updated_at"),
        frozenset({"rank_position"}),
    ),
    "relationship": Shape(
        "relationship", model.Relationship, ("id", "from_task_id", "to_task_id", "type", "metadata", "created_at")
    ),
    "context": Shape(
        "entry",
        model.ContextEntry,
        ("id", "task_id", "type", "content", "metadata", "superseded_by", "created_at"),
    ),
    "progress": Shape(
        "item", model.ProgressItem, ("id", "task_id", "content", "completed", "created_at", "completed_at")
    ),
    "session": Shape("session", model.SessionLink, ("id", "task_id", "session_id", "created_at")),
    "file": Shape("file", model.FileLink, ("id", "task_id", "path", "operation", "session_id", "created_at")),
    "artifact": Shape("artifact", model.Artifact, ("id", "task_id", "name", "media_type", "size", "sha256", "uri")),
    "run": Shape("run", model.Run, ("id", "task_id", "agent_id", "attempt", "started_at", "ended_at", "result")),
    "lease": Shape("lease", model.Lease, ("id", "task_id", "agent_id", "run_id", "fence", "ttl"), LIVENESS),
    "event": Shape("event", model.Event, envelope.ALWAYS, envelope.WITHOUT),
}
"""What lines there are, in the order of an export."""
OF_KIND: Mapping[str, str] = {shape.kind: name for name, shape in SHAPES.items()}
"""What a line calls each kind of the store."""

_dump = json.JSONEncoder(ensure_ascii=False, separators=(",", ":"), allow_nan=False, check_circular=False).encode


def header(project: str, head: model.Head) -> bytes:
    """The first line: of which project, and up to which event."""
    said = {"arbeit": VERSION, "kind": "export", "project": project, "position": head.position, "hash": head.hash}
    return _line(said)


def writer(kind: str) -> Callable[[Any], bytes]:
    """What makes a line of an entity, for a kind of the store."""
    name = OF_KIND[kind]
    if kind == "event":
        return lambda event: envelope.text_of(event) + b"\n"
    shape = SHAPES[name]
    timed = frozenset(one for one in names_of(shape.cls) if one.endswith("_at") or one in _TIMES)
    differing = sparse(shape.cls, shape.without.union(shape.always))
    objects = _OBJECTS.intersection(names_of(shape.cls))
    always = shape.always

    def write(entity: Any) -> bytes:  # noqa: ANN401 - an instance of the shape's class
        said: dict[str, Any] = {"kind": name}
        for one in always:
            said[one] = getattr(entity, one)
        said.update(differing(entity))
        for one in objects & said.keys():
            said[one] = _ordered(said[one])
        for one in timed & said.keys():
            at = said[one]
            if at is not None and at <= MAX_MOMENT:
                said[one] = rfc3339(at)
        return _line(said)

    return write


def _ordered(value: Any) -> Any:  # noqa: ANN401 - any JSON value
    """The same value with the keys of its objects sorted: stores keep what is in an object, and no order."""
    if isinstance(value, Mapping):
        return {key: _ordered(value[key]) for key in sorted(value)}
    return [_ordered(one) for one in value] if isinstance(value, tuple | list) else value


def _line(said: Mapping[str, Any]) -> bytes:
    return _dump(said).encode() + b"\n"


# -- reading -----------------------------------------------------------------------------------------------------


@frozen
class Header:
    """What the first line of an export says."""

    project: str
    position: int
    hash: str


def is_export(document: object) -> bool:
    """Whether a JSON object is the first line of an export, of whatever version."""
    return isinstance(document, Mapping) and "arbeit" in document and document.get("kind") == "export"


def header_of(document: object, name: str) -> Header:
    """What a first line says.

    Raises:
        ArbeitError: INVALID_INPUT for what is no header of an export; SCHEMA_TOO_NEW for one of a later version.
    """
    if not isinstance(document, Mapping) or not is_export(document):
        raise invalid(
            f"{name} is no export of Arbeit",
            'An export begins with a line such as {"arbeit": 1, "kind": "export", "project": "demo", ...}.',
        )
    version = document["arbeit"]
    if isinstance(version, int) and not isinstance(version, bool) and version > VERSION:
        raise ArbeitError(
            Code.SCHEMA_TOO_NEW,
            f"{name} is of version {legible(label(version))}; this Arbeit reads version {VERSION}",
            suggestions=("Upgrade Arbeit.",),
        )
    project, position, last = (document.get(one) for one in ("project", "position", "hash"))
    sound = version == VERSION and isinstance(project, str) and isinstance(last, str) and is_position(position)
    if not sound:
        raise invalid(f"{name} has a first line that says neither project nor where its log ends", "Export it anew.")
    return Header(str(project), int(str(position)), str(last))


def documents(path: Path) -> Iterator[tuple[int, dict[str, Any]]]:
    """The lines of an export as objects, each with its number; the first is the header. Blank lines are left out.

    Raises:
        ArbeitError: INVALID_INPUT for a file that cannot be read or a line that is no JSON object; LIMIT_EXCEEDED for
            a line of more than 16 MiB.
    """
    try:
        with path.open("rb") as stream:
            yield from _documents(stream, str(path))
    except (OSError, ValueError) as error:
        reason = (error.strerror if isinstance(error, OSError) else None) or str(error)
        raise invalid(f"cannot read {path}: {reason}", "Check the path.") from error


def _documents(stream: BinaryIO, name: str) -> Iterator[tuple[int, dict[str, Any]]]:
    number = 0
    while line := stream.readline(LINE_BYTES + 1):
        number += 1
        if len(line) > LINE_BYTES:
            raise ArbeitError(
                Code.LIMIT_EXCEEDED,
                f"line {number} of {name} is longer than {LINE_BYTES} bytes, the most a line of an export may have",
                suggestions=("See that the file is an export as it was written.",),
                data={"limit": LINE_BYTES, "line": number},
            )
        if line.isspace():
            continue
        yield number, _object(line, number, name)


def _object(line: bytes, number: int, name: str) -> dict[str, Any]:
    try:
        said = json.loads(line.decode())
    except (ValueError, RecursionError) as error:
        problem = f"line {number} of {name} is not JSON ({type(error).__name__})"
        raise invalid(problem, "Export it anew; a file that was cut short ends in half a line.", line=number) from error
    if not isinstance(said, dict):
        raise invalid(f"line {number} of {name} is no JSON object", "Export it anew.", line=number)
    return said


def event_of(said: Mapping[str, Any], project: str) -> model.Event:
    """The event that a line says.

    Raises:
        ArbeitError: INVALID_INPUT for a line that lacks a field of an event, or has one of another type.
    """
    event = envelope.event_of(said, project)
    if isinstance(event, str):
        raise invalid(f"event {legible(label(said.get('id')))} has no sound {event}", "Export it anew.")
    return event
