"""What a command may carry: at each limit it passes, one beyond it is refused with the name of the field."""

import math
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, get_args, get_type_hints

import attrs
import pytest
from attrs import NOTHING, frozen
from hypothesis import given
from hypothesis import strategies as st

from arbeit.core import commands as c
from arbeit.core import limits
from arbeit.core.errors import ArbeitError, Code
from arbeit.core.limits import UNSET
from arbeit.core.model import (
    ENTRY_TYPES,
    FILE_OPERATIONS,
    INVERSE_RELATIONS,
    PRIORITIES,
    RELATION_TYPES,
    RUN_RESULTS,
    STATUSES,
    Frozen,
)
from arbeit.wire import rfc3339
from tests.core import harness
from tests.core.harness import MINIMAL, Team, examples, make, sendable

KIB = 1024
LARGEST = 2**63 - 1
LAST = 253_402_300_799_999_999  # 9999-12-31T23:59:59.999999Z
HUGE = 10**5000

# --- what each field takes ----------------------------------------------------------------------------------


@frozen
class Rule:
    """Values that a field takes, and values that it refuses."""

    good: tuple[Any, ...]
    bad: tuple[Any, ...]
    code: Code = Code.INVALID_INPUT


def words(*, characters: int | None = None, size: int = 64 * KIB, required: bool = False) -> Rule:
    most = characters or size
    good: list[Any] = ["x" * most, "x"]
    bad: list[Any] = ["x" * (most + 1), "a\0b", "\0", "\ud800", "a\udfffb", 7, b"x", ["x"]]
    if characters is None:
        good.append("ä" * (size // 2))
        bad += ["ä" * (size // 2) + "x" * (size % 2 + 1), "😀" * (size // 4 + 1)]
    else:
        good.append("😀" * characters)
        bad.append("😀" * (characters + 1))
    if required:
        bad += ["", " ", "\n\t "]
    return Rule(tuple(good), tuple(bad))


IDENT = Rule(
    ("a", "Z" * 64, "tkt-0a1b2c3d4e", "A.b_c-9"),
    ("", "a" * 65, "a b", "ä", "a\n", "a/b", "a\0", "\ud800", 7, b"a", ["a"]),
)
NAME = Rule(
    ("a", "Z" * 64, "a.b_c:d/e@f+g#h-i", "9"),
    ("", "a" * 65, "-a", ".a", "a b", "ä", "a,b", "a\n", "a\0", "\ud800", 7, b"a"),
)
PROJECT_KEY = Rule(("a", "0", "a" * 63, "a-b"), ("", "a" * 64, "-a", "A", "a_b", "a\n", "a\0", "ä", 7))
TRACEPARENT = Rule(
    (f"00-{'a' * 32}-{'b' * 16}-01",),
    ("", f"00-{'a' * 31}-{'b' * 16}-01", f"00-{'A' * 32}-{'b' * 16}-01", f"00-{'a' * 32}-{'b' * 16}-01\n", "\0", 7),
)
FLAG = Rule((True, False), (1, 0, "yes", "", [], 1.0))


def whole(low: int, high: int = LARGEST, *, optional: bool = False) -> Rule:
    good: tuple[Any, ...] = (low, high, *((None,) if optional else ()))
    return Rule(good, (low - 1, high + 1, True, False, str(low), float(low), math.nan, [low]))


def choice(words: Sequence[str], code: Code = Code.INVALID_INPUT) -> Rule:
    return Rule(tuple(words), ("", "nonsense", words[0].upper(), f"{words[0]}\0", "\ud800", 7, [words[0]]), code)


def several(item: Rule, most: int, *, least: int = 0, names: bool = False, size: int = 0) -> Rule:
    """A list of so many values; `names` are sorted, each said once, and one alone is a list of one."""
    each = tuple(f"{number:03}".ljust(size, "x") for number in range(most + 1))
    good: list[Any] = [each[:most], list(each[:most]), each[:1], set(each[:2])]
    bad: list[Any] = [each, list(each), 7, True, b"x", {"a": 1}, (None,)]
    bad += [(*each[: least or 1], refused) for refused in item.bad]
    if least:
        bad.append(())
    else:
        good.append(())
    if names:
        good.append(each[0])
    else:
        bad.append("text is no list")
    return Rule(tuple(good), tuple(bad))


def nested(depth: int, *, lists: bool = False) -> dict[str, Any]:
    """An object with so many levels of objects or lists, its own included."""
    value: Any = 1
    for _ in range(depth - 1):
        value = [value] if lists else {"k": value}
    return {"k": value}


def json_object(size: int = 16 * KIB) -> Rule:
    good: tuple[dict[str, Any], ...] = (
        {},
        {"k": "x" * (size - len('{"k":""}'))},
        {"k": "ä" * ((size - len('{"k":""}')) // 2)},
        nested(8),
        nested(8, lists=True),
        {"text": "t", "int": LARGEST, "least": -LARGEST, "float": 0.5, "yes": True, "none": None, "list": [1, "a"]},
    )
    bad = (
        {"k": "x" * (size - len('{"k":""}') + 1)},
        {"k": "ä" * (size // 2)},
        nested(9),
        nested(9, lists=True),
        {"k": math.nan},
        {"k": [math.inf]},
        {"k": {"k": -math.inf}},
        {"k": LARGEST + 1},
        {"k": [-LARGEST - 2]},
        {1: "a"},
        {"k": {None: "a"}},
        {b"k": 1},
        {"k": b"x"},
        {"k": {"a"}},
        {"k": object()},
        {"k": datetime(2026, 1, 1, tzinfo=UTC)},
        {"k": "a\0b"},
        {"k\0": 1},
        {"k": ["\ud800"]},
        {"k": {"\udfff": 1}},
        "text",
        7,
        ["a"],
        b"x",
    )
    return Rule(good, bad)


SHORT = words(size=255)
LONG = words()
COMMON = {
    "actor": NAME,
    "idempotency_key": SHORT,
    "correlation_id": SHORT,
    "causation_id": SHORT,
    "traceparent": TRACEPARENT,
}
LABELS = several(words(size=100), 32, names=True, size=100)
CAPABILITIES = several(NAME, 32, names=True, size=64)
ACCEPTANCE = several(words(size=4096), 100, size=4096)
EVIDENCE = several(words(size=4096, required=True), 32, size=4096)
ITEMS = several(words(size=4096, required=True), 100, least=1, size=4096)
WEIGHT = whole(1, 1000)
COUNT = whole(0, optional=True)
MOMENT = whole(0, LAST, optional=True)
TTL = whole(1, 24 * 3600 * 1_000_000, optional=True)
STATUS = choice(STATUSES, Code.INVALID_STATUS)
ENTRY = choice(ENTRY_TYPES, Code.INVALID_TYPE)
RELATION = choice((*RELATION_TYPES, *INVERSE_RELATIONS), Code.INVALID_TYPE)
TITLE = words(characters=500, required=True)
PRIORITY = choice(PRIORITIES)
SAID = {
    "title": TITLE,
    "intent": LONG,
    "description": LONG,
    "priority": PRIORITY,
    "labels": LABELS,
    "queue": NAME,
    "requires": CAPABILITIES,
    "max_attempts": WEIGHT,
    "acceptance": ACCEPTANCE,
    "metadata": json_object(),
}
CLAIMING = {"agent": NAME, "capabilities": CAPABILITIES, "ttl": TTL, "session_id": SHORT}
ASKING = {**CLAIMING, "queues": several(NAME, 1000, least=1, names=True, size=64), "n": whole(1, 100)}
NAMED = {**CLAIMING, "task_id": IDENT}
PROVEN = {"task_id": IDENT, "token": SHORT}
ENDING = {**PROVEN, "force": FLAG}
RUNTIME = whole(1, 30 * 24 * 3600 * 1_000_000, optional=True)
USAGE = Rule(
    (
        {"tokens_in": 0},
        {"model": "x" * 200, "cost": 10**15},
        {f"counter_{number}": number for number in range(32)},
        {"x" * 64: 1},
    ),
    (
        *({}, {f"counter_{number}": number for number in range(33)}, {"x" * 65: 1}, {"Tokens": 1}, {"": 1}, {"a b": 1}),
        *({"cost": 10**15 + 1}, {"cost": -1}, {"cost": 0.5}, {"cost": True}, {"cost": "1"}, {"cost": None}),
        *({"cost": [1]}, {"model": 7}, {"model": "x" * 201}, {"model": "a\0"}, {1: 1}, "text", 7, [1]),
    ),
)
MEDIA_TYPE = Rule(
    ("text/plain", "a/b", "text/plain; charset=utf-8", f"{'a' * 64}/{'b' * 64}"),
    ("", "text", "text/", "/plain", "text/plain;", "text/plain\n", f"{'a' * 65}/b", "text/pl\0in", "text/plän", 7),
)
SHA256 = Rule(("0" * 64, "af" * 32), ("", "0" * 63, "0" * 65, "G" * 64, "AF" * 32, "0" * 63 + "\n", "\0" * 64, 7))
THEN = Rule(
    (None, make(c.ClaimTasks)), (7, "ada", {"agent": "ada"}, make(c.CreateTask), c.ClaimTasks, True), Code.INVALID_INPUT
)
RENEWAL = make(c.RenewLease)
RENEWALS = Rule(
    ((RENEWAL,), [RENEWAL], (RENEWAL,) * 1000),
    ((), (RENEWAL,) * 1001, (RENEWAL, None), (make(c.RenewLeases),), (7,), 7, "text", RENEWAL, {"a": RENEWAL}, b"x"),
)
EDGE = {"from_task_id": IDENT, "to_task_id": IDENT, "type": RELATION}

AUTHOR = words(size=255)
LINK = {"task_id": IDENT, "link_id": IDENT, "created_at": MOMENT}
FIRST = harness.first_event()
EVENTS = Rule(
    ((FIRST,), [FIRST]), ((), (FIRST,) * 501, (FIRST, None), (7,), 7, "text", FIRST, {"a": FIRST}, True, b"x")
)
LEFT = Rule(
    ((), ((1, "0" * 64),), [(1, "0" * 64), (2, "af" * 32)], ((LARGEST, "0" * 64),)),
    (
        *(
            7,
            "text",
            True,
            b"x",
            {"a": 1},
            (1, "0" * 64),
            ((1, "0" * 64),) * 501,
            ((1,),),
            ((1, "0" * 64, 1),),
            (None,),
        ),
        *([[1, "0" * 64]], ((0, "0" * 64),), ((True, "0" * 64),), ((1, "0" * 63),), ((1, "G" * 64),), ((1, 7),)),
        *((("1", "0" * 64),), ((LARGEST + 1, "0" * 64),)),
    ),
)

RULES: Mapping[type[c.Command], Mapping[str, Rule]] = {
    c.CreateProject: {"key": PROJECT_KEY, "name": words(characters=200), "weight": WEIGHT, "settings": json_object()},
    c.UpdateProject: {"name": words(characters=200), "weight": WEIGHT, "settings": json_object(), "archived": FLAG},
    c.SetQueue: {"queue": NAME, "weight": WEIGHT, "paused": FLAG, "max_ready": COUNT, "max_in_progress": COUNT},
    c.RegisterAgent: {
        "agent_id": NAME,
        "name": words(characters=200),
        "persona": words(characters=64),
        "capabilities": CAPABILITIES,
        "max_leases": COUNT,
        "metadata": json_object(),
    },
    c.CreateTask: {
        **SAID,
        "task_id": IDENT,
        "parent_id": IDENT,
        "blocked_by": several(IDENT, 1000, names=True, size=64),
        "ready_at": MOMENT,
        "due_at": MOMENT,
        "inputs": json_object(64 * KIB),
        "max_runtime": RUNTIME,
        "review": FLAG,
    },
    c.UpdateTask: {
        **SAID,
        "task_id": IDENT,
        "expected_version": whole(1, optional=True),
        "due_at": MOMENT,
        "ready_at": whole(0, LAST),
        "max_runtime": RUNTIME,
        "review": FLAG,
    },
    c.ImportTask: {
        **SAID,
        "task_id": IDENT,
        "status": STATUS,
        "block_reason": LONG,
        "outcome": LONG,
        "created_at": MOMENT,
        "updated_at": MOMENT,
        "finished_at": MOMENT,
        "created_by": AUTHOR,
        "started_at": MOMENT,
        "ready_at": MOMENT,
        "due_at": MOMENT,
        "inputs": json_object(64 * KIB),
        "outputs": json_object(64 * KIB),
        "max_runtime": RUNTIME,
        "review": FLAG,
    },
    c.ImportEntry: {
        "entry_id": IDENT,
        "task_id": IDENT,
        "type": ENTRY,
        "content": LONG,
        "author": AUTHOR,
        "created_at": MOMENT,
        "metadata": json_object(),
        "evidence": EVIDENCE,
        "superseded_by": IDENT,
        "source_run": IDENT,
    },
    c.ImportItem: {
        "item_id": IDENT,
        "task_id": IDENT,
        "content": words(size=4096, required=True),
        "completed": FLAG,
        "created_at": MOMENT,
        "completed_at": MOMENT,
        "completed_by": AUTHOR,
    },
    c.ImportSession: {**LINK, "session_id": words(size=255, required=True)},
    c.ImportFile: {
        **LINK,
        "path": words(size=4096, required=True),
        "file_operation": choice(FILE_OPERATIONS),
        "session_id": SHORT,
    },
    c.ImportArtifact: {
        "artifact_id": IDENT,
        "task_id": IDENT,
        "name": words(characters=255, required=True),
        "media_type": MEDIA_TYPE,
        "size": whole(0, 5 * 1024**3),
        "sha256": SHA256,
        "uri": words(size=2048),
        "created_at": MOMENT,
        "source_run": IDENT,
    },
    c.ImportRun: {
        "run_id": IDENT,
        "task_id": IDENT,
        "agent_id": NAME,
        "attempt": whole(0, 1_000_000),
        "session_id": SHORT,
        "started_at": whole(0, LAST),
        "ended_at": whole(0, LAST),
        "result": choice(RUN_RESULTS),
        "note": LONG,
        "usage": Rule(({}, *USAGE.good), USAGE.bad[1:]),
    },
    c.RestoreEvents: {"events": EVENTS, "upto": whole(1), "erased": LEFT},
    c.ClaimTasks: ASKING,
    c.ExplainClaim: ASKING,
    c.StartTask: NAMED,
    c.ResumeTask: NAMED,
    c.RenewLease: {**PROVEN, "ttl": TTL},
    c.RenewLeases: {"items": RENEWALS},
    c.ReleaseTask: {**ENDING, "note": LONG, "undelivered": FLAG, "then_claim": THEN},
    c.CompleteTask: {
        **ENDING,
        "outcome": LONG,
        "evidence": EVIDENCE,
        "outputs": json_object(64 * KIB),
        "then_claim": THEN,
    },
    c.FailTask: {**ENDING, "error": LONG, "then_claim": THEN},
    c.HandoffTask: {**ENDING, "to_agent": NAME, "note": words(required=True), "ttl": TTL},
    c.ApproveTask: {**ENDING, "note": LONG, "then_claim": THEN},
    c.RequestChanges: {**ENDING, "reasons": words(required=True), "then_claim": THEN},
    c.PreemptTask: {"task_id": IDENT, "reason": LONG},
    c.CancelTask: {**ENDING, "reason": LONG},
    c.DeleteTask: {"task_id": IDENT, "reason": LONG},
    c.BlockTask: {**ENDING, "reason": words(required=True), "blocked_by": several(IDENT, 32, names=True, size=64)},
    c.UnblockTask: {"task_id": IDENT, "note": LONG},
    c.Sweep: {"limit": WEIGHT, "forget_receipts_older_than": COUNT},
    c.AddRelationship: {
        **EDGE,
        "metadata": json_object(),
        "created_at": MOMENT,
        "imported": FLAG,
        "relationship_id": IDENT,
    },
    c.RemoveRelationship: EDGE,
    c.AddContext: {
        **PROVEN,
        "type": ENTRY,
        "content": words(required=True),
        "metadata": json_object(),
        "evidence": EVIDENCE,
    },
    c.SupersedeContext: {"entry_id": IDENT, "content": words(required=True), "type": ENTRY, "token": SHORT},
    c.AddProgress: {**PROVEN, "items": ITEMS, "completed": FLAG},
    c.CompleteProgress: {**PROVEN, "item_ids": several(IDENT, 100, least=1, names=True, size=64)},
    c.RerankTasks: {"after": words(size=64), "limit": WEIGHT},
    c.ReportUsage: {**PROVEN, "usage": USAGE},
    c.LinkSession: {"task_id": IDENT, "token": SHORT, "session_id": words(size=255, required=True)},
    c.LinkFile: {
        **PROVEN,
        "path": words(size=4096, required=True),
        "file_operation": choice(FILE_OPERATIONS),
        "session_id": SHORT,
    },
    c.AttachArtifact: {
        **PROVEN,
        "name": words(characters=255, required=True),
        "media_type": MEDIA_TYPE,
        "size": whole(0, 5 * 1024**3),
        "sha256": SHA256,
    },
    c.SetSecret: {"name": NAME, "provider": NAME, "path": words(size=1024, required=True)},
    c.UseSecret: {**PROVEN, "name": NAME},
    c.EraseRecord: {"kind": choice(c.ERASABLE), "record_id": IDENT, "task_id": IDENT, "reason": LONG},
}

FIELDS = [
    (kind, name, rule)
    for kind in sendable()
    for name, rule in {**COMMON, **RULES[kind]}.items()
    # The common fields are checked in one place; one command of each kind of base is enough for their long lists.
    if name not in COMMON or kind in {c.CreateTask, c.ClaimTasks, c.CompleteTask, c.Sweep}
]
each_field = pytest.mark.parametrize(
    ("kind", "name", "rule"), FIELDS, ids=[f"{kind.__name__}-{name}" for kind, name, _ in FIELDS]
)


def test_every_field_of_every_command_has_its_rule_here() -> None:
    for kind in sendable():
        assert {each.name for each in attrs.fields(kind)} == {*COMMON, *RULES[kind]}


def test_the_limits_are_those_of_the_specification() -> None:
    assert (limits.TITLE_CHARACTERS, limits.TEXT_BYTES, limits.METADATA_BYTES) == (500, 64 * KIB, 16 * KIB)
    assert (limits.JSON_DEPTH, limits.LABELS, limits.RELATIONSHIPS, limits.HIERARCHY_DEPTH) == (8, 32, 1000, 16)


@each_field
def test_at_its_limit_a_field_passes(kind: type[c.Command], name: str, rule: Rule) -> None:
    for value in rule.good:
        kept = getattr(make(kind, **{name: value}), name)
        if isinstance(value, str | int | bool | None):
            assert kept in (value, (value,))
        elif isinstance(value, dict):
            assert isinstance(kept, Frozen)
            assert kept.keys() == value.keys()
        elif isinstance(value, list | tuple | set):
            assert isinstance(kept, tuple)
            assert sorted(kept, key=repr) == sorted(value, key=repr)


@each_field
def test_beyond_its_limit_a_field_is_refused_by_name(kind: type[c.Command], name: str, rule: Rule) -> None:
    for value in rule.bad:
        with pytest.raises(ArbeitError) as caught:
            make(kind, **{name: value})
        error = caught.value
        assert error.code is rule.code, shown(value)
        assert error.data["field"].partition(".")[0] == name, shown(value)
        assert error.message.startswith(name), shown(value)
        assert len(error.message) < 400, shown(value)


REVIEWS: tuple[type[c.Command], ...] = (c.ApproveTask, c.RequestChanges)


def attempt(kind: type[c.Command], fields: Mapping[str, Any]) -> c.Command | ArbeitError:
    return harness.outcome(lambda: make(kind, **fields))


def shown(value: object) -> str:
    return f"for {type(value).__name__} {value!r:.80}"


@pytest.mark.parametrize("number", [HUGE, -HUGE], ids=["huge", "minus huge"])
@pytest.mark.parametrize("kind", sendable(), ids=lambda kind: kind.__name__)
def test_a_number_that_python_does_not_print_is_refused_like_any_other(kind: type[c.Command], number: int) -> None:
    for each in attrs.fields(kind):
        for value in (number, (number,), {"k": number}):
            with pytest.raises(ArbeitError) as caught:
                make(kind, **{each.name: value})
            assert caught.value.code in {Code.INVALID_INPUT, Code.INVALID_STATUS, Code.INVALID_TYPE}


@pytest.mark.parametrize("kind", sendable(), ids=lambda kind: kind.__name__)
def test_null_is_taken_only_where_it_means_something(kind: type[c.Command]) -> None:
    hints = get_type_hints(kind)
    taken = []
    for each in attrs.fields(kind):
        if type(None) in get_args(hints[each.name]):
            make(kind, **{each.name: None})
            continue
        result = attempt(kind, {each.name: None})
        if isinstance(result, ArbeitError):
            assert result.data["field"] == each.name
        elif getattr(result, each.name) is None:  # a collection may read null as empty; nothing may store it
            taken.append(each.name)
    assert taken == []


@pytest.mark.parametrize("kind", sendable(), ids=lambda kind: kind.__name__)
def test_unset_is_taken_only_where_it_is_the_default(kind: type[c.Command]) -> None:
    taken = []
    for each in attrs.fields(kind):
        if each.default is UNSET:
            make(kind, **{each.name: UNSET})
            continue
        result = attempt(kind, {each.name: UNSET})
        if isinstance(result, ArbeitError):
            assert result.data["field"] == each.name
        else:
            taken.append(each.name)
    assert taken == []


@pytest.mark.parametrize("kind", sendable(), ids=lambda kind: kind.__name__)
def test_what_a_command_needs_cannot_be_left_out(kind: type[c.Command]) -> None:
    needed = {each.name for each in attrs.fields(kind) if each.default is NOTHING}
    for name in needed:
        with pytest.raises(TypeError):
            kind(**{given: value for given, value in MINIMAL[kind].items() if given != name})
    kind(**{name: MINIMAL[kind][name] for name in needed})


def test_nothing_unstorable_hides_in_any_text() -> None:
    """Every text, list of texts and object of every command refuses U+0000 and half a surrogate pair."""
    checked = 0
    for kind in sendable():
        for name, rule in {**COMMON, **RULES[kind]}.items():
            for value in rule.good:
                for poison in ("\0", "\ud800"):
                    poisoned = poisoned_with(poison, value)
                    if poisoned is None:
                        continue
                    checked += 1
                    with pytest.raises(ArbeitError):
                        make(kind, **{name: poisoned})
                break
    assert checked > 300


def poisoned_with(poison: str, value: object) -> object:
    """The same kind of value with a character in it that no store can keep; None where it holds no text."""
    if isinstance(value, str):
        return value[:-1] + poison
    if isinstance(value, tuple):
        return (value[0][:-1] + poison,) if value and isinstance(value[0], str) else None
    return {"k": poison} if isinstance(value, dict) else None


def test_a_task_has_a_thousand_relationships_and_no_more(team: Team) -> None:
    tasks = [f"t-{number}" for number in range(1001)]
    team.do_all(*(c.CreateTask(title="t", task_id=name) for name in tasks))
    task = team.create(blocked_by=tasks[:1000])
    assert team.task(task).relationships == 1000
    team.refused(c.AddRelationship(from_task_id=task.id, to_task_id="t-1000", type="relates_to"), Code.LIMIT_EXCEEDED)
    team.refused(c.CreateTask(title="t", blocked_by=tasks[:1000], parent_id="t-1000"), Code.LIMIT_EXCEEDED)


# --- what is taken is stored --------------------------------------------------------------------------------


def test_a_task_at_every_limit_is_stored_and_read_back(team: Team) -> None:
    fields = {name: rule.good[0] for name, rule in SAID.items() if name not in {"priority", "metadata"}}
    fields["metadata"] = {"k": "x" * (16 * KIB - len('{"k":""}'))}
    task = team.create(**fields, inputs=nested(8))
    team.forget_view()
    assert {name: getattr(team.task(task), name) for name in fields} == fields
    assert team.sound()


def test_collections_are_kept_in_one_order_whatever_the_caller_has() -> None:
    one = make(c.CreateTask, labels={"b", "a", "c"}, requires=["y", "x", "y"], acceptance=["b", "a"])
    other = make(c.CreateTask, labels=("c", "b", "a"), requires={"x", "y"}, acceptance=("b", "a"))
    assert one == other


def test_an_object_is_copied_so_that_its_giver_cannot_change_it() -> None:
    given: dict[str, Any] = {"list": [1, {"deep": [2]}]}
    command = c.CreateTask(title="t", metadata=given)
    given["list"][1]["deep"].append(3)
    assert command.metadata == {"list": (1, {"deep": (2,)})}


# --- anything at all ----------------------------------------------------------------------------------------

NASTY: tuple[Any, ...] = (
    *(None, UNSET, True, False, 0, -1, 1, 2, LARGEST, LARGEST + 1, 10**400, 0.0, 1.5, math.nan, math.inf),
    *("", " ", "x", "7", "\0", "\ud800", "ä" * 300, "k" * 70_000, b"", b"x", (), [], {}, set(), (None,), [UNSET]),
    *("tkt-1", "tkt-2", "ada", "build", "default", "high", "open", "note", "blocks", "child_of"),
    *(("tkt-2",), ["x", 1], {"x", 1}, {"k": UNSET}, {"k": {1: 1}}, {None: 1}, [[]], object(), range(3), int),
    *(make(c.ClaimTasks), make(c.CreateTask), datetime(2026, 1, 1, tzinfo=UTC), Code.INTERNAL, Frozen({"k": 1})),
)
ANY_TEXT = st.text(st.characters(exclude_categories=()), max_size=8)
ANY_VALUE = st.one_of(
    st.sampled_from(NASTY),
    st.sampled_from(NASTY),
    ANY_TEXT,
    st.integers(),
    st.floats(),
    st.lists(st.sampled_from(NASTY) | ANY_TEXT, max_size=3),
    st.dictionaries(ANY_TEXT | st.integers(), st.sampled_from(NASTY), max_size=3),
)


@st.composite
def wild(draw: st.DrawFn) -> tuple[type[c.Command], dict[str, Any]]:
    """A kind of command, and anything at all for one to three of its fields."""
    kind = draw(st.sampled_from(sendable()))
    names = sorted({each.name for each in attrs.fields(kind)} - {"key"})
    return kind, draw(st.dictionaries(st.sampled_from(names), ANY_VALUE, min_size=1, max_size=3))


@examples(300)
@given(wild())
def test_making_a_command_raises_our_error_or_none(wanted: tuple[type[c.Command], dict[str, Any]]) -> None:
    result = attempt(*wanted)
    if isinstance(result, ArbeitError):
        assert result.code in {Code.INVALID_INPUT, Code.INVALID_STATUS, Code.INVALID_TYPE}
        assert result.data["field"]


@examples(200)
@given(wild())
def test_what_could_be_made_can_be_decided(wanted: tuple[type[c.Command], dict[str, Any]]) -> None:
    kind, fields = wanted
    with harness.team() as team:
        command = attempt(kind, {**real(team, kind), **fields})
        if isinstance(command, ArbeitError):
            return
        (result,) = team.do_all(command)
        assert not isinstance(result, ArbeitError) or result.code is not Code.INTERNAL, result
        assert team.sound()


def real(team: Team, kind: type[c.Command]) -> dict[str, Any]:
    """What makes the least command of a kind succeed: two tasks, the first held where a token is asked for."""
    for task_id in ("tkt-1", "tkt-2"):
        team.create(task_id=task_id)
    entry = team.do(c.AddContext(task_id="tkt-1", content="old")).entries[0]
    item = team.do(c.AddProgress(task_id="tkt-1", items=("step",))).items[0]
    known: dict[str, Any] = {"entry_id": entry.id, "item_ids": (item.id,)}
    if kind in REVIEWS:
        team.do(c.UpdateTask(task_id="tkt-1", review=True))
        team.complete(team.start("tkt-1", "bob"))
        known |= {"actor": "ada", "token": team.start("tkt-1", capabilities=("review",)).token}
    elif kind is c.EraseRecord:
        team.do(c.RegisterAgent(agent_id="anonymous", persona="supervisor"))
    elif kind is c.HandoffTask:
        team.do(c.RegisterAgent(agent_id="bob"))
        known |= {"actor": "ada", "token": team.start("tkt-1").token}
    elif kind is c.UseSecret:
        team.do(make(c.SetSecret))
        known |= {"actor": "ada", "token": team.start("tkt-1").token}
    elif "token" in {each.name for each in attrs.fields(kind)}:
        known |= {"actor": "ada", "token": team.start("tkt-1").token}
    elif kind in {c.ResumeTask, c.UnblockTask}:
        team.do(c.BlockTask(task_id="tkt-1", reason="stuck"))
    elif kind is c.ImportTask:
        known |= {"task_id": "tkt-3"}
    return {name: value for name, value in known.items() if name in {each.name for each in attrs.fields(kind)}}


@pytest.mark.parametrize("at", [-(2**63), -62_135_596_800_000_001, 253_402_300_800_000_000, 2**63 - 1])
def test_a_moment_that_no_calendar_has_is_shown_as_the_nearest_that_one_has(at: int) -> None:
    assert rfc3339(at) in {"0001-01-01T00:00:00.000Z", "9999-12-31T23:59:59.999999Z"}
