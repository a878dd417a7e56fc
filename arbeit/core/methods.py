"""What a declared class knows of its fields, and the methods that it gets; see `declare`."""

from __future__ import annotations

from functools import partial
from types import FunctionType, MethodType
from typing import TYPE_CHECKING, Any, NoReturn

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from attrs import Attribute

_put = object.__setattr__
_UNWRITTEN = 8
"""Instances of a class that are made before its `__init__` is written: compiling costs as much as some fifty."""


class _Nothing:
    """The type of NOTHING."""

    __slots__ = ()

    def __repr__(self) -> str:
        return "NOTHING"


NOTHING: Any = _Nothing()
"""The default of a field that must be given."""


class Factory:
    """A default that is made anew for every instance."""

    __slots__ = ("make",)

    def __init__(self, make: Callable[[], Any]) -> None:
        self.make = make


class Field:
    """What was declared about one field; the names are those of `attrs.Attribute`."""

    __slots__ = (
        "converter",
        "default",
        "inherited",
        "kw_only",
        "metadata",
        "name",
        "repr",
        "type",
        "validator",
    )

    def __init__(
        self,
        default: Any = NOTHING,  # noqa: ANN401 - a field may default to anything
        *,
        validator: Callable[[Any, Any, Any], None] | None = None,
        converter: Callable[[Any], Any] | None = None,
        factory: Callable[[], Any] | None = None,
        repr: bool = True,  # noqa: A002 - as attrs names it
        metadata: Mapping[str, Any] | None = None,
        kw_only: bool | None = None,
    ) -> None:
        self.name = ""
        self.type: Any = None
        self.inherited = False
        self.default = default if factory is None else Factory(factory)
        self.validator = validator
        self.converter = converter
        self.repr = repr
        self.metadata = metadata or {}
        self.kw_only = kw_only

    def __repr__(self) -> str:
        return f"<field {self.name!r}>"

    def evolve(self, **changes: object) -> Field:
        """The same field, declared otherwise."""
        copy = Field.__new__(Field)
        for name in Field.__slots__:
            setattr(copy, name, changes[name] if name in changes else getattr(self, name))
        return copy


class Lazily:
    """A class attribute that is made, and put in its place, when it is first asked for."""

    __slots__ = ("make", "name", "owner")

    owner: type

    def __init__(self, name: str, make: Callable[[type], Any]) -> None:
        self.name = name
        self.make = make

    def __get__(self, instance: object, owner: type | None = None) -> Any:  # noqa: ANN401 - what an attribute is
        value = self.make(self.owner)
        setattr(self.owner, self.name, value)
        return value.__get__(instance, owner) if isinstance(value, FunctionType) else value


class Init:
    """A class's `__init__` until it is worth writing one: the first instances are filled field by field."""

    __slots__ = ("left", "owner")

    owner: type

    def __init__(self) -> None:
        self.left = _UNWRITTEN

    def __get__(self, instance: object, _owner: type | None = None) -> Any:  # noqa: ANN401 - a function or a method
        if instance is not None and self.left > 0:
            self.left -= 1
            return partial(_fill, self.owner, instance)
        written: Any = write_init(self.owner)
        self.owner.__init__ = written  # type: ignore[misc]  # which this stands in for
        return written if instance is None else MethodType(written, instance)


def fields(cls: type) -> tuple[Attribute[Any], ...]:
    """The fields of a class declared here, for which attrs is not loaded, or of any other attrs class; in order.

    Raises:
        TypeError: the class is neither.
    """
    for kind in cls.__mro__:
        if "__attrs_attrs__" in vars(kind):
            found: Any = vars(kind).get("__declared__")
            return vars(kind)["__attrs_attrs__"] if found is None else found  # type: ignore[no-any-return]  # as seen
    msg = f"{cls.__qualname__} is not a class with declared fields"
    raise TypeError(msg)


# -- what every class gets -----------------------------------------------------------------------------


def no_change(*_given: object) -> NoReturn:
    """Refuse to set or delete: instances are frozen."""
    from attrs.exceptions import FrozenInstanceError  # noqa: PLC0415 - only a defect ever needs it

    raise FrozenInstanceError


def state(self: object) -> dict[str, Any]:
    """What is pickled and copied."""
    return {item.name: getattr(self, item.name) for item in fields(type(self))}


def restore(self: object, state: Mapping[str, Any]) -> None:
    """Take the place of what was pickled."""
    for name, value in state.items():
        _put(self, name, value)


def is_frozen_class(cls: Any) -> bool:  # noqa: ANN401 - a class; its __setattr__ is compared, whatever its type
    """Whether instances of a class refuse to change."""
    return cls.__setattr__ is no_change


def _compile(source: str, name: str, owner: type, scope: dict[str, Any]) -> Any:  # noqa: ANN401 - a function
    # attrs writes its own methods the same way; the names come from class bodies, never from input.
    exec(compile(source, f"<{name} of {owner.__qualname__}>", "exec"), scope)  # noqa: S102
    made = scope[name]
    made.__qualname__ = f"{owner.__qualname__}.{name}"
    made.__module__ = owner.__module__
    return made


def write_init(cls: type) -> Callable[..., None]:
    """Write a class's `__init__`: convert, store, and let `__attrs_post_init__` check."""
    scope: dict[str, Any] = {"NOTHING": NOTHING}
    named: dict[bool, list[str]] = {False: [], True: []}
    lines, values, hints = [], {}, {}
    for item in fields(cls):
        name, value = item.name, item.name
        default: Any = item.default
        if default is NOTHING:
            named[bool(item.kw_only)].append(name)
        else:
            scope[f"_d_{name}"] = default
            named[bool(item.kw_only)].append(f"{name}=_d_{name}")
            if isinstance(default, Factory):
                scope[f"_f_{name}"], scope[f"_d_{name}"] = default.make, NOTHING
                lines.append(f"    if {name} is NOTHING: {name} = _f_{name}()")
        if item.converter is not None:
            scope[f"_c_{name}"] = item.converter
            value = f"_c_{name}({name})"
        elif item.type is not None:
            hints[name] = item.type
        values[name] = value
    stores = [f"    self.{name} = {value}" for name, value in values.items()]
    if is_frozen_class(cls) and values:
        scope |= {"_put": _put, "Open": _opened(cls), "Frozen": cls}
        # A plain store costs a fraction of one through object.__setattr__. Instances of subclasses stay what they are.
        lines.append("    if Open is not None and self.__class__ is Frozen:\n        _put(self, '__class__', Open)")
        lines += [f"    {store}" for store in [*stores, "    self.__class__ = Frozen"]]
        lines.append("    else:\n        put = _put.__get__(self)")
        lines += [f"        put({name!r}, {value})" for name, value in values.items()]
    else:
        lines += stores
    if hasattr(cls, "__attrs_post_init__"):
        lines.append("    self.__attrs_post_init__()")
    given = ["self", *named[False], *(["*", *named[True]] if named[True] else [])]
    made = _compile(f"def __init__({', '.join(given)}):\n" + ("\n".join(lines) or "    pass"), "__init__", cls, scope)
    made.__annotations__ = {**hints, "return": None}
    return made  # type: ignore[no-any-return]  # the function just made


def _opened(cls: Any) -> type | None:  # noqa: ANN401 - a declared class
    """A class of the same layout, whose instances may be stored to: what a frozen one is until it is filled.

    None where the class has a slot for weak references, as no two layouts with one are the same to CPython.
    """
    if "__weakref__" in vars(cls)["__slots__"]:
        return None
    stores = {"__setattr__": object.__setattr__, "__delattr__": object.__delattr__}
    made: type = type(cls)(f"_{cls.__name__}", cls.__bases__, {"__slots__": vars(cls)["__slots__"], **stores})
    return made


def _fill(cls: Any, self: object, /, *args: object, **given: object) -> None:  # noqa: ANN401 - a declared class
    """Do what a written `__init__` does, reading the declaration; wrong arguments are left to it to refuse."""
    names = cls.__match_args__
    values: dict[str, Any] = {}
    sound = len(args) <= len(names) and given.keys().isdisjoint(names[: len(args)])
    left = {**given, **dict(zip(names, args, strict=False))}
    for item in cls.__declared__:
        name, value = item.name, item.default
        if name in left:
            value = left.pop(name)
        elif type(value) is Factory:
            value = value.make()
        sound = sound and value is not NOTHING
        values[name] = value if item.converter is None or not sound else item.converter(value)
    if left or not sound:
        write_init(cls)(self, *args, **given)
        return
    for name, value in values.items():
        _put(self, name, value)
    check = getattr(self, "__attrs_post_init__", None)
    if check is not None:
        check()


def write_eq(cls: type) -> Callable[[Any, Any], bool]:
    """Write a class's `__eq__`: the same class and equal fields."""
    same = " and ".join(f"self.{item.name} == other.{item.name}" for item in fields(cls)) or "True"
    source = (
        "def __eq__(self, other):\n    if other.__class__ is not self.__class__: return NotImplemented\n"
        f"    return {same}"
    )
    return _compile(source, "__eq__", cls, {})  # type: ignore[no-any-return]  # the function just made


def write_hash(cls: type) -> Callable[[Any], int]:
    """Write a class's `__hash__`, of the class and its fields."""
    names = "".join(f"self.{item.name}, " for item in fields(cls))
    return _compile(f"def __hash__(self):\n    return hash((kind, {names}))", "__hash__", cls, {"kind": cls})  # type: ignore[no-any-return]


def shown(self: object) -> str:
    """Name the class and its fields, but for those declared with `repr=False`."""
    cls = type(self)
    parts = ", ".join(f"{item.name}={getattr(self, item.name)!r}" for item in fields(cls) if item.repr)
    return f"{cls.__qualname__.rpartition('>.')[2]}({parts})"


def attributes(cls: type) -> tuple[Attribute[Any], ...]:
    """What attrs knows of a class: the fields as attrs itself would have them."""
    import attrs  # noqa: PLC0415 - the point of this module: see above

    def written(item: Any) -> Any:  # noqa: ANN401 - a Field, and what attrs.field makes
        default = attrs.Factory(item.default.make) if isinstance(item.default, Factory) else item.default
        return attrs.field(
            default=attrs.NOTHING if default is NOTHING else default,
            converter=item.converter,
            repr=item.repr,
            metadata=item.metadata,
            kw_only=item.kw_only,
            type=item.type,
        )

    own: Any = fields(cls)
    twin = attrs.define(these={item.name: written(item) for item in own}, init=False, repr=False, eq=False)(
        type(cls.__name__, (), {})
    )
    made: Any = attrs.fields(twin)
    inherited = {item.name for item in own if item.inherited}
    return type(made)(item.evolve(inherited=item.name in inherited) for item in made)  # type: ignore[no-any-return]
