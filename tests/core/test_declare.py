"""Classes declared by `arbeit.core.declare` are what attrs would have made of the same declarations."""

# A decorator that is a parameter makes nothing of a class that mypy could follow.
# mypy: disable-error-code="call-arg, arg-type, assignment, no-untyped-call, var-annotated"

import copy
import inspect
import json
import pickle
import subprocess
import sys
import threading
import weakref
from collections.abc import Callable
from pathlib import Path
from typing import Any, ClassVar

import attrs
import pytest

from arbeit.core import declare
from arbeit.core import model as m
from arbeit.core.limits import checked_once
from arbeit.core.methods import Init
from arbeit.core.record import UNWRITTEN, builder, change, sparse, values_of

SHIM = """
import sys, types, attrs
shim = types.ModuleType("arbeit.core.declare")
for name in ("NOTHING", "Factory", "define", "evolve", "field", "fields", "frozen"):
    setattr(shim, name, getattr(attrs, name))
sys.modules["arbeit.core.declare"] = shim
"""
DESCRIBE = """
import importlib, inspect, json, pathlib, sys, attrs, arbeit
home = pathlib.Path(arbeit.__file__).parent
for path in sorted(home.rglob("*.py")):
    parts = path.relative_to(home).with_suffix("").parts
    if parts[0] not in ("testing", "exchange", "toolset", "telemetry", "hookspecs"):
        importlib.import_module(".".join(("arbeit", *parts)).removesuffix(".__init__"))

def shown(value):
    made = getattr(value, "factory", None)
    text = repr(value) if made is None else f"made by {made!r}"
    return text.partition(" at 0x")[0]

def described(kind):
    parameters = inspect.signature(kind).parameters.values()
    return {
        "fields": [
            {
                **{part: shown(getattr(item, part)) for part in attrs.Attribute.__slots__ if part != "metadata"},
                "metadata": {key: shown(value) for key, value in item.metadata.items()},
            }
            for item in attrs.fields(kind)
        ],
        "parameters": [(one.name, str(one.kind), one.default is inspect.Parameter.empty) for one in parameters],
        "slots": sorted(kind.__slots__),
        "match": kind.__match_args__,
        "hash": kind.__hash__ is not None,
        "frozen": kind.__setattr__ is not object.__setattr__,
        "size": kind.__basicsize__,
        "bases": [base.__qualname__ for base in kind.__mro__],
        "doc": kind.__doc__,
        "equality": kind.__eq__ is not object.__eq__,
    }

kinds = {
    f"{kind.__module__}.{kind.__qualname__}": kind
    for name, module in list(sys.modules.items()) if name.partition(".")[0] == "arbeit"
    for kind in vars(module).values() if isinstance(kind, type) and attrs.has(kind)
}
ours = {name: described(kind) for name, kind in kinds.items() if name.startswith("arbeit.") and "declare" not in name}
print(json.dumps(ours, sort_keys=True))
"""


@pytest.fixture(scope="module")
def described() -> tuple[dict[str, Any], dict[str, Any]]:
    """Every class of the library, as declared here, and as attrs declares it."""
    root = Path(inspect.getfile(declare)).parents[2]

    def run(code: str) -> dict[str, Any]:
        done = subprocess.run(
            [sys.executable, "-c", code], capture_output=True, text=True, check=False, cwd=root, timeout=120
        )
        assert done.returncode == 0, done.stderr
        found: dict[str, Any] = json.loads(done.stdout)
        return found

    return run(DESCRIBE), run(SHIM + DESCRIBE)


def test_every_class_is_to_attrs_what_attrs_would_have_made_it(
    described: tuple[dict[str, Any], dict[str, Any]],
) -> None:
    ours, theirs = described
    assert len(ours) > 100
    assert ours.keys() == theirs.keys()
    for name, one in ours.items():
        assert one == theirs[name], name


Maker = Any


class Written:
    """As `declare`, with the constructor written before the first instance is made."""

    field = declare.field

    @staticmethod
    def frozen(*args: Any, **wanted: Any) -> Maker:  # noqa: ANN401 - as attrs.frozen
        if not args:
            return lambda cls: Written.frozen(declare.frozen(**wanted)(cls), made=True)
        kind = args[0] if wanted else declare.frozen(args[0])
        assert inspect.signature(kind) is not None
        assert not isinstance(vars(kind)["__init__"], Init)
        return kind

    @staticmethod
    def define(kind: type) -> Maker:
        return Written.frozen(declare.define(kind), made=True)


MAKERS = pytest.mark.parametrize("by", [declare, Written, attrs], ids=["declare", "written", "attrs"])


def point(by: Maker) -> Maker:
    @by.frozen
    class Point:
        x: int
        y: int = 0
        hidden: str = by.field(default="secret", repr=False)
        tags: list[str] = by.field(factory=list, kw_only=True)
        unit: ClassVar[str] = "m"

        @property
        def sum(self) -> int:
            return self.x + self.y

    return Point


@MAKERS
def test_a_frozen_class_compares_prints_and_refuses_as_attrs_does(by: Maker) -> None:
    kind = point(by)
    one = kind(1, y=2)
    assert (one.x, one.y, one.hidden, one.tags, one.sum, kind.unit) == (1, 2, "secret", [], 3, "m")
    assert one == kind(1, 2)
    assert one != kind(1, 3)
    assert one != kind(1, 2, "other")
    assert one.__eq__((1, 2)) is NotImplemented
    assert repr(one) == "Point(x=1, y=2, tags=[])"
    assert kind(1).tags is not kind(1).tags
    for attempt in (lambda: setattr(one, "x", 5), lambda: delattr(one, "x"), lambda: setattr(one, "new", 5)):
        with pytest.raises(attrs.exceptions.FrozenInstanceError):
            attempt()
    assert one.x == 1
    assert not hasattr(one, "__dict__")


@MAKERS
def test_frozen_instances_hash_by_class_and_value_and_others_not_at_all(by: Maker) -> None:
    @by.frozen
    class One:
        x: int

    @by.frozen
    class Other:
        x: int

    @by.define
    class Loose:
        x: int

    assert len({One(1), One(1), One(2), Other(1)}) == 3
    loose = Loose(1)
    loose.x = 2
    assert loose == Loose(2)
    with pytest.raises(TypeError, match="unhashable"):
        hash(loose)


@MAKERS
def test_a_subclass_adds_fields_and_declares_inherited_ones_anew(by: Maker) -> None:
    @by.frozen
    class Base:
        a: int
        b: int = 1

        def total(self) -> int:
            return self.a + self.b

    @by.frozen(kw_only=True)
    class Child(Base):
        c: int
        b: int = 7

    child = Child(1, c=3)
    assert (child.a, child.b, child.c, child.total()) == (1, 7, 3, 8)
    assert [(one.name, one.inherited, one.kw_only) for one in attrs.fields(Child)] == [
        ("a", True, False),
        ("c", False, True),
        ("b", False, True),
    ]
    assert Child.__match_args__ == ("a",)  # type: ignore[attr-defined, unused-ignore]  # made by the decorator
    assert child != Base(1, 7)


@MAKERS
def test_values_are_converted_then_stored_then_judged(by: Maker) -> None:
    seen: list[object] = []

    @by.frozen
    class Converted:
        x: int = by.field(converter=int)
        y: int = by.field(default="5", converter=int)
        z: list[int] = by.field(factory=lambda: "6", converter=lambda text: [int(text)])

        def __attrs_post_init__(self) -> None:
            seen.append((self.x, self.y, self.z))

    Converted("4")
    assert seen == [(4, 5, [6])]


@MAKERS
def test_wrong_arguments_are_named_with_their_class(by: Maker) -> None:
    kind = point(by)
    with pytest.raises(TypeError, match=r"Point\.__init__\(\) missing 1 required positional argument: 'x'"):
        kind()
    with pytest.raises(TypeError, match=r"Point\.__init__\(\) got an unexpected keyword argument 'z'"):
        kind(1, z=2)


@MAKERS
def test_arguments_may_be_given_by_place_or_name_but_once(by: Maker) -> None:
    kind = point(by)
    assert kind(1, 2, "h") == kind(x=1, y=2, hidden="h") == kind(1, hidden="h", y=2)
    assert kind(1, tags=[3]).tags == [3]
    for args, given in [(1, 2, "h", []), {}], [(1,), {"x": 1}], [(), {"y": 1}], [(1,), {"tag": 1}]:
        with pytest.raises(TypeError, match="__init__"):
            kind(*args, **given)


def test_a_constructor_is_written_once_enough_instances_were_made() -> None:
    kind = point(declare)
    made = [kind(1, y=at) for at in range(3 * UNWRITTEN)]
    assert [(one.x, one.y, one.hidden, one.tags) for one in made] == [(1, at, "secret", []) for at in range(len(made))]
    assert not isinstance(vars(kind)["__init__"], Init)


@pytest.mark.parametrize("weakref_slot", [False, True])
def test_a_written_constructor_leaves_instances_frozen_and_those_of_subclasses_what_they_are(
    weakref_slot: bool,
) -> None:
    @declare.frozen(weakref_slot=weakref_slot)
    class Kind:
        x: int
        y: int = 0

    class Plain(Kind):
        pass

    for cls in (Kind, Plain):
        made = [cls(1, y=at) for at in range(3 * UNWRITTEN)]
        assert {type(one) for one in made} == {cls}
        assert [(one.x, one.y) for one in made] == [(1, at) for at in range(len(made))]
        with pytest.raises(AttributeError):
            made[-1].x = 2  # type: ignore[misc]  # which is the point
    assert not isinstance(vars(Kind)["__init__"], Init)


def test_slow_copies_rows_and_sparse_forms_are_those_of_written_functions() -> None:
    @declare.frozen(weakref_slot=False)
    class Kind:  # of this test alone, so that nothing is written for it yet
        x: int
        y: int = 0
        tags: tuple[int, ...] = ()

    kind: Maker = Kind
    one = kind(1, y=5)
    first = (change(one, x=2), builder(kind)(*values_of(one)), sparse(kind)(one))
    for _ in range(2 * UNWRITTEN):
        last = (change(one, x=2), builder(kind)(*values_of(one)), sparse(kind)(one))
        assert last == first
    assert change(one) == one
    assert first[0] == kind(2, y=5)
    assert sparse(kind)(one) == {"x": 1, "y": 5}
    assert {type(each) for each in first[:2]} == {kind}


def test_instances_survive_pickling_and_copying() -> None:
    queue = m.Queue("default", 5, weight=3)
    assert pickle.loads(pickle.dumps(queue)) == queue  # noqa: S301 - made here
    assert copy.copy(queue) == queue
    assert copy.deepcopy(queue) == queue
    assert copy.deepcopy(queue) is not queue


def test_attrs_reads_copies_and_describes_them() -> None:
    queue = m.Queue("default", 5, weight=3)
    assert attrs.asdict(queue) == {item.name: getattr(queue, item.name) for item in declare.fields(m.Queue)}
    assert attrs.evolve(queue, weight=4) == declare.evolve(queue, weight=4) == m.Queue("default", 5, weight=4)
    assert attrs.fields(m.Queue).weight.default == 100
    assert attrs.has(m.Queue)
    assert "weight" in inspect.signature(m.Queue).parameters


def test_attrs_itself_may_derive_from_a_declared_class() -> None:
    @attrs.frozen
    class Wider(m.Queue):
        room: str = "here"

    wider = Wider("default", 5, room="there")
    assert (wider.name, wider.room, wider.weight) == ("default", "there", 100)
    assert [item.name for item in declare.fields(Wider)][-1] == "room"
    with pytest.raises(attrs.exceptions.FrozenInstanceError):
        wider.room = "elsewhere"  # type: ignore[misc]  # which is what is tested


def test_fields_are_refused_of_a_class_without_any() -> None:
    with pytest.raises(TypeError, match="int is not a class with declared fields"):
        declare.fields(int)


def test_weak_references_are_held_only_where_a_class_makes_room() -> None:
    @declare.frozen
    class Roomy:
        x: int

    @declare.frozen(weakref_slot=False)
    class Tight:
        x: int

    roomy = Roomy(1)
    assert weakref.ref(roomy)() is roomy
    with pytest.raises(TypeError, match="weak reference"):
        weakref.ref(Tight(1))


def no_type() -> None:
    @declare.frozen
    class Wrong:
        x = declare.field(default=1)


def private() -> None:
    @declare.frozen
    class Wrong:
        _x: int


def validated() -> None:
    @declare.frozen
    class Wrong:
        x: int = declare.field(validator=lambda _record, _field, _value: None)


def converted() -> None:
    @declare.define
    class Wrong:
        x: int = declare.field(converter=int)


def out_of_order() -> None:
    @declare.frozen
    class Wrong:
        x: int = 1
        y: int  # type: ignore[misc]  # which is what is tested


def bare_super() -> None:
    @declare.frozen
    class Wrong:
        x: int

        def __str__(self) -> str:
            return super().__str__()


@pytest.mark.parametrize(
    ("wrong", "problem"),
    [
        (no_type, r"Wrong\.x is a field without a type"),
        (private, "_x is private"),
        (validated, "x has a validator"),
        (converted, "x has a converter"),
        (out_of_order, "y has no default"),
        (bare_super, r"__str__ uses super\(\) without arguments"),
    ],
)
def test_what_is_not_offered_is_refused_where_it_is_declared(wrong: Callable[[], None], problem: str) -> None:
    with pytest.raises(TypeError, match=problem):
        wrong()


def test_checks_are_moved_aside_and_everything_else_is_kept() -> None:
    def check(_record: object, _field: object, _value: object) -> None: ...

    @declare.frozen(field_transformer=checked_once)
    class Checked:
        x: int = declare.field(validator=check, metadata={"kept": True})

    (only,) = attrs.fields(Checked)
    assert (only.validator, dict(only.metadata)) == (None, {"kept": True, "check": check})


def test_threads_may_make_the_first_instances_together() -> None:
    for _ in range(20):
        kind = point(declare)
        together, made = threading.Barrier(8), []

        def make(kind: Maker = kind, together: threading.Barrier = together, made: list[Any] = made) -> None:
            together.wait()
            made.append(kind(1, 2))
            assert made[-1] == kind(1, 2)

        threads = [threading.Thread(target=make) for _ in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert made == [kind(1, 2)] * 8
