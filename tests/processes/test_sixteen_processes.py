"""Sixteen processes on one SQLite file."""

import multiprocessing
from collections import Counter
from multiprocessing.synchronize import Barrier
from pathlib import Path

import arbeit
from arbeit import commands as c
from arbeit import sync

PROCESSES, TASKS = 16, 2_000


def work_off(path: Path, name: str, start: Barrier) -> None:
    with sync.open(f"sqlite:///{path}") as hub:
        project = hub.project("load", actor=name)
        start.wait()
        work = project.claim(name, ttl=60)
        while work is not None:
            work = work.complete("done", evidence=["seen"], then_claim=True)


def test_each_task_is_claimed_once_and_no_process_starves(tmp_path: Path) -> None:
    path = tmp_path / "load.db"
    with sync.open(f"sqlite:///{path}") as hub:
        project = hub.project("load", create=True)
        made = project.execute_many([c.CreateTask(title=f"task {number}") for number in range(TASKS)])
        assert not [one for one in made if isinstance(one, arbeit.ArbeitError)]

    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["arbeit.sync", "arbeit.backends.sqlite"])
    start = context.Barrier(PROCESSES)
    names = [f"agent-{number}" for number in range(PROCESSES)]
    processes = [context.Process(target=work_off, args=(path, name, start)) for name in names]
    for process in processes:
        process.start()
    for process in processes:
        process.join(180)
    assert [process.exitcode for process in processes] == [0] * PROCESSES

    with sync.open(f"sqlite:///{path}") as hub:
        project = hub.project("load")
        events: list[arbeit.Event] = []
        while page := project.history(after=len(events), limit=5_000):
            events += page
        claimed = Counter(event.task_id for event in events if event.type == "task_claimed")
        completed = Counter(event.task_id for event in events if event.type == "task_completed")
        assert len(claimed) == len(completed) == TASKS
        assert set(claimed.values()) == set(completed.values()) == {1}
        assert [event.position for event in events] == list(range(1, len(events) + 1))
        shares = Counter(event.actor for event in events if event.type == "task_completed")
        assert min(shares[name] for name in names) >= TASKS / PROCESSES / 2, shares
        found = project.verify()
        assert found.ok, found
