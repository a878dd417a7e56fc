"""SIGKILL at random points: what was acknowledged is there, nothing is half there, the log is whole.

A child works on a SQLite file and tells over a pipe what was acknowledged, after each reply. The parent kills it
after a random number of acknowledgements and a random moment more, opens the file, and looks.
"""

import multiprocessing
import os
import random
import signal
import time
from multiprocessing.connection import Connection
from pathlib import Path

import arbeit
from arbeit import sync

KILLS = 200
SETTINGS = {"retry": "at_once", "lease_length": {"name": "jittered", "ttl": 1, "spread": 0}}


def work_until_killed(path: Path, seed: int, pipe: Connection) -> None:
    source = random.Random(seed)
    name = f"agent-{seed}"
    with sync.open(f"sqlite:///{path}", actor=name) as hub:
        project = hub.project("crash")
        while True:
            task = project.create_task(f"task of {seed}", metadata={"seed": seed}, max_attempts=1000)
            pipe.send(("task", task.id, task.version))
            work = project.claim(name, ttl=0.05 if source.random() < 0.2 else 60)
            if work is None:
                continue
            pipe.send(("lease", work.lease.id, work.task.id))
            try:
                for _ in range(source.randrange(3)):
                    pipe.send(("entry", work.note("x" * source.randrange(1, 2_000)).id, work.task.id))
                pipe.send(("item", work.progress("step", done=True)[0].id, work.task.id))
                if source.random() < 0.7:
                    work.complete("done", evidence=["seen"])
                    pipe.send(("completed", work.task.id, work.task.version))
                else:
                    work.release("later")
            except arbeit.ArbeitError as error:
                if error.code is not arbeit.Code.LEASE_LOST:
                    raise


def acknowledged(pipe: Connection) -> list[tuple[str, str, object]]:
    found = []
    try:
        while pipe.poll():
            found.append(pipe.recv())
    except (EOFError, OSError):
        pass  # killed in the middle of a message: that one was not heard
    return found


def check(project: sync.Project, said: list[tuple[str, str, object]]) -> None:
    for kind, key, more in said:
        task_id = key if kind in {"task", "completed"} else str(more)
        parts = project.get(task_id, include="all")
        if kind in {"task", "completed"}:
            assert isinstance(more, int)
            assert parts.task.version >= more
            assert kind == "task" or parts.task.status == "completed"
        elif kind == "lease":
            assert key in {run.lease_id for run in parts.runs or ()}
        elif kind == "entry":
            assert key in {entry.id for entry in parts.context or ()}
        else:
            assert key in {item.id for item in parts.progress or ()}


def test_nothing_acknowledged_is_lost_and_nothing_is_half_there(tmp_path: Path) -> None:
    path = tmp_path / "crash.db"
    source = random.Random(20261122)
    with sync.open(f"sqlite:///{path}") as hub:
        hub.project("crash", create=True, settings=SETTINGS)
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["arbeit.sync", "arbeit.backends.sqlite"])
    heard = 0
    for seed in range(KILLS):
        here, there = context.Pipe(duplex=False)
        child = context.Process(target=work_until_killed, args=(path, seed, there))
        child.start()
        there.close()
        said = [here.recv() for _ in range(source.randrange(25))]
        # The moment is random, so that it falls into every part of a transaction; there is nothing to wait for.
        time.sleep(source.random() * 0.01)
        assert child.pid is not None
        os.kill(child.pid, signal.SIGKILL)
        child.join()
        assert child.exitcode == -signal.SIGKILL
        said += acknowledged(here)
        here.close()
        heard += len(said)
        with sync.open(f"sqlite:///{path}") as hub:
            project = hub.project("crash")
            check(project, said)
            if seed % 10 == 9 or seed == KILLS - 1:
                found = project.verify()
                assert found.ok, (seed, found)
    assert heard > KILLS
