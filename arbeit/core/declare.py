"""How the classes of the core are declared: attrs' classes, without attrs' share of a process's start.

attrs is what a type checker sees here, and what `attrs.fields`, `attrs.asdict` and their like see of a class. At run
time it is imported when one of these first asks: importing it, and compiling the methods of a hundred classes, took
most of the time of a command-line call. Here a class gets its slots at once, and its `__init__` when first needed.
What is offered is what the declarations of this project use; anything else is refused where it is declared.
"""

from __future__ import annotations

from types import FunctionType
from typing import TYPE_CHECKING, Any, NoReturn

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from attrs import Attribute, define, evolve, field, frozen

__all__ = ["NOTHING", "Factory", "Field", "define", "evolve", "field", "fields", "frozen"]

_put = object.__setattr__


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


class _Lazily:
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


def _no_change(*_given: object) -> NoReturn:
    """Refuse to set or delete: instances are frozen."""
    from attrs.exceptions import FrozenInstanceError  # noqa: PLC0415 - only a defect ever needs it

    raise FrozenInstanceError


def _state(self: object) -> dict[str, Any]:
    """What is pickled and copied."""
    return {item.name: getattr(self, item.name) for item in fields(type(self))}


def _restore(self: object, state: Mapping[str, Any]) -> None:
    """Take the place of what was pickled."""
    for name, value in state.items():
        _put(self, name, value)


def _is_frozen(cls: Any) -> bool:  # noqa: ANN401 - a class; its __setattr__ is compared, whatever its type
    return cls.__setattr__ is _no_change


def _compile(source: str, name: str, owner: type, scope: dict[str, Any]) -> Any:  # noqa: ANN401 - a function
    # attrs writes its own methods the same way; the names come from class bodies, never from input.
    exec(compile(source, f"<{name} of {owner.__qualname__}>", "exec"), scope)  # noqa: S102
    made = scope[name]
    made.__qualname__ = f"{owner.__qualname__}.{name}"
    made.__module__ = owner.__module__
    return made


def _init(cls: type) -> Callable[..., None]:
    """Write a class's `__init__`: convert, store, and let `__attrs_post_init__` check."""
    frozen_class = _is_frozen(cls)
    scope: dict[str, Any] = {"NOTHING": NOTHING, "_put": _put}
    named: dict[bool, list[str]] = {False: [], True: []}
    lines, hints = [], {}
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
        lines.append(f"    put({name!r}, {value})" if frozen_class else f"    self.{name} = {value}")
    if frozen_class and lines:
        lines.insert(0, "    put = _put.__get__(self)")
    if hasattr(cls, "__attrs_post_init__"):
        lines.append("    self.__attrs_post_init__()")
    given = ["self", *named[False], *(["*", *named[True]] if named[True] else [])]
    made = _compile(f"def __init__({', '.join(given)}):\n" + ("\n".join(lines) or "    pass"), "__init__", cls, scope)
    made.__annotations__ = {**hints, "return": None}
    return made  # type: ignore[no-any-return]  # the function just made


def _eq(cls: type) -> Callable[[Any, Any], bool]:
    """Write a class's `__eq__`: the same class and equal fields."""
    same = " and ".join(f"self.{item.name} == other.{item.name}" for item in fields(cls)) or "True"
    source = (
        "def __eq__(self, other):\n    if other.__class__ is not self.__class__: return NotImplemented\n"
        f"    return {same}"
    )
    return _compile(source, "__eq__", cls, {})  # type: ignore[no-any-return]  # the function just made


def _hash(cls: type) -> Callable[[Any], int]:
    """Write a class's `__hash__`, of the class and its fields."""
    names = "".join(f"self.{item.name}, " for item in fields(cls))
    return _compile(f"def __hash__(self):\n    return hash((kind, {names}))", "__hash__", cls, {"kind": cls})  # type: ignore[no-any-return]


def _shown(self: object) -> str:
    """Name the class and its fields, but for those declared with `repr=False`."""
    cls = type(self)
    parts = ", ".join(f"{item.name}={getattr(self, item.name)!r}" for item in fields(cls) if item.repr)
    return f"{cls.__qualname__.rpartition('>.')[2]}({parts})"


def _attributes(cls: type) -> tuple[Attribute[Any], ...]:
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


# -- declaring -----------------------------------------------------------------------------------------


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
        for item in vars(base).get("__declared__", ()):
            if item.name not in own and not item.inherited:
                above.pop(item.name, None)
                above[item.name] = item.evolve(inherited=True)
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
        function = getattr(value, "fget", None) or getattr(value, "__func__", value)
        if "__class__" in getattr(getattr(function, "__code__", None), "co_freevars", ()):
            problem = f"{function.__name__} uses super() without arguments, which names a class that is replaced"
    if problem:
        msg = f"{cls.__qualname__}: {problem}"
        raise TypeError(msg)


def _methods(cls: type, *, is_frozen: bool, eq: bool, repr: bool) -> tuple[dict[str, Any], list[_Lazily]]:  # noqa: A002
    """The methods of a class that its body does not define: those that all share, and those written when called."""
    body = vars(cls)
    shared: dict[str, Any] = {"__getstate__": _state, "__setstate__": _restore}
    lazily = [_Lazily("__attrs_attrs__", _attributes)]
    if "__init__" not in body:
        lazily.append(_Lazily("__init__", _init))
    if eq and "__eq__" not in body:
        lazily.append(_Lazily("__eq__", _eq))
        if is_frozen:
            lazily.append(_Lazily("__hash__", _hash))
        else:
            shared["__hash__"] = None
    if repr and "__repr__" not in body:
        shared["__repr__"] = _shown
    if is_frozen:
        shared.update(__setattr__=_no_change, __delattr__=_no_change)
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
    is_frozen = is_frozen or _is_frozen(cls)
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
        **{each.name: each for each in lazily},
        "__slots__": tuple(slots),
        "__qualname__": cls.__qualname__,
        "__match_args__": tuple(item.name for item in declared if not item.kw_only),
        "__declared__": tuple(declared),
    }
    made: type = type(cls)(cls.__name__, cls.__bases__, body)
    for each in lazily:
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
