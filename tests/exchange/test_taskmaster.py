"""What the Task Master importer takes, and what it says of the rest."""

import json
from collections.abc import Mapping
from graphlib import TopologicalSorter
from pathlib import Path
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from arbeit.core.commands import ImportTask
from arbeit.core.errors import ArbeitError, Code
from arbeit.exchange.plan import Plan, read_plan
from arbeit.exchange.taskmaster import parse, recognises
from arbeit.exchange.values import fitting, micros, pieces

FIXTURE = Path(__file__).parents[2].parent / "shared" / "fixtures" / "taskmaster-tasks.json"


def task(id: object, **fields: object) -> dict[str, Any]:
    return {"id": id, "title": f"Task {id}", "status": "pending", **fields}


def take(*tasks: object, reopen: bool = False, **about: object) -> Plan:
    return parse({"master": {"tasks": list(tasks), **about}}, reopen=reopen)


def ids(plan: Plan) -> list[str]:
    return [command.task_id for command in plan.tasks]


def edges(plan: Plan, type: str) -> list[tuple[str, str]]:
    found = [edge for edge in plan.relationships if edge.type == type]
    return [(edge.from_task_id, edge.to_task_id) for edge in found]


def blocks(plan: Plan) -> list[tuple[str, str]]:
    return edges(plan, "blocks")


def parents(plan: Plan) -> list[tuple[str, str]]:
    return edges(plan, "parent_of")


def problems(plan: Plan) -> dict[str, str]:
    assert len({problem.where for problem in plan.problems}) == len(plan.problems)
    return {problem.where: problem.reason for problem in plan.problems}


def only(plan: Plan) -> ImportTask:
    (command,) = plan.tasks
    return command


def accounted(plan: Plan) -> bool:
    taken = len(plan.tasks) + len(plan.relationships) + len(plan.metadata)
    return plan.records == taken + len(plan.problems)


# --- ids ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("raw", [7, "7", 7.0, " 7 "])
def test_an_id_is_the_same_as_a_number_and_as_text(raw: object) -> None:
    assert ids(take(task(raw))) == ["7"]


def test_a_subtask_is_named_by_its_parent_and_its_number() -> None:
    plan = take(task(5, subtasks=[task(1), task("2")]))
    assert ids(plan) == ["5", "5.1", "5.2"]
    assert parents(plan) == [("5", "5.1"), ("5", "5.2")]


@pytest.mark.parametrize("raw", ["5.2", 5.2])
def test_a_subtask_whose_id_names_its_parent_already_is_not_prefixed_twice(raw: object) -> None:
    assert ids(take(task(5, subtasks=[task(raw)]))) == ["5", "5.2"]


def test_subtasks_nest_deeper_than_one_level() -> None:
    plan = take(task(1, subtasks=[task(2, subtasks=[task(3, dependencies=["1.9", 4]), task(4)]), task(9)]))
    assert ids(plan) == ["1", "1.2", "1.2.3", "1.2.4", "1.9"]
    assert parents(plan) == [("1", "1.2"), ("1.2", "1.2.3"), ("1.2", "1.2.4"), ("1", "1.9")]
    assert blocks(plan) == [("1.9", "1.2.3"), ("1.2.4", "1.2.3")]


def test_a_hierarchy_deeper_than_sixteen_levels_is_cut_and_every_task_kept() -> None:
    nested = task("n17")
    for level in range(16, 0, -1):
        nested = task(f"n{level}", subtasks=[nested])
    plan = take(nested)
    assert len(plan.tasks) == 17
    assert len(parents(plan)) == 15
    (problem,) = plan.problems
    assert "deeper than 16 levels" in problem.reason
    assert problem.record == "n17 Task n17"


@pytest.mark.parametrize("raw", ["überschrift", "a b", "x" * 65, "../../etc", "new\nline"])
def test_an_id_that_does_not_fit_is_mapped_the_same_way_every_time_and_kept(raw: str) -> None:
    plan = take(task(raw), task("other", dependencies=[raw]))
    mapped = ids(plan)[0]
    assert mapped != raw
    assert mapped == fitting(raw, 64) == ids(take(task("before"), task(raw)))[1]
    assert plan.tasks[0].metadata["taskmaster"]["id"] == raw
    assert blocks(plan) == [(mapped, "other")]


def test_two_ids_that_look_alike_once_they_fit_stay_apart() -> None:
    plan = take(task("a b"), task("a/b"), task("a-b"))
    assert len(set(ids(plan))) == 3
    assert not plan.problems


def test_an_id_that_fits_is_not_told_twice() -> None:
    assert only(take(task(1))).metadata == {}


def test_a_second_task_of_the_same_id_is_a_problem_and_so_is_what_lies_under_it() -> None:
    plan = take(task(1, subtasks=[task(1)]), task("1", title="Again", subtasks=[task(7)]))
    assert ids(plan) == ["1", "1.1"]
    assert plan.tasks[0].title == "Task 1"
    found = problems(plan)
    assert "already stands at master.tasks[0]" in found["master.tasks[1]"]
    assert "master.tasks[1]" in found["master.tasks[1].subtasks[0]"]
    assert plan.problems[0].record == "1 Again"


@pytest.mark.parametrize("raw", [None, "", "  ", True, [], {}, 2**64, 1e300, float("nan"), float("-inf")])
def test_a_task_without_a_usable_id_is_a_problem(raw: object) -> None:
    plan = take(task(raw), task(2))
    assert ids(plan) == ["2"]
    assert "master.tasks[0]" in problems(plan)


@pytest.mark.parametrize("entry", [None, "text", 3, True, ["list"]])
def test_an_entry_that_is_no_object_is_a_problem(entry: object) -> None:
    plan = take(entry, task(1, subtasks=[entry]))
    assert ids(plan) == ["1"]
    assert set(problems(plan)) == {"master.tasks[0]", "master.tasks[1].subtasks[0]"}


@pytest.mark.parametrize("title", [None, "", "   ", 5, ["x"], "x" * 501, "nul\0", "half \ud800"])
def test_a_task_with_a_bad_title_is_a_problem_and_its_subtasks_stand_on_their_own(title: object) -> None:
    plan = take(task(1, title=title, subtasks=[task(1)]), task(2, dependencies=[1]))
    assert ids(plan) == ["1.1", "2"]
    found = problems(plan)
    assert "title" in found["master.tasks[0]"]
    assert found["master.tasks[0].subtasks[0]"] == "the task 1 could not be taken"
    assert found["master.tasks[1].dependencies[0]"] == "the task 1 could not be taken"


# --- dependencies -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("raw", [1, "1", 1.0])
def test_a_number_inside_a_subtask_is_a_sibling_if_there_is_one(raw: object) -> None:
    plan = take(task(1), task(5, subtasks=[task(1), task(2, dependencies=[raw])]))
    assert blocks(plan) == [("5.1", "5.2")]


@pytest.mark.parametrize("raw", [4, "4"])
def test_a_number_inside_a_subtask_is_a_task_if_there_is_no_such_sibling(raw: object) -> None:
    plan = take(task(4), task(5, subtasks=[task(1, dependencies=[raw])]))
    assert blocks(plan) == [("4", "5.1")]


@pytest.mark.parametrize("raw", ["5.2", 5.2])
def test_a_dotted_dependency_is_a_subtask_wherever_it_is_said(raw: object) -> None:
    plan = take(task(5, subtasks=[task(2), task(3, dependencies=[raw])]), task(6, dependencies=[raw]))
    assert blocks(plan) == [("5.2", "5.3"), ("5.2", "6")]


def test_a_dotted_dependency_inside_a_subtask_is_a_full_id_before_it_is_a_near_one() -> None:
    inner = task(2, subtasks=[task(3)])
    full = take(task(1, subtasks=[inner, task(4, dependencies=["2.3"])]), task(2, subtasks=[task(3)]))
    assert blocks(full) == [("2.3", "1.4")]
    near = take(task(1, subtasks=[inner, task(4, dependencies=["2.3"])]), task(2))
    assert blocks(near) == [("1.2.3", "1.4")]


def test_a_dependency_is_an_imported_edge_from_the_blocker_to_the_dependent() -> None:
    (edge,) = take(task(1), task(2, dependencies=[1])).relationships
    assert (edge.from_task_id, edge.to_task_id, edge.type) == ("1", "2", "blocks")
    assert edge.imported


@pytest.mark.parametrize(("raw", "expected"), [(None, 0), (1, 1), ("1", 1), ("1, 2", 2), ("", 0), ([], 0)])
def test_dependencies_that_are_no_list_are_read_as_one(raw: object, expected: int) -> None:
    plan = take(task(1), task(2), task(3, dependencies=raw))
    assert len(blocks(plan)) == expected
    assert not plan.problems


@pytest.mark.parametrize(
    ("raw", "says"),
    [
        (99, "there is no task 99"),
        ("1.7", "there is no task 1.7"),
        (None, "must be an id, not null"),
        ({"id": 1}, "must be an id, not an object"),
        (True, "must be an id, not true"),
        (2, "names itself"),
    ],
)
def test_a_dependency_that_names_nothing_is_a_problem_with_its_place(raw: object, says: str) -> None:
    plan = take(task(1), task(2, dependencies=[1, raw]))
    assert blocks(plan) == [("1", "2")]
    assert says in problems(plan)["master.tasks[1].dependencies[1]"]


def test_a_problem_deep_inside_is_found_by_its_place() -> None:
    tasks = [task(1), task(2), task(3), task(4, subtasks=[task(1), task(2, dependencies=["9.9"])])]
    assert list(problems(take(*tasks))) == ["master.tasks[3].subtasks[1].dependencies[0]"]


def test_a_dependency_said_twice_is_taken_once() -> None:
    plan = take(task(5, subtasks=[task(1), task(2, dependencies=[1, "5.1"])]))
    assert blocks(plan) == [("5.1", "5.2")]
    assert "says again" in problems(plan)["master.tasks[0].subtasks[1].dependencies[1]"]


def test_a_subtask_cannot_wait_for_its_own_parent() -> None:
    plan = take(task(5, subtasks=[task(1, dependencies=["5"])]))
    assert blocks(plan) == []
    says = "5 lies above 5.1, and a parent waits for its children"
    assert says in problems(plan)["master.tasks[0].subtasks[0].dependencies[0]"]


def test_a_parent_that_waits_for_its_own_child_is_redundant() -> None:
    plan = take(task(5, dependencies=["5.1"], subtasks=[task(1)]))
    assert blocks(plan) == []
    assert "redundant" in problems(plan)["master.tasks[0].dependencies[0]"]


def test_the_dependency_that_closes_a_circle_is_left_out_and_the_circle_is_shown() -> None:
    plan = take(task(1, dependencies=[3]), task(2, dependencies=[1]), task(3, dependencies=[2]))
    assert blocks(plan) == [("3", "1"), ("1", "2")]
    assert "3 -> 2 -> 1 -> 3" in problems(plan)["master.tasks[2].dependencies[0]"]


def test_a_circle_over_a_parent_is_a_circle() -> None:
    # 5 waits for 5.1, which waits for 6, which waits for 5.
    plan = take(task(5, subtasks=[task(1, dependencies=[6])]), task(6, dependencies=[5]))
    assert blocks(plan) == [("6", "5.1")]
    assert "6 -> 5 -> 5.1 -> 6" in problems(plan)["master.tasks[1].dependencies[0]"]


def test_what_only_hangs_on_a_circle_keeps_its_dependencies() -> None:
    plan = take(task(1, dependencies=[2]), task(2, dependencies=[1]), task(3, dependencies=[1, 2]))
    assert len(plan.problems) == 1
    assert {("1", "3"), ("2", "3")} <= set(blocks(plan))


def test_a_circle_costs_what_hangs_on_it_nothing_however_much_that_is() -> None:
    chain = [task(number, dependencies=[number - 1]) for number in range(3, 2500)]
    plan = take(task(1, dependencies=[2]), task(2, dependencies=[1]), *chain)
    assert list(problems(plan)) == ["master.tasks[1].dependencies[0]"]


def test_a_great_knot_of_circles_is_refused_whole_instead_of_taking_for_ever() -> None:
    tasks = [task(number, dependencies=[(number + 1) % 2500]) for number in range(2500)]
    plan = take(*tasks)
    assert len(plan.tasks) == 2500
    assert len(plan.problems) == 2500


def test_long_chains_are_no_trouble() -> None:
    plan = take(*(task(number, dependencies=[number + 1]) for number in range(5000)))
    assert len(blocks(plan)) == 4999


def test_a_task_takes_a_thousand_relationships_and_not_one_more() -> None:
    plan = take(task("all", dependencies=list(range(1001))), *(task(number) for number in range(1001)))
    assert len(blocks(plan)) == 1000
    assert "the limit" in problems(plan)["master.tasks[0].dependencies[1000]"]


# --- parents ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("key", ["parentId", "parentTaskId"])
@pytest.mark.parametrize("raw", ["undefined", None, "", 5, "5"])
def test_a_parent_that_says_nothing_new_changes_nothing(key: str, raw: object) -> None:
    plan = take(task(5, subtasks=[task(1, **{key: raw})]))
    assert parents(plan) == [("5", "5.1")]
    assert not plan.problems
    assert plan.tasks[1].metadata == {}


def test_an_undefined_parent_is_noted_once_with_its_count() -> None:
    plan = take(task(5, subtasks=[task(number, parentId="undefined") for number in range(3)]))
    (note,) = plan.notes
    assert "'undefined' names nothing" in note
    assert "3 times" in note


def test_a_task_in_a_flat_list_lies_under_the_parent_it_names() -> None:
    plan = take(task("5"), task("5.1", parentId="5"))
    assert parents(plan) == [("5", "5.1")]


@pytest.mark.parametrize(("raw", "says"), [("9", "there is no task 9"), ("5.1", "names itself"), ([], "no task")])
def test_a_parent_that_cannot_be_is_a_problem(raw: object, says: str) -> None:
    plan = take(task("5"), task("5.1", parentId=raw))
    assert parents(plan) == []
    assert says in problems(plan)["master.tasks[1].parentId"]


def test_a_second_parent_is_a_problem() -> None:
    plan = take(task(1), task(2), task(3, parentId=1, parentTaskId=2))
    assert parents(plan) == [("1", "3")]
    assert "already lies under 1" in problems(plan)["master.tasks[2].parentTaskId"]


def test_a_subtask_that_names_another_parent_stays_where_it_lies() -> None:
    plan = take(task(4), task(5, subtasks=[task(1, parentTaskId=4)]))
    assert parents(plan) == [("5", "5.1")]
    assert "another parent than 5" in problems(plan)["master.tasks[1].subtasks[0].parentTaskId"]


# --- fields -------------------------------------------------------------------------------------------------


def test_description_and_details_both_stay_whole() -> None:
    taken = only(take(task(1, description="Short.\n", details="1. Long\n2. Longer\n")))
    assert (taken.intent, taken.description) == ("Short.\n", "1. Long\n2. Longer\n")


def test_tags_of_a_task_become_labels() -> None:
    assert only(take(task(1, tags=["ui", "api"], labels=["ui"]))).labels == ("api", "ui")


def test_the_test_strategy_becomes_acceptance() -> None:
    taken = only(take(task(1, testStrategy="Run it.", acceptanceCriteria=["It runs.", "Twice."])))
    assert taken.acceptance == ("It runs.", "Twice.", "Run it.")


@pytest.mark.parametrize("raw", [None, "", "  \n"])
def test_no_test_strategy_is_no_acceptance(raw: object) -> None:
    assert only(take(task(1, testStrategy=raw))).acceptance == ()


@given(st.lists(st.tuples(st.sampled_from(["a", "ä", "€ ", "𝄞", "\n", " "]), st.integers(1, 5000)), max_size=9))
@example([("a", 65_536)])
@example([("𝄞", 1025)])
def test_a_long_test_strategy_is_cut_into_lines_that_join_to_the_same_text(
    runs: list[tuple[str, int]],
) -> None:
    text = "".join(sign * count for sign, count in runs)
    found = pieces(text, str)
    assert "".join(found) == text
    assert all(found) or not text
    if len(text.encode()) <= 65_536:
        assert all(len(piece.encode()) <= 4096 for piece in found)


def test_a_test_strategy_longer_than_an_acceptance_line_loses_nothing() -> None:
    text = "\n".join(f"{number}. Look at it again, and closely." for number in range(300))
    assert "".join(only(take(task(1, testStrategy=text))).acceptance) == text


@pytest.mark.parametrize(
    "extra",
    [
        {"complexity": 4, "expansionPrompt": "More"},
        {"metadata": {"jira": {"key": "AB-1"}}},
        {"assignee": "ann", "effort": 1.5, "isSubtask": True},
        {"details": ["not", "text"]},
        {"testStrategy": {"unit": True}},
        {"createdAt": "yesterday"},
        {"labels": ["x" * 101]},
        {"tags": [f"tag {number}" for number in range(33)]},
    ],
)
def test_what_has_no_field_here_goes_to_the_metadata(extra: dict[str, Any]) -> None:
    taken = only(take(task(1, **extra)))
    assert json.loads(json.dumps(taken.metadata)) == {"taskmaster": extra}


@pytest.mark.parametrize(
    ("field", "value", "says"),
    [
        ("description", "x" * 65_537, "65536"),
        ("details", "ä" * 32_769, "65536"),
        ("testStrategy", "x" * 500_000, "4096"),
        ("details", "nul \0", "U+0000"),
        ("description", "half \udfff", "surrogate"),
        ("testStrategy", "half \udfff", "surrogate"),
        ("notes", "x" * 20_000, "16384"),
        ("notes", [[[[[[[[1]]]]]]]], "deeper"),
        ("notes", 2**63, "63 bits"),
    ],
)
def test_what_exceeds_a_limit_is_a_problem_of_that_record_alone(field: str, value: object, says: str) -> None:
    plan = take(task(1, **{field: value}), task(2))
    assert ids(plan) == ["2"]
    assert says in problems(plan)["master.tasks[0]"]


@pytest.mark.parametrize(
    ("raw", "expected"),
    [("critical", "critical"), ("high", "high"), ("medium", "normal"), ("low", "low"), ("High ", "high")],
)
def test_priorities_are_mapped(raw: str, expected: str) -> None:
    assert only(take(task(1, priority=raw))).priority == expected


def test_a_subtask_without_a_priority_takes_its_parents() -> None:
    plan = take(task(1, priority="high", subtasks=[task(1), task(2, priority="low")]))
    assert [taken.priority for taken in plan.tasks] == ["high", "high", "low"]
    assert any("parent's" in note for note in plan.notes)


@pytest.mark.parametrize("raw", ["urgent", 1, ["high"]])
def test_an_unknown_priority_is_normal_and_kept(raw: object) -> None:
    plan = take(task(1, priority=raw))
    assert only(plan).priority == "normal"
    assert "priority" in only(plan).metadata["taskmaster"]
    assert any("unknown priority" in note for note in plan.notes)


# --- status -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("raw", "status", "block_reason", "kept"),
    [
        ("pending", "open", "", None),
        ("in-progress", "open", "", "in-progress"),
        ("In Progress", "open", "", "In Progress"),
        ("done", "completed", "", None),
        ("completed", "completed", "", None),
        ("review", "blocked", "awaiting review", "review"),
        ("deferred", "blocked", "deferred", "deferred"),
        ("cancelled", "cancelled", "", None),
        ("blocked", "blocked", "blocked in Task Master", None),
        ("on-hold", "open", "", "on-hold"),
        (3, "open", "", 3),
        (None, "open", "", None),
    ],
)
def test_statuses_are_mapped_and_kept_where_the_mapping_loses_something(
    raw: object, status: str, block_reason: str, kept: object
) -> None:
    plan = take(task(1, status=raw))
    taken = only(plan)
    assert (taken.status, taken.block_reason) == (status, block_reason)
    assert taken.metadata.get("source_status") == kept
    assert bool(plan.notes) == (kept is not None)


@pytest.mark.parametrize("raw", ["done", "completed", "in-progress", "review"])
def test_reopening_takes_begun_and_finished_work_as_open(raw: str) -> None:
    plan = take(task(1, status=raw, completedAt="2025-01-01T00:00:00Z"), reopen=True)
    taken = only(plan)
    assert (taken.status, taken.block_reason, taken.finished_at) == ("open", "", None)
    assert taken.metadata["source_status"] == raw
    assert any("again" in note for note in plan.notes)


@pytest.mark.parametrize("raw", ["pending", "deferred", "cancelled", "blocked", "on-hold"])
def test_reopening_leaves_what_was_never_begun(raw: str) -> None:
    assert take(task(1, status=raw), reopen=True) == take(task(1, status=raw))


# --- times --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("1970-01-01T00:00:01.000001Z", 1_000_001),
        ("2025-01-27T20:16:58.061Z", 1_738_009_018_061_000),
        ("2025-01-27T21:16:58.061+01:00", 1_738_009_018_061_000),
        ("2025-01-27T20:16:58.061", 1_738_009_018_061_000),
        ("1969-12-31T23:59:59Z", None),
        ("0001-01-01T00:00:00+23:59", None),
        ("soon", None),
        (1_738_009_018_061, None),
        (None, None),
    ],
)
def test_times_are_exact_microseconds_or_none(text: object, expected: int | None) -> None:
    assert micros(text) == expected


def test_a_tasks_own_times_come_before_those_of_its_list() -> None:
    about = {"created": "1970-01-01T00:00:01Z", "updated": "1970-01-01T00:00:09Z"}
    plan = take(task(1), task(2, createdAt="1970-01-01T00:00:02Z", updatedAt="1970-01-01T00:00:03Z"), metadata=about)
    assert [(taken.created_at, taken.updated_at) for taken in plan.tasks] == [
        (1_000_000, 9_000_000),
        (2_000_000, 3_000_000),
    ]
    assert plan.metadata["master"]["metadata"] == {"created": 1_000_000, "updated": 9_000_000}
    (note,) = plan.notes
    assert "master.tasks[0]" in note


def test_a_time_of_completion_counts_for_finished_work_and_is_kept_for_other() -> None:
    at = "1970-01-01T00:00:05Z"
    plan = take(task(1, status="done", completedAt=at), task(2, completedAt=at))
    assert [taken.finished_at for taken in plan.tasks] == [5_000_000, None]
    assert plan.tasks[1].metadata == {"taskmaster": {"completedAt": at}}


# --- tags ---------------------------------------------------------------------------------------------------


def tagged(**lists: list[Any]) -> Plan:
    return parse({tag: {"tasks": tasks} for tag, tasks in lists.items()})


def test_tags_keep_their_tasks_apart() -> None:
    plan = tagged(master=[task(1), task(2, dependencies=[1])], loop=[task(1), task(2, dependencies=[1])])
    assert ids(plan) == ["1", "2", "loop.1", "loop.2"]
    assert blocks(plan) == [("1", "2"), ("loop.1", "loop.2")]
    assert [taken.labels for taken in plan.tasks] == [(), (), ("loop",), ("loop",)]
    assert plan.tasks[3].metadata == {"taskmaster": {"tag": "loop", "id": "2"}}


def test_a_dependency_does_not_reach_into_another_tag() -> None:
    plan = tagged(master=[task(1)], loop=[task(2, dependencies=[1])])
    assert list(problems(plan)) == ["loop.tasks[0].dependencies[0]"]


def test_a_tag_that_is_a_number_does_not_pass_for_a_parent() -> None:
    lists: dict[str, Any] = {"1": {"tasks": [task(2)]}, "master": {"tasks": [task(1, subtasks=[task(2)])]}}
    plan = parse(lists)
    assert ids(plan) == ["tag-1.2", "1", "1.2"]
    assert plan.tasks[0].metadata["taskmaster"] == {"tag": "1", "id": "2"}


def test_a_tag_that_does_not_fit_an_id_is_mapped_and_kept_as_label() -> None:
    plan = parse({"feature/login": {"tasks": [task(1, subtasks=[task(2)])]}})
    first, second = ids(plan)
    assert first.startswith("feature-login-")
    assert second == f"{first}.2"
    assert plan.tasks[0].labels == ("feature/login",)


def test_an_id_already_taken_by_another_tag_is_mapped_instead_of_lost() -> None:
    plan = tagged(master=[task("loop.1")], loop=[task(1)])
    assert len(set(ids(plan))) == 2
    assert not plan.problems


def test_an_untagged_list_is_read_as_master() -> None:
    plan = parse({"tasks": [task(1), task(2, dependencies=[9])], "meta": {"projectName": "Old"}})
    assert ids(plan) == ["1", "2"]
    assert list(problems(plan)) == ["tasks[1].dependencies[0]"]
    assert plan.metadata == {"meta": {"projectName": "Old"}}


def test_a_list_left_over_beside_tags_is_taken_too() -> None:
    plan = parse({"tasks": [task(1, title="Stale"), task(2)], "master": {"tasks": [task(1)]}})
    assert ids(plan) == ["1", "2"]
    assert plan.tasks[0].title == "Task 1"
    assert list(problems(plan)) == ["tasks[0]"]


@pytest.mark.parametrize(
    ("document", "where"),
    [
        ({"master": {"tasks": []}, "b": {"tasks": {"1": task(1)}}}, "b.tasks"),
        ({"master": {"tasks": [task(1, subtasks="none")]}}, "master.tasks[0].subtasks"),
        ({"master": {"tasks": [task(1, dependencies={"2": True})]}}, "master.tasks[0].dependencies"),
        ({"master": {"tasks": [], "metadata": {"x": "half \ud800"}}}, "master"),
    ],
)
def test_a_part_of_the_wrong_type_is_a_problem(document: Mapping[str, Any], where: str) -> None:
    assert list(problems(parse(document))) == [where]


@pytest.mark.parametrize(
    "document",
    [
        None,
        [],
        "tasks",
        {},
        {"tasks": {}},
        {"master": []},
        {"master": {"tasks": None}},
        {"tasks": [{"id": "a", "title": "Ours", "blocked_by": []}]},
        {"tasks": [], "relationships": []},
    ],
)
def test_what_is_no_task_master_document_is_refused(document: object) -> None:
    assert not recognises(document)
    with pytest.raises(ArbeitError) as caught:
        parse(document)
    assert caught.value.code is Code.INVALID_INPUT
    assert caught.value.suggestions


# --- any document -------------------------------------------------------------------------------------------

scalars = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8)
values = st.recursive(
    scalars,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=6), inner, max_size=3),
)
some_id = st.integers(0, 6) | st.sampled_from(["1", "2", "1.1", "1.2", "2.1", 1.1, "a b", "loop.1"]) | values
shaped = st.recursive(
    st.fixed_dictionaries(
        {"id": some_id, "title": st.just("Some task") | values},
        optional={
            "dependencies": st.lists(some_id, max_size=4) | values,
            "status": st.sampled_from(["done", "review", "deferred", "odd"]) | values,
            "parentId": some_id,
            "priority": values,
            "testStrategy": values,
            "details": values,
            "tags": values,
            "createdAt": st.just("2025-01-27T20:16:58.061Z") | values,
            "odd": values,
        },
    ),
    lambda inner: st.fixed_dictionaries(
        {"id": some_id, "title": st.just("Some parent"), "subtasks": st.lists(inner | values, max_size=4)},
        optional={"dependencies": st.lists(some_id, max_size=4)},
    ),
)
lists = st.lists(shaped | values, max_size=6)
documents = (
    values
    | st.fixed_dictionaries({"tasks": lists}, optional={"meta": values})
    | st.dictionaries(
        st.sampled_from(["master", "loop", "1", "a/b", "tasks"]),
        st.fixed_dictionaries({"tasks": lists}),
        max_size=3,
    )
)


def waits_end(plan: Plan) -> bool:
    """Whether nothing waits for itself; a circle makes the sorter raise."""
    sorter: TopologicalSorter[str] = TopologicalSorter()
    for edge in plan.relationships:
        if edge.type == "blocks":
            sorter.add(edge.to_task_id, edge.from_task_id)
        else:
            sorter.add(edge.from_task_id, edge.to_task_id)
    sorter.prepare()
    return True


@given(documents, st.booleans())
def test_any_document_is_refused_as_a_whole_or_accounted_for_record_by_record(document: object, reopen: bool) -> None:
    try:
        plan = parse(document, reopen=reopen)
    except ArbeitError as error:
        assert error.code is Code.INVALID_INPUT  # noqa: PT017 - either outcome is right
        return
    known = set(ids(plan))
    assert len(known) == len(plan.tasks)
    assert accounted(plan)
    assert all({edge.from_task_id, edge.to_task_id} <= known for edge in plan.relationships)
    assert len({child for _, child in parents(plan)}) == len(parents(plan))
    assert waits_end(plan)
    assert parse(document, reopen=reopen).problems == plan.problems
    for problem in plan.problems:
        assert (problem.where + problem.reason + problem.record).isprintable()


@pytest.mark.skipif(not FIXTURE.exists(), reason="the shared fixtures are not beside this repository")
def test_a_real_file_is_taken_whole() -> None:
    plan = read_plan(FIXTURE)
    assert plan.source_format == "taskmaster"
    assert plan.problems == ()
    assert (len(plan.tasks), len(parents(plan)), len(blocks(plan))) == (43, 29, 38)
    assert accounted(plan)
    assert {taken.status for taken in plan.tasks} == {"completed"}
    assert {("1.1", "1.2"), ("10.7", "10.8"), ("13", "14")} <= set(blocks(plan))
    reopened = read_plan(FIXTURE, reopen=True)
    assert {taken.status for taken in reopened.tasks} == {"open"}
    assert {taken.metadata["source_status"] for taken in reopened.tasks} == {"done"}
    text = FIXTURE.read_text(encoding="utf-8")
    raw = [entry for top in json.loads(text)["master"]["tasks"] for entry in (top, *top["subtasks"])]
    for entry, taken in zip(raw, plan.tasks, strict=True):
        assert (entry["title"], entry["description"], entry["details"]) == (
            taken.title,
            taken.intent,
            taken.description,
        )
        assert entry["testStrategy"] == "".join(taken.acceptance)
