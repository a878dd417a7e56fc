"""How facts, replies and commands look as text: canonical JSON, tags, versions, and digests.

Canonical JSON is one line, keys sorted, no spaces, UTF-8 kept as it is, fields at their defaults left out.
It is written once, stored as text, and never re-serialised by a database.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from functools import cache
from typing import Any

from arbeit.core import commands as c
from arbeit.core import events, model
from arbeit.core.codec import header_of
from arbeit.core.errors import ArbeitError, Code, Rejection
from arbeit.core.limits import MAX_MOMENT
from arbeit.core.model import Event, Frozen, Reply, freeze
from arbeit.core.record import sparse

_NOTHING: frozenset[str] = frozenset()


def _make_encoder() -> Callable[[Any], str]:
    """Canonical JSON by the C encoder made once; JSONEncoder.encode makes it anew for each call."""
    python = json.JSONEncoder(
        ensure_ascii=False, sort_keys=True, separators=(",", ":"), allow_nan=False, check_circular=False
    )
    make = getattr(json.encoder, "c_make_encoder", None)
    if make is None:  # pragma: no cover - interpreters without the C accelerator
        return python.encode
    encoder = make(None, python.default, json.encoder.encode_basestring, None, ":", ",", True, False, False)  # noqa: FBT003 - sorted keys
    return lambda value: "".join(encoder(value, 0))


_encode = _make_encoder()
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_FIRST = -62_135_596_800_000_000
"""The beginning of the year 1 in microseconds since 1970."""


def canonical(value: Any) -> str:  # noqa: ANN401 - any JSON value
    """The one text of a JSON value."""
    return _encode(value)


def utc(at: int) -> datetime:
    """An aware datetime for a time in microseconds since 1970."""
    return _EPOCH + timedelta(microseconds=at)


def micros(at: datetime) -> int:
    """Microseconds since 1970 for an aware datetime.

    Raises:
        ArbeitError: INVALID_INPUT for a datetime without a time zone, whose moment nobody can tell.
    """
    if at.tzinfo is None:
        raise ArbeitError(
            Code.INVALID_INPUT,
            "a time needs a time zone",
            suggestions=("Use datetime.now(timezone.utc) or datetime(..., tzinfo=...).",),
        )
    return (at - _EPOCH) // timedelta(microseconds=1)


def rfc3339(at: int) -> str:
    """A time in microseconds since 1970 as RFC 3339 text in UTC; milliseconds where that is exact."""
    # A row that was written before moments were bounded must not keep all others from being shown.
    at = min(max(at, _FIRST), MAX_MOMENT)
    spec = "milliseconds" if at % 1000 == 0 else "microseconds"
    return utc(at).isoformat(timespec=spec).replace("+00:00", "Z")


def _fields(record: object, leave_out: frozenset[str] = _NOTHING) -> dict[str, Any]:
    """A record's fields that are not at their defaults."""
    return sparse(type(record), leave_out)(record)


@cache
def _sha256() -> Callable[[bytes], Any]:
    # When first needed: it loads OpenSSL, and lists and reads of a command line hash nothing.
    from hashlib import sha256  # noqa: PLC0415

    return sha256


class Wire:
    """The codec of version 1."""

    def data(self, fact: events.Fact) -> str:
        """A fact's data as canonical JSON."""
        return _encode(_fields(fact, events.HEADER_FIELDS))

    def fact(self, event: Event) -> events.Fact:
        """The fact that an event records, brought up to today's version."""
        return fact_of(event)

    def reply(self, reply: Reply) -> str:
        """A reply as canonical JSON that `read_reply` reads back."""
        return _encode(_plain(reply))

    def read_reply(self, text: str) -> Reply:
        """The reply that a stored text says."""
        return read_reply(text)

    def fingerprint(self, command: c.Command) -> str:
        """A digest of what a command asks for."""
        return self.digest(_encode((command.operation, _body(command))))

    def digest(self, text: str) -> str:
        """SHA-256 (FIPS 180-4) of UTF-8 text, in hexadecimal."""
        digest: str = _sha256()(text.encode()).hexdigest()
        return digest

    def chain(self, prev_hash: str, header: Sequence[object]) -> str:
        """SHA-256 over the canonical JSON list of the hash before and the header."""
        return self.digest(_encode((prev_hash, *header)))


WIRE = Wire()


def _body(command: c.Command) -> dict[str, Any]:
    body = _fields(command, c.HEADER_FIELDS)
    if "events" in body:
        body["events"] = [event.hash for event in body["events"]]
    if isinstance(command, c.RenewLeases):
        body["items"] = [(item.actor, _body(item)) for item in command.items]
    then = body.get("then_claim")
    if then is not None:
        body["then_claim"] = _body(then)
    return body


# -- replies ---------------------------------------------------------------------------------------------

_SINGLE: Mapping[str, type] = {
    "project": model.Project,
    "queue": model.Queue,
    "agent": model.Agent,
    "task": model.Task,
    "relationship": model.Relationship,
    "run": model.Run,
    "session": model.SessionLink,
    "file": model.FileLink,
    "artifact": model.Artifact,
    "secret": model.SecretRef,
    "explanation": model.Explanation,
}
_MANY: Mapping[str, type] = {
    "entries": model.ContextEntry,
    "items": model.ProgressItem,
    "warnings": model.Notice,
    "grants": model.Grant,
    "renewals": model.Renewal,
}
_PARTS: Mapping[type, Mapping[str, type]] = {
    model.Grant: {"task": model.Task, "lease": model.Lease, "run": model.Run},
    model.Explanation: {"passed": model.Passed},
    model.Renewal: {"warnings": model.Notice, "refused": Rejection},
    Rejection: {"code": Code},
}
_RECORDS: Mapping[type, tuple[str, ...]] = {
    Reply: (*_SINGLE, *_MANY),
    model.Grant: ("task", "lease", "run"),
    model.Explanation: ("passed",),
    model.Renewal: ("warnings", "refused"),
}
"""Which fields of a class hold records; all others hold JSON values."""


def _plain(record: object) -> dict[str, Any]:
    """A record as JSON values, the records inside it included."""
    said = _fields(record)
    for name in _RECORDS.get(type(record), ()):
        value = said.get(name)
        if value is not None:
            said[name] = [_plain(item) for item in value] if isinstance(value, tuple) else _plain(value)
    return said


def read_reply(text: str) -> Reply:
    """The reply that a stored text says."""
    said = json.loads(text)
    parts: dict[str, Any] = {}
    for name, value in said.items():
        if name in _SINGLE:
            parts[name] = structure(_SINGLE[name], value)
        elif name in _MANY:
            parts[name] = tuple(structure(_MANY[name], item) for item in value)
        else:
            parts[name] = value
    return Reply(**parts)


def structure(cls: type, said: Mapping[str, Any]) -> Any:  # noqa: ANN401 - an instance of cls
    """Build a record of our own classes from JSON values that this module wrote."""
    parts = _PARTS.get(cls, {})
    return cls(**{name: _part(parts.get(name), value) for name, value in said.items()})


def _part(cls: type | None, value: Any) -> Any:  # noqa: ANN401 - any field
    if cls is None:
        return freeze(value)
    if cls is Code:
        return Code(value)
    return tuple(structure(cls, item) for item in value) if isinstance(value, list) else structure(cls, value)


# -- events ----------------------------------------------------------------------------------------------

UPCASTERS: Mapping[tuple[str, int], Callable[[dict[str, Any]], dict[str, Any]]] = {}
"""By (tag, version): turns data of that version into data of the next. None yet: every fact is at version 1."""


def fact_of(event: Event) -> events.Fact:
    """The fact that an event records, brought up to today's version.

    Raises:
        ArbeitError: SCHEMA_TOO_NEW for a fact that this version of Arbeit does not know.
    """
    cls = events.FACTS.get(event.type)
    if cls is None or event.version > cls.version:
        raise ArbeitError(
            Code.SCHEMA_TOO_NEW,
            f"event {event.id} is {event.type} version {event.version}, which this Arbeit does not know",
            suggestions=("Upgrade arbeit.",),
        )
    said = json.loads(event.data)
    for version in range(event.version, cls.version):
        said = UPCASTERS[event.type, version](said)
    values = {name: value if isinstance(value, str | int) else freeze(value) for name, value in said.items()}
    if issubclass(cls, events.TaskFact):
        values["task_id"], values["run_id"] = event.task_id, event.run_id
    return cls(**values)


def changed_fields(fact: events.Fact) -> Mapping[str, Any]:
    """The data of a fact, for reading."""
    return Frozen(_fields(fact, events.HEADER_FIELDS))


def check_hashes(event: Event, prev_hash: str, erased: Mapping[int, str] | None = None) -> str | None:
    """What is wrong with an event's hashes, given the hash before it, or None.

    `erased` has, by position, the digests of what erasures left of events' data.
    """
    if event.prev_hash != prev_hash:
        return "does not continue from the event before it"
    digest = WIRE.digest(event.data)
    if digest not in {event.data_hash, (erased or {}).get(event.position)}:
        return "has data that does not match its hash"
    if WIRE.chain(prev_hash, header_of(event)) != event.hash:
        return "has a header that does not match its hash"
    return None
