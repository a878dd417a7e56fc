"""What a command may carry: checks that run before anything is parsed further, stored or logged."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterable, Mapping
from operator import attrgetter
from typing import TYPE_CHECKING, Any, NoReturn, Self

from arbeit.core.compact import compact
from arbeit.core.declare import fields as fields_of
from arbeit.core.errors import ArbeitError, Code
from arbeit.core.model import EMPTY, SECOND, Frozen

if TYPE_CHECKING:
    import attrs

TITLE_CHARACTERS = 500
TEXT_BYTES = 64 * 1024
METADATA_BYTES = 16 * 1024
JSON_DEPTH = 8
LABELS = 32
CAPABILITIES = 32
RELATIONSHIPS = 1_000
HIERARCHY_DEPTH = 16
GRAPH_EDGES = 20_000
ITEMS = 100
EVIDENCE = 32
CLAIM_TASKS = 100
MAX_INTEGER = 2**63 - 1
MAX_MOMENT = 253_402_300_799_999_999
"""The end of the year 9999 in microseconds since 1970: the last moment that RFC 3339 has words for."""
TTL_SECONDS = 24 * 3600
RUNTIME_SECONDS = 30 * 24 * 3600
COUNTERS = 32
ARTIFACT_BYTES = 5 * 1024**3
HANDED = 100
RENEWALS = 1_000

_IDENT = re.compile(r"[0-9a-zA-Z._-]{1,64}")
_PROJECT = re.compile(r"[a-z0-9][a-z0-9-]{0,62}")
_NAME = re.compile(r"[0-9a-zA-Z][0-9a-zA-Z._:/@+#-]{0,63}")
_COUNTER = re.compile(r"[a-z][a-z0-9_]{0,63}")
_MOST_USED = 10**15
"""What one report may add to a counter, so that a thousand reports stay within 63 bits."""
_TRACEPARENT = re.compile(r"[0-9a-f]{2}-[0-9a-f]{32}-[0-9a-f]{16}-[0-9a-f]{2}")

Validator = Callable[[Any, Any, Any], None]


_plans: dict[type, tuple[Callable[[Any], tuple[Any, ...]], tuple[tuple[Any, Any, Validator], ...]]] = {}


def checked_once(_cls: type, fields: list[attrs.Attribute[Any]]) -> list[attrs.Attribute[Any]]:
    """Move validators aside, so that `run_checks` runs them for given values alone: defaults are sound."""
    return [
        each_field.evolve(validator=None, metadata={**each_field.metadata, "check": each_field.validator})
        if each_field.validator is not None
        else each_field
        for each_field in fields
    ]


def run_checks(record: object) -> None:
    """Check every field that is not at its default.

    Raises:
        ArbeitError: the first field that is not sound, by code and name.
    """
    cls: type[Any] = type(record)
    plan = _plans.get(cls)
    if plan is None:
        steps = tuple(
            (item, item.default, item.metadata["check"]) for item in fields_of(cls) if "check" in item.metadata
        )
        # A command has at least the checks of its header, so that this getter always gives a tuple.
        plan = _plans[cls] = (attrgetter(*(attribute.name for attribute, _, _ in steps)), steps)
    getter, steps = plan
    for value, (attribute, default, check) in zip(getter(record), steps, strict=True):
        if value is default:
            continue
        if value is UNSET or (value is None and not getattr(check, "optional", False)):
            refuse(attribute.name, "must be given" if value is UNSET else "must not be null")
        if value is not None:
            check(record, attribute, value)


def refuse(field: str, problem: str, *hints: str, code: Code = Code.INVALID_INPUT, **data: object) -> NoReturn:
    """Raise the error of a bad field."""
    hints = hints or (f"Correct {field}, and try again.",)
    raise ArbeitError(code, f"{field} {problem}", suggestions=hints, data={"field": field, **data})


def length(seconds: float | None, field: str, most: int = 86_400) -> int | None:
    """Microseconds, from seconds; at least one millisecond, at most `most` seconds.

    Raises:
        ArbeitError: INVALID_INPUT for what is not a positive number.
    """
    if seconds is None:
        return None
    if not isinstance(seconds, int | float) or isinstance(seconds, bool) or not 0.001 <= seconds <= most:  # noqa: PLR2004
        refuse(field, f"must be 0.001 to {most} seconds")
    return round(seconds * SECOND)


def check_text(name: str, value: object, *, characters: int | None = None, size: int = TEXT_BYTES) -> None:
    """Refuse what is not storable text within its limits; U+0000 and lone surrogates are never storable."""
    if not isinstance(value, str):
        refuse(name, f"must be text, not {type(value).__name__}")
    if characters is not None and len(value) > characters:
        refuse(
            name,
            f"is {len(value)} characters long; {characters} are allowed",
            "Put the long part into the description.",
            limit=characters,
        )
    length = len(value)
    if not value.isascii():
        try:
            length = len(value.encode())
        except UnicodeEncodeError:
            refuse(name, "contains half a surrogate pair, which is not a character")
    if length > size:
        refuse(name, f"is {length} bytes long; {size} are allowed", limit=size)
    if "\0" in value:
        refuse(name, "contains U+0000, which no store can keep")


def _plain(value: object, most: int) -> bool:
    """Whether a value is certainly text within its limits, as nearly all is: ASCII alone, a byte a character."""
    return type(value) is str and value.isascii() and len(value) <= most and "\0" not in value


def _written(check: Validator) -> Validator:
    """Mark the check of a field whose text its author wrote: a redaction policy sees it, see `written_fields`."""
    check.written = True  # type: ignore[attr-defined]  # read by written_fields
    return check


_written_fields: dict[type, tuple[attrs.Attribute[Any], ...]] = {}


def written_fields(cls: type) -> tuple[attrs.Attribute[Any], ...]:
    """The fields of a command class that hold what its author wrote: text, tuples of text, JSON objects."""
    known = _written_fields.get(cls)
    if known is None:
        fields = (item for item in fields_of(cls) if getattr(item.metadata.get("check"), "written", False))
        known = _written_fields[cls] = tuple(fields)
    return known


def text(
    *, characters: int | None = None, size: int = TEXT_BYTES, required: bool = False, opaque: bool = False
) -> Validator:
    """Text of at most so many characters and UTF-8 bytes; opaque text (keys, tokens, foreign ids) is not prose."""
    most = size if characters is None else min(size, characters)

    def check(_command: object, attribute: attrs.Attribute[Any], value: object) -> None:
        if not _plain(value, most):
            check_text(attribute.name, value, characters=characters, size=size)
        if required and not str(value).strip():
            refuse(attribute.name, "must not be empty")

    return check if opaque else _written(check)


def _pattern(regex: re.Pattern[str], meaning: str) -> Validator:
    def check(_command: object, attribute: attrs.Attribute[Any], value: object) -> None:
        if not isinstance(value, str) or not regex.fullmatch(value):
            refuse(attribute.name, f"must be {meaning}, not {_show(value)}")

    return check


ident = _pattern(_IDENT, "an id of 1 to 64 letters, digits, dots, hyphens and underscores")
project_key = _pattern(
    _PROJECT, "a project key: 1 to 63 lower-case letters, digits and hyphens, not starting with a hyphen"
)
name = _pattern(_NAME, "a name of 1 to 64 letters, digits and any of . _ : / @ + # -, starting with a letter or digit")
_DIGEST = re.compile(r"[0-9a-f]{64}")
sha256 = _pattern(_DIGEST, "a SHA-256 in 64 lower-case hexadecimal digits")
media_type = _pattern(
    re.compile(r"[a-zA-Z0-9][a-zA-Z0-9!#$&^_.+-]{0,63}/[a-zA-Z0-9][a-zA-Z0-9!#$&^_.+-]{0,63}(; ?[a-z0-9=._-]{1,64})?"),
    "a media type such as text/plain",
)
traceparent = _pattern(_TRACEPARENT, "a W3C traceparent")


def left(_command: object, attribute: attrs.Attribute[Any], value: object) -> None:
    """A position in a log, and the digest of what an erasure left of the event there."""
    position, digest = value if isinstance(value, tuple) and len(value) == 2 else (0, "")  # noqa: PLR2004 - a pair
    sound = isinstance(position, int) and not isinstance(position, bool) and 0 < position <= MAX_INTEGER
    if not (sound and isinstance(digest, str) and _DIGEST.fullmatch(digest)):
        refuse(attribute.name, "must be pairs of a position and a SHA-256 in 64 lower-case hexadecimal digits")


def one_of(choices: tuple[str, ...], code: Code = Code.INVALID_INPUT) -> Validator:
    """One of a few words."""

    def check(_command: object, attribute: attrs.Attribute[Any], value: object) -> None:
        if isinstance(value, str) and value in choices:
            return
        refuse(attribute.name, f"must be one of {', '.join(choices)}, not {_show(value)}", code=code)

    return check


def integer(low: int, high: int = MAX_INTEGER, *, optional: bool = False) -> Validator:
    """A whole number in a range."""

    def check(_command: object, attribute: attrs.Attribute[Any], value: object) -> None:
        if not isinstance(value, int) or isinstance(value, bool) or not low <= value <= high:
            refuse(attribute.name, f"must be a whole number from {low} to {high}, not {_show(value)}")

    if optional:
        check.optional = True  # type: ignore[attr-defined]  # read by run_checks
    return check


def optional_flag(_command: object, attribute: attrs.Attribute[Any], value: object) -> None:
    """A truth value, or None for whatever the default is."""
    if not isinstance(value, bool):
        refuse(attribute.name, f"must be true, false or null, not {_show(value)}")


optional_flag.optional = True  # type: ignore[attr-defined]  # read by run_checks


def usage(_command: object, attribute: attrs.Attribute[Any], value: object) -> None:
    """Counts by name, and the name of a model."""
    if not isinstance(value, Frozen) or not value:
        refuse(attribute.name, "must be an object with at least one count")
    if len(value) > COUNTERS:
        refuse(attribute.name, f"has {len(value)} counters; {COUNTERS} are allowed", limit=COUNTERS)
    for counter, count in value.items():
        if not _COUNTER.fullmatch(counter):
            refuse(attribute.name, f"has a counter called {_show(counter)}; names are lower-case words joined by _")
        if counter == "model":
            check_text("usage.model", count, characters=200)
        elif not isinstance(count, int) or isinstance(count, bool) or not 0 <= count <= _MOST_USED:
            refuse(attribute.name, f"{counter} must be a whole number from 0 to {_MOST_USED}, not {_show(count)}")


usage.written = True  # type: ignore[attr-defined]  # read by written_fields


def flag(_command: object, attribute: attrs.Attribute[Any], value: object) -> None:
    """A truth value."""
    if not isinstance(value, bool):
        refuse(attribute.name, f"must be true or false, not {_show(value)}")


def each(check: Validator, *, most: int, least: int = 0) -> Validator:
    """A tuple whose items each pass a check."""

    def check_all(command: object, attribute: attrs.Attribute[Any], value: object) -> None:
        if not isinstance(value, tuple):
            refuse(attribute.name, f"must be a list, not {_show(value)}")
        if not least <= len(value) <= most:
            refuse(attribute.name, f"has {len(value)} entries; {least} to {most} are allowed", limit=most)
        for item in value:
            if item is None:
                refuse(attribute.name, "must not contain null")
            check(command, attribute, item)

    return _written(check_all) if getattr(check, "written", False) else check_all


def a(kind: type, *, but: tuple[type, ...] = ()) -> Validator:
    """An instance of a class."""

    def check(_command: object, attribute: attrs.Attribute[Any], value: object) -> None:
        if not isinstance(value, kind) or isinstance(value, but):
            refuse(attribute.name, f"must be a {kind.__name__}, not {_show(value)}")

    return check


def json_object(size: int = METADATA_BYTES) -> Validator:
    """A frozen JSON object of at most so many bytes as compact UTF-8 text."""

    def check(_command: object, attribute: attrs.Attribute[Any], value: object) -> None:
        if value is EMPTY:
            return
        if not isinstance(value, Frozen):
            refuse(attribute.name, f"must be an object with text keys, not {_show(value)}")
        length = len(compact(value).encode())
        if length > size:
            refuse(attribute.name, f"is {length} bytes of JSON; {size} are allowed", limit=size)

    return _written(check)


class Unset:
    """The type of UNSET: a field that an update leaves as it is."""

    _one: Any = None

    def __new__(cls) -> Self:
        """There is one."""
        if cls._one is None:
            cls._one = super().__new__(cls)
        return cls._one  # type: ignore[no-any-return]  # the one instance

    def __repr__(self) -> str:
        """Read like the constant."""
        return "UNSET"

    def __reduce__(self) -> str:
        """Pickle as the constant."""
        return "UNSET"


UNSET = Unset()

# Unions that are spelled out where they are asked for are made anew each time.
_SETTLED, _SETS, _SINGLE = (tuple, Unset), (set, frozenset), (str, bytes, Mapping)
_OBJECTS, _FROZEN, _LISTS = (dict, Mapping), (Frozen, Unset), (list, tuple)


def as_tuple(value: Any) -> Any:  # noqa: ANN401 - a validator judges what is not a list
    """Turn a list, tuple or set of plain values into a tuple; sets are sorted, so that hashing never shows."""
    if isinstance(value, _SETTLED):
        return value
    if isinstance(value, list):
        return tuple(value)
    if isinstance(value, _SETS):
        return tuple(sorted(value)) if all(isinstance(item, str) for item in value) else tuple(value)
    if isinstance(value, Iterable) and not isinstance(value, _SINGLE):
        return tuple(value)
    return value


def as_names(value: Any) -> Any:  # noqa: ANN401 - a validator judges what is not a list
    """Turn a collection of names into a sorted tuple without repetition; one name alone counts as a list of one."""
    if value == () or isinstance(value, Unset):
        return value
    if type(value) is list and len(value) == 1 and type(value[0]) is str:
        return (value[0],)
    if isinstance(value, str):
        value = (value,)
    value = as_tuple(value)
    if isinstance(value, tuple) and all(isinstance(item, str) for item in value):
        return tuple(sorted(set(value)))
    return value


def as_optional_names(value: Any) -> Any:  # noqa: ANN401 - a validator judges what is not a list
    """Like `as_names`, with None left as it is."""
    return None if value is None else as_names(value)


def as_object(value: Any, name: str = "metadata") -> Any:  # noqa: ANN401 - a validator judges what is not an object
    """Copy a JSON object into frozen form, refusing what JSON cannot say; None counts as empty."""
    if value is None:
        return EMPTY
    if isinstance(value, _FROZEN):
        return value
    return _frozen_object(value, JSON_DEPTH, name) if isinstance(value, _OBJECTS) else value


def as_settings(value: Any) -> Any:  # noqa: ANN401 - as above
    """`as_object` for the field of this name, which its refusals say."""
    return as_object(value, "settings")


def as_inputs(value: Any) -> Any:  # noqa: ANN401 - as above
    """`as_object` for the field of this name, which its refusals say."""
    return as_object(value, "inputs")


def as_outputs(value: Any) -> Any:  # noqa: ANN401 - as above
    """`as_object` for the field of this name, which its refusals say."""
    return as_object(value, "outputs")


def as_usage(value: Any) -> Any:  # noqa: ANN401 - as above
    """`as_object` for the field of this name, which its refusals say."""
    return as_object(value, "usage")


def as_metadata(value: Any) -> Any:  # noqa: ANN401 - as above
    """`as_object` for the field of this name, which its refusals say."""
    return as_object(value, "metadata")


def _frozen(value: Any, depth: int, name: str) -> Any:  # noqa: ANN401 - any JSON value
    kind = type(value)
    if kind is str:
        if not _plain(value, TEXT_BYTES):
            check_text(name, value)
    elif kind is int:
        if not -MAX_INTEGER <= value <= MAX_INTEGER:
            refuse(name, "contains a whole number beyond 63 bits")
    elif value is None or kind is bool:
        pass
    elif isinstance(value, _OBJECTS):
        return _frozen_object(value, depth, name)
    elif isinstance(value, _LISTS):
        _deeper(depth, name)
        return tuple(_frozen(item, depth - 1, name) for item in value)
    elif kind is float:
        if not math.isfinite(value):
            refuse(name, "contains a number that is not finite, which JSON cannot say")
    elif isinstance(value, str):
        return _frozen(str(value), depth, name)
    else:
        refuse(name, f"contains a {kind.__name__}, which JSON cannot say")
    return value


def _frozen_object(value: Mapping[Any, Any], depth: int, name: str) -> Frozen:
    _deeper(depth, name)
    if not value:
        return EMPTY
    for key in value:
        if _plain(key, TEXT_BYTES):
            continue
        if not isinstance(key, str):
            refuse(name, "must have text keys only")
        check_text(name, key)
    return Frozen({str(key): _frozen(item, depth - 1, name) for key, item in value.items()})


def _deeper(depth: int, name: str) -> None:
    if depth <= 0:
        refuse(name, f"is nested deeper than {JSON_DEPTH} levels", limit=JSON_DEPTH)


def legible(names: Iterable[object]) -> str:
    """Names that a caller gave, fit to be repeated to it: printable, and not at any length."""
    said = ", ".join(name[:60] if isinstance(name, str) else _show(name) for name in names)
    return "".join(sign if sign.isprintable() else "\ufffd" for sign in said[:200])


def _show(value: object) -> str:
    if isinstance(value, int) and abs(value) > MAX_INTEGER:
        return "a number beyond 63 bits"
    shown = repr(value) if isinstance(value, str | int | float | bool | None) else type(value).__name__
    return shown if len(shown) <= 60 else shown[:57] + "..."  # noqa: PLR2004 - a line's worth
