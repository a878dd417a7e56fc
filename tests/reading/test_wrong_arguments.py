"""What is no argument of a read is refused with INVALID_INPUT, before a store is asked, on every store alike."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

import arbeit
import arbeit.sync

Wrong = Any
"""What no type checker lets through."""
NOT_NAMES: list[Any] = [5, True, b"open", 1.5, object()]
NOT_MOMENTS: list[Any] = ["2026-01-19", [], 1.5, True, 2**70]
NOT_POSITIONS: list[Any] = ["1", 1.5, [], -1, True, 2**70]


@pytest.fixture(params=["memory", "sqlite"])
def project(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[arbeit.sync.Project]:
    url = "memory://" if request.param == "memory" else f"sqlite:///{tmp_path}/team.db?synchronous=NORMAL"
    with arbeit.sync.open(url) as hub:
        made = hub.project("demo", create=True)
        made.create_task("A task", task_id="one")
        yield made


def refused(call: Callable[[], object], field: str) -> None:
    with pytest.raises(arbeit.ArbeitError) as caught:
        call()
    assert caught.value.code in {"INVALID_INPUT", "INVALID_STATUS", "INVALID_TYPE"}
    assert caught.value.data["field"] == field
    assert caught.value.suggestions


@pytest.mark.parametrize("wrong", NOT_NAMES)
@pytest.mark.parametrize("field", ["status", "claim_status", "priority", "requires", "sort"])
def test_find_refuses_filters_that_are_no_names(project: arbeit.sync.Project, field: str, wrong: object) -> None:
    given: dict[str, Any] = {field: wrong}
    refused(lambda: project.find(**given), field)


@pytest.mark.parametrize("field", ["claim_status", "priority", "sort"])
def test_find_takes_one_name_where_there_can_be_one(project: arbeit.sync.Project, field: str) -> None:
    given: dict[str, Any] = {field: ["ready", "high"]}
    refused(lambda: project.find(**given), field)


def test_there_is_no_list_without_a_sort(project: arbeit.sync.Project) -> None:
    unsorted: Any = None
    refused(lambda: project.find(sort=unsorted), "sort")


@pytest.mark.parametrize("wrong", NOT_NAMES)
def test_other_reads_refuse_what_is_no_name(project: arbeit.sync.Project, wrong: Wrong) -> None:
    refused(lambda: project.get("one", include=wrong), "include")
    refused(lambda: project.document("one", include=wrong), "include")
    refused(lambda: project.search("task", kinds=wrong), "kind")
    refused(lambda: project.search("task", types=wrong), "type")
    refused(lambda: project.search("task", status=wrong), "status")
    refused(lambda: next(project.watch(types=wrong)), "type")


@pytest.mark.parametrize("wrong", [[["context"]], [{}], ["contexts"], [None]])
def test_a_part_that_there_is_not_is_named(project: arbeit.sync.Project, wrong: Wrong) -> None:
    refused(lambda: project.get("one", include=wrong), "include")


def test_one_part_may_be_named_alone(project: arbeit.sync.Project) -> None:
    assert project.get("one", include="context").included == {"context"}


@pytest.mark.parametrize("wrong", NOT_POSITIONS)
def test_the_log_is_read_from_positions(project: arbeit.sync.Project, wrong: Wrong) -> None:
    refused(lambda: project.history(after=wrong), "after")
    refused(lambda: next(project.watch(wrong)), "after")


@pytest.mark.parametrize("wrong", ["1", 1.5, [], 0, True, 2**70, None])
def test_pages_of_the_log_have_a_length(project: arbeit.sync.Project, wrong: Wrong) -> None:
    refused(lambda: project.history(limit=wrong), "limit")


@pytest.mark.parametrize("wrong", NOT_MOMENTS)
def test_looking_back_takes_moments(project: arbeit.sync.Project, wrong: Wrong) -> None:
    refused(lambda: project.stats(since=wrong), "since")
    refused(lambda: project.stats(until=wrong), "until")
    refused(lambda: project.replay(at=wrong), "at")


@pytest.mark.parametrize("wrong", ["1", 1.5, [], -1, True, None, 1001])
def test_stats_name_a_whole_number_of_tasks(project: arbeit.sync.Project, wrong: Wrong) -> None:
    refused(lambda: project.stats(top=wrong), "top")


@pytest.mark.parametrize("wrong", ["no", 5, []])
def test_superseded_is_true_or_false(project: arbeit.sync.Project, wrong: Wrong) -> None:
    refused(lambda: project.search("task", superseded=wrong), "superseded")
    refused(lambda: project.query("decisions", superseded=wrong), "superseded")


def test_a_search_of_no_kind_finds_nothing_and_of_none_in_particular_all(project: arbeit.sync.Project) -> None:
    unsaid: Any = None
    assert project.search("task", kinds=()) == []
    assert [hit.task_id for hit in project.search("task", kinds=unsaid)] == ["one"]


@pytest.mark.parametrize("wrong", [[], {}, 5, "a\0b"])
def test_explain_takes_an_id(project: arbeit.sync.Project, wrong: Wrong) -> None:
    refused(lambda: project.explain(task_id=wrong), "task_id")


def test_a_brief_counts_with_a_function(project: arbeit.sync.Project) -> None:
    wrong: Any = 5
    refused(lambda: project.brief("one", count=wrong), "count")


def test_what_is_asked_for_by_name_is_never_left_out(project: arbeit.sync.Project) -> None:
    unsaid: Wrong = None
    refused(lambda: project.get(unsaid), "task_id")
    refused(lambda: project.brief(unsaid), "task_id")
    refused(lambda: project.agent(unsaid), "agent_id")
    refused(lambda: project.query("children_of", task_id=unsaid), "task_id")
    refused(lambda: project.query("tasks_for_file", path=unsaid), "path")
