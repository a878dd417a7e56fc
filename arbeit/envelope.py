"""An event as one JSON object: what a line of an export says, and what every sink carries."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import datetime
from typing import Any

from arbeit.core.errors import ArbeitError, Code
from arbeit.core.limits import MAX_INTEGER, MAX_MOMENT
from arbeit.core.model import Event
from arbeit.core.record import builder, names_of, sparse
from arbeit.core.sound import unsound
from arbeit.wire import micros, rfc3339

ALWAYS = ("position", "type", "version", "at", "actor", "task_id")
"""The fields that every event is said with, in this order; others follow where they differ from their defaults."""
WITHOUT = frozenset({"project"})
"""A field that is not said: the id begins with it, and an export has it in its first line."""
_BESIDE = WITHOUT.union(ALWAYS)
_NAMES = names_of(Event)[1:]
_dump = json.JSONEncoder(ensure_ascii=False, separators=(",", ":"), allow_nan=False, check_circular=False).encode


def said_of(event: Event) -> dict[str, Any]:
    """What is said of an event: `kind`, `id`, the fields of `ALWAYS`, others; times as RFC 3339."""
    said: dict[str, Any] = {"kind": "event", "id": event.id}
    for name in ALWAYS:
        said[name] = getattr(event, name)
    if event.at <= MAX_MOMENT:
        said["at"] = rfc3339(event.at)
    said.update(sparse(Event, _BESIDE)(event))
    return said


def text_of(event: Event) -> bytes:
    """An event as one line of JSON, without the line's end: the same event gives the same bytes."""
    return _dump(said_of(event)).encode()


def read(body: bytes | str) -> Event:
    """The event that a message of a sink says.

    Raises:
        ArbeitError: INVALID_INPUT for what is no event of Arbeit's.
    """
    try:
        said = json.loads(body)
        project, _, position = said["id"].rpartition(".")
        event = event_of(said, project)
    except (ValueError, RecursionError, TypeError, KeyError, AttributeError) as error:
        raise _refused(f"is no event ({type(error).__name__})") from error
    if isinstance(event, str):
        raise _refused(f"is an event without a sound {event}")
    if not project or str(event.position) != position:
        raise _refused("is an event whose id is not that of its position")
    return event


def event_of(said: Mapping[str, Any], project: str) -> Event | str:
    """The event that is said, or the name of a field that is not sound."""
    try:
        at = moment(said.get("at"))
    except (TypeError, ValueError):
        at = None
    event: Event = builder(Event)(project, *(at if name == "at" else said.get(name) for name in _NAMES))
    if at is None:
        return "at"
    version = event.task_version
    return unsound(event) or ("task_version" if version is not None and not is_position(version) else event)


def is_position(value: object) -> bool:
    """Whether a value can be a position in a log, or a version of a task."""
    return isinstance(value, int) and not isinstance(value, bool) and 0 < value <= MAX_INTEGER


def moment(value: object) -> int | None:
    """Microseconds since 1970 from RFC 3339 text, or from what stands there where that has no words for it.

    Raises:
        TypeError, ValueError: for what is no moment.
    """
    if value is None or (isinstance(value, int) and not isinstance(value, bool)):
        return value
    if not isinstance(value, str):
        raise TypeError(value)
    at = datetime.fromisoformat(value)
    if at.tzinfo is None:
        raise ValueError(value)
    return micros(at)


def _refused(problem: str) -> ArbeitError:
    hint = "See that the message is one that a relay has published, byte for byte."
    return ArbeitError(Code.INVALID_INPUT, f"the message {problem}", suggestions=(hint,), data={"field": "body"})
