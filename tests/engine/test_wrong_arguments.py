"""What is no argument of a verb is refused with INVALID_INPUT on both faces, and changes nothing."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import anyio
import pytest

import arbeit
import arbeit.sync

Wrong = Any
"""What no type checker lets through."""
NOT_SECONDS: list[Wrong] = ["5", [], math.nan, True, object()]


def refused(call: Callable[[], object], field: str) -> None:
    with pytest.raises(arbeit.ArbeitError) as caught:
        call()
    assert caught.value.code is arbeit.Code.INVALID_INPUT
    assert caught.value.data["field"] == field
    assert caught.value.suggestions


@pytest.fixture
def project() -> Iterator[arbeit.sync.Project]:
    with arbeit.sync.open("memory://") as hub:
        yield hub.project("demo", create=True, settings={"completion": "none"})


def started(project: arbeit.sync.Project) -> arbeit.sync.Work:
    return project.start_task(project.create_task("T").id, "ada")


@pytest.mark.parametrize("wrong", [*NOT_SECONDS, None])
def test_waiting_takes_seconds(project: arbeit.sync.Project, wrong: Wrong) -> None:
    refused(lambda: project.claim("ada", wait=wrong), "wait")
    refused(lambda: project.claim_many("ada", n=2, wait=wrong), "wait")


@pytest.mark.parametrize("wrong", [*NOT_SECONDS, None])
@pytest.mark.anyio
async def test_waiting_takes_seconds_on_the_event_loop(wrong: Wrong) -> None:
    async with arbeit.open("memory://") as hub:
        project = await hub.project("demo", create=True)
        with pytest.raises(arbeit.ArbeitError) as caught:
            await project.claim("ada", wait=wrong)
        assert caught.value.data["field"] == "wait"


@pytest.mark.parametrize("long", [math.inf, 10**400], ids=["inf", "huge"])
@pytest.mark.anyio
async def test_one_may_wait_for_as_long_as_it_takes(long: float) -> None:
    async with arbeit.open("memory://") as hub:
        project = await hub.project("demo", create=True)
        with anyio.move_on_after(0.05) as patience:
            await project.claim("ada", wait=long)
        assert patience.cancelled_caught
        await project.create_task("T")
        assert await project.claim("ada", wait=long) is not None


@pytest.mark.parametrize("wrong", [*NOT_SECONDS, "x" * 10_000, math.inf, 0, -1])
def test_leases_are_as_long_as_seconds_say(project: arbeit.sync.Project, wrong: Wrong) -> None:
    work = started(project)
    project.register_agent("ben")
    refused(lambda: work.renew(wrong), "ttl")
    refused(lambda: work.handoff("ben", "go on", ttl=wrong), "ttl")
    work.complete("Still held")
    assert work.task.status == "completed"


@pytest.mark.parametrize("wrong", [None, "no", 1])
def test_the_next_task_is_asked_for_with_a_truth_value(project: arbeit.sync.Project, wrong: Wrong) -> None:
    work = started(project)
    refused(lambda: work.complete("Done", then_claim=wrong), "then_claim")
    refused(lambda: work.release("Not yet", then_claim=wrong), "then_claim")
    assert not work.ended


@pytest.mark.parametrize("wrong", [None, 5, ["why"]])
def test_a_rationale_is_text(project: arbeit.sync.Project, wrong: Wrong) -> None:
    work = started(project)
    refused(lambda: work.decide("So be it", rationale=wrong), "rationale")


def test_a_delay_is_ended_by_a_moment(project: arbeit.sync.Project) -> None:
    task = project.create_task("T")
    never: Wrong = None
    refused(lambda: project.update_task(task.id, ready_at=never), "ready_at")


@pytest.mark.parametrize("wrong", [None, 5, "task.create", object()])
def test_only_commands_are_sent(project: arbeit.sync.Project, wrong: Wrong) -> None:
    refused(lambda: project.execute(wrong), "command")


@pytest.mark.parametrize("wrong", [None, 5, "task.create", {}, {5}, [5]])
@pytest.mark.anyio
async def test_only_lists_of_commands_are_sent(wrong: Wrong) -> None:
    with arbeit.sync.open("memory://") as hub:
        project = hub.project("demo", create=True)
        create = arbeit.commands.CreateTask(actor="ada", title="T")
        given = [create, *wrong] if isinstance(wrong, list) else wrong
        refused(lambda: project.execute_many(given), "commands")
        assert project.find().tasks == ()
    async with arbeit.open("memory://") as other:
        there = await other.project("demo", create=True)
        with pytest.raises(arbeit.ArbeitError) as caught:
            await there.execute_many(given)
        assert caught.value.data["field"] == "commands"


@pytest.mark.parametrize("wrong", [None, 5, b"copy.txt", "a\0b", "\ud800"])
def test_artifacts_are_saved_under_paths(
    project: arbeit.sync.Project, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, wrong: Wrong
) -> None:
    monkeypatch.chdir(tmp_path)
    artifact = started(project).attach("a.txt", b"a")
    refused(lambda: project.save_artifact(artifact.id, wrong), "path")
    assert list(tmp_path.iterdir()) == []


def test_a_path_that_no_system_has_is_no_source(project: arbeit.sync.Project) -> None:
    refused(lambda: started(project).attach("a.txt", Path("a\0b")), "data")


@pytest.mark.parametrize("wrong", ["2026-01-19T13:38:24Z", 1.5, True, 2**70])
def test_tasks_are_due_and_ready_at_moments(project: arbeit.sync.Project, wrong: Wrong) -> None:
    task = project.create_task("T")
    for field in ("due_at", "ready_at"):
        given: dict[str, Wrong] = {field: wrong}
        refused(lambda: project.create_task("T", **given), field)  # noqa: B023 - called at once
        refused(lambda: project.update_task(task.id, **given), field)  # noqa: B023 - called at once
