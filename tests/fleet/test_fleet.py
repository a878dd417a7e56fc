"""Eight processes, sixty-four agents and one log: nothing twice, nothing missed, nobody starved.

`ARBEIT_FLEET_TASKS=20000` is the size of the record; the usual one is smaller.
"""

from __future__ import annotations

import json
import os
from collections import Counter
from collections.abc import Callable
from multiprocessing.context import ForkServerContext

import pytest

from arbeit import sync
from arbeit.core import commands as c
from arbeit.core.model import Event
from tests.fleet import members
from tests.processes.conftest import Start

PROCESSES, AGENTS = 8, 8
TASKS = int(os.environ.get("ARBEIT_FLEET_TASKS", "2000"))
RETRIED = len(range(0, TASKS, members.FAILING))


def _log(project: sync.Project) -> list[Event]:
    events: list[Event] = []
    while page := project.history(after=len(events), limit=1000):
        events += page
    return events


def _deadlocks(request: pytest.FixtureRequest) -> list[str]:
    """What the log of our own server tells of deadlocks; nothing where there is no server, or somebody else's."""
    known = "postgres_server" in request.fixturenames or "postgres_url" in request.node.fixturenames
    server = request.getfixturevalue("postgres_server") if known else None
    return server.deadlocks() if server is not None else []


@pytest.mark.timeout(1800)
def test_eight_processes_with_eight_agents_each_share_the_tasks(
    url: str, context: ForkServerContext, start: Start, record_property: Callable[[str, object], None]
) -> None:
    names = [f"p{number}" for number in range(PROCESSES)]
    with sync.open(url, key=members.KEY) as hub:
        project = hub.project("demo", create=True, settings={"retry": "at_once"})
        for at in range(0, TASKS, 500):
            project.execute_many([c.CreateTask(title=str(number)) for number in range(at, min(at + 500, TASKS))])
        for name in names:
            for number in range(AGENTS):
                project.register_agent(f"{name}-{number}")
        _, follower = start(members.follow, url, TASKS)
        assert follower.recv() == "following"
        barrier = context.Barrier(PROCESSES)
        pipes = [start(members.drain, members.Crew(url, name, AGENTS), barrier)[1] for name in names]
        drained = [pipe.recv() for pipe in pipes]
        seen = follower.recv()
        events = _log(project)
        assert project.verify().ok
        assert project.overview().statuses == {"completed": TASKS}
    types = Counter(event.type for event in events)
    claims = [event for event in events if event.type == "task_claimed"]
    # Each attempt was claimed once, and as many as had to be.
    assert (
        len({(event.task_id, json.loads(event.data)["attempt"]) for event in claims}) == len(claims) == TASKS + RETRIED
    )
    assert types["task_completed"] == sum(done for _, done, _ in drained) == TASKS
    assert types["task_failed"] == sum(failed for _, _, failed in drained) == RETRIED
    assert [event.position for event in events] == list(range(1, len(events) + 1))
    assert seen == [(event.position, event.hash) for event in events[: len(seen)]]
    assert all(event.type != "task_completed" for event in events[len(seen) :])
    # Fair shares count from when the last process had begun: starting late is the machine's doing.
    first = {event.actor.partition("-")[0]: event.position for event in reversed(claims)}
    counted = [event for event in claims if event.position >= max(first.values())]
    shares = Counter(event.actor.partition("-")[0] for event in counted)
    slowest = min(shares[name] for name in names) * PROCESSES / len(counted)
    record_property("slowest_share", round(slowest, 2))
    seconds = (events[-1].at - claims[0].at) / 1_000_000
    print(f"{len(claims)} claims in {seconds:.1f} s; slowest {slowest:.2f} of its share of {len(counted)}")  # noqa: T201 - asked for
    assert len(counted) > TASKS / 2
    assert slowest >= 0.5
