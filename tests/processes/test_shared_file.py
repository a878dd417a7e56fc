"""One file and several processes: reclaimed holders, forks, and hubs that close while threads wait."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from arbeit import sync
from arbeit.core import commands as c
from arbeit.core.errors import ArbeitError, Code
from tests.processes import children
from tests.processes.conftest import ROOT, Start

WRITES: dict[str, Callable[[sync.Work], object]] = {
    "note": lambda work: work.note("n"),
    "decide": lambda work: work.decide("d", "why"),
    "attempt": lambda work: work.attempt("a"),
    "add_context": lambda work: work.add_context("c", type="rationale"),
    "progress": lambda work: work.progress("p"),
    "done": lambda work: work.done("prg-1"),
    "renew": lambda work: work.renew(60),
    "complete": lambda work: work.complete("o", evidence=["e"]),
    "fail": lambda work: work.fail("e"),
    "release": lambda work: work.release(),
    "handoff": lambda work: work.handoff("new", "yours"),
    "approve": lambda work: work.approve(),
    "request_changes": lambda work: work.request_changes("why"),
    "report_usage": lambda work: work.report_usage(tokens_in=1),
    "attach": lambda work: work.attach("a.txt", b"bytes"),
    "secret": lambda work: work.secret("github"),
    "link_session": lambda work: work.link_session("s"),
    "link_file": lambda work: work.link_file("a.py"),
    "block": lambda work: work.block("why"),
    "cancel": lambda work: work.cancel(),
}


def test_a_holder_that_another_process_replaced_loses_every_write(tmp_path: Path, start: Start) -> None:
    url = f"sqlite:///{tmp_path}/team.db"
    with sync.open(url) as hub:
        project = hub.project("demo", create=True, settings={"retry": "at_once"})
        task = project.create_task("T")
        work = project.claim("old", ttl=0.05)
        assert work is not None
        _, pipe = start(children.claim_once, url, "new")
        assert pipe.recv() == task.id
        position = project.overview().head.position
        for name, write in WRITES.items():
            with pytest.raises(ArbeitError) as caught:
                write(work)
            assert caught.value.code is Code.LEASE_LOST, name
        with pytest.raises(ArbeitError) as caught:
            project.execute(c.SupersedeContext(actor="old", entry_id="nope", content="c", token=work.token))
        assert caught.value.code is Code.ENTRY_NOT_FOUND
        assert project.overview().head.position == position
        (lease,) = project.overview().leases
        assert (lease.agent_id, lease.fence) == ("new", 3)
        # Without a token, what was learned can still be left for the next holder.
        project.as_("old").add_context(task.id, "it fails on Tuesdays")


FORK = """
import os, sys
import arbeit.sync
from arbeit.core.errors import ArbeitError
from arbeit.session import BlockingSession

hub = arbeit.sync.open(sys.argv[1])
hub.__enter__()
project = hub.project("demo", create=True)
task = project.create_task("before")
project.find()
child = os.fork()
if child == 0:
    calls = {
        "write": lambda: project.create_task("in the child"),
        "claim": lambda: project.claim("child"),
        "wait": lambda: project.claim("child", wait=0.2),
        "find": project.find,
        "get": lambda: project.get(task.id),
        "history": project.history,
        "overview": project.overview,
        "verify": project.verify,
        "watch": lambda: next(project.watch()),
        "projects": hub.projects,
    }
    for name, call in calls.items():
        try:
            call()
            print(name, "worked", flush=True)
        except ArbeitError as error:
            print(name, error.code, "fork" in error.message, flush=True)
        except BaseException as error:
            print(name, type(error).__name__, flush=True)
    hub.__exit__(None, None, None)
    # What was opened in the child is the child's.
    with arbeit.sync.open(sys.argv[1]) as own:
        own.project("demo").create_task("by the child")
    os._exit(0)
_, status = os.waitpid(child, 0)
assert status == 0, status
project.create_task("after")
print(*(task.title for task in project.find().tasks), sep=",")
assert project.verify().ok
hub.__exit__(None, None, None)
"""


@pytest.mark.skipif(not hasattr(os, "fork"), reason="there is no fork here")
def test_a_store_used_across_a_fork_is_a_clear_error(tmp_path: Path) -> None:
    done = _python(FORK, f"sqlite:///{tmp_path}/team.db")
    *calls, titles = done.splitlines()
    assert titles == "before,by the child,after"
    assert [call for call in calls if not call.endswith("STORE_UNAVAILABLE True")] == []
    assert len(calls) == 10


CLOSE = """
import sys, threading, time
import arbeit.sync
from arbeit.core.errors import ArbeitError

ends = []

def wait(call):
    try:
        ends.append(call())
    except ArbeitError as error:
        ends.append(str(error.code))

for number in range(20):
    hub = arbeit.sync.open(sys.argv[1])
    hub.__enter__()
    project = hub.project("demo", create=True)
    position = project.overview().head.position
    session = hub._session
    inner, there = session._wait_for_commit, threading.Semaphore(0)

    def entered(*args):
        there.release()
        return inner(*args)

    session._wait_for_commit = entered
    calls = [
        lambda: project.claim("a", capabilities=[], wait=30),
        lambda: project.claim("b", capabilities=[], wait=30),
        lambda: [event.position for event in project.watch(position + 2)],
    ]
    threads = [threading.Thread(target=wait, args=(call,)) for call in calls]
    for thread in threads:
        thread.start()
    for thread in threads:
        assert there.acquire(timeout=20)
    time.sleep(number * 0.003)
    began = time.monotonic()
    hub.__exit__(None, None, None)
    for thread in threads:
        thread.join(20)
        assert not thread.is_alive()
    assert time.monotonic() - began < 0.9, "whoever waits should hear of the end at once"
print(sorted({str(end) for end in ends}))
"""


@pytest.mark.parametrize("store", ["memory", "sqlite"])
def test_threads_that_wait_hear_of_the_end(tmp_path: Path, store: str) -> None:
    url = "memory://" if store == "memory" else f"sqlite:///{tmp_path}/team.db"
    ends = _python(CLOSE, url).strip()
    # Watching just ends; a claim is refused, or comes back with nothing.
    assert ends in ("['NOT_INITIALIZED', '[]']", "['None', '[]']")


def _python(script: str, *arguments: str) -> str:
    """Run a script in a process of its own, which may crash without taking the tests along; its output."""
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "PYTHONFAULTHANDLER": "1"}
    done = subprocess.run(
        [sys.executable, "-c", script, *arguments],
        capture_output=True,
        text=True,
        timeout=120,
        env=environment,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    return done.stdout


def test_a_claim_of_many_is_one_transaction_though_another_process_has_written_meanwhile(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'team.db'}"
    with sync.open(url) as here, sync.open(url) as there:
        project = here.project("demo", create=True)
        other = project.create_task("other", queue="other")
        for number in range(62):
            project.create_task(f"task {number}")
        project.claim(agent="ada", queues=["default"])
        there.project("demo").add_context(other.id, "moves the log on")
        kernel = here._session.kernel
        view = kernel._views["demo"]
        assert len(project.claim_many(n=61, agent="ada", queues=["default"])) == 61
        assert kernel._views["demo"] is view, "the batch failed and was run again"
        assert project.verify().ok
