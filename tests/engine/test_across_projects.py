"""Claims over several projects: by weight, one lease at a time, through both faces."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import anyio
import pytest

import arbeit
import arbeit.sync
from arbeit.core.errors import ArbeitError, Code
from arbeit.project.across import Turns


def test_projects_are_served_by_weight_and_none_has_a_burst_afterwards() -> None:
    turns, weights, served = Turns(), {"a": 300, "b": 100}, Counter[str]()
    for _ in range(400):
        key = turns.order(weights)[0]
        turns.served(key, weights[key])
        served[key] += 1
    assert served == {"a": 300, "b": 100}
    # One that had nothing for a while, or is new, gets its share from now on and no more.
    following = Counter[str]()
    for _ in range(8):
        key = turns.order({**weights, "new": 1})[0]
        turns.served(key, {**weights, "new": 100}[key])
        following[key] += 1
    assert following["new"] <= 3


@pytest.mark.parametrize("backend", ["memory", "sqlite"])
def test_one_hub_claims_in_all_of_its_projects_by_their_weights(backend: str, tmp_path: Path) -> None:
    url = "memory://" if backend == "memory" else f"sqlite:///{tmp_path}/team.db?synchronous=NORMAL"
    with arbeit.sync.open(url, actor="ada") as hub:
        for key, weight in (("big", 300), ("small", 100), ("old", 1000)):
            project = hub.project(key, create=True)
            project.update(weight=weight)
            for number in range(12):
                project.create_task(f"{key} {number}")
        hub.project("old").update(archived=True)
        found = Counter[str]()
        for _ in range(12):
            work = hub.claim()
            assert work is not None
            found[work.task.title.split(" ")[0]] += 1
        assert found == {"big": 9, "small": 3}
        only = hub.claim("ben", projects=["small"])
        assert only is not None
        assert only.task.title.startswith("small")
        assert hub.claim("ben", projects=["small"], capabilities=[], wait=0) is not None
        with pytest.raises(ArbeitError) as caught:
            hub.claim(projects=["small", "nowhere"])
        assert caught.value.code is Code.PROJECT_NOT_FOUND
        with pytest.raises(ArbeitError) as caught:
            hub.claim(projects="small")
        assert caught.value.code is Code.INVALID_INPUT


@pytest.mark.anyio
async def test_a_claim_over_projects_waits_for_work_in_any_of_them() -> None:
    async with arbeit.open("memory://", actor="ada") as hub:
        await hub.project("a", create=True)
        last = await hub.project("b", create=True)
        assert await hub.claim() is None
        found: list[str] = []

        async def wait() -> None:
            work = await hub.claim(wait=30)
            assert work is not None
            found.append(work.task.title)

        with anyio.fail_after(10):
            async with anyio.create_task_group() as group:
                group.start_soon(wait)
                await anyio.wait_all_tasks_blocked()
                await last.create_task("T")
        assert found == ["T"]
        assert await hub.claim(projects=[]) is None


def test_a_project_that_refuses_an_agent_leaves_it_the_others() -> None:
    with arbeit.sync.open("memory://", actor="ada") as hub:
        full, other = hub.project("a", create=True), hub.project("b", create=True)
        for project in (full, other):
            project.create_task("T")
            project.create_task("U")
        full.register_agent("ada", max_leases=0)
        work = hub.claim()
        assert work is not None
        assert hub.claim() is not None
        other.register_agent("ada", max_leases=0)
        with pytest.raises(ArbeitError) as caught:
            hub.claim()
        assert caught.value.code is Code.LIMIT_EXCEEDED
