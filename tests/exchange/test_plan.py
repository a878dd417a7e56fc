"""What a plan file may hold, and what is said of one that cannot be read."""

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from arbeit.core.errors import ArbeitError, Code
from arbeit.exchange import plan as module
from arbeit.exchange.own import parse
from arbeit.exchange.plan import Plan, Problem, read_plan

WEBSHOP = Path(__file__).parents[2] / "examples" / "plans" / "webshop.json"


def document(*tasks: object, **fields: object) -> dict[str, Any]:
    return {"arbeit": 1, "kind": "plan", "tasks": list(tasks), **fields}


def task(id: object, **fields: object) -> dict[str, Any]:
    return {"id": id, "title": f"Task {id}", **fields}


def take(*tasks: object, reopen: bool = False, **fields: object) -> Plan:
    return parse(document(*tasks, **fields), reopen=reopen)


def links(plan: Plan) -> list[tuple[str, str, str]]:
    return [(edge.from_task_id, edge.type, edge.to_task_id) for edge in plan.relationships]


def problems(plan: Plan) -> dict[str, str]:
    return {problem.where: problem.reason for problem in plan.problems}


def write(folder: Path, content: str | bytes) -> Path:
    path = folder / "plan.json"
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return path


def refused(path: Path) -> ArbeitError:
    with pytest.raises(ArbeitError) as caught:
        read_plan(path)
    assert caught.value.suggestions or "digits" in caught.value.message
    return caught.value


# --- Arbeit's own plan --------------------------------------------------------------------------------------


def test_every_field_of_a_task_arrives() -> None:
    fields: dict[str, Any] = {
        "intent": "Why",
        "description": "What",
        "priority": "high",
        "queue": "build",
        "max_attempts": 7,
    }
    lists: dict[str, Any] = {
        "labels": ["b", "a"],
        "requires": ["sql", "python"],
        "acceptance": ["One", "Two"],
    }
    plan = take(task("a", metadata={"n": 1}, **fields, **lists), name="Ours", description="About it")
    (taken,) = plan.tasks
    assert (taken.task_id, taken.title, taken.status) == ("a", "Task a", "open")
    assert {name: getattr(taken, name) for name in fields} == fields
    assert (taken.labels, taken.requires, taken.acceptance) == (("a", "b"), ("python", "sql"), ("One", "Two"))
    assert taken.metadata == {"n": 1}
    assert (plan.name, plan.metadata, plan.source_format) == (
        "Ours",
        {"description": "About it"},
        "arbeit-plan",
    )


def test_parents_and_blockers_become_imported_relationships_whatever_the_order() -> None:
    plan = take(task("child", parent_id="goal", blocked_by=["first"]), task("first"), task("goal"))
    assert links(plan) == [("goal", "parent_of", "child"), ("first", "blocks", "child")]
    assert all(edge.imported for edge in plan.relationships)


def test_null_is_the_same_as_missing() -> None:
    empty = dict.fromkeys(("intent", "priority", "labels", "queue", "metadata", "parent_id", "blocked_by", "status"))
    assert take(task("a", **empty)) == take(task("a"))


@pytest.mark.parametrize(
    ("entry", "says"),
    [
        ({"id": "a"}, "title is missing"),
        ({"title": "No id"}, "id is missing"),
        (task("a", title=None), "title is missing"),
        (task("a b"), "task_id must be an id"),
        (task(5), "task_id must be an id"),
        (task("a", priority="medium"), "priority"),
        (task("a", status="done"), "status must be one of"),
        (task("a", status=["open"]), "status must be one of"),
        (task("a", labels=[1]), "labels"),
        (task("a", metadata=[]), "metadata"),
        (task("a", max_attempts=True), "max_attempts"),
        (task("a", acceptance="one line"), "acceptance"),
        (task("a", blockedby=["b"]), "unknown fields (blockedby)"),
        ("just text", "must be an object, not text"),
    ],
)
def test_a_record_that_is_not_sound_is_a_problem_and_the_others_are_taken(entry: object, says: str) -> None:
    plan = take(entry, task("b"))
    assert [taken.task_id for taken in plan.tasks] == ["b"]
    assert says in problems(plan)["tasks[0]"]
    assert plan.records == 2


def test_a_problem_names_its_record() -> None:
    plan = take(task("a", oops=1))
    assert plan.problems[0].record == "a Task a"


def test_an_unknown_field_of_the_plan_is_a_problem() -> None:
    plan = take(task("a"), taks=[], name=5)
    assert set(problems(plan)) == {"taks", "name"}
    assert len(plan.tasks) == 1


@pytest.mark.parametrize(
    ("fields", "where", "says"),
    [
        ({"parent_id": "x"}, "tasks[1].parent_id", "x does not exist in this plan"),
        ({"parent_id": "bad"}, "tasks[1].parent_id", "bad could not be taken"),
        ({"parent_id": "b"}, "tasks[1].parent_id", "names itself"),
        ({"parent_id": 5}, "tasks[1].parent_id", "not a number"),
        ({"blocked_by": ["x"]}, "tasks[1].blocked_by[0]", "x does not exist"),
        ({"blocked_by": ["b"]}, "tasks[1].blocked_by[0]", "names itself"),
        ({"blocked_by": ["c", "c"]}, "tasks[1].blocked_by[1]", "says again"),
        ({"blocked_by": [None]}, "tasks[1].blocked_by[0]", "not null"),
        ({"blocked_by": "c"}, "tasks[1].blocked_by", "a list of ids, not text"),
        ({"blocked_by": ["c"], "parent_id": "c"}, "tasks[1].blocked_by[0]", "circle"),
    ],
)
def test_a_link_that_cannot_be_is_a_problem_of_its_own(fields: dict[str, Any], where: str, says: str) -> None:
    plan = take(task("bad", title=""), task("b", **fields), task("c"))
    assert [taken.task_id for taken in plan.tasks] == ["b", "c"]
    assert says in problems(plan)[where]


def test_an_id_that_stands_twice_is_taken_once() -> None:
    plan = take(task("a"), task("a", title="Other"))
    assert [taken.title for taken in plan.tasks] == ["Task a"]
    assert "already stands at tasks[0]" in problems(plan)["tasks[1]"]


def test_parents_in_a_circle_lose_the_link_that_closes_it() -> None:
    plan = take(task("a", parent_id="b"), task("b", parent_id="c"), task("c", parent_id="a"))
    assert links(plan) == [("b", "parent_of", "a"), ("c", "parent_of", "b")]
    assert "under itself" in problems(plan)["tasks[2].parent_id"]


@pytest.mark.parametrize(
    ("status", "reopen", "expected", "kept"),
    [
        ("open", False, "open", None),
        ("in_progress", False, "open", "in_progress"),
        ("in_review", False, "blocked", "in_review"),
        ("blocked", False, "blocked", None),
        ("completed", False, "completed", None),
        ("cancelled", False, "cancelled", None),
        ("in_progress", True, "open", "in_progress"),
        ("in_review", True, "open", "in_review"),
        ("completed", True, "open", "completed"),
        ("cancelled", True, "cancelled", None),
        ("blocked", True, "blocked", None),
    ],
)
def test_a_status_is_taken_as_far_as_a_task_without_holder_can_have_it(
    status: str, reopen: bool, expected: str, kept: str | None
) -> None:
    (taken,) = take(task("a", status=status, metadata={"n": 1}), reopen=reopen).tasks
    assert taken.status == expected
    assert taken.metadata == {"n": 1} | ({"source_status": kept} if kept else {})
    assert bool(taken.block_reason) == (expected == "blocked")


def test_a_status_kept_by_an_earlier_import_is_not_overwritten() -> None:
    entry = task("a", status="in_progress", metadata={"source_status": "doing"})
    assert take(entry).tasks[0].metadata == {"source_status": "doing"}


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"arbeit": 2}, Code.SCHEMA_TOO_NEW),
        ({"arbeit": True}, Code.INVALID_INPUT),
        ({"arbeit": "1"}, Code.INVALID_INPUT),
        ({"kind": "export"}, Code.INVALID_INPUT),
        ({"tasks": {}}, Code.INVALID_INPUT),
        ({"tasks": None}, Code.INVALID_INPUT),
    ],
)
def test_a_document_that_is_no_plan_of_this_version_is_refused(changes: dict[str, Any], code: Code) -> None:
    with pytest.raises(ArbeitError) as caught:
        parse(document() | changes)
    assert caught.value.code is code
    assert caught.value.suggestions


values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=6), inner, max_size=3),
)
names = st.sampled_from(["a", "b", "c", "d"])
tasks = st.fixed_dictionaries(
    {"id": names | values, "title": st.just("Some task") | values},
    optional={
        "parent_id": names | values,
        "blocked_by": st.lists(names | values, max_size=4) | values,
        "status": st.sampled_from(["open", "completed", "in_review"]) | values,
        "metadata": values,
        "labels": values,
        "odd": values,
    },
)


@given(values | st.lists(tasks | values, max_size=6).map(lambda found: document(*found)))
def test_any_document_is_refused_as_a_whole_or_accounted_for_record_by_record(found: object) -> None:
    try:
        plan = parse(found)
    except ArbeitError:
        return
    taken = len(plan.tasks) + len(plan.relationships) + len(plan.metadata)
    assert plan.records == taken + len(plan.problems)
    known = {each.task_id for each in plan.tasks}
    assert all({edge.from_task_id, edge.to_task_id} <= known for edge in plan.relationships)


# --- files --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("content", "source_format"),
    [
        (document(task("a")), "arbeit-plan"),
        ({"tasks": [task(1)]}, "taskmaster"),
        ({"master": {"tasks": [task(1)]}}, "taskmaster"),
        ({"arbeit": {"tasks": []}, "master": {"tasks": [task(1)]}}, None),
    ],
)
def test_the_format_is_told_by_the_content(tmp_path: Path, content: object, source_format: str | None) -> None:
    path = write(tmp_path, json.dumps(content))
    if source_format is None:
        refused(path)
    else:
        assert read_plan(path).source_format == source_format


@pytest.mark.parametrize("content", ["{}", "[]", "3", '"tasks"', "null", '{"issues": []}'])
def test_json_that_is_no_plan_is_refused_with_what_would_be_one(tmp_path: Path, content: str) -> None:
    error = refused(write(tmp_path, content))
    assert error.code is Code.INVALID_INPUT
    assert '"kind": "plan"' in str(error)


def test_a_plan_of_ours_that_forgot_to_say_so_does_not_lose_its_links_as_task_masters(tmp_path: Path) -> None:
    error = refused(write(tmp_path, json.dumps({"tasks": [task("a"), task("b", blocked_by=["a"])]})))
    assert '"arbeit": 1' in str(error)


def test_reopening_reaches_both_formats(tmp_path: Path) -> None:
    for content in (document(task("a", status="completed")), {"tasks": [task(1, status="done")]}):
        (taken,) = read_plan(write(tmp_path, json.dumps(content)), reopen=True).tasks
        assert taken.status == "open"
        assert taken.metadata["source_status"] in {"completed", "done"}


def test_a_byte_order_mark_is_no_trouble(tmp_path: Path) -> None:
    assert read_plan(write(tmp_path, b"\xef\xbb\xbf" + json.dumps(document(task("a"))).encode())).tasks


@pytest.mark.parametrize(
    ("content", "line", "column", "hint"),
    [
        ('{\n  "tasks": [\n    {"id": 1,}\n  ]\n}', 3, 14, '{"id": 1,}'),
        ("", 1, 1, "empty"),
        ("\n\n", 3, 1, "empty"),
        ('{"kind": "task"}\n{"kind": "task"}\n', 2, 1, "JSON Lines"),
        ('{\n<<<<<<< HEAD\n"tasks": []\n}', 2, 1, "merge conflict"),
        ('{"a": "NaN",\n "b": [NaN]}', 2, 8, "NaN"),
        ('{"a": -Infinity}', 1, 7, "Infinity"),
        ('{"a": "\u2028",\n oops}', 2, 2, "oops"),
    ],
)
def test_bad_json_is_told_by_line_and_column(tmp_path: Path, content: str, line: int, column: int, hint: str) -> None:
    error = refused(write(tmp_path, content))
    assert error.code is Code.INVALID_INPUT
    assert f"line {line}, column {column}" in error.message
    assert error.data == {"line": line, "column": column}
    assert any(hint in suggestion for suggestion in error.suggestions)


def test_a_name_that_stands_twice_in_an_object_is_a_problem(tmp_path: Path) -> None:
    path = write(tmp_path, '{"tasks": [{"id": 1, "title": "A", "details": "lost", "details": "kept"}]}')
    plan = read_plan(path)
    assert plan.tasks[0].description == "kept"
    assert problems(plan) == {'"details"': module._DOUBLED}
    assert plan.problems[0].record == "1 A"
    assert plan.records == 2


@pytest.mark.parametrize("content", ["[" * 100_000, '{"a":' * 100_000])
def test_a_file_nested_too_deep_is_refused(tmp_path: Path, content: str) -> None:
    assert refused(write(tmp_path, content)).code is Code.LIMIT_EXCEEDED


def test_a_number_of_thousands_of_digits_is_refused(tmp_path: Path) -> None:
    assert refused(write(tmp_path, '{"tasks": [' + "9" * 5000 + "]}")).code is Code.INVALID_INPUT


def test_a_file_that_is_not_utf8_is_told_by_its_offset(tmp_path: Path) -> None:
    error = refused(write(tmp_path, b'{"a": "\xff"}'))
    assert error.code is Code.INVALID_INPUT
    assert error.data == {"offset": 7}
    assert "0xff" in error.message


def test_a_file_that_is_too_long_is_refused_before_it_is_parsed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "FILE_BYTES", 10)
    assert refused(write(tmp_path, "x" * 11)).code is Code.LIMIT_EXCEEDED
    assert refused(write(tmp_path, "x" * 10)).code is Code.INVALID_INPUT


def test_the_most_a_file_may_have_is_64_mebibytes() -> None:
    assert module.FILE_BYTES == 67_108_864


def test_a_missing_file_is_refused_with_where_to_look(tmp_path: Path) -> None:
    error = refused(tmp_path / "nowhere.json")
    assert error.code is Code.INVALID_INPUT
    assert "nowhere.json" in error.message
    assert any("tasks.json" in suggestion for suggestion in error.suggestions)


@pytest.mark.parametrize("name", ["", "a\0b"])
def test_a_path_that_is_no_file_is_refused(tmp_path: Path, name: str) -> None:
    assert refused(tmp_path / name).code is Code.INVALID_INPUT


@given(st.binary(max_size=200))
def test_any_bytes_are_a_plan_or_a_clear_error(tmp_path_factory: pytest.TempPathFactory, content: bytes) -> None:
    path = tmp_path_factory.mktemp("any") / "plan.json"
    path.write_bytes(content)
    try:
        read_plan(path)
    except ArbeitError as error:
        assert error.code in {Code.INVALID_INPUT, Code.LIMIT_EXCEEDED}  # noqa: PT017 - either outcome is right


def test_a_problem_is_fit_for_a_terminal() -> None:
    problem = Problem("a\x1b[31m", "line\nbreak", "\ud800" + "x" * 1000)
    assert (problem.where, problem.reason) == ("a\\x1b[31m", "line\\nbreak")
    assert problem.record.startswith("\\ud800x")
    assert len(problem.record) < 320


# --- the sample ---------------------------------------------------------------------------------------------


def test_the_sample_plan_is_taken_whole_and_shows_what_a_plan_can_say() -> None:
    plan = read_plan(WEBSHOP)
    assert (plan.problems, plan.notes) == ((), ())
    assert len(plan.tasks) == 14
    assert {taken.priority for taken in plan.tasks} == {"critical", "high", "normal", "low"}
    assert {taken.queue for taken in plan.tasks} == {"build", "quality"}
    assert {name for taken in plan.tasks for name in taken.requires} == {
        "frontend",
        "plan",
        "python",
        "review",
        "sql",
    }
    assert all(taken.intent and taken.acceptance for taken in plan.tasks)


def test_the_sample_plan_has_three_levels_and_can_be_finished() -> None:
    plan = read_plan(WEBSHOP)
    above = {edge.to_task_id: edge.from_task_id for edge in plan.relationships if edge.type == "parent_of"}

    def level(task_id: str) -> int:
        return 1 if task_id not in above else 1 + level(above[task_id])

    assert {level(taken.task_id) for taken in plan.tasks} == {1, 2, 3}
    waits = {taken.task_id: set[str]() for taken in plan.tasks}
    for edge in plan.relationships:
        first, then = edge.from_task_id, edge.to_task_id
        waits[then if edge.type == "blocks" else first].add(first if edge.type == "blocks" else then)
    done: set[str] = set()
    while ready := [name for name, needed in waits.items() if name not in done and needed <= done]:
        done.update(ready)
    assert done == set(waits)
