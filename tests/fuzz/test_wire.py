"""What is written is read back, and what was damaged since is found, whatever the damage."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

import arbeit.sync
from arbeit import audit, wire
from arbeit.core import model
from arbeit.core.errors import ArbeitError
from arbeit.core.record import change
from arbeit.exchange.plan import FILE_BYTES, read_plan
from arbeit.testing import strategies as a
from arbeit.wire import WIRE, canonical, fact_of, read_reply
from tests.core.harness import examples
from tests.fuzz.wild import told

SAMPLE = Path("examples/plans/webshop.json").read_bytes()


@examples(300)
@given(a.json_values())
def test_canonical_json_is_one_line_that_says_itself_again(value: Any) -> None:  # noqa: ANN401 - JSON
    text = canonical(value)
    assert "\n" not in text
    assert canonical(json.loads(text)) == text
    assert text.encode().decode() == text


@examples(200)
@given(a.entity(model.Reply))
def test_a_reply_is_read_as_it_was_written(reply: model.Reply) -> None:
    text = WIRE.reply(reply)
    assert read_reply(text) == reply
    assert WIRE.reply(read_reply(text)) == text


@examples(300)
@given(a.events())
def test_a_fact_is_read_as_it_was_written(event: model.Event) -> None:
    assert WIRE.data(fact_of(event)) == event.data


@examples(100)
@given(a.events(), st.integers(2, 9))
def test_a_fact_of_tomorrow_is_refused_unless_something_brings_it_down(event: model.Event, version: int) -> None:
    with pytest.raises(ArbeitError) as caught:
        fact_of(change(event, version=version))
    assert caught.value.code == "SCHEMA_TOO_NEW"


def test_data_of_an_older_version_is_brought_up_step_by_step(monkeypatch: pytest.MonkeyPatch) -> None:
    kind = arbeit.core.events.TaskEscalated
    monkeypatch.setattr(kind, "version", 3)
    steps: dict[Any, Any] = {
        (kind.tag, 1): lambda said: {**said, "attempts": 1},
        (kind.tag, 2): lambda said: {**said, "attempts": said["attempts"] + 1},
    }
    monkeypatch.setattr(wire, "UPCASTERS", steps)
    event = model.Event("demo", 1, kind.tag, 1, 0, "ada", '{"reason":"x"}', "", "", "", task_id="one")
    assert fact_of(event) == kind(task_id="one", reason="x", attempts=2)


@examples(150)
@given(
    st.integers(0, 10**6), st.one_of(st.binary(max_size=4), st.sampled_from([b"null", b"[]", b'"', b"{}", b"1e999"]))
)
def test_damaged_data_is_found_by_verify_and_crashes_nothing(at: int, splice: bytes) -> None:
    with arbeit.sync.open("memory://") as hub:
        project = hub.project("demo", create=True)
        project.create_task("T", task_id="one", metadata={"k": [1, {"x": None}]})
        events = hub._session.kernel.store._projects["demo"].events  # type: ignore[attr-defined]  # the memory store
        number = at % len(events)
        data = events[number].data.encode()
        cut = at % (len(data) + 1)
        damaged = (data[:cut] + splice + data[cut + len(splice) :]).decode(errors="replace")
        events[number] = change(events[number], data=damaged)
        found = project.verify()
        assert found.ok == (damaged == data.decode())
        assert found.ok or found.position == number + 1
        assert audit.Verification is type(found)


@examples(150)
@given(
    start=st.integers(0, len(SAMPLE)),
    end=st.integers(0, len(SAMPLE)),
    splice=st.binary(max_size=8),
    reopen=st.booleans(),
)
@example(start=0, end=len(SAMPLE), splice=b"\xff\xfe", reopen=True)
@example(start=0, end=len(SAMPLE), splice=b"\xed\xa0\x80", reopen=False)
def test_a_damaged_plan_is_read_or_refused(
    tmp_path_factory: pytest.TempPathFactory, start: int, end: int, splice: bytes, reopen: bool
) -> None:
    path = tmp_path_factory.getbasetemp() / "damaged.json"
    path.write_bytes(SAMPLE[: min(start, end)] + splice + SAMPLE[max(start, end) :])
    plans: list[Any] = []
    refused = told(lambda: plans.append(read_plan(path, reopen=reopen)))
    assert (refused is None) == bool(plans)
    for plan in plans:
        assert plan.records >= len(plan.tasks) + len(plan.relationships)


HOSTILE = {
    "deep lists": b"[" * 200_000,
    "deep objects": b'{"tasks":' * 100_000,
    "deep subtasks": b'{"tasks":[' + b'{"id":1,"title":"t","subtasks":[' * 20_000 + b"]}" * 20_000 + b"]}",
    "many tasks of one id": b'{"tasks":[' + b",".join([b'{"id":1,"title":"t"}'] * 20_000) + b"]}",
    "many names": b'{"tasks":[],' + b",".join(b'"k%d":1' % number for number in range(20_000)) + b"}",
    "one name often": b'{"tasks":[],' + b",".join([b'"k":1'] * 20_000) + b"}",
    "digits": b'{"tasks":[{"id":' + b"9" * 5_000 + b"}]}",
    "exponents": b'{"tasks":[{"id":1e99999,"title":"t"}]}',
    "escapes": b'{"tasks":[{"id":1,"title":"' + b"\\ud800" * 100 + b'"}]}',
    "a knot": b'{"tasks":['
    + b",".join(b'{"id":%d,"title":"t","dependencies":[%d,%d]}' % (n, (n + 1) % 999, (n + 7) % 999) for n in range(999))
    + b"]}",
}


@pytest.mark.parametrize("name", HOSTILE)
def test_a_hostile_plan_is_read_or_refused_in_little_time(tmp_path: Path, name: str) -> None:
    # The limit on a whole test is what a quadratic reader would meet.
    path = tmp_path / "plan.json"
    path.write_bytes(HOSTILE[name])
    plans: list[Any] = []
    refused = told(lambda: plans.append(read_plan(path)))
    assert (refused is None) == bool(plans)
    assert path.stat().st_size < FILE_BYTES
