"""How the classes of the core are declared: attrs' classes, without attrs' share of a process's start.

attrs is what a type checker sees here, and what `attrs.fields`, `attrs.asdict` and their like see of a class. At run
time it is imported when one of these first asks: importing it, and compiling the methods of a hundred classes, took
most of the time of a command-line call. Here a class gets its slots at once, its `__init__` once some instances were
made without one, and other methods when they are first called.
What is offered is what the declarations of this project use; anything else is refused where it is declared.
"""

from __future__ import annotations

from types import FunctionType
from typing import TYPE_CHECKING, Any

from arbeit.core.methods import (
    NOTHING,
    Factory,
    Field,
    Init,
    Lazily,
    attributes,
    fields,
    is_frozen_class,
    no_change,
    restore,
    shown,
    state,
    write_eq,
    write_hash,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from attrs import define, evolve, field, frozen

__all__ = ["NOTHING", "Factory", "Field", "define", "evolve", "field", "fields", "frozen"]


def _passed_on(base: type) -> tuple[Field, ...]:
    """The fields that a class declares itself, as its subclasses have them."""
    known: tuple[Field, ...] | None = vars(base).get("__passed_on__")
    if known is None:
        own = vars(base).get("__declared__", ())
        known = tuple([item.evolve(inherited=True) for item in own if not item.inherited])
        if own:
            base.__passed_on__ = known  # type: ignore[attr-defined]  # read above
    return known


def _collected(cls: type, *, kw_only: bool) -> Iterator[Field]:
    """The fields of a class: those of its bases, then its own, each at its last declaration."""
    body = vars(cls)
    own: dict[str, Field] = {}
    for name, hint in body.get("__annotations__", {}).items():
        if str(hint).startswith(("ClassVar", "typing.ClassVar")):
            continue
        given = body.get(name, NOTHING)
        item = own[name] = given if isinstance(given, Field) else Field(given)
        item.name, item.type = name, hint
        item.kw_only = kw_only if item.kw_only is None else item.kw_only
    for name, value in body.items():
        if isinstance(value, Field) and name not in own:
            msg = f"{cls.__qualname__}.{name} is a field without a type"
            raise TypeError(msg)
    above: dict[str, Field] = {}
    for base in reversed(cls.__mro__[1:-1]):
        for item in _passed_on(base):
            if item.name not in own:
                above.pop(item.name, None)
                above[item.name] = item
    yield from above.values()
    yield from own.values()


def _refuse_unsound(cls: type, declared: list[Any], *, is_frozen: bool) -> None:
    """Refuse what is not offered here, and what no constructor could take.

    Raises:
        TypeError: saying which class and field.
    """
    problem, optional = "", False
    for item in declared:
        if item.name.startswith("_"):
            problem = f"{item.name} is private, and a constructor would take it"
        elif item.validator is not None:
            problem = f"{item.name} has a validator: declare the class with field_transformer=checked_once"
        elif item.converter is not None and not is_frozen:
            problem = f"{item.name} has a converter, which a class that is not frozen would skip when it is set"
        elif optional and item.default is NOTHING and not item.kw_only:
            problem = f"{item.name} has no default, but one before it has"
        optional = optional or not (item.default is NOTHING or item.kw_only)
    for value in vars(cls).values():
        kind = type(value)
        if kind is FunctionType or kind is property or kind is classmethod:
            function = value if kind is FunctionType else value.fget if kind is property else value.__func__
            if "__class__" in function.__code__.co_freevars:
                problem = f"{function.__name__} uses super() without arguments, which names a class that is replaced"
    if problem:
        msg = f"{cls.__qualname__}: {problem}"
        raise TypeError(msg)


def _methods(cls: type, *, is_frozen: bool, eq: bool, repr: bool) -> tuple[dict[str, Any], dict[str, Lazily | Init]]:  # noqa: A002
    """The methods of a class that its body does not define: those that all share, and those written when called."""
    body = vars(cls)
    shared: dict[str, Any] = {"__getstate__": state, "__setstate__": restore}
    lazily: dict[str, Lazily | Init] = {"__attrs_attrs__": Lazily("__attrs_attrs__", attributes)}
    if "__init__" not in body:
        lazily["__init__"] = Init()
    if eq and "__eq__" not in body:
        lazily["__eq__"] = Lazily("__eq__", write_eq)
        if is_frozen:
            lazily["__hash__"] = Lazily("__hash__", write_hash)
        else:
            shared["__hash__"] = None
    if repr and "__repr__" not in body:
        shared["__repr__"] = shown
    if is_frozen:
        shared.update(__setattr__=no_change, __delattr__=no_change)
    return shared, lazily


def _declare(
    cls: type,
    *,
    is_frozen: bool,
    kw_only: bool,
    weakref_slot: bool,
    field_transformer: Callable[[type, list[Any]], list[Any]] | None,
    **wanted: bool,
) -> type:
    """The same class with slots for its fields, and methods."""
    is_frozen = is_frozen or is_frozen_class(cls)
    declared = list(_collected(cls, kw_only=kw_only))
    if field_transformer is not None:
        declared = field_transformer(cls, declared)
    _refuse_unsound(cls, declared, is_frozen=is_frozen)
    shared, lazily = _methods(cls, is_frozen=is_frozen, **wanted)
    above = {name for base in cls.__mro__[1:-1] for name in getattr(base, "__slots__", ())}
    slots = [item.name for item in declared if item.name not in above]
    if weakref_slot and not any("__weakref__" in vars(base) for base in cls.__mro__[1:-1]):
        slots.append("__weakref__")
    left_out = {"__dict__", "__weakref__", *(item.name for item in declared)}
    body = {
        **{name: value for name, value in vars(cls).items() if name not in left_out},
        **shared,
        **lazily,
        "__slots__": tuple(slots),
        "__qualname__": cls.__qualname__,
        "__match_args__": tuple(item.name for item in declared if not item.kw_only),
        "__declared__": tuple(declared),
    }
    made: type = type(cls)(cls.__name__, cls.__bases__, body)
    for each in lazily.values():
        each.owner = made
    return made


if not TYPE_CHECKING:
    field = Field

    def define(
        cls: type | None = None,
        /,
        *,
        frozen: bool = False,
        eq: bool = True,
        repr: bool = True,  # noqa: A002 - as attrs names it
        kw_only: bool = False,
        weakref_slot: bool = True,
        field_transformer: Callable[[type, list[Any]], list[Any]] | None = None,
    ) -> Any:  # noqa: ANN401 - the class, or what makes it
        """Declare a class, as `attrs.define` does."""

        def declare(cls: type) -> type:
            return _declare(
                cls,
                is_frozen=frozen,
                eq=eq,
                repr=repr,
                kw_only=kw_only,
                weakref_slot=weakref_slot,
                field_transformer=field_transformer,
            )

        return declare if cls is None else declare(cls)

    def frozen(cls: type | None = None, /, **wanted: Any) -> Any:  # noqa: ANN401 - as above
        """Declare a class whose instances do not change, as `attrs.frozen` does."""
        return define(cls, frozen=True, **wanted)

    def evolve(record: Any, /, **changes: Any) -> Any:  # noqa: ANN401 - as `attrs.evolve`
        """A copy made by the constructor, with some fields changed."""
        cls = type(record)
        kept = {item.name: getattr(record, item.name) for item in fields(cls) if item.name not in changes}
        return cls(**kept, **changes)
