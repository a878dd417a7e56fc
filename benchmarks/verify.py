"""Events per second that verify replays: every hash checked, every event folded, every row compared."""

from __future__ import annotations

import time
from contextlib import ExitStack
from functools import partial

import arbeit.sync
from arbeit import commands as c
from benchmarks.measure import Series, Settings, Table, rates
from benchmarks.workload import BACKENDS, CHUNK, PROJECT, creations, fill, url_of

GOAL = 50_000


def grow(project: arbeit.sync.Project, tasks: int) -> None:
    """Write four events for each of so many tasks: created, updated, claimed, completed."""
    ids = fill(project, creations(tasks, queues=3))
    fill(project, [c.UpdateTask(actor="planner", task_id=one, metadata={"stage": "review"}) for one in ids])
    while works := project.claim_many("worker", n=100):
        ends = [
            c.CompleteTask(
                actor="worker",
                task_id=work.task.id,
                token=work.token,
                outcome="done",
                evidence=["pytest -q: 41 passed"],
            )
            for work in works
        ]
        fill(project, ends[:CHUNK])


def _verify(project: arbeit.sync.Project) -> float:
    begun = time.perf_counter()
    found = project.verify()
    took = time.perf_counter() - begun
    assert found.ok, found
    return found.events / took


def run(settings: Settings) -> list[Table]:
    """Verify a log of more than 20,000 events."""
    tasks = settings.size(5_500, 250)
    with ExitStack() as stack:
        projects = {}
        for backend in BACKENDS:
            hub = stack.enter_context(arbeit.sync.open(url_of(backend, settings.folder), actor="planner"))
            projects[backend] = hub.project(PROJECT, create=True)
            grow(projects[backend], tasks)
        events = projects["memory"].verify().events
        found = rates({backend: partial(_verify, project) for backend, project in projects.items()}, settings.rounds)
    rows = [(backend, speed, Series(1e6 / value for value in speed.values)) for backend, speed in found.items()]
    columns = ("verified", "events a second", "microseconds an event")
    note = f"goal: {GOAL:,} events a second"
    return [Table(f"Verification of {events:,} events", columns, rows, (note,))]
