"""Fast construction and copying of frozen, slotted attrs classes.

A frozen class pays `object.__setattr__` per field, which on a wide entity costs several times more than the
rest of a command. Here a twin class with the same slots and no freezing is filled with plain stores, then
becomes the frozen class by assignment of `__class__`, which CPython allows for equal layouts.
Classes must be declared `@frozen(weakref_slot=False)`, which keeps the layouts equal.
"""

from __future__ import annotations

from collections.abc import Callable
from operator import attrgetter
from typing import Any, TypeVar

from arbeit.core.declare import fields

T = TypeVar("T")

_getters: dict[type, Callable[[Any], tuple[Any, ...]]] = {}
_copiers: dict[type, Callable[[Any], Any]] = {}
_sparse: dict[tuple[type, frozenset[str]], Callable[[Any], dict[str, Any]]] = {}
_builders: dict[type, Callable[..., Any]] = {}
_twins: dict[type, Any] = {}
_uses: dict[tuple[object, ...], int] = {}
UNWRITTEN = 8
"""Uses of a function before it is written for its class: compiling one costs as much as some fifty slow calls."""


class Record:
    """Equality, hash and repr for classes that leave them out (`eq=False, repr=False`).

    attrs writes and compiles each of these for each class at import, which for a hundred classes is most of the
    start-up time; here they are shared. The repr leaves out defaults, and fields declared with `repr=False`.
    """

    __slots__ = ()

    def __eq__(self, other: object) -> bool:
        if type(self) is not type(other):
            return NotImplemented
        return values_of(self) == values_of(other)

    def __hash__(self) -> int:
        return hash((type(self), values_of(self)))

    def __repr__(self) -> str:
        cls: type[Any] = type(self)
        shown = {item.name for item in fields(cls) if item.repr}
        parts = (f"{name}={value!r}" for name, value in sparse(type(self))(self).items() if name in shown)
        return f"{type(self).__name__}({', '.join(parts)})"


def values_of(record: object) -> tuple[Any, ...]:
    """Every field of a record, in order of declaration."""
    cls = type(record)
    getter = _getters.get(cls)
    if getter is None:
        names = names_of(cls)
        getter = _getters[cls] = attrgetter(*names) if len(names) > 1 else lambda one: (getattr(one, names[0]),)
    return getter(record)


def names_of(cls: type) -> tuple[str, ...]:
    """The field names of an attrs class, in order of declaration."""
    return tuple(attribute.name for attribute in fields(cls))


def change(record: T, /, **changes: object) -> T:
    """Copy a record with some fields changed, without running validators or converters."""
    cls = type(record)
    twin = (_copiers.get(cls) or _copier(cls))(record)
    for name, value in changes.items():
        setattr(twin, name, value)
    twin.__class__ = cls
    return twin  # type: ignore[no-any-return]  # the twin has just become a T


def builder(cls: type[T]) -> Callable[..., T]:
    """A constructor that takes every field by position, for rows already known to be sound.

    Ask for it anew where it is used: the first are slow ones, until it is worth writing one.
    """
    return _builders.get(cls) or _builder(cls)


def sparse(cls: type, leave_out: frozenset[str] = frozenset()) -> Callable[[Any], dict[str, Any]]:
    """A function from a record to its fields that are not at their defaults, by name."""
    return _sparse.get((cls, leave_out)) or _sparser(cls, leave_out)


def _used(*what: object) -> bool:
    """Count a use of something unwritten, and say whether writing it has become worth its while."""
    _uses[what] = count = _uses.get(what, 0) + 1
    return count > UNWRITTEN


def _sparser(cls: type, leave_out: frozenset[str]) -> Callable[[Any], dict[str, Any]]:
    kept = [item for item in fields(cls) if item.name not in leave_out]
    if not _used(cls, leave_out):
        plan = [(item.name, item.default) for item in kept]

        def slowly(record: object) -> dict[str, Any]:
            values = ((name, default, getattr(record, name)) for name, default in plan)
            return {name: value for name, default, value in values if value is not default and value != default}

        return slowly
    lines = [
        f"    value = record.{item.name}\n    if value is not d{at} and value != d{at}: found[{item.name!r}] = value\n"
        for at, item in enumerate(kept)
    ]
    scope: dict[str, Any] = {f"d{at}": item.default for at, item in enumerate(kept)}
    source = "def fields(record):\n    found = {}\n" + "".join(lines) + "    return found\n"
    # As below: the names come from class bodies, never from input.
    exec(source, scope)  # noqa: S102
    _sparse[cls, leave_out] = scope["fields"]
    return scope["fields"]  # type: ignore[no-any-return]  # the function just made


def _twin(cls: type) -> Any:  # noqa: ANN401 - a class made here
    known = _twins.get(cls)
    if known is None:
        known = _twins[cls] = type(f"_{cls.__name__}", (), {"__slots__": names_of(cls)})
    return known


def _copier(cls: type) -> Callable[[Any], Any]:
    names, twin_class = names_of(cls), _twin(cls)
    if not _used("copy", cls):

        def slowly(record: object) -> object:
            twin = twin_class()
            for name in names:
                setattr(twin, name, getattr(record, name))
            return twin

        return slowly
    stores = "".join(f"    twin.{name} = record.{name}\n" for name in names)
    scope: dict[str, Any] = {"Twin": twin_class}
    # attrs writes its own __init__ the same way; the names come from class bodies, never from input.
    exec(f"def copy(record):\n    twin = Twin()\n{stores}    return twin\n", scope)  # noqa: S102
    made: Callable[[Any], Any] = scope["copy"]
    _copiers[cls] = made
    return made


def _builder(cls: type) -> Callable[..., Any]:
    names, twin_class = names_of(cls), _twin(cls)
    if not _used("build", cls):

        def slowly(*values: object) -> object:
            twin = twin_class()
            for name, value in zip(names, values, strict=True):
                setattr(twin, name, value)
            twin.__class__ = cls
            return twin

        return slowly
    stores = "".join(f"    twin.{name} = {name}\n" for name in names)
    scope: dict[str, Any] = {"Twin": twin_class, "Frozen": cls}
    head = f"def build({', '.join(names)}):\n    twin = Twin()\n"
    exec(f"{head}{stores}    twin.__class__ = Frozen\n    return twin\n", scope)  # noqa: S102 - as above
    made: Callable[..., Any] = scope["build"]
    _builders[cls] = made
    return made
