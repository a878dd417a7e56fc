"""Calls as models make them: mistakes that mean something plain are taken, all others say how to call instead."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import arbeit.sync
from arbeit.core.errors import Code
from arbeit.sync import Toolset
from arbeit.toolset import NAMES, find_tool

Answer = dict[str, Any]
Call = Callable[..., Answer]


@pytest.mark.parametrize(
    ("said", "meant"),
    [
        ({"labels": '["ci", "flaky"]'}, ["ci", "flaky"]),
        ({"labels": "ci"}, ["ci"]),
        ({"labels": ["ci"], "parent_id": None, "metadata": None}, ["ci"]),
    ],
)
def test_a_list_may_come_as_text_or_as_one_name_and_null_is_left_out(ok: Call, said: Answer, meant: list[str]) -> None:
    assert ok("task_create", title="a", **said)["task"]["labels"] == meant


def test_an_object_may_come_as_text_and_a_number_in_quotes(ok: Call) -> None:
    made = ok("task_create", title="a", metadata='{"ticket": 7}', max_attempts="5", review="true")["task"]
    assert (made["metadata"], made["max_attempts"], made["review"]) == ({"ticket": 7}, 5, True)


def test_a_name_in_other_spelling_is_taken(ok: Call) -> None:
    task = ok("task_create", title="a")["task"]["id"]
    assert ok("arbeit_task_update", task_id=task, status="In Progress")["task"]["status"] == "in_progress"


def test_arguments_may_come_as_text(box: Toolset) -> None:
    assert box.call("task_create", '{"title": "a"}')["success"]
    assert box.call("task_list", "")["data"]["tasks"][0]["title"] == "a"


@pytest.mark.parametrize(
    ("name", "arguments", "code", "words"),
    [
        ("task_creat", {}, "INVALID_INPUT", "arbeit_task_create"),
        ("task_create", {}, "INVALID_INPUT", "needs title"),
        ("task_create", {"title": "a", "lables": ["b"]}, "INVALID_INPUT", "labels for lables"),
        ("task_create", {"title": ["a"]}, "INVALID_INPUT", "title must be text, not a list"),
        ("task_create", {"title": "a", "labels": 7}, "INVALID_INPUT", "labels must be a list, not a number"),
        ("task_create", {"title": "a", "labels": [7, {}]}, "INVALID_INPUT", "[1] must be text, not an object"),
        ("task_create", {"title": "a", "metadata": "no"}, "INVALID_INPUT", "metadata must be an object"),
        ("task_create", {"title": "a", "max_attempts": "many"}, "INVALID_INPUT", "must be a whole number, not 'many'"),
        ("task_create", {"title": "a", "max_attempts": True}, "INVALID_INPUT", "must be a whole number"),
        ("task_create", {"title": "a", "review": "perhaps"}, "INVALID_INPUT", "must be true or false"),
        ("task_create", {"title": "a", "due_at": "soon"}, "INVALID_INPUT", "due_at must be a time such as"),
        ("task_create", {"title": "a", "due_at": "2026-01-19T13:38:24"}, "INVALID_INPUT", "time zone"),
        ("task_create", {"title": "a", "due_at": "9999-12-31T23:59:59-14:00"}, "INVALID_INPUT", "253402300799999999"),
        ("task_create", {"title": "a", "due_at": "1969-12-31T23:59:59Z"}, "INVALID_INPUT", "due_at"),
        ("query", {"query": "recent_activity", "params": {"task_id": "tkt-nope"}}, "TASK_NOT_FOUND", "tkt-nope"),
        ("query", {"query": "recent_activity", "params": {"limit": -2}}, "INVALID_INPUT", "limit"),
        ("task_create", {"title": "a", "status": "done"}, "INVALID_STATUS", "completed"),
        ("task_create", {"title": "a", "status": "completed"}, "INVALID_STATUS", "begin"),
        ("context_add", {"task_id": "t", "type": "idea", "content": "c"}, "INVALID_TYPE", "decision"),
        ("task_list", {"limit": 0}, "INVALID_INPUT", "limit"),
        ("task_list", {"cursor": "x"}, "INVALID_INPUT", "cursor"),
        ("task_list", "{not json", "INVALID_INPUT", "no JSON"),
        ("task_list", "[1]", "INVALID_INPUT", "a list, not an object"),
        ("task_list", "[" * 100_000, "INVALID_INPUT", "no JSON"),
        ("task_list", '{"queue": "' + "x" * 1_048_576 + '"}', "LIMIT_EXCEEDED", "1048576"),
        ("query", {"query": "nope"}, "INVALID_INPUT", "ready_tasks"),
        ("query", {"query": "tasks", "params": {"parent_id": None, "nope": 1}}, "INVALID_INPUT", "parent_id"),
        ("query", {"query": "children_of"}, "INVALID_INPUT", "task_id"),
        ("task_get", {"task_id": "tkt-nope"}, "TASK_NOT_FOUND", "tkt-nope"),
        ("progress_complete", {"item_ids": []}, "INVALID_INPUT", "empty"),
        ("progress_complete", {"item_ids": ["prg-nope"]}, "ENTRY_NOT_FOUND", "prg-nope"),
        ("context_supersede", {"entry_id": "ctx-nope", "new_content": "c"}, "ENTRY_NOT_FOUND", "ctx-nope"),
    ],
)
def test_a_mistake_is_answered_with_its_code_and_how_to_call_instead(
    refusal: Call, name: str, arguments: object, code: str, words: str
) -> None:
    error = refusal(name, arguments)
    assert error["code"] == code
    assert words in json.dumps(error)
    assert error["suggestions"]


def test_what_is_wrong_changes_nothing(project: arbeit.sync.Project, refusal: Call) -> None:
    before = project.overview().head
    refusal("task_create", title="a", items=["x" * 5000])
    refusal("task_create", title="a", due_at="soon")
    refusal("task_create", title="a" * 501)
    assert project.overview().head == before


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=6,
)


@given(data=st.data())
@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_whatever_is_sent_gets_an_envelope_that_is_no_defect(box: Toolset, data: st.DataObject) -> None:
    name = data.draw(st.sampled_from(NAMES))
    known = list(find_tool(name).schema()["properties"])
    names = st.sampled_from(known) | st.text(max_size=8) if known else st.text(max_size=8)
    arguments = data.draw(st.dictionaries(names, VALUES, max_size=6) | VALUES | st.text() | st.binary(max_size=20))
    answer = box.call(name, arguments)  # type: ignore[arg-type]  # anything at all
    json.dumps(answer)
    assert answer["success"] or (answer["error"]["code"] in set(Code) - {Code.INTERNAL}), answer


@pytest.mark.parametrize(
    "params", [{"limit": "x"}, {"limit": True}, {"sort": []}, {"status": {"a": 1}}, {"hours": "x"}, {"days": "x"}]
)
@pytest.mark.parametrize("query", ["tasks", "ready_tasks", "stale_tasks", "recent_activity", "decisions"])
def test_wrong_parameters_of_queries_are_refused_as_input(box: Toolset, query: str, params: Answer) -> None:
    answer = box.call("query", {"query": query, "params": params})
    assert not answer["success"]
    assert answer["error"]["code"] in {"INVALID_INPUT", "INVALID_STATUS"}
