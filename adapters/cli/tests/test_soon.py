"""A claim waits for what is ready in a moment, and says when the next one is otherwise."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

import pytest

import arbeit.sync
from adapters.cli.tests.conftest import Say
from arbeit_cli.soon import hint, next_ready

NOT_READY = 5


@pytest.fixture
def project(shop: Path) -> Iterator[arbeit.sync.Project]:
    with arbeit.sync.open(f"sqlite:///{shop}/.arbeit/arbeit.db", actor="planner") as hub:
        yield hub.project("shop")


def later(
    project: arbeit.sync.Project, seconds: float, *, requires: tuple[str, ...] = (), queue: str = "default"
) -> arbeit.Task:
    """A task that nobody may take before so many seconds are over."""
    at = round((time.time() + seconds) * 1_000_000)
    return project.create_task("Later", ready_at=at, requires=requires, queue=queue)


def test_a_claim_takes_what_is_ready_in_a_moment(project: arbeit.sync.Project, say: Say) -> None:
    task = later(project, 0.6)
    taken = say("claim", "--json")
    assert (taken.code, taken.data["task"]["id"]) == (0, task.id)


def test_a_claim_that_shall_not_wait_does_not_and_says_when(project: arbeit.sync.Project, say: Say) -> None:
    task = later(project, 2.5)
    empty = say("claim", "--wait", "0", "--json")
    assert (empty.code, empty.data["task"]) == (NOT_READY, None)
    assert empty.data["next_ready_at"] == arbeit.rfc3339(task.ready_at)


def test_what_is_ready_later_than_that_is_announced_with_the_command_that_waits_for_it(
    project: arbeit.sync.Project, say: Say
) -> None:
    later(project, 3600)
    later(project, 40)
    began = time.monotonic()
    empty = say("claim")
    assert time.monotonic() - began < 3, "nothing was waited for"
    assert empty.code == NOT_READY
    last = empty.out.splitlines()[-1]
    assert last in {f"One is ready in {left} s: arbeit claim --wait 1m" for left in range(30, 41)}


@pytest.mark.parametrize("why", ["capability", "queue"])
def test_what_the_agent_may_not_take_is_neither_waited_for_nor_announced(
    project: arbeit.sync.Project, say: Say, why: str
) -> None:
    if why == "capability":
        later(project, 1.5, requires=("brush",))
    else:
        later(project, 1.5, queue="ci")
        assert say("queues", "pause", "ci").code == 0
    empty = say("claim", "--json")
    assert (empty.code, "next_ready_at" in empty.data) == (NOT_READY, False)


def test_the_soonest_is_found_among_those_that_fit(project: arbeit.sync.Project) -> None:
    soon, brush, other = later(project, 500), later(project, 400, requires=("brush",)), later(project, 300, queue="ci")
    assert next_ready(project, "ann", None, None) == other.ready_at
    assert next_ready(project, "ann", None, ["default"]) == soon.ready_at
    assert next_ready(project, "ann", ["brush"], ["default"]) == brush.ready_at
    project.register_agent("bob", capabilities=["brush"])
    assert next_ready(project, "bob", None, ["default"]) == brush.ready_at


def test_what_is_days_away_is_not_to_be_waited_for() -> None:
    at = round((time.time() + 3 * 86_400 + 60) * 1_000_000)
    assert hint(at, "arbeit claim") == "One is ready in 3 d"
