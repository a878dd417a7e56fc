"""Whether a recorded event or fact holds what its class declares: types, words, moments, and text that can be kept."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from types import NoneType, UnionType
from typing import Any, Literal, Union, get_args, get_origin, get_type_hints

from arbeit.core import commands as c
from arbeit.core import events as e
from arbeit.core import model
from arbeit.core.declare import fields
from arbeit.core.limits import JSON_DEPTH, MAX_INTEGER, MAX_MOMENT
from arbeit.core.record import names_of

Check = Callable[[Any], bool]

_MOST = 2**62
"""The largest number of a fact that is no moment: what is counted on from it stays within 63 bits."""

_WORDS: Mapping[type[e.Fact], Mapping[str, Any]] = {
    e.TaskCreated: {"priority": model.Priority},
    e.TaskImported: {"priority": model.Priority, "status": model.Status},
    e.TaskReleased: {"reason": model.RunResult},
    e.TaskReclaimed: {"reason": model.RunResult},
    e.RelationshipAdded: {"type": model.RelationType},
    e.RelationshipImported: {"type": model.RelationType},
    e.RelationshipRemoved: {"type": model.RelationType},
    e.ContextAdded: {"type": model.EntryType},
    e.ContextSuperseded: {"type": model.EntryType},
    e.ContextImported: {"type": model.EntryType},
    e.FileLinked: {"operation": model.FileOperation},
    e.FileImported: {"operation": model.FileOperation},
    e.RunImported: {"result": model.RunResult},
}
"""Fields that facts spell as text, and entities as one of a few words."""

_CHANGED: Mapping[type[e.Fact], tuple[type, type]] = {
    e.ProjectUpdated: (model.Project, c.UpdateProject),
    e.QueueSet: (model.Queue, c.SetQueue),
    e.AgentRegistered: (model.Agent, c.RegisterAgent),
    e.TaskUpdated: (model.Task, c.UpdateTask),
}
"""Facts with `changes`: of which entity, and the command that says which of its fields may change."""


def unsound(record: e.Fact | model.Event) -> str | None:
    """The first field of a record that does not hold what its class declares, or None."""
    cls: type[Any] = type(record)
    for name, default, check in _plans.get(cls) or _plan(cls):
        value = getattr(record, name)
        if value is not default and not check(value):
            return name
    return None


_plans: dict[type, tuple[tuple[str, Any, Check], ...]] = {}


def _plan(cls: type) -> tuple[tuple[str, Any, Check], ...]:
    """What to look at in records of a class: each field, with its default, which is sound, and its check."""
    hints = {**get_type_hints(cls), **_WORDS.get(cls, {})}
    checks = {item.name: _check(item.name, hints[item.name]) for item in fields(cls)}
    if cls in _CHANGED:
        checks["changes"] = _changes(*_CHANGED[cls])
    made = _plans[cls] = tuple((item.name, item.default, checks[item.name]) for item in fields(cls))
    return made


def _changes(entity: type, command: type) -> Check:
    """A check of new values of an entity's fields."""
    hints = get_type_hints(entity)
    known = {*names_of(entity)}.intersection(names_of(command))
    if "archived" in names_of(command):
        known.add("archived_at")
    checks = {name: _check(name, hints[name]) for name in known}

    def check(value: object) -> bool:
        return isinstance(value, Mapping) and all(name in checks and checks[name](one) for name, one in value.items())

    return check


def _check(name: str, hint: Any) -> Check:  # noqa: ANN401 - types have no type of their own here
    """The check of a field with this declared type."""
    arguments, origin = get_args(hint), get_origin(hint)
    if hint is int:
        return _number(name)
    if hint in _PLAIN:
        return _PLAIN[hint]
    if origin is Literal:
        words = frozenset(arguments)
        return lambda value: type(value) is str and value in words
    if origin is Mapping:
        return _is_object
    several = [_check(name, one) for one in arguments if one is not Ellipsis]
    if origin in {Union, UnionType}:
        return lambda value: any(check(value) for check in several)
    if origin is tuple and Ellipsis in arguments:
        (each,) = several
        return lambda value: type(value) is tuple and all(map(each, value))
    if origin is tuple:
        return lambda value: (
            type(value) is tuple
            and len(value) == len(several)
            and all(check(one) for check, one in zip(several, value, strict=True))
        )
    msg = f"{name} is declared as {hint}, for which there is no check"
    raise TypeError(msg)


def _number(name: str) -> Check:
    least, most = -_MOST, _MOST
    if name.endswith("_at") or name in {"at", "ends_by", "deadline"}:
        least, most = 0, MAX_MOMENT
    elif name == "weight":
        # The scheduler divides by it.
        least = 1
    return lambda value: type(value) is int and least <= value <= most


def _is_text(value: object) -> bool:
    """Whether a value is text that every store can keep: no U+0000, no half of a surrogate pair."""
    if type(value) is not str or "\0" in value:
        return False
    if not value.isascii():
        try:
            value.encode()
        except UnicodeEncodeError:
            return False
    return True


def _is_object(value: object) -> bool:
    return isinstance(value, Mapping) and _is_json(value, JSON_DEPTH)


def _is_json(value: object, depth: int) -> bool:
    kind = type(value)
    if kind is str:
        return _is_text(value)
    if isinstance(value, int):
        return -MAX_INTEGER <= value <= MAX_INTEGER
    if isinstance(value, float):
        return math.isfinite(value)
    if isinstance(value, Mapping):
        return depth > 0 and all(_is_text(key) and _is_json(one, depth - 1) for key, one in value.items())
    if isinstance(value, tuple):
        return depth > 0 and all(_is_json(one, depth - 1) for one in value)
    return value is None


_PLAIN: Mapping[Any, Check] = {
    str: _is_text,
    bool: lambda value: type(value) is bool,
    NoneType: lambda value: value is None,
}
