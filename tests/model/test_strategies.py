"""What is drawn is sound by construction, for every class that there is."""

from __future__ import annotations

import inspect
import subprocess
import sys
from functools import partial
from typing import Any

import attrs
import pytest
from hypothesis import find, given
from hypothesis import settings as profile
from hypothesis import strategies as st

from arbeit import policies
from arbeit.core import commands as c
from arbeit.core import events, limits, model
from arbeit.core.codec import header_of
from arbeit.core.errors import ArbeitError
from arbeit.core.searching import parse
from arbeit.queries import SORTS, Query, Search, place
from arbeit.testing import strategies as a
from arbeit.wire import WIRE, fact_of, read_reply
from tests.core.harness import examples, sendable

KINDS = sendable()
SEARCH = profile(max_examples=2_000, database=None)
RECORDS = [
    kind
    for _, kind in inspect.getmembers(model, inspect.isclass)
    if attrs.has(kind) and kind.__module__.startswith("arbeit.core.model")
]


def kinds(found: list[type]) -> Any:  # noqa: ANN401 - a mark
    return pytest.mark.parametrize("kind", found, ids=lambda kind: kind.__name__)


@kinds(KINDS)
def test_every_command_has_a_strategy_that_gives_every_field(kind: type[c.Command]) -> None:
    seen: set[type] = set()
    given_: set[str] = set()
    fields = [one for one in attrs.fields(kind) if one.name not in c.HEADER_FIELDS]
    strategy = a.command(kind, a.Vocabulary(edges=False))

    def gives(command: c.Command, name: str, default: object) -> bool:
        return default is attrs.NOTHING or getattr(command, name) != default

    @examples(8 * len(fields) + 16)
    @given(strategy)
    def draw(command: c.Command) -> None:
        seen.add(type(command))
        given_.update(one.name for one in fields if gives(command, one.name, one.default))

    draw()
    assert kind in a.COMMANDS
    assert seen == {kind}
    for one in fields:
        if one.name not in given_:
            # Chance may leave a field out of so many; a search that finds nothing is a failure.
            find(strategy, partial(gives, name=one.name, default=one.default), settings=SEARCH)


@kinds(RECORDS)
def test_every_entity_has_a_strategy(kind: type) -> None:
    seen = []

    @examples(6)
    @given(a.entity(kind))
    def draw(entity: object) -> None:
        seen.append(entity)

    draw()
    assert kind in a.ENTITIES
    assert {type(entity) for entity in seen} == {kind}


@pytest.mark.parametrize("tag", sorted(events.FACTS))
def test_every_fact_has_a_strategy_and_is_read_back_from_its_event(tag: str) -> None:
    kind = events.FACTS[tag]
    seen = []

    @examples(6)
    @given(a.fact(kind), a.entity(model.Event, position=1))
    def draw(fact: events.Fact, event: model.Event) -> None:
        about: Any = {name: getattr(fact, name, None) for name in ("task_id", "run_id")}
        recorded = attrs.evolve(event, type=tag, version=kind.version, data=WIRE.data(fact), **about)
        seen.append(fact_of(recorded) == fact)

    draw()
    assert seen
    assert all(seen)


def test_a_class_or_field_that_nothing_is_known_of_is_told() -> None:
    @attrs.frozen(kw_only=True)
    class Pray(c.Command):
        operation = "pray"
        deity: str

    class Nobody:
        pass

    with pytest.raises(LookupError, match=r"Pray\.deity"):
        a.command(Pray)
    with pytest.raises(LookupError, match="Nobody"):
        a.entity(Nobody)
    assert find(a.command(Pray, deity="Ra"), lambda _one: True, settings=profile(database=None)).deity == "Ra"


def test_a_field_may_be_given_as_a_value_or_as_a_strategy() -> None:
    drawn = a.command(c.CreateTask, queue="docs", title=st.sampled_from(("one", "two")))
    seen = []

    @examples(20)
    @given(drawn)
    def draw(command: c.CreateTask) -> None:
        seen.append((command.queue, command.title))

    draw()
    assert set(seen) == {("docs", "one"), ("docs", "two")}


def test_what_is_simplest_is_small() -> None:
    simplest = find(a.command(c.CreateTask), lambda _one: True, settings=profile(database=None))
    assert simplest == c.CreateTask(actor="ada", title="done")


@examples(300)
@given(a.texts(characters=20, size=30), a.texts(size=30, required=True), a.metadata())
def test_texts_and_metadata_keep_their_limits(short: str, said: str, about: Any) -> None:  # noqa: ANN401 - JSON
    limits.check_text("short", short, characters=20, size=30)
    limits.check_text("said", said, size=30)
    assert said.strip()
    assert c.AddContext(task_id="t", content="x", metadata=about).metadata == about


def test_texts_reach_the_edges_of_their_size() -> None:
    lengths = set()

    @examples(100)
    @given(a.texts(), a.texts(characters=9, size=12))
    def draw(long: str, short: str) -> None:
        lengths.update({len(long.encode()), len(short.encode())})

    draw()
    assert {65_536, 9, 12} <= lengths
    assert max(lengths) == 65_536


@examples(300)
@given(a.settings())
def test_settings_name_policies_that_there_are(chosen: Any) -> None:  # noqa: ANN401 - a JSON object
    assert policies.resolve(chosen) is not None
    assert c.CreateProject(key="demo", settings=chosen).settings == chosen


@examples(200)
@given(a.entity(model.Task))
def test_a_task_is_of_one_piece(task: model.Task) -> None:
    assert (task.claim_status == "held") == (task.lease_id is not None) == (task.assignee is not None)
    assert (task.claim_status == "ready") == (task.rank is not None)
    assert task.finished == (task.finished_at is not None)


@examples(200)
@given(a.events("demo"))
def test_the_hashes_of_an_event_are_true(event: model.Event) -> None:
    assert event.project == "demo"
    assert event.data_hash == WIRE.digest(event.data)
    assert event.hash == WIRE.chain(event.prev_hash, header_of(event))
    assert fact_of(event).tag == event.type


@examples(100)
@given(a.entity(model.Receipt))
def test_a_receipt_holds_a_reply(receipt: model.Receipt) -> None:
    assert WIRE.reply(read_reply(receipt.reply)) == receipt.reply


@examples(200)
@given(a.queries("demo"))
def test_a_query_goes_on_from_a_cursor_of_its_own_sort(query: Query) -> None:
    assert query.sort in SORTS
    assert (place(query.sort, query.after) is None) == (query.after is None)


def test_most_searches_say_something_to_look_for() -> None:
    sound: list[bool] = []

    @examples(200)
    @given(a.searches("demo"))
    def draw(search: Search) -> None:
        try:
            parse(search.text)
        except ArbeitError:
            sound.append(False)
        else:
            sound.append(True)

    draw()
    assert sum(sound) > len(sound) * 2 / 3


def test_testing_itself_does_without_hypothesis() -> None:
    code = "import sys, arbeit.testing, arbeit.testing.clock, arbeit.testing.plugin; print('hypothesis' in sys.modules)"
    said = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout  # no shell
    assert said.strip() == "False"
