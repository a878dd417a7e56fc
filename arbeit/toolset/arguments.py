"""Turns the JSON arguments of a call into parameters, and mistakes into errors that say how to call instead.

Models make a few mistakes again and again: a list or an object sent as JSON text, one name where a list is asked for,
a number in quotes, null for what is left out. What such a call means is plain, so it is taken; anything else is not.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from difflib import get_close_matches
from typing import Any, Literal, get_args, get_origin

from cattrs import Converter
from cattrs.errors import ClassValidationError, ForbiddenExtraKeysError

from arbeit.core.declare import NOTHING, fields
from arbeit.core.errors import ArbeitError, Code
from arbeit.core.limits import legible
from arbeit.toolset.registry import Tool

REQUEST_BYTES = 1024 * 1024
"""Bytes that the arguments of one call may take."""
_DIGITS = 40
"""Characters of a number in quotes that are looked at."""
_CODES = {"status": Code.INVALID_STATUS, "type": Code.INVALID_TYPE}


class RefusedError(ValueError):
    """A value that is not what its parameter takes."""


def read(arguments: Mapping[str, Any] | str | bytes | None) -> dict[str, Any]:
    """The arguments of a call as an object, limited before it is parsed.

    Raises:
        ArbeitError: LIMIT_EXCEEDED beyond 1 MiB; INVALID_INPUT for what is no JSON object.
    """
    if arguments is None:
        return {}
    if isinstance(arguments, str | bytes):
        # Four bytes a character at most: text that cannot be too long is not measured.
        if len(arguments) * 4 > REQUEST_BYTES and _bytes(arguments) > REQUEST_BYTES:
            raise _invalid(
                f"the arguments take more than {REQUEST_BYTES} bytes",
                "Send long text as an artifact, or in several entries.",
                code=Code.LIMIT_EXCEEDED,
            )
        try:
            arguments = json.loads(arguments) if arguments.strip() else {}
        except (ValueError, RecursionError) as error:
            at = f" ({error})" if isinstance(error, json.JSONDecodeError) else ""
            raise _invalid(f"the arguments are no JSON{at}", 'Send one object, such as {"task_id": "..."}.') from error
    if not isinstance(arguments, Mapping):
        raise _invalid(
            f"the arguments are {_kind(arguments)}, not an object", 'Send one object, such as {"task_id": "..."}.'
        )
    return {str(name): value for name, value in arguments.items()}


def structure(one: Tool, arguments: Mapping[str, Any]) -> Any:  # noqa: ANN401 - an instance of the tool's parameters
    """The parameters of a call.

    Raises:
        ArbeitError: INVALID_INPUT, INVALID_STATUS or INVALID_TYPE, for the first of what is wrong; the suggestion
            shows what the tool takes.
    """
    given = {name: value for name, value in arguments.items() if value is not None}
    known = {each.name: each for each in fields(one.params)}
    missing = [name for name, each in known.items() if each.default is NOTHING and name not in given]
    if missing:
        raise _invalid(f"{one.name} needs {', '.join(missing)}", takes(one), field=missing[0])
    try:
        return _CONVERTER.structure(given, one.params)
    except ClassValidationError as group:
        raise _first(one, group) from group
    except RefusedError as error:  # pragma: no cover - every field's error comes in a group
        raise _invalid(str(error), takes(one)) from error


def takes(one: Tool) -> str:
    """What a tool takes, in one line."""
    shown = [each.name if each.default is NOTHING else f"{each.name}?" for each in fields(one.params)]
    return f"It takes: {', '.join(shown)}."


def _first(one: Tool, group: ClassValidationError) -> ArbeitError:
    """The first mistake of a call: misspelt names before bad values, for they are often the cause of both."""
    errors = list(group.exceptions)
    for error in errors:
        if isinstance(error, ForbiddenExtraKeysError):
            return _unknown(one, sorted(error.extra_fields))
    error = errors[0]
    name = next((note.name for note in _notes(error)), "")
    text = str(error) if isinstance(error, RefusedError) else "is not what this parameter takes"
    return _invalid(f"{name} {text}", takes(one), code=_CODES.get(name, Code.INVALID_INPUT), field=name)


def _notes(error: BaseException) -> list[Any]:
    # cattrs leaves the name of a field as a note that is text and more.
    return [note for note in getattr(error, "__notes__", ()) if hasattr(note, "name")]


def _unknown(one: Tool, names: list[str]) -> ArbeitError:
    known = [each.name for each in fields(one.params)]
    guesses = {name: get_close_matches(name, known, 1) for name in names}
    meant = [f"{guess[0]} for {name[:40]}" for name, guess in guesses.items() if guess]
    hints = (f"Did you mean {', '.join(meant)}?", takes(one)) if meant else (takes(one),)
    return _invalid(f"{one.name} takes no {legible(names)}", *hints, field=names[0][:40])


def _invalid(text: str, *hints: str, code: Code = Code.INVALID_INPUT, field: str = "arguments") -> ArbeitError:
    return ArbeitError(code, text, suggestions=hints, data={"field": field})


def _bytes(text: str | bytes) -> int:
    return len(text) if isinstance(text, bytes) else len(text.encode("utf-8", "surrogatepass"))


def _kind(value: object) -> str:
    kinds = {bool: "true or false", str: "text", int: "a number", float: "a number", list: "a list", dict: "an object"}
    return "null" if value is None else next((name for cls, name in kinds.items() if isinstance(value, cls)), "no JSON")


# -- one value -----------------------------------------------------------------------------------------------------


def _text(value: object, _: object) -> str:
    if isinstance(value, str):
        return value
    if isinstance(value, int) and not isinstance(value, bool):
        return str(value)
    raise RefusedError(f"must be text, not {_kind(value)}")


def _integer(value: object, _: object) -> int:
    if isinstance(value, str):
        try:
            return int(value[:_DIGITS].strip())
        except ValueError as error:
            raise _no("a whole number", value) from error
    if isinstance(value, float) and value.is_integer():
        return int(value)
    if isinstance(value, bool) or not isinstance(value, int):
        raise _no("a whole number", value)
    return value


def _number(value: object, _: object) -> float:
    if isinstance(value, str):
        try:
            return float(value[:_DIGITS].strip())
        except ValueError as error:
            raise _no("a number", value) from error
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise _no("a number", value)
    return float(value)


def _flag(value: object, _: object) -> bool:
    if isinstance(value, bool):
        return value
    said = {"true": True, "false": False}.get(value.strip().lower()) if isinstance(value, str) else None
    if said is None:
        raise _no("true or false", value)
    return said


def _no(wanted: str, value: object) -> RefusedError:
    said = f"{value[:40]!r}" if isinstance(value, str) else _kind(value)
    return RefusedError(f"must be {wanted}, not {said}")


def _unpacked(value: object, start: str) -> object:
    """What a list or an object says that was sent as JSON text."""
    if isinstance(value, str) and value.lstrip().startswith(start):
        try:
            return json.loads(value)
        except (ValueError, RecursionError):
            return value
    return value


def _object(value: object, _: object) -> dict[str, Any]:
    value = _unpacked(value, "{")
    if not isinstance(value, Mapping):
        raise RefusedError(f"must be an object, not {_kind(value)}")
    return {str(name): part for name, part in value.items()}


def _list(hint: Any) -> Callable[[object, object], tuple[Any, ...]]:  # noqa: ANN401 - any tuple's annotation
    inner = get_args(hint)[0]

    def make(value: object, _: object) -> tuple[Any, ...]:
        value = _unpacked(value, "[")
        if isinstance(value, str):
            return (_CONVERTER.structure(value, inner),)
        if not isinstance(value, list | tuple):
            raise RefusedError(f"must be a list, not {_kind(value)}")
        found = []
        for at, one in enumerate(value):
            try:
                found.append(_CONVERTER.structure(one, inner))
            except RefusedError as error:
                raise RefusedError(f"[{at}] {error}") from error
        return tuple(found)

    return make


def _choice(hint: Any) -> Callable[[object, object], str]:  # noqa: ANN401 - any Literal
    choices = get_args(hint)

    def make(value: object, _: object) -> str:
        if isinstance(value, str) and value in choices:
            return value
        word = value.strip().lower().replace("-", "_").replace(" ", "_") if isinstance(value, str) else None
        if word not in choices:
            raise _no(f"one of {', '.join(choices)}", value)
        return str(word)

    return make


def _make_converter() -> Converter:
    found = Converter(detailed_validation=True, forbid_extra_keys=True)
    for cls, hook in ((str, _text), (int, _integer), (float, _number), (bool, _flag)):
        found.register_structure_hook(cls, hook)
    found.register_structure_hook_factory(_is(Literal), _choice)
    found.register_structure_hook_factory(_is(tuple), _list)
    found.register_structure_hook_func(_is(get_origin(Mapping[str, Any])), _object)
    return found


def _is(kind: object) -> Callable[[object], bool]:
    return lambda hint: get_origin(hint) is kind


_CONVERTER = _make_converter()
